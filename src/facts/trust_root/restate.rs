//! Log entries of a kind that sigstore-verify does not know, told to it in one that it knows.
//!
//! That crate reads no `intoto` 0.0.1 entry, and does not check chain, SCT and times apart from the entry. So the entry's promise is
//! verified with the trust root's keys, its body is compared where the envelope is at hand, and what was proven is written down again
//! as a `dsse` 0.0.1 entry of a log that exists in this process alone. The verifier that believes this log believes no other, and is
//! asked about nothing but entries that were just made here.

use serde::Serialize;
use serde_json::{Value, json};
use sigstore_crypto::KeyPair;
use sigstore_trust_root::TrustedRoot;
use sigstore_types::{CanonicalizedBody, InclusionPromise, KindVersion, LogId, LogKeyId, SignedTimestamp, TransparencyLogEntry};
use sigstore_verify::Verifier;

use crate::facts::sigstore::json::short;
use crate::model::Digest;

/// A log of this process, and who believes it.
pub(in crate::facts) struct Restating {
    verifier: Verifier,
    key: KeyPair,
    id: LogKeyId,
}

impl Restating {
    /// The certificate, CT and timestamp authorities of `root`, each in its window, with this log instead of theirs.
    pub(super) fn new(root: &TrustedRoot) -> Result<Self, String> {
        let key = KeyPair::generate_ecdsa_p256().map_err(short)?;
        let spki = key.public_key_der().map_err(short)?;
        let id = LogKeyId::from_bytes(Digest::of(spki.as_bytes()).bytes());
        // The crate's types cannot be put together from outside; its own format can.
        let mut root = serde_json::to_value(root).map_err(short)?;
        root["tlogs"] = json!([{
            "baseUrl": "", "hashAlgorithm": "SHA2_256", "logId": {"keyId": id},
            "publicKey": {
                "rawBytes": spki, "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                // The real log's window was held against the real promise.
                "validFor": {"start": "1970-01-01T00:00:00Z"},
            },
        }]);
        let root: TrustedRoot = serde_json::from_value(root).map_err(short)?;
        Ok(Self { verifier: Verifier::new(&root).map_err(short)?, key, id })
    }

    /// `proven` again, with this body.
    pub(in crate::facts) fn entry(&self, proven: &TransparencyLogEntry, body: &Value) -> Result<TransparencyLogEntry, String> {
        let body = CanonicalizedBody::new(body.to_string().into_bytes());
        let mut entry = TransparencyLogEntry::new(proven.log_index, LogId::new(self.id.clone()), KindVersion::DsseV001, body);
        entry.integrated_time = proven.integrated_time;
        let promise = self.key.sign(&promised(&entry)?).map_err(short)?;
        Ok(entry.with_inclusion_promise(InclusionPromise::new(SignedTimestamp::new(promise.into_bytes()))))
    }

    pub(in crate::facts) fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

/// The bytes under a log's promise: the entry's JSON in the form of RFC 8785, of which the order of the keys is all that is left to
/// do for two texts and two integers
/// ([Rekor](https://github.com/sigstore/rekor/blob/main/openapi.yaml), `SignedEntryTimestamp`).
pub(super) fn promised(entry: &TransparencyLogEntry) -> Result<Vec<u8>, String> {
    #[derive(Serialize)]
    struct Promised {
        body: String,
        #[serde(rename = "integratedTime")]
        integrated_time: i64,
        #[serde(rename = "logID")]
        log_id: String,
        #[serde(rename = "logIndex")]
        log_index: u64,
    }
    let promised = Promised {
        body: entry.canonicalized_body.to_base64(),
        integrated_time: entry.integrated_time.ok_or("the log entry has no time")?.as_second(),
        log_id: hex::encode(entry.log_id.key_id.as_bytes()),
        log_index: entry.log_index.get(),
    };
    serde_json::to_vec(&promised).map_err(short)
}
