//! Promotions in the record: taken once, followed by their events.
//!
//! Every write is decided on the chain itself ([`super::Tail`]): of two replicas that want one environment one wins, and
//! nothing follows an end. The index only names records; what a record says counts.

mod arrivals;
mod drift;

use super::super::{Space, StoreError};
use super::{Entry, Ledger, LedgerError, index};
use crate::model::gitlab::{MergeRequestIid, ProjectKey};
use crate::model::promotion::{Happened, Promotion, PromotionEvent, PromotionId, Standing};
use crate::model::{EnvironmentName, Timestamp};

/// Events of one promotion. Beyond it only its end is recorded, so that one that is tried again and again can be read, and ended.
pub const MAX_EVENTS: usize = 1_000;

/// Promotions that are open at once, each in an environment of its own. More than that is an error: an answer that left some out
/// would be wrong.
const MAX_OPEN: usize = 10_000;

/// What became of an attempt to open a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedAs {
    /// It holds its environment now.
    New,
    /// The same command opened it before. It may have ended since.
    Already,
    /// Another promotion holds the environment. One that is overdue ([`Standing::is_overdue`]) holds it too, until it is ended.
    Held(Box<Standing>),
}

impl Ledger {
    /// Opens a promotion, unless another open one holds the same environment of the same project: decided on the chain itself, so
    /// that of two replicas one wins.
    pub async fn open_promotion(&self, promotion: &Promotion, at: Timestamp) -> Result<OpenedAs, LedgerError> {
        let place = index::open_in(&promotion.project, &promotion.environment.name);
        let event = PromotionEvent::Opened { promotion: Box::new(promotion.clone()) };
        let entry = Entry::Promotion { id: promotion.id.clone(), happened: Happened { at, event } };
        let mut tail = self.tail().await?;
        loop {
            if !self.events(&promotion.id, 1).await?.is_empty() {
                return Ok(OpenedAs::Already);
            }
            if let Some(holder) = self.marked_open(&place).await?.into_iter().next() {
                return Ok(OpenedAs::Held(Box::new(holder)));
            }
            if tail.append(&entry).await?.is_some() {
                return Ok(OpenedAs::New);
            }
        }
    }

    /// Adds what happened. Nothing is added to one that ended or was never opened; `false` then. [`PromotionEvent::Opened`] is
    /// [`Self::open_promotion`]'s alone, drift is [`Self::record_drift`]'s, and neither is added here. Fails for anything but an end where [`MAX_EVENTS`] are there.
    pub async fn add_to_promotion(&self, id: &PromotionId, event: PromotionEvent, at: Timestamp) -> Result<bool, LedgerError> {
        self.add(id, None, event, at).await
    }

    /// The same, only if it still stands on as many events as [`Self::promotion_at`] told: `false` when anybody added one since. So of
    /// two runs that both hold themselves for the only one, one goes on (SR-21).
    pub async fn go_on(&self, id: &PromotionId, seen: usize, event: PromotionEvent, at: Timestamp) -> Result<bool, LedgerError> {
        self.add(id, Some(seen), event, at).await
    }

    async fn add(&self, id: &PromotionId, seen: Option<usize>, event: PromotionEvent, at: Timestamp) -> Result<bool, LedgerError> {
        if matches!(event, PromotionEvent::Opened { .. } | PromotionEvent::DriftSeen { .. } | PromotionEvent::DriftOver { .. }) {
            return Ok(false);
        }
        let ends = matches!(event, PromotionEvent::Ended { .. });
        let entry = Entry::Promotion { id: id.clone(), happened: Happened { at, event } };
        let mut tail = self.tail().await?;
        loop {
            let events = self.events(id, MAX_EVENTS + 1).await?;
            let full = events.len() >= MAX_EVENTS;
            if seen.is_some_and(|seen| seen != events.len()) {
                return Ok(false);
            }
            if !Standing::of(events).is_some_and(|standing| standing.is_open()) {
                return Ok(false);
            }
            if full && !ends {
                return Err(StoreError(format!("promotion {id} has {MAX_EVENTS} events, and can only be ended")).into());
            }
            if tail.append(&entry).await?.is_some() {
                return Ok(true);
            }
        }
    }

    pub async fn promotion(&self, id: &PromotionId) -> Result<Option<Standing>, LedgerError> {
        self.follow().await?;
        self.standing(id).await
    }

    /// A promotion, and on how many events it stands.
    pub async fn promotion_at(&self, id: &PromotionId) -> Result<Option<(Standing, usize)>, LedgerError> {
        self.follow().await?;
        let events = self.events(id, MAX_EVENTS + 1).await?;
        let seen = events.len();
        Ok(Standing::of(events).map(|standing| (standing, seen)))
    }

    /// Those of an environment, newest first, at most `limit`.
    pub async fn promotions_to(
        &self,
        project: &ProjectKey,
        environment: &EnvironmentName,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.newest(&index::promotions_to(project, environment), limit).await
    }

    /// Those of a release, oldest first, at most `limit` of the newest.
    pub async fn promotions_of(&self, project: &ProjectKey, release: &str, limit: usize) -> Result<Vec<Standing>, LedgerError> {
        let mut found = self.newest(&index::promotions_of(project, release), limit).await?;
        found.reverse();
        Ok(found)
    }

    /// Those that were asked for in this merge request, newest first, at most `limit`.
    pub async fn promotions_in(
        &self,
        project: &ProjectKey,
        merge_request: MergeRequestIid,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        self.newest(&index::promotions_in(project, merge_request), limit).await
    }

    /// Every promotion that has not ended, of every project, oldest first.
    pub async fn open_promotions(&self) -> Result<Vec<Standing>, LedgerError> {
        self.follow().await?;
        self.marked_open(index::OPEN).await
    }

    /// The open one that holds an environment.
    pub async fn holder(&self, project: &ProjectKey, environment: &EnvironmentName) -> Result<Option<Standing>, LedgerError> {
        self.follow().await?;
        Ok(self.marked_open(&index::open_in(project, environment)).await?.into_iter().next())
    }

    async fn newest(&self, prefix: &str, limit: usize) -> Result<Vec<Standing>, LedgerError> {
        let mut found = vec![];
        for (_, entry) in self.found(Space::Promotion, prefix, limit).await? {
            if let Some(opened) = opened(&entry) {
                found.extend(self.standing(&opened.id).await?);
            }
        }
        Ok(found)
    }

    /// The open ones behind a prefix of the open marks, oldest first. Marks of ended ones are taken away: an end is final, so no
    /// replica can need them.
    async fn marked_open(&self, prefix: &str) -> Result<Vec<Standing>, LedgerError> {
        let mut marked = self.at_head(Space::Promotion, prefix, MAX_OPEN + 1).await?;
        if marked.len() > MAX_OPEN {
            return Err(StoreError(format!("more than {MAX_OPEN} promotions are marked as open")).into());
        }
        marked.sort_by_key(|(seq, _)| *seq);
        let mut open = vec![];
        for (_, entry) in marked {
            let Some(opened) = opened(&entry) else { continue };
            let Some(standing) = self.standing(&opened.id).await? else { continue };
            if standing.is_open() {
                open.push(standing);
            } else {
                self.store.delete(Space::Promotion, &index::open_mark(opened)).await?;
            }
        }
        Ok(open)
    }

    async fn standing(&self, id: &PromotionId) -> Result<Option<Standing>, LedgerError> {
        let mut events = self.events(id, MAX_EVENTS + 1).await?;
        if events.iter().any(|happened| matches!(happened.event, PromotionEvent::Ended { .. })) {
            events.extend(self.happened(id, &index::drift_of(id), 1).await?);
        }
        Ok(Standing::of(events))
    }

    /// What happened to one, oldest first.
    async fn events(&self, id: &PromotionId, limit: usize) -> Result<Vec<Happened>, LedgerError> {
        self.happened(id, &index::promotion_events(id), limit).await
    }

    async fn happened(&self, id: &PromotionId, prefix: &str, limit: usize) -> Result<Vec<Happened>, LedgerError> {
        let entries = self.at_head(Space::Promotion, prefix, limit).await?;
        for (seq, _) in &entries {
            self.is_linked(*seq).await?;
        }
        let events = entries.into_iter().filter_map(|(_, entry)| match entry {
            Entry::Promotion { id: of, happened } => (of == *id).then_some(happened),
            Entry::Verdict { .. }
            | Entry::Seen { .. }
            | Entry::Intended { .. }
            | Entry::Done { .. }
            | Entry::NotDone { .. }
            | Entry::Command(_) => None,
        });
        Ok(events.collect())
    }
}

/// The promotion that an entry opens.
fn opened(entry: &Entry) -> Option<&Promotion> {
    match entry {
        Entry::Promotion { happened: Happened { event: PromotionEvent::Opened { promotion }, .. }, .. } => Some(promotion),
        Entry::Promotion { .. }
        | Entry::Verdict { .. }
        | Entry::Seen { .. }
        | Entry::Intended { .. }
        | Entry::Done { .. }
        | Entry::NotDone { .. }
        | Entry::Command(_) => None,
    }
}

#[cfg(test)]
mod tests;
