//! The embedded store: sled 0.34 with a durability of our own.
//!
//! One thread does all writing ([`writer`]): whatever arrives while it flushes shares the next flush, so that many deliveries cost
//! one. Reads go to sled directly. [`folder`] guards the files.

mod folder;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::line::Change;
use super::{Claim, Depth, Space, Store, StoreError, record_within_limits, within_limits};
use crate::event::Hint;
use crate::model::Timestamp;
use writer::{Disk, Writer};

/// Size of a log segment. Sled puts items over a quarter of it into files of their own, which it never syncs, so no tree node may
/// come near: a leaf holds at most about 20 entries, of [`super::MAX_VALUE`] + [`super::MAX_KEY`] bytes each: 360 KiB of 512.
const SEGMENT: usize = 2 * 1024 * 1024;
/// A log record is kept in parts of this size, for the same reason.
const PART: usize = super::MAX_VALUE;
/// Sled's cache. The working set is the queue and a few indices.
const CACHE: u64 = 64 * 1024 * 1024;

/// The embedded store. One process at a time: the folder is locked.
pub struct SledStore {
    writer: Writer,
    trees: Trees,
}

/// Sled's trees, one for each family of keys.
#[derive(Clone)]
struct Trees {
    queue: sled::Tree,
    log: sled::Tree,
    spaces: Arc<HashMap<Space, sled::Tree>>,
}

impl Trees {
    fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let mut spaces = HashMap::new();
        for space in Space::ALL {
            spaces.insert(space, db.open_tree(format!("space/{}", space.name())).map_err(failed)?);
        }
        let tree = |name: &str| db.open_tree(name).map_err(failed);
        Ok(Self { queue: tree("queue")?, log: tree("log")?, spaces: Arc::new(spaces) })
    }

    fn space(&self, space: Space) -> Result<&sled::Tree, StoreError> {
        self.spaces.get(&space).ok_or_else(|| StoreError(format!("no tree for {}", space.name())))
    }
}

impl SledStore {
    /// Opens or creates the store in this folder.
    ///
    /// Fails when the folder holds anything that is not such a store, when another process has it open, and when the database in
    /// it is damaged or is not the one that was there before.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        // Sled asserts on some kinds of damage; the panic ends here as an error.
        match tokio::task::spawn_blocking(move || Self::open_now(&path)).await {
            Ok(opened) => opened,
            Err(_) => Err(StoreError("the database is damaged: opening it failed inside sled".into())),
        }
    }

    fn open_now(path: &Path) -> Result<Self, StoreError> {
        let durable = folder::open(path)?;
        let trees = Trees::open(&durable.db)?;
        let disk = Disk::load(durable, trees.clone())?;
        Ok(Self { writer: Writer::start(disk)?, trees })
    }

    /// Reads outside the writer's thread.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        self.writer.sound()?;
        let trees = self.trees.clone();
        match tokio::task::spawn_blocking(move || read(&trees)).await {
            Ok(read) => read,
            Err(_) => Err(self.writer.break_off("a read failed inside sled: the database is damaged")),
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn push(&self, hint: &Hint) -> Result<(), StoreError> {
        let hint = hint.clone();
        self.writer.run(move |disk| disk.queue(true, |line| line.push(&hint))).await
    }

    async fn claim(&self, now: Timestamp, lease: jiff::SignedDuration) -> Result<Option<Claim>, StoreError> {
        self.writer.run(move |disk| disk.claim(now, lease)).await
    }

    async fn renew(&self, claim: &mut Claim, until: Timestamp) -> Result<bool, StoreError> {
        let mut mine = claim.clone();
        let (held, renewed) = self.writer.run(move |disk| Ok((disk.line.renew(&mut mine, until), mine))).await?;
        *claim = renewed;
        Ok(held)
    }

    async fn finish(&self, claim: &Claim) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.writer.run(move |disk| disk.queue(false, |line| Ok(line.finish(&claim)))).await
    }

    async fn postpone(&self, claim: &Claim, due: Timestamp) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.writer.run(move |disk| disk.queue(false, |line| Ok(line.postpone(&claim, due)))).await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        self.writer.run(|disk| Ok(disk.line.depth())).await
    }

    async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.read(move |trees| Ok(trees.space(space)?.get(key).map_err(failed)?.map(|value| value.to_vec()))).await
    }

    async fn put(&self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError> {
        within_limits(key, value)?;
        let (key, value) = (key.to_owned(), value.to_owned());
        self.writer.run(move |disk| disk.put(space, &key, &value)).await
    }

    async fn put_new(&self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        within_limits(key, value)?;
        let (key, value) = (key.to_owned(), value.to_owned());
        self.writer.run(move |disk| disk.put_new(space, &key, &value)).await
    }

    async fn delete(&self, space: Space, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.writer.run(move |disk| disk.delete(space, &key)).await
    }

    async fn scan(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |trees| {
            let mut found = vec![];
            for item in trees.space(space)?.scan_prefix(prefix).take(limit) {
                let (key, value) = item.map_err(failed)?;
                let key = String::from_utf8(key.to_vec()).map_err(|_| StoreError("a key is not UTF-8: the database is damaged".into()))?;
                found.push((key, value.to_vec()));
            }
            Ok(found)
        })
        .await
    }

    async fn append(&self, seq: u64, record: &[u8]) -> Result<bool, StoreError> {
        record_within_limits(record)?;
        let record = record.to_owned();
        self.writer.run(move |disk| disk.append(seq, &record)).await
    }

    async fn log(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(move |trees| {
            let mut found = vec![];
            for seq in (seq..=u64::MAX).take(limit) {
                let Some(record) = record(&trees.log, seq)? else { break };
                found.push((seq, record));
            }
            Ok(found)
        })
        .await
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        self.writer.run(|disk| Ok(disk.log_end)).await
    }
}

/// The key of one part of a log record.
fn part_key(seq: u64, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&seq.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Puts a record together. Part 0 begins with the whole length; the other parts may be there before it, never after it.
fn record(log: &sled::Tree, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let damaged = || StoreError(format!("record {seq} of the log is damaged"));
    let Some(first) = log.get(part_key(seq, 0)).map_err(failed)? else { return Ok(None) };
    let (length, first) = first.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
    let mut record = first.to_vec();
    for part in 1.. {
        if record.len() >= length {
            break;
        }
        record.extend_from_slice(&log.get(part_key(seq, part)).map_err(failed)?.ok_or_else(damaged)?);
    }
    if record.len() == length { Ok(Some(record)) } else { Err(damaged()) }
}

fn failed(error: sled::Error) -> StoreError {
    StoreError(format!("sled: {error}"))
}

#[cfg(test)]
mod tests;
