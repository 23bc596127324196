//! Provenance, base image and runner: one wrong field a test, under a policy that asks about all three.

use super::*;
use crate::model::attestation::{Attested, AttestedAt, BaseImage, BaseToldBy, ImageUsed, Provenance};
use crate::model::gitlab::{JobId, PipelineId, ProjectId, RunnerId};
use crate::model::signer::{KeylessIdentity, Layout, SignedBy, SignerName};
use crate::verdict::testing::{
    RUN, attested, attested_facts, attested_keyless_facts, base_digest, commit, image_digest, job, other_commit, other_digest, pipeline,
    strict_policy,
};
use crate::verdict::{Demand, TrustedRunner};

pub(super) fn by_key(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = attested_facts();
    change(&mut facts);
    facts
}

pub(super) fn keyless(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = attested_keyless_facts();
    change(&mut facts);
    facts
}

pub(super) fn held(facts: &mut Facts) -> &mut Attested {
    &mut inside(&mut facts.provenance)[0]
}

pub(super) fn says(facts: &mut Facts) -> &mut Provenance {
    held(facts).says.as_mut().unwrap()
}

pub(super) fn identity_of(facts: &mut Facts) -> &mut KeylessIdentity {
    match &mut held(facts).state {
        SignatureState::Verified(SignedBy::Keyless(identity)) => identity,
        other => panic!("{other:?}"),
    }
}

/// The provenance does not count, with this code and words, and nothing else changes but what hangs on it.
#[track_caller]
pub(super) fn refused(facts: &Facts, code: &str, found: &str) {
    let policy = Policy { base_image: Demand::Off, base_unchanged: Demand::Off, ..strict_policy() };
    let verdict = check_under(&policy, facts, Outcome::Blocked, code, &[Check::Provenance]);
    let (_, _, told) = said(&verdict, Check::Provenance);
    assert!(told.contains(found), "{told}");
    assert_eq!(verdict.subject.provenance, None, "what does not count is not shown");
    // Softened, it warns; off, it says nothing, and still shows nothing.
    let warned = passed_under(&Policy { provenance: Demand::Warned, ..policy.clone() }, facts);
    assert_eq!(said(&warned, Check::Provenance).0, CheckOutcome::Warned);
    let off = passed_under(&Policy { provenance: Demand::Off, ..policy }, facts);
    assert_eq!((said(&off, Check::Provenance).0, off.subject.provenance), (CheckOutcome::NotApplicable, None));
}

#[test]
fn provenance_that_holds_passes_and_is_shown_even_where_it_is_not_demanded() {
    for facts in [attested_facts(), attested_keyless_facts()] {
        for policy in [strict_policy(), Policy { provenance: Demand::Off, ..strict_policy() }] {
            let verdict = passed_under(&policy, &facts);
            assert_eq!(said(&verdict, Check::Provenance).0, CheckOutcome::Passed);
            let seen = verdict.subject.provenance.unwrap();
            assert_eq!(seen.builder, "https://gitlab.example.com/shop/api/-/runners/2");
            let base = verdict.subject.base_image.unwrap();
            assert_eq!((base.base.digest, base.base.told_by), (base_digest(), BaseToldBy::Provenance));
            assert_eq!(base.previous.as_ref().map(|p| p.release.as_str()), Some("v1.8.1"));
            assert_eq!(base.changed_since(), None);
        }
    }
}

#[test]
fn without_provenance_policy_decides() {
    refused(&by_key(|f| f.provenance = Looked::Absent), "CS-PROV-MISSING", "none");
    refused(&by_key(|f| held(f).says = None), "CS-PROV-MISSING", "no provenance");
    let invalid = SignatureState::Invalid { claims: Some(SignerName("release-key".into())), reason: "altered".into() };
    refused(&by_key(|f| held(f).state = invalid), "CS-PROV-MISSING", "altered");
}

#[test]
fn provenance_that_cannot_be_read_could_not_be_checked_unless_another_holds() {
    let unreadable = SignatureState::Unreadable { reason: "a key stands twice".into() };
    for at in [AttestedAt::Registry(Layout::LegacyTag), AttestedAt::Gitlab] {
        let facts = by_key(|f| (held(f).state, held(f).at) = (unreadable.clone(), at));
        let verdict =
            check_under(&strict_policy(), &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", &[Check::Provenance, Check::BaseImage]);
        assert!(matches!(verdict.problem, Some(Problem::Unavailable { why, .. }) if why.detail.contains("stands twice")));
    }
    // Neither a stranger's nor a broken one beside it makes more of it, and one that holds is enough.
    let beside = |state: SignatureState| {
        by_key(|f| {
            let good = held(f).clone();
            let unread = Attested { state: unreadable.clone(), says: None, ..good.clone() };
            f.provenance = Looked::Found(vec![Attested { state, ..good }, unread]);
        })
    };
    let stranger = beside(SignatureState::NotOurs { hint: None });
    check_under(&strict_policy(), &stranger, Outcome::CouldNotCheck, "CS-UNAVAILABLE", &[Check::Provenance, Check::BaseImage]);
    passed_under(&strict_policy(), &beside(SignatureState::Verified(SignedBy::Key(SignerName("release-key".into())))));
}

#[test]
fn provenance_of_other_bytes_is_told() {
    refused(&by_key(|f| says(f).subjects = vec![other_digest()]), "CS-PROV-DIGEST", &other_digest().to_string());
    let other = SignatureState::OtherSubject { digest: other_digest(), by: None };
    refused(&by_key(|f| held(f).state = other), "CS-PROV-DIGEST", &other_digest().to_string());
    passed_under(&strict_policy(), &by_key(|f| says(f).subjects.insert(0, other_digest())));
}

#[test]
fn provenance_by_somebody_else_does_not_count() {
    let laptop = SignedBy::Key(SignerName("laptop".into()));
    refused(&by_key(|f| held(f).state = SignatureState::Verified(laptop)), "CS-SIG-OTHER", "key laptop");
    refused(&by_key(|f| held(f).state = SignatureState::NotOurs { hint: None }), "CS-SIG-OTHER", "an unknown key");
    refused(&keyless(|f| identity_of(f).issuer = Some("https://gitlab.com".into())), "CS-SIG-OTHER", "issuer https://gitlab.com");
    refused(&keyless(|f| identity_of(f).source_repository_identifier = Some("8".into())), "CS-PROJECT", "project id 8");
    refused(&keyless(|f| identity_of(f).san_uri = Some("https://gitlab.example.com/x".into())), "CS-SIG-OTHER", "SAN");
    refused(&keyless(|f| identity_of(f).source_repository_ref = Some("refs/heads/main".into())), "CS-SIG-OTHER", "ref");
    refused(&keyless(|f| identity_of(f).source_repository_digest = Some(other_commit().to_string())), "CS-COMMIT", "commit");
    refused(&keyless(|f| identity_of(f).build_trigger = Some("merge_request_event".into())), "CS-SOURCE", "merge_request_event");
    // A key's name alone is not trust: the image trusts the pipeline, not a key of that name.
    refused(
        &keyless(|f| held(f).state = SignatureState::Verified(SignedBy::Key(SignerName("pipeline".into())))),
        "CS-SIG-OTHER",
        "key pipeline",
    );
}

/// Another signing job than that of the signature, which stays good.
fn attested_by(job: crate::model::gitlab::Job, pipeline: crate::model::gitlab::Pipeline) -> Facts {
    keyless(|f| {
        let uri = format!("https://gitlab.example.com/shop/api/-/jobs/{}", job.id);
        identity_of(f).run_invocation_uri = Some(uri.clone());
        says(f).job = None;
        says(f).job_name = None;
        f.signing_jobs.push(crate::verdict::facts::SigningJob {
            run_invocation_uri: uri,
            job: Looked::Found(job),
            pipeline: Looked::Found(pipeline),
        });
    })
}

/// A week later somebody plays a manual job of the release pipeline, with variables of their choice: GitLab's record of it looks
/// like that of a job which ran by itself, so no other job attests, whenever it ran.
#[test]
fn only_the_release_job_attests_whichever_attempt() {
    passed_under(&strict_policy(), &attested_by(job(31, "release_image"), pipeline()));
    refused(&attested_by(job(23, "attest"), pipeline()), "CS-LATE-ATTEST", "job attest #23");
    let mut played = job(23, "attest");
    (played.started_at, played.finished_at) = (Some(at("13:55")), Some(at("13:56")));
    let mut facts = attested_by(played, pipeline());
    held(&mut facts).proven = proven(Some(("13:55", "13:55")));
    refused(&facts, "CS-LATE-ATTEST", "job attest #23");
}

#[test]
fn an_attestation_by_a_job_of_another_pipeline_is_late() {
    let mut later = pipeline();
    later.id = PipelineId(88300);
    let mut attest = job(99, "release_image");
    attest.pipeline = later.id;
    refused(&attested_by(attest, later), "CS-LATE-ATTEST", "job release_image #99 of pipeline #88300");
    let mut foreign = pipeline();
    foreign.project = ProjectId(8);
    refused(&attested_by(job(31, "release_image"), foreign), "CS-LATE-ATTEST", "job release_image #31");
    let mut failed = job(31, "release_image");
    failed.status = crate::model::gitlab::CiStatus::Failed;
    refused(&attested_by(failed, pipeline()), "CS-LATE-ATTEST", "failed");
    refused(&keyless(|f| identity_of(f).run_invocation_uri = None), "CS-LATE-ATTEST", "no job");
    let unknown = "https://gitlab.example.com/shop/api/-/jobs/77";
    refused(&keyless(|f| identity_of(f).run_invocation_uri = Some(unknown.into())), "CS-LATE-ATTEST", unknown);
    // The address of another project's job, which GitLab was asked for here.
    let theirs = "https://gitlab.example.com/evil/api/-/jobs/21";
    let facts = keyless(|f| {
        identity_of(f).run_invocation_uri = Some(theirs.into());
        let mut look = f.signing_jobs[0].clone();
        look.run_invocation_uri = theirs.into();
        f.signing_jobs.push(look);
    });
    refused(&facts, "CS-LATE-ATTEST", theirs);
}

/// The job ran from 13:31 to 13:41.
#[test]
fn an_attestation_outside_its_jobs_time_is_late() {
    let signed = |time: &str| keyless(|f| held(f).proven = proven(Some((time, time))));
    for good in ["13:30", "13:31", "13:41", "13:42"] {
        passed_under(&strict_policy(), &signed(good));
    }
    for bad in ["13:29", "13:43", "14:00"] {
        refused(&signed(bad), "CS-LATE-ATTEST", bad);
    }
    refused(&keyless(|f| held(f).proven = proven(None)), "CS-LATE-ATTEST", "no proven time");
    let timeless = keyless(|f| {
        let mut look = f.signing_jobs[0].clone();
        inside(&mut look.job).started_at = None;
        f.signing_jobs = vec![look];
    });
    refused(&timeless, "CS-LATE-ATTEST", "GitLab knows no such time");
}

/// GitLab signs its own attestations after the job; whoever pushes to the registry may not claim that grace.
#[test]
fn gitlabs_own_attestation_may_come_within_the_hour() {
    let in_gitlab = |time: &str| {
        keyless(|f| {
            held(f).at = AttestedAt::Gitlab;
            held(f).proven = proven(Some((time, time)));
            f.gitlab_provenance = std::mem::replace(&mut f.provenance, Looked::Absent);
        })
    };
    passed_under(&strict_policy(), &in_gitlab("14:01"));
    let policy = Policy { base_image: Demand::Off, base_unchanged: Demand::Off, ..strict_policy() };
    check_under(&policy, &in_gitlab("14:50"), Outcome::Blocked, "CS-LATE-ATTEST", &[Check::Provenance]);
}

#[test]
fn a_logged_key_attestation_must_be_of_the_pipelines_time() {
    let signed = |time: &str| by_key(|f| held(f).proven = proven(Some((time, time))));
    passed_under(&strict_policy(), &signed("13:40"));
    refused(&signed("13:20"), "CS-LATE-ATTEST", "13:20");
    refused(&signed("13:59"), "CS-LATE-ATTEST", "13:59");
}

#[test]
fn every_claim_is_compared_with_gitlabs_records() {
    for make in [attested_facts, attested_keyless_facts] {
        let with = |change: &dyn Fn(&mut Provenance)| {
            let mut facts = make();
            change(says(&mut facts));
            facts
        };
        refused(&with(&|p| p.sources[0].commit = Some(other_commit())), "CS-COMMIT", other_commit().as_str());
        refused(&with(&|p| p.sources[0].commit = None), "CS-COMMIT", "no commit");
        refused(&with(&|p| p.sources.clear()), "CS-COMMIT", "no commit");
        refused(&with(&|p| p.sources[0].uri = "https://gitlab.example.com/evil/api".into()), "CS-PROJECT", "evil");
        refused(&with(&|p| p.sources[0].uri = "https://gitlab.example.com/shop/api2".into()), "CS-PROJECT", "api2");
        refused(&with(&|p| p.run_in = Some("https://gitlab.example.com/evil/api".into())), "CS-PROJECT", "evil");
        refused(&with(&|p| p.runner.as_mut().unwrap().project = "https://gitlab.com/shop/api".into()), "CS-PROJECT", "gitlab.com");
        refused(&with(&|p| p.pipeline = Some(PipelineId(1))), "CS-PIPELINE", "pipeline #1");
        refused(&with(&|p| p.job = Some(JobId(1))), "CS-PIPELINE", "job #1");
        refused(&with(&|p| p.job = Some(JobId(20))), "CS-PIPELINE", "job release_image");
        refused(&with(&|p| p.job_name = Some("deploy".into())), "CS-PIPELINE", "job deploy");
        refused(&with(&|p| p.runner.as_mut().unwrap().id = RunnerId(9)), "CS-PIPELINE", "runner #9");
        // Two repositories may be named, this project's with one commit only.
        let other = crate::model::attestation::Source { uri: "https://gitlab.example.com/lib/core".into(), commit: Some(other_commit()) };
        passed_under(&strict_policy(), &with(&|p| p.sources.push(other.clone())));
        refused(
            &with(&|p| p.sources.push(crate::model::attestation::Source { commit: Some(other_commit()), ..p.sources[0].clone() })),
            "CS-COMMIT",
            "ffff",
        );
        let spelt = |uri: &str| with(&|p| p.sources[0].uri = uri.into());
        for good in ["git+https://gitlab.example.com/shop/api.git@refs/tags/v1.8.2", "https://gitlab.example.com/shop/api.git"] {
            passed_under(&strict_policy(), &spelt(good));
        }
    }
}

/// A key proves no job: its statement must name one, or the pipeline. A certificate names its own.
#[test]
fn a_key_signed_statement_must_name_its_run() {
    let nameless = |p: &mut Provenance| (p.job, p.pipeline) = (None, None);
    refused(&by_key(|f| nameless(says(f))), "CS-PIPELINE", "no job and no pipeline");
    passed_under(&strict_policy(), &by_key(|f| says(f).job = None));
    passed_under(&strict_policy(), &by_key(|f| says(f).pipeline = None));
    passed_under(&strict_policy(), &keyless(|f| nameless(says(f))));
}

#[test]
fn one_statement_that_holds_is_enough() {
    let facts = by_key(|f| {
        let all = inside(&mut f.provenance);
        let mut bad = all[0].clone();
        bad.says.as_mut().unwrap().sources[0].commit = Some(other_commit());
        let junk = Attested { state: SignatureState::NotOurs { hint: None }, ..bad.clone() };
        all.splice(0..0, [bad, junk]);
    });
    passed_under(&strict_policy(), &facts);
    // SR-12: two halves are no whole.
    let halves = by_key(|f| {
        let good = held(f).clone();
        let mut other_story = good.clone();
        other_story.says.as_mut().unwrap().job = Some(JobId(1));
        let other_signer = attested(SignedBy::Key(SignerName("laptop".into())));
        f.provenance = Looked::Found(vec![other_signer, other_story]);
    });
    refused(&halves, "CS-PIPELINE", "job #1");
}

#[test]
fn an_outage_could_not_check_what_policy_asks_about() {
    type Take = fn(&mut Facts);
    let gone: [(&str, Take, &[Check]); 6] = [
        ("provenance", |f| f.provenance = Looked::Unreachable(down(Service::Registry)), &[Check::Provenance, Check::BaseImage]),
        (
            "gitlab_provenance and nothing else",
            |f| (f.provenance, f.gitlab_provenance) = (Looked::Absent, Looked::Unreachable(down(Service::Gitlab))),
            &[Check::Provenance, Check::BaseImage],
        ),
        ("previous_base", |f| f.previous_base = Looked::Unreachable(down(Service::Store)), &[Check::BaseImage]),
        (
            "base_image",
            |f| {
                says(f).images.clear();
                f.base_image = Looked::Unreachable(down(Service::Registry));
            },
            &[Check::BaseImage],
        ),
        (
            "jobs",
            |f| f.jobs = Looked::Unreachable(down(Service::Gitlab)),
            &[Check::Pipeline, Check::ReleaseJob, Check::Provenance, Check::BaseImage, Check::Runner],
        ),
        ("project", |f| f.project = Looked::Unreachable(down(Service::Gitlab)), &[Check::Pipeline, Check::Provenance, Check::BaseImage]),
    ];
    for (name, take, checks) in gone {
        let verdict = judge(&by_key(take), &strict_policy());
        let stopped: Vec<_> = verdict.findings.iter().filter(|f| stops(f.outcome)).map(|f| f.check).collect();
        assert_eq!((verdict.outcome, stopped.as_slice()), (Outcome::CouldNotCheck, checks), "{name}: {:#?}", verdict.findings);
    }
    // One that holds beside the image needs no word of GitLab's attestations.
    passed_under(&strict_policy(), &by_key(|f| f.gitlab_provenance = Looked::Unreachable(down(Service::Gitlab))));
    // Warned softens absence, never an outage.
    let policy = Policy { provenance: Demand::Warned, ..good_policy() };
    let facts = by_key(|f| f.provenance = Looked::Unreachable(down(Service::Registry)));
    check_under(&policy, &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", &[Check::Provenance]);
    passed_under(&good_policy(), &facts);
    let lost = keyless(|f| {
        let mut look = f.signing_jobs[0].clone();
        look.run_invocation_uri = format!("{RUN}1");
        look.job = Looked::Unreachable(down(Service::Gitlab));
        f.signing_jobs.push(look);
        identity_of(f).run_invocation_uri = Some(format!("{RUN}1"));
    });
    check_under(&policy, &lost, Outcome::CouldNotCheck, "CS-UNAVAILABLE", &[Check::Provenance]);
}

/// With a key and no digest file, provenance ties the image to its commit.
#[test]
fn provenance_names_the_commit_where_the_digest_file_does_not() {
    let facts = by_key(|f| f.question.image.digest_file = None);
    let verdict = passed_under(&strict_policy(), &facts);
    assert_eq!(
        said(&verdict, Check::Commit),
        (CheckOutcome::Passed, commit().as_str(), format!("{} by its provenance", commit()).as_str())
    );
}

fn annotated(digest: crate::model::Digest) -> Looked<BaseImage> {
    Looked::Found(BaseImage { name: Some("debian:12-slim".into()), digest, told_by: BaseToldBy::Annotation })
}

#[test]
fn the_base_image_is_told_by_provenance_else_by_annotation_else_by_nobody() {
    let told = |facts: &Facts| passed_under(&good_policy(), facts).subject.base_image.map(|seen| (seen.base.digest, seen.base.told_by));
    assert_eq!(told(&attested_facts()), Some((base_digest(), BaseToldBy::Provenance)));
    assert_eq!(told(&by_key(|f| f.base_image = annotated(other_digest()))), Some((base_digest(), BaseToldBy::Provenance)));
    let unsigned = |f: &mut Facts| held(f).state = SignatureState::NotOurs { hint: None };
    assert_eq!(told(&by_key(unsigned)), None, "what does not hold tells nothing");
    let both = by_key(|f| {
        unsigned(f);
        f.base_image = annotated(image_digest());
    });
    assert_eq!(told(&both), Some((image_digest(), BaseToldBy::Annotation)));
    // Several images: no guess.
    let several = |f: &mut Facts| says(f).images.push(ImageUsed { name: Some("golang:1.24".into()), digest: other_digest() });
    assert_eq!(told(&by_key(several)), None);
    let picked = by_key(|f| {
        several(f);
        f.base_image = annotated(other_digest());
    });
    assert_eq!(told(&picked), Some((other_digest(), BaseToldBy::Provenance)));
}

#[test]
fn an_unknown_base_is_what_policy_makes_of_it() {
    let facts = by_key(|f| says(f).images.clear());
    let unchanged_off = Policy { base_unchanged: Demand::Off, ..strict_policy() };
    check_under(&unchanged_off, &facts, Outcome::Blocked, "CS-BASE-UNKNOWN", &[Check::BaseImage]);
    // What is not on record cannot be seen to be unchanged.
    let known_off = Policy { base_image: Demand::Off, ..strict_policy() };
    check_under(&known_off, &facts, Outcome::Blocked, "CS-BASE-UNKNOWN", &[Check::BaseImage]);
    let warned = Policy { base_image: Demand::Warned, ..unchanged_off.clone() };
    assert_eq!(said(&passed_under(&warned, &facts), Check::BaseImage).0, CheckOutcome::Warned);
    let off = Policy { base_image: Demand::Off, ..unchanged_off };
    assert_eq!(said(&passed_under(&off, &facts), Check::BaseImage).0, CheckOutcome::NotApplicable);
}

#[test]
fn a_moved_base_is_shown_warned_or_blocked() {
    let facts = by_key(|f| says(f).images[0].digest = other_digest());
    let verdict = check_under(&strict_policy(), &facts, Outcome::Blocked, "CS-BASE-CHANGED", &[Check::BaseImage]);
    assert_eq!(
        verdict.problem,
        Some(Problem::BaseChanged { name: "debian:12-slim".into(), old: base_digest(), new: other_digest(), since: "v1.8.1".into() })
    );
    for (demand, outcome) in [(Demand::Warned, CheckOutcome::Warned), (Demand::Off, CheckOutcome::Passed)] {
        let verdict = passed_under(&Policy { base_unchanged: demand, ..strict_policy() }, &facts);
        assert_eq!(said(&verdict, Check::BaseImage).0, outcome);
        assert_eq!(verdict.subject.base_image.unwrap().changed_since().map(|p| p.release.as_str()), Some("v1.8.1"));
    }
    // No release before: nothing to compare with.
    passed_under(&strict_policy(), &by_key(|f| f.previous_base = Looked::Absent));
}

#[test]
fn only_listed_runners_release() {
    let on = |runners: &[TrustedRunner]| Policy { runners: Some(runners.to_vec()), ..good_policy() };
    let description = |text: &str| TrustedRunner::Description(text.into());
    passed_under(&on(&[TrustedRunner::Id(RunnerId(2))]), &good_facts());
    passed_under(&on(&[description("other"), description("release-02")]), &good_facts());
    for wrong in [
        vec![],
        vec![TrustedRunner::Id(RunnerId(3))],
        vec![description("release-0")],
        vec![description("RELEASE-02")],
        vec![description("2")],
    ] {
        check_under(&on(&wrong), &good_facts(), Outcome::Blocked, "CS-RUNNER", &[Check::Runner]);
    }
    // A runner that is called like an id is not that id.
    let facts = with(|f| {
        for job in inside(&mut f.jobs) {
            let runner = job.runner.as_mut().unwrap();
            (runner.id, runner.description) = (RunnerId(66), "#2".into());
        }
    });
    check_under(&on(&[TrustedRunner::parse("#2").unwrap()]), &facts, Outcome::Blocked, "CS-RUNNER", &[Check::Runner]);
    assert_eq!((TrustedRunner::parse(""), TrustedRunner::parse("#"), TrustedRunner::parse("#x")), (None, None, None));
}

/// Attempt #21, on any runner, signed; attempt #31 is the newest, and ran on a listed one. Both must be on the list.
#[test]
fn the_attempt_that_signed_ran_on_a_listed_runner_too() {
    let policy = Policy { runners: Some(vec![TrustedRunner::Id(RunnerId(2))]), ..good_policy() };
    let other = crate::model::gitlab::Runner { id: RunnerId(66), description: "laptop".into(), runner_type: "project_type".into() };
    let facts = |signed_elsewhere: bool, newest_elsewhere: bool| {
        keyless_with(|f| {
            let mut newest = job(31, "release_image");
            if newest_elsewhere {
                newest.runner = Some(other.clone());
            }
            inside(&mut f.jobs).push(newest);
            if signed_elsewhere {
                inside(&mut f.signing_jobs[0].job).runner = Some(other.clone());
            }
        })
    };
    passed_under(&policy, &facts(false, false));
    for (signed, newest, found) in [(true, false, "laptop (#66), job #21"), (false, true, "laptop (#66), job #31")] {
        let verdict = check_under(&policy, &facts(signed, newest), Outcome::Blocked, "CS-RUNNER", &[Check::Runner]);
        assert_eq!(said(&verdict, Check::Runner).2, found);
    }
    // The same digest signed by both: the good one is enough, wherever it stands.
    for good_first in [true, false] {
        let both = keyless_with(|f| {
            let uri = format!("{RUN}0");
            let mut again = inside(&mut f.signatures)[0].clone();
            if let SignatureState::Verified(SignedBy::Keyless(identity)) = &mut again.state {
                identity.run_invocation_uri = Some(uri.clone());
            }
            inside(&mut f.signatures).push(again);
            let mut look = f.signing_jobs[0].clone();
            (look.run_invocation_uri, look.job) = (uri, Looked::Found(job(210, "release_image")));
            inside(&mut f.jobs).push(job(210, "release_image"));
            f.signing_jobs.push(look);
            inside(&mut f.signing_jobs[usize::from(good_first)].job).runner = Some(other.clone());
        });
        passed_under(&policy, &both);
    }
    // Success without a runner is on no list.
    let nowhere = keyless_with(|f| {
        inside(&mut f.jobs).push(job(31, "release_image"));
        inside(&mut f.signing_jobs[0].job).runner = None;
    });
    check_under(&policy, &nowhere, Outcome::Blocked, "CS-RUNNER", &[Check::Runner]);
}
