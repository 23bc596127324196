//! After the steps: whether what they started arrived.
//!
//! A pipeline that succeeded need not have deployed anything: a manual job that nobody started lets it succeed all the same. Where it
//! made deployments of the environment, they decide; else no manual job of it may wait, and it must not be the first that deploys
//! nothing there.

use super::super::{Bot, Handled, Rule, Stopped, seen};
use super::Run;
use crate::facts::gitlab::Gitlab;
use crate::model::EnvironmentName;
use crate::model::gitlab::{CiStatus, DeploymentId, JobId, PipelineId, ProjectId};
use crate::model::promotion::{Ending, Left};

/// Where one started thing stands.
enum Arrival {
    Arrived,
    /// What runs, for the log.
    Runs(String),
    /// What became of it, for people.
    Failed(String),
}

impl Bot {
    /// Looks at what the steps started. Its end brings a hook; this is tried again until then, and ends by itself when it takes too
    /// long.
    pub(super) async fn arrive(&self, rule: &Rule, run: &Run) -> Result<Handled, Stopped> {
        let standing = &run.standing;
        let (gitlab, project) = (self.gitlab(&standing.promotion.project.instance)?, standing.promotion.project.id);
        let mut runs = None;
        for (left, _) in standing.steps.iter().filter_map(|step| step.did.as_ref()) {
            let arrival = match left {
                Left::Job { id } => job(gitlab, project, *id).await?,
                Left::Pipeline { id } => pipeline(gitlab, project, &standing.promotion.environment.name, *id).await?,
                Left::Deployment { id } => deployment(gitlab, project, *id).await?,
                Left::Tagged { .. } | Left::Copied { .. } | Left::Attested { .. } => Arrival::Arrived,
            };
            match arrival {
                Arrival::Arrived => {}
                Arrival::Runs(what) => runs = runs.or(Some(what)),
                Arrival::Failed(reason) => {
                    return self.end(rule, run, Ending::NotConverged { reason }).await;
                }
            }
        }
        match runs {
            Some(what) => Ok(Handled::Waits(what)),
            None => self.end(rule, run, Ending::Promoted).await,
        }
    }
}

async fn job(gitlab: &Gitlab, project: ProjectId, id: JobId) -> Result<Arrival, Stopped> {
    let Some(job) = seen(gitlab.job(project, id).await)? else { return Ok(Arrival::Failed(format!("the job {id} is gone"))) };
    Ok(of_status(job.status, &format!("the job {} ({id})", job.name)))
}

/// A pipeline's own word counts here: it is the one that we started, and our commit status is written on release pipelines only.
async fn pipeline(gitlab: &Gitlab, project: ProjectId, environment: &EnvironmentName, id: PipelineId) -> Result<Arrival, Stopped> {
    let Some(pipeline) = seen(gitlab.pipeline(project, id).await)? else {
        return Ok(Arrival::Failed(format!("the pipeline {id} is gone")));
    };
    match of_status(pipeline.status, &format!("the pipeline {id}")) {
        Arrival::Arrived => deployed(gitlab, project, environment, id).await,
        open_or_failed @ (Arrival::Runs(_) | Arrival::Failed(_)) => Ok(open_or_failed),
    }
}

/// What a pipeline that succeeded did in the environment.
async fn deployed(gitlab: &Gitlab, project: ProjectId, environment: &EnvironmentName, id: PipelineId) -> Result<Arrival, Stopped> {
    let by_jobs = seen(gitlab.deployed_by_jobs(project, environment).await)?.unwrap_or_default();
    let ours: Vec<Arrival> = by_jobs
        .iter()
        .filter(|(of, _)| *of == id)
        .map(|(_, word)| of_deployment(word, &format!("the deployment by pipeline {id}")))
        .collect();
    if ours.iter().any(|arrival| matches!(arrival, Arrival::Arrived)) {
        return Ok(Arrival::Arrived);
    }
    let (open, failed): (Vec<_>, Vec<_>) = ours.into_iter().partition(|arrival| matches!(arrival, Arrival::Runs(_)));
    if let Some(ours) = open.into_iter().chain(failed).next() {
        return Ok(ours);
    }
    let jobs = seen(gitlab.jobs(project, id).await)?.unwrap_or_default();
    let manual: Vec<String> = jobs.into_iter().filter(|job| job.status == CiStatus::Manual).map(|job| job.name).collect();
    Ok(if !manual.is_empty() {
        Arrival::Runs(format!("the pipeline {id} waits for somebody to start {}", manual.join(", ")))
    } else if by_jobs.is_empty() {
        Arrival::Arrived
    } else {
        Arrival::Failed(format!("the pipeline {id} succeeded and deployed nothing to {environment}, where jobs of pipelines deploy"))
    })
}

async fn deployment(gitlab: &Gitlab, project: ProjectId, id: DeploymentId) -> Result<Arrival, Stopped> {
    let Some(deployment) = seen(gitlab.deployment(project, id).await)? else {
        return Ok(Arrival::Failed(format!("the deployment {id} is gone")));
    };
    Ok(of_deployment(&deployment.status, &format!("the deployment {id}")))
}

fn of_deployment(word: &str, what: &str) -> Arrival {
    match word {
        "success" => Arrival::Arrived,
        "failed" | "canceled" | "skipped" => Arrival::Failed(format!("{what} ended as {word}")),
        // `created`, `running`, `blocked`, and whatever GitLab will add: no success and no end.
        _ => Arrival::Runs(format!("{what} is {word}")),
    }
}

fn of_status(status: CiStatus, what: &str) -> Arrival {
    match status {
        CiStatus::Success => Arrival::Arrived,
        CiStatus::Failed | CiStatus::Canceled | CiStatus::Skipped => Arrival::Failed(format!("{what} ended as {}", status.word())),
        CiStatus::Created
        | CiStatus::WaitingForResource
        | CiStatus::WaitingForCallback
        | CiStatus::Preparing
        | CiStatus::Pending
        | CiStatus::Running
        | CiStatus::Canceling
        | CiStatus::Manual
        | CiStatus::Scheduled
        | CiStatus::Unknown => Arrival::Runs(format!("{what} is {}", status.word())),
    }
}
