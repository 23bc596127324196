//! Whether this process has run all the time since a step began.
//!
//! A step makes several calls, and between two of them its machine may be paused for longer than its lease. Another replica has taken
//! over by then, and may have promoted something else since: what is written afterwards would undo that (SR-21). While a process runs,
//! its queue renews the lease; so a gap in the beat is all there is to look for, just before each write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::effects::NotDone;
use crate::model::Timestamp;

/// The longest gap, as between the record of an intent and its act. Shorter than every lease.
const GAP: Duration = Duration::from_secs(10);
const BEAT: Duration = Duration::from_secs(1);

/// Beats as long as it lives.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: Arc<Beat>,
    ticker: AbortHandle,
}

#[derive(Debug)]
struct Beat {
    /// Milliseconds of the clock that leases are counted by: one that stands still while a machine is paused sees no gap.
    last: AtomicI64,
    lost: AtomicBool,
}

impl Beat {
    /// Whoever beats first after a gap sees it, and no later beat hides it.
    fn beats(&self) -> bool {
        let now = Timestamp::now().as_millisecond();
        let gap = now.saturating_sub(self.last.swap(now, Ordering::SeqCst));
        if u128::try_from(gap).is_ok_and(|gap| gap > GAP.as_millis()) {
            self.lost.store(true, Ordering::SeqCst);
        }
        !self.lost.load(Ordering::SeqCst)
    }
}

impl Pulse {
    pub fn start() -> Self {
        let beat = Arc::new(Beat { last: AtomicI64::new(Timestamp::now().as_millisecond()), lost: AtomicBool::new(false) });
        let ticking = Arc::clone(&beat);
        let ticker = tokio::spawn(async move {
            while ticking.beats() {
                tokio::time::sleep(BEAT).await;
            }
        });
        Self { beat, ticker: ticker.abort_handle() }
    }

    /// Refuses to write where there was a gap: whoever holds the work now decides anew.
    pub fn demand(&self) -> Result<(), NotDone> {
        if self.beat.beats() {
            return Ok(());
        }
        Err(NotDone::Later(format!("this process stood still for more than {} s, and another may have gone on", GAP.as_secs())))
    }

    /// As after a pause.
    #[cfg(test)]
    pub fn paused() -> Self {
        let pulse = Self::start();
        pulse.beat.last.fetch_sub(GAP.as_millis() as i64 + 1, Ordering::SeqCst);
        pulse
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gap_is_seen_once_and_for_all_and_a_running_process_has_none() {
        let pulse = Pulse::start();
        assert_eq!(pulse.demand(), Ok(()));
        let paused = Pulse::paused();
        for _ in 0..2 {
            assert!(matches!(paused.demand(), Err(NotDone::Later(_))));
        }
        // Also where the ticker is the first to run again.
        let paused = Pulse::paused();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(paused.demand().is_err());
    }
}
