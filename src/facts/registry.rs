//! The registry: tags, manifests, and the evidence beside an image.
//!
//! oci-client gives the types. The requests are our own, because oci-client sends a login to whatever realm a registry names,
//! keeps a revoked token, reads manifests without a limit and takes a refused referrers listing for an empty one.

use std::collections::HashMap;
use std::future::Future;

use http::{Method, StatusCode, header};

use crate::model::{Digest, PinnedImage, Repository, Secret, image::is_tag};
use crate::verdict::facts::{Looked, Service, Why, WhyKind};

mod artifact;
mod away;
mod base;
mod evidence;
mod host;
mod limits;
mod listing;
mod manifest;
mod platforms;
mod tests;
mod token;
mod wire;

pub use evidence::{Evidence, EvidenceContent, EvidenceItem};
pub use host::{BadSettings, on_this_machine};
pub use manifest::{Manifest, MediaType};

use host::Host;
use limits::Limits;
use wire::{Answer, Ask, Wire};

/// How one registry is reached. Only hosts listed here ever receive a credential (SR-19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Host with optional port, as it stands in image references.
    pub host: String,
    /// User name and password or token; `None` reads anonymously.
    pub login: Option<Login>,
    /// Hosts (with port) that may issue tokens for this registry, beside the registry itself: for GitLab's registry, GitLab's host.
    pub token_hosts: Vec<String>,
    /// Plain HTTP instead of TLS; for loopback registries only.
    pub plain_http: bool,
    /// Certificate authorities that the registry, its token servers and its configured storage are believed by beside the machine's
    /// own, as PEM. Addresses that content alone names never are.
    pub ca_pem: Option<String>,
}

/// A registry login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

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
pub struct Registry {
    hosts: HashMap<String, Wire>,
    limits: Limits,
}

impl Registry {
    /// Prepares the connections; nothing is sent yet.
    pub fn new(settings: Vec<Settings>) -> Result<Self, BadSettings> {
        Self::with_limits(settings, Limits::default())
    }

    fn with_limits(settings: Vec<Settings>, limits: Limits) -> Result<Self, BadSettings> {
        let hosts = settings.into_iter().map(Host::new).collect::<Result<Vec<_>, _>>()?;
        let known = host::known(&hosts);
        let mut wires = HashMap::new();
        for host in hosts {
            let name = host.name.clone();
            if wires.insert(name.clone(), Wire::new(host, known.clone(), limits)?).is_some() {
                return Err(BadSettings::Twice { host: name });
            }
        }
        Ok(Self { hosts: wires, limits })
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
            let ask = Ask { method: Method::GET, repository: &repository.path, url, accept: "application/json", limit: limits::MANIFEST };
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
        let Some(wire) = self.hosts.get(&repository.registry.to_ascii_lowercase()) else {
            return Looked::Unreachable(refused(format!("{} is not among the configured registries", repository.registry)));
        };
        match tokio::time::timeout(self.limits.look, look(wire)).await {
            Ok(Ok(Some(value))) => Looked::Found(value),
            Ok(Ok(None)) => Looked::Absent,
            Ok(Err(why)) => Looked::Unreachable(why),
            Err(_) => Looked::Unreachable(down(format!("{} took longer than {:?} for one look", wire.host.name, self.limits.look))),
        }
    }
}

impl Wire {
    async fn resolve(&self, repository: &str, tag: &str) -> Result<Option<Digest>, Why> {
        let url = self.host.url(repository, &["manifests", tag]);
        let answer = self.send(Ask { method: Method::HEAD, repository, url, accept: manifest::ACCEPT, limit: 0 }).await?;
        if answer.status == StatusCode::OK
            && let Some(digest) = answer.digest()?
        {
            return Ok(Some(digest));
        }
        // No digest, or no: a HEAD has no body, so the registry's own words come with a GET.
        match self.tagged(repository, tag).await? {
            Some((digest, Ok(_))) => Ok(Some(digest)),
            Some((_, Err(reason))) => Err(unreadable(format!("tag {tag} of {repository}: {reason}"))),
            None => Ok(None),
        }
    }

    /// The manifest with this digest: absent, or there and readable or not.
    async fn manifest(&self, repository: &str, digest: Digest) -> Result<Option<Result<Manifest, String>>, Why> {
        let answer = self.get_manifest(repository, &digest.to_string()).await?;
        if answer.status != StatusCode::OK {
            return answer.absent().map(|()| None);
        }
        let sent = Digest::of(&answer.body);
        if sent != digest {
            return Ok(Some(Err(format!("the registry sent other bytes, {sent}"))));
        }
        Ok(Some(Manifest::read(&answer.body, answer.media_type())))
    }

    /// The manifest that a tag names, with the digest of its bytes.
    async fn tagged(&self, repository: &str, tag: &str) -> Result<Option<(Digest, Result<Manifest, String>)>, Why> {
        let answer = self.get_manifest(repository, tag).await?;
        if answer.status != StatusCode::OK {
            return answer.absent().map(|()| None);
        }
        let digest = Digest::of(&answer.body);
        if answer.is_html() || answer.digest()?.is_some_and(|said| said != digest) {
            return Err(unreadable(format!("tag {tag} of {repository}: the registry sent something else than the manifest it names")));
        }
        Ok(Some((digest, Manifest::read(&answer.body, answer.media_type()))))
    }

    async fn get_manifest(&self, repository: &str, reference: &str) -> Result<Answer, Why> {
        let url = self.host.url(repository, &["manifests", reference]);
        self.send(Ask { method: Method::GET, repository, url, accept: manifest::ACCEPT, limit: limits::MANIFEST }).await
    }
}

impl Answer {
    /// What `Docker-Content-Digest` says, if it is there.
    fn digest(&self) -> Result<Option<Digest>, Why> {
        let Some(value) = self.headers.get("docker-content-digest") else { return Ok(None) };
        let digest = value.to_str().ok().and_then(|text| text.parse().ok());
        digest.map(Some).ok_or_else(|| unreadable("the registry named a digest that is not sha256".into()))
    }

    fn media_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }
}

fn refused(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Refused, detail)
}

fn down(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Down, detail)
}

fn limited(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Limited, detail)
}

fn too_large(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::TooLarge, detail)
}

fn unreadable(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Unreadable, detail)
}
