//! The pipeline exists, is this project's, ran this commit on this ref, and its jobs succeeded.
//!
//! The jobs are judged, never the pipeline's rolled-up word: external commit statuses are part of that word, ours among them, so a
//! verdict would feed on itself, and anyone with the right to post a status could make it say success. A job that may fail
//! (`allow_failure`) counts neither way, and one that waits for a person or was skipped was not part of the run.
//!
//! The manual jobs that promotions start (`play-job`) are left aside too: they deploy what the others built. Made by `rules:` they may not
//! fail, and one that failed would otherwise keep its release, and a way back to it, from ever being deployed again. A job that
//! releases an image is never left aside.
//!
//! A deploy job of the same pipeline may ask ([`Question::asking_job`]): the pipeline cannot have ended while it waits for the answer.
//! It is left aside, if GitLab lists it in this very pipeline, running, and not as the release job; and so is a job that cannot have
//! been meant to run before it: see [`waits_for`]. Whatever failed still blocks, and so does whatever else still runs.
//!
//! [`Question::asking_job`]: crate::verdict::Question::asking_job

use super::{could_not_check, pipeline_problem};
use crate::model::gitlab::{CiStatus, Job, JobId, Pipeline};
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
    let deploys = |job: &Job| facts.question.project.only_deploys(&job.name);
    let required: Vec<&Job> = jobs.iter().filter(|job| !job.allow_failure && !deploys(job)).collect();
    let asker = facts.question.asking_job.and_then(|asker| asker.within(pipeline.id));
    let asking = match asker.map(|id| asking(facts, jobs, id).ok_or(id)) {
        Some(Ok(job)) => Some(job),
        Some(Err(id)) => {
            let found = format!("job #{id} is none that runs in #{}", pipeline.id);
            let problem = pipeline_problem(facts, PipelineFault::NotAsking { job: id });
            return Finding::blocked(CHECK, "the asking job runs in the release pipeline", found, problem);
        }
        None => None,
    };
    let of = |standing: Standing| required.iter().filter(move |job| stands(job.status) == standing);
    let failed: Vec<_> = of(Standing::Failed).map(|job| job.name.clone()).collect();
    if !failed.is_empty() {
        let found = format!("#{}: {} did not succeed", pipeline.id, failed.join(", "));
        return Finding::blocked(CHECK, EXPECTED, found, pipeline_problem(facts, PipelineFault::JobsFailed { jobs: failed }));
    }
    let excused = |job: &Job| asking.is_some_and(|asking| job.id == asking.id || waits_for(job, asking, &required));
    if let Some(open) = of(Standing::Open).find(|job| !excused(job)) {
        let fault = PipelineFault::NotEnded { status: open.status.word().into() };
        let found = format!("#{}: {} is {}", pipeline.id, open.name, open.status.word());
        return Finding::blocked(CHECK, EXPECTED, found, pipeline_problem(facts, fault));
    }
    let succeeded = jobs.iter().filter(|job| job.status == CiStatus::Success).count();
    if !jobs.iter().any(|job| job.status == CiStatus::Success && !deploys(job)) {
        let fault = PipelineFault::NoReleaseJob { job: facts.question.image.release_job.clone() };
        return Finding::blocked(CHECK, EXPECTED, format!("#{}: no job ran", pipeline.id), pipeline_problem(facts, fault));
    }
    let still = asking.map_or(String::new(), |asking| format!("; {} #{} asks", asking.name, asking.id));
    let aside: String = jobs
        .iter()
        .filter(|job| deploys(job) && stands(job.status) == Standing::Failed)
        .map(|job| format!("; {} deploys, and is {}", job.name, job.status.word()))
        .collect();
    Finding::passed(CHECK, EXPECTED, format!("#{}: {succeeded} of {} jobs succeeded{aside}{still}", pipeline.id, jobs.len()))
}

/// The job that asks, if GitLab bears it out. The release job cannot ask: its own end is what the answer hangs on.
fn asking<'a>(facts: &Facts, jobs: &'a [Job], id: JobId) -> Option<&'a Job> {
    let wanted = &facts.question.image.release_job;
    jobs.iter().find(|job| job.id == id && job.status == CiStatus::Running && job.name != *wanted)
}

/// Whether a job waits for the one that asks, directly or through others.
///
/// Only one that GitLab has not queued yet (`created`) can: it waits for jobs before it. Those that failed or still run block by
/// themselves, so what is left to wait for is the asking job, or a job that waits for a person. Where there is one of these, a job
/// that was made before the asking one may wait for that person and belong before the deployment; GitLab makes the jobs of a
/// pipeline in the order of its stages.
fn waits_for(job: &Job, asking: &Job, required: &[&Job]) -> bool {
    let on_a_person = required.iter().any(|job| job.status == CiStatus::Manual);
    job.status == CiStatus::Created && (job.id > asking.id || !on_a_person)
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
