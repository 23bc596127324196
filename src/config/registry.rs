//! `[registry."HOST"]`.

use super::document::Node;
use super::forms::is_loopback;
use super::keys::registry as key;
use super::reader::{Layers, Reader};
use crate::facts::registry::{Login, Settings};

/// GitLab takes any user name with an access token
/// ([registry login](https://docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry/)).
const TOKEN_USER: &str = "countersign";

/// A registry without a section: read anonymously.
pub fn anonymous(host: &str) -> Settings {
    Settings { host: host.into(), login: None, token_hosts: vec![], plain_http: false, ca_pem: None }
}

/// Reads the table of one registry; `gitlabs` is the table of `[gitlab.NAME]`.
pub fn read(reader: &Reader<'_>, host: &str, node: &Node<'_>, gitlabs: Option<&Node<'_>>) -> Option<Settings> {
    let plain_http = Layers(vec![node.clone()]).flag(&key::PLAIN_HTTP);
    if plain_http == Some(true) && !is_loopback(host) {
        // SR-19: a login goes over verified TLS only.
        let place = node.get(&key::PLAIN_HTTP).map_or_else(|| node.place.clone(), |node| node.place);
        reader.sink.add(
            &place,
            "is accepted for registries on this machine only (localhost, 127.0.0.0/8, [::1]), because it sends logins unencrypted",
        );
    }
    let hosts = node.get(&key::TOKEN_HOSTS);
    let mut token_hosts: Vec<String> =
        hosts.and_then(|node| node.list()).unwrap_or_default().iter().filter_map(|node| node.text().map(str::to_ascii_lowercase)).collect();
    let (username, password) = (node.get(&key::USERNAME), node.get(&key::PASSWORD));
    let own_ca = reader.ca_bundle(node, &key::CA_FILE);
    let mut gitlabs_ca = Some(None);
    let login = match (node.get(&key::GITLAB), username, password) {
        (Some(gitlab), None, None) => {
            let (_, gitlab) = reader.named(&gitlab, gitlabs, "gitlab")?;
            let url = super::instance::url(&gitlab)?;
            token_hosts.push(url[url::Position::BeforeHost..url::Position::AfterPort].into());
            gitlabs_ca = reader.ca_bundle(&gitlab, &super::keys::instance::CA_FILE);
            // A missing or unreadable token is reported at the GitLab it belongs to.
            Some(Login { username: TOKEN_USER.into(), password: reader.secret(&gitlab.get(&super::keys::instance::TOKEN)?)? })
        }
        (Some(gitlab), _, _) => {
            reader.sink.add(&gitlab.place, "takes the login from a GitLab; leave out `username` and `password`, or this key");
            None
        }
        (None, Some(username), Some(password)) => Some(Login { username: username.text()?.into(), password: reader.secret(&password)? }),
        (None, Some(alone), None) => {
            reader.sink.add(&alone.place, "needs `password` beside it");
            None
        }
        (None, None, Some(alone)) => {
            reader.sink.add(&alone.place, "needs `username` beside it");
            None
        }
        (None, None, None) => None,
    };
    token_hosts.sort();
    token_hosts.dedup();
    // GitLab issues the tokens of its registry, so both are believed by both.
    let ca_pem = [own_ca?, gitlabs_ca?].into_iter().flatten().reduce(|own, gitlabs| format!("{own}\n{gitlabs}"));
    Some(Settings { host: host.into(), login, token_hosts, plain_http: plain_http?, ca_pem })
}
