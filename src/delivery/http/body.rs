//! Reading a body within its allowance.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::keys::Allowance;

/// What anybody may make us read of a body. With the head, and what hyper reads ahead ([`super::serve::BUFFER`] and a half), a
/// stranger costs at most 64 KiB (SR-05).
pub(super) const LITTLE: usize = 32 * 1024;
/// A proven body over this takes one of few places, and is worked on apart from other requests.
const MEDIUM: usize = 256 * 1024;
/// The largest body GitLab sends ([limits](https://docs.gitlab.com/user/gitlab_com/#webhooks)).
pub(super) const LARGEST: usize = 25 * 1024 * 1024;
/// Bodies over [`MEDIUM`] in memory at once: with the copy that a signature check makes, about 200 MiB.
const LARGE_AT_ONCE: usize = 4;
/// Bodies over [`LITTLE`] of senders that only their body can prove: about 100 MiB more.
const UNPROVEN_AT_ONCE: usize = 2;
/// How long a refused sender of a little body may take to send it before we answer.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// Places for large bodies.
pub(super) struct Slots {
    proven: Semaphore,
    unproven: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        Self { proven: Semaphore::new(LARGE_AT_ONCE), unproven: Semaphore::new(UNPROVEN_AT_ONCE) }
    }
}

/// A body in memory, with the place it takes.
pub(super) struct Whole<'a> {
    pub(super) bytes: Bytes,
    _place: Option<SemaphorePermit<'a>>,
}

impl Whole<'_> {
    /// Work on it takes long enough to be done apart from other requests.
    pub(super) fn is_large(&self) -> bool {
        self.bytes.len() > MEDIUM
    }
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// More than the head allows.
    NotAllowed,
    /// More than GitLab sends.
    TooLarge,
    /// The sender went away or broke the protocol.
    Broken,
}

/// Reads a body. Waits for a place before it takes in more than a little, leaving the rest with the sender.
pub(super) async fn read(body: Body, allowance: Allowance, slots: &Slots) -> Result<Whole<'_>, Stopped> {
    let (limit, free, places, over) = match allowance {
        Allowance::Nothing => return Err(Stopped::NotAllowed),
        Allowance::Little => (LITTLE, LITTLE, &slots.unproven, Stopped::NotAllowed),
        // Beyond the largest body a stranger hears the same as below it.
        Allowance::Unproven => (LARGEST, LITTLE, &slots.unproven, Stopped::NotAllowed),
        Allowance::Proven => (LARGEST, MEDIUM, &slots.proven, Stopped::TooLarge),
    };
    let limit_64 = limit as u64;
    if body.size_hint().lower() > limit_64 {
        return Err(over);
    }
    let mut stream = body.into_data_stream();
    let mut place = None;
    let mut whole = BytesMut::new();
    let mut only = Bytes::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Stopped::Broken)?;
        let length = only.len().max(whole.len()) + chunk.len();
        if length > limit {
            return Err(over);
        }
        if length > free && place.is_none() {
            place = Some(places.acquire().await.map_err(|_| Stopped::Broken)?);
        }
        // Nearly every body comes in one chunk and is not copied.
        if only.is_empty() && whole.is_empty() {
            only = chunk;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&std::mem::take(&mut only));
        }
        whole.extend_from_slice(&chunk);
    }
    let bytes = if whole.is_empty() { only } else { whole.freeze() };
    Ok(Whole { bytes, _place: place })
}

/// Lets a refused sender finish a little body, so that it reads our answer instead of a reset connection.
pub(in crate::delivery) async fn drain(body: Body) {
    if body.size_hint().upper().is_none_or(|length| length > LITTLE as u64) {
        return;
    }
    let mut stream = body.into_data_stream();
    let _ = timeout(DRAIN_TIME, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}
