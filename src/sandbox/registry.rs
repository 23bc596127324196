//! An OCI registry in this process
//! ([distribution-spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md)): state apart from its HTTP face,
//! with verbs that change it, faults to switch on, and a log of every request.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinHandle;

use crate::model::Digest;

mod answer;
mod content;
mod fault;
mod http;
mod login;
mod state;
mod tests;
mod upload;

pub use fault::Fault;
use state::State;
pub use state::{Grant, Seen};

/// Media types of the artifacts that the verbs make.
pub mod media {
    pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    pub const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
}

/// How the registry behaves. [`RegistryDouble::change`] switches it while it runs.
#[derive(Debug, Clone)]
pub struct Options {
    pub auth: Auth,
    pub referrers: Referrers,
    /// As GitLab's registry does: tag `sha256-<hex>` without an index of its own answers with the subject itself.
    pub subject_by_fallback_tag: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { auth: Auth::Open, referrers: Referrers::Api { page: 100 }, subject_by_fallback_tag: false }
    }
}

/// Who may do what.
#[derive(Debug, Clone)]
pub enum Auth {
    Open,
    /// HTTP Basic on every request.
    Basic(Vec<Account>),
    /// Bearer tokens from `GET /jwt/auth` of the same server, in the shape of GitLab's.
    Token {
        accounts: Vec<Account>,
        /// Names another token server in the challenge.
        realm: Option<String>,
        lifetime: Duration,
        anonymous_pull: bool,
    },
}

/// A login of the double.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub password: String,
    pub push: bool,
}

/// Whether the referrers API is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    /// Answers at most `page` entries at once, the rest by `Link`.
    Api { page: usize },
    /// 404, as docker-registry answers; clients keep the index under tag `sha256-<hex>`.
    Off,
}

/// A running registry. It ends when dropped.
#[derive(Debug)]
pub struct RegistryDouble {
    address: SocketAddr,
    state: Shared,
    server: JoinHandle<()>,
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RegistryDouble {
    /// Listens, for instance on `127.0.0.1:0`.
    pub async fn start(listen: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::new(options)));
        let router = Router::new().fallback(http::serve).with_state((state.clone(), address.to_string()));
        let server = tokio::spawn(async move {
            // Ends with the task: an accept error is slept over by axum.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, state, server })
    }

    /// `127.0.0.1:PORT`, as it stands in image references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Switches behaviour.
    pub fn change(&self, change: impl FnOnce(&mut Options)) {
        change(&mut lock(&self.state).options);
    }

    /// From now on requests that match `pattern` meet `fault`. The pattern is matched against `METHOD /path` without the query;
    /// `*` stands for anything: `GET /v2/*/manifests/*.sig`. The first match counts.
    pub fn fault(&self, pattern: &str, fault: Fault) {
        lock(&self.state).faults.add(pattern, fault, None);
    }

    /// The same for the first `times` matching requests.
    pub fn fault_times(&self, times: u32, pattern: &str, fault: Fault) {
        lock(&self.state).faults.add(pattern, fault, Some(times));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }

    /// Every token issued so far stops working.
    pub fn revoke_tokens(&self) {
        lock(&self.state).tokens.clear();
    }

    /// The requests seen so far, oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.state).seen.iter().cloned().collect()
    }

    /// How many requests matched a pattern of [`RegistryDouble::fault`]'s form.
    pub fn count(&self, pattern: &str) -> usize {
        lock(&self.state).seen.iter().filter(|seen| fault::matches(pattern, &seen.line())).count()
    }

    /// Forgets the requests seen.
    pub fn forget_requests(&self) {
        lock(&self.state).seen.clear();
    }

    /// Stores bytes.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        lock(&self.state).repository(repository).put_blob(bytes.to_vec().into())
    }

    /// Stores a manifest as it is, unchecked, and moves `tag` to it.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, media_type: &str, bytes: &[u8]) -> Digest {
        lock(&self.state).repository(repository).put_manifest(tag, media_type, bytes.to_vec().into())
    }

    /// The bytes of a manifest.
    pub fn manifest(&self, repository: &str, digest: Digest) -> Option<Vec<u8>> {
        lock(&self.state).repository(repository).manifests.get(&digest).map(|m| m.bytes.to_vec())
    }

    /// What a tag names.
    pub fn tagged(&self, repository: &str, tag: &str) -> Option<Digest> {
        lock(&self.state).repository(repository).tags.get(tag).copied()
    }

    /// Moves a tag.
    pub fn tag(&self, repository: &str, tag: &str, digest: Digest) {
        lock(&self.state).repository(repository).tags.insert(tag.into(), digest);
    }

    /// Removes a tag; the manifest stays.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        lock(&self.state).repository(repository).tags.remove(tag);
    }

    /// Removes every signature and attestation of a digest, in all layouts.
    pub fn forget_evidence(&self, repository: &str, subject: Digest) {
        let mut state = lock(&self.state);
        let held = state.repository(repository);
        let (fallback, wanted) = (format!("sha256-{}", subject.hex()), subject.to_string());
        held.tags.retain(|tag, _| !tag.starts_with(&fallback));
        held.manifests.retain(|_, stored| {
            let manifest: Option<Value> = serde_json::from_slice(&stored.bytes).ok();
            manifest.is_none_or(|manifest| manifest["subject"]["digest"] != wanted)
        });
    }

    /// Removes a manifest and every tag on it.
    pub fn delete_manifest(&self, repository: &str, digest: Digest) {
        lock(&self.state).repository(repository).delete_manifest(digest);
    }

    /// Pushes a small image that runs nowhere but pulls everywhere: one configuration, one layer with one file. The same seed
    /// gives the same digest.
    pub fn push_image(&self, repository: &str, tag: &str, seed: &str) -> Digest {
        let layer = state::tar_of("seed.txt", seed.as_bytes());
        let layer_digest = self.put_blob(repository, &layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest.to_string()]},
        });
        let config = self.descriptor(repository, media::CONFIG, config.to_string().as_bytes());
        let layers = json!([{"mediaType": media::LAYER, "size": layer.len(), "digest": layer_digest.to_string()}]);
        let manifest = json!({"schemaVersion": 2, "mediaType": media::IMAGE, "config": config, "layers": layers});
        self.put_manifest(repository, Some(tag), media::IMAGE, manifest.to_string().as_bytes())
    }

    /// Pushes an index of manifests that are there.
    pub fn push_index(&self, repository: &str, tag: &str, children: &[Digest]) -> Digest {
        let entry = |child: &Digest| {
            let size = self.manifest(repository, *child).map_or(0, |bytes| bytes.len());
            json!({"mediaType": media::IMAGE, "size": size, "digest": child.to_string()})
        };
        let index = json!({
            "schemaVersion": 2, "mediaType": media::INDEX, "manifests": children.iter().map(entry).collect::<Vec<_>>(),
        });
        self.put_manifest(repository, Some(tag), media::INDEX, index.to_string().as_bytes())
    }

    /// Stores a manifest that points at `subject`, and, where the referrers API is off, adds it to the index under tag
    /// `sha256-<hex>` as cosign 3 does: with the type of the empty configuration instead of the artifact's.
    pub fn attach(&self, repository: &str, subject: Digest, manifest: &[u8]) -> Digest {
        let digest = self.put_manifest(repository, None, media::IMAGE, manifest);
        if lock(&self.state).options.referrers == Referrers::Off {
            self.add_to_fallback_index(repository, subject, digest);
        }
        digest
    }

    /// Stores a sigstore bundle beside `subject`, as `cosign sign` of version 3 does.
    pub fn attach_bundle(&self, repository: &str, subject: Digest, bundle: &[u8]) -> Digest {
        let layer = self.descriptor(repository, media::BUNDLE, bundle);
        let manifest = self.referrer(repository, subject, media::BUNDLE, layer);
        self.attach(repository, subject, manifest.to_string().as_bytes())
    }

    /// The statements of the bundles beside `subject`, as they are; nothing is verified.
    pub fn statements(&self, repository: &str, subject: Digest) -> Vec<Value> {
        let mut state = lock(&self.state);
        let held = state.repository(repository);
        let beside = |stored: &state::Stored| {
            let manifest: Value = serde_json::from_slice(&stored.bytes).ok()?;
            let layer = &manifest["layers"][0];
            let fits = manifest["subject"]["digest"].as_str() == Some(&subject.to_string()) && layer["mediaType"] == media::BUNDLE;
            let blob = held.blobs.get(&layer["digest"].as_str()?.parse().ok()?).filter(|_| fits)?;
            let bundle: Value = serde_json::from_slice(blob).ok()?;
            let payload = BASE64_STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str()?).ok()?;
            serde_json::from_slice(&payload).ok()
        };
        held.manifests.values().filter_map(beside).collect()
    }

    /// A manifest with `subject`, one layer and cosign 3's empty configuration.
    pub fn referrer(&self, repository: &str, subject: Digest, artifact_type: &str, layer: Value) -> Value {
        let config = self.descriptor(repository, media::EMPTY, b"{}");
        let (media_type, size) = {
            let mut state = lock(&self.state);
            state.repository(repository).manifests.get(&subject).map_or((media::IMAGE.into(), 0), |m| (m.media_type.clone(), m.bytes.len()))
        };
        json!({
            "schemaVersion": 2, "mediaType": media::IMAGE, "config": config, "layers": [layer], "artifactType": artifact_type,
            "subject": {"mediaType": media_type, "size": size, "digest": subject.to_string()},
        })
    }

    /// Adds a simple-signing payload to tag `sha256-<hex>.sig`, as `cosign sign` of version 2 does: one manifest, a layer a signature.
    pub fn add_signature(&self, repository: &str, subject: Digest, payload: &[u8], annotations: Value) -> Digest {
        self.append_layer(repository, &format!("sha256-{}.sig", subject.hex()), media::SIMPLE_SIGNING, (payload, annotations))
    }

    /// Adds a DSSE envelope to tag `sha256-<hex>.att`, as `cosign attest` of version 2 does.
    pub fn add_attestation(&self, repository: &str, subject: Digest, envelope: &[u8], annotations: Value) -> Digest {
        self.append_layer(repository, &format!("sha256-{}.att", subject.hex()), media::DSSE, (envelope, annotations))
    }

    /// Stores a blob and describes it.
    pub fn descriptor(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = self.put_blob(repository, bytes);
        json!({"mediaType": media_type, "size": bytes.len(), "digest": digest.to_string()})
    }

    fn append_layer(&self, repository: &str, tag: &str, media_type: &str, (blob, annotations): (&[u8], Value)) -> Digest {
        let mut manifest = self.tagged_json(repository, tag).unwrap_or_else(|| {
            let config = self.descriptor(
                repository,
                media::CONFIG,
                br#"{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#,
            );
            json!({"schemaVersion": 2, "mediaType": media::IMAGE, "config": config, "layers": []})
        });
        let mut layer = self.descriptor(repository, media_type, blob);
        layer["annotations"] = annotations;
        if let Some(layers) = manifest["layers"].as_array_mut() {
            layers.push(layer);
        }
        self.put_manifest(repository, Some(tag), media::IMAGE, manifest.to_string().as_bytes())
    }

    fn add_to_fallback_index(&self, repository: &str, subject: Digest, referrer: Digest) {
        let tag = format!("sha256-{}", subject.hex());
        let empty = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": []});
        let mut index = self.tagged_json(repository, &tag).unwrap_or(empty);
        let size = self.manifest(repository, referrer).map_or(0, |bytes| bytes.len());
        if let Some(entries) = index["manifests"].as_array_mut() {
            entries.push(json!({"mediaType": media::IMAGE, "size": size, "digest": referrer.to_string(), "artifactType": media::EMPTY}));
        }
        self.put_manifest(repository, Some(&tag), media::INDEX, index.to_string().as_bytes());
    }

    fn tagged_json(&self, repository: &str, tag: &str) -> Option<Value> {
        let bytes = self.manifest(repository, self.tagged(repository, tag)?)?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl Drop for RegistryDouble {
    fn drop(&mut self) {
        self.server.abort();
    }
}
