//! Pipeline, protected ref, source, release job.

use super::*;
use crate::model::gitlab::{CiStatus, GitRef, JobId, PipelineId, ProjectId};
use crate::verdict::testing::{self, TAG, other_commit};
use crate::verdict::{About, AskingJob, PipelineFault};

fn fault(verdict: &Verdict) -> &PipelineFault {
    match &verdict.problem {
        Some(Problem::Pipeline { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn job(facts: &mut Facts, name: &str) -> usize {
    inside(&mut facts.jobs).iter().position(|job| job.name == name).unwrap()
}

fn with_job(name: &str, change: impl FnOnce(&mut Job)) -> Facts {
    with(|f| {
        let at = job(f, name);
        change(&mut inside(&mut f.jobs)[at]);
    })
}

#[test]
fn no_pipeline_blocks() {
    let facts = with(|f| {
        f.pipeline = Looked::Absent;
        f.jobs = Looked::Absent;
        f.ref_protected = Looked::Absent;
    });
    let verdict = judge(&facts, &good_policy());
    assert_eq!((verdict.outcome, fault(&verdict)), (Outcome::Blocked, &PipelineFault::Missing));
    for check in [Check::Pipeline, Check::ProtectedRef] {
        assert_eq!(said(&verdict, check).0, CheckOutcome::Blocked);
        assert_eq!(verdict.findings_of(check).next().unwrap().problem, verdict.problem);
    }
    assert_eq!(said(&verdict, Check::Source).0, CheckOutcome::NotApplicable);
}

#[test]
fn a_pipeline_of_another_commit_blocks() {
    let verdict = blocked(&keyless_with(|f| inside(&mut f.pipeline).sha = other_commit()), "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::OtherCommit { found: other_commit(), expected: testing::commit() });
}

#[test]
fn a_pipeline_of_another_project_blocks() {
    let facts = with(|f| inside(&mut f.pipeline).project = ProjectId(99));
    let verdict = blocked(&facts, "CS-PROJECT", &[Check::Pipeline]);
    assert_eq!(verdict.problem, Some(Problem::Project { found: "id 99".into(), expected: "shop/api".into() }));
}

#[test]
fn a_pipeline_on_another_ref_is_not_the_releases() {
    for git_ref in [GitRef::Branch("main".into()), GitRef::Branch(TAG.into()), GitRef::Tag("v1.8.1".into())] {
        let verdict = blocked(&with(|f| inside(&mut f.pipeline).git_ref = git_ref), "CS-PIPELINE", &[Check::Pipeline]);
        assert_eq!(fault(&verdict), &PipelineFault::Missing);
    }
}

#[test]
fn another_pipeline_than_the_one_asked_about_blocks() {
    let mut facts = testing::good_pipeline_facts();
    facts.question.about = About::Pipeline { id: PipelineId(5) };
    blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
}

/// The good pipeline's rolled-up word is `failed`; a `success` there helps as little.
#[test]
fn the_rolled_up_word_decides_nothing() {
    passed(&good_facts());
    let facts = with(|f| {
        inside(&mut f.pipeline).status = CiStatus::Success;
        inside(&mut f.jobs)[0].status = CiStatus::Failed;
    });
    let verdict = blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::JobsFailed { jobs: vec!["test".into()] });
}

#[test]
fn each_status_of_a_required_job_counts_as_it_should() {
    use CiStatus::*;
    for status in [Success, Manual, Skipped] {
        passed(&with_job("test", |job| job.status = status));
    }
    for status in [Failed, Canceled] {
        let verdict = blocked(&with_job("test", |job| job.status = status), "CS-PIPELINE", &[Check::Pipeline]);
        assert_eq!(fault(&verdict), &PipelineFault::JobsFailed { jobs: vec!["test".into()] });
    }
    for status in [Created, WaitingForResource, WaitingForCallback, Preparing, Pending, Running, Canceling, Scheduled, Unknown] {
        let verdict = blocked(&with_job("test", |job| job.status = status), "CS-PIPELINE", &[Check::Pipeline]);
        assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: status.word().into() });
    }
}

#[test]
fn a_job_that_may_fail_counts_neither_way() {
    passed(&with_job("test", |job| (job.status, job.allow_failure) = (CiStatus::Failed, true)));
    passed(&with_job("smoke", |job| job.status = CiStatus::Running));
}

#[test]
fn a_failed_job_is_the_reason_even_while_others_run() {
    let facts = with(|f| {
        inside(&mut f.jobs)[0].status = CiStatus::Running;
        let mut failed = testing::job(30, "lint");
        failed.status = CiStatus::Failed;
        inside(&mut f.jobs).push(failed);
    });
    let verdict = blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::JobsFailed { jobs: vec!["lint".into()] });
}

#[test]
fn a_pipeline_without_jobs_blocks() {
    for jobs in [Looked::Absent, Looked::Found(vec![])] {
        let verdict = blocked(&with(|f| f.jobs = jobs), "CS-PIPELINE", &[Check::Pipeline, Check::ReleaseJob]);
        assert_eq!(fault(&verdict), &PipelineFault::NoReleaseJob { job: "release_image".into() });
    }
}

#[test]
fn a_pipeline_in_which_nothing_ran_blocks() {
    let facts = with(|f| inside(&mut f.jobs).iter_mut().for_each(|job| job.status = CiStatus::Manual));
    blocked(&facts, "CS-PIPELINE", &[Check::Pipeline, Check::ReleaseJob]);
}

#[test]
fn an_unprotected_ref_blocks() {
    let verdict = blocked(&with(|f| f.ref_protected = Looked::Found(false)), "CS-REF-UNPROTECTED", &[Check::ProtectedRef]);
    assert_eq!(verdict.problem, Some(Problem::RefUnprotected { git_ref: "refs/tags/v1.8.2".into() }));
    blocked(&with(|f| f.ref_protected = Looked::Absent), "CS-REF-UNPROTECTED", &[Check::ProtectedRef]);
    blocked(&with(|f| inside(&mut f.git_tag).protected = false), "CS-REF-UNPROTECTED", &[Check::ProtectedRef]);
}

#[test]
fn one_no_to_protection_is_an_answer_whatever_the_other_look_brought() {
    for facts in [
        with(|f| (f.ref_protected, f.git_tag) = (Looked::Found(false), Looked::Unreachable(down(Service::Gitlab)))),
        with(|f| {
            f.ref_protected = Looked::Unreachable(down(Service::Gitlab));
            inside(&mut f.git_tag).protected = false;
        }),
    ] {
        assert_eq!(said(&judge(&facts, &good_policy()), Check::ProtectedRef).0, CheckOutcome::Blocked);
    }
}

#[test]
fn the_newest_attempt_of_the_release_job_counts() {
    for at in [0, 3] {
        let facts = with(|f| {
            let mut earlier = testing::job(19, "release_image");
            (earlier.status, earlier.allow_failure) = (CiStatus::Failed, true);
            inside(&mut f.jobs).insert(at, earlier);
        });
        passed(&facts);
    }
}

#[test]
fn an_unprotected_branch_pipeline_blocks_honestly() {
    let mut facts = testing::good_pipeline_facts();
    facts.ref_protected = Looked::Found(false);
    let verdict = blocked(&facts, "CS-REF-UNPROTECTED", &[Check::ProtectedRef]);
    assert_eq!(verdict.problem, Some(Problem::RefUnprotected { git_ref: "refs/heads/main".into() }));
}

#[test]
fn a_source_that_may_not_release_blocks() {
    passed(&with(|f| inside(&mut f.pipeline).source = "web".into()));
    for source in ["schedule", "", "pus", "push ", "Push", "pushed"] {
        let verdict = blocked(&with(|f| inside(&mut f.pipeline).source = source.into()), "CS-SOURCE", &[Check::Source]);
        assert_eq!(verdict.problem, Some(Problem::Source { pipeline: PipelineId(88213), source: source.into() }));
    }
}

#[test]
fn external_and_merge_request_pipelines_never_release_whatever_the_policy_says() {
    for source in ["external", "merge_request_event"] {
        let policy = Policy { sources: vec![source.into(), "push".into()], ..good_policy() };
        let facts = with(|f| inside(&mut f.pipeline).source = source.into());
        check_under(&policy, &facts, Outcome::Blocked, "CS-SOURCE", &[Check::Source]);
    }
}

#[test]
fn a_policy_that_names_no_source_lets_none_release() {
    let policy = Policy { sources: vec![], ..good_policy() };
    check_under(&policy, &good_facts(), Outcome::Blocked, "CS-SOURCE", &[Check::Source]);
}

#[test]
fn a_pipeline_without_the_release_job_blocks() {
    let verdict = blocked(&with_job("release_image", |job| job.name = "release_image_2".into()), "CS-PIPELINE", &[Check::ReleaseJob]);
    assert_eq!(fault(&verdict), &PipelineFault::NoReleaseJob { job: "release_image".into() });
}

#[test]
fn a_release_job_that_did_not_succeed_blocks_even_if_it_may_fail() {
    use CiStatus::*;
    let ended = PipelineFault::JobsFailed { jobs: vec!["release_image".into()] };
    for status in [Failed, Canceled, Skipped] {
        let facts = with_job("release_image", |job| (job.status, job.allow_failure) = (status, true));
        assert_eq!(fault(&blocked(&facts, "CS-PIPELINE", &[Check::ReleaseJob])), &ended);
    }
    for status in [Running, Manual, Pending] {
        let facts = with_job("release_image", |job| (job.status, job.allow_failure) = (status, true));
        let verdict = blocked(&facts, "CS-PIPELINE", &[Check::ReleaseJob]);
        assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: status.word().into() });
    }
}

#[test]
fn a_release_job_that_no_runner_took_blocks() {
    let verdict = blocked(&with_job("release_image", |job| job.runner = None), "CS-PIPELINE", &[Check::ReleaseJob]);
    assert_eq!(fault(&verdict), &PipelineFault::NoReleaseJob { job: "release_image".into() });
}

#[test]
fn a_project_that_gitlab_does_not_show_blocks() {
    let verdict = blocked(&with(|f| f.project = Looked::Absent), "CS-PROJECT", &[Check::Pipeline]);
    assert_eq!(verdict.problem, Some(Problem::Project { found: "none that GitLab shows".into(), expected: "shop/api".into() }));
}

/// The release pipeline while its deploy job, number 40, asks; the jobs given are there as well.
fn asked_by_a_job(others: &[(u64, &str, CiStatus)]) -> Facts {
    with(|f| {
        f.question.asking_job = Some(AskingJob::Said(JobId(40)));
        for (id, name, status) in [(40, "deploy", CiStatus::Running)].iter().chain(others) {
            inside(&mut f.jobs).push(Job { status: *status, ..testing::job(*id, name) });
        }
    })
}

#[test]
fn a_deploy_job_of_the_release_pipeline_may_ask_while_it_runs() {
    let verdict = passed(&asked_by_a_job(&[]));
    assert!(said(&verdict, Check::Pipeline).2.ends_with("; deploy #40 asks"), "{:?}", said(&verdict, Check::Pipeline));
    let mut facts = asked_by_a_job(&[]);
    facts.question.asking_job = None;
    let verdict = blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: "running".into() });
}

/// Every job has an ID token; a job of another pipeline is no reason to block what passes for everybody else.
#[test]
fn a_proven_job_asks_within_its_own_pipeline_only() {
    let proven = |job: u64, pipeline: PipelineId| Some(AskingJob::Proven { job: JobId(job), pipeline });
    let mut facts = asked_by_a_job(&[]);
    let own = facts.pipeline.found().unwrap().id;
    facts.question.asking_job = proven(40, own);
    passed(&facts);
    facts.question.asking_job = proven(40, PipelineId(own.0 + 1));
    let verdict = blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: "running".into() });
    passed(&with(|f| f.question.asking_job = proven(99, PipelineId(own.0 + 1))));
    facts.question.asking_job = proven(21, own);
    let verdict = blocked(&facts, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::NotAsking { job: JobId(21) });
    // In the ledger a job that somebody names has always been its number.
    for (text, asker) in [("40", AskingJob::Said(JobId(40))), (r#"{"job":40,"pipeline":7}"#, proven(40, PipelineId(7)).unwrap())] {
        assert_eq!((serde_json::from_str::<AskingJob>(text).unwrap(), serde_json::to_string(&asker).unwrap()), (asker, text.into()));
    }
}

#[test]
fn only_a_running_job_of_the_release_pipeline_may_ask_and_never_the_release_job() {
    let refused = |facts: &Facts, checks: &[Check]| {
        let verdict = blocked(facts, "CS-PIPELINE", checks);
        assert_eq!(fault(&verdict), &PipelineFault::NotAsking { job: facts.question.asking_job.unwrap().within(PipelineId(0)).unwrap() });
    };
    // Number 21 is the release job, and 41 is in another pipeline, if anywhere.
    for id in [20, 21, 22, 41] {
        let mut facts = asked_by_a_job(&[]);
        facts.question.asking_job = Some(AskingJob::Said(JobId(id)));
        refused(&facts, &[Check::Pipeline]);
    }
    for status in [CiStatus::Success, CiStatus::Pending, CiStatus::Manual, CiStatus::Canceling] {
        let mut facts = asked_by_a_job(&[]);
        inside(&mut facts.jobs).iter_mut().filter(|job| job.id == JobId(40)).for_each(|job| job.status = status);
        refused(&facts, &[Check::Pipeline]);
    }
    let mut facts = with(|f| f.question.asking_job = Some(AskingJob::Said(JobId(21))));
    inside(&mut facts.jobs)[1].status = CiStatus::Running;
    refused(&facts, &[Check::Pipeline, Check::ReleaseJob]);
    facts.jobs = Looked::Absent;
    refused(&facts, &[Check::Pipeline, Check::ReleaseJob]);
}

#[test]
fn an_asking_job_excuses_only_what_waits_for_it() {
    use CiStatus::*;
    passed(&asked_by_a_job(&[(41, "notify", Created), (39, "clean-up", Created)]));
    passed(&asked_by_a_job(&[(41, "notify", Created), (38, "approve", Manual)]));
    for status in [WaitingForResource, WaitingForCallback, Preparing, Pending, Running, Canceling, Scheduled, Unknown] {
        let verdict = blocked(&asked_by_a_job(&[(41, "smoke-test", status)]), "CS-PIPELINE", &[Check::Pipeline]);
        assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: status.word().into() });
    }
    // A scan before the deployment, in line behind an approval that nobody gave: `needs` let the deploy job start without it.
    let verdict = blocked(&asked_by_a_job(&[(37, "approve", Manual), (38, "scan", Created)]), "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::NotEnded { status: "created".into() });
    for status in [Failed, Canceled] {
        let verdict = blocked(&asked_by_a_job(&[(39, "scan", status)]), "CS-PIPELINE", &[Check::Pipeline]);
        assert_eq!(fault(&verdict), &PipelineFault::JobsFailed { jobs: vec!["scan".into()] });
    }
}

#[test]
fn an_asking_job_that_may_fail_may_ask_too_and_alone_makes_no_pipeline() {
    let mut facts = asked_by_a_job(&[]);
    inside(&mut facts.jobs).iter_mut().filter(|job| job.id == JobId(40)).for_each(|job| job.allow_failure = true);
    passed(&facts);
    inside(&mut facts.jobs).retain(|job| job.id == JobId(40));
    blocked(&facts, "CS-PIPELINE", &[Check::Pipeline, Check::ReleaseJob]);
}

#[test]
fn a_deploy_job_that_promotions_start_builds_nothing_and_locks_nothing_out() {
    let beside = |status: CiStatus| {
        with(|f| {
            f.question.project.deploy_jobs = vec!["deploy".into(), "release_image".into()];
            inside(&mut f.jobs).push(Job { status, ..testing::job(40, "deploy") });
        })
    };
    for status in [CiStatus::Failed, CiStatus::Canceled] {
        let verdict = passed(&beside(status));
        let found = said(&verdict, Check::Pipeline).2;
        assert!(found.ends_with(&format!("; deploy deploys, and is {}", status.word())), "{found}");
    }
    passed(&beside(CiStatus::Running));
    // Unless it is named by a promotion, and never where it is the one that releases.
    let mut other = beside(CiStatus::Failed);
    other.question.project.deploy_jobs = vec!["deploy_staging".into()];
    let verdict = blocked(&other, "CS-PIPELINE", &[Check::Pipeline]);
    assert_eq!(fault(&verdict), &PipelineFault::JobsFailed { jobs: vec!["deploy".into()] });
    let mut release = beside(CiStatus::Success);
    inside(&mut release.jobs).iter_mut().filter(|job| job.name == "release_image").for_each(|job| job.status = CiStatus::Failed);
    blocked(&release, "CS-PIPELINE", &[Check::Pipeline, Check::ReleaseJob]);
    // Alone it makes no pipeline.
    let mut alone = beside(CiStatus::Success);
    inside(&mut alone.jobs).retain(|job| job.name == "deploy");
    blocked(&alone, "CS-PIPELINE", &[Check::Pipeline, Check::ReleaseJob]);
}
