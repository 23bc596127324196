//! One worker: claim, handle, settle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::super::metrics::object;
use super::{Handled, Handler, Pace, Queue, Working};
use crate::model::Timestamp;
use crate::store::{Claim, StoreError};

/// How one try ended, seen from outside.
enum Ended {
    Done,
    Later(String),
    /// What it waits for.
    Waits(String),
    /// Another holds the claim by now.
    Lost,
    /// The process stops.
    Stopped,
}

/// Counts a worker as long as it runs, also when it ends by a panic.
struct Here(Arc<Working>);

impl Here {
    fn new(working: Arc<Working>) -> Self {
        working.running.fetch_add(1, Ordering::Relaxed);
        Self(working)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn run(queue: Queue, handler: Arc<dyn Handler>, pace: Pace, stop: CancellationToken) {
    let _here = Here::new(queue.working.clone());
    let mut failures = 0;
    while !stop.is_cancelled() {
        let pause = match queue.store.claim(Timestamp::now(), signed(pace.lease)).await {
            Ok(Some(claim)) => {
                failures = 0;
                // Where one hint was due there may be more: wake the next before working.
                queue.bell.notify_one();
                work(&queue, &handler, &pace, (claim, &stop)).await;
                continue;
            }
            Ok(None) => {
                failures = 0;
                pace.poll
            }
            Err(error) => {
                failures += 1;
                tracing::error!(%error, failures, "no work can be taken");
                pace.pause(failures)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = queue.bell.notified(), if failures == 0 => {}
            () = sleep(pause) => {}
        }
    }
}

async fn work(queue: &Queue, handler: &Arc<dyn Handler>, pace: &Pace, (mut claim, stop): (Claim, &CancellationToken)) {
    let began = Instant::now();
    let ended = try_once(queue, handler, pace, (&mut claim, stop)).await;
    let age = Timestamp::now().duration_since(claim.hint.received_at);
    let (outcome, settled) = match &ended {
        Ended::Done => ("done", queue.store.finish(&claim).await),
        Ended::Later(_) if age > signed(pace.give_up) => ("given_up", queue.store.finish(&claim).await),
        Ended::Later(_) => ("later", queue.store.postpone(&claim, after(pace.pause(claim.attempt))).await),
        // Not given up: catch-up brings everything that is still open.
        Ended::Waits(_) if age > signed(pace.give_up) => ("done", queue.store.finish(&claim).await),
        Ended::Waits(_) => ("waits", queue.store.postpone(&claim, after(pace.pause(claim.attempt))).await),
        Ended::Lost => ("lost", Ok(())),
        // Left as it is for whoever starts next; the try counts.
        Ended::Stopped => ("stopped", queue.store.postpone(&claim, Timestamp::now()).await),
    };
    queue.metrics.work(outcome);
    let milliseconds = began.elapsed().as_millis();
    let (project, object, attempt) = (&claim.hint.project, object(&claim.hint.what), claim.attempt);
    match &ended {
        Ended::Done | Ended::Stopped => tracing::info!(%project, object, attempt, milliseconds, outcome, "worked"),
        Ended::Waits(what) => tracing::info!(%project, object, attempt, milliseconds, outcome, ?what, "worked"),
        Ended::Lost => tracing::warn!(%project, object, attempt, milliseconds, outcome, "worked"),
        Ended::Later(why) if outcome == "given_up" => {
            tracing::error!(%project, object, attempt, milliseconds, outcome, ?why, key = ?claim.hint.key(), "worked");
        }
        Ended::Later(why) => tracing::warn!(%project, object, attempt, milliseconds, outcome, ?why, "worked"),
    }
    if let Err(error) = settled {
        // The lease ends by itself, and the work is done again: harmless.
        tracing::error!(%error, %project, object, "how work ended could not be kept");
    }
}

/// Lets the handler work while its claim holds.
async fn try_once(queue: &Queue, handler: &Arc<dyn Handler>, pace: &Pace, (claim, stop): (&mut Claim, &CancellationToken)) -> Ended {
    let (handler, hint, attempt) = (handler.clone(), claim.hint.clone(), claim.attempt);
    // A task of its own, so that its panic ends here.
    let mut task = tokio::spawn(async move { handler.handle(&hint, attempt).await });
    let deadline = Instant::now() + pace.handle;
    let third = (pace.lease / 3).max(Duration::from_millis(1));
    let mut renewal = interval_at(Instant::now() + third, third);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stopped = async {
        stop.cancelled().await;
        sleep(pace.grace).await;
    };
    tokio::pin!(stopped);
    let ended = loop {
        tokio::select! {
            handled = &mut task => {
                return match handled {
                    Ok(Handled::Done) => Ended::Done,
                    Ok(Handled::Later(why)) => Ended::Later(why),
                    Ok(Handled::Waits(what)) => Ended::Waits(what),
                    // The panic's own text may hold anything; the panic hook has printed it.
                    Err(_) => Ended::Later("the work panicked".into()),
                };
            }
            _ = renewal.tick() => {
                let renewed = queue.store.renew(claim, after(pace.lease)).await;
                if !still_held(&renewed, claim) {
                    break Ended::Lost;
                }
            }
            () = sleep_until(deadline) => break Ended::Later(format!("it took longer than {:?}", pace.handle)),
            () = &mut stopped => break Ended::Stopped,
        }
    };
    task.abort();
    // Whatever it was doing has ended before anybody else begins.
    let _ = task.await;
    ended
}

/// A store that does not answer takes nothing away before the lease has ended.
fn still_held(renewed: &Result<bool, StoreError>, claim: &Claim) -> bool {
    match renewed {
        Ok(held) => *held,
        Err(_) => Timestamp::now() < claim.leased_until,
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn after(pause: Duration) -> Timestamp {
    Timestamp::now().saturating_add(signed(pause)).unwrap_or(Timestamp::MAX)
}
