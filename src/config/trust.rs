//! Whom the operator trusts: public keys, a GitLab's own pipelines, and the trust root behind these.

use std::collections::BTreeMap;
use std::path::Path;

use url::Url;

use super::document::Node;
use super::forms;
use super::keys::{instance, root, signer as key, trust as repository};
use super::problem::Place;
use super::reader::{Layers, Reader, read_text};
use super::table::Key;
use crate::facts::sigstore::{BadKey, PublicKey};
use crate::facts::trust_root::{Settings, Source, TrustRoot, tuf};
use crate::model::Digest;
use crate::model::gitlab::InstanceName;
use crate::model::moment::Edge;
use crate::model::signer::{KeyWindow, SignerKind, SignerName, TrustedSigner};

/// Bytes of a key file.
const LARGEST_KEY: u64 = 16 * 1024;
/// Bytes of a trusted_root.json: the public one has 7 KiB.
const LARGEST_ROOT: u64 = 1024 * 1024;

/// A trusted signer as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSigner {
    pub signer: TrustedSigner,
    /// The GitLab whose pipelines sign; `None` for keys. It signs only for projects there.
    pub instance: Option<InstanceName>,
}

/// The signers of the file, named ones and those written at a project, each once.
pub struct Signers<'a> {
    reader: &'a Reader<'a>,
    gitlabs: Option<Node<'a>>,
    named: Option<Node<'a>>,
    read: BTreeMap<SignerName, Option<ConfiguredSigner>>,
}

impl<'a> Signers<'a> {
    /// Reads every `[signer.NAME]`, used or not.
    pub fn read(reader: &'a Reader<'a>, document: &Node<'a>) -> Self {
        let (gitlabs, named) = (document.get(&root::GITLAB), document.get(&root::SIGNER));
        let mut signers = Self { reader, gitlabs, named, read: BTreeMap::new() };
        for (name, node) in signers.named.as_ref().map(Node::entries).unwrap_or_default() {
            let signer = signers.signer(&node, Some(name));
            signers.read.insert(SignerName(name.into()), signer);
        }
        signers
    }

    /// What a `signer` key says: a name or an inline table.
    pub fn pick(&mut self, node: &Node<'a>) -> Option<ConfiguredSigner> {
        if node.text().is_some() {
            let (name, _) = self.reader.named(node, self.named.as_ref(), "signer")?;
            return self.read.get(&SignerName(name.into())).cloned().flatten();
        }
        let signer = self.signer(node, None)?;
        let name = signer.signer.name.clone();
        // A name in a note must mean one key only.
        match self.read.get(&name) {
            Some(Some(known)) if known.signer != signer.signer => {
                let says = format!("another signer goes by the name {name} already; give this one a name of its own as [signer.NAME]");
                self.reader.sink.add(&node.place, says);
                return None;
            }
            Some(_) => {}
            None => {
                self.read.insert(name, Some(signer.clone()));
            }
        }
        Some(signer)
    }

    /// Every signer read.
    pub fn into_list(self) -> Vec<ConfiguredSigner> {
        self.read.into_values().flatten().collect()
    }

    fn signer(&self, node: &Node<'a>, name: Option<&str>) -> Option<ConfiguredSigner> {
        let mut server = None;
        let (derived, kind) = match (node.get(&key::KEY_FILE), node.get(&key::KEY), node.get(&key::OIDC)) {
            (Some(file), None, None) => {
                let path = self.reader.path(&file)?;
                let pem = match read_text(&path, LARGEST_KEY) {
                    Ok(pem) => pem,
                    Err(why) => {
                        self.reader.sink.add(&file.place, format!("{} {why}; paths start at the folder of bot.toml", path.display()));
                        return None;
                    }
                };
                let (_, kind) = self.key(&pem, &file.place)?;
                (path.file_name()?.to_string_lossy().into_owned(), kind)
            }
            (None, Some(pem), None) => self.key(pem.text()?, &pem.place)?,
            (None, None, Some(oidc)) => {
                let (gitlab, settings) = self.reader.named(&oidc, self.gitlabs.as_ref(), "gitlab")?;
                if !is_rooted(&settings) {
                    let says = format!(
                        "[gitlab.{gitlab}] needs `trusted_root` or `trust`: without one no certificate of its pipelines can be verified"
                    );
                    self.reader.sink.add(&oidc.place, says);
                }
                server = Some(InstanceName(gitlab.into()));
                (format!("oidc:{gitlab}"), SignerKind::GitlabOidc { issuer: super::instance::issuer(&settings)? })
            }
            // Not exactly one of the three: reported when the keys were checked.
            _ => return None,
        };
        let signer = TrustedSigner {
            name: SignerName(name.map_or(derived, Into::into)),
            kind,
            owner: node.get(&key::OWNER).and_then(|owner| owner.text()).map(Into::into),
            window: self.window(node, server.is_some())?,
            require_log: node.get(&key::REQUIRE_LOG).map_or(Some(false), |flag| flag.flag())?,
        };
        Some(ConfiguredSigner { signer, instance: server })
    }

    /// When a key's signatures count. Certificates have windows of their own, so that none can be given for pipelines.
    fn window(&self, node: &Node<'a>, keyless: bool) -> Option<KeyWindow> {
        let sink = self.reader.sink;
        let keys = [&key::NOT_BEFORE, &key::NOT_AFTER, &key::RETIRED, &key::REVOKED, &key::REQUIRE_LOG];
        for given in keys.into_iter().filter(|_| keyless).filter_map(|key| node.get_named(key.name)) {
            sink.add(&given.place, "is for keys; certificates of pipelines have a window of their own, and are always in a log");
        }
        let moment = |key: &Key, edge: Edge| match node.get(key) {
            // A wrong one is reported already; without it the key would be trusted for longer than the file says.
            Some(node) => node.moment(edge)?.ok().map(Some),
            None => Some(None),
        };
        let (not_before, not_after) = (moment(&key::NOT_BEFORE, Edge::Start), moment(&key::NOT_AFTER, Edge::End));
        let (retired, revoked) = (moment(&key::RETIRED, Edge::Start), moment(&key::REVOKED, Edge::Start));
        let window = KeyWindow { not_before: not_before?, not_after: not_after?, retired: retired?, revoked: revoked? };
        let end = window.end().into_iter().chain(window.revoked).min();
        if let (Some(from), Some(end)) = (window.not_before, end)
            && end <= from
        {
            sink.add(&node.place, format!("this key is never trusted: its window begins at {from} and ends at {end}"));
        }
        Some(window)
    }

    /// A public key, and a name made of its fingerprint.
    fn key(&self, text: &str, place: &Place) -> Option<(String, SignerKind)> {
        match public_key(text) {
            Ok((pem, fingerprint)) => Some((format!("key-{fingerprint}"), SignerKind::Key { pem })),
            Err(why) => {
                self.reader.sink.add(place, why);
                None
            }
        }
    }
}

/// Reads a SubjectPublicKeyInfo PEM: the key, and twelve digits of its SHA-256. The error never quotes the text.
fn public_key(text: &str) -> Result<(String, String), String> {
    if text.contains("PRIVATE KEY") {
        return Err("is a private key, which must not lie here; give the public key that belongs to it (`cosign public-key`)".into());
    }
    if text.contains("BEGIN CERTIFICATE") {
        return Err("is a certificate; give the public key in PEM, which begins with -----BEGIN PUBLIC KEY-----".into());
    }
    if text.matches("-----BEGIN ").count() > 1 {
        return Err("holds several keys; give each a signer of its own".into());
    }
    let key = PublicKey::from_pem(text).map_err(|bad| match bad {
        BadKey::Pem => "is not a public key in PEM, which begins with -----BEGIN PUBLIC KEY-----",
        BadKey::Kind(_) => {
            "is a key of a kind that signatures cannot be verified with; ECDSA P-256, P-384 or P-521, RSA from 2048 bits and Ed25519 can"
        }
    })?;
    Ok((text.trim().to_owned() + "\n", key.fingerprint().hex()[..12].into()))
}

/// Whether a `[gitlab.NAME]` says whom to believe about certificates and logs.
pub fn is_rooted(gitlab: &Node<'_>) -> bool {
    gitlab.get(&instance::TRUSTED_ROOT).is_some() || gitlab.get(&instance::TRUST).is_some()
}

/// The trust root of one server. What a TUF repository gives is kept in a folder of its own below `caches`: no other source's
/// versions count against it.
pub fn source(reader: &Reader<'_>, gitlab: &Node<'_>, name: &str, caches: &Path) -> Option<Option<Source>> {
    let trust = gitlab.get(&instance::TRUST);
    let layers = Layers(vec![gitlab.clone()]);
    let max_age = layers.parsed(&instance::TRUST_MAX_AGE, forms::age);
    if let (None, Some(age)) = (&trust, gitlab.get(&instance::TRUST_MAX_AGE)) {
        reader.sink.add(&age.place, "is for `trust`; a `trusted_root` file holds until it is replaced");
    }
    let trust = match (gitlab.get(&instance::TRUSTED_ROOT), trust) {
        (None, None) => return Some(None),
        (Some(file), None) => return Some(Some(Source::Pinned(trusted_root(reader, &file)?))),
        (Some(_), Some(both)) => {
            reader.sink.add(&both.place, "stands beside `trusted_root`; give one of the two");
            return None;
        }
        (None, Some(trust)) => trust,
    };
    let (url, root) = match trust.text() {
        Some(_) => {
            let (url, root) = tuf::public_good();
            (url.parse().ok()?, root.to_vec())
        }
        None => tuf_repository(reader, &trust)?,
    };
    // A server with a private authority mostly has a repository with the same one.
    let own_ca = if trust.text().is_some() { Some(None) } else { reader.ca_bundle(&trust, &repository::CA_FILE) };
    let ca_pem =
        [own_ca?, reader.ca_bundle(gitlab, &instance::CA_FILE)?].into_iter().flatten().reduce(|own, server| format!("{own}\n{server}"));
    let mark = Digest::of(&[url_bytes(&url), &root].concat());
    let cache = caches.join(format!("{name}-{}", &mark.hex()[..12]));
    Some(Some(Source::Tuf(tuf::Settings { url, root, ca_pem, cache, max_age: max_age?.try_into().ok()? })))
}

fn url_bytes(url: &Url) -> &[u8] {
    url.as_str().as_bytes()
}

fn tuf_repository(reader: &Reader<'_>, node: &Node<'_>) -> Option<(Url, Vec<u8>)> {
    let url = node.get(&repository::TUF_URL).and_then(|url| url.text()?.parse().ok());
    let file = node.get(&repository::TUF_ROOT)?;
    let path = reader.path(&file)?;
    let read = read_text(&path, LARGEST_ROOT)
        .and_then(|text| tuf::check_root(text.as_bytes()).map(|()| text).map_err(|bad| format!("is no TUF root.json: {bad}")));
    match read {
        Ok(text) => Some((url?, text.into_bytes())),
        Err(why) => {
            reader.sink.add(&file.place, format!("{} {why}; paths start at the folder of bot.toml", path.display()));
            None
        }
    }
}

/// Holds a trust root against its format, so that `serve` does not find out later.
fn trusted_root(reader: &Reader<'_>, node: &Node<'_>) -> Option<Settings> {
    let path = reader.path(node)?;
    let read =
        read_text(&path, LARGEST_ROOT).and_then(|text| TrustRoot::parse(text.as_bytes()).map_err(|bad| format!("cannot be used: {bad}")));
    match read {
        Ok(root) if !root.certifies() => {
            // SR-01: nothing in it could ever verify, or worse, nothing would have to.
            reader.sink.add(&node.place, format!("{} names no certificate authority", path.display()));
            None
        }
        Ok(_) => Some(Settings { path }),
        Err(why) => {
            reader.sink.add(&node.place, format!("{} {why}; paths start at the folder of bot.toml", path.display()));
            None
        }
    }
}

/// A real trust root for tests: the public one.
#[cfg(test)]
pub const PUBLIC_ROOT: &str = sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
