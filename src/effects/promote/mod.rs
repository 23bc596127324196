//! What a promotion changes outside; one file an action. Nothing here runs without a [`Clearance`] for the very image.

mod ci;
mod deployment;
mod play_job;
mod start_pipeline;

use super::{Hands, NotDone};
use crate::model::Timestamp;
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{Act, Left, PromotionId};
use crate::verdict::Clearance;

/// Which step of which promotion.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub project: &'a ProjectKey,
    pub promotion: &'a PromotionId,
    pub step: usize,
}

impl Hands {
    /// Does one step, or finds it done: looks first, changes only what differs, and reads back what it changed.
    ///
    /// `began_before` is when an earlier run recorded that it was about to do just this and then ended without an outcome. What it may
    /// have started is then looked for, and taken over instead of started twice (SR-21).
    pub async fn step(
        &self,
        clearances: &[Clearance],
        place: Place<'_>,
        act: &Act,
        began_before: Option<Timestamp>,
    ) -> Result<Left, NotDone> {
        let step = || Ok::<_, NotDone>(ci::Step { hand: self.hand(place.project)?, place, clearances, began_before });
        match act {
            Act::PlayJob { pipeline, job, carrier, values } => {
                let which = play_job::Which { pipeline: *pipeline, job };
                play_job::play(&step()?, which, ci::Given { carrier: *carrier, values }).await
            }
            Act::StartPipeline { git_ref, carrier, values } => {
                start_pipeline::start(&step()?, git_ref, ci::Given { carrier: *carrier, values }).await
            }
            Act::Deployment { environment, sha, git_ref } => {
                deployment::record(&step()?, deployment::What { environment, sha, git_ref }).await
            }
            Act::Retag { .. } | Act::Copy { .. } | Act::Attest { .. } => Err(NotDone::Never(format!("{} is not there yet", act.word()))),
        }
    }
}
