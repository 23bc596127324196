//! Transparency logs of both shapes: Rekor v1 with promise, inclusion proof and signed checkpoint, and Rekor v2 without a promise and
//! without a time of its own ([RFC 6962, 2.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1)).

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_crypto::KeyPair;
use sigstore_types::{
    CanonicalizedBody, CheckpointData, DsseEnvelope, InclusionPromise, InclusionProof, KindVersion, LogId, LogIndex, LogKeyId, Sha256Hash,
    SignedTimestamp, TransparencyLogEntry,
};

use super::Failed;
use crate::model::{Digest, Timestamp};

type Hash = [u8; 32];

/// Entries of older shards: a real log's entry index is not the index inside its tree.
const OLDER_SHARDS: u64 = 4_163_431;
const V1: Name = Name { origin: "rekor.sandbox.test - 3904496407287907110", signer: "rekor.sandbox.test" };
const V2: Name = Name { origin: "log2026.rekor.sandbox.test", signer: "log2026.rekor.sandbox.test" };

/// What a log calls itself in its checkpoints.
#[derive(Clone, Copy)]
struct Name {
    origin: &'static str,
    signer: &'static str,
}

/// A log's key; its id is the SHA-256 of the DER key.
pub(super) struct LogKey {
    pair: KeyPair,
    pub(super) spki: Vec<u8>,
    pub(super) id: Hash,
}

impl LogKey {
    pub(super) fn new() -> Result<Self, Failed> {
        let pair = KeyPair::generate_ecdsa_p256().map_err(Failed::because)?;
        let spki = pair.public_key_der().map_err(Failed::because)?.into_bytes();
        Ok(Self { pair, id: *Digest::of(&spki).bytes(), spki })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        self.pair.sign(message).map(|signature| signature.into_bytes()).map_err(Failed::because)
    }
}

pub(super) struct Log {
    pub(super) key: LogKey,
    name: Name,
    leaves: Mutex<Vec<Hash>>,
}

impl Log {
    pub(super) fn v1() -> Result<Self, Failed> {
        Ok(Self { key: LogKey::new()?, name: V1, leaves: Mutex::default() })
    }

    pub(super) fn v2() -> Result<Self, Failed> {
        Ok(Self { key: LogKey::new()?, name: V2, leaves: Mutex::default() })
    }

    /// Appends an entry to a v1 log, and proves it: by inclusion, and by a promise that covers its time.
    pub(super) fn entry(&self, kind: KindVersion, body: &Value, at: Timestamp) -> Result<TransparencyLogEntry, Failed> {
        let body = body.to_string().into_bytes();
        let (index, leaves) = self.append(&body);
        let promise = self.promise(&body, at, index)?;
        let proof = self.proof(index, &leaves)?;
        let index = LogIndex::new(OLDER_SHARDS + index).map_err(Failed::because)?;
        Ok(TransparencyLogEntry::new(index, self.id(), kind, CanonicalizedBody::new(body))
            .with_integrated_time(at)
            .with_inclusion_promise(InclusionPromise::new(SignedTimestamp::new(promise)))
            .with_inclusion_proof(proof))
    }

    /// Appends an entry to a v2 log, and proves it by inclusion. Its index is the one inside the tree.
    pub(super) fn timeless_entry(&self, body: &Value) -> Result<TransparencyLogEntry, Failed> {
        let body = body.to_string().into_bytes();
        let (index, leaves) = self.append(&body);
        let proof = self.proof(index, &leaves)?;
        let index = LogIndex::new(index).map_err(Failed::because)?;
        let entry = TransparencyLogEntry::new(index, self.id(), KindVersion::HashedRekordV002, CanonicalizedBody::new(body));
        Ok(entry.with_inclusion_proof(proof))
    }

    fn id(&self) -> LogId {
        LogId::new(LogKeyId::from_bytes(&self.key.id))
    }

    fn proof(&self, index: u64, leaves: &[Hash]) -> Result<InclusionProof, Failed> {
        let tree_size = u64::try_from(leaves.len()).map_err(Failed::because)?;
        let root = root(leaves);
        Ok(InclusionProof::new(
            LogIndex::new(index).map_err(Failed::because)?,
            Sha256Hash::from(root),
            tree_size,
            path(usize::try_from(index).map_err(Failed::because)?, leaves).into_iter().map(Sha256Hash::from).collect(),
            CheckpointData::new(self.checkpoint(tree_size, &root)?).map_err(Failed::because)?,
        ))
    }

    /// Appends an entry, and writes cosign 2's annotation: the promise alone.
    pub(super) fn legacy_bundle(&self, body: &Value, at: Timestamp) -> Result<String, Failed> {
        let body = body.to_string().into_bytes();
        let (index, _) = self.append(&body);
        let promise = self.promise(&body, at, index)?;
        let bundle = json!({"SignedEntryTimestamp": STANDARD.encode(promise), "Payload": self.payload(&body, at, index)});
        Ok(bundle.to_string())
    }

    fn append(&self, body: &[u8]) -> (u64, Vec<Hash>) {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        leaves.push(Sha256::new().chain_update([0]).chain_update(body).finalize().into());
        (leaves.len() as u64 - 1, leaves.clone())
    }

    /// The keys stand in the order that JSON canonicalisation (RFC 8785) wants.
    fn payload(&self, body: &[u8], at: Timestamp, index: u64) -> Value {
        json!({
            "body": STANDARD.encode(body), "integratedTime": at.as_second(),
            "logID": hex::encode(self.key.id), "logIndex": OLDER_SHARDS + index,
        })
    }

    fn promise(&self, body: &[u8], at: Timestamp, index: u64) -> Result<Vec<u8>, Failed> {
        self.key.sign(self.payload(body, at, index).to_string().as_bytes())
    }

    /// A signed note ([c2sp.org](https://c2sp.org/signed-note)).
    fn checkpoint(&self, size: u64, root: &Hash) -> Result<String, Failed> {
        let note = format!("{}\n{size}\n{}\n", self.name.origin, STANDARD.encode(root));
        let signature = [&self.key.id[..4], &self.key.sign(note.as_bytes())?].concat();
        Ok(format!("{note}\n\u{2014} {} {}\n", self.name.signer, STANDARD.encode(signature)))
    }
}

/// The body of a [`hashedrekord` entry](https://github.com/sigstore/rekor/tree/main/pkg/types/hashedrekord/v0.0.1).
pub(super) fn hashedrekord(payload: &[u8], signature_b64: &str, verifier_pem: &str) -> Value {
    json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": {"hash": {"algorithm": "sha256", "value": Digest::of(payload).hex()}},
        "signature": {"content": signature_b64, "publicKey": {"content": STANDARD.encode(verifier_pem)}},
    }})
}

/// The body of a [`hashedrekord` entry of Rekor v2](https://github.com/sigstore/rekor-tiles/blob/main/api/proto/rekor/v2/hashedrekord.proto):
/// the signed bytes, which are the envelope's pre-authentication encoding, and the certificate.
pub(super) fn hashedrekord_v2(signed: &[u8], signature_b64: &str, certificate: &[u8]) -> Value {
    json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Digest::of(signed).bytes())},
        "signature": {"content": signature_b64, "verifier": {
            "keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": STANDARD.encode(certificate)},
        }},
    }}})
}

/// The body of a [`dsse` entry](https://github.com/sigstore/rekor/tree/main/pkg/types/dsse/v0.0.1).
pub(super) fn dsse(envelope: &DsseEnvelope, verifier_pem: &str) -> Result<Value, Failed> {
    let whole = serde_json::to_vec(envelope).map_err(Failed::because)?;
    let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).hex()});
    Ok(json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
        "envelopeHash": hash(&whole),
        "payloadHash": hash(envelope.payload.as_bytes()),
        "signatures": [{"signature": envelope.signature.sig.to_base64(), "verifier": STANDARD.encode(verifier_pem)}],
    }}))
}

/// The largest power of two below the count of leaves.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            Sha256::new().chain_update([1]).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

/// The audit path of one leaf, from the leaf up.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, sibling) = if index < at { (path(index, left), root(right)) } else { (path(index - at, right), root(left)) };
    below.push(sibling);
    below
}
