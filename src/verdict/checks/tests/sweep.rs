//! Every look, taken away one at a time: nothing passes, and an outage is never told as absence.

use super::*;
use crate::verdict::Demand;
use crate::verdict::testing::good_pipeline_facts;

/// What takes the place of a look's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    Absent,
    Unreachable,
}

impl Gone {
    fn into<T>(self, service: Service) -> Looked<T> {
        match self {
            Self::Absent => Looked::Absent,
            Self::Unreachable => Looked::Unreachable(down(service)),
        }
    }
}

struct Look {
    name: &'static str,
    take: fn(&mut Facts, Gone),
    /// Whether a verdict may pass with this look `Absent`.
    absent_may_pass: bool,
    /// Whether a verdict may pass with this look `Unreachable`.
    unreachable_may_pass: bool,
}

fn needed(name: &'static str, take: fn(&mut Facts, Gone)) -> Look {
    Look { name, take, absent_may_pass: false, unreachable_may_pass: false }
}

fn set_tag(facts: &mut Facts, role: TagRole, gone: Gone) {
    facts.tags.iter_mut().filter(|look| look.role == role).for_each(|look| look.digest = gone.into(Service::Registry));
}

/// Every `Looked` in the facts. The pattern has no `..`: a new fact does not compile until it stands in the list.
fn looks() -> Vec<Look> {
    let Facts {
        as_of: _,
        question: _,
        project: _,
        git_tag: _,
        commit: _,
        pipeline: _,
        ref_protected: _,
        jobs: _,
        digest_file: _,
        tags: _,
        digest: _,
        signatures: _,
        signing_jobs: _,
        history: _,
        merge_requests: _,
        tests: _,
    } = good_facts();
    vec![
        needed("project", |f, g| f.project = g.into(Service::Gitlab)),
        needed("git_tag", |f, g| f.git_tag = g.into(Service::Gitlab)),
        needed("commit", |f, g| f.commit = g.into(Service::Gitlab)),
        needed("pipeline", |f, g| f.pipeline = g.into(Service::Gitlab)),
        needed("ref_protected", |f, g| f.ref_protected = g.into(Service::Gitlab)),
        needed("jobs", |f, g| f.jobs = g.into(Service::Gitlab)),
        needed("digest_file", |f, g| f.digest_file = g.into(Service::Gitlab)),
        needed("tags[version]", |f, g| set_tag(f, TagRole::Version, g)),
        needed("tags[commit]", |f, g| set_tag(f, TagRole::Commit, g)),
        needed("digest", |f, g| f.digest = g.into(Service::Registry)),
        needed("signatures", |f, g| f.signatures = g.into(Service::Registry)),
        needed("signing_jobs[].job", |f, g| f.signing_jobs.iter_mut().for_each(|s| s.job = g.into(Service::Gitlab))),
        needed("signing_jobs[].pipeline", |f, g| f.signing_jobs.iter_mut().for_each(|s| s.pipeline = g.into(Service::Gitlab))),
        // An empty record is a record.
        Look { absent_may_pass: true, ..needed("history", |f, g| f.history = g.into(Service::Store)) },
        // Shown to people; no check reads them.
        Look {
            absent_may_pass: true,
            unreachable_may_pass: true,
            ..needed("merge_requests", |f, g| f.merge_requests = g.into(Service::Gitlab))
        },
        Look { absent_may_pass: true, unreachable_may_pass: true, ..needed("tests", |f, g| f.tests = g.into(Service::Gitlab)) },
    ]
}

/// The looks that a question does not have: its good facts hold them `Absent` or not at all.
fn starting_points() -> Vec<(&'static str, Facts, &'static [&'static str])> {
    vec![
        ("release by key", good_facts(), &["signing_jobs[].job", "signing_jobs[].pipeline"]),
        ("release keyless", good_keyless_facts(), &[]),
        ("pipeline by key", good_pipeline_facts(), &["git_tag", "tags[version]", "signing_jobs[].job", "signing_jobs[].pipeline"]),
    ]
}

#[test]
fn a_look_that_brought_nothing_never_passes() {
    for (start, facts, not_asked) in starting_points() {
        passed(&facts);
        for look in looks() {
            for gone in [Gone::Absent, Gone::Unreachable] {
                let mut facts = facts.clone();
                (look.take)(&mut facts, gone);
                let outcome = judge(&facts, &good_policy()).outcome;
                let may_pass = match gone {
                    Gone::Absent => look.absent_may_pass,
                    Gone::Unreachable => look.unreachable_may_pass,
                } || not_asked.contains(&look.name);
                let expected = match (may_pass, gone) {
                    (true, _) => Outcome::Passed,
                    (false, Gone::Absent) => Outcome::Blocked,
                    (false, Gone::Unreachable) => Outcome::CouldNotCheck,
                };
                assert_eq!(outcome, expected, "{start}: {} {gone:?}", look.name);
            }
        }
    }
}

/// With nothing else wrong, an outage blocks no check: each either had all it needs or could not check, with an outage's code.
#[test]
fn an_outage_is_never_told_as_absence() {
    for (start, facts, _) in starting_points() {
        for look in looks() {
            let mut facts = facts.clone();
            (look.take)(&mut facts, Gone::Unreachable);
            for finding in judge(&facts, &good_policy()).findings {
                assert_ne!(finding.outcome, CheckOutcome::Blocked, "{start}: {} {finding:?}", look.name);
                if finding.outcome == CheckOutcome::CouldNotCheck {
                    let code = finding.problem.as_ref().map(Problem::code);
                    assert_eq!(code, Some("CS-UNAVAILABLE"), "{start}: {} {finding:?}", look.name);
                }
            }
        }
    }
}

/// Policy softens absence, never an outage.
#[test]
fn no_demand_lets_an_outage_pass() {
    for demand in [Demand::Warned, Demand::Off] {
        let policy = Policy { digest_file: demand, commit_tag: demand, ..good_policy() };
        for (start, facts, not_asked) in starting_points() {
            for look in looks() {
                let mut facts = facts.clone();
                (look.take)(&mut facts, Gone::Unreachable);
                let may_pass = look.unreachable_may_pass || not_asked.contains(&look.name);
                let expected = if may_pass { Outcome::Passed } else { Outcome::CouldNotCheck };
                assert_eq!(judge(&facts, &policy).outcome, expected, "{start}: {} {demand:?}", look.name);
            }
        }
    }
}

/// Everything gone at once is the whole outage, or the whole absence.
#[test]
fn with_everything_gone_nothing_passes() {
    for (start, facts, _) in starting_points() {
        for (gone, outcome) in [(Gone::Absent, Outcome::Blocked), (Gone::Unreachable, Outcome::CouldNotCheck)] {
            let mut facts = facts.clone();
            for look in looks() {
                (look.take)(&mut facts, gone);
            }
            assert_eq!(judge(&facts, &good_policy()).outcome, outcome, "{start}: {gone:?}");
        }
    }
}
