//! Sigstore bundles beside an image
//! ([protobuf-specs](https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto)).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sigstore_types::{Artifact, Bundle, DsseEnvelope, Sha256Hash, SignatureContent, VerificationMaterialContent};

use super::certificate::Leaf;
use super::json;
use super::proof::{self, Fail, LogProof, Logged};
use super::statement::{COSIGN_SIGN_V1, Statement};
use super::trust::Trust;
use super::{Content, Judged};
use crate::model::signer::{SignatureState, SignedBy};
use crate::model::{Digest, PinnedImage};

/// The largest bundle that is read, in bytes; cosign inflates and reads without a cap. A provenance has some 20 KiB, an SBOM may have
/// some MiB.
pub const MAX_BUNDLE: usize = 8 << 20;

/// Judges one bundle that lies beside `image`. Only cosign 3's image signature counts as a signature; every other statement is an
/// attestation, and a detached signature of a file is neither. A bundle of an older version must have the inclusion proof of a new one
/// where it has a log entry.
pub fn bundle(bytes: &[u8], image: &PinnedImage, trust: &Trust) -> Judged {
    read(bytes, image, trust).unwrap_or_else(|reason| Judged::unreadable(format!("the bundle: {reason}")))
}

fn read(bytes: &[u8], image: &PinnedImage, trust: &Trust) -> Result<Judged, String> {
    let bundle = parse(bytes)?;
    let envelope = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => envelope,
        // A detached signature names no type of what it signs: somebody whose files are signed with the same key could have a file made
        // that is a manifest. Cosign writes none beside images; `bundle verify` takes one for the file that the caller names.
        _ => return Err("it signs a file, not an image".into()),
    };
    let statement = Statement::read(envelope, MAX_BUNDLE)?;
    let content = content(&statement, envelope, image);
    let (state, logged) = weigh(&bundle, (envelope, &statement), image, (trust, LogProof::Inclusion))?;
    Ok(Judged { content, state, logged })
}

/// Judges a bundle's envelope for `image`.
pub(super) fn weigh(
    bundle: &Bundle,
    (envelope, statement): (&DsseEnvelope, &Statement),
    image: &PinnedImage,
    (trust, log): (&Trust, LogProof<'_>),
) -> Result<(SignatureState, Logged), String> {
    if statement.names(&image.digest) {
        return Ok(match signer((bundle, envelope), image.digest, trust, log) {
            Ok((by, logged)) => (SignatureState::Verified(by), logged),
            Err(state) => (state, Logged::default()),
        });
    }
    let digest = statement.first().ok_or("no subject of the statement has a sha256")?;
    let verified = signer((bundle, envelope), digest, trust, log).ok();
    let (by, logged) = verified.map_or((None, Logged::default()), |(by, logged)| (Some(by), logged));
    Ok((SignatureState::OtherSubject { digest, by }, logged))
}

/// Reads a bundle strictly: a key that stands twice could show other readers another bundle.
pub(super) fn parse(bytes: &[u8]) -> Result<Bundle, String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "mediaType")]
        media_type: Option<String>,
    }
    let named: Named = json::read(bytes, MAX_BUNDLE)?;
    // The crate takes a bundle without a media type for v0.1.
    named.media_type.ok_or("it has no mediaType")?;
    serde_json::from_slice(bytes).map_err(json::short)
}

fn content(statement: &Statement, envelope: &DsseEnvelope, image: &PinnedImage) -> Content {
    if statement.predicate_type == COSIGN_SIGN_V1 {
        Content::ImageSignature { docker_reference: None, annotations: statement.annotations(&image.digest) }
    } else {
        Content::Attestation { predicate_type: statement.predicate_type.clone(), statement: envelope.payload.as_bytes().to_vec() }
    }
}

fn signer(
    (bundle, envelope): (&Bundle, &DsseEnvelope),
    subject: Digest,
    trust: &Trust,
    log: LogProof<'_>,
) -> Result<(SignedBy, Logged), SignatureState> {
    let artifact = Artifact::from(Sha256Hash::from(*subject.bytes()));
    match &bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(key) => by_key((bundle, envelope), &key.hint, artifact, trust, log),
        _ => by_certificate(bundle, artifact, trust, log),
    }
}

fn by_key(
    (bundle, envelope): (&Bundle, &DsseEnvelope),
    hint: &str,
    artifact: Artifact<'_>,
    trust: &Trust,
    log: LogProof<'_>,
) -> Result<(SignedBy, Logged), SignatureState> {
    let Some((name, key)) = trust.who_signed(&envelope.pae(), &envelope.signature.sig) else {
        return Err(match trust.named_by(hint) {
            // Cosign 3 signs with Ed25519ph, which no library here verifies: not a word against the signature.
            Some((name, key)) if key.is_ed25519() => SignatureState::Unreadable {
                reason: format!("it names the Ed25519 key {name}; cosign 3 signs with Ed25519ph, which cannot be checked here"),
            },
            Some((name, _)) => SignatureState::Invalid {
                claims: Some(name.clone()),
                reason: format!("it names the key {name}, but that key did not make this signature"),
            },
            None => SignatureState::NotOurs { hint: fingerprint(hint) },
        });
    };
    let invalid = |reason| SignatureState::Invalid { claims: Some(name.clone()), reason };
    match proof::around_key(bundle, artifact, key, trust.root.as_ref(), log) {
        Ok(logged) if logged.logged || !trust.require_log_for_keys => Ok((SignedBy::Key(name.clone()), logged)),
        Ok(logged) if logged.unread => Err(SignatureState::Unreadable { reason: proof::UNREAD.into() }),
        Ok(_) => Err(invalid("no log of the trust root holds it, and a log entry is demanded".into())),
        // Proofs that cannot be checked here prove nothing; the key is enough where no log entry is demanded.
        Err(Fail::Unreadable(_)) if !trust.require_log_for_keys => {
            Ok((SignedBy::Key(name.clone()), Logged { unread: true, ..Logged::default() }))
        }
        Err(Fail::Unreadable(reason)) => Err(SignatureState::Unreadable { reason }),
        Err(Fail::Invalid(reason) | Fail::NotOurs(reason)) => Err(invalid(reason)),
    }
}

/// A bundle's hint, if it has the shape of a key's SHA-256.
fn fingerprint(hint: &str) -> Option<String> {
    let bytes = STANDARD.decode(hint).ok()?;
    (bytes.len() == 32).then(|| format!("a key with the fingerprint sha256:{}, by its own word", hex::encode(bytes)))
}

pub(super) fn by_certificate(
    bundle: &Bundle,
    artifact: Artifact<'_>,
    trust: &Trust,
    log: LogProof<'_>,
) -> Result<(SignedBy, Logged), SignatureState> {
    let leaf = bundle.signing_certificate().and_then(|certificate| Leaf::read(certificate).ok());
    let names = leaf.as_ref().map_or_else(|| "nobody in particular".into(), Leaf::names);
    let Some(root) = &trust.root else {
        let hint = format!("a certificate for {names}, not verified: no trust root is configured");
        return Err(SignatureState::NotOurs { hint: Some(hint) });
    };
    match proof::keyless(bundle, artifact, root, log) {
        Ok(signer) => {
            let (signed_at, log_index) = (signer.identity.signed_at, signer.identity.log_index);
            let logged = Logged { logged: true, unread: false, signed_at, latest: Some(signer.latest), log_index };
            Ok((SignedBy::Keyless(Box::new(signer.identity)), logged))
        }
        Err(Fail::NotOurs(hint)) => Err(SignatureState::NotOurs { hint: Some(hint) }),
        Err(Fail::Invalid(reason)) => {
            let claims = trust.signer_of_issuer(leaf.as_ref().and_then(|leaf| leaf.identity.issuer.as_deref()));
            Err(SignatureState::Invalid { claims, reason: format!("a certificate for {names}: {reason}") })
        }
        Err(Fail::Unreadable(reason)) => Err(SignatureState::Unreadable { reason }),
    }
}
