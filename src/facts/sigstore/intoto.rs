//! Rekor v1 entries of the kind `intoto` 0.0.1, which cosign wrote for attestations before 2.2
//! ([schema](https://github.com/sigstore/rekor/blob/main/pkg/types/intoto/v0.0.1/intoto_v0_0_1_schema.json)).
//!
//! Such an entry records three things: the SHA-256 of the whole envelope as it was sent to the log (`content.hash`), the SHA-256 of
//! the statement in it (`content.payloadHash`; the oldest entries lack it), and the certificate or key (`publicKey`). It does not record the
//! signature by itself: that stands in the envelope, and only `content.hash` covers it. Cosign stores in the registry the very bytes
//! that it sends to the log, so that hash is held against the blob, byte for byte; without it one signature could be shown beside the
//! entry of another over the same statement (SR-12).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sigstore_types::{Bundle, DerPublicKey, DsseEnvelope, SignatureContent, TransparencyLogEntry};
use sigstore_verify::Verifier;

use super::json;
use super::proof::Fail;
use super::simple::MAX_ANNOTATION;
use crate::facts::trust_root::TrustRoot;
use crate::model::Digest;

/// The kind and version, as an entry's body names them.
pub(super) const KIND: (&str, &str) = ("intoto", "0.0.1");

#[derive(Deserialize)]
struct Body {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    content: Content,
    /// Base64 of a PEM certificate or key.
    public_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    hash: Hash,
    payload_hash: Option<Hash>,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

impl Hash {
    fn is_of(&self, bytes: &[u8]) -> bool {
        self.algorithm == "sha256" && self.value == Digest::of(bytes).hex()
    }
}

/// Verifies the promise of the bundle's one entry, holds its body against `blob`, and tells the verifier that this gives the same entry in a kind
/// that it reads. That the recorded certificate or key is the signer's, the verifier compares.
pub(super) fn restate<'r>(bundle: &Bundle, blob: &[u8], root: &'r TrustRoot) -> Result<(Bundle, &'r Verifier), Fail> {
    let ([entry], SignatureContent::DsseEnvelope(envelope)) = (bundle.verification_material.tlog_entries.as_slice(), &bundle.content)
    else {
        return Err(Fail::Unreadable("an intoto 0.0.1 entry stands alone beside one envelope".into()));
    };
    root.promised(entry).map_err(|error| Fail::Invalid(format!("the log's promise does not hold: {error}")))?;
    let signer = recorded_signer(entry, blob, envelope)?;
    let sha256 = |value: String| json!({"algorithm": "sha256", "value": value});
    let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
        "envelopeHash": sha256(Digest::of(blob).hex()),
        "payloadHash": sha256(Digest::of(envelope.payload.as_bytes()).hex()),
        "signatures": [{"signature": envelope.signature.sig.to_base64(), "verifier": STANDARD.encode(signer)}],
    }});
    let restating = root.restating().map_err(Fail::Unreadable)?;
    let mut restated = bundle.clone();
    restated.verification_material.tlog_entries = vec![restating.entry(entry, &body).map_err(Fail::Unreadable)?];
    Ok((restated, restating.verifier()))
}

/// Holds the entry's body against `blob`, and gives the certificate or key that it records, as PEM.
fn recorded_signer(entry: &TransparencyLogEntry, blob: &[u8], envelope: &DsseEnvelope) -> Result<Vec<u8>, Fail> {
    let unreadable = |error| Fail::Unreadable(format!("the log entry: {error}"));
    let Body { spec } = json::read(entry.canonicalized_body.as_bytes(), MAX_ANNOTATION).map_err(unreadable)?;
    if !spec.content.hash.is_of(blob) {
        return Err(Fail::Invalid("its log entry is of another envelope".into()));
    }
    if spec.content.payload_hash.is_some_and(|hash| !hash.is_of(envelope.payload.as_bytes())) {
        return Err(Fail::Invalid("its log entry is of another statement".into()));
    }
    STANDARD.decode(&spec.public_key).map_err(|_| unreadable("its key is not base64".into()))
}

/// The same, where a key must stand.
pub(super) fn recorded_key(entry: &TransparencyLogEntry, blob: &[u8], envelope: &DsseEnvelope) -> Result<DerPublicKey, Fail> {
    let pem = String::from_utf8(recorded_signer(entry, blob, envelope)?).map_err(|error| Fail::Unreadable(json::short(error)))?;
    DerPublicKey::from_pem(&pem).map_err(|error| Fail::Unreadable(json::short(error)))
}
