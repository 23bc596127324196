//! Addresses that content names: called without a login, over TLS, and never inside our own network (SR-19).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::host::{HostPort, is_loopback, origin_of};

/// Whether an address named by content may be called, as far as its text tells. Names are resolved by [`PublicOnly`].
pub(crate) fn may_call(url: &Url, known: &HashSet<HostPort>, plain_http: bool) -> bool {
    let on_loopback = plain_http && is_loopback(url);
    if url.scheme() != "https" && !(url.scheme() == "http" && on_loopback) {
        return false;
    }
    let Some(at) = origin_of(url) else { return false };
    let public = match url.host() {
        Some(Host::Ipv4(ip)) => is_public(ip.into()),
        Some(Host::Ipv6(ip)) => is_public(ip.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    public || on_loopback || known.contains(&at)
}

/// Resolves names to public addresses only, so that a name in content cannot lead to a private service, also not by a second
/// answer of the name server (DNS rebinding): the connection uses what was checked.
#[derive(Debug)]
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is in the public internet. Denies the special blocks of the
/// [IANA registries](https://www.iana.org/assignments/iana-ipv4-special-registry/) through which a request could reach our own network.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let protocol = a == 192 && b == 0 && c == 0;
            let benchmark = a == 198 && (b == 18 || b == 19);
            let own = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || a == 0;
            !(own || shared || protocol || benchmark || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation() || a >= 240)
        }
        IpAddr::V6(ip) => match embedded(ip) {
            Some(ip) => is_public(ip),
            // 2000::/3 is all that is given out for the public internet; documentation and 6to4 are carved out of it.
            None => ip.segments()[0] & 0xe000 == 0x2000 && !matches!(ip.segments(), [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x2001, 0, ..]),
        },
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (`::ffff:a.b.c.d`) or translated (`64:ff9b::a.b.c.d`).
fn embedded(ip: Ipv6Addr) -> Option<IpAddr> {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return Some(v4.into());
    }
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(IpAddr::from([a, b, c, d]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_local_addresses_are_not_public() {
        for ip in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:a00:1::",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "142.250.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn only_tls_to_public_or_known_hosts_may_be_called() {
        let known = HashSet::from([("10.0.0.5".to_owned(), 9000)]);
        let may = |url: &str, plain| may_call(&url.parse().unwrap(), &known, plain);
        assert!(may("https://storage.example.com/x", false));
        assert!(may("https://10.0.0.5:9000/x", false));
        assert!(may("http://127.0.0.1:1/x", true));
        for url in [
            "http://storage.example.com/x",
            "https://10.0.0.5/x",
            "https://169.254.169.254/x",
            "https://u:p@storage.example.com/",
            "ftp://a.example/",
        ] {
            assert!(!may(url, false), "{url}");
            assert!(!may(url, true), "{url}");
        }
        assert!(!may("http://127.0.0.1:1/x", false));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_resolved() {
        let found = PublicOnly.resolve("localhost".parse().unwrap()).await;
        assert!(found.is_err());
    }
}
