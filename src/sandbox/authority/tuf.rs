//! A TUF repository that publishes a trusted_root.json, in this process
//! ([specification](https://theupdateframework.github.io/specification/latest/)). One key signs every role.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use sigstore_crypto::KeyPair;
use sigstore_tuf::canonical_json::to_canonical_bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Failed;
use crate::model::{Digest, Timestamp};

const TARGET: &str = "trusted_root.json";
/// Keys and everything but the timestamp outlive any story.
const LATER: &str = "2999-01-01T00:00:00Z";

/// The repository, served on loopback until it is dropped.
pub struct TufRepository {
    key: KeyPair,
    key_id: String,
    root: Vec<u8>,
    shared: Arc<Mutex<Served>>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    files: BTreeMap<String, Vec<u8>>,
    version: u64,
    down: bool,
    requests: usize,
}

impl TufRepository {
    /// Starts with nothing published.
    pub async fn start() -> io::Result<Self> {
        let key = KeyPair::generate_ecdsa_p256().map_err(io::Error::other)?;
        let pem = key.public_key_der().map_err(io::Error::other)?.to_pem();
        let entry = json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem}});
        let key_id = Digest::of(&to_canonical_bytes(&entry).map_err(io::Error::other)?).hex();
        let role = json!({"keyids": [key_id], "threshold": 1});
        let root = json!({
            "_type": "root", "spec_version": "1.0.0", "version": 1, "expires": LATER, "consistent_snapshot": true,
            "keys": {key_id.clone(): entry}, "roles": {"root": role, "timestamp": role, "snapshot": role, "targets": role},
        });
        let root = signed(&root, &key, &key_id).map_err(io::Error::other)?;
        let shared = Arc::new(Mutex::new(Served::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/{*path}", get(file)).with_state(shared.clone());
        let server = tokio::spawn(async move {
            // It ends with the process, or when the repository is dropped.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { key, key_id, root, shared, address, server })
    }

    /// Where it is served.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `root.json` in which trust begins.
    pub fn root_json(&self) -> &[u8] {
        &self.root
    }

    /// Publishes a new version, whose timestamp expires then.
    pub fn publish(&self, trusted_root: &[u8], expires: Timestamp) -> Result<(), Failed> {
        let mut served = self.served();
        served.version += 1;
        let version = served.version;
        let sign = |body: Value| signed(&body, &self.key, &self.key_id);
        let meta = |bytes: &[u8]| json!({"version": version, "length": bytes.len(), "hashes": {"sha256": Digest::of(bytes).hex()}});
        let hash = Digest::of(trusted_root).hex();
        let targets = sign(json!({
            "_type": "targets", "spec_version": "1.0.0", "version": version, "expires": LATER,
            "targets": {TARGET: {"length": trusted_root.len(), "hashes": {"sha256": hash}}},
        }))?;
        let snapshot = sign(json!({
            "_type": "snapshot", "spec_version": "1.0.0", "version": version, "expires": LATER,
            "meta": {"targets.json": meta(&targets)},
        }))?;
        let timestamp = sign(json!({
            "_type": "timestamp", "spec_version": "1.0.0", "version": version, "expires": expires.to_string(),
            "meta": {"snapshot.json": meta(&snapshot)},
        }))?;
        served.files.insert(format!("targets/{hash}.{TARGET}"), trusted_root.to_vec());
        served.files.insert(format!("{version}.targets.json"), targets);
        served.files.insert(format!("{version}.snapshot.json"), snapshot);
        served.files.insert("timestamp.json".into(), timestamp);
        Ok(())
    }

    /// The timestamp of now, for [`TufRepository::restore`].
    pub fn timestamp(&self) -> Vec<u8> {
        self.served().files.get("timestamp.json").cloned().unwrap_or_default()
    }

    /// Serves an older timestamp again, as a mirror would that somebody took over.
    pub fn restore(&self, timestamp: &[u8]) {
        self.served().files.insert("timestamp.json".into(), timestamp.to_vec());
    }

    /// Changes a byte of every file whose path ends like this.
    pub fn alter(&self, ends: &str) {
        let mut served = self.served();
        for (_, bytes) in served.files.iter_mut().filter(|(path, _)| path.ends_with(ends)) {
            if let Some(byte) = bytes.last_mut() {
                *byte ^= 1;
            }
        }
    }

    /// Answers 503 to everything, or no more.
    pub fn down(&self, down: bool) {
        self.served().down = down;
    }

    /// How many requests came so far.
    pub fn requests(&self) -> usize {
        self.served().requests
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TufRepository {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Metadata in its signed envelope.
fn signed(body: &Value, key: &KeyPair, key_id: &str) -> Result<Vec<u8>, Failed> {
    let canonical = to_canonical_bytes(body).map_err(Failed::because)?;
    let signature = key.sign(&canonical).map_err(Failed::because)?;
    let signature = json!({"keyid": key_id, "sig": hex::encode(signature.as_bytes())});
    Ok(json!({"signed": body, "signatures": [signature]}).to_string().into_bytes())
}

async fn file(State(shared): State<Arc<Mutex<Served>>>, Path(path): Path<String>) -> Response {
    let mut served = shared.lock().unwrap_or_else(PoisonError::into_inner);
    served.requests += 1;
    match (served.down, served.files.get(&path)) {
        (true, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (false, Some(bytes)) => bytes.clone().into_response(),
        (false, None) => StatusCode::NOT_FOUND.into_response(),
    }
}
