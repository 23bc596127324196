//! `copy`: another repository holds the image with all its evidence.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::beside::{self, LEGACY, fallback_tag, legacy_tag};
use super::registry::{Blob, Side, blobs};
use super::retag::retag;
use crate::effects::NotDone;
use crate::model::Digest;
use crate::model::promotion::Left;
use crate::registry_client::listing::{Fallback, by_api, by_fallback_tag};
use crate::registry_client::manifest::{Content, Manifest};
use crate::registry_client::{limits, too_large, unreadable};

/// Manifests of one copy: the image's own, its platforms', and those of the evidence beside each. An image of nine platforms with a
/// signature, a provenance and an SBOM each has forty.
const MANIFESTS: usize = 512;
/// Bytes of all manifests of one copy together: they are held until it is done, by every worker that copies. Those of an image with much
/// evidence have less than 1 MiB.
const MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// Blobs of one copy. Images have at most 127 layers.
const BLOBS: usize = 8 * 1024;
/// Bytes of one copy. More cannot pass in the time that a step has.
const BYTES: u64 = 64 * 1024 * 1024 * 1024;
/// Blobs that are brought at the same time.
const AT_ONCE: usize = 4;

/// Everything that is copied.
#[derive(Default)]
struct Found {
    manifests: BTreeMap<Digest, Manifest>,
    /// The order in which they were found: the image first.
    order: Vec<Digest>,
    /// Of all manifests together.
    bytes: usize,
    /// What points at what.
    referrers: BTreeMap<Digest, Vec<Digest>>,
    /// What lies under the legacy tags.
    tags: Vec<(String, Digest)>,
}

/// Copies, or finds copied. What is there already is read back and not sent again, so that a copy that was stopped goes on.
pub(super) async fn copy(from: Side<'_>, to: Side<'_>, (image, tag): (Digest, Option<&str>)) -> Result<Left, NotDone> {
    if from.repository == to.repository {
        return Err(NotDone::Never(format!("{} would be copied onto itself", from.repository)));
    }
    let found = gather(from, image).await?;
    bring_blobs((from, to), &found).await?;
    for digest in found.children_first() {
        if let Some(manifest) = found.manifests.get(&digest) {
            to.put(manifest).await?;
        }
    }
    for manifest in found.manifests.values() {
        // What says how the image runs is small, and read once more; of layers the registry's word is taken for what it stored.
        if let Some(config) = blobs(manifest)?.into_iter().next() {
            to.holds(config).await?;
        }
    }
    let evidence = lay_evidence(to, &found).await?;
    if let Some(tag) = tag {
        // Last, so that the tag never names an image whose evidence is not there yet.
        retag(to, image, tag).await?;
    }
    Ok(Left::Copied { evidence })
}

/// Finds the image, its platforms, and what lies beside each, and beside that.
async fn gather(from: Side<'_>, image: Digest) -> Result<Found, NotDone> {
    let mut found = Found::default();
    found.add(from.held(image).await?)?;
    let mut looked = 0;
    while looked < found.order.len() {
        let turn: Vec<Digest> = found.order[looked..].to_vec();
        looked = found.order.len();
        let children: BTreeSet<Digest> =
            turn.iter().map(|digest| found.children(*digest)).collect::<Result<Vec<_>, _>>()?.concat().into_iter().collect();
        let new: Vec<Digest> = children.into_iter().filter(|child| !found.manifests.contains_key(child)).collect();
        let new: Vec<Manifest> = stream::iter(new).map(|child| from.held(child)).buffered(limits::AT_ONCE).try_collect().await?;
        for manifest in new {
            found.add(manifest)?;
        }
        let mut beside = stream::iter(turn).map(|subject| look_beside(from, subject)).buffered(limits::AT_ONCE);
        while let Some(Beside { subject, referrers, tags }) = beside.try_next().await? {
            for referrer in referrers {
                found.referrers.entry(subject).or_default().push(referrer.digest);
                found.add(referrer)?;
            }
            for (tag, manifest) in tags {
                found.tags.push((tag, manifest.digest));
                found.add(manifest)?;
            }
        }
    }
    Ok(found)
}

/// What lies beside one manifest.
struct Beside {
    subject: Digest,
    referrers: Vec<Manifest>,
    tags: Vec<(String, Manifest)>,
}

async fn look_beside(from: Side<'_>, subject: Digest) -> Result<Beside, NotDone> {
    let image = from.pinned(subject);
    let (by_api, by_tag) = tokio::try_join!(by_api(from.wire, &image), by_fallback_tag(from.wire, &image))?;
    let by_tag = match by_tag {
        Fallback::Nothing => None,
        Fallback::Lists(listing) => Some(listing),
        Fallback::Unreadable(_, reason) => return Err(unreadable(format!("{}: {reason}", fallback_tag(subject))).into()),
    };
    let listings: Vec<_> = [by_api, by_tag].into_iter().flatten().collect();
    if listings.iter().any(|listing| listing.odd > 0) {
        return Err(NotDone::Never(format!("something that points at {image} has no sha256 digest")));
    }
    let listed: BTreeSet<Digest> = listings.into_iter().flat_map(|listing| listing.manifests).collect();
    let mut referrers = vec![];
    let mut read = stream::iter(listed).map(|digest| from.manifest(digest)).buffered(limits::AT_ONCE);
    while let Some(manifest) = read.try_next().await? {
        // A list names what it likes: what is gone is nothing to copy, and what points elsewhere says nothing of this image.
        referrers.extend(manifest.filter(|manifest| points_at(manifest) == Some(subject)));
    }
    let mut tags = vec![];
    for kind in LEGACY {
        let tag = legacy_tag(subject, kind);
        tags.extend(from.tagged_manifest(&tag).await?.map(|manifest| (tag, manifest)));
    }
    Ok(Beside { subject, referrers, tags })
}

fn points_at(manifest: &Manifest) -> Option<Digest> {
    match &manifest.content {
        Content::Image(image) => image.subject.as_ref()?.digest.parse().ok(),
        // An index may have a subject as well; oci-client's type does not know it.
        Content::Index(_) => {
            let document: serde_json::Value = serde_json::from_slice(&manifest.bytes).ok()?;
            document["subject"]["digest"].as_str()?.parse().ok()
        }
    }
}

impl Found {
    fn add(&mut self, manifest: Manifest) -> Result<(), NotDone> {
        if self.manifests.contains_key(&manifest.digest) {
            return Ok(());
        }
        if self.order.len() == MANIFESTS {
            return Err(too_large(format!("the image and what lies beside it has more than {MANIFESTS} manifests")).into());
        }
        self.bytes = self.bytes.saturating_add(manifest.bytes.len());
        if self.bytes > MANIFEST_BYTES {
            return Err(
                too_large(format!("the manifests of the image and what lies beside it have more than {MANIFEST_BYTES} bytes")).into()
            );
        }
        self.order.push(manifest.digest);
        self.manifests.insert(manifest.digest, manifest);
        Ok(())
    }

    /// The manifests that an index lists.
    fn children(&self, digest: Digest) -> Result<Vec<Digest>, NotDone> {
        let Some(Manifest { content: Content::Index(index), .. }) = self.manifests.get(&digest) else { return Ok(vec![]) };
        let odd = |_| NotDone::Never(format!("{digest} lists a manifest without a sha256 digest"));
        index.manifests.iter().map(|entry| entry.digest.parse().map_err(odd)).collect()
    }

    /// Every manifest, after all that it lists and before all that points at it: registries check the first, and some the second.
    fn children_first(&self) -> Vec<Digest> {
        let mut placed = BTreeSet::new();
        let mut order = vec![];
        for digest in &self.order {
            self.place(*digest, &mut placed, &mut order);
        }
        order
    }

    /// Ends: what a manifest lists cannot list it again, or a hash would contain itself.
    fn place(&self, digest: Digest, placed: &mut BTreeSet<Digest>, order: &mut Vec<Digest>) {
        if placed.insert(digest) {
            for child in self.children(digest).unwrap_or_default() {
                self.place(child, placed, order);
            }
            order.push(digest);
        }
    }
}

/// Brings the blobs of every manifest that is not there yet.
async fn bring_blobs((from, to): (Side<'_>, Side<'_>), found: &Found) -> Result<(), NotDone> {
    let mut wanted: BTreeSet<Blob> = BTreeSet::new();
    for manifest in found.manifests.values() {
        wanted.extend(blobs(manifest)?);
    }
    if wanted.len() > BLOBS {
        return Err(too_large(format!("the image and what lies beside it has more than {BLOBS} blobs")).into());
    }
    let bytes = wanted.iter().try_fold(0_u64, |sum, blob| sum.checked_add(blob.size)).filter(|bytes| *bytes <= BYTES);
    bytes.ok_or_else(|| too_large(format!("the image and what lies beside it has more than {BYTES} bytes")))?;
    stream::iter(wanted).map(Ok).try_for_each_concurrent(AT_ONCE, |blob| to.bring_blob(from, blob)).await
}

/// Makes the evidence found from the image at the destination, and counts its pieces there.
async fn lay_evidence(to: Side<'_>, found: &Found) -> Result<usize, NotDone> {
    let mut pieces = 0;
    for (subject, referrers) in &found.referrers {
        let referrers: BTreeSet<_> = referrers.iter().collect();
        let referrers: Vec<&Manifest> = referrers.into_iter().filter_map(|digest| found.manifests.get(digest)).collect();
        beside::list(to, *subject, &referrers).await?;
        for manifest in &referrers {
            read_back(to, manifest).await?;
        }
        pieces += referrers.len();
    }
    for (tag, digest) in &found.tags {
        let Some(manifest) = found.manifests.get(digest) else { continue };
        let layers = beside::layers(manifest)?;
        if to.tagged(tag).await?.is_none() {
            to.put_tag(manifest, tag).await?;
        }
        // Also after our own write: somebody may have signed there meanwhile.
        beside::append(to, tag, &layers).await?;
        read_back(to, manifest).await?;
        pieces += layers.len();
    }
    Ok(pieces)
}

/// Reads the small blobs of a piece of evidence at the destination, and hashes them there.
async fn read_back(to: Side<'_>, manifest: &Manifest) -> Result<(), NotDone> {
    for blob in blobs(manifest)? {
        if usize::try_from(blob.size).is_ok_and(|size| size <= limits::BLOB) {
            to.read_blob(blob).await?;
        }
    }
    Ok(())
}
