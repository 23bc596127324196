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

fn not_asked_about(name: &'static str, take: fn(&mut Facts, Gone)) -> Look {
    Look { absent_may_pass: true, unreachable_may_pass: true, ..needed(name, take) }
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
        image: _,
        signatures: _,
        platforms: _,
        trust_root: _,
        signing_jobs: _,
        history: _,
        merge_requests: _,
        tests: _,
        provenance: _,
        gitlab_provenance: _,
        base_image: _,
        previous_base: _,
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
        needed("image", |f, g| f.image = g.into(Service::Registry)),
        needed("signatures", |f, g| f.signatures = g.into(Service::Registry)),
        // Absent is an image of one platform.
        Look { absent_may_pass: true, ..needed("platforms", |f, g| f.platforms = g.into(Service::Registry)) },
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
        // Policy does not ask about them here; `origin` takes them away where it does.
        not_asked_about("provenance", |f, g| f.provenance = g.into(Service::Registry)),
        not_asked_about("gitlab_provenance", |f, g| f.gitlab_provenance = g.into(Service::Gitlab)),
        not_asked_about("base_image", |f, g| f.base_image = g.into(Service::Registry)),
        not_asked_about("previous_base", |f, g| f.previous_base = g.into(Service::Store)),
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

/// With nothing else wrong, an outage blocks no check: each either had all it needs, or could not check, with an outage's code.
/// Which ones could not is told exactly, so that no check quietly does without a look it needs.
#[test]
fn an_outage_stops_exactly_the_checks_that_need_the_look() {
    use Check::*;
    let by_key: &[(&str, &[Check])] = &[
        ("project", &[Pipeline]),
        ("git_tag", &[GitTag, Commit, Pipeline, ProtectedRef]),
        ("commit", &[Commit]),
        ("pipeline", &[Commit, Pipeline, Source]),
        ("ref_protected", &[ProtectedRef]),
        ("jobs", &[Pipeline, ReleaseJob]),
        ("digest_file", &[DigestFile, Commit]),
        ("tags[version]", &[VersionTag]),
        ("tags[commit]", &[CommitTag]),
        ("digest", &[VersionTag, CommitTag, DigestFile, Signature, Commit, BuiltOnce]),
        ("image", &[Signature]),
        ("signatures", &[Signature, Commit]),
        ("platforms", &[Platforms]),
        ("signing_jobs[].job", &[]),
        ("signing_jobs[].pipeline", &[]),
        ("history", &[BuiltOnce]),
        ("merge_requests", &[]),
        ("tests", &[]),
        ("provenance", &[]),
        ("gitlab_provenance", &[]),
        ("base_image", &[]),
        ("previous_base", &[]),
    ];
    let keyless: &[(&str, &[Check])] = &[
        ("project", &[Signature, Identity, Commit, Pipeline]),
        ("git_tag", &[GitTag, Signature, Identity, Commit, Pipeline, ProtectedRef]),
        ("commit", &[Commit]),
        ("pipeline", &[Signature, Identity, Commit, Pipeline, Source]),
        ("ref_protected", &[ProtectedRef]),
        ("jobs", &[Pipeline, ReleaseJob]),
        ("digest_file", &[DigestFile]),
        ("tags[version]", &[VersionTag]),
        ("tags[commit]", &[CommitTag]),
        ("digest", &[VersionTag, CommitTag, DigestFile, Signature, Identity, Commit, BuiltOnce]),
        ("image", &[Signature]),
        ("signatures", &[Signature, Identity, Commit]),
        ("platforms", &[Platforms]),
        ("signing_jobs[].job", &[Signature, Identity, Commit]),
        ("signing_jobs[].pipeline", &[Signature, Identity, Commit]),
        ("history", &[BuiltOnce]),
        ("merge_requests", &[]),
        ("tests", &[]),
        ("provenance", &[]),
        ("gitlab_provenance", &[]),
        ("base_image", &[]),
        ("previous_base", &[]),
    ];
    for (facts, table) in [(good_facts(), by_key), (good_keyless_facts(), keyless)] {
        assert_eq!(looks().iter().map(|look| look.name).collect::<Vec<_>>(), table.iter().map(|row| row.0).collect::<Vec<_>>());
        for (look, (name, checks)) in looks().iter().zip(table) {
            let mut facts = facts.clone();
            (look.take)(&mut facts, Gone::Unreachable);
            let stopped: Vec<_> = judge(&facts, &good_policy()).findings.into_iter().filter(|f| stops(f.outcome)).collect();
            assert_eq!(&stopped.iter().map(|finding| finding.check).collect::<Vec<_>>(), checks, "{name}");
            for finding in stopped {
                assert_eq!(finding.outcome, CheckOutcome::CouldNotCheck, "{name} {finding:?}");
                assert_eq!(finding.problem.as_ref().map(Problem::code), Some("CS-UNAVAILABLE"), "{name} {finding:?}");
            }
        }
    }
}

/// Where the commit tag is all that could tie the image to its commit.
#[test]
fn a_commit_tag_out_of_reach_ties_nothing_and_denies_nothing() {
    let facts = with(|f| {
        f.question.image.digest_file = None;
        set_tag(f, TagRole::Commit, Gone::Unreachable);
    });
    let content = Policy { built_by: crate::verdict::BuiltBy::CommitTag, ..good_policy() };
    let verdict = check_under(&content, &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", &[Check::CommitTag, Check::Commit]);
    assert_eq!(said(&verdict, Check::Commit).0, CheckOutcome::CouldNotCheck);
    // Where it is not enough, its answer changes nothing.
    let verdict = could_not(&facts, "CS-UNAVAILABLE", &[Check::CommitTag, Check::Commit]);
    assert_eq!(said(&verdict, Check::Commit).0, CheckOutcome::Blocked);
}

/// A look at tags that could not be made because the commit is unknown is the outage's, not the registry's.
#[test]
fn tags_that_could_not_be_named_could_not_be_checked() {
    let facts = with(|f| {
        f.git_tag = Looked::Unreachable(down(Service::Gitlab));
        f.tags.clear();
    });
    let verdict = judge(&facts, &good_policy());
    for check in [Check::VersionTag, Check::CommitTag] {
        assert_eq!(said(&verdict, check).0, CheckOutcome::CouldNotCheck);
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
