//! The store of the tests, and of commands that judge once: the same promises, except that it forgets when dropped.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::line::Line;
use super::{Claim, Depth, Space, Store, StoreError, record_within_limits, within_limits};
use crate::event::Hint;
use crate::model::Timestamp;

/// Everything in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line,
    spaces: HashMap<Space, BTreeMap<String, Vec<u8>>>,
    log: Vec<Vec<u8>>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code below panics between two changes, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn push(&self, hint: &Hint) -> Result<(), StoreError> {
        self.state().line.push(hint).map(drop)
    }

    async fn claim(&self, now: Timestamp, lease: jiff::SignedDuration) -> Result<Option<Claim>, StoreError> {
        Ok(self.state().line.claim(now, lease).map(|(claim, _)| claim))
    }

    async fn renew(&self, claim: &mut Claim, until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.state().line.renew(claim, until))
    }

    async fn finish(&self, claim: &Claim) -> Result<(), StoreError> {
        self.state().line.finish(claim);
        Ok(())
    }

    async fn postpone(&self, claim: &Claim, due: Timestamp) -> Result<(), StoreError> {
        self.state().line.postpone(claim, due);
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        Ok(self.state().line.depth())
    }

    async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().spaces.get(&space).and_then(|keys| keys.get(key)).cloned())
    }

    async fn put(&self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError> {
        within_limits(key, value)?;
        self.state().spaces.entry(space).or_default().insert(key.into(), value.into());
        Ok(())
    }

    async fn put_new(&self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        within_limits(key, value)?;
        let mut state = self.state();
        let keys = state.spaces.entry(space).or_default();
        if keys.contains_key(key) {
            return Ok(false);
        }
        keys.insert(key.into(), value.into());
        Ok(true)
    }

    async fn delete(&self, space: Space, key: &str) -> Result<(), StoreError> {
        if let Some(keys) = self.state().spaces.get_mut(&space) {
            keys.remove(key);
        }
        Ok(())
    }

    async fn scan(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let state = self.state();
        let Some(keys) = state.spaces.get(&space) else { return Ok(vec![]) };
        let found =
            keys.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn append(&self, seq: u64, record: &[u8]) -> Result<bool, StoreError> {
        record_within_limits(record)?;
        let mut state = self.state();
        if state.log.len() as u64 != seq {
            return Ok(false);
        }
        state.log.push(record.into());
        Ok(true)
    }

    async fn log(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let state = self.state();
        let from = usize::try_from(seq).unwrap_or(usize::MAX);
        Ok(state.log.iter().skip(from).take(limit).zip(seq..).map(|(record, seq)| (seq, record.clone())).collect())
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        Ok(self.state().log.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{MAX_QUEUED, contract};
    use super::*;

    #[tokio::test]
    async fn memory_keeps_the_contract() {
        contract::check(async || Arc::new(MemoryStore::default()) as Arc<dyn Store>).await;
    }

    #[tokio::test]
    async fn a_full_line_refuses_and_still_merges() {
        let store = MemoryStore::default();
        for pipeline in 0..MAX_QUEUED as u64 {
            store.push(&contract::hint(1, pipeline, 0)).await.unwrap();
        }
        assert!(store.push(&contract::hint(1, u64::MAX, 0)).await.is_err());
        store.push(&contract::hint(1, 0, 1)).await.unwrap();
        assert_eq!(store.depth().await.unwrap().waiting, MAX_QUEUED as u64);
    }
}
