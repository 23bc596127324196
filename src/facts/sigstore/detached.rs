//! One bundle for one file, offline: `countersign bundle verify`, and the cases of sigstore-conformance.

use sigstore_types::{Artifact, Bundle, HashAlgorithm, MessageSignature, Sha256Hash, SignatureContent, VerificationMaterialContent};

use super::bundle::{MAX_BUNDLE, parse};
use super::certificate::San;
use super::key::{Message, PublicKey};
use super::proof::{self, Fail, Keyless, LogProof, Logged};
use super::statement::Statement;
use crate::facts::trust_root::TrustRoot;
use crate::model::Digest;
use crate::model::signer::KeylessIdentity;

/// The file that a bundle should speak of.
#[derive(Debug, Clone, Copy)]
pub enum File<'a> {
    Bytes(&'a [u8]),
    /// Its SHA-256 alone. Not enough for Ed25519, nor for curves larger than P-256 with their own hash, nor for a subject that is
    /// named by another hash.
    Digest(Digest),
}

/// Whose signature is demanded.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// The one Subject Alternative Name (a URI, or an e-mail address) and the OIDC issuer, whole values.
    Identity { identity: &'a str, issuer: &'a str },
    Key {
        key: &'a PublicKey,
        /// Whether a log of the trust root must hold the signature.
        require_log: bool,
    },
}

/// A verified bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    Identity(Box<KeylessIdentity>),
    Key(Logged),
}

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the bundle cannot be read: {0}")]
    Unreadable(String),
    #[error("the bundle does not verify: {0}")]
    Invalid(String),
    /// Valid, by somebody else.
    #[error("the bundle is signed by {0}")]
    Other(String),
    #[error("a keyless bundle needs a trust root")]
    NoTrustRoot,
    #[error("identity and issuer must not be empty")]
    NobodyExpected,
}

impl From<Fail> for Refused {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::NotOurs(who) => Self::Other(who),
            Fail::Invalid(reason) => Self::Invalid(reason),
            Fail::Unreadable(reason) => Self::Unreadable(reason),
        }
    }
}

/// Verifies one bundle, of any version that has an inclusion proof, for one file.
pub fn detached(bytes: &[u8], file: File<'_>, expected: Expected<'_>, root: Option<&TrustRoot>) -> Result<Verified, Refused> {
    let bundle = parse(bytes).map_err(Refused::Unreadable)?;
    speaks_of(&bundle, file)?;
    match expected {
        Expected::Identity { identity, issuer } => {
            if identity.is_empty() || issuer.is_empty() {
                return Err(Refused::NobodyExpected);
            }
            let root = root.ok_or(Refused::NoTrustRoot)?;
            let found = proof::keyless(&bundle, artifact(file), root, LogProof::Inclusion)?;
            is_expected(&found, identity, issuer)?;
            Ok(Verified::Identity(Box::new(found.identity)))
        }
        Expected::Key { key, require_log } => by_key(&bundle, file, key, require_log, root).map(Verified::Key),
    }
}

fn is_expected(found: &Keyless, identity: &str, issuer: &str) -> Result<(), Refused> {
    // The kind is part of the identity: an e-mail address may spell a URI.
    let wanted = if identity.contains("://") { San::Uri(identity.into()) } else { San::Email(identity.into()) };
    if found.san.as_ref() == Some(&wanted) && found.identity.issuer.as_deref() == Some(issuer) {
        return Ok(());
    }
    let san = match &found.san {
        Some(San::Uri(name) | San::Email(name)) => super::json::short(name),
        None => "a certificate without one clear name".into(),
    };
    let by = found.identity.issuer.as_deref().map_or_else(|| "an unnamed issuer".into(), super::json::short);
    Err(Refused::Other(format!("{san} by {by}")))
}

fn by_key(bundle: &Bundle, file: File<'_>, key: &PublicKey, log: bool, root: Option<&TrustRoot>) -> Result<Logged, Refused> {
    if !matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_)) {
        return Err(Refused::Other("a certificate, not a key".into()));
    }
    if bundle.verification_material.tlog_entries.iter().any(|entry| entry.inclusion_proof.is_none()) {
        return Err(Refused::Invalid("a log entry has no inclusion proof".into()));
    }
    let made = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => key.verifies(Message::Bytes(&envelope.pae()), &envelope.signature.sig),
        SignatureContent::MessageSignature(message) => match file {
            File::Bytes(bytes) => key.verifies(Message::Bytes(bytes), &message.signature),
            File::Digest(digest) => key.verifies(Message::Sha256(digest.bytes()), &message.signature),
        },
        _ => false,
    };
    if !made {
        return Err(Refused::Invalid("the key did not make this signature".into()));
    }
    let logged = proof::around_key(bundle, artifact(file), key, root, LogProof::Inclusion)?;
    if log && logged.unread {
        return Err(Refused::Unreadable(proof::UNREAD.into()));
    }
    if log && !logged.logged {
        return Err(Refused::Invalid("no log of the trust root holds it, and a log entry is demanded".into()));
    }
    Ok(logged)
}

/// Whether the bundle says of itself that it is about this file; the signature is checked elsewhere.
fn speaks_of(bundle: &Bundle, file: File<'_>) -> Result<(), Refused> {
    let digest = match file {
        File::Bytes(bytes) => Digest::of(bytes),
        File::Digest(digest) => digest,
    };
    let other = || Refused::Invalid(format!("it does not speak of {digest}"));
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            let statement = Statement::read(envelope, MAX_BUNDLE).map_err(Refused::Unreadable)?;
            let by_sha512 = || matches!(file, File::Bytes(bytes) if statement.names_by_sha512(bytes));
            (statement.names(&digest) || by_sha512()).then_some(()).ok_or_else(other)
        }
        SignatureContent::MessageSignature(message) => names_digest(message, &digest).then_some(()).ok_or_else(other),
        _ => Err(Refused::Unreadable("it holds neither an envelope nor a signature".into())),
    }
}

/// A message's digest is a hint and may be absent or made with another hash; a SHA-256 that is there must be right.
fn names_digest(message: &MessageSignature, digest: &Digest) -> bool {
    match &message.message_digest {
        Some(named) if named.algorithm == HashAlgorithm::Sha2256 => named.digest.as_bytes() == digest.bytes(),
        Some(_) | None => true,
    }
}

fn artifact(file: File<'_>) -> Artifact<'_> {
    match file {
        File::Bytes(bytes) => Artifact::from(bytes),
        File::Digest(digest) => Artifact::from(Sha256Hash::from(*digest.bytes())),
    }
}
