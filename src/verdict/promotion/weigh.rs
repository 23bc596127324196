//! The decision.

use std::collections::BTreeSet;

use super::{Bar, Clearance, Cleared, Direction, Fresh, Looked, PromotionFacts, Right, Weighed, Why};
use crate::model::environment::Freeze;
use crate::model::gitlab::UserId;
use crate::model::promotion::{COMMAND_AGE, Person};
use crate::model::{EnvironmentName, PinnedImage};
use crate::verdict::{About, Service, WhyKind};

/// Decides. Every bar is found, not only the first.
///
/// In an environment that is observed ([`crate::model::Environment::observe_until`]) some bars are only said: freezes, the environment
/// before, and what is wrong or missing in an image's own way here. Everything else blocks there too; see [`Bar::rank`].
pub fn weigh(facts: &PromotionFacts) -> Weighed {
    let mut bars = vec![];
    bars.extend(requester(facts));
    bars.extend(halted(facts));
    bars.extend(images(facts));
    bars.extend(facts.changed.iter().map(|what| Bar::Changed { what: what.clone() }));
    bars.extend(expired(facts));
    bars.extend(locked(facts));
    bars.extend(frozen(facts));
    bars.extend(staged(facts));
    bars.extend(no_action(facts));
    bars.extend(approvals(facts));
    // Stable: among bars of one rank the order above stays.
    bars.sort_by_key(Bar::rank);
    let is_observed = facts.environment.observe_until.is_some_and(|until| facts.as_of < until);
    let (observed, bars): (Vec<_>, Vec<_>) = bars.into_iter().partition(|bar| is_observed && bar.may_be_observed());
    let waits_for_approval = matches!(bars.as_slice(), [Bar::SecondPerson { .. }]);
    Weighed { bars, observed, waits_for_approval }
}

/// Decides, and clears every image if nothing bars it. In an environment that is observed an image goes on although its own verdict
/// did not pass, so this is the only way to a clearance there; it is marked then ([`Clearance::is_observed`]).
pub fn clear(facts: &PromotionFacts) -> Result<Cleared, Weighed> {
    let weighed = weigh(facts);
    if !weighed.bars.is_empty() {
        return Err(weighed);
    }
    let clearance = |image: &PinnedImage| Clearance {
        image: image.clone(),
        environment: facts.environment.name.clone(),
        observed: !weighed.observed.is_empty(),
    };
    let clearances: Option<Vec<_>> = facts.verdicts.iter().map(|verdict| verdict.image.as_ref().map(clearance)).collect();
    match clearances {
        Some(clearances) => Ok(Cleared { clearances, observed: weighed.observed }),
        // An image without a digest is a bar, so this is never reached; it would be no yes.
        None => Err(weighed),
    }
}

/// Whether an approval by this person may count beside the requester's own.
pub fn is_second(requester: UserId, approver: UserId) -> bool {
    requester != approver
}

/// SR-07: active, a person, and allowed to deploy there; any odd answer means no.
fn may(right: &Right) -> bool {
    right.active && !right.machine && right.may_deploy
}

fn requester(facts: &PromotionFacts) -> Option<Bar> {
    let (person, right) = &facts.requester;
    let refused = |who, people| Bar::Rights { user: person.username.clone(), environment: name(facts), who, people };
    match right {
        Looked::Found(right) if may(right) => None,
        Looked::Found(right) => Some(refused(right.who.clone(), right.people)),
        Looked::Absent => Some(refused(facts.environment.allow.who(), None)),
        Looked::Unreachable(why) => Some(unavailable("what the person who asked may do", why)),
    }
}

fn halted(facts: &PromotionFacts) -> Option<Bar> {
    match &facts.halted {
        Looked::Found(halt) => Some(Bar::Halted { reason: halt.reason.clone() }),
        Looked::Absent => None,
        Looked::Unreachable(why) => Some(unavailable("the halt switch", why)),
    }
}

/// All images of a release or none, each with a verdict that passed.
fn images(facts: &PromotionFacts) -> Vec<Bar> {
    let mut bars: Vec<_> = facts.verdicts.iter().filter_map(|verdict| image(verdict, &facts.environment.name)).collect();
    let judged: BTreeSet<_> = facts.verdicts.iter().map(|verdict| &verdict.subject.question.image.name).collect();
    let released: BTreeSet<_> =
        facts.verdicts.iter().flat_map(|verdict| &verdict.subject.question.project.images).map(|image| &image.name).collect();
    bars.extend(released.difference(&judged).map(|image| unjudged(&format!("image {image}"))));
    // SR-01: of nothing nothing is good.
    if facts.verdicts.is_empty() {
        bars.push(unjudged("the images of this release"));
    }
    bars
}

fn image(verdict: &Fresh, environment: &EnvironmentName) -> Option<Bar> {
    if verdict.clear(environment).is_some() {
        return None;
    }
    let name = &verdict.subject.question.image.name;
    Some(match (&verdict.image, &verdict.problem) {
        (Some(image), Some(problem)) => Bar::Image { image: image.clone(), problem: Box::new(problem.clone()) },
        (None, Some(problem)) => Bar::NoImage { name: name.clone(), problem: Box::new(problem.clone()) },
        (_, None) => unjudged(&format!("image {name}")),
    })
}

fn expired(facts: &PromotionFacts) -> Option<Bar> {
    let asked_at = facts.requested_at;
    let old = facts.as_of.duration_since(asked_at) > COMMAND_AGE;
    (old && !facts.accepted).then_some(Bar::Expired { asked_at })
}

fn locked(facts: &PromotionFacts) -> Option<Bar> {
    facts.held_by.clone().map(|holder| Bar::Locked { environment: name(facts), holder })
}

fn frozen(facts: &PromotionFacts) -> Vec<Bar> {
    let now = facts.environment.freezes.iter().filter(|freeze| freeze.from <= facts.as_of && facts.as_of < freeze.until);
    let bar = |freeze: &Freeze| Bar::Frozen { environment: name(facts), reason: freeze.reason.clone(), until: freeze.until };
    now.map(bar).collect()
}

/// Each image arrived in the environment before, with exactly this digest. A way back needs that no more: what it leads to ran here.
fn staged(facts: &PromotionFacts) -> Vec<Bar> {
    let after = match (&facts.environment.after, facts.direction) {
        (Some(after), Direction::Promote) => after,
        (None, Direction::Promote) | (_, Direction::Rollback) => return vec![],
    };
    let mut looks = facts.staged.iter();
    let bar = |verdict: &Fresh| {
        // In step with the verdicts, also where one of them has no digest.
        let look = looks.next();
        let digest = verdict.digest()?;
        match look {
            Some(Looked::Found(_)) => None,
            Some(Looked::Unreachable(why)) => Some(unavailable(&format!("what was promoted to {after}"), why)),
            // A look that was not made found nothing.
            Some(Looked::Absent) | None => {
                let release = match &verdict.subject.question.about {
                    About::Release { tag } => Some(tag.clone()),
                    About::Image { tag, .. } => tag.clone(),
                    About::Pipeline { .. } => None,
                };
                Some(Bar::NotStaged { digest, environment: name(facts), after: after.clone(), release })
            }
        }
    };
    facts.verdicts.iter().filter_map(bar).collect()
}

fn no_action(facts: &PromotionFacts) -> Option<Bar> {
    facts.environment.actions.is_empty().then(|| Bar::NoAction { environment: name(facts) })
}

/// Whether as many others agreed as we or GitLab ask for. The requester's own yes, a second one of the same person, and that of
/// somebody who may not (or no longer) deploy there count nothing.
fn approvals(facts: &PromotionFacts) -> Vec<Bar> {
    let (requester, right) = &facts.requester;
    let rights = facts.approvers.iter().map(|(_, right)| right).chain([right]);
    let by_gitlab = rights.filter_map(|right| right.found()).map(|right| right.required_approvals).max().unwrap_or(0);
    let needed = by_gitlab.max(u64::from(facts.environment.second_person));
    let others = || facts.approvers.iter().filter(|(person, _)| is_second(requester.id, person.id));
    let people = |counts: fn(&Looked<Right>) -> bool| {
        let people: BTreeSet<UserId> = others().filter(|(_, right)| counts(right)).map(|(Person { id, .. }, _)| *id).collect();
        people.len() as u64
    };
    if people(|right| right.found().is_some_and(may)) >= needed {
        return vec![];
    }
    let mut bars: Vec<_> =
        others().filter_map(|(_, right)| right.unreachable()).map(|why| unavailable("what a person who approved may do", why)).collect();
    // Enough, if those who could not be looked up may.
    if people(|right| right.unreachable().is_some() || right.found().is_some_and(may)) < needed {
        let who = right.found().map_or_else(|| facts.environment.allow.who(), |right| right.who.clone());
        bars.push(Bar::SecondPerson { environment: name(facts), who });
    }
    bars
}

fn name(facts: &PromotionFacts) -> EnvironmentName {
    facts.environment.name.clone()
}

fn unavailable(what: &str, why: &Why) -> Bar {
    Bar::Unavailable { what: what.into(), why: why.clone() }
}

/// No verdict was made where one must be.
fn unjudged(what: &str) -> Bar {
    unavailable(what, &Why::new(Service::Registry, WhyKind::Unreadable, "there is no verdict"))
}
