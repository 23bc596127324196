//! The one thread that writes. Because it is one, a read followed by a write needs no lock, and everything that arrives during a
//! flush shares the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use jiff::SignedDuration;
use tokio::sync::{mpsc, oneshot};

use super::folder::Durable;
use super::{Change, PART, StoreError, Trees, failed, part_key};
use crate::model::Timestamp;
use crate::store::line::{Entry, Line};
use crate::store::{Claim, Space};

/// Changes that may wait for the thread; more senders wait their turn.
const WAITING: usize = 1024;
/// Changes that share one flush, so that the first of them is answered soon.
const BATCH: usize = 512;

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&mut Disk) -> Answer + Send>;

/// The way to the thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    broken: Arc<OnceLock<StoreError>>,
}

impl Writer {
    pub(super) fn start(mut disk: Disk) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING);
        let broken = Arc::new(OnceLock::new());
        let fate = broken.clone();
        let work = move || {
            // A panic inside sled may leave its locks held; the store then answers errors, and never waits for those locks.
            let ended = catch_unwind(AssertUnwindSafe(|| write_all(&mut disk, &mut waiting)));
            let fault = match ended {
                Ok(Ok(())) => return,
                Ok(Err(fault)) => fault,
                Err(_) => StoreError("writing failed inside sled: the database is damaged".into()),
            };
            tracing::error!(%fault, "the store takes nothing more");
            let _ = fate.set(fault);
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(work);
        let thread = thread.map_err(|e| StoreError(format!("cannot start the writing thread: {e}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), broken })
    }

    /// Does this on the thread; returns when it is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.sound()?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |disk| {
            let done = work(disk);
            // Nobody listens when the caller was cancelled; the change holds all the same.
            Box::new(move |flushed| drop(answer.send(flushed.and(done))))
        });
        let ended = || self.broken.get().cloned().unwrap_or_else(|| StoreError("the store is closed".into()));
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// An error, if the store is broken.
    pub(super) fn sound(&self) -> Result<(), StoreError> {
        self.broken.get().cloned().map_or(Ok(()), Err)
    }

    /// Nothing is read or written from now on.
    pub(super) fn break_off(&self, why: &str) -> StoreError {
        self.broken.get_or_init(|| StoreError(why.into())).clone()
    }
}

impl Drop for Writer {
    /// Waits for what was accepted, so that the folder can be opened again.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(disk: &mut Disk, waiting: &mut mpsc::Receiver<Job>) -> Result<(), StoreError> {
    while let Some(first) = waiting.blocking_recv() {
        let mut answers = vec![first(disk)];
        while answers.len() < BATCH && disk.fault.is_none() {
            let Ok(next) = waiting.try_recv() else { break };
            answers.push(next(disk));
        }
        let flushed = disk.flush();
        answers.into_iter().for_each(|answer| answer(flushed.clone()));
        // After a failed sync the next one may succeed without the lost pages, so there is no next one.
        flushed?;
    }
    // What need not be durable at once is durable before we go.
    disk.unsynced = true;
    disk.flush()
}

/// Everything the thread owns.
pub(super) struct Disk {
    pub(super) line: Line,
    pub(super) log_end: u64,
    trees: Trees,
    durable: Durable,
    /// Something written must reach the disk before it is answered.
    unsynced: bool,
    /// A record is among it.
    appended: bool,
    fault: Option<StoreError>,
}

impl Disk {
    pub(super) fn load(durable: Durable, trees: Trees) -> Result<Self, StoreError> {
        let mut entries = vec![];
        for item in trees.queue.iter() {
            let (key, value) = item.map_err(failed)?;
            let entry = serde_json::from_slice::<Entry>(&value)
                .map_err(|e| StoreError(format!("the queued hint {} cannot be read: {e}", key.escape_ascii())))?;
            entries.push(entry);
        }
        let mut log_end = 0;
        // Behind the last record there may be parts of one that a crash cut short.
        for key in trees.log.iter().keys().rev() {
            let key = key.map_err(failed)?;
            if let Some((seq, [0, 0, 0, 0])) = key.split_first_chunk::<8>() {
                log_end = u64::from_be_bytes(*seq) + 1;
                break;
            }
        }
        Ok(Self { line: Line::restore(entries), log_end, trees, durable, unsynced: false, appended: false, fault: None })
    }

    /// Changes the line and its copy on disk.
    pub(super) fn queue(
        &mut self,
        durable: bool,
        change: impl FnOnce(&mut Line) -> Result<Change<'_>, StoreError>,
    ) -> Result<(), StoreError> {
        let written = write_change(&self.trees.queue, change(&mut self.line)?);
        self.noted(durable, written)
    }

    pub(super) fn claim(&mut self, now: Timestamp, lease: SignedDuration) -> Result<Option<Claim>, StoreError> {
        let Some((claim, change)) = self.line.claim(now, lease) else { return Ok(None) };
        let written = write_change(&self.trees.queue, change);
        self.noted(true, written)?;
        Ok(Some(claim))
    }

    pub(super) fn put(&mut self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let written = self.trees.space(space)?.insert(key, value).map(drop).map_err(failed);
        self.noted(true, written)
    }

    pub(super) fn put_new(&mut self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        if self.trees.space(space)?.contains_key(key).map_err(failed)? {
            return Ok(false);
        }
        self.put(space, key, value).map(|()| true)
    }

    pub(super) fn delete(&mut self, space: Space, key: &str) -> Result<(), StoreError> {
        let written = self.trees.space(space)?.remove(key).map(drop).map_err(failed);
        self.noted(true, written)
    }

    pub(super) fn append(&mut self, seq: u64, record: &[u8]) -> Result<bool, StoreError> {
        if seq != self.log_end {
            return Ok(false);
        }
        let written = self.write_record(seq, record);
        self.noted(true, written)?;
        self.appended = true;
        self.log_end += 1;
        Ok(true)
    }

    /// The last part first: sled recovers a prefix of what was written, so a record whose part 0 is there is whole.
    fn write_record(&self, seq: u64, record: &[u8]) -> Result<(), StoreError> {
        let too_long = |_| StoreError("a record is too long".into());
        let mut first = u32::try_from(record.len()).map_err(too_long)?.to_be_bytes().to_vec();
        let (head, rest) = record.split_at(record.len().min(PART - first.len()));
        first.extend_from_slice(head);
        for (number, part) in rest.chunks(PART).enumerate().rev() {
            let number = u32::try_from(number + 1).map_err(too_long)?;
            self.trees.log.insert(part_key(seq, number), part).map_err(failed)?;
        }
        self.trees.log.insert(part_key(seq, 0), first).map(drop).map_err(failed)
    }

    /// Remembers what a write asks of the next flush. After a failed write, memory and disk differ: nothing more is taken.
    fn noted(&mut self, durable: bool, written: Result<(), StoreError>) -> Result<(), StoreError> {
        self.unsynced |= durable;
        if let Err(fault) = &written {
            self.fault = Some(fault.clone());
        }
        written
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        self.durable.commit(std::mem::take(&mut self.appended))
    }
}

fn write_change(queue: &sled::Tree, change: Change<'_>) -> Result<(), StoreError> {
    match change {
        Change::Nothing => Ok(()),
        Change::Write(key, entry) => {
            let text = serde_json::to_vec(entry).map_err(|e| StoreError(format!("a hint cannot be written: {e}")))?;
            queue.insert(key, text).map(drop).map_err(failed)
        }
        Change::Remove(key) => queue.remove(key).map(drop).map_err(failed),
    }
}
