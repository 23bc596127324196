//! One bounded connection to each registry: login, redirects, time, size and retry limits. Shared by `facts` (read) and `effects`
//! (write), each with logins of its own.
//!
//! oci-client gives the types. The requests are our own, because oci-client sends a login to whatever realm a registry names,
//! keeps a revoked token, reads manifests without a limit, takes a refused referrers listing for an empty one, and panics at an
//! upload location that is no address.

use std::collections::HashMap;
use std::future::Future;

use http::{Method, StatusCode, header};

use crate::model::{Digest, Repository, Secret};
use crate::verdict::facts::{Service, Why, WhyKind};

mod away;
mod host;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod manifest;
mod token;
pub(crate) mod wire;

pub use host::{BadSettings, on_this_machine};

use host::Host;
use limits::Limits;
use manifest::Manifest;
use wire::{Answer, Ask, Scope, Wire};

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

/// Every configured registry.
#[derive(Debug)]
pub(crate) struct Wires(HashMap<String, Wire>);

impl Wires {
    /// Prepares the connections; nothing is sent yet.
    pub fn new(settings: Vec<Settings>, limits: Limits) -> Result<Self, BadSettings> {
        let hosts = settings.into_iter().map(Host::new).collect::<Result<Vec<_>, _>>()?;
        let known = host::known(&hosts);
        let mut wires = HashMap::new();
        for host in hosts {
            let name = host.name.clone();
            if wires.insert(name.clone(), Wire::new(host, known.clone(), limits)?).is_some() {
                return Err(BadSettings::Twice { host: name });
            }
        }
        Ok(Self(wires))
    }

    /// The registry of a repository.
    pub fn to(&self, repository: &Repository) -> Result<&Wire, Why> {
        let wire = self.0.get(&repository.registry.to_ascii_lowercase());
        wire.ok_or_else(|| refused(format!("{} is not among the configured registries", repository.registry)))
    }
}

impl Wire {
    /// Ends a look that takes longer than one may.
    pub async fn within_a_look<T>(&self, look: impl Future<Output = Result<T, Why>>) -> Result<T, Why> {
        let limit = self.limits.look;
        let late = || down(format!("{} took longer than {limit:?} for one look", self.host.name));
        tokio::time::timeout(limit, look).await.unwrap_or_else(|_| Err(late()))
    }

    /// The digest that a tag names now: the registry's word.
    pub async fn resolve(&self, repository: &str, tag: &str) -> Result<Option<Digest>, Why> {
        let url = self.host.url(repository, &["manifests", tag]);
        let answer =
            self.send(Ask { method: Method::HEAD, scope: Scope::pull(repository), url, accept: manifest::ACCEPT, limit: 0 }).await?;
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
    pub async fn manifest(&self, repository: &str, digest: Digest) -> Result<Option<Result<Manifest, String>>, Why> {
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
    pub async fn tagged(&self, repository: &str, tag: &str) -> Result<Option<(Digest, Result<Manifest, String>)>, Why> {
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
        self.send(Ask { method: Method::GET, scope: Scope::pull(repository), url, accept: manifest::ACCEPT, limit: limits::MANIFEST }).await
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

pub(crate) fn refused(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Refused, detail)
}

pub(crate) fn down(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Down, detail)
}

pub(crate) fn limited(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Limited, detail)
}

pub(crate) fn too_large(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::TooLarge, detail)
}

pub(crate) fn unreadable(detail: String) -> Why {
    Why::new(Service::Registry, WhyKind::Unreadable, detail)
}
