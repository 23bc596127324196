//! The catch-up poll: what no hook told. GitLab does not repeat failed deliveries, drops them over its limits, and sends nothing
//! for a push of more than three tags.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::queue::Queue;
use crate::event::Hint;

/// Hints put into the queue at once, so that they share flushes.
const PUSHED_AT_ONCE: usize = 32;

/// Looks for what happened since the last time.
#[async_trait]
pub trait Finder: Send + Sync + 'static {
    async fn find(&self) -> Vec<Hint>;

    /// Everything that the last [`Finder::find`] gave is durable: a cursor may move on. Not called if any of it is not.
    async fn taken(&self) {}
}

/// Finds at once, and then about every `every`, until told to stop.
pub async fn run(finder: Arc<dyn Finder>, queue: Queue, every: Duration, stop: CancellationToken) {
    // Two thirds to four thirds of `every`: replicas that were started together drift apart.
    let mut pauses = ExponentialBuilder::new()
        .with_factor(1.0)
        .with_min_delay(every * 2 / 3)
        .without_max_delay()
        .with_jitter()
        .without_max_times()
        .build();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = find_once(&finder, &queue) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pauses.next().unwrap_or(every)) => {}
        }
    }
}

async fn find_once(finder: &Arc<dyn Finder>, queue: &Queue) {
    let looking = finder.clone();
    // A task of its own, so that its panic ends here; dropping the set ends it when we are stopped.
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move { looking.find().await });
    let hints = match task.join_next().await {
        Some(Ok(hints)) => hints,
        Some(Err(_)) | None => return tracing::error!("the catch-up poll panicked"),
    };
    let found = hints.len();
    let kept = futures_util::stream::iter(hints)
        .map(|hint| async move { queue.push(&hint).await })
        .buffer_unordered(PUSHED_AT_ONCE)
        .filter(|pushed| std::future::ready(pushed.is_ok()))
        .count()
        .await;
    queue.metrics().catch_up(kept as u64);
    if kept == found {
        finder.taken().await;
        tracing::info!(found, "caught up");
    } else {
        tracing::error!(found, kept, "what the catch-up poll found could not all be kept; it will be found again");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::event::{Origin, What};
    use crate::model::Timestamp;
    use crate::model::gitlab::{InstanceName, ProjectId, ProjectKey};
    use crate::store::memory::MemoryStore;

    #[derive(Default)]
    struct Found {
        times: AtomicUsize,
        taken: AtomicUsize,
    }

    #[async_trait]
    impl Finder for Found {
        async fn find(&self) -> Vec<Hint> {
            let time = self.times.fetch_add(1, Ordering::Relaxed);
            assert_ne!(time, 1, "a test's own panic");
            // The third find brings a hint that no store takes.
            let name = if time == 2 { "t".repeat(100_000) } else { format!("v{time}") };
            let tag = |name: String| Hint {
                project: ProjectKey { instance: InstanceName("main".into()), id: ProjectId(1) },
                what: What::Tag { name },
                origin: Origin::CatchUp,
                received_at: Timestamp::now(),
            };
            vec![tag(name), tag("both".into())]
        }

        async fn taken(&self) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn finds_are_queued_and_a_panic_or_a_refusal_moves_no_cursor() {
        let queue = Queue::new(Arc::new(MemoryStore::default()), Arc::default());
        let (finder, stop) = (Arc::new(Found::default()), CancellationToken::new());
        let poll = tokio::spawn(run(finder.clone(), queue.clone(), Duration::from_millis(3), stop.clone()));
        while finder.times.load(Ordering::Relaxed) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), poll).await.unwrap().unwrap();
        let (times, taken) = (finder.times.load(Ordering::Relaxed), finder.taken.load(Ordering::Relaxed));
        assert!(taken == times - 2 || taken == times - 3, "{taken} of {times}: the panic and the refusal are not taken");
        let waiting = queue.store().depth().await.unwrap().waiting;
        assert!(waiting >= 3, "{waiting}");
    }
}
