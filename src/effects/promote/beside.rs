//! Evidence beside an image, in both layouts: the referrers of a digest, and the layers under cosign's legacy tags. What others put
//! there stays.

use serde_json::{Map, Value, json};

use super::registry::Side;
use crate::effects::NotDone;
use crate::model::Digest;
use crate::registry_client::limits;
use crate::registry_client::listing::by_api;
use crate::registry_client::manifest::{Content, Manifest, MediaType};

/// How often a tag is read and written again because somebody else wrote it meanwhile.
const TRIES: usize = 4;

/// Cosign's legacy tags: signatures, attestations, and the older way to attach an SBOM.
pub(super) const LEGACY: [&str; 3] = ["sig", "att", "sbom"];

/// `sha256-<hex>`: where a registry without the referrers API lists them
/// ([referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema)).
pub(super) fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// `sha256-<hex>.sig` and its like.
pub(super) fn legacy_tag(subject: Digest, kind: &str) -> String {
    format!("sha256-{}.{kind}", subject.hex())
}

/// What an index says of a manifest.
fn descriptor(manifest: &Manifest) -> Value {
    let mut said = json!({
        "mediaType": manifest.media_type.as_str(), "size": manifest.bytes.len(), "digest": manifest.digest.to_string(),
    });
    let (kind, annotations) = match &manifest.content {
        Content::Image(image) => (image.artifact_type.as_ref().or(Some(&image.config.media_type)), &image.annotations),
        Content::Index(index) => (index.artifact_type.as_ref(), &index.annotations),
    };
    if let Some(kind) = kind {
        said["artifactType"] = json!(kind);
    }
    if let Some(annotations) = annotations.as_ref().filter(|annotations| !annotations.is_empty()) {
        said["annotations"] = json!(annotations);
    }
    said
}

/// Makes sure that these manifests, which are there and point at `subject`, are found from it: by the registry itself where it has
/// the referrers API, else by the index that clients keep under the fallback tag.
pub(super) async fn list(side: Side<'_>, subject: Digest, referrers: &[&Manifest]) -> Result<(), NotDone> {
    let by_registry = by_api(side.wire, &side.pinned(subject)).await?;
    if by_registry.is_some_and(|listing| referrers.iter().all(|referrer| listing.manifests.contains(&referrer.digest))) {
        return Ok(());
    }
    let tag = fallback_tag(subject);
    for _ in 0..=TRIES {
        let mut index = fallback_index(side, subject, &tag).await?;
        let odd = || NotDone::Never(format!("{}:{tag} is no index", side.repository));
        let listed = index.get_mut("manifests").and_then(Value::as_array_mut).ok_or_else(odd)?;
        let missing: Vec<_> =
            referrers.iter().filter(|referrer| !listed.iter().any(|entry| entry["digest"] == referrer.digest.to_string())).collect();
        if missing.is_empty() {
            return Ok(());
        }
        listed.extend(missing.into_iter().map(|referrer| descriptor(referrer)));
        if listed.len() > limits::LISTED {
            return Err(NotDone::Never(format!("more than {} manifests would point at {subject}", limits::LISTED)));
        }
        // What the tag names now is read in the next turn: somebody else may have written in between.
        side.put_tag(&document(&index, MediaType::OciIndex)?, &tag).await?;
    }
    Err(NotDone::Later(format!("{}:{tag} is written by others all the time", side.repository)))
}

async fn fallback_index(side: Side<'_>, subject: Digest, tag: &str) -> Result<Value, NotDone> {
    let empty = || json!({"schemaVersion": 2, "mediaType": MediaType::OciIndex.as_str(), "manifests": []});
    match side.tagged_manifest(tag).await? {
        // GitLab's registry answers with the image itself.
        Some(manifest) if manifest.digest == subject => Ok(empty()),
        Some(Manifest { content: Content::Index(_), bytes, .. }) => read(&bytes),
        Some(Manifest { content: Content::Image(_), .. }) => {
            Err(NotDone::Never(format!("{}:{tag} should list what points at the image, and is no index", side.repository)))
        }
        None => Ok(empty()),
    }
}

/// Makes sure that these layers, whose blobs are there, lie under a legacy tag, after whatever lies there. A registry has no
/// compare-and-set: what is looked at again just before the write keeps the moment short in which another's layer could be lost.
pub(super) async fn append(side: Side<'_>, tag: &str, layers: &[Value]) -> Result<(), NotDone> {
    for _ in 0..=TRIES {
        let now = side.tagged_manifest(tag).await?;
        let before = now.as_ref().map(|manifest| manifest.digest);
        let mut manifest = match now {
            Some(Manifest { content: Content::Image(_), bytes, .. }) => read(&bytes)?,
            Some(Manifest { content: Content::Index(_), .. }) => {
                return Err(NotDone::Never(format!("{}:{tag} should hold evidence, and is an index", side.repository)));
            }
            None => json!({"schemaVersion": 2, "mediaType": MediaType::OciImage.as_str(), "config": null, "layers": []}),
        };
        let odd = || NotDone::Never(format!("{}:{tag} holds no layers", side.repository));
        let lie = manifest.get_mut("layers").and_then(Value::as_array_mut).ok_or_else(odd)?;
        let missing: Vec<Value> = layers.iter().filter(|layer| !lie.iter().any(|other| same(layer, other))).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        lie.extend(missing);
        if lie.len() > limits::ITEMS {
            return Err(NotDone::Never(format!("more than {} signatures or attestations would lie under {tag}", limits::ITEMS)));
        }
        let config = config(lie);
        let blob = side.put_blob(config).await?;
        let kind = manifest["config"]["mediaType"].as_str().unwrap_or("application/vnd.oci.image.config.v1+json");
        manifest["config"] = json!({"mediaType": kind, "size": blob.size, "digest": blob.digest.to_string()});
        let kind = manifest["mediaType"].as_str().and_then(MediaType::parse).unwrap_or(MediaType::OciImage);
        let manifest = document(&manifest, kind)?;
        // Somebody may have signed while we wrote: theirs must not be lost.
        if side.tagged(tag).await? != before {
            continue;
        }
        side.put_tag(&manifest, tag).await?;
    }
    Err(NotDone::Later(format!("{}:{tag} is written by others all the time", side.repository)))
}

/// Whether two layers are one piece of evidence: a legacy signature stands in the annotations.
fn same(one: &Value, other: &Value) -> bool {
    let annotations = |layer: &Value| layer.get("annotations").and_then(Value::as_object).filter(|map| !map.is_empty()).cloned();
    one["digest"] == other["digest"] && annotations(one) == annotations(other)
}

/// The configuration that cosign writes beside such layers: they are not compressed, so each is its own diff id.
fn config(layers: &[Value]) -> Vec<u8> {
    const BEFORE_ALL: &str = "0001-01-01T00:00:00Z";
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
    let history = vec![json!({"created": BEFORE_ALL}); layers.len()];
    let config = json!({
        "architecture": "", "created": BEFORE_ALL, "history": history, "os": "", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": Map::new(),
    });
    config.to_string().into_bytes()
}

/// The layers of a manifest, as they stand there.
pub(super) fn layers(manifest: &Manifest) -> Result<Vec<Value>, NotDone> {
    Ok(read(&manifest.bytes)?.get_mut("layers").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
}

fn read(bytes: &[u8]) -> Result<Value, NotDone> {
    serde_json::from_slice(bytes).map_err(|_| NotDone::Never("a manifest is no JSON".into()))
}

/// A document of ours as a manifest.
pub(super) fn document(document: &Value, kind: MediaType) -> Result<Manifest, NotDone> {
    let bytes = document.to_string().into_bytes();
    if bytes.len() > limits::MANIFEST {
        return Err(NotDone::Never(format!("a manifest would have more than {} bytes", limits::MANIFEST)));
    }
    Manifest::read(&bytes, Some(kind.as_str())).map_err(|reason| NotDone::Never(format!("a manifest of ours: {reason}")))
}
