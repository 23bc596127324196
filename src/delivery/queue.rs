//! The workers: they take hints from the store and hand them to the bot, one at a time a project.

mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use crate::event::{Hint, Origin};
use crate::store::{Store, StoreError};

/// What is done about a hint. The bot is adapted to this by whoever starts both.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Works on one hint. `attempt` is 1 at the first try. It may be dropped at any await when its lease is lost, when it takes too
    /// long or when the process stops; the hint then comes back.
    async fn handle(&self, hint: &Hint, attempt: u32) -> Handled;
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    Done,
    /// Try again later, for this reason: one line for the log, without secrets.
    Later(String),
    /// Nothing is wrong, and something outside is not over yet: look again later. What it waits for, for the log.
    Waits(String),
}

/// The workers' times and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Projects that are worked on at once.
    pub workers: usize,
    /// How long a claim holds without a sign of life. It is renewed at a third of that.
    pub lease: Duration,
    /// How often workers look by themselves: for postponed work, and for hints that another replica took in.
    pub poll: Duration,
    /// The longest one try may take.
    pub handle: Duration,
    /// How long work may go on after the order to stop; then it is dropped and left to the next start.
    pub grace: Duration,
    /// First pause after a failed try; it doubles up to `longest_pause`, and a random part of the same length is added.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// After this time without success or news a hint is given up; the catch-up poll brings back what is still of interest.
    pub give_up: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            workers: 8,
            lease: Duration::from_secs(90),
            poll: Duration::from_secs(1),
            handle: Duration::from_secs(600),
            grace: Duration::from_secs(20),
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(600),
            give_up: Duration::from_secs(24 * 3600),
        }
    }
}

impl Pace {
    /// The pause after this many tries.
    fn pause(&self, attempt: u32) -> Duration {
        let schedule =
            ExponentialBuilder::new().with_min_delay(self.first_pause).with_max_delay(self.longest_pause).with_jitter().without_max_times();
        // Long before the 64th try the pause is the longest.
        let tries = usize::try_from(attempt.clamp(1, 64) - 1).unwrap_or(0);
        schedule.build().nth(tries).unwrap_or(self.longest_pause)
    }
}

/// The way into the queue, for everything that brings hints.
#[derive(Clone)]
pub struct Queue {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    /// Wakes one worker, so that a hint is taken within milliseconds.
    bell: Arc<Notify>,
    working: Arc<Working>,
}

#[derive(Default)]
struct Working {
    wanted: AtomicUsize,
    running: AtomicUsize,
}

impl Queue {
    pub fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics, bell: Arc::default(), working: Arc::default() }
    }

    /// Takes a hint; it is on durable storage when this returns.
    pub async fn push(&self, hint: &Hint) -> Result<(), StoreError> {
        self.store.push(hint).await?;
        let origin = match hint.origin {
            Origin::Hook { .. } => "hook",
            Origin::CatchUp => "catch_up",
            Origin::Ourselves => "ourselves",
            Origin::Operator => "operator",
        };
        self.metrics.hint(&hint.what, origin);
        self.bell.notify_one();
        Ok(())
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether all workers run. `false` before [`run`] and after its end.
    pub fn workers_alive(&self) -> bool {
        let wanted = self.working.wanted.load(Ordering::Relaxed);
        wanted > 0 && self.working.running.load(Ordering::Relaxed) == wanted
    }
}

/// Works until told to stop. Returns when the last piece of work has ended or was put back.
pub async fn run(queue: Queue, handler: Arc<dyn Handler>, pace: Pace, stop: CancellationToken) {
    queue.working.wanted.store(pace.workers, Ordering::Relaxed);
    let mut workers = JoinSet::new();
    for _ in 0..pace.workers {
        workers.spawn(worker::run(queue.clone(), handler.clone(), pace, stop.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            // A worker catches its handler's panics, so this is a fault of ours; readiness fails and the process is started anew.
            tracing::error!(%error, "a worker ended");
        }
    }
    queue.working.wanted.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
