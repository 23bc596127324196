//! What an environment is found to run, held against what was promoted there last.

use super::super::{Entry, Ledger, LedgerError, index};
use crate::model::promotion::{Drift, Happened, Promotion, PromotionEvent, PromotionId, Running, Standing};
use crate::model::{Digest, Timestamp};

impl Ledger {
    /// Records what the environment of a promotion was found to run instead: nothing for what was promoted. The answer is what was
    /// recorded; `None` if the record knew it already, or if it tells nothing of this promotion any more: another one is open
    /// there, or arrived since. Decided on the chain, so of two that looked at once one records.
    pub async fn record_drift(
        &self,
        id: &PromotionId,
        found: &[(Running, Option<Digest>)],
        at: Timestamp,
    ) -> Result<Option<PromotionEvent>, LedgerError> {
        let mut tail = self.tail().await?;
        loop {
            let Some(standing) = self.standing(id).await?.filter(|standing| !standing.drifts_as(found)) else { return Ok(None) };
            let Promotion { project, environment, .. } = &standing.promotion;
            if !self.marked_open(&index::open_in(project, &environment.name)).await?.is_empty() || !self.is_newest(&standing).await? {
                return Ok(None);
            }
            let event = if found.is_empty() {
                PromotionEvent::DriftOver { by: None }
            } else {
                PromotionEvent::DriftSeen { found: found.iter().map(|found| seen(&standing, found, at)).collect() }
            };
            let happened = Happened { at, event: event.clone() };
            if tail.append(&Entry::Promotion { id: id.clone(), happened }).await?.is_some() {
                return Ok(Some(event));
            }
        }
    }

    /// Records that what was found in place of a promotion is gone, because a later one arrived; `false` if there is nothing to
    /// record.
    pub async fn end_drift(&self, id: &PromotionId, by: &PromotionId, at: Timestamp) -> Result<bool, LedgerError> {
        let mut tail = self.tail().await?;
        loop {
            let (Some(standing), Some(later)) = (self.standing(id).await?, self.standing(by).await?) else { return Ok(false) };
            if standing.drift.is_empty() || id == by || !self.is_newest(&later).await? {
                return Ok(false);
            }
            let happened = Happened { at, event: PromotionEvent::DriftOver { by: Some(by.clone()) } };
            if tail.append(&Entry::Promotion { id: id.clone(), happened }).await?.is_some() {
                return Ok(true);
            }
        }
    }
}

/// A thing that was seen before was seen since then.
fn seen(standing: &Standing, (running, instead_of): &(Running, Option<Digest>), at: Timestamp) -> Drift {
    let before = standing.drift.iter().find(|drift| drift.found == *running && drift.instead_of == *instead_of);
    Drift { found: running.clone(), instead_of: *instead_of, since: before.map_or(at, |drift| drift.since) }
}
