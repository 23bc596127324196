//! Cosign's legacy attestations: a DSSE envelope as a layer under tag `sha256-<hex>.att`, and its proofs in the layer's annotations.
//!
//! Nothing signed covers the annotations, and none names a key.

use sigstore_types::{DsseEnvelope, PublicKeyIdentifier, SignatureContent, VerificationMaterialContent};

use super::bundle::{MAX_BUNDLE, weigh};
use super::proof::{LogProof, Logged};
use super::simple::{self, Kind, SimpleSigning};
use super::statement::Statement;
use super::trust::Trust;
use super::{Content, Judged, json};
use crate::model::PinnedImage;
use crate::model::signer::SignatureState;

/// One layer of a `.att` manifest, with its annotations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dsse<'a> {
    /// The blob.
    pub envelope: &'a [u8],
    /// `dev.sigstore.cosign/certificate`
    pub certificate_pem: Option<&'a str>,
    /// `dev.sigstore.cosign/chain`
    pub chain_pem: Option<&'a str>,
    /// `dev.sigstore.cosign/bundle`
    pub rekor_bundle_json: Option<&'a str>,
    /// `dev.sigstore.cosign/rfc3161timestamp`
    pub rfc3161_json: Option<&'a str>,
}

/// Judges one legacy attestation beside `image`. By its place it is an attestation, whatever it says.
pub fn dsse(input: &Dsse<'_>, image: &PinnedImage, trust: &Trust) -> Judged {
    read(input, image, trust).unwrap_or_else(|reason| Judged::unreadable(format!("the legacy attestation: {reason}")))
}

fn read(input: &Dsse<'_>, image: &PinnedImage, trust: &Trust) -> Result<Judged, String> {
    let Dsse { certificate_pem, chain_pem, rekor_bundle_json, rfc3161_json, .. } = *input;
    let annotations = SimpleSigning { certificate_pem, chain_pem, rekor_bundle_json, rfc3161_json, ..SimpleSigning::default() };
    simple::bounded(&annotations)?;
    // The type takes exactly one signature (SR-15): no second one could be checked against another log entry.
    let envelope: DsseEnvelope = json::read(input.envelope, MAX_BUNDLE)?;
    let statement = Statement::read(&envelope, MAX_BUNDLE)?;
    let (state, logged) = match state((&annotations, input.envelope), (&envelope, &statement), image, trust) {
        Ok(judged) => judged,
        Err(reason) => (SignatureState::Unreadable { reason: format!("the legacy attestation: {reason}") }, Logged::default()),
    };
    let content =
        Content::Attestation { predicate_type: statement.predicate_type.clone(), statement: envelope.payload.as_bytes().to_vec() };
    Ok(Judged { content, state, logged })
}

fn state(
    (annotations, blob): (&SimpleSigning<'_>, &[u8]),
    (envelope, statement): (&DsseEnvelope, &Statement),
    image: &PinnedImage,
    trust: &Trust,
) -> Result<(SignatureState, Logged), String> {
    let by_key = annotations.certificate_pem.is_none();
    let entry = match simple::logged(annotations) {
        // An entry that cannot be read proves nothing; the key is enough where no log entry is demanded.
        Err(_) if by_key && !trust.require_log_for_keys => None,
        entry => entry?,
    };
    let (entry, proof) = match entry {
        Some((entry, Kind::IntotoV001)) => (Some(entry), LogProof::IntotoV001 { envelope: blob }),
        Some((entry, Kind::Named)) => (Some(entry), LogProof::Promise),
        None => (None, LogProof::Promise),
    };
    let material = if by_key {
        VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(String::new()))
    } else {
        simple::certificates(annotations)?
    };
    let bundle = simple::bundle_of(annotations, SignatureContent::DsseEnvelope(envelope.clone()), material, entry)?;
    weigh(&bundle, (envelope, statement), image, (trust, proof))
}
