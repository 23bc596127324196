//! One registry's address, and who may receive its login.

use std::collections::HashSet;
use std::sync::Arc;

use url::{Host as Name, Url};

use super::{Login, Settings};

/// Docker Hub is written `docker.io` and answers here.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// Why settings are no way to a registry.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    #[error("`{host}` is not a registry host with optional port")]
    NotAHost { host: String },
    #[error("the registry `{host}` is listed twice")]
    Twice { host: String },
    #[error("plain_http sends logins in clear, so it is for loopback registries only, not for `{host}`")]
    PlainHttp { host: String },
    #[error("TLS cannot be set up for the registry `{host}`: {reason}")]
    Tls { host: String, reason: String },
}

/// Host and port, the unit of trust.
pub(super) type HostPort = (String, u16);

/// One registry.
#[derive(Debug)]
pub(super) struct Host {
    /// As it stands in image references, lower case.
    pub name: String,
    pub login: Option<Login>,
    pub plain_http: bool,
    pub ca_pem: Option<String>,
    origin: Url,
    token_hosts: Vec<HostPort>,
}

impl Host {
    pub fn new(settings: Settings) -> Result<Self, BadSettings> {
        let name = settings.host.to_ascii_lowercase();
        let address = if name == DOCKER_HUB.0 { DOCKER_HUB.1 } else { &name };
        let origin = origin(address, settings.plain_http)?;
        if settings.plain_http && !is_loopback(&origin) {
            return Err(BadSettings::PlainHttp { host: name });
        }
        let token_hosts = settings.token_hosts.iter().map(|host| token_host(host, settings.plain_http)).collect::<Result<_, _>>()?;
        Ok(Self { name, login: settings.login, plain_http: settings.plain_http, ca_pem: settings.ca_pem, origin, token_hosts })
    }

    /// `/v2/<repository>/<rest>`. Each segment is escaped, so nothing that stands in a name leads elsewhere.
    pub fn url(&self, repository: &str, rest: &[&str]) -> Url {
        let mut url = self.origin.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v2").extend(repository.split('/')).extend(rest);
        }
        url
    }

    /// Whether a token server may receive our login: the registry itself or a configured token host, over TLS (SR-19).
    pub fn trusts(&self, realm: &Url) -> bool {
        let safe = realm.scheme() == "https" || (self.plain_http && is_loopback(realm));
        let Some(at) = origin_of(realm) else { return false };
        safe && (Some(&at) == origin_of(&self.origin).as_ref() || self.token_hosts.contains(&at))
    }

    /// Whether an address is this very registry.
    pub fn is_self(&self, url: &Url) -> bool {
        url.origin() == self.origin.origin()
    }
}

/// Every host that settings name: these may be reached at private addresses too.
pub(super) fn known(hosts: &[Host]) -> Arc<HashSet<HostPort>> {
    let all = hosts.iter().flat_map(|host| origin_of(&host.origin).into_iter().chain(host.token_hosts.iter().cloned()));
    Arc::new(all.collect())
}

/// The host and port of an address; none where it carries a login of its own.
pub(super) fn origin_of(url: &Url) -> Option<HostPort> {
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    Some((url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()?))
}

/// Whether an address is on this machine, by its literal.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Name::Ipv4(ip)) => ip.is_loopback(),
        Some(Name::Ipv6(ip)) => ip.is_loopback(),
        Some(Name::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether the host of an image reference is this machine, by its literal: then it is spoken to in plain HTTP, as cosign does.
pub fn on_this_machine(host: &str) -> bool {
    origin(host, true).is_ok_and(|url| is_loopback(&url))
}

/// A loopback token server speaks plain HTTP as its registry does; any other must speak TLS.
fn token_host(host: &str, plain_http: bool) -> Result<HostPort, BadSettings> {
    let plain = plain_http && origin(host, true).is_ok_and(|url| is_loopback(&url));
    origin_of(&origin(host, plain)?).ok_or_else(|| BadSettings::NotAHost { host: host.into() })
}

fn origin(host: &str, plain_http: bool) -> Result<Url, BadSettings> {
    let scheme = if plain_http { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{host}/")).ok();
    // Nothing but a host: no login, path, query or fragment that the text smuggled in.
    let bare = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none() && origin_of(url).is_some();
    url.filter(|url| bare(url) && !host.contains(['/', '@', '\\', ' '])).ok_or_else(|| BadSettings::NotAHost { host: host.into() })
}
