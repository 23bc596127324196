//! One change to facts that pass, and what must come of it.

mod attested;
mod identity;
mod key;
mod origin;
mod outcome;
mod pipeline;
mod platforms;
mod registry;
mod signature;
mod sweep;

use crate::model::gitlab::Job;
use crate::model::signer::{Proven, SignatureState};
use crate::verdict::facts::{DigestFile, Sighting, TagRole};
use crate::verdict::testing::{at, down, good_facts, good_keyless_facts, good_policy, signature};
use crate::verdict::{Check, CheckOutcome, Facts, Looked, Outcome, Policy, Problem, Service, Verdict};

/// What the judge says, to be taken apart.
fn judge(facts: &Facts, policy: &Policy) -> Verdict {
    super::judge(facts, policy).into()
}

/// Judges, and holds the verdict to an outcome, a code, and exactly these checks that do not let it pass: so that a test fails
/// only because of what it changed.
#[track_caller]
fn check_under(policy: &Policy, facts: &Facts, outcome: Outcome, code: &str, checks: &[Check]) -> Verdict {
    let verdict = judge(facts, policy);
    let mut stopped: Vec<_> = verdict.findings.iter().filter(|f| stops(f.outcome)).map(|f| f.check).collect();
    stopped.dedup();
    assert_eq!((verdict.outcome, verdict.code()), (outcome, Some(code)), "{:#?}", verdict.findings);
    assert_eq!(stopped, checks, "{:#?}", verdict.findings);
    verdict
}

fn stops(outcome: CheckOutcome) -> bool {
    matches!(outcome, CheckOutcome::Blocked | CheckOutcome::CouldNotCheck)
}

#[track_caller]
fn blocked(facts: &Facts, code: &str, checks: &[Check]) -> Verdict {
    check_under(&good_policy(), facts, Outcome::Blocked, code, checks)
}

#[track_caller]
fn could_not(facts: &Facts, code: &str, checks: &[Check]) -> Verdict {
    check_under(&good_policy(), facts, Outcome::CouldNotCheck, code, checks)
}

#[track_caller]
fn passed_under(policy: &Policy, facts: &Facts) -> Verdict {
    let verdict = judge(facts, policy);
    assert_eq!((verdict.outcome, &verdict.problem), (Outcome::Passed, &None), "{:#?}", verdict.findings);
    verdict
}

#[track_caller]
fn passed(facts: &Facts) -> Verdict {
    passed_under(&good_policy(), facts)
}

/// Good facts with one change.
fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = good_facts();
    change(&mut facts);
    facts
}

/// Good keyless facts with one change.
fn keyless_with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = good_keyless_facts();
    change(&mut facts);
    facts
}

/// What is proven of something signed: its earliest and its latest time, by a log; without a time, nothing.
fn proven(times: Option<(&str, &str)>) -> Proven {
    Proven { logged: times.is_some(), unread: false, times: times.map(|(earliest, latest)| (at(earliest), at(latest))) }
}

/// What the one finding of a check says.
#[track_caller]
fn said(verdict: &Verdict, check: Check) -> (CheckOutcome, &str, &str) {
    let findings: Vec<_> = verdict.findings_of(check).collect();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    (findings[0].outcome, &findings[0].expected, &findings[0].found)
}

/// The value of a look that found something.
#[track_caller]
fn inside<T>(look: &mut Looked<T>) -> &mut T {
    match look {
        Looked::Found(value) => value,
        Looked::Absent | Looked::Unreachable(_) => panic!("the good facts have it"),
    }
}
