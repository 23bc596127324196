//! Where a promotion stands: what its events add up to.

use uuid::Uuid;

use super::{Act, Drift, Ending, Happened, Left, Person, Promotion, PromotionEvent, PromotionId, Running};
use crate::model::environment::Environment;
use crate::model::{Digest, Timestamp};

/// After this time nobody is at a step any more that he began and left without an outcome: longer than the queue lets one piece of work
/// run, with the lease by which it knows (`delivery::queue::Pace`). Until then its environment must not be given to another promotion.
pub const STEP_ENDS_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Where a promotion stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub promotion: Promotion,
    pub approvals: Vec<(Person, Timestamp)>,
    pub verdicts: Vec<Uuid>,
    /// When it was first cleared, if it was.
    pub cleared_at: Option<Timestamp>,
    pub steps: Vec<StepStanding>,
    /// When the steps were done, if they are.
    pub waiting_since: Option<Timestamp>,
    pub ended: Option<(Ending, Timestamp)>,
    /// What its environment was found to run instead; empty unless it arrived, and while nothing else was seen.
    pub drift: Vec<Drift>,
    /// When a drift was over, and by which later promotion if by one.
    pub drift_over: Option<(Option<PromotionId>, Timestamp)>,
}

/// Where one step of the plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStanding {
    pub act: Act,
    /// The first intent: whatever any run started was started after it.
    pub began: Option<Timestamp>,
    /// The newest intent: since then a run may be at it.
    pub tried: Option<Timestamp>,
    pub did: Option<(Left, Timestamp)>,
}

impl Standing {
    /// What the events add up to, oldest first. `None` unless they begin with [`PromotionEvent::Opened`].
    pub fn of(events: impl IntoIterator<Item = Happened>) -> Option<Self> {
        let mut events = events.into_iter();
        let Some(Happened { event: PromotionEvent::Opened { promotion }, .. }) = events.next() else { return None };
        let (approvals, verdicts, steps) = (vec![], vec![], vec![]);
        let (cleared_at, waiting_since, ended) = (None, None, None);
        let (promotion, drift, drift_over) = (*promotion, vec![], None);
        let mut standing = Self { promotion, approvals, verdicts, cleared_at, steps, waiting_since, ended, drift, drift_over };
        for happened in events {
            standing.take(happened);
        }
        Some(standing)
    }

    /// An ended promotion stays as it ended: a replica that was slow adds nothing.
    fn take(&mut self, Happened { at, event }: Happened) {
        if self.ended.is_some() {
            return self.take_drift(at, event);
        }
        match event {
            // The first one counts.
            PromotionEvent::Opened { .. } => {}
            PromotionEvent::Approved { by, .. } => self.approvals.push((by, at)),
            PromotionEvent::Cleared { verdicts, plan } => {
                self.verdicts = verdicts;
                // A plan is made once: the steps of a second one would have other numbers.
                if self.cleared_at.is_none() {
                    self.cleared_at = Some(at);
                    self.steps = plan.into_iter().map(|act| StepStanding { act, began: None, tried: None, did: None }).collect();
                }
            }
            PromotionEvent::Began { step } => {
                if let Some(step) = self.steps.get_mut(step) {
                    step.began = step.began.or(Some(at));
                    step.tried = Some(at);
                }
            }
            PromotionEvent::Did { step, left } => {
                if let Some(step) = self.steps.get_mut(step) {
                    step.did = Some((left, at));
                }
            }
            PromotionEvent::Waiting => self.waiting_since = self.waiting_since.or(Some(at)),
            PromotionEvent::Ended { ending } => self.ended = Some((ending, at)),
            // What did not arrive cannot drift.
            PromotionEvent::DriftSeen { .. } | PromotionEvent::DriftOver { .. } => {}
        }
    }

    /// What is seen in the environment later, where it arrived.
    fn take_drift(&mut self, at: Timestamp, event: PromotionEvent) {
        if self.promoted_at().is_none() {
            return;
        }
        match event {
            PromotionEvent::DriftSeen { found } => (self.drift, self.drift_over) = (found, None),
            PromotionEvent::DriftOver { by } => (self.drift, self.drift_over) = (vec![], Some((by, at))),
            PromotionEvent::Opened { .. }
            | PromotionEvent::Approved { .. }
            | PromotionEvent::Cleared { .. }
            | PromotionEvent::Began { .. }
            | PromotionEvent::Did { .. }
            | PromotionEvent::Waiting
            | PromotionEvent::Ended { .. } => {}
        }
    }

    /// What its environment is known to run instead now, if it was found with just these things.
    pub fn drifts_as(&self, found: &[(Running, Option<Digest>)]) -> bool {
        let same = |(drift, (running, instead_of)): (&Drift, &(Running, Option<Digest>))| {
            drift.found == *running && drift.instead_of == *instead_of
        };
        self.drift.len() == found.len() && self.drift.iter().zip(found).all(same)
    }

    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// When it ended as promoted, if it did.
    pub fn promoted_at(&self) -> Option<Timestamp> {
        match &self.ended {
            Some((Ending::Promoted, at)) => Some(*at),
            Some((Ending::Stopped { .. } | Ending::NotConverged { .. } | Ending::Cancelled { .. }, _)) | None => None,
        }
    }

    /// By when it must have ended, so that no promotion holds its environment for ever; `None` once it has. An engine that finds it
    /// open later ends it. Nothing that is done again and again moves this: until it is cleared, the time that an approval may take
    /// counts from the request, or the time a promotion may run from the first approval if that is later; then the time it may
    /// run counts from its first clearing.
    pub fn ends_by(&self) -> Option<Timestamp> {
        if self.ended.is_some() {
            return None;
        }
        let Environment { approval_age, converge_within, .. } = &self.promotion.environment;
        if let Some(cleared) = self.cleared_at {
            return Some(after(cleared, *converge_within));
        }
        let lapses = after(self.promotion.requested_at, *approval_age);
        let first = self.approvals.first().map(|(_, at)| after(*at, *converge_within));
        Some(first.map_or(lapses, |approved| approved.max(lapses)))
    }

    /// Whether it is open for longer than it may be. It holds its environment until somebody ends it; whoever finds it in the way may,
    /// unless it [is at work](Self::is_at_work).
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.ends_by().is_some_and(|by| by < now)
    }

    /// Whether a run may be at a step right now: one was begun so short a time ago that it need not have ended, and has no outcome.
    pub fn is_at_work(&self, now: Timestamp) -> bool {
        let begun = self.steps.iter().filter(|step| step.did.is_none()).filter_map(|step| step.tried);
        begun.into_iter().any(|at| now < after(at, STEP_ENDS_WITHIN))
    }

    /// Whether anything outside was changed, or may have been.
    pub fn has_begun(&self) -> bool {
        self.steps.iter().any(|step| step.began.is_some())
    }
}

/// A moment later, or the last one there is.
fn after(moment: Timestamp, later: jiff::SignedDuration) -> Timestamp {
    moment.checked_add(later).unwrap_or(Timestamp::MAX)
}
