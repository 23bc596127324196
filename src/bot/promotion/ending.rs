//! The end of a promotion, and who is told.

use super::super::{Bot, Handled, Rule, Stopped};
use crate::effects::{Effect, Emoji};
use crate::event::What;
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{AskedIn, Ending, Promotion, PromotionEvent, PromotionId, Standing};
use crate::model::{EnvironmentName, Timestamp};

/// Promotions to an environment that are searched for what runs there.
const BACK: usize = 50;

impl Bot {
    /// Ends a promotion and tells of it.
    pub(super) async fn end(&self, rule: &Rule, id: &PromotionId, ending: Ending) -> Result<Handled, Stopped> {
        // Where another was faster, its end is the one that counts and is told.
        self.ledger.add_to_promotion(id, PromotionEvent::Ended { ending }, Timestamp::now()).await?;
        self.ended(rule, id).await
    }

    pub(super) async fn ended(&self, rule: &Rule, id: &PromotionId) -> Result<Handled, Stopped> {
        match self.ledger.promotion(id).await?.filter(|standing| !standing.is_open()) {
            Some(standing) => self.tell_end(rule, &standing).await,
            None => Ok(Handled::Done),
        }
    }

    /// Ends one that is open for longer than it may be, whoever finds it; its own lane tells of it.
    pub(in crate::bot) async fn lapse(&self, standing: &Standing) -> Result<(), Stopped> {
        let promotion = &standing.promotion;
        let ending = self.lapsed(standing);
        self.ledger.add_to_promotion(&promotion.id, PromotionEvent::Ended { ending }, Timestamp::now()).await?;
        self.push(&promotion.project, What::Promotion { id: promotion.id.clone() }).await
    }

    /// Says in the thread how it ended, once, and has the release section and the sticky notes written again.
    pub(super) async fn tell_end(&self, rule: &Rule, standing: &Standing) -> Result<Handled, Stopped> {
        let Some((ending, _)) = &standing.ended else { return Ok(Handled::Done) };
        let promotion = &standing.promotion;
        tracing::info!(promotion = %promotion.id, environment = %promotion.environment.name, release = promotion.release, ?ending, "promotion ended");
        let closing = match ending {
            Ending::Promoted => Emoji::WhiteCheckMark,
            Ending::Stopped { .. } | Ending::NotConverged { .. } | Ending::Cancelled { .. } => Emoji::X,
        };
        let runs = self.runs(&promotion.project, &promotion.environment.name).await?;
        let body = self.words_of_end(rule, standing, runs.first()).await?;
        self.follow_up(promotion, "end", body, Some(closing)).await?;
        for release in self.touched(promotion, &runs) {
            self.push(&promotion.project, What::Tag { name: release }).await?;
        }
        Ok(Handled::Done)
    }

    /// A later word in the thread that asked. Said once.
    pub(super) async fn follow_up(&self, promotion: &Promotion, about: &str, body: String, closing: Option<Emoji>) -> Result<(), Stopped> {
        let AskedIn { merge_request, note, discussion, place, .. } = &promotion.asked_in;
        let said = Effect::FollowUp {
            project: promotion.project.clone(),
            merge_request: *merge_request,
            discussion: discussion.clone(),
            asked_by: *note,
            // A note may ask for several.
            about: format!("{place}/{about}"),
            body,
            closing,
        };
        if self.ledger.note_written(&said.key()).await?.is_none() {
            self.perform(said).await?;
        }
        Ok(())
    }

    /// What was promoted to an environment and arrived, newest first: the first is what runs there as far as we know.
    pub(in crate::bot) async fn runs(&self, project: &ProjectKey, environment: &EnvironmentName) -> Result<Vec<Standing>, Stopped> {
        let mut found = self.ledger.promotions_to(project, environment, BACK).await?;
        found.retain(|standing| standing.promoted_at().is_some());
        Ok(found)
    }

    /// The releases of which something is written that is not true any more: this one, and the one whose place it took.
    fn touched(&self, promotion: &Promotion, runs: &[Standing]) -> Vec<String> {
        let other = runs.iter().map(|standing| &standing.promotion.release).find(|release| **release != promotion.release);
        [Some(promotion.release.clone()), other.cloned()].into_iter().flatten().collect()
    }
}
