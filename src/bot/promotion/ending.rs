//! The end of a promotion, and who is told.

use super::super::{Bot, Handled, Rule, Stopped};
use crate::effects::{Effect, Emoji};
use crate::event::What;
use crate::model::environment::Environment;
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{AskedIn, Ending, Promotion, PromotionEvent, PromotionId, Standing};
use crate::model::{EnvironmentName, Timestamp};

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
        let ending = lapsed(standing);
        self.ledger.add_to_promotion(&promotion.id, PromotionEvent::Ended { ending }, Timestamp::now()).await?;
        self.push(&promotion.project, What::Promotion { id: promotion.id.clone() }).await
    }

    /// Says in the thread how it ended, once, and has the release section and the sticky notes written again.
    pub(super) async fn tell_end(&self, rule: &Rule, standing: &Standing) -> Result<Handled, Stopped> {
        let Some((ending, _)) = &standing.ended else { return Ok(Handled::Done) };
        let promotion = &standing.promotion;
        tracing::info!(promotion = %promotion.id, environment = %promotion.environment.name, release = promotion.release, ?ending, "promotion ended");
        match ending {
            Ending::Promoted => self.replaces(standing).await?,
            // Whatever was done of it may be what runs now. If that cannot be seen, its end is told all the same.
            Ending::Stopped { .. } | Ending::NotConverged { .. } if standing.has_begun() => self.look_after(promotion).await?,
            Ending::Stopped { .. } | Ending::NotConverged { .. } | Ending::Cancelled { .. } => {}
        }
        let runs = self.runs(&promotion.project, &promotion.environment.name).await?;
        match ending {
            Ending::Promoted => self.say_end(rule, standing, runs.as_ref(), Emoji::WhiteCheckMark).await?,
            Ending::Stopped { .. } | Ending::NotConverged { .. } => self.say_end(rule, standing, runs.as_ref(), Emoji::X).await?,
            // Whoever cancelled it has been answered.
            Ending::Cancelled { .. } => {
                let (project, AskedIn { merge_request, note, .. }) = (promotion.project.clone(), promotion.asked_in.clone());
                self.perform(Effect::React { project, merge_request, note, emoji: Emoji::X }).await?;
            }
        }
        for release in self.touched(promotion).await? {
            self.push(&promotion.project, What::Tag { name: release }).await?;
        }
        Ok(Handled::Done)
    }

    async fn say_end(&self, rule: &Rule, standing: &Standing, runs: Option<&Standing>, closing: Emoji) -> Result<(), Stopped> {
        let body = self.words.promotion_end(standing, runs, self.audience(rule).await?);
        self.follow_up(&standing.promotion, "end", body, Some(closing)).await
    }

    async fn look_after(&self, promotion: &Promotion) -> Result<(), Stopped> {
        if let Err(stopped) = self.observe(&promotion.project, &promotion.environment.name).await {
            tracing::info!(promotion = %promotion.id, why = %stopped, "what runs after it could not be seen yet");
            self.push(&promotion.project, What::Environment { name: promotion.environment.name.clone() }).await?;
        }
        Ok(())
    }

    /// A later word in the thread that asked. Said once.
    pub(super) async fn follow_up(&self, promotion: &Promotion, about: &str, body: String, closing: Option<Emoji>) -> Result<(), Stopped> {
        let said = word(promotion, about, body, closing);
        if self.ledger.note_written(&said.key()).await?.is_none() {
            self.perform(said).await?;
        }
        Ok(())
    }

    /// Whether that was said, or can never be: then it is not tried at each look again.
    pub(super) async fn has_said(&self, promotion: &Promotion, about: &str) -> Result<bool, Stopped> {
        let key = word(promotion, about, String::new(), None).key();
        Ok(self.ledger.note_written(&key).await?.is_some() || self.ledger.refused(&key).await?)
    }

    /// The releases of which something is written that is not true any more: this one, and the one whose place it took.
    async fn touched(&self, promotion: &Promotion) -> Result<Vec<String>, Stopped> {
        let other = |standing: &Standing| standing.promotion.release != promotion.release;
        let other = self.ledger.arrival(&promotion.project, &promotion.environment.name, other).await?;
        Ok([Some(promotion.release.clone()), other.map(|standing| standing.promotion.release)].into_iter().flatten().collect())
    }

    /// What was promoted to an environment last and arrived: what runs there as far as we know.
    pub(in crate::bot) async fn runs(&self, project: &ProjectKey, environment: &EnvironmentName) -> Result<Option<Standing>, Stopped> {
        Ok(self.ledger.arrival(project, environment, |_| true).await?)
    }
}

/// A later word in the thread that asked.
fn word(promotion: &Promotion, about: &str, body: String, closing: Option<Emoji>) -> Effect {
    let AskedIn { merge_request, note, discussion, place, .. } = &promotion.asked_in;
    Effect::FollowUp {
        project: promotion.project.clone(),
        merge_request: *merge_request,
        discussion: discussion.clone(),
        asked_by: *note,
        // A note may ask for several.
        about: format!("{place}/{about}"),
        body,
        closing,
    }
}

/// How one ends that is open for too long.
fn lapsed(standing: &Standing) -> Ending {
    let Environment { approval_age, converge_within, .. } = &standing.promotion.environment;
    let stopped = |reason| Ending::Stopped { code: "CS-EXPIRED".into(), reason };
    if standing.waiting_since.is_some() {
        return Ending::NotConverged { reason: format!("what was started did not end within {converge_within:#}") };
    }
    if standing.cleared_at.is_some() {
        return stopped(format!("it was not done within {converge_within:#}"));
    }
    if standing.approvals.is_empty() && standing.promotion.environment.second_person {
        return stopped(format!("nobody approved it within {approval_age:#}"));
    }
    stopped("it could not be decided in time".into())
}
