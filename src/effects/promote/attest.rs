//! `attest`: a signed verification summary lies beside the image, in both layouts of cosign.

mod key;
mod summary;

use serde_json::{Value, json};
use sigstore_types::{
    Bundle, DsseEnvelope, MediaType as BundleType, PublicKeyIdentifier, SignatureContent, VerificationMaterial, VerificationMaterialContent,
};

pub use key::{BadSigningKey, SigningKey, SigningSettings};
pub use summary::VSA_V1;

use super::beside::{self, document, fallback_tag, legacy_tag};
use super::registry::{Blob, Side, blobs};
use crate::effects::NotDone;
use crate::model::promotion::{Left, Summary};
use crate::model::{Digest, PinnedImage};
use crate::registry_client::limits;
use crate::registry_client::listing::{Fallback, by_api, by_fallback_tag};
use crate::registry_client::manifest::{Content, Manifest, MediaType};

/// Bundles ([bundle format](https://docs.sigstore.dev/about/bundle/)).
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Cosign's legacy attestations.
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// The configuration of a manifest that needs none ([image-spec](https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidance-for-an-empty-descriptor)).
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// Where a bundle's manifest and a legacy layer say what they hold. Nobody signs these; they only save reading the rest.
const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const LEGACY_PREDICATE: &str = "predicateType";

/// Signs the summary and stores it, or finds that this was done for the same promotion.
pub(super) async fn attest(side: Side<'_>, key: &SigningKey, (image, summary): (&PinnedImage, &Summary)) -> Result<Left, NotDone> {
    let subject = side.held(image.digest).await?;
    let ours = |envelope: &DsseEnvelope| key.made(envelope) && summary::is_for(envelope.payload.as_bytes(), image, &summary.promotion);
    let mut envelope = bundled(side, image, ours).await?;
    if envelope.is_none() {
        envelope = under_the_tag(side, image, ours).await?;
    }
    let envelope = match envelope {
        Some(envelope) => envelope,
        None => key.sign(&summary::statement(image, summary)).map_err(|error| NotDone::Never(error.to_string()))?,
    };
    let attestation = store_bundle(side, &subject, (key, &envelope, summary)).await?;
    store_legacy(side, image.digest, &envelope).await?;
    Ok(Left::Attested { attestation })
}

/// An earlier summary, as a bundle that points at the image.
async fn bundled(side: Side<'_>, image: &PinnedImage, ours: impl Fn(&DsseEnvelope) -> bool) -> Result<Option<DsseEnvelope>, NotDone> {
    let mut listed = by_api(side.wire, image).await?.unwrap_or_default().manifests;
    match by_fallback_tag(side.wire, image).await? {
        Fallback::Nothing => {}
        Fallback::Lists(listing) => listed.extend(listing.manifests),
        Fallback::Unreadable(_, reason) => return Err(NotDone::Never(format!("{}: {reason}", fallback_tag(image.digest)))),
    }
    for digest in listed {
        // What others put there and we cannot read is not ours.
        let Some(Ok(manifest)) = side.wire.manifest(&image.repository.path, digest).await? else { continue };
        let Content::Image(content) = &manifest.content else { continue };
        let said = content.annotations.as_ref().and_then(|annotations| annotations.get(BUNDLE_PREDICATE));
        let [layer] = content.layers.as_slice() else { continue };
        if said.map(String::as_str) != Some(VSA_V1) || layer.media_type != BUNDLE {
            continue;
        }
        let Some(bytes) = small(side, (&layer.digest, layer.size)).await? else { continue };
        let bundle: Option<Bundle> = serde_json::from_slice(&bytes).ok();
        if let Some(Bundle { content: SignatureContent::DsseEnvelope(envelope), .. }) = bundle
            && ours(&envelope)
        {
            return Ok(Some(envelope));
        }
    }
    Ok(None)
}

/// An earlier summary, under tag `sha256-<hex>.att`.
async fn under_the_tag(side: Side<'_>, image: &PinnedImage, ours: impl Fn(&DsseEnvelope) -> bool) -> Result<Option<DsseEnvelope>, NotDone> {
    let Some(manifest) = side.tagged_manifest(&legacy_tag(image.digest, "att")).await? else { return Ok(None) };
    let Content::Image(content) = &manifest.content else { return Ok(None) };
    for layer in &content.layers {
        let said = layer.annotations.as_ref().and_then(|annotations| annotations.get(LEGACY_PREDICATE));
        if said.map(String::as_str) != Some(VSA_V1) || layer.media_type != DSSE {
            continue;
        }
        let Some(bytes) = small(side, (&layer.digest, layer.size)).await? else { continue };
        if let Ok(envelope) = serde_json::from_slice(&bytes)
            && ours(&envelope)
        {
            return Ok(Some(envelope));
        }
    }
    Ok(None)
}

/// A blob that may be one of ours; `None` where it is too large for that.
async fn small(side: Side<'_>, (digest, size): (&str, i64)) -> Result<Option<bytes::Bytes>, NotDone> {
    let (Ok(digest), Ok(size)) = (digest.parse(), u64::try_from(size)) else { return Ok(None) };
    if usize::try_from(size).is_ok_and(|size| size <= limits::BLOB) {
        return side.read_blob(Blob { digest, size }).await.map(Some);
    }
    Ok(None)
}

/// As `cosign attest` of version 3 stores it. The same envelope gives the same manifest.
async fn store_bundle(
    side: Side<'_>,
    subject: &Manifest,
    (key, envelope, summary): (&SigningKey, &DsseEnvelope, &Summary),
) -> Result<Digest, NotDone> {
    let material = VerificationMaterial::new(VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(key.hint())));
    let bundle = Bundle::new(BundleType::Bundle0_3, material, SignatureContent::DsseEnvelope(envelope.clone()));
    let bundle = bundle.to_json().map_err(|error| NotDone::Never(error.to_string()))?;
    let layer = side.put_blob(bundle.into_bytes()).await?;
    let config = side.put_blob(EMPTY.1.to_vec()).await?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::OciImage.as_str(), "artifactType": BUNDLE,
        "config": described(EMPTY.0, config), "layers": [described(BUNDLE, layer)],
        "subject": {"mediaType": subject.media_type.as_str(), "size": subject.bytes.len(), "digest": subject.digest.to_string()},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope", BUNDLE_PREDICATE: VSA_V1,
            "org.opencontainers.image.created": summary.verified_at.to_string(),
        },
    });
    let manifest = document(&manifest, MediaType::OciImage)?;
    side.put(&manifest).await?;
    beside::list(side, subject.digest, &[&manifest]).await?;
    for blob in blobs(&manifest)? {
        side.read_blob(blob).await?;
    }
    Ok(manifest.digest)
}

/// As `cosign attest` of version 2 stores it.
async fn store_legacy(side: Side<'_>, subject: Digest, envelope: &DsseEnvelope) -> Result<(), NotDone> {
    let bytes = serde_json::to_vec(envelope).map_err(|error| NotDone::Never(error.to_string()))?;
    let mut layer = described(DSSE, side.put_blob(bytes).await?);
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "", LEGACY_PREDICATE: VSA_V1});
    beside::append(side, &legacy_tag(subject, "att"), &[layer]).await
}

fn described(kind: &str, blob: Blob) -> Value {
    json!({"mediaType": kind, "size": blob.size, "digest": blob.digest.to_string()})
}
