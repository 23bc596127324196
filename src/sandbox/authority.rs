//! A signing authority in this process: keys, a Fulcio-shaped CA with a CT log, transparency logs in the shapes of Rekor v1 and v2,
//! and a timestamp authority. It signs what cosign 2 and 3 and Fulcio write, without network, and tells its own trust root. Nothing outside must ever trust it.

mod attested;
mod ca;
mod claims;
mod log;
mod manifest;
mod tsa;
mod tuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigstore_crypto::KeyPair;
use sigstore_types::{
    Bundle, CertificateContent, DsseEnvelope, DsseSignature, KeyId, KindVersion, MediaType, PayloadBytes, PublicKeyIdentifier,
    Rfc3161Timestamp, SignatureBytes, SignatureContent, TimestampToken, TimestampVerificationData, VerificationMaterial,
    VerificationMaterialContent, pae,
};

pub use attested::LogKind;
pub use claims::{Claims, GitlabJob, San};
pub use manifest::{Stored, Subject, bundle_manifest, legacy_manifest};
pub use tuf::TufRepository;

use crate::model::{Digest, PinnedImage, Timestamp};

/// The predicate type of a cosign 3 image signature.
pub const COSIGN_SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The authority could not sign. Only a broken crypto library or an impossible time makes this.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox authority could not sign: {0}")]
pub struct Failed(String);

impl Failed {
    fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The authority. It may be shared: only its log changes, behind a lock.
pub struct Authority {
    ca: ca::Ca,
    log: log::Log,
    log_v2: log::Log,
    tsa: tsa::Tsa,
    since: Timestamp,
}

/// A key pair that signs like `cosign sign --key`: ECDSA on P-256.
pub struct SandboxKey {
    pub name: String,
    /// What `cosign.pub` would hold.
    pub public_pem: String,
    pair: KeyPair,
}

/// One legacy signature: a layer of a `.sig` manifest. The fields are open, so that a test can make one of them wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacySignature {
    pub payload: Vec<u8>,
    pub signature_b64: String,
    pub certificate_pem: Option<String>,
    pub chain_pem: Option<String>,
    pub rekor_bundle_json: Option<String>,
    pub rfc3161_json: Option<String>,
}

/// One legacy attestation: a layer of a `.att` manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyAttestation {
    pub envelope: Vec<u8>,
    pub predicate_type: String,
    pub certificate_pem: Option<String>,
    pub chain_pem: Option<String>,
    pub rekor_bundle_json: Option<String>,
}

/// How one keyless signature is made.
#[derive(Debug, Clone)]
pub struct Session {
    pub claims: Claims,
    /// When the certificate starts; it lives ten minutes.
    pub certified_at: Timestamp,
    /// What the log says is the time of its entry.
    pub logged_at: Timestamp,
    /// Whether the certificate carries a CT log's promise.
    pub sct: bool,
    /// Whether a log in the shape of Rekor v2 holds the entry. It tells no time.
    pub rekor_v2: bool,
    /// When the timestamp authority saw the signature, if it was asked.
    pub stamped_at: Option<Timestamp>,
}

impl Session {
    /// An honest one.
    pub fn at(claims: &Claims, at: Timestamp) -> Self {
        Self { claims: claims.clone(), certified_at: at, logged_at: at, sct: true, rekor_v2: false, stamped_at: None }
    }
}

impl Session {
    /// An honest one with a log in the shape of Rekor v2, whose time comes from the timestamp authority.
    pub fn stamped(claims: &Claims, at: Timestamp) -> Self {
        Self { rekor_v2: true, stamped_at: Some(at), ..Self::at(claims, at) }
    }
}

impl Authority {
    /// A new authority, trusted from one day before `now`, so that stories may begin before it.
    pub fn new(now: Timestamp) -> Result<Self, Failed> {
        let since = now.checked_sub(jiff::SignedDuration::from_hours(24)).map_err(Failed::because)?;
        Ok(Self { ca: ca::Ca::new(since)?, log: log::Log::v1()?, log_v2: log::Log::v2()?, tsa: tsa::Tsa::new(since)?, since })
    }

    /// The `trusted_root.json` of this authority alone.
    pub fn trusted_root_json(&self) -> Vec<u8> {
        self.trusted_root().to_string().into_bytes()
    }

    /// The same, to take things out of it.
    pub fn trusted_root(&self) -> Value {
        let valid = json!({"start": self.since.to_string()});
        let log = |url: &str, key: &log::LogKey| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": {"keyId": STANDARD.encode(key.id)},
                "publicKey": {"rawBytes": STANDARD.encode(&key.spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
            })
        };
        let chain = |certificates: &[&[u8]]| {
            let raw: Vec<_> = certificates.iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
            json!({"certificates": raw})
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log("https://rekor.sandbox.test", &self.log.key), log("https://log2026.rekor.sandbox.test", &self.log_v2.key)],
            "certificateAuthorities": [{
                "subject": {"organization": "sandbox.test", "commonName": "sandbox-intermediate"}, "uri": "https://fulcio.sandbox.test",
                "certChain": chain(&self.ca.chain()), "validFor": valid,
            }],
            "ctlogs": [log("https://ct.sandbox.test", &self.ca.ct_log)],
            "timestampAuthorities": [{
                "subject": {"organization": "sandbox.test", "commonName": "sandbox-tsa"}, "uri": "https://tsa.sandbox.test/api/v1/timestamp",
                "certChain": chain(&self.tsa.chain()), "validFor": valid,
            }],
        })
    }

    /// An RFC 3161 answer over a signature, for a test to put where it likes.
    pub fn stamp(&self, signature: &[u8], at: Timestamp) -> Result<Vec<u8>, Failed> {
        self.tsa.stamp(signature, at)
    }

    /// A new key pair. The name is for people: each call makes another key.
    pub fn key(&self, name: &str) -> Result<SandboxKey, Failed> {
        let pair = KeyPair::generate_ecdsa_p256().map_err(Failed::because)?;
        let public_pem = pair.public_key_der().map_err(Failed::because)?.to_pem();
        Ok(SandboxKey { name: name.into(), public_pem, pair })
    }

    /// `cosign sign --key --tlog-upload=false` of cosign 2.
    pub fn sign_legacy(&self, key: &SandboxKey, image: &PinnedImage) -> Result<LegacySignature, Failed> {
        self.sign_payload(key, legacy_payload(image))
    }

    /// The same over any payload.
    pub fn sign_payload(&self, key: &SandboxKey, payload: Vec<u8>) -> Result<LegacySignature, Failed> {
        let signature = key.sign(&payload)?;
        let signature_b64 = signature.to_base64();
        Ok(LegacySignature { payload, signature_b64, certificate_pem: None, chain_pem: None, rekor_bundle_json: None, rfc3161_json: None })
    }

    /// The same with a log entry, as cosign 2 makes by default.
    pub fn sign_legacy_logged(&self, key: &SandboxKey, image: &PinnedImage, at: Timestamp) -> Result<LegacySignature, Failed> {
        let mut signed = self.sign_legacy(key, image)?;
        let body = log::hashedrekord(&signed.payload, &signed.signature_b64, &key.public_pem);
        signed.rekor_bundle_json = Some(self.log.legacy_bundle(&body, at)?);
        Ok(signed)
    }

    /// `cosign sign` of cosign 2, keyless.
    pub fn sign_legacy_keyless(&self, image: &PinnedImage, session: &Session) -> Result<LegacySignature, Failed> {
        let payload = legacy_payload(image);
        let (pair, certificate) = self.ca.certify(session)?;
        let signature_b64 = pair.sign(&payload).map_err(Failed::because)?.to_base64();
        let body = log::hashedrekord(&payload, &signature_b64, &certificate.to_pem());
        Ok(LegacySignature {
            rekor_bundle_json: Some(self.log.legacy_bundle(&body, session.logged_at)?),
            certificate_pem: Some(certificate.to_pem()),
            chain_pem: Some(self.ca.chain_pem()),
            rfc3161_json: None,
            signature_b64,
            payload,
        })
    }

    /// `cosign attest --key --tlog-upload=false` of cosign 2.
    pub fn attest_legacy(&self, key: &SandboxKey, statement: &Value) -> Result<LegacyAttestation, Failed> {
        legacy_attestation(statement, &envelope(statement, &key.pair)?)
    }

    /// `cosign attest` of cosign 2, keyless.
    pub fn attest_legacy_keyless(&self, statement: &Value, session: &Session) -> Result<LegacyAttestation, Failed> {
        let (pair, certificate) = self.ca.certify(session)?;
        let envelope = envelope(statement, &pair)?;
        let body = log::dsse(&envelope, &certificate.to_pem())?;
        Ok(LegacyAttestation {
            certificate_pem: Some(certificate.to_pem()),
            chain_pem: Some(self.ca.chain_pem()),
            rekor_bundle_json: Some(self.log.legacy_bundle(&body, session.logged_at)?),
            ..legacy_attestation(statement, &envelope)?
        })
    }

    /// Adds a timestamp to a legacy signature, as cosign 2 does with `--timestamp-server-url`.
    pub fn stamp_legacy(&self, signed: &mut LegacySignature, at: Timestamp) -> Result<(), Failed> {
        let signature = STANDARD.decode(&signed.signature_b64).map_err(Failed::because)?;
        let stamp = STANDARD.encode(self.tsa.stamp(&signature, at)?);
        signed.rfc3161_json = Some(json!({"SignedRFC3161Timestamp": stamp}).to_string());
        Ok(())
    }

    /// `cosign sign --key` of cosign 3 with an empty signing configuration: a v0.3 bundle without log or timestamp.
    pub fn sign_bundle_with_key(&self, key: &SandboxKey, image: &PinnedImage) -> Result<Vec<u8>, Failed> {
        self.attest_with_key(key, &sign_statement(image))
    }

    /// Any statement in a v0.3 bundle, by a key.
    pub fn attest_with_key(&self, key: &SandboxKey, statement: &Value) -> Result<Vec<u8>, Failed> {
        let envelope = envelope(statement, &key.pair)?;
        let spki = key.pair.public_key_der().map_err(Failed::because)?;
        let hint = STANDARD.encode(Digest::of(spki.as_bytes()).bytes());
        let material = VerificationMaterial::new(VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint)));
        bytes(material, envelope)
    }

    /// The same with a log entry.
    pub fn attest_with_key_logged(&self, key: &SandboxKey, statement: &Value, at: Timestamp) -> Result<Vec<u8>, Failed> {
        let envelope = envelope(statement, &key.pair)?;
        let spki = key.pair.public_key_der().map_err(Failed::because)?;
        let hint = STANDARD.encode(Digest::of(spki.as_bytes()).bytes());
        let entry = self.log.entry(KindVersion::DsseV001, &log::dsse(&envelope, &key.public_pem)?, at)?;
        let content = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint));
        bytes(VerificationMaterial::new(content).with_tlog_entries(vec![entry]), envelope)
    }

    /// `cosign sign` of cosign 3, keyless: a v0.3 bundle with certificate, log entry, inclusion proof and promise.
    pub fn sign_bundle_keyless(&self, image: &PinnedImage, claims: &Claims, at: Timestamp) -> Result<Vec<u8>, Failed> {
        self.attest_keyless(&sign_statement(image), &Session::at(claims, at))
    }

    /// Any statement in a v0.3 bundle, keyless.
    pub fn attest_keyless(&self, statement: &Value, session: &Session) -> Result<Vec<u8>, Failed> {
        let (pair, certificate) = self.ca.certify(session)?;
        let envelope = envelope(statement, &pair)?;
        let signature = &envelope.signature.sig;
        let entry = if session.rekor_v2 {
            let body = log::hashedrekord_v2(&envelope.pae(), &signature.to_base64(), certificate.as_bytes());
            self.log_v2.timeless_entry(&body)?
        } else {
            self.log.entry(KindVersion::DsseV001, &log::dsse(&envelope, &certificate.to_pem())?, session.logged_at)?
        };
        let stamps = self.stamps(signature, session.stamped_at)?;
        let content = VerificationMaterialContent::Certificate(CertificateContent::new(certificate));
        let material = VerificationMaterial::new(content).with_tlog_entries(vec![entry]).with_timestamp_verification_data(stamps);
        bytes(material, envelope)
    }

    /// Any statement in a v0.3 bundle, by a key, without a log but with a timestamp.
    pub fn attest_with_key_stamped(&self, key: &SandboxKey, statement: &Value, at: Timestamp) -> Result<Vec<u8>, Failed> {
        let envelope = envelope(statement, &key.pair)?;
        let spki = key.pair.public_key_der().map_err(Failed::because)?;
        let hint = STANDARD.encode(Digest::of(spki.as_bytes()).bytes());
        let stamps = self.stamps(&envelope.signature.sig, Some(at))?;
        let content = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint));
        bytes(VerificationMaterial::new(content).with_timestamp_verification_data(stamps), envelope)
    }

    fn stamps(&self, signature: &SignatureBytes, at: Option<Timestamp>) -> Result<TimestampVerificationData, Failed> {
        let stamp = at.map(|at| self.tsa.stamp(signature.as_bytes(), at)).transpose()?;
        Ok(TimestampVerificationData::new(stamp.into_iter().map(|stamp| Rfc3161Timestamp::new(TimestampToken::new(stamp))).collect()))
    }
}

impl SandboxKey {
    fn sign(&self, message: &[u8]) -> Result<SignatureBytes, Failed> {
        self.pair.sign(message).map_err(Failed::because)
    }
}

/// The payload that cosign signs for an image in the legacy layout
/// ([specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).
pub fn legacy_payload(image: &PinnedImage) -> Vec<u8> {
    let critical = json!({
        "identity": {"docker-reference": image.repository.to_string()},
        "image": {"docker-manifest-digest": image.digest.to_string()},
        "type": "cosign container image signature",
    });
    json!({"critical": critical, "optional": null}).to_string().into_bytes()
}

/// The statement that cosign 3 signs for an image.
pub fn sign_statement(image: &PinnedImage) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": image.digest.hex()}, "annotations": {}}],
        "predicateType": COSIGN_SIGN_V1,
        "predicate": {},
    })
}

/// The statement of an attestation, as `cosign attest` writes it: type v0.1, and the repository as the subject's name.
pub fn attestation_statement(image: &PinnedImage, predicate_type: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"name": image.repository.to_string(), "digest": {"sha256": image.digest.hex()}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

fn envelope(statement: &Value, pair: &KeyPair) -> Result<DsseEnvelope, Failed> {
    let payload = statement.to_string().into_bytes();
    let signature = pair.sign(&pae(IN_TOTO, &payload)).map_err(Failed::because)?;
    Ok(DsseEnvelope::new(IN_TOTO, PayloadBytes::new(payload), DsseSignature::new(signature, KeyId::default())))
}

fn legacy_attestation(statement: &Value, envelope: &DsseEnvelope) -> Result<LegacyAttestation, Failed> {
    Ok(LegacyAttestation {
        envelope: serde_json::to_vec(envelope).map_err(Failed::because)?,
        predicate_type: statement["predicateType"].as_str().unwrap_or_default().into(),
        certificate_pem: None,
        chain_pem: None,
        rekor_bundle_json: None,
    })
}

fn bytes(material: VerificationMaterial, envelope: DsseEnvelope) -> Result<Vec<u8>, Failed> {
    let bundle = Bundle::new(MediaType::Bundle0_3, material, SignatureContent::DsseEnvelope(envelope));
    bundle.to_json().map(String::into_bytes).map_err(Failed::because)
}
