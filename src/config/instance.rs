//! `[gitlab.NAME]` and the secrets of webhooks.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use url::Url;

use super::document::Node;
use super::keys::{instance as key, project};
use super::problem::Place;
use super::reader::{Reader, all};
use super::table::Key;
use super::trust;
use crate::delivery::http::{HookSecret, HookSecretKind};
use crate::facts::trust_root;
use crate::gitlab_client;
use crate::model::Secret;
use crate::model::gitlab::{InstanceName, ProjectPath};

/// How the signing tokens of GitLab begin ([webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/)).
const SIGNING_PREFIX: &str = "whsec_";

/// One `[gitlab.NAME]`.
pub struct Gitlab {
    pub settings: gitlab_client::Settings,
    pub trust_root: Option<trust_root::Source>,
}

/// Reads the table of one server. Its hook secrets go to `hooks`; trust roots that are fetched are kept below `caches`.
pub fn read(reader: &Reader<'_>, name: &str, node: &Node<'_>, hooks: &mut Hooks, caches: &Path) -> Option<Gitlab> {
    let instance = InstanceName(name.into());
    hooks.read(reader, node, (&key::WEBHOOK_TOKEN, &key::WEBHOOK_SIGNING_TOKEN), (&instance, None));
    let token = node.get(&key::TOKEN).and_then(|node| {
        let secret = reader.secret(&node)?;
        if secret.expose().contains(|c: char| !c.is_ascii_graphic()) {
            reader.sink.add(&node.place, "the token holds spaces or letters that no GitLab token has");
            return None;
        }
        Some(secret)
    });
    let trust_root = trust::source(reader, node, name, caches);
    let ca_pem = reader.ca_bundle(node, &key::CA_FILE);
    let settings = gitlab_client::Settings { name: instance, url: url(node)?, token: token?, ca_pem: ca_pem? };
    Some(Gitlab { settings, trust_root: trust_root? })
}

/// The server's address.
pub fn url(node: &Node<'_>) -> Option<Url> {
    node.get(&key::URL)?.text()?.parse().ok()
}

/// The issuer of the server's ID tokens: GitLab uses its own address, without a slash at the end.
pub fn issuer(node: &Node<'_>) -> Option<String> {
    match node.get(&key::ISSUER) {
        Some(issuer) => issuer.text().map(Into::into),
        None => url(node).map(|url| url.as_str().trim_end_matches('/').into()),
    }
}

/// The hook secrets of the whole file.
#[derive(Default)]
pub struct Hooks {
    list: Vec<(HookSecret, Place)>,
    broken: bool,
}

impl Hooks {
    /// Reads the secrets of one server or one project (SR-04).
    pub fn read(&mut self, reader: &Reader<'_>, node: &Node<'_>, keys: (&Key, &Key), of: (&InstanceName, Option<&ProjectPath>)) {
        for (key, kind) in [(keys.0, HookSecretKind::Token), (keys.1, HookSecretKind::Signing)] {
            for node in node.get(key).map(|node| node.one_or_many()).unwrap_or_default() {
                let secret = reader.secret(&node).filter(|secret| match wrong_hook_secret(kind, secret) {
                    None => true,
                    Some(says) => {
                        reader.sink.add(&node.place, says);
                        false
                    }
                });
                match secret {
                    Some(secret) => {
                        self.list.push((HookSecret { instance: of.0.clone(), kind, secret, project: of.1.cloned() }, node.place));
                    }
                    None => self.broken = true,
                }
            }
        }
    }

    pub fn read_project(&mut self, reader: &Reader<'_>, node: &Node<'_>, of: (&InstanceName, &ProjectPath)) {
        self.read(reader, node, (&project::WEBHOOK_TOKEN, &project::WEBHOOK_SIGNING_TOKEN), (of.0, Some(of.1)));
    }

    /// All secrets, if all could be read and no two are equal: one that two projects share would let one speak for the other.
    pub fn finish(self, reader: &Reader<'_>) -> Option<Vec<HookSecret>> {
        let mut seen: BTreeMap<(&InstanceName, &str), &Place> = BTreeMap::new();
        let distinct = all(self.list.iter().map(|(hook, place)| match seen.insert((&hook.instance, hook.secret.expose()), place) {
            None => Some(hook.clone()),
            Some(first) => {
                let line = reader.sink.line(first.at);
                reader.sink.add(place, format!("is the same secret as the one at line {line}; each webhook has its own"));
                None
            }
        }));
        distinct.filter(|_| !self.broken)
    }
}

fn wrong_hook_secret(kind: HookSecretKind, secret: &Secret) -> Option<&'static str> {
    match (kind, secret.expose().strip_prefix(SIGNING_PREFIX)) {
        (HookSecretKind::Token, None) => None,
        (HookSecretKind::Token, Some(_)) => Some("the secret is a signing token (whsec_…); give it as `webhook_signing_token`"),
        // GitLab makes 32 bytes; Standard Webhooks allows 24 to 64.
        (HookSecretKind::Signing, Some(key))
            if base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|key| (24..=64).contains(&key.len())) =>
        {
            None
        }
        (HookSecretKind::Signing, _) => Some("the secret is no signing token, which GitLab makes as whsec_ and base64 of 32 bytes"),
    }
}
