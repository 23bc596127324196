//! What survives a restart: the queue of hints, keyed state, and the append-only log that the ledger stands on.

pub mod ledger;
mod line;
pub mod memory;
pub mod sled;

use std::sync::Arc;

use async_trait::async_trait;

use crate::event::Hint;
use crate::model::Timestamp;

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// The embedded store, in this folder.
    Sled { path: std::path::PathBuf },
}

/// Why a store could not do what it was asked. Everything that waits on it answers "could not check" or 503.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub String);

/// Different hints that may wait at once. A flood of deliveries about the same objects is merged and never comes near it; beyond
/// it [`Store::push`] fails, so that the sender hears 503 instead of a yes that memory cannot keep.
pub const MAX_QUEUED: usize = 100_000;
/// Bytes of a key.
pub const MAX_KEY: usize = 2 * 1024;
/// Bytes of a keyed value. Keyed state is ids, cursors and indices; what is long belongs in the log.
pub const MAX_VALUE: usize = 16 * 1024;
/// Bytes of a log record: a verdict about a large monorepo takes about 100 KiB.
pub const MAX_RECORD: usize = 4 * 1024 * 1024;

/// A hint that one worker holds until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub hint: Hint,
    /// 1 at the first try after the newest push.
    pub attempt: u32,
    /// Which version of the queued hint this is: one that came in again meanwhile is not finished by us.
    pub generation: u64,
    /// When others may take it. It also tells this claim from a later one of the same hint, which always ends later.
    pub leased_until: Timestamp,
}

/// How much waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    pub waiting: u64,
    pub claimed: u64,
}

/// A family of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Where the catch-up poll stands.
    Cursor,
    /// Digests seen, by commit and by release.
    Sighting,
    /// Our sticky notes' ids.
    Note,
    /// Commands executed.
    Command,
    /// Verdicts by id, and newest by place.
    Verdict,
    /// Effects intended, and how they ended.
    Intent,
    /// Promotions: their events, where they went, and who holds which environment.
    Promotion,
    /// Up to where the ledger's indices reach.
    Ledger,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Cursor, Self::Sighting, Self::Note, Self::Command, Self::Verdict, Self::Intent, Self::Promotion, Self::Ledger];

    /// The name it has on disk, kept for ever.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cursor => "cursor",
            Self::Sighting => "sighting",
            Self::Note => "note",
            Self::Command => "command",
            Self::Verdict => "verdict",
            Self::Intent => "intent",
            Self::Promotion => "promotion",
            Self::Ledger => "ledger",
        }
    }
}

/// Opens the store of this installation.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    match settings {
        Settings::Sled { path } => Ok(Arc::new(self::sled::SledStore::open(path).await?)),
    }
}

/// A storage backend. `contract::check` says what each must do.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Queues a hint and returns once it is on durable storage. Hints with one [`Hint::key`] are one entry: it keeps its place in
    /// the line, takes the newer hint, is due at once, and its attempts start again. One that is being worked on is run again
    /// afterwards. Fails when [`MAX_QUEUED`] others wait.
    async fn push(&self, hint: &Hint) -> Result<(), StoreError>;

    /// Takes the oldest due hint whose lane nobody holds, for `lease`. A claim that is neither finished nor renewed ends by itself.
    /// The attempt is counted durably, so that work that kills the process is seen to.
    async fn claim(&self, now: Timestamp, lease: jiff::SignedDuration) -> Result<Option<Claim>, StoreError>;

    /// Holds a claim until `until` instead, and writes that into it. `false` if the claim has ended: its holder must stop.
    async fn renew(&self, claim: &mut Claim, until: Timestamp) -> Result<bool, StoreError>;

    /// The work of a claim is done. A hint that was pushed again meanwhile stays queued. Changes nothing if another took the
    /// claim. Need not be durable at once: a crash repeats work, which is harmless.
    async fn finish(&self, claim: &Claim) -> Result<(), StoreError>;

    /// The work could not be done now; it becomes due again at `due`, with the next attempt number, or at once if it was pushed
    /// again meanwhile. Changes nothing if another took the claim.
    async fn postpone(&self, claim: &Claim, due: Timestamp) -> Result<(), StoreError>;

    async fn depth(&self) -> Result<Depth, StoreError>;

    async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Durable when it returns. At most [`MAX_KEY`] and [`MAX_VALUE`] bytes.
    async fn put(&self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Durable when it returns; `false` if the key was there already, which then keeps its value.
    async fn put_new(&self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError>;

    async fn delete(&self, space: Space, key: &str) -> Result<(), StoreError>;

    /// Keys with this prefix in byte order, at most `limit`.
    async fn scan(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Appends a record as number `seq` (the first is 0), durably; `false` if that number is taken or leaves a gap. At most
    /// [`MAX_RECORD`] bytes, at least one.
    async fn append(&self, seq: u64, record: &[u8]) -> Result<bool, StoreError>;

    /// Records from `seq` on, in order, at most `limit`.
    async fn log(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// The number the next record gets.
    async fn log_end(&self) -> Result<u64, StoreError>;
}

/// Refuses what is over the limits; every backend asks it before it writes.
fn within_limits(key: &str, value: &[u8]) -> Result<(), StoreError> {
    if key.len() > MAX_KEY {
        return Err(StoreError(format!("a key of {} bytes is over the limit of {MAX_KEY}", key.len())));
    }
    if value.len() > MAX_VALUE {
        return Err(StoreError(format!("a value of {} bytes is over the limit of {MAX_VALUE}", value.len())));
    }
    Ok(())
}

/// Likewise for a record of the log. An empty one could not be told from a missing one.
fn record_within_limits(record: &[u8]) -> Result<(), StoreError> {
    if record.is_empty() || record.len() > MAX_RECORD {
        return Err(StoreError(format!("a record of {} bytes is not within 1 to {MAX_RECORD}", record.len())));
    }
    Ok(())
}

#[cfg(test)]
mod contract;
