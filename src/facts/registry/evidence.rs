//! Finding everything beside an image that may be a signature or an attestation.
//!
//! Every place is looked at every time: what lies in one must not hide what lies in another. A registry that cannot be read
//! ends the look; an item that cannot be read stays in the list with its reason. So neither becomes "no signature" (SR-02).

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Method, StatusCode};

use super::Manifest;
use super::artifact::{Blobs, Draft, What, of_legacy_tag, of_referrer};
use crate::model::signer::{Layout, Shape};
use crate::model::{Digest, PinnedImage};
use crate::registry_client::listing::{Fallback, by_api, by_fallback_tag};
use crate::registry_client::wire::{Ask, Scope, Wire};
use crate::registry_client::{limits, too_large, unreadable};
use crate::verdict::facts::{Why, WhyKind};

/// What lies beside an image: at least one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub items: Vec<EvidenceItem>,
    /// How many listed manifests do not point at the image after all; they say nothing about it.
    pub foreign: usize,
}

/// One signature or attestation, or what claims to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceItem {
    pub layout: Layout,
    /// The manifest that carries it.
    pub manifest: Digest,
    pub content: EvidenceContent,
}

/// An item's bytes. Their hash and size are checked, their meaning is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceContent {
    /// Cosign's legacy signature: a payload, and the rest in annotations
    /// ([specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).
    SimpleSigning {
        payload: Vec<u8>,
        signature_b64: String,
        certificate_pem: Option<String>,
        chain_pem: Option<String>,
        rekor_bundle_json: Option<String>,
        rfc3161_json: Option<String>,
    },
    /// A sigstore bundle. `media_type` is the layer's, and need not be what the bundle says of itself.
    Bundle { bytes: Vec<u8>, media_type: String },
    /// Cosign's legacy attestation: a DSSE envelope that holds its signature, and the rest in annotations.
    Dsse {
        envelope: Vec<u8>,
        certificate_pem: Option<String>,
        chain_pem: Option<String>,
        rekor_bundle_json: Option<String>,
        rfc3161_json: Option<String>,
    },
    /// It is there and cannot be read: wrong bytes, a false size, over a limit, not what its place demands.
    Unreadable { reason: String, shape: Shape },
}

impl EvidenceContent {
    /// What it is by its place and media type, whether or not it can be read.
    pub fn shape(&self) -> Shape {
        match self {
            Self::SimpleSigning { .. } => Shape::Signature,
            Self::Bundle { .. } => Shape::Either,
            Self::Dsse { .. } => Shape::Attestation,
            Self::Unreadable { shape, .. } => *shape,
        }
    }
}

/// What the places brought together.
#[derive(Default)]
struct Found {
    drafts: Vec<Draft>,
    listed: BTreeMap<Digest, Layout>,
    odd: usize,
    foreign: usize,
}

pub(super) async fn find(wire: &Wire, image: &PinnedImage) -> Result<Option<Evidence>, Why> {
    let mut found = places(wire, image).await?;
    read_listed(wire, image, &mut found).await?;
    let blobs = read_blobs(wire, image, &found.drafts).await?;
    let items: Vec<_> = found.drafts.into_iter().map(|draft| draft.finish(&blobs)).collect();
    if !items.is_empty() {
        return Ok(Some(Evidence { items, foreign: found.foreign }));
    }
    if found.odd > 0 {
        // What cannot even be named as an item must not become "nothing there".
        return Err(unreadable(format!("{} manifests listed for {image} have no sha256 digest", found.odd)));
    }
    Ok(None)
}

/// The four places: referrers API, fallback tag, `.sig`, `.att`.
async fn places(wire: &Wire, image: &PinnedImage) -> Result<Found, Why> {
    let (sig, att) = (format!("sha256-{}.sig", image.digest.hex()), format!("sha256-{}.att", image.digest.hex()));
    let repository = &image.repository.path;
    let tagged = |tag| wire.tagged(repository, tag);
    let (by_api, by_tag, signatures, attestations) =
        tokio::try_join!(by_api(wire, image), by_fallback_tag(wire, image), tagged(&sig), tagged(&att))?;
    let mut found = Found::default();
    for (tag, shape, manifest) in [(sig, Shape::Signature, signatures), (att, Shape::Attestation, attestations)] {
        match manifest {
            Some((_, Ok(manifest))) => found.drafts.extend(of_legacy_tag(&manifest, (&tag, shape))),
            Some((digest, Err(reason))) => found.drafts.push(unreadable_item((Layout::LegacyTag, shape), digest, reason)),
            None => {}
        }
    }
    let by_tag = match by_tag {
        Fallback::Nothing => None,
        Fallback::Lists(listing) => Some(listing),
        Fallback::Unreadable(digest, reason) => {
            found.drafts.push(unreadable_item((Layout::FallbackTag, Shape::Either), digest, reason));
            None
        }
    };
    // The API comes last, so that it names the layout of what both list.
    for (layout, listing) in [(Layout::FallbackTag, by_tag), (Layout::Referrers, by_api)] {
        let listing = listing.unwrap_or_default();
        found.odd += listing.odd;
        if let Some(reason) = listing.unclear {
            // It stands for what the list may name, beside the image itself: a signature elsewhere may be enough without it.
            found.drafts.push(unreadable_item((layout, Shape::Either), image.digest, reason));
        }
        found.listed.extend(listing.manifests.into_iter().map(|digest| (digest, layout)));
    }
    if found.listed.len() > limits::LISTED {
        return Err(too_large(format!("more than {} manifests point at {image}", limits::LISTED)));
    }
    Ok(found)
}

/// Fetches each listed manifest: only it tells what it is and what it points at.
async fn read_listed(wire: &Wire, image: &PinnedImage, found: &mut Found) -> Result<(), Why> {
    let fetch = |(digest, layout): (Digest, Layout)| async move {
        match wire.manifest(&image.repository.path, digest).await {
            Ok(manifest) => Ok((digest, layout, manifest)),
            Err(why) if why.kind == WhyKind::TooLarge => Ok((digest, layout, Some(Err(why.detail)))),
            Err(why) => Err(why),
        }
    };
    let listed: Vec<(Digest, Layout)> = std::mem::take(&mut found.listed).into_iter().collect();
    let mut answers = stream::iter(listed).map(fetch).buffered(limits::AT_ONCE);
    while let Some((digest, layout, manifest)) = answers.try_next().await? {
        match manifest {
            Some(Ok(manifest)) => add_referrer(found, (layout, &manifest), image.digest),
            Some(Err(reason)) => found.drafts.push(unreadable_item((layout, Shape::Either), digest, reason)),
            None => {
                let reason = "it is listed, and the registry does not hold it".into();
                found.drafts.push(unreadable_item((layout, Shape::Either), digest, reason));
            }
        }
    }
    Ok(())
}

fn add_referrer(found: &mut Found, (layout, manifest): (Layout, &Manifest), subject: Digest) {
    match of_referrer(layout, manifest, subject) {
        Some(drafts) => found.drafts.extend(drafts),
        None => found.foreign += 1,
    }
}

/// Fetches the blobs of all drafts, each once.
async fn read_blobs(wire: &Wire, image: &PinnedImage, drafts: &[Draft]) -> Result<Blobs, Why> {
    if drafts.len() > limits::ITEMS {
        return Err(too_large(format!("more than {} signatures and attestations lie beside {image}", limits::ITEMS)));
    }
    let mut sizes: HashMap<Digest, usize> = HashMap::new();
    let mut total = 0;
    for draft in drafts {
        if let What::Layer(layer) = &draft.what {
            total += layer.size;
            let size = sizes.entry(layer.digest).or_default();
            *size = layer.size.max(*size);
        }
    }
    if total > limits::EVIDENCE {
        return Err(too_large(format!("the evidence beside {image} has more than {} bytes", limits::EVIDENCE)));
    }
    let fetch = |(digest, size)| async move { Ok((digest, read_blob(wire, image, (digest, size)).await?)) };
    stream::iter(sizes).map(fetch).buffer_unordered(limits::AT_ONCE).try_collect().await
}

/// One blob, read to its announced size and hashed.
async fn read_blob(wire: &Wire, image: &PinnedImage, (digest, size): (Digest, usize)) -> Result<Result<bytes::Bytes, String>, Why> {
    let repository = &image.repository.path;
    let url = wire.host.url(repository, &["blobs", &digest.to_string()]);
    let answer = match wire.send(Ask { method: Method::GET, scope: Scope::pull(repository), url, accept: "*/*", limit: size }).await {
        Ok(answer) => answer,
        Err(why) if why.kind == WhyKind::TooLarge => return Ok(Err(format!("blob {digest}: {}", why.detail))),
        Err(why) => return Err(why),
    };
    if answer.status != StatusCode::OK {
        return answer.absent().map(|()| Err(format!("the registry does not hold blob {digest}")));
    }
    let sent = Digest::of(&answer.body);
    Ok(if sent == digest { Ok(answer.body) } else { Err(format!("instead of blob {digest} the registry sent {sent}")) })
}

fn unreadable_item((layout, shape): (Layout, Shape), manifest: Digest, reason: String) -> Draft {
    Draft { layout, manifest, what: What::Unreadable(reason, shape) }
}
