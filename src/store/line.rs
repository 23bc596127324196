//! The order of waiting hints, in memory and pure: what `memory` is made of, and what `sled` keeps a durable copy of. Another
//! process never shares it; a store that several replicas share does the same in its own language.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{Claim, Depth, MAX_QUEUED, StoreError};
use crate::event::{Hint, Origin};
use crate::model::Timestamp;

/// Bytes of a delivery's id. With it and [`super::MAX_KEY`] an entry stays below [`super::MAX_VALUE`], escapes counted.
const MAX_DELIVERY_ID: usize = 256;

/// A queued hint as it is kept on disk. Leases are not part of it: they end with the process that holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    position: u64,
    generation: u64,
    attempt: u32,
    /// `None`: at once.
    due: Option<Timestamp>,
    hint: Hint,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Later(Timestamp),
    Leased(Timestamp),
}

struct Waiting {
    entry: Entry,
    key: String,
    lane: String,
    state: State,
    /// The end of the newest lease, which names its claim, also after the lease has ended.
    claim: Option<Timestamp>,
}

/// What a change did to the durable copy of one key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    Nothing,
    Write(&'a str, &'a Entry),
    Remove(String),
}

/// The line. Entries are named by their position, which never changes.
#[derive(Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Waiting>,
    by_key: HashMap<String, u64>,
    /// Due entries of each lane that has some.
    ready: BTreeMap<String, BTreeSet<u64>>,
    later: BTreeSet<(Timestamp, u64)>,
    leases: BTreeSet<(Timestamp, u64)>,
    busy: HashMap<String, u64>,
    next: u64,
}

impl Line {
    /// The line that these entries made before a restart.
    pub(super) fn restore(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut line = Self::default();
        for entry in entries {
            let (position, key, lane) = (entry.position, entry.hint.key(), entry.hint.lane());
            line.next = line.next.max(position.saturating_add(1));
            line.by_key.insert(key.clone(), position);
            let state = entry.due.map_or(State::Ready, State::Later);
            line.waiting.insert(position, Waiting { entry, key, lane, state, claim: None });
            line.enter(position);
        }
        line
    }

    pub(super) fn push(&mut self, hint: &Hint) -> Result<Change<'_>, StoreError> {
        let key = hint.key();
        super::within_limits(&key, &[])?;
        if let Origin::Hook { delivery: Some(delivery) } = &hint.origin
            && delivery.len() > MAX_DELIVERY_ID
        {
            return Err(StoreError(format!("a delivery id of {} bytes is over the limit of {MAX_DELIVERY_ID}", delivery.len())));
        }
        let position = match self.by_key.get(&key) {
            Some(position) => *position,
            None if self.waiting.len() >= MAX_QUEUED => {
                return Err(StoreError(format!("{MAX_QUEUED} hints wait already; this one is not taken")));
            }
            None => {
                let position = self.next;
                self.next += 1;
                let entry = Entry { position, generation: 0, attempt: 0, due: None, hint: hint.clone() };
                self.by_key.insert(key.clone(), position);
                self.waiting.insert(position, Waiting { entry, key, lane: hint.lane(), state: State::Ready, claim: None });
                position
            }
        };
        let held = self.waiting.get(&position).is_some_and(|w| matches!(w.state, State::Leased(_)));
        if !held {
            self.leave(position);
        }
        if let Some(waiting) = self.waiting.get_mut(&position) {
            waiting.entry.generation += 1;
            waiting.entry.attempt = 0;
            waiting.entry.due = None;
            waiting.entry.hint = hint.clone();
            if !held {
                waiting.state = State::Ready;
            }
        }
        if !held {
            self.enter(position);
        }
        Ok(self.written(position))
    }

    pub(super) fn claim(&mut self, now: Timestamp, lease: SignedDuration) -> Option<(Claim, Change<'_>)> {
        self.advance(now);
        let free = self.ready.iter().filter(|(lane, _)| !self.busy.contains_key(*lane));
        let position = free.filter_map(|(_, positions)| positions.first().copied()).min()?;
        self.leave(position);
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        let waiting = self.waiting.get_mut(&position)?;
        waiting.entry.attempt = waiting.entry.attempt.saturating_add(1);
        waiting.state = State::Leased(until);
        waiting.claim = Some(until);
        let claim = Claim {
            hint: waiting.entry.hint.clone(),
            attempt: waiting.entry.attempt,
            generation: waiting.entry.generation,
            leased_until: until,
        };
        self.enter(position);
        Some((claim, self.written(position)))
    }

    pub(super) fn renew(&mut self, claim: &mut Claim, until: Timestamp) -> bool {
        let Some(position) = self.held(claim) else { return false };
        // An ended lease is not revived: its lane may be another's by now.
        if !self.waiting.get(&position).is_some_and(|w| matches!(w.state, State::Leased(_))) {
            return false;
        }
        // Never shorter: the end of a lease names its claim, and a later claim must end later.
        let until = until.max(claim.leased_until);
        self.leave(position);
        if let Some(waiting) = self.waiting.get_mut(&position) {
            waiting.state = State::Leased(until);
            waiting.claim = Some(until);
        }
        self.enter(position);
        claim.leased_until = until;
        true
    }

    pub(super) fn finish(&mut self, claim: &Claim) -> Change<'_> {
        let Some(position) = self.held(claim) else { return Change::Nothing };
        if self.waiting.get(&position).is_some_and(|w| w.entry.generation != claim.generation) {
            return self.settle(position, None);
        }
        self.leave(position);
        let Some(gone) = self.waiting.remove(&position) else { return Change::Nothing };
        self.by_key.remove(&gone.key);
        Change::Remove(gone.key)
    }

    pub(super) fn postpone(&mut self, claim: &Claim, due: Timestamp) -> Change<'_> {
        let Some(position) = self.held(claim) else { return Change::Nothing };
        let same = self.waiting.get(&position).is_some_and(|w| w.entry.generation == claim.generation);
        self.settle(position, same.then_some(due))
    }

    pub(super) fn depth(&self) -> Depth {
        let claimed = self.leases.len() as u64;
        Depth { waiting: self.waiting.len() as u64 - claimed, claimed }
    }

    /// Ends a claim and lets its entry wait again.
    fn settle(&mut self, position: u64, due: Option<Timestamp>) -> Change<'_> {
        self.leave(position);
        if let Some(waiting) = self.waiting.get_mut(&position) {
            waiting.entry.due = due;
            waiting.state = due.map_or(State::Ready, State::Later);
            waiting.claim = None;
        }
        self.enter(position);
        self.written(position)
    }

    /// The entry of a claim, unless another claim of it came later.
    fn held(&self, claim: &Claim) -> Option<u64> {
        let position = *self.by_key.get(&claim.hint.key())?;
        (self.waiting.get(&position)?.claim == Some(claim.leased_until)).then_some(position)
    }

    /// Lets ended leases go and postponed entries become due.
    fn advance(&mut self, now: Timestamp) {
        for which in [true, false] {
            while let Some((when, position)) = (if which { self.leases.first() } else { self.later.first() }).copied()
                && when <= now
            {
                self.leave(position);
                if let Some(waiting) = self.waiting.get_mut(&position) {
                    waiting.state = State::Ready;
                }
                self.enter(position);
            }
        }
    }

    /// Takes an entry out of the index that its state keeps it in.
    fn leave(&mut self, position: u64) {
        let Some(waiting) = self.waiting.get(&position) else { return };
        match waiting.state {
            State::Ready => {
                if let Some(positions) = self.ready.get_mut(&waiting.lane) {
                    positions.remove(&position);
                    if positions.is_empty() {
                        self.ready.remove(&waiting.lane);
                    }
                }
            }
            State::Later(due) => {
                self.later.remove(&(due, position));
            }
            State::Leased(until) => {
                self.leases.remove(&(until, position));
                self.busy.remove(&waiting.lane);
            }
        }
    }

    /// Puts it into the index of its state.
    fn enter(&mut self, position: u64) {
        let Some(waiting) = self.waiting.get(&position) else { return };
        match waiting.state {
            State::Ready => {
                self.ready.entry(waiting.lane.clone()).or_default().insert(position);
            }
            State::Later(due) => {
                self.later.insert((due, position));
            }
            State::Leased(until) => {
                self.leases.insert((until, position));
                self.busy.insert(waiting.lane.clone(), position);
            }
        }
    }

    fn written(&self, position: u64) -> Change<'_> {
        self.waiting.get(&position).map_or(Change::Nothing, |w| Change::Write(&w.key, &w.entry))
    }
}
