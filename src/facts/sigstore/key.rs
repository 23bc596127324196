//! Public keys, and the hashes cosign signs with.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA512_ASN1, EcdsaVerificationAlgorithm, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigstore_crypto::{KeyAlgorithm, SigningScheme, VerificationKey, validate_raw_public_key};
use sigstore_types::{DerPublicKey, HashAlgorithm, SignatureBytes};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::model::Digest;

/// id-ecPublicKey and secp521r1 ([RFC 5480](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1)).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The longest PEM text that is read as a key, in bytes; RSA 8192 has 1.5 KiB.
const MAX_PEM: usize = 16 << 10;

/// A public key whose signatures count: ECDSA on P-256, P-384 or P-521, RSA of 2048 to 8192 bits, Ed25519.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: DerPublicKey,
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Sigstore(KeyAlgorithm),
    /// The uncompressed point.
    P521(Vec<u8>),
}

/// Why a text is no key we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key is one PEM block -----BEGIN PUBLIC KEY-----, as `cosign generate-key-pair` writes to cosign.pub")]
    Pem,
    #[error("the key is of a kind that cannot be used here: {0}")]
    Kind(String),
}

/// What was signed.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Bytes(&'a [u8]),
    /// Only its SHA-256 is at hand.
    Sha256(&'a [u8; 32]),
}

impl PublicKey {
    /// Reads a PEM SubjectPublicKeyInfo, and refuses now what could never verify.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        // More than one block would leave open which key is meant.
        if pem.len() > MAX_PEM || pem.matches("-----BEGIN").count() != 1 {
            return Err(BadKey::Pem);
        }
        let spki = DerPublicKey::from_pem(pem).map_err(|_| BadKey::Pem)?;
        let kind = kind(&spki)?;
        Ok(Self { spki, kind })
    }

    /// The SHA-256 of the DER key, which people compare: `openssl pkey -pubin -outform der | sha256sum`.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.spki.as_bytes())
    }

    pub(super) fn der(&self) -> &DerPublicKey {
        &self.spki
    }

    /// What cosign writes into a bundle to name this key. A hint, not proof.
    pub(super) fn hint(&self) -> String {
        STANDARD.encode(self.fingerprint().bytes())
    }

    pub(super) fn is_ed25519(&self) -> bool {
        self.kind == Kind::Sigstore(KeyAlgorithm::Ed25519)
    }

    /// Whether sigstore-verify knows keys of this kind at all.
    pub(super) fn is_sigstores(&self) -> bool {
        match &self.kind {
            Kind::Sigstore(_) => true,
            Kind::P521(_) => false,
        }
    }

    /// Whether sigstore-verify would take this hash for this key by itself, so that it can check the log entry too.
    pub(super) fn verifies_by_default_hash(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        match &self.kind {
            Kind::Sigstore(algorithm) => verify(&self.spki, algorithm.default_signing_scheme(), Message::Bytes(message), signature),
            Kind::P521(_) => false,
        }
    }

    /// Whether this key made the signature. Cosign signs legacy payloads with SHA-256 for every curve, and bundles with the curve's
    /// own hash; the key is fixed, so trying both lets nobody else in.
    pub(super) fn verifies(&self, message: Message<'_>, signature: &SignatureBytes) -> bool {
        match &self.kind {
            Kind::Sigstore(algorithm) => schemes(*algorithm).iter().any(|scheme| verify(&self.spki, *scheme, message, signature)),
            Kind::P521(point) => verify_p521(point, message, signature),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

fn kind(spki: &DerPublicKey) -> Result<Kind, BadKey> {
    let refused = |error: &dyn fmt::Display| BadKey::Kind(super::json::short(error));
    let parsed = SubjectPublicKeyInfoRef::try_from(spki.as_bytes()).map_err(|error| refused(&error))?;
    let raw = parsed.subject_public_key.raw_bytes();
    if parsed.algorithm.oid == EC_PUBLIC_KEY && parsed.algorithm.parameters_oid() == Ok(SECP521R1) {
        // 1 + 2 × 66 bytes: an uncompressed point (SEC 1, 2.3.3).
        return match raw {
            [4, ..] if raw.len() == 133 => Ok(Kind::P521(raw.to_vec())),
            _ => Err(BadKey::Kind("a P-521 key that is not an uncompressed point".into())),
        };
    }
    let algorithm = KeyAlgorithm::from_spki(spki).map_err(|error| refused(&error))?;
    validate_raw_public_key(algorithm.default_signing_scheme(), raw).map_err(|error| refused(&error))?;
    Ok(Kind::Sigstore(algorithm))
}

fn schemes(algorithm: KeyAlgorithm) -> Vec<SigningScheme> {
    match algorithm {
        KeyAlgorithm::EcdsaP384 => vec![SigningScheme::EcdsaP384Sha384, SigningScheme::EcdsaP384Sha256],
        other => vec![other.default_signing_scheme()],
    }
}

fn verify(spki: &DerPublicKey, scheme: SigningScheme, message: Message<'_>, signature: &SignatureBytes) -> bool {
    let Ok(key) = VerificationKey::from_spki_with_scheme(spki, scheme) else { return false };
    match message {
        Message::Bytes(bytes) => key.verify(bytes, signature).is_ok(),
        Message::Sha256(hash) => scheme.hash_algorithm() == Some(HashAlgorithm::Sha2256) && key.verify_prehashed(hash, signature).is_ok(),
    }
}

fn verify_p521(point: &[u8], message: Message<'_>, signature: &SignatureBytes) -> bool {
    let key = |algorithm: &'static EcdsaVerificationAlgorithm| UnparsedPublicKey::new(algorithm, point);
    match message {
        Message::Bytes(bytes) => [&ECDSA_P521_SHA512_ASN1, &ECDSA_P521_SHA256_ASN1]
            .into_iter()
            .any(|algorithm| key(algorithm).verify(bytes, signature.as_bytes()).is_ok()),
        Message::Sha256(hash) => digest::Digest::import_less_safe(hash, &digest::SHA256)
            .is_ok_and(|hash| key(&ECDSA_P521_SHA256_ASN1).verify_digest(&hash, signature.as_bytes()).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
    };
    use x509_cert::der::Encode as _;
    use x509_cert::der::asn1::{AnyRef, BitStringRef};
    use x509_cert::spki::AlgorithmIdentifierRef;

    use super::*;

    fn pem(oid: &str, curve: Option<&str>, point: &[u8]) -> String {
        let curve = curve.map(ObjectIdentifier::new_unwrap);
        let parameters = curve.as_ref().map(AnyRef::from);
        let spki = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid: ObjectIdentifier::new_unwrap(oid), parameters },
            subject_public_key: BitStringRef::from_bytes(point).unwrap(),
        };
        DerPublicKey::new(spki.to_der().unwrap()).to_pem()
    }

    /// Signs by a key of the curve, and says whether the key read from PEM verifies that, nothing altered, and the SHA-256 alone.
    fn check(curve: &str, algorithm: &'static EcdsaSigningAlgorithm, by_sha256: bool) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let key = PublicKey::from_pem(&pem("1.2.840.10045.2.1", Some(curve), pair.public_key().as_ref())).unwrap();
        let signature = SignatureBytes::from_bytes(pair.sign(&random, b"words").unwrap().as_ref());
        assert!(key.verifies(Message::Bytes(b"words"), &signature));
        assert!(!key.verifies(Message::Bytes(b"other"), &signature));
        assert_eq!(key.verifies(Message::Sha256(Digest::of(b"words").bytes()), &signature), by_sha256);
    }

    #[test]
    fn large_curves_verify_with_their_own_hash_and_with_sha256() {
        check("1.3.132.0.34", &ECDSA_P384_SHA384_ASN1_SIGNING, false);
        check("1.3.132.0.35", &ECDSA_P521_SHA512_ASN1_SIGNING, false);
        check("1.3.132.0.35", &ECDSA_P521_SHA256_ASN1_SIGNING, true);
    }

    #[test]
    fn ed25519_verifies_whole_messages_only() {
        let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref()).unwrap();
        let key = PublicKey::from_pem(&pem("1.3.101.112", None, pair.public_key().as_ref())).unwrap();
        let signature = SignatureBytes::from_bytes(pair.sign(b"words").as_ref());
        assert!(key.verifies(Message::Bytes(b"words"), &signature) && key.is_ed25519());
        assert!(!key.verifies(Message::Sha256(Digest::of(b"words").bytes()), &signature));
    }

    #[test]
    fn what_is_no_usable_key_says_so() {
        let secp256k1 = pem("1.2.840.10045.2.1", Some("1.3.132.0.10"), &[4; 65]);
        let compressed = pem("1.2.840.10045.2.1", Some("1.3.132.0.35"), &[2; 67]);
        for bad in [&secp256k1, &compressed] {
            assert!(matches!(PublicKey::from_pem(bad), Err(BadKey::Kind(_))), "{bad}");
        }
        for bad in ["", "cosign.pub", &secp256k1.replace("PUBLIC", "PRIVATE"), &format!("{secp256k1}\n{secp256k1}")] {
            assert_eq!(PublicKey::from_pem(bad), Err(BadKey::Pem), "{bad}");
        }
    }
}
