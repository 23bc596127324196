//! A trusted_root.json from a TUF repository ([specification](https://theupdateframework.github.io/specification/latest/)).
//!
//! The TUF client is the sigstore project's: signatures, thresholds, expiry, lengths, hashes and roll-back are its work. The folder
//! is input like any other: everything in it is verified anew from the configured root before it is used. Only the time of the
//! last refresh is our own word; whoever can write there gains no more than the signed expiry grants.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::SignedDuration;
use sigstore_trust_root::SigstoreInstance;
use sigstore_trust_root::tuf::TRUSTED_ROOT_TARGET;
use sigstore_tuf::reqwest;
use sigstore_tuf::{
    Error, FileStore, HttpRepository, MetadataStore as _, Repository, StoreRepository, TrustedMetadataSet, Updater, UpdaterConfig,
};
use url::Url;

use super::{MAX_BYTES, TrustRoot};
use crate::facts::sigstore::json::short;
use crate::model::Timestamp;
use crate::tls::trusting;

/// One refresh with all its requests: about five small files.
const REFRESH: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// One request, so that a mirror that trickles bytes cannot hold a refresh.
const REQUEST: Duration = Duration::from_secs(30);
/// How far a clock may be behind the one that wrote the time of the last refresh.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The file with the time of the last refresh.
const REFRESHED: &str = "refreshed-at";

/// Where a trust root is fetched from.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The repository's address; metadata lies there, targets below `targets/`.
    pub url: Url,
    /// The `root.json` in which trust begins.
    pub root: Vec<u8>,
    /// Authorities that are believed beside the machine's own when it is fetched, as a PEM bundle. They vouch for the connection only;
    /// what is fetched is believed for its signatures.
    pub ca_pem: Option<String>,
    /// Where verified metadata and the target are kept, for this source alone.
    pub cache: PathBuf,
    /// How old the last refresh may be before the root is no longer believed; its signed expiry may end it sooner.
    pub max_age: SignedDuration,
}

/// The public-good instance of sigstore.dev: its address, and the root that the sigstore crate carries.
pub fn public_good() -> (&'static str, &'static [u8]) {
    (SigstoreInstance::PublicGood.tuf_url(), SigstoreInstance::PublicGood.tuf_root())
}

/// Whether bytes are a `root.json` that its own keys signed.
pub fn check_root(bytes: &[u8]) -> Result<(), String> {
    TrustedMetadataSet::from_root(bytes).map(drop).map_err(|error| chain(&error))
}

/// A verified trust root with its times.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) root: TrustRoot,
    pub(super) refreshed: Timestamp,
    /// The earliest expiry of the metadata that vouches for it.
    pub(super) expires: Timestamp,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// The metadata's own time is over.
    Expired(String),
    /// Not there, not reachable, or not what its signatures say.
    Other(String),
}

impl Missing {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Expired(reason) | Self::Other(reason) => reason,
        }
    }
}

/// What lies in the folder, verified as of `now`. Nothing in it waits for anything.
pub(super) fn cached(settings: &Settings, now: Timestamp) -> Result<Fetched, Missing> {
    let store = FileStore::new(&settings.cache);
    let refreshed = last_refresh(&store, now).ok_or_else(|| Missing::Other("it was never fetched".into()))?;
    let work = verify(StoreRepository::new(store.clone()), store, &settings.root, now);
    // The store answers at once.
    let (root, expires) = work.now_or_never().unwrap_or_else(|| Err(Missing::Other("the cache did not answer".into())))?;
    Ok(Fetched { root, refreshed, expires })
}

/// Fetches and verifies what the repository offers as of `now`, and keeps it.
pub(super) async fn fetch(settings: &Settings, now: Timestamp) -> Result<Fetched, Missing> {
    let other = |error: &dyn std::error::Error| Missing::Other(chain(error));
    let plain = settings.url.scheme() == "http";
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(REQUEST)
        // No address that an answer names is ever called (SR-19).
        .redirect(reqwest::redirect::Policy::none())
        .https_only(!plain);
    // Plain HTTP is for this machine only, and no proxy stands in between.
    let client = if plain { client.no_proxy() } else { client };
    let client = trusting(client, settings.ca_pem.as_deref()).and_then(reqwest::ClientBuilder::build).map_err(|error| other(&error))?;
    let repository = HttpRepository::new(settings.url.as_str()).map_err(|error| other(&error))?.with_http_client(client);
    let store = FileStore::new(&settings.cache);
    let work = verify(repository, store.clone(), &settings.root, now);
    let timed = tokio::time::timeout(REFRESH, work).await;
    let (root, expires) = timed.unwrap_or_else(|_| Err(Missing::Other(format!("it took longer than {} s", REFRESH.as_secs()))))?;
    if let Err(error) = store.store(REFRESHED, now.to_string().as_bytes()) {
        // It serves until the next start, which then needs the network.
        tracing::warn!(cache = %settings.cache.display(), error = chain(&error), "the trust root cannot be kept");
    }
    Ok(Fetched { root, refreshed: now, expires })
}

/// The whole TUF workflow. Cached metadata only serves as floor for versions, and where the repository has nothing newer.
async fn verify(
    repository: impl Repository + 'static,
    store: FileStore,
    root: &[u8],
    now: Timestamp,
) -> Result<(TrustRoot, Timestamp), Missing> {
    let mut limits = UpdaterConfig::default();
    limits.target_max_length = MAX_BYTES as u64;
    let mut updater = Updater::new(repository, root).map_err(missing)?.with_config(limits).with_store(store);
    updater.refresh(now).await.map_err(missing)?;
    let bytes = updater.get_target(TRUSTED_ROOT_TARGET, now).await.map_err(missing)?;
    let root = TrustRoot::parse(&bytes).map_err(|bad| Missing::Other(bad.to_string()))?;
    if !root.certifies() {
        // SR-01: nothing in it could ever verify.
        return Err(Missing::Other("it names no certificate authority".into()));
    }
    let metadata = updater.trusted();
    let expiries = [
        Some(metadata.root().expires),
        metadata.timestamp().map(|role| role.expires),
        metadata.snapshot().map(|role| role.expires),
        metadata.targets_role("targets").map(|role| role.expires),
    ];
    let expires = expiries.into_iter().flatten().min().unwrap_or(now);
    Ok((root, expires))
}

/// When what lies in the folder was refreshed, whether or not it is believed.
pub(super) fn last_refreshed(settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    last_refresh(&FileStore::new(&settings.cache), now)
}

/// When the last refresh was. One that lies ahead of our clock says nothing about age.
fn last_refresh(store: &FileStore, now: Timestamp) -> Option<Timestamp> {
    let bytes = store.load(REFRESHED).ok().flatten()?;
    let time: Timestamp = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
    (time <= now.checked_add(CLOCK_SKEW).ok()?).then_some(time)
}

fn missing(error: Error) -> Missing {
    match &error {
        Error::Expired { .. } => Missing::Expired(chain(&error)),
        _ => Missing::Other(chain(&error)),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    short(text)
}

impl fmt::Debug for Settings {
    /// The root as its digest: its bytes say nothing to anybody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url.as_str())
            .field("root", &crate::model::Digest::of(&self.root))
            .field("cache", &self.cache)
            .field("max_age", &self.max_age)
            .finish()
    }
}
