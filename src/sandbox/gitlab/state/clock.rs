//! The time of the double.

use jiff::SignedDuration;

use crate::model::Timestamp;

/// A clock that runs with the machine's, shifted by what tests moved it; or stands still.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset: SignedDuration,
    stopped: Option<Timestamp>,
}

impl Clock {
    pub fn now(&self) -> Timestamp {
        self.stopped.unwrap_or_else(|| Timestamp::now() + self.offset)
    }

    /// Moves it forward, or back with a negative duration.
    pub fn advance(&mut self, by: SignedDuration) {
        match &mut self.stopped {
            Some(at) => *at += by,
            None => self.offset += by,
        }
    }

    /// Stops it at a moment; [`Clock::advance`] still moves it.
    pub fn stop_at(&mut self, at: Timestamp) {
        self.stopped = Some(at);
    }
}
