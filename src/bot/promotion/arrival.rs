//! After the steps: whether what they started arrived.

use super::super::{Bot, Handled, Rule, Stopped, seen};
use super::Run;
use crate::facts::gitlab::Gitlab;
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
                Left::Pipeline { id } => pipeline(gitlab, project, *id).await?,
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
async fn pipeline(gitlab: &Gitlab, project: ProjectId, id: PipelineId) -> Result<Arrival, Stopped> {
    let Some(pipeline) = seen(gitlab.pipeline(project, id).await)? else {
        return Ok(Arrival::Failed(format!("the pipeline {id} is gone")));
    };
    Ok(of_status(pipeline.status, &format!("the pipeline {id}")))
}

async fn deployment(gitlab: &Gitlab, project: ProjectId, id: DeploymentId) -> Result<Arrival, Stopped> {
    let Some(deployment) = seen(gitlab.deployment(project, id).await)? else {
        return Ok(Arrival::Failed(format!("the deployment {id} is gone")));
    };
    Ok(match deployment.status.as_str() {
        "success" => Arrival::Arrived,
        "failed" | "canceled" | "skipped" => Arrival::Failed(format!("the deployment {id} ended as {}", deployment.status)),
        // `created`, `running`, `blocked`, and whatever GitLab will add: no success and no end.
        _ => Arrival::Runs(format!("the deployment {id} is {}", deployment.status)),
    })
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
