//! The line of questions: a verdict costs dozens of requests to GitLab and the registry, so few are worked on at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions that are worked on at once.
pub(super) const AT_ONCE: usize = 8;
/// Questions that are worked on or wait.
pub(super) const IN_LINE: usize = 48;
/// Of these, one caller's: a pipeline gone wild must not keep the deployments of others waiting.
pub(super) const OF_ONE: usize = 12;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Caller,
    Line,
}

pub(super) struct Line {
    places: Arc<Semaphore>,
    all: Arc<Semaphore>,
    callers: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for Line {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), all: Arc::new(Semaphore::new(IN_LINE)), callers: Arc::default() }
    }
}

/// A question's turn; it ends when this is dropped.
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _waiting: Waiting,
}

struct Waiting {
    callers: Arc<Mutex<HashMap<String, usize>>>,
    caller: String,
    _all: OwnedSemaphorePermit,
}

impl Line {
    /// Waits for this caller's turn; says at once if the line is full.
    pub(super) async fn join(&self, caller: String) -> Result<Turn, Full> {
        let waiting = self.wait(caller)?;
        // Nobody closes it.
        let place = self.places.clone().acquire_owned().await.map_err(|_| Full::Line)?;
        Ok(Turn { _place: place, _waiting: waiting })
    }

    fn wait(&self, caller: String) -> Result<Waiting, Full> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.get(&caller).is_some_and(|count| *count >= OF_ONE) {
            return Err(Full::Caller);
        }
        let all = self.all.clone().try_acquire_owned().map_err(|_| Full::Line)?;
        *callers.entry(caller.clone()).or_default() += 1;
        Ok(Waiting { callers: self.callers.clone(), caller, _all: all })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = callers.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_caller_cannot_fill_the_line_and_all_together_only_up_to_its_end() {
        let line = Line::default();
        let own: Vec<_> = (0..OF_ONE).map(|_| line.wait("wild".into()).unwrap()).collect();
        assert_eq!(line.wait("wild".into()).err(), Some(Full::Caller));
        let others: Vec<_> = (OF_ONE..IN_LINE).map(|n| line.wait(format!("caller {n}")).unwrap()).collect();
        assert_eq!(line.wait("another".into()).err(), Some(Full::Line));
        drop((own, others));
        assert!(line.callers.lock().unwrap().is_empty());
        let turns: Vec<_> = futures_util::future::join_all((0..AT_ONCE).map(|n| line.join(n.to_string()))).await;
        assert!(turns.iter().all(Result::is_ok));
        let next = tokio::time::timeout(std::time::Duration::from_millis(50), line.join("next".into())).await;
        assert!(next.is_err(), "more than {AT_ONCE} at once");
        drop(turns);
        assert!(line.join("next".into()).await.is_ok());
        assert!(line.callers.lock().unwrap().is_empty(), "who stopped waiting is counted no more");
    }
}
