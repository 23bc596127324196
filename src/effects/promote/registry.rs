//! Writing to registries: manifests, blobs and tags, each read back before it is believed (SR-18).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, StatusCode, header};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::pulse::Pulse;
use crate::effects::NotDone;
use crate::model::{Digest, PinnedImage, Repository};
use crate::registry_client::manifest::{Content, Manifest};
use crate::registry_client::wire::{Answer, Ask, Scope, Streamed, Wire, Write};
use crate::registry_client::{limits, too_large, unreadable};
use crate::verdict::{Why, WhyKind};

pub use crate::registry_client::{BadSettings, Login, Settings};

/// The slowest line on which a blob is still copied, in bytes a second.
const SLOWEST: u64 = 256 * 1024;
/// What every blob gets on top, for a registry that stores before it answers.
const STORING: Duration = Duration::from_secs(30);

/// One repository, as the push login reaches it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub wire: &'a Wire,
    pub repository: &'a Repository,
    /// Asked just before each write.
    pub pulse: &'a Pulse,
}

/// A blob by digest and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Blob {
    pub digest: Digest,
    pub size: u64,
}

impl From<Why> for NotDone {
    /// What a registry refuses stays refused, and what breaks the protocol stays broken; what it could not answer is asked again.
    fn from(why: Why) -> Self {
        match why.kind {
            WhyKind::Down | WhyKind::Limited => Self::Later(why.detail),
            WhyKind::Refused | WhyKind::TooLarge | WhyKind::Unreadable | WhyKind::Stale | WhyKind::Unread => Self::Never(why.detail),
        }
    }
}

impl Side<'_> {
    fn path(&self) -> &str {
        &self.repository.path
    }

    pub fn pinned(&self, digest: Digest) -> PinnedImage {
        PinnedImage { repository: self.repository.clone(), digest }
    }

    /// The manifest with this digest, if it is there.
    pub async fn manifest(&self, digest: Digest) -> Result<Option<Manifest>, NotDone> {
        match self.wire.manifest(self.path(), digest).await? {
            Some(Ok(manifest)) => Ok(Some(manifest)),
            Some(Err(reason)) => Err(NotDone::Never(format!("{}: {reason}", self.pinned(digest)))),
            None => Ok(None),
        }
    }

    /// The same, where the registry must hold it.
    pub async fn held(&self, digest: Digest) -> Result<Manifest, NotDone> {
        let gone = || NotDone::Never(format!("the registry does not hold {}", self.pinned(digest)));
        self.manifest(digest).await?.ok_or_else(gone)
    }

    /// The digest of what a tag names now, by the bytes and not by the registry's word.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Digest>, NotDone> {
        Ok(self.wire.tagged(self.path(), tag).await?.map(|(digest, _)| digest))
    }

    /// The manifest that a tag names now, which must be readable.
    pub async fn tagged_manifest(&self, tag: &str) -> Result<Option<Manifest>, NotDone> {
        match self.wire.tagged(self.path(), tag).await? {
            Some((_, Ok(manifest))) => Ok(Some(manifest)),
            Some((_, Err(reason))) => Err(NotDone::Never(format!("{}:{tag}: {reason}", self.repository))),
            None => Ok(None),
        }
    }

    /// Puts a manifest under its own digest, and reads it back; nothing is sent where it lies already.
    pub async fn put(&self, manifest: &Manifest) -> Result<(), NotDone> {
        let image = self.pinned(manifest.digest);
        if self.manifest(manifest.digest).await?.is_some() {
            return Ok(());
        }
        self.put_as(manifest, &manifest.digest.to_string()).await?;
        let unseen = || NotDone::Later(format!("the registry took {image} and does not show it yet"));
        self.manifest(manifest.digest).await?.map(|_| ()).ok_or_else(unseen)
    }

    /// Puts a manifest under a tag, byte for byte as it was read, and reads back what the tag names then.
    pub async fn put_tag(&self, manifest: &Manifest, tag: &str) -> Result<Digest, NotDone> {
        self.put_as(manifest, tag).await?;
        let unseen = || NotDone::Later(format!("the registry took {}:{tag} and does not show it yet", self.repository));
        self.tagged(tag).await?.ok_or_else(unseen)
    }

    /// The same, where the tag must name this manifest afterwards.
    pub async fn move_tag(&self, manifest: &Manifest, tag: &str) -> Result<(), NotDone> {
        let now = self.put_tag(manifest, tag).await?;
        if now == manifest.digest {
            return Ok(());
        }
        Err(NotDone::Never(format!(
            "{}:{tag} names {now} right after it was written to name {}: somebody else moves it",
            self.repository, manifest.digest
        )))
    }

    async fn put_as(&self, manifest: &Manifest, reference: &str) -> Result<(), NotDone> {
        let write = Write {
            method: Method::PUT,
            scope: Scope::push(self.path()),
            url: self.wire.host.url(self.path(), &["manifests", reference]),
            content_type: manifest.media_type.as_str(),
            body: Bytes::copy_from_slice(&manifest.bytes),
        };
        self.pulse.demand()?;
        let answer = self.wire.write(write).await?;
        let colon = if reference.contains(':') { '@' } else { ':' };
        self.taken(&answer, &format!("{}{colon}{reference}", self.repository))
    }

    /// Whether a write was taken; if not, why not, in words for the person who asked.
    fn taken(&self, answer: &Answer, what: &str) -> Result<(), NotDone> {
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let hint = match status {
            StatusCode::NOT_FOUND => ": there is no such repository, or the login may not push to it",
            StatusCode::METHOD_NOT_ALLOWED => ": it is read-only, or does not let this be overwritten",
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => ": it does not let this be overwritten",
            StatusCode::PAYLOAD_TOO_LARGE => ": it is too large for it",
            _ if status.is_redirection() => ": it sends writes elsewhere, and what is written goes nowhere but to the registry itself",
            _ => "",
        };
        Err(NotDone::Never(format!("the registry did not take {what} ({}){hint}", answer.reason())))
    }

    /// Whether the blob is there.
    pub async fn has_blob(&self, blob: Blob) -> Result<bool, NotDone> {
        let url = self.wire.host.url(self.path(), &["blobs", &blob.digest.to_string()]);
        let ask = Ask { method: Method::HEAD, scope: Scope::pull(self.path()), url, accept: "*/*", limit: 0 };
        let answer = self.wire.send(ask).await?;
        if answer.status != StatusCode::OK {
            return Ok(answer.absent().map(|()| false)?);
        }
        let length = answer.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match length {
            Some(length) if length == blob.size => Ok(true),
            Some(length) => Err(NotDone::Never(format!(
                "blob {} has {length} bytes in {}, and {} were announced",
                blob.digest, self.repository, blob.size
            ))),
            // The specification only asks for a length. Without one the bytes themselves tell.
            None => self.holds(blob).await.map(|()| true),
        }
    }

    /// Reads a blob of any size and hashes it.
    pub async fn holds(&self, blob: Blob) -> Result<(), NotDone> {
        let time = STORING + Duration::from_secs(blob.size / SLOWEST);
        let read = async {
            let mut response = self.open(blob, time).await?;
            let (mut hash, mut left) = (Sha256::new(), Some(blob.size));
            let broken = || NotDone::Later(format!("{} broke off in the middle of blob {}", self.repository, blob.digest));
            while let Some(piece) = response.chunk().await.map_err(|_| broken())? {
                hash.update(&piece);
                left = left.and_then(|left| left.checked_sub(piece.len() as u64));
                if left.is_none() {
                    break;
                }
            }
            Ok::<_, NotDone>((left, <[u8; 32]>::from(hash.finalize())))
        };
        let late = || NotDone::Later(format!("{} needs longer than {} s for blob {}", self.repository, time.as_secs(), blob.digest));
        let (left, hash) = tokio::time::timeout(time, read).await.map_err(|_| late())??;
        if left == Some(0) && hash == *blob.digest.bytes() {
            return Ok(());
        }
        Err(NotDone::Never(format!("{} sent other bytes than blob {}", self.repository, blob.digest)))
    }

    async fn open(&self, blob: Blob, time: Duration) -> Result<reqwest::Response, NotDone> {
        let url = self.wire.host.url(self.path(), &["blobs", &blob.digest.to_string()]);
        let ask = Ask { method: Method::GET, scope: Scope::pull(self.path()), url, accept: "*/*", limit: 0 };
        let response = self.wire.open(ask, time).await?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        Err(NotDone::Never(format!("{} does not hold blob {} ({})", self.repository, blob.digest, response.status().as_u16())))
    }

    /// The bytes of a small blob, hashed.
    pub async fn read_blob(&self, blob: Blob) -> Result<Bytes, NotDone> {
        let limit = usize::try_from(blob.size).ok().filter(|size| *size <= limits::BLOB);
        let limit = limit.ok_or_else(|| too_large(format!("blob {} has {} bytes", blob.digest, blob.size)))?;
        let url = self.wire.host.url(self.path(), &["blobs", &blob.digest.to_string()]);
        let answer = self.wire.send(Ask { method: Method::GET, scope: Scope::pull(self.path()), url, accept: "*/*", limit }).await?;
        if answer.status != StatusCode::OK {
            answer.absent()?;
            return Err(NotDone::Never(format!("{} does not hold blob {}", self.repository, blob.digest)));
        }
        if Digest::of(&answer.body) != blob.digest {
            return Err(NotDone::Never(format!("{} sent other bytes than blob {}", self.repository, blob.digest)));
        }
        Ok(answer.body)
    }

    /// Stores a small blob of our own.
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Blob, NotDone> {
        let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        if self.has_blob(blob).await? {
            return Ok(blob);
        }
        let location = self.begin(None).await?;
        self.finish(location, blob, bytes.into()).await?;
        Ok(blob)
    }

    /// Brings a blob here from another repository: mounted within one registry, else through us, piece by piece.
    pub async fn bring_blob(&self, from: Side<'_>, blob: Blob) -> Result<(), NotDone> {
        if self.has_blob(blob).await? {
            return Ok(());
        }
        let location = if self.wire.host.name == from.wire.host.name {
            match self.mount(from, blob).await? {
                Some(location) => location,
                None => return self.seen(blob).await,
            }
        } else {
            self.begin(None).await?
        };
        let broken = Broken::default();
        let body = from.stream(blob, broken.clone()).await?;
        let finished = self.finish(location, blob, body).await;
        match broken.take() {
            Some(reason) => Err(NotDone::Never(reason)),
            None => finished,
        }
    }

    /// Mounts a blob ([distribution-spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository)).
    /// `None`: it is there. Else where to upload it instead.
    async fn mount(&self, from: Side<'_>, blob: Blob) -> Result<Option<Url>, NotDone> {
        self.pulse.demand()?;
        match self.post(Some((from, blob))).await {
            Ok(answer) if answer.status == StatusCode::CREATED => Ok(None),
            Ok(answer) if answer.status == StatusCode::ACCEPTED => self.location(&answer).map(Some),
            // A login that may push here and not read there by a token for both still uploads.
            Ok(_) => self.begin(None).await.map(Some),
            Err(why) if why.kind == WhyKind::Refused => self.begin(None).await.map(Some),
            Err(why) => Err(why.into()),
        }
    }

    async fn begin(&self, mount: Option<(Side<'_>, Blob)>) -> Result<Url, NotDone> {
        self.pulse.demand()?;
        let answer = self.post(mount).await?;
        self.taken(&answer, &format!("an upload to {}", self.repository))?;
        self.location(&answer)
    }

    async fn post(&self, mount: Option<(Side<'_>, Blob)>) -> Result<Answer, Why> {
        // The trailing slash is part of the route.
        let mut url = self.wire.host.url(self.path(), &["blobs", "uploads", ""]);
        let mut scope = Scope::push(self.path());
        if let Some((from, blob)) = &mount {
            url.query_pairs_mut().append_pair("mount", &blob.digest.to_string()).append_pair("from", from.path());
            scope = scope.and_pull(from.path());
        }
        let write = Write { method: Method::POST, scope, url, content_type: "application/octet-stream", body: Bytes::new() };
        self.wire.write(write).await
    }

    /// Where an upload goes on. It may be another host; [`Wire::upload`] sends no login there.
    fn location(&self, answer: &Answer) -> Result<Url, NotDone> {
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let base = self.wire.host.url(self.path(), &["blobs", "uploads", ""]);
        let url = location.and_then(|location| base.join(location).ok());
        let nowhere = || unreadable(format!("{} takes an upload and does not say where", self.repository.registry));
        Ok(url.ok_or_else(nowhere)?)
    }

    async fn finish(&self, mut location: Url, blob: Blob, body: reqwest::Body) -> Result<(), NotDone> {
        location.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let time = STORING + Duration::from_secs(blob.size / SLOWEST);
        let streamed = Streamed { body, length: blob.size, time };
        self.pulse.demand()?;
        let answer = self.wire.upload(Scope::push(self.path()), location, streamed).await?;
        self.taken(&answer, &format!("blob {} of {}", blob.digest, self.repository))?;
        self.seen(blob).await
    }

    async fn seen(&self, blob: Blob) -> Result<(), NotDone> {
        let unseen = || NotDone::Later(format!("{} took blob {} and does not show it yet", self.repository, blob.digest));
        if self.has_blob(blob).await? { Ok(()) } else { Err(unseen()) }
    }

    /// A blob as a body that is hashed while it passes: its last piece goes on only if all of it is what it should be.
    async fn stream(&self, blob: Blob, broken: Broken) -> Result<reqwest::Body, NotDone> {
        let response = self.open(blob, STORING + Duration::from_secs(blob.size / SLOWEST)).await?;
        let what = format!("instead of blob {} {} sent other bytes", blob.digest, self.repository);
        let start = (response, Sha256::new(), blob.size);
        let pieces = stream::try_unfold(start, move |(mut response, mut hash, left)| {
            let (broken, what) = (broken.clone(), what.clone());
            async move {
                let wrong = || {
                    broken.set(&what);
                    std::io::Error::other("the source sent other bytes")
                };
                let Some(piece) = response.chunk().await.map_err(std::io::Error::other)? else {
                    return if left == 0 { Ok(None) } else { Err(wrong()) };
                };
                let left = left.checked_sub(piece.len() as u64).ok_or_else(wrong)?;
                hash.update(&piece);
                if left == 0 && <[u8; 32]>::from(hash.clone().finalize()) != *blob.digest.bytes() {
                    return Err(wrong());
                }
                Ok::<_, std::io::Error>(Some((piece, (response, hash, left))))
            }
        });
        Ok(reqwest::Body::wrap_stream(pieces))
    }
}

/// Why a stream was ended by us, which whoever sends it sees only as a broken connection.
#[derive(Debug, Clone, Default)]
struct Broken(Arc<Mutex<Option<String>>>);

impl Broken {
    fn set(&self, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.into());
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The blobs that an image manifest names; none for an index. Layers with addresses of their own lie elsewhere by design
/// ([descriptor](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#properties)).
pub(super) fn blobs(manifest: &Manifest) -> Result<Vec<Blob>, NotDone> {
    let Content::Image(image) = &manifest.content else { return Ok(vec![]) };
    let own = image.layers.iter().filter(|layer| layer.urls.as_ref().is_none_or(Vec::is_empty));
    let blob = |digest: &str, size: i64| {
        let odd = || NotDone::Never(format!("{} names a blob without a sha256 digest or a size", manifest.digest));
        let (Ok(digest), Ok(size)) = (digest.parse(), u64::try_from(size)) else { return Err(odd()) };
        Ok(Blob { digest, size })
    };
    std::iter::once(&image.config).chain(own).map(|descriptor| blob(&descriptor.digest, descriptor.size)).collect()
}
