//! `play-job`: starts the manual job of a pipeline, with the image as its variable or input
//! ([GitLab, run a job](https://docs.gitlab.com/api/jobs/#run-a-job)).

use gitlab::api::projects::pipelines::PipelineJobs;
use serde::Deserialize;
use serde_json::json;

use super::ci::{Given, Step, demand_inputs};
use crate::effects::NotDone;
use crate::effects::hands::Author;
use crate::gitlab_client::{CallError, endpoints};
use crate::model::Timestamp;
use crate::model::environment::Carrier;
use crate::model::gitlab::{CiStatus, JobId, PipelineId, UserId};
use crate::model::promotion::Left;

/// The first GitLab whose jobs take inputs ([job inputs](https://docs.gitlab.com/ci/jobs/job_inputs/)).
const INPUTS_SINCE: (u64, u64) = (18, 10);

/// Runs a job again with other variables. The REST API has no place for them: it repeats those of the run before
/// ([GitLab #427662](https://gitlab.com/gitlab-org/gitlab/-/issues/427662)).
const RETRY: &str = "mutation($id: CiProcessableID!, $variables: [CiVariableInput!]) { \
    jobRetry(input: {id: $id, variables: $variables}) { job { id } errors } }";

/// The job that is started.
#[derive(Clone, Copy)]
pub struct Which<'a> {
    pub pipeline: PipelineId,
    pub job: &'a str,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: JobId,
    name: String,
    status: CiStatus,
    user: Option<Author>,
    pipeline: OfPipeline,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct OfPipeline {
    id: PipelineId,
}

/// What can be done with a job as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It waits for somebody to start it.
    Waits,
    /// It was started, and has not ended.
    Runs,
    /// It ended, and can run again.
    Ended,
    /// Neither now nor by us.
    Stuck,
}

/// Starts the newest attempt of the job, or a new attempt where that one has ended. What an earlier run of this step may have started
/// is taken over. GitLab's own answer tells that it is ours and under way.
pub async fn play(step: &Step<'_>, which: Which<'_>, given: Given<'_>) -> Result<Left, NotDone> {
    step.demand_clearance(&given)?;
    let job = newest(step, which).await?;
    let me = step.hand.me().await?;
    if job.is_ours(step, me) {
        return Ok(Left::Job { id: job.id });
    }
    step.pulse.demand()?;
    let started = match job.stand() {
        Stand::Waits => start(step, &job, given).await?,
        Stand::Ended => again(step, &job, given).await?,
        Stand::Runs => {
            return Err(never(which, "runs already, and this promotion did not start it; wait for its end and ask again"));
        }
        Stand::Stuck => {
            let word = job.status.word();
            return Err(never(which, &format!("is {word}, so it cannot be started; let the stages before it pass and ask again")));
        }
    };
    let ours =
        started.name == which.job && started.pipeline.id == which.pipeline && started.user.as_ref().is_some_and(|user| user.id == me);
    match started.stand() {
        // A quick one may have ended already.
        Stand::Runs | Stand::Ended if ours => Ok(Left::Job { id: started.id }),
        Stand::Runs | Stand::Ended => Err(never(which, "was started, but GitLab shows it as another's; look at the pipeline")),
        Stand::Waits | Stand::Stuck => Err(NotDone::Later(format!("the job `{}` was started, and GitLab does not show it yet", which.job))),
    }
}

/// The newest attempt.
async fn newest(step: &Step<'_>, which: Which<'_>) -> Result<Job, NotDone> {
    let project = step.place.project.id;
    let endpoint = PipelineJobs::builder().project(project.0).pipeline(which.pipeline.0).include_retried(false).build();
    let jobs: Vec<Job> = match step.hand.client.all(endpoint).await {
        Err(CallError::NotFound) => return Err(NotDone::Never(format!("pipeline #{} is gone; nothing was started", which.pipeline))),
        jobs => jobs?,
    };
    let named = jobs.into_iter().filter(|job| job.name == which.job && job.pipeline.id == which.pipeline);
    named.max_by_key(|job| job.id).ok_or_else(|| never(which, "does not exist; name a manual job of the release pipeline"))
}

impl Job {
    fn stand(&self) -> Stand {
        match self.status {
            CiStatus::Manual | CiStatus::Scheduled => Stand::Waits,
            CiStatus::Pending
            | CiStatus::Running
            | CiStatus::Preparing
            | CiStatus::WaitingForResource
            | CiStatus::WaitingForCallback
            | CiStatus::Canceling => Stand::Runs,
            CiStatus::Success | CiStatus::Failed | CiStatus::Canceled => Stand::Ended,
            CiStatus::Created | CiStatus::Skipped | CiStatus::Unknown => Stand::Stuck,
        }
    }

    /// Whether an earlier run of this step started it. GitLab tells no time of the start itself: a second run is a new job, a first one
    /// begins to run afterwards, and while it waits for a runner it is enough that we are the one who started it.
    fn is_ours(&self, step: &Step<'_>, me: UserId) -> bool {
        let by_us = step.began_before.is_some() && self.user.as_ref().is_some_and(|user| user.id == me);
        by_us
            && match (self.stand(), self.started_at.or(self.finished_at)) {
                (Stand::Waits, _) => false,
                (Stand::Runs, None) => true,
                (Stand::Runs | Stand::Ended, Some(at)) => step.since_begun(at),
                // A second run that is being made.
                (Stand::Ended | Stand::Stuck, None) | (Stand::Stuck, Some(_)) => step.since_begun(self.created_at),
            }
    }
}

async fn start(step: &Step<'_>, job: &Job, given: Given<'_>) -> Result<Job, NotDone> {
    let body = match given.carrier {
        Carrier::Variables => json!({"job_variables_attributes": given.variables()}),
        Carrier::Inputs => {
            demand_inputs(step.hand, INPUTS_SINCE, "a job").await?;
            json!({"job_inputs": given.inputs()})
        }
    };
    let played = step.hand.client.one(endpoints::play_job(step.place.project.id, job.id, body)).await;
    played.map_err(|error| refused(job, error, given.carrier))
}

/// A new attempt, with our values: those of the attempt before may be of another promotion, or a person's.
async fn again(step: &Step<'_>, job: &Job, given: Given<'_>) -> Result<Job, NotDone> {
    let project = step.place.project.id;
    match given.carrier {
        Carrier::Inputs => {
            demand_inputs(step.hand, INPUTS_SINCE, "a job").await?;
            let retried = step.hand.client.one(endpoints::retry_job(project, job.id, json!({"job_inputs": given.inputs()}))).await;
            retried.map_err(|error| refused(job, error, given.carrier))
        }
        Carrier::Variables => {
            let variables = json!({"id": format!("gid://gitlab/Ci::Build/{}", job.id), "variables": given.variables()});
            let retried = step.hand.client.graphql(RETRY, variables).await;
            let id = retried.and_then(Retried::id).map_err(|error| refused(job, error, given.carrier))?;
            let endpoint = gitlab::api::projects::jobs::Job::builder().project(project.0).job(id.0).build();
            Ok(step.hand.client.one(endpoint).await?)
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retried {
    job_retry: Option<JobRetry>,
}

#[derive(Deserialize)]
struct JobRetry {
    job: Option<Global>,
    errors: Vec<String>,
}

/// `gid://gitlab/Ci::Build/21`
#[derive(Deserialize)]
struct Global {
    id: String,
}

impl Retried {
    fn id(self) -> Result<JobId, CallError> {
        let odd = || CallError::Unreadable("a second run without a job".into());
        let JobRetry { job, errors } = self.job_retry.ok_or_else(odd)?;
        if let Some(error) = errors.into_iter().next() {
            return Err(CallError::Rejected { status: 200, message: error.chars().take(120).collect() });
        }
        let id = job.ok_or_else(odd)?.id;
        id.rsplit('/').next().and_then(|number| number.parse().ok()).map(JobId).ok_or_else(odd)
    }
}

fn never(which: Which<'_>, what: &str) -> NotDone {
    NotDone::Never(format!("the job `{}` of pipeline #{} {what}", which.job, which.pipeline))
}

/// GitLab's refusal, with what to do about it.
fn refused(job: &Job, error: CallError, carrier: Carrier) -> NotDone {
    let which = Which { pipeline: job.pipeline.id, job: &job.name };
    let variables = match carrier {
        Carrier::Variables => ", and that the project lets the bot's role set pipeline variables (or use inputs)",
        Carrier::Inputs => "",
    };
    match error {
        CallError::Refused(403) => never(
            which,
            &format!(
                "may not be started by the bot (403); check that the bot may run jobs on this ref, that a protected environment lets it \
                 deploy{variables}"
            ),
        ),
        CallError::Rejected { status: 400, message } if message.contains("Unplayable") => {
            never(which, "cannot be started any more; somebody else may have started it, so look at the pipeline and ask again")
        }
        CallError::Rejected { status, message } => never(which, &format!("was refused by GitLab ({status}: {message})")),
        CallError::NotFound => never(which, "is gone; nothing was started"),
        error @ (CallError::Refused(_)
        | CallError::Hidden
        | CallError::Limited { .. }
        | CallError::Down { .. }
        | CallError::TooLarge(_)
        | CallError::Unreadable(_)) => error.into(),
    }
}
