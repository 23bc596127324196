//! What a manifest beside an image carries: which layers are evidence, and how their blobs become items.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use oci_client::manifest::{OciDescriptor, OciImageManifest};

use super::evidence::{EvidenceContent, EvidenceItem};
use crate::model::Digest;
use crate::model::signer::{Layout, Shape};
use crate::registry_client::limits;
use crate::registry_client::manifest::{Content, Manifest, one_line};

/// Cosign's simple signing payload.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Cosign's legacy attestation.
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// Bundles of every version: `…bundle.v0.3+json`, `…bundle+json;version=0.2`.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// Artifact or configuration types that announce a signature, whatever the layers turn out to be: bundles, cosign's OCI 1.1
/// experiment, and Notary signatures, which exist although nothing here reads them.
const ANNOUNCES: [&str; 3] = [BUNDLE, "application/vnd.dev.cosign.artifact.", "application/vnd.cncf.notary."];

/// Cosign's annotation keys ([specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const REKOR_BUNDLE: &str = "dev.sigstore.cosign/bundle";
const RFC3161: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// One item before its blob is there.
#[derive(Debug)]
pub(super) struct Draft {
    pub layout: Layout,
    pub manifest: Digest,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Layer(Layer),
    Unreadable(String, Shape),
}

/// A layer that is evidence.
#[derive(Debug)]
pub(super) struct Layer {
    kind: Kind,
    pub digest: Digest,
    pub size: usize,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Kind {
    SimpleSigning,
    Bundle { media_type: String },
    Dsse,
}

impl Kind {
    fn shape(&self) -> Shape {
        match self {
            Self::SimpleSigning => Shape::Signature,
            Self::Bundle { .. } => Shape::Either,
            Self::Dsse => Shape::Attestation,
        }
    }
}

/// Blobs that were fetched: their bytes, or why there are none.
pub(super) type Blobs = HashMap<Digest, Result<Bytes, String>>;

/// The evidence in a manifest listed for `subject`; `None` where it is about something else.
///
/// A listing can name anything, so the manifest itself must point at the image. A foreign one says nothing about it.
pub(super) fn of_referrer(layout: Layout, manifest: &Manifest, subject: Digest) -> Option<Vec<Draft>> {
    let draft = |what| Draft { layout, manifest: manifest.digest, what };
    match &manifest.content {
        Content::Index(index) => {
            let announced = index.artifact_type.as_deref().is_some_and(announces);
            announced.then(|| vec![draft(What::Unreadable("a signature type on an index".into(), Shape::Either))])
        }
        Content::Image(image) => {
            if image.subject.as_ref().and_then(|s| s.digest.parse().ok()) != Some(subject) {
                return None;
            }
            let mut drafts: Vec<Draft> = image.layers.iter().filter_map(layer).map(draft).collect();
            if drafts.is_empty() && announcement(image).is_some() {
                drafts.push(draft(What::Unreadable(announced_only(image), Shape::Either)));
            }
            Some(drafts)
        }
    }
}

/// The evidence under a tag that is for nothing else: here every layer is an item, and none at all is one too.
pub(super) fn of_legacy_tag(manifest: &Manifest, (tag, shape): (&str, Shape)) -> Vec<Draft> {
    let draft = |what| Draft { layout: Layout::LegacyTag, manifest: manifest.digest, what };
    let unreadable = |reason| draft(What::Unreadable(reason, shape));
    let image = match &manifest.content {
        Content::Index(_) => return vec![unreadable(format!("tag {tag} is an index"))],
        Content::Image(image) => image,
    };
    if image.layers.is_empty() {
        return vec![unreadable(format!("tag {tag} holds no layer"))];
    }
    let other = |l: &OciDescriptor| unreadable(format!("tag {tag} holds a layer of type {}", one_line(&l.media_type)));
    image.layers.iter().map(|l| layer(l).map_or_else(|| other(l), draft)).collect()
}

fn announces(media_type: &str) -> bool {
    ANNOUNCES.iter().any(|prefix| media_type.starts_with(prefix))
}

fn announcement(image: &OciImageManifest) -> Option<&str> {
    [image.artifact_type.as_deref(), Some(image.config.media_type.as_str())].into_iter().flatten().find(|kind| announces(kind))
}

fn announced_only(image: &OciImageManifest) -> String {
    format!("announced as {}, but it holds no layer that can be read", one_line(announcement(image).unwrap_or_default()))
}

/// What a layer is; `None` where it is no evidence.
fn layer(layer: &OciDescriptor) -> Option<What> {
    let kind = match layer.media_type.as_str() {
        SIMPLE_SIGNING => Kind::SimpleSigning,
        DSSE => Kind::Dsse,
        bundle if bundle.starts_with(BUNDLE) => Kind::Bundle { media_type: bundle.into() },
        _ => return None,
    };
    let shape = kind.shape();
    let Ok(digest) = layer.digest.parse() else { return Some(What::Unreadable("a layer without a sha256 digest".into(), shape)) };
    Some(match usize::try_from(layer.size) {
        Ok(size) if size <= limits::BLOB => {
            What::Layer(Layer { kind, digest, size, annotations: layer.annotations.clone().unwrap_or_default() })
        }
        _ => What::Unreadable(format!("its size, {} bytes, is over the limit of {}", layer.size, limits::BLOB), shape),
    })
}

impl Draft {
    /// The item, now that the blobs are there.
    pub fn finish(self, blobs: &Blobs) -> EvidenceItem {
        let content = match self.what {
            What::Layer(layer) => {
                let shape = layer.kind.shape();
                layer.content(blobs).unwrap_or_else(|reason| EvidenceContent::Unreadable { reason, shape })
            }
            What::Unreadable(reason, shape) => EvidenceContent::Unreadable { reason, shape },
        };
        EvidenceItem { layout: self.layout, manifest: self.manifest, content }
    }
}

impl Layer {
    fn content(mut self, blobs: &Blobs) -> Result<EvidenceContent, String> {
        let missing = || Err(format!("the registry does not hold its blob {}", self.digest));
        let bytes = blobs.get(&self.digest).cloned().unwrap_or_else(missing)?;
        if bytes.len() != self.size {
            return Err(format!("its size is {} bytes, and {} were announced", bytes.len(), self.size));
        }
        let bytes = Vec::from(bytes);
        let mut take = |key: &str| self.annotations.remove(key).filter(|value| !value.is_empty());
        let signature = take(SIGNATURE);
        let (certificate_pem, chain_pem) = (take(CERTIFICATE), take(CHAIN));
        let (rekor_bundle_json, rfc3161_json) = (take(REKOR_BUNDLE), take(RFC3161));
        Ok(match self.kind {
            Kind::SimpleSigning => {
                let signature_b64 = signature.ok_or("its layer carries no signature")?;
                EvidenceContent::SimpleSigning {
                    payload: bytes,
                    signature_b64,
                    certificate_pem,
                    chain_pem,
                    rekor_bundle_json,
                    rfc3161_json,
                }
            }
            Kind::Bundle { media_type } => EvidenceContent::Bundle { bytes, media_type },
            Kind::Dsse => EvidenceContent::Dsse { envelope: bytes, certificate_pem, chain_pem, rekor_bundle_json, rfc3161_json },
        })
    }
}
