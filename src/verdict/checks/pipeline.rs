//! The pipeline exists, is this project's, ran this commit on this ref, and its jobs succeeded.
//!
//! The jobs are judged, never the pipeline's rolled-up word: external commit statuses are part of that word, ours among them, so a
//! verdict would feed on itself, and anyone with the right to post a status could make it say success. A job that may fail
//! (`allow_failure`) counts neither way, and one that waits for a person or was skipped was not part of the run.

use super::{could_not_check, pipeline_problem};
use crate::model::gitlab::{CiStatus, Job, Pipeline};
use crate::verdict::{About, Check, Facts, Finding, Looked, PipelineFault, Policy, Problem};

const CHECK: Check = Check::Pipeline;

pub fn check(facts: &Facts, _policy: &Policy) -> Finding {
    match &facts.pipeline {
        Looked::Found(pipeline) => {
            belongs(facts, pipeline).or_else(|| ran_the_commit(facts, pipeline)).unwrap_or_else(|| jobs(facts, pipeline))
        }
        Looked::Absent => Finding::blocked(CHECK, "a pipeline", "none", pipeline_problem(facts, PipelineFault::Missing)),
        Looked::Unreachable(why) => could_not_check(CHECK, "a pipeline", facts, why),
    }
}

/// Whether it is this project's pipeline, on the ref or of the number that was asked about; `None` if it is.
fn belongs(facts: &Facts, pipeline: &Pipeline) -> Option<Finding> {
    let path = facts.question.project.path.to_string();
    let found = format!("pipeline #{} of project {}", pipeline.id, pipeline.project);
    match &facts.project {
        Looked::Found(project) if project.key.id == pipeline.project => {}
        Looked::Found(_) => {
            let problem = Problem::Project { found: format!("id {}", pipeline.project), expected: path.clone() };
            return Some(Finding::blocked(CHECK, path, found, problem));
        }
        Looked::Absent => {
            let problem = Problem::Project { found: "none that GitLab shows".into(), expected: path.clone() };
            return Some(Finding::blocked(CHECK, path, "no such project", problem));
        }
        Looked::Unreachable(why) => return Some(could_not_check(CHECK, path, facts, why)),
    }
    let missing = || Problem::Pipeline { pipeline: None, fault: PipelineFault::Missing, tag: facts.release().map(str::to_owned) };
    let expected_ref = facts.git_ref()?;
    if pipeline.git_ref != expected_ref {
        return Some(Finding::blocked(CHECK, expected_ref.full(), format!("#{} on {}", pipeline.id, pipeline.git_ref.full()), missing()));
    }
    match facts.question.about {
        About::Pipeline { id } if id != pipeline.id => {
            Some(Finding::blocked(CHECK, format!("#{id}"), format!("#{}", pipeline.id), missing()))
        }
        About::Pipeline { .. } | About::Release { .. } | About::Image { .. } => None,
    }
}

fn ran_the_commit(facts: &Facts, pipeline: &Pipeline) -> Option<Finding> {
    match facts.expected_commit() {
        Looked::Found(expected) if pipeline.sha == *expected => None,
        Looked::Found(expected) => {
            let fault = PipelineFault::OtherCommit { found: pipeline.sha.clone(), expected: expected.clone() };
            Some(Finding::blocked(CHECK, expected.as_str(), pipeline.sha.as_str(), pipeline_problem(facts, fault)))
        }
        Looked::Absent => Some(Finding::blocked(CHECK, "a commit", "none", super::commit::no_commit(facts))),
        Looked::Unreachable(why) => Some(could_not_check(CHECK, "a commit", facts, &why)),
    }
}

fn jobs(facts: &Facts, pipeline: &Pipeline) -> Finding {
    const EXPECTED: &str = "every required job succeeded";
    let jobs = match &facts.jobs {
        Looked::Found(jobs) => jobs.as_slice(),
        Looked::Absent => &[],
        Looked::Unreachable(why) => return could_not_check(CHECK, EXPECTED, facts, why),
    };
    let required: Vec<&Job> = jobs.iter().filter(|job| !job.allow_failure).collect();
    let of = |standing: Standing| required.iter().filter(move |job| stands(job.status) == standing);
    let failed: Vec<_> = of(Standing::Failed).map(|job| job.name.clone()).collect();
    if !failed.is_empty() {
        let found = format!("#{}: {} did not succeed", pipeline.id, failed.join(", "));
        return Finding::blocked(CHECK, EXPECTED, found, pipeline_problem(facts, PipelineFault::JobsFailed { jobs: failed }));
    }
    if let Some(open) = of(Standing::Open).next() {
        let fault = PipelineFault::NotEnded { status: open.status.word().into() };
        let found = format!("#{}: {} is {}", pipeline.id, open.name, open.status.word());
        return Finding::blocked(CHECK, EXPECTED, found, pipeline_problem(facts, fault));
    }
    let succeeded = jobs.iter().filter(|job| job.status == CiStatus::Success).count();
    if succeeded == 0 {
        let fault = PipelineFault::NoReleaseJob { job: facts.question.image.release_job.clone() };
        return Finding::blocked(CHECK, EXPECTED, format!("#{}: no job ran", pipeline.id), pipeline_problem(facts, fault));
    }
    Finding::passed(CHECK, EXPECTED, format!("#{}: {succeeded} of {} jobs succeeded", pipeline.id, jobs.len()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    Failed,
    Open,
}

fn stands(status: CiStatus) -> Standing {
    match status {
        CiStatus::Success | CiStatus::Manual | CiStatus::Skipped => Standing::Good,
        CiStatus::Failed | CiStatus::Canceled => Standing::Failed,
        CiStatus::Created
        | CiStatus::WaitingForResource
        | CiStatus::WaitingForCallback
        | CiStatus::Preparing
        | CiStatus::Pending
        | CiStatus::Running
        | CiStatus::Canceling
        | CiStatus::Scheduled
        | CiStatus::Unknown => Standing::Open,
    }
}
