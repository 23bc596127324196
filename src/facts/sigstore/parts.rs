//! What lies around a key's signature, checked part by part.
//!
//! sigstore-verify checks log, timestamp and signature in one piece, and takes neither P-521 keys nor envelopes that a larger curve
//! signed with SHA-256. Here the signature is known to be the key's, and each part around it is verified by the same project's own
//! functions: the log's promise, the inclusion proof with its checkpoint, the timestamps; and the entry's body is held against what was
//! signed, the signature and the key (SR-12).

use sigstore_types::{
    Artifact, Bundle, DerPublicKey, DsseEnvelope, HashAlgorithm, KindVersion, MessageSignature, PemContent, SignatureBytes,
    SignatureContent, TransparencyLogEntry,
};
use sigstore_verify::rekor::body::{HashValue, HashedRekordV001Body, RekorEntryBody};

use super::intoto;
use super::json::short;
use super::key::PublicKey;
use super::proof::{self, Fail, LogProof, Logged};
use crate::facts::trust_root::TrustRoot;
use crate::model::{Digest, Timestamp};

/// Checks the entries and timestamps of `bundle`, which holds none but such that the root knows.
pub(super) fn around_key(
    bundle: &Bundle,
    artifact: &Artifact<'_>,
    key: &PublicKey,
    root: &TrustRoot,
    log: LogProof<'_>,
) -> Result<Logged, Fail> {
    let material = &bundle.verification_material;
    // What a Rekor v2 log records of keys like these, nobody has written down: sigstore-verify reads none of it either.
    if material.tlog_entries.iter().any(|entry| entry.kind_version == KindVersion::HashedRekordV002) {
        return Ok(Logged { unread: true, ..Logged::default() });
    }
    let mut times = vec![];
    for entry in &material.tlog_entries {
        names(entry, (&bundle.content, artifact), key, log)?;
        times.extend(is_in_log(entry, root, log)?);
    }
    let signature = match &bundle.content {
        SignatureContent::MessageSignature(message) => &message.signature,
        SignatureContent::DsseEnvelope(envelope) => &envelope.signature.sig,
        _ => return Err(Fail::Unreadable("it holds neither an envelope nor a signature".into())),
    };
    for stamp in &material.timestamp_verification_data.rfc3161_timestamps {
        times.push(root.stamped(&stamp.signed_timestamp, signature).map_err(Fail::Invalid)?);
    }
    proof::not_ahead(&times)?;
    Ok(Logged {
        logged: !material.tlog_entries.is_empty(),
        unread: false,
        signed_at: times.iter().min().copied(),
        latest: times.iter().max().copied(),
        log_index: proof::proven_index(&material.tlog_entries),
    })
}

/// Whether a log of the root holds the entry; the time, where the log promises one.
fn is_in_log(entry: &TransparencyLogEntry, root: &TrustRoot, log: LogProof<'_>) -> Result<Option<Timestamp>, Fail> {
    let invalid = |reason: String| Fail::Invalid(format!("the log entry: {reason}"));
    if entry.inclusion_proof.is_some() || log == LogProof::Inclusion {
        root.included(entry).map_err(invalid)?;
    }
    if entry.inclusion_promise.is_none() {
        return Ok(None);
    }
    root.promised(entry).map_err(|error| invalid(format!("the log's promise does not hold: {error}")))?;
    Ok(entry.integrated_time)
}

/// Whether the entry is of this signature over this, by this key.
fn names(
    entry: &TransparencyLogEntry,
    (content, artifact): (&SignatureContent, &Artifact<'_>),
    key: &PublicKey,
    log: LogProof<'_>,
) -> Result<(), Fail> {
    let recorded = match (content, log) {
        (SignatureContent::DsseEnvelope(envelope), LogProof::IntotoV001 { envelope: blob }) => {
            // The signature stands in the blob, whose hash is what the entry records.
            return is_key(&intoto::recorded_key(entry, blob, envelope)?, key);
        }
        (SignatureContent::DsseEnvelope(envelope), LogProof::Inclusion | LogProof::Promise) => of_envelope(entry, envelope)?,
        (SignatureContent::MessageSignature(message), _) => of_message(entry, message, artifact)?,
        _ => return Err(Fail::Unreadable("it holds neither an envelope nor a signature".into())),
    };
    is_key(&recorded, key)
}

fn of_message(entry: &TransparencyLogEntry, message: &MessageSignature, artifact: &Artifact<'_>) -> Result<DerPublicKey, Fail> {
    let RekorEntryBody::HashedRekordV001(HashedRekordV001Body { spec, .. }) = body(entry)? else { return Err(other_kind(entry)) };
    is_hash_of(&spec.data.hash, artifact, "of other bytes")?;
    is_signature(&spec.signature.content, &message.signature)?;
    spec.signature.public_key.parse_public_key().map_err(|error| unreadable(&error))
}

fn of_envelope(entry: &TransparencyLogEntry, envelope: &DsseEnvelope) -> Result<DerPublicKey, Fail> {
    let payload = Artifact::from(envelope.payload.as_bytes());
    let (verifier, signature) = match body(entry)? {
        RekorEntryBody::DsseV001(body) => {
            let recorded = &body.spec.payload_hash;
            is_digest_of((recorded.algorithm, &recorded.value), &payload, "of another statement")?;
            let [one] = body.spec.signatures.as_slice() else { return Err(other("of several signatures")) };
            (one.verifier.clone(), one.signature.clone())
        }
        RekorEntryBody::IntotoV002(body) => {
            let content = &body.spec.content;
            is_hash_of(&content.payload_hash, &payload, "of another statement")?;
            if content.envelope.payload_type != envelope.payload_type {
                return Err(other("of another payload type"));
            }
            let [one] = content.envelope.signatures.as_slice() else { return Err(other("of several signatures")) };
            // These entries hold the base64 of the base64.
            let text = std::str::from_utf8(one.sig.as_bytes()).map_err(|error| unreadable(&error))?;
            (one.public_key.clone(), SignatureBytes::from_base64(text).map_err(|error| unreadable(&error))?)
        }
        _ => return Err(other_kind(entry)),
    };
    is_signature(&signature, &envelope.signature.sig)?;
    pem_key(&verifier)
}

fn body(entry: &TransparencyLogEntry) -> Result<RekorEntryBody, Fail> {
    RekorEntryBody::parse(&entry.canonicalized_body, entry.kind_version).map_err(|error| unreadable(&error))
}

fn is_hash_of(recorded: &HashValue, artifact: &Artifact<'_>, what: &str) -> Result<(), Fail> {
    is_digest_of((recorded.algorithm, recorded.value.as_str()), artifact, what)
}

fn is_digest_of((algorithm, hex): (HashAlgorithm, &str), artifact: &Artifact<'_>, what: &str) -> Result<(), Fail> {
    let digest = match (artifact, algorithm) {
        (Artifact::Blob(bytes), HashAlgorithm::Sha2256) => Digest::of(bytes).hex(),
        (Artifact::Blob(bytes), HashAlgorithm::Sha2384) => hex::encode(sigstore_crypto::sha384(bytes).as_bytes()),
        (Artifact::Blob(bytes), HashAlgorithm::Sha2512) => hex::encode(sigstore_crypto::sha512(bytes).as_bytes()),
        (Artifact::Digest(digest), algorithm) if digest.algorithm() == algorithm => hex::encode(digest.as_bytes()),
        _ => return Err(Fail::Unreadable("its log entry records a hash that cannot be compared here".into())),
    };
    if digest == hex { Ok(()) } else { Err(other(what)) }
}

fn is_signature(recorded: &SignatureBytes, signature: &SignatureBytes) -> Result<(), Fail> {
    if recorded.as_bytes() == signature.as_bytes() { Ok(()) } else { Err(other("of another signature")) }
}

fn is_key(recorded: &DerPublicKey, key: &PublicKey) -> Result<(), Fail> {
    if recorded.as_bytes() == key.der().as_bytes() { Ok(()) } else { Err(other("of another key")) }
}

fn pem_key(pem: &PemContent) -> Result<DerPublicKey, Fail> {
    let text = std::str::from_utf8(pem.as_bytes()).map_err(|error| unreadable(&error))?;
    DerPublicKey::from_pem(text).map_err(|error| unreadable(&error))
}

fn other(what: &str) -> Fail {
    Fail::Invalid(format!("its log entry is {what}"))
}

fn other_kind(entry: &TransparencyLogEntry) -> Fail {
    let (kind, version) = (entry.kind_version.kind(), entry.kind_version.version());
    Fail::Unreadable(format!("log entries of the kind {kind} {version} cannot be checked for a key of this curve"))
}

fn unreadable(error: &dyn std::fmt::Display) -> Fail {
    Fail::Unreadable(format!("the log entry: {}", short(error)))
}
