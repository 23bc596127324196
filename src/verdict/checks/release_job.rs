//! The pipeline holds the release job, a runner took it, and it succeeded, even where the project lets it fail.

use super::{could_not_check, pipeline_problem};
use crate::model::gitlab::CiStatus;
use crate::verdict::{Check, Facts, Finding, Looked, PipelineFault, Policy};

const CHECK: Check = Check::ReleaseJob;

pub fn check(facts: &Facts, _policy: &Policy) -> Finding {
    let wanted = &facts.question.image.release_job;
    let missing = || pipeline_problem(facts, PipelineFault::NoReleaseJob { job: wanted.clone() });
    if let Looked::Unreachable(why) = &facts.jobs {
        return could_not_check(CHECK, wanted, facts, why);
    }
    let Some(job) = facts.release_job() else {
        return Finding::blocked(CHECK, wanted, "no such job", missing());
    };
    let found = format!("{} #{}: {}", job.name, job.id, job.status.word());
    match (job.status, &job.runner) {
        (CiStatus::Success, Some(runner)) => Finding::passed(CHECK, wanted, format!("{found} on runner {}", runner.description)),
        // Success without a runner is no CI job that ran.
        (CiStatus::Success, None) => Finding::blocked(CHECK, wanted, format!("{found} without a runner"), missing()),
        (status, _) if status.ended() => {
            let fault = PipelineFault::JobsFailed { jobs: vec![job.name.clone()] };
            Finding::blocked(CHECK, wanted, found, pipeline_problem(facts, fault))
        }
        (status, _) => {
            let fault = PipelineFault::NotEnded { status: status.word().into() };
            Finding::blocked(CHECK, wanted, found, pipeline_problem(facts, fault))
        }
    }
}
