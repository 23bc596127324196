//! What GitLab tells about a job, a pipeline or a deployment that a promotion waits for wakes the promotion at once.

use super::super::{Bot, Stopped};
use crate::event::{Event, What};
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{Act, Left, Standing};

impl Bot {
    pub(in crate::bot) async fn wake(&self, project: &ProjectKey, event: &Event) -> Result<(), Stopped> {
        if !matches!(event, Event::Pipeline(_) | Event::Deployment(_)) {
            return Ok(());
        }
        for standing in self.ledger.open_promotions().await? {
            if standing.promotion.project == *project && waits_for(&standing, event) {
                self.push(project, What::Promotion { id: standing.promotion.id }).await?;
            }
        }
        Ok(())
    }
}

/// Whether an event may be about something that this promotion started.
fn waits_for(standing: &Standing, event: &Event) -> bool {
    let begun = standing.steps.iter().filter(|step| step.began.is_some());
    match event {
        Event::Pipeline(pipeline) => begun.into_iter().any(|step| match (&step.act, &step.did) {
            (Act::PlayJob { pipeline: of, .. }, _) => *of == pipeline.id,
            (Act::StartPipeline { .. }, Some((Left::Pipeline { id }, _))) => *id == pipeline.id,
            (Act::StartPipeline { .. }, _) | (Act::Retag { .. } | Act::Copy { .. } | Act::Deployment { .. } | Act::Attest { .. }, _) => {
                false
            }
        }),
        Event::Deployment(deployment) => standing.has_begun() && standing.promotion.environment.name.0 == deployment.environment,
        Event::Tag(_) | Event::Release(_) | Event::Note { .. } | Event::Promotion(_) | Event::Environment(_) | Event::Quiet => false,
    }
}
