//! What survives a restart: the queue of hints, keyed state, and the append-only log that the ledger stands on.

pub mod contract;
pub mod ledger;
pub mod memory;
pub mod sled;

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
#[derive(Debug, thiserror::Error)]
#[error("store: {0}")]
pub struct StoreError(pub String);

/// A hint that one worker holds until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub hint: Hint,
    /// 1 at the first try.
    pub attempt: u32,
    /// Which version of the queued hint this is: one that came in again meanwhile is not finished by us.
    pub generation: u64,
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
    /// Effects intended and not yet known to be done.
    Intent,
}

/// A storage backend. `contract::check` says what each must do.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Queues a hint and returns once it is on durable storage. A waiting hint with the same [`Hint::key`] is merged with it;
    /// one that is being worked on is run again afterwards.
    async fn push(&self, hint: &Hint) -> Result<(), StoreError>;

    /// Takes the oldest due hint whose lane nobody holds, for `lease`.
    async fn claim(&self, now: Timestamp, lease: jiff::SignedDuration) -> Result<Option<Claim>, StoreError>;

    /// The work of a claim is done. A hint that was pushed again meanwhile stays queued.
    async fn finish(&self, claim: &Claim) -> Result<(), StoreError>;

    /// The work could not be done now; it becomes due again at `due`, with the next attempt number.
    async fn postpone(&self, claim: &Claim, due: Timestamp) -> Result<(), StoreError>;

    async fn depth(&self) -> Result<Depth, StoreError>;

    async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Durable when it returns.
    async fn put(&self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Durable when it returns; `false` if the key was there already, which then keeps its value.
    async fn put_new(&self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError>;

    async fn delete(&self, space: Space, key: &str) -> Result<(), StoreError>;

    /// Keys with this prefix in key order, at most `limit`.
    async fn scan(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Appends a record as number `seq` (the first is 0), durably; `false` if that number is taken or leaves a gap.
    async fn append(&self, seq: u64, record: &[u8]) -> Result<bool, StoreError>;

    /// Records from `seq` on, in order, at most `limit`.
    async fn log(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// The number the next record gets.
    async fn log_end(&self) -> Result<u64, StoreError>;
}
