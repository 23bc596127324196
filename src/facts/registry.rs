//! The registry: tags, manifests, and the evidence beside an image.

use std::future::Future;

use http::{Method, StatusCode};

use crate::model::{Digest, PinnedImage, Repository, image::is_tag};
use crate::registry_client::wire::{Ask, Scope, Wire};
use crate::registry_client::{Wires, limits, unreadable};
use crate::verdict::facts::{Looked, Why};

mod artifact;
mod base;
mod evidence;
mod platforms;
mod tests;

pub use crate::registry_client::manifest::{Manifest, MediaType};
pub use crate::registry_client::{BadSettings, Login, Settings, on_this_machine};
pub use evidence::{Evidence, EvidenceContent, EvidenceItem};

use limits::Limits;

/// Every configured registry, read only.
///
/// Each look has a time limit of its own and answers [`Looked`]: 401 and 403 are [`WhyKind::Refused`], 429 is
/// [`WhyKind::Limited`], no connection, a time-out and 5xx are [`WhyKind::Down`], an answer over a limit is
/// [`WhyKind::TooLarge`], and whatever the protocol does not allow is [`WhyKind::Unreadable`]. Only a 404 in the registry's own
/// words is [`Looked::Absent`].
///
/// A registry redirects blobs to its storage. Such a redirect is followed without a login, over TLS, to public addresses; a
/// storage on a private address is reached only if its host is configured, here as a registry of its own without a login.
#[derive(Debug)]
pub struct Registry(Wires);

impl Registry {
    /// Prepares the connections; nothing is sent yet.
    pub fn new(settings: Vec<Settings>) -> Result<Self, BadSettings> {
        Self::with_limits(settings, Limits::default())
    }

    fn with_limits(settings: Vec<Settings>, limits: Limits) -> Result<Self, BadSettings> {
        Ok(Self(Wires::new(settings, limits)?))
    }

    /// The digest that a tag names now. The registry's word: what lies under it is checked by [`Registry::manifest`].
    pub async fn resolve(&self, repository: &Repository, tag: &str) -> Looked<Digest> {
        if !is_tag(tag) {
            return Looked::Absent;
        }
        self.look(repository, |wire| wire.resolve(&repository.path, tag)).await
    }

    /// The manifest with this digest, hashed before it is read.
    pub async fn manifest(&self, image: &PinnedImage) -> Looked<Manifest> {
        self.look(&image.repository, |wire| async move {
            match wire.manifest(&image.repository.path, image.digest).await? {
                Some(Ok(manifest)) => Ok(Some(manifest)),
                Some(Err(reason)) => Err(unreadable(format!("{image}: {reason}"))),
                None => Ok(None),
            }
        })
        .await
    }

    /// Everything beside the image that may be a signature or an attestation, in every layout. What is there and cannot be read
    /// is an item too; `Absent` means that every place was looked at and nothing lies there, also where there is no such image.
    pub async fn evidence(&self, image: &PinnedImage) -> Looked<Evidence> {
        self.look(&image.repository, |wire| evidence::find(wire, image)).await
    }

    /// Whether our login reads this repository.
    pub async fn reachable(&self, repository: &Repository) -> Looked<()> {
        self.look(repository, |wire| async move {
            let mut url = wire.host.url(&repository.path, &["tags", "list"]);
            url.query_pairs_mut().append_pair("n", "1");
            let ask =
                Ask { method: Method::GET, scope: Scope::pull(&repository.path), url, accept: "application/json", limit: limits::MANIFEST };
            let answer = wire.send(ask).await?;
            if answer.status == StatusCode::OK && !answer.is_html() { Ok(Some(())) } else { answer.absent().map(|()| None) }
        })
        .await
    }

    /// One look at one registry, under its time limit.
    async fn look<'a, T, F>(&'a self, repository: &Repository, look: impl FnOnce(&'a Wire) -> F) -> Looked<T>
    where
        F: Future<Output = Result<Option<T>, Why>>,
    {
        let wire = match self.0.to(repository) {
            Ok(wire) => wire,
            Err(why) => return Looked::Unreachable(why),
        };
        match wire.within_a_look(look(wire)).await {
            Ok(Some(value)) => Looked::Found(value),
            Ok(None) => Looked::Absent,
            Err(why) => Looked::Unreachable(why),
        }
    }
}
