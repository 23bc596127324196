//! Artifact files, which GitLab may hand out as a redirect into object storage.
//!
//! The redirect comes from an answer, so the token does not follow it, and no address inside the operator's network is called
//! because of it (SR-19): a redirect to a cloud's metadata address would otherwise read as an artifact.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{Method, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::transport::{no_answer, read_body};
use super::{CallError, GitlabClient};

/// How much of an error answer is read.
const ERROR_BODY_MAX: usize = 64 * 1024;

/// How Workhorse says that the archive is there and holds no such file: without JSON (`workhorse/internal/artifacts/entry.go`).
const NO_ENTRY: &[u8] = b"404 page not found\n";

impl GitlabClient {
    /// The bytes at an API address or at the one storage address it redirects to, at most `limit`.
    pub(super) async fn fetch(&self, url: Url, limit: usize) -> Result<Vec<u8>, CallError> {
        self.repeat(true, || async {
            let response = self.send(Method::GET, url.clone(), None).await?;
            let status = response.status();
            if status.is_redirection() {
                return self.fetch_stored(&response, limit).await;
            }
            if status.as_u16() == 200 {
                return file(response, limit).await;
            }
            let headers = response.headers().clone();
            let body = read_body(response, ERROR_BODY_MAX).await?;
            if status.as_u16() == 404 && *body == *NO_ENTRY {
                return Err(CallError::NotFound);
            }
            Err(CallError::of(status, &headers, &body))
        })
        .await
    }

    async fn fetch_stored(&self, redirect: &reqwest::Response, limit: usize) -> Result<Vec<u8>, CallError> {
        let location = redirect.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| Url::parse(location).ok());
        let url = url.filter(|url| self.may_store(url)).ok_or_else(|| CallError::Unreadable("a redirect that we do not follow".into()))?;
        // No token and no cookie: only the address itself is the capability.
        let response = self.inner.storage.get(url).send().await.map_err(|error| match no_answer(error) {
            CallError::Down { what, sent } => CallError::Down { what: format!("its object storage: {what}"), sent },
            other => other,
        })?;
        let status = response.status().as_u16();
        match status {
            200 => file(response, limit).await,
            500..=599 => Err(CallError::Down { what: format!("its object storage answered {status}"), sent: true }),
            // Even a 404 is no absence here: GitLab just said that the file exists.
            _ => Err(CallError::Unreadable(format!("its object storage answered {status}"))),
        }
    }

    /// Whether a redirect may be followed: to another port of GitLab's own host, or by TLS to a host that is not inside somebody's
    /// network. Names are held to that when they are resolved ([`PublicOnly`]). A redirect to GitLab itself is a login page.
    fn may_store(&self, url: &Url) -> bool {
        let base = &self.inner.base;
        if url.host() == base.host() {
            return url.scheme() == base.scheme() && url.port_or_known_default() != base.port_or_known_default();
        }
        let outside = match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(ip)) => is_public(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => is_public(IpAddr::V6(ip)),
            None => false,
        };
        outside && url.scheme() == "https"
    }
}

/// The file in an answer. A web page is none: that is a login or an error in between, and would be read as the file's text.
async fn file(response: reqwest::Response, limit: usize) -> Result<Vec<u8>, CallError> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("text/html") {
        return Err(CallError::Unreadable("a web page in the place of a file".into()));
    }
    Ok(read_body(response, limit).await?.to_vec())
}

/// Resolves names to public addresses only, except the name of the configured GitLab. The check sits in the resolver, so that a
/// name cannot answer one address to a check and another to the connection.
pub(super) struct PublicOnly {
    gitlab: String,
}

impl PublicOnly {
    pub(super) fn except(gitlab: &str) -> Arc<Self> {
        Arc::new(Self { gitlab: gitlab.to_ascii_lowercase() })
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let own = name.as_str().eq_ignore_ascii_case(&self.gitlab);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| own || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address lies on the public internet: none of the blocks that IANA reserves for private, local, shared or test use
/// ([RFC 6890](https://www.rfc-editor.org/rfc/rfc6890)).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let special = a == 0 || a >= 240 || (a == 198 && (18..20).contains(&b)) || (a == 192 && b == 0 && c == 0);
            let local = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation();
            !(shared || special || local)
        }
        IpAddr::V6(ip) => {
            if let Some(inner) = ip.to_ipv4() {
                // `::ffff:10.0.0.1` and the old `::10.0.0.1` (with `::1` and `::` among them).
                return is_public(IpAddr::V4(inner));
            }
            let first = ip.segments()[0];
            // Only 2000::/3 is handed out for global use; of it, 64:ff9b::/96 style translation and documentation are not hosts.
            let global = first & 0xe000 == 0x2000;
            let documentation = first == 0x2001 && ip.segments()[1] == 0x0db8;
            // 6to4 and Teredo carry an IPv4 address of their own choice.
            let tunnel = first == 0x2002 || (first == 0x2001 && ip.segments()[1] == 0);
            global && !documentation && !tunnel
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_a_network_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "2002:0a00:0001::1",
            "ff02::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }
}
