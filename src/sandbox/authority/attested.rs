//! Log entries of attestations, in each kind that Rekor v1 and cosign 2 have had.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigstore_types::{DerPublicKey, DsseEnvelope, KindVersion, PublicKeyIdentifier, VerificationMaterial, VerificationMaterialContent};

use super::{Authority, Failed, LegacyAttestation, log};
use crate::model::{Digest, Timestamp};

/// The kinds of Rekor v1 entries around an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// Cosign before 2.2 ([schema](https://github.com/sigstore/rekor/blob/main/pkg/types/intoto/v0.0.1/intoto_v0_0_1_schema.json)).
    IntotoV001,
    /// Npm and others in bundles v0.1 ([schema](https://github.com/sigstore/rekor/blob/main/pkg/types/intoto/v0.0.2/intoto_v0_0_2_schema.json)).
    IntotoV002,
    /// Cosign since 2.2 ([schema](https://github.com/sigstore/rekor/blob/main/pkg/types/dsse/v0.0.1/dsse_v0_0_1_schema.json)).
    DsseV001,
}

impl LogKind {
    pub const ALL: [Self; 3] = [Self::IntotoV001, Self::IntotoV002, Self::DsseV001];

    /// The body of an entry for an envelope that this certificate or key signed.
    pub fn body(self, envelope: &[u8], verifier_pem: &str) -> Result<Value, Failed> {
        let read: DsseEnvelope = serde_json::from_slice(envelope).map_err(Failed::because)?;
        let sha256 = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).hex()});
        let verifier = STANDARD.encode(verifier_pem);
        let hashes = json!({"hash": sha256(envelope), "payloadHash": sha256(read.payload.as_bytes())});
        Ok(match self {
            Self::IntotoV001 => {
                json!({"apiVersion": "0.0.1", "kind": "intoto", "spec": {"content": hashes, "publicKey": verifier}})
            }
            Self::IntotoV002 => {
                // The signature is encoded once more than in the envelope.
                let sig = STANDARD.encode(read.signature.sig.to_base64());
                let logged = json!({"payloadType": read.payload_type, "signatures": [{"publicKey": verifier, "sig": sig}]});
                let content = json!({"envelope": logged, "hash": hashes["hash"], "payloadHash": hashes["payloadHash"]});
                json!({"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}})
            }
            Self::DsseV001 => log::dsse(&read, verifier_pem)?,
        })
    }
}

impl Authority {
    /// Logs any body, and gives the annotation that proves it. The log promises what it was given, true or not.
    pub fn log_annotation(&self, body: &Value, at: Timestamp) -> Result<String, Failed> {
        self.log.legacy_bundle(body, at)
    }

    /// A v0.3 bundle of an envelope that was signed elsewhere, with an entry in the log of Rekor v1's shape, or without a time in that
    /// of v2's: for keys of which there is no [`SandboxKey`](super::SandboxKey).
    pub fn bundle_of(&self, envelope: &[u8], key_pem: &str, at: Option<Timestamp>) -> Result<Vec<u8>, Failed> {
        let envelope: DsseEnvelope = serde_json::from_slice(envelope).map_err(Failed::because)?;
        let spki = DerPublicKey::from_pem(key_pem).map_err(Failed::because)?;
        let entry = match at {
            Some(at) => self.log.entry(KindVersion::DsseV001, &log::dsse(&envelope, key_pem)?, at)?,
            None => {
                let signature = envelope.signature.sig.to_base64();
                self.log_v2.timeless_entry(&log::hashedrekord_v2(&envelope.pae(), &signature, spki.as_bytes()))?
            }
        };
        let hint = STANDARD.encode(Digest::of(spki.as_bytes()).bytes());
        let content = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint));
        super::bytes(VerificationMaterial::new(content).with_tlog_entries(vec![entry]), envelope)
    }

    /// Replaces the log entry of an attestation by one of this kind. `key_pem` is for one that has no certificate.
    pub fn log_as(&self, made: &mut LegacyAttestation, kind: LogKind, key_pem: &str, at: Timestamp) -> Result<(), Failed> {
        let body = kind.body(&made.envelope, made.certificate_pem.as_deref().unwrap_or(key_pem))?;
        made.rekor_bundle_json = Some(self.log_annotation(&body, at)?);
        Ok(())
    }
}
