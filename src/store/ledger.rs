//! The record of what was judged, seen, intended and done: append-only, every record chained to the one before by its SHA-256.
//!
//! The log is the truth. Everything it is asked for by name is found through [`index`], keyed state that names records by number
//! and can be made again from the log. Several replicas may append; each follows what the others wrote before it answers.

mod ask;
mod entry;
mod index;
mod promotions;

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

pub use entry::{CommandSeen, Entry};
pub use promotions::OpenedAs;

use super::{Space, Store, StoreError};
use crate::model::gitlab::ProjectKey;
use crate::model::{Digest, Repository};
use crate::verdict::Verdict;
use crate::verdict::facts::Sighting;
use entry::{Body, Linked, Record};

/// Records read at once while walking.
const PAGE: usize = 64;
/// Tries to append against other replicas; each lost try means that another one succeeded.
const TRIES: usize = 100;
/// Where the indices reach, in [`Space::Ledger`].
const HEAD: &str = "head";
/// Which indices there are. A program that knows more of them than the one that wrote last makes them all anew.
const INDICES: u32 = 2;

/// Why the ledger could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody or something changed the past: nothing may be promoted on this record (SR-22).
    #[error("the ledger is broken: {0}")]
    Broken(Break),
}

/// The first place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {fault}")]
pub struct Break {
    pub seq: u64,
    pub fault: Fault,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is missing")]
    Missing,
    #[error("it is no record of ours")]
    Unreadable,
    #[error("it names another record before it than the one that is there")]
    Chain,
    #[error("it is not the one that was there before")]
    Replaced,
}

/// The result of a walk over the whole chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Records that hold, from the first on.
    pub records: u64,
    /// SHA-256 of the last of them: whoever keeps it elsewhere can later tell that no earlier one was changed.
    pub head: Option<Digest>,
    pub broken: Option<Break>,
}

/// The ledger on a store.
pub struct Ledger {
    store: Arc<dyn Store>,
    /// One writer at a time in this process; others are met in [`Store::append`].
    head: Mutex<Head>,
    /// Up to where this process has walked the chain for [`Ledger::holds`].
    walked: Mutex<Head>,
}

/// Up to where the chain is checked and indexed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
struct Head {
    next: u64,
    hash: Option<Digest>,
}

/// The head as it is kept.
#[derive(Serialize, serde::Deserialize)]
struct Kept {
    #[serde(flatten)]
    head: Head,
    #[serde(default)]
    indices: u32,
}

impl Ledger {
    /// Checks the head of the chain and brings the indices up to it; makes them anew when they are not there, or not all.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, LedgerError> {
        let ledger = Self { store, head: Mutex::default(), walked: Mutex::default() };
        match ledger.kept().await? {
            Some(Kept { head, indices }) => {
                ledger.check_head(head).await?;
                if indices < INDICES {
                    ledger.rebuild().await?;
                } else {
                    *ledger.head.lock().await = head;
                    ledger.follow().await?;
                }
            }
            None => ledger.rebuild().await?,
        }
        Ok(ledger)
    }

    /// Walks the whole chain and says where it first breaks.
    pub async fn verify(&self) -> Result<Walk, StoreError> {
        let head = match self.kept().await {
            Ok(kept) => kept.map_or_else(Head::default, |kept| kept.head),
            Err(LedgerError::Store(error)) => return Err(error),
            Err(LedgerError::Broken(broken)) => return Ok(Walk { records: 0, head: None, broken: Some(broken) }),
        };
        self.walk(Head::default(), head).await
    }

    /// Whether the whole chain holds, so that something may be promoted on it (SR-22). The first time in a process everything is
    /// walked, later what came since.
    pub async fn holds(&self) -> Result<(), LedgerError> {
        let mut walked = self.walked.lock().await;
        let head = self.kept().await?.map_or_else(Head::default, |kept| kept.head);
        let walk = self.walk(*walked, head).await?;
        match walk.broken {
            Some(broken) => Err(LedgerError::Broken(broken)),
            None => {
                *walked = Head { next: walk.records, hash: walk.head };
                Ok(())
            }
        }
    }

    async fn walk(&self, mut at: Head, head: Head) -> Result<Walk, StoreError> {
        let end = self.store.log_end().await?.max(head.next).max(at.next);
        let mut broken = None;
        while at.next < end && broken.is_none() {
            let page = self.store.log(at.next, PAGE).await?;
            if page.is_empty() {
                broken = Some(Break { seq: at.next, fault: Fault::Missing });
            }
            for (seq, bytes) in page {
                match at.step(seq, &bytes) {
                    Ok((next, _)) if next.next == head.next && next.hash != head.hash => {
                        broken = Some(Break { seq, fault: Fault::Replaced });
                    }
                    Ok((next, _)) => {
                        at = next;
                        continue;
                    }
                    Err(fault) => broken = Some(fault),
                }
                break;
            }
        }
        Ok(Walk { records: at.next, head: at.hash, broken })
    }

    /// Makes the indices anew from the log, checking the chain on the way. Marks of executed commands are only added to: one that
    /// is not yet in the log has still been taken. So are promotions: another replica must at no moment find an environment free
    /// because its holder's mark is being made again. What their index names is checked against the record, so nothing stale counts.
    pub async fn rebuild(&self) -> Result<(), LedgerError> {
        let mut head = self.head.lock().await;
        for space in [Space::Sighting, Space::Note, Space::Verdict, Space::Intent] {
            loop {
                let keys = self.store.scan(space, "", PAGE).await?;
                if keys.is_empty() {
                    break;
                }
                for (key, _) in keys {
                    self.store.delete(space, &key).await?;
                }
            }
        }
        *head = Head::default();
        self.catch_up(&mut head).await
    }

    /// Records from `seq` on with their numbers, for an export.
    pub async fn entries(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let page = self.store.log(seq, limit).await?;
        page.into_iter().map(|(seq, bytes)| Ok((seq, read(seq, &bytes)?))).collect()
    }

    /// Records an entry; it is durable and found by name when this returns.
    pub async fn append(&self, entry: &Entry) -> Result<u64, LedgerError> {
        let mut tail = Tail { head: self.head.lock().await, ledger: self, tries: 0 };
        loop {
            if let Some(seq) = tail.append(entry).await? {
                return Ok(seq);
            }
        }
    }

    /// The end of the chain, for whoever decides on the state there what is written behind it.
    async fn tail(&self) -> Result<Tail<'_>, LedgerError> {
        let mut head = self.head.lock().await;
        self.catch_up(&mut head).await?;
        Ok(Tail { ledger: self, head, tries: 0 })
    }

    /// Takes in what other replicas appended since.
    async fn follow(&self) -> Result<(), LedgerError> {
        let mut head = self.head.lock().await;
        let end = self.store.log_end().await?;
        if end < head.next {
            return Err(LedgerError::Broken(Break { seq: end, fault: Fault::Missing }));
        }
        if end == head.next { Ok(()) } else { self.catch_up(&mut head).await }
    }

    async fn catch_up(&self, head: &mut Head) -> Result<(), LedgerError> {
        let before = *head;
        loop {
            let page = self.store.log(head.next, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for (seq, bytes) in page {
                self.advance(head, seq, &bytes).await?;
            }
        }
        let end = self.store.log_end().await?;
        if end > head.next && self.store.log(head.next, 1).await?.is_empty() {
            return Err(LedgerError::Broken(Break { seq: head.next, fault: Fault::Missing }));
        }
        if *head == before && before.next > 0 { Ok(()) } else { self.keep(*head).await }
    }

    /// Checks one record against the chain, and indexes it.
    async fn advance(&self, head: &mut Head, seq: u64, bytes: &[u8]) -> Result<(), LedgerError> {
        let (next, entry) = head.step(seq, bytes).map_err(LedgerError::Broken)?;
        index::add(&*self.store, seq, &entry).await?;
        *head = next;
        Ok(())
    }

    /// Remembers where the indices reach. Replicas may write it in any order: one that is behind only repeats work.
    async fn keep(&self, head: Head) -> Result<(), LedgerError> {
        let text =
            serde_json::to_vec(&Kept { head, indices: INDICES }).map_err(|e| StoreError(format!("the head cannot be written: {e}")))?;
        Ok(self.store.put(Space::Ledger, HEAD, &text).await?)
    }

    async fn kept(&self) -> Result<Option<Kept>, LedgerError> {
        let Some(text) = self.store.get(Space::Ledger, HEAD).await? else { return Ok(None) };
        let kept = serde_json::from_slice(&text).map_err(|_| Break { seq: 0, fault: Fault::Unreadable });
        kept.map(Some).map_err(LedgerError::Broken)
    }

    /// The newest record we know of is still there, and still the same.
    async fn check_head(&self, head: Head) -> Result<(), LedgerError> {
        let Some(last) = head.next.checked_sub(1) else { return Ok(()) };
        let broken = |fault| LedgerError::Broken(Break { seq: last, fault });
        let (_, bytes) = self.store.log(last, 1).await?.pop().ok_or_else(|| broken(Fault::Missing))?;
        if Some(Digest::of(&bytes)) == head.hash { Ok(()) } else { Err(broken(Fault::Replaced)) }
    }

    /// One record by number.
    async fn entry(&self, seq: u64) -> Result<Entry, LedgerError> {
        let found = self.store.log(seq, 1).await?.pop().filter(|(found, _)| *found == seq);
        let (_, bytes) = found.ok_or(LedgerError::Broken(Break { seq, fault: Fault::Missing }))?;
        read(seq, &bytes)
    }

    /// Whether the record after this one names it as it is: one that was edited since it was written is told at every reading.
    async fn is_linked(&self, seq: u64) -> Result<(), LedgerError> {
        let page = self.store.log(seq, 2).await?;
        let [(_, bytes), (next, after)] = &page[..] else { return Ok(()) };
        let broken = |fault| LedgerError::Broken(Break { seq: *next, fault });
        let Linked { prev } = serde_json::from_slice(after).map_err(|_| broken(Fault::Unreadable))?;
        if prev == Some(Digest::of(bytes)) { Ok(()) } else { Err(broken(Fault::Chain)) }
    }

    /// The records behind a prefix of the index, at most `limit`, in key order.
    async fn found(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(u64, Entry)>, LedgerError> {
        self.follow().await?;
        self.at_head(space, prefix, limit).await
    }

    /// The same without following other replicas first: for whoever already did, and holds the head.
    async fn at_head(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let mut entries = vec![];
        for (key, value) in self.store.scan(space, prefix, limit).await? {
            let seq = index::seq(&value).ok_or_else(|| StoreError(format!("the index entry {key} cannot be read; rebuild the indices")))?;
            entries.push((seq, self.entry(seq).await?));
        }
        Ok(entries)
    }
}

/// What is recorded.
impl Ledger {
    /// Records a verdict and gives it its id.
    pub async fn record_verdict(&self, verdict: &Verdict) -> Result<Uuid, LedgerError> {
        let id = Uuid::now_v7();
        self.append(&Entry::Verdict { id, verdict: Box::new(verdict.clone()) }).await?;
        Ok(id)
    }

    /// Records that a digest was seen; `false` if exactly that is recorded already.
    pub async fn record_sighting(&self, project: &ProjectKey, image: &Repository, sighting: &Sighting) -> Result<bool, LedgerError> {
        let same = index::same(project, image, sighting);
        let entry = Entry::Seen { project: project.clone(), image: image.clone(), sighting: sighting.clone() };
        let mut tail = self.tail().await?;
        while self.store.get(Space::Sighting, &same).await?.is_none() {
            if tail.append(&entry).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes a command for execution: `true` only for the first who asks about this note, across replicas and restarts (SR-06).
    /// Whoever gets `true` and dies has executed nothing, and nobody else will.
    pub async fn begin_command(&self, command: &CommandSeen) -> Result<bool, LedgerError> {
        let key = index::command(&command.project, command.merge_request, command.note);
        if !self.store.put_new(Space::Command, &key, b"taken").await? {
            return Ok(false);
        }
        self.append(&Entry::Command(command.clone())).await?;
        Ok(true)
    }
}

/// The end of the chain with every record before it indexed, held against other writers of this process. What was read while it is
/// held is the state that the next record is written behind. It is read with [`Ledger::at_head`]: what follows other replicas by
/// itself would wait for this for ever.
struct Tail<'a> {
    ledger: &'a Ledger,
    head: MutexGuard<'a, Head>,
    tries: usize,
}

impl Tail<'_> {
    /// Writes the next record. `None`: another replica was faster, and its records are taken in; what was decided on the state
    /// before must be decided again.
    async fn append(&mut self, entry: &Entry) -> Result<Option<u64>, LedgerError> {
        if self.tries == TRIES {
            return Err(StoreError(format!("{TRIES} tries to append were overtaken by other replicas")).into());
        }
        self.tries += 1;
        let (ledger, head) = (self.ledger, &mut *self.head);
        let seq = head.next;
        let body = Body { seq, prev: head.hash, entry };
        let bytes = serde_json::to_vec(&body).map_err(|e| StoreError(format!("an entry cannot be written: {e}")))?;
        if ledger.store.append(seq, &bytes).await? {
            ledger.advance(head, seq, &bytes).await?;
            ledger.keep(*head).await?;
            return Ok(Some(seq));
        }
        ledger.catch_up(head).await?;
        // If it left nothing to follow, the log is not what it was.
        if head.next == seq { Err(LedgerError::Broken(Break { seq, fault: Fault::Missing })) } else { Ok(None) }
    }
}

impl Head {
    /// The head behind this record, if it is the next of the chain.
    fn step(&self, seq: u64, bytes: &[u8]) -> Result<(Self, Entry), Break> {
        let broken = |fault| Break { seq: self.next, fault };
        if seq != self.next {
            return Err(broken(Fault::Missing));
        }
        let record: Record = serde_json::from_slice(bytes).map_err(|_| broken(Fault::Unreadable))?;
        if record.seq != seq || record.prev != self.hash {
            return Err(broken(Fault::Chain));
        }
        Ok((Self { next: seq + 1, hash: Some(Digest::of(bytes)) }, record.entry))
    }
}

fn read(seq: u64, bytes: &[u8]) -> Result<Entry, LedgerError> {
    let record = serde_json::from_slice::<Record>(bytes);
    record.map(|record| record.entry).map_err(|_| LedgerError::Broken(Break { seq, fault: Fault::Unreadable }))
}

#[cfg(test)]
mod tests;
