//! The end of a promotion, and who is told.

use super::super::{Bot, Handled, Rule, Stopped};
use super::{OVERTAKEN, Run};
use crate::effects::{Effect, Emoji};
use crate::event::What;
use crate::model::environment::Environment;
use crate::model::gitlab::ProjectKey;
use crate::model::moment::span;
use crate::model::promotion::{AskedIn, Ending, Promotion, PromotionEvent, PromotionId, Standing};
use crate::model::{EnvironmentName, Timestamp};

impl Bot {
    /// Ends a promotion and tells of it, unless anybody else recorded something since this run last looked: another run may be at a
    /// step, and its environment must not be given away meanwhile.
    pub(super) async fn end(&self, rule: &Rule, run: &Run, ending: Ending) -> Result<Handled, Stopped> {
        let id = &run.standing.promotion.id;
        let ended = self.ledger.go_on(id, run.seen, PromotionEvent::Ended { ending }, Timestamp::now()).await?;
        // Where another was faster, its end is the one that counts and is told.
        if ended || self.ledger.promotion(id).await?.is_some_and(|now| !now.is_open()) {
            return self.ended(rule, id).await;
        }
        Ok(Handled::Later(OVERTAKEN.into()))
    }

    async fn ended(&self, rule: &Rule, id: &PromotionId) -> Result<Handled, Stopped> {
        match self.ledger.promotion(id).await?.filter(|standing| !standing.is_open()) {
            Some(standing) => self.tell_end(rule, &standing).await,
            None => Ok(Handled::Done),
        }
    }

    /// Ends one that is open for longer than it may be and in somebody's way; its own lane tells of it. `false` while it stays open,
    /// because a run may still be at a step of it.
    pub(super) async fn lapse(&self, promotion: &Promotion) -> Result<bool, Stopped> {
        let id = &promotion.id;
        // Decided on the record itself: a step that begins meanwhile is one more event.
        let over = loop {
            let open = self.ledger.promotion_at(id).await?.filter(|(standing, _)| standing.is_open());
            let (Some((standing, seen)), now) = (open, Timestamp::now()) else { break true };
            if !standing.is_overdue(now) || standing.is_at_work(now) {
                break false;
            }
            self.ledger.go_on(id, seen, PromotionEvent::Ended { ending: lapsed(&standing) }, now).await?;
        };
        self.push(&promotion.project, What::Promotion { id: id.clone() }).await?;
        Ok(over)
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
        let (audience, links) = self.readers(rule, standing.promotion.asked_in.merge_request).await?;
        let body = self.words.promotion_end(standing, runs, audience, &links);
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
pub(super) fn lapsed(standing: &Standing) -> Ending {
    let Environment { approval_age, converge_within, .. } = &standing.promotion.environment;
    let stopped = |reason| Ending::Stopped { code: "CS-EXPIRED".into(), reason };
    if standing.waiting_since.is_some() {
        return Ending::NotConverged { reason: format!("what was started did not end within {}", span(*converge_within)) };
    }
    if standing.cleared_at.is_some() {
        return stopped(format!("it was not done within {}", span(*converge_within)));
    }
    if standing.approvals.is_empty() && standing.promotion.environment.second_person {
        return stopped(format!("nobody approved it within {}", span(*approval_age)));
    }
    stopped("it could not be decided in time".into())
}
