//! The trust root of each GitLab, as it is believed now.
//!
//! A pinned file holds until the operator replaces it. One from a TUF repository is refreshed while the bot runs and kept on disk:
//! a start needs no network, and an outage none until what is at hand expires. Then nothing is verified with it, and the look says
//! so with its age: a stale root could still name an authority that was compromised since.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::tuf::{self, Fetched, Missing};
use super::{NotATrustRoot, Source, TrustRoot};
use crate::model::Timestamp;
use crate::model::gitlab::InstanceName;
use crate::model::moment::span;
use crate::verdict::{Looked, Service, Why, WhyKind};

/// The trust roots of all GitLabs.
#[derive(Debug, Default)]
pub struct Roots {
    held: BTreeMap<InstanceName, Held>,
}

#[derive(Debug)]
enum Held {
    Pinned(TrustRoot),
    Tuf(Box<Kept>),
}

/// One that is refreshed. Reading and replacing it never waits.
#[derive(Debug)]
struct Kept {
    settings: tuf::Settings,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    current: Option<Fetched>,
    /// When the last refresh was, also of one that is no longer believed after a start.
    refreshed: Option<Timestamp>,
    /// Why the last try brought nothing.
    fault: Option<Missing>,
}

/// How one trust root stands, for logs and gauges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub instance: InstanceName,
    /// When it was last refreshed; `None` if never.
    pub refreshed: Option<Timestamp>,
    /// When its metadata expires.
    pub expires: Option<Timestamp>,
    /// Why the last try to refresh it brought nothing.
    pub fault: Option<String>,
}

impl From<BTreeMap<InstanceName, TrustRoot>> for Roots {
    fn from(pinned: BTreeMap<InstanceName, TrustRoot>) -> Self {
        Self { held: pinned.into_iter().map(|(instance, root)| (instance, Held::Pinned(root))).collect() }
    }
}

impl Roots {
    /// Reads pinned files, and what was kept of the others. Needs no network.
    pub fn open(sources: &BTreeMap<InstanceName, Source>, now: Timestamp) -> Result<Self, NotATrustRoot> {
        let held = |source: &Source| {
            Ok(match source {
                Source::Pinned(settings) => Held::Pinned(TrustRoot::load(settings)?),
                Source::Tuf(settings) => {
                    let (current, fault) = match tuf::cached(settings, now) {
                        Ok(fetched) => (Some(fetched), None),
                        Err(missing) => (None, Some(missing)),
                    };
                    let refreshed = tuf::last_refreshed(settings, now);
                    Held::Tuf(Box::new(Kept { settings: settings.clone(), state: RwLock::new(State { current, refreshed, fault }) }))
                }
            })
        };
        let held = sources.iter().map(|(instance, source)| Ok((instance.clone(), held(source)?))).collect::<Result<_, _>>()?;
        Ok(Self { held })
    }

    /// The trust root of a GitLab, as of `now`; `Absent` if none is configured.
    pub fn get(&self, instance: &InstanceName, now: Timestamp) -> Looked<TrustRoot> {
        match self.held.get(instance) {
            None => Looked::Absent,
            Some(Held::Pinned(root)) => Looked::Found(root.clone()),
            Some(Held::Tuf(kept)) => kept.believed(now).map_or_else(Looked::Unreachable, Looked::Found),
        }
    }

    /// Refreshes each that is not pinned, one after the other. What fails stays as it was.
    pub async fn refresh(&self, now: Timestamp) -> Vec<Standing> {
        let mut standings = vec![];
        for (instance, held) in &self.held {
            if let Held::Tuf(kept) = held {
                kept.refresh(now).await;
                standings.push(kept.standing(instance));
            }
        }
        standings
    }

    /// How those that are not pinned stand.
    pub fn standings(&self) -> Vec<Standing> {
        let kept = |(instance, held): (&InstanceName, &Held)| match held {
            Held::Pinned(_) => None,
            Held::Tuf(kept) => Some(kept.standing(instance)),
        };
        self.held.iter().filter_map(kept).collect()
    }
}

impl Kept {
    async fn refresh(&self, now: Timestamp) {
        let fetched = tuf::fetch(&self.settings, now).await;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(fetched) => *state = State { refreshed: Some(fetched.refreshed), current: Some(fetched), fault: None },
            Err(missing) => state.fault = Some(missing),
        }
    }

    fn believed(&self, now: Timestamp) -> Result<TrustRoot, Why> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = &state.current else {
            let (kind, fault) = match &state.fault {
                Some(Missing::Expired(reason)) => (WhyKind::Stale, reason.as_str()),
                Some(Missing::Other(reason)) => (WhyKind::Down, reason.as_str()),
                None => (WhyKind::Down, "it was never fetched"),
            };
            let age = state.refreshed.map(|at| format!("; it was refreshed {} ago", span(now.duration_since(at)))).unwrap_or_default();
            return Err(Why::new(Service::TrustRoot, kind, format!("no trust root from {}: {fault}{age}", self.settings.url)));
        };
        let age = now.duration_since(current.refreshed);
        let ended = if now >= current.expires {
            format!("its metadata expired at {}", current.expires)
        } else if age > self.settings.max_age {
            format!("at most {:#} are allowed", self.settings.max_age)
        } else {
            return Ok(current.root.clone());
        };
        let fault = state.fault.as_ref().map(|missing| format!("; the last try: {}", missing.reason())).unwrap_or_default();
        let detail = format!("the trust root from {} was refreshed {} ago, and {ended}{fault}", self.settings.url, span(age));
        Err(Why::new(Service::TrustRoot, WhyKind::Stale, detail))
    }

    fn standing(&self, instance: &InstanceName) -> Standing {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Standing {
            instance: instance.clone(),
            refreshed: state.refreshed,
            expires: state.current.as_ref().map(|current| current.expires),
            fault: state.fault.as_ref().map(|missing| missing.reason().to_owned()),
        }
    }
}
