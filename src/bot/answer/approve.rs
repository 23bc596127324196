//! `approve`: a second person's yes, in the thread that asked. A reaction or a label never counts (SR-11).

use super::{Answer, Asked};
use crate::bot::{Bot, Stopped};
use crate::effects::Emoji;
use crate::event::{COMMAND_AGE, What};
use crate::model::Timestamp;
use crate::model::environment::Environment;
use crate::model::promotion::{Person, PromotionEvent, Standing};
use crate::render::PromotionAnswer;
use crate::verdict::Looked;
use crate::verdict::promotion::{Bar, is_second};

/// Promotions of one merge request among which that of a thread is looked for.
const BACK: usize = 50;

impl Bot {
    pub(super) async fn answer_approve(&self, asked: &Asked<'_>) -> Result<Answer, Stopped> {
        let Some(standing) = self.open_in_thread(asked).await?.into_iter().next() else {
            return Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::NothingOpen)));
        };
        let (promotion, by) = (&standing.promotion, asked.person());
        let bar = match is_second(promotion.requested_by.id, by.id) {
            false => {
                let who = promotion.environment.allow.who();
                Some(Bar::SecondPerson { environment: promotion.environment.name.clone(), who })
            }
            true => self.may_act(asked, &promotion.environment, &by).await?,
        };
        if let Some(bar) = bar {
            let body = self.words.promotion_answer(&PromotionAnswer::ApprovalRefused { standing: &standing, bar: &bar });
            let refused = Some(format!("approve {}: refused, {}", promotion.id, bar.code()));
            return Ok(Answer { body, emoji: Emoji::X, refused });
        }
        if !standing.approvals.iter().any(|(person, _)| person.id == by.id) {
            let approved = PromotionEvent::Approved { by: by.clone(), note: asked.note.id };
            self.ledger.add_to_promotion(&promotion.id, approved, Timestamp::now()).await?;
        }
        Ok(Answer::of(self.words.promotion_answer(&PromotionAnswer::Approved { standing: &standing, by: &by }), Emoji::WhiteCheckMark))
    }

    /// Whether somebody may decide on a promotion to this environment, by GitLab's word of now. Any odd answer means no (SR-07).
    pub(super) async fn may_act(&self, asked: &Asked<'_>, environment: &Environment, by: &Person) -> Result<Option<Bar>, Stopped> {
        if Timestamp::now().duration_since(asked.note.created_at) > COMMAND_AGE {
            return Ok(Some(Bar::Expired { asked_at: asked.note.created_at }));
        }
        let refused = |who, people| Bar::Rights { user: by.username.clone(), environment: environment.name.clone(), who, people };
        Ok(match self.gitlab(&asked.project.instance)?.right(asked.project.id, by.id, environment).await {
            Looked::Found(right) if right.active && !right.machine && right.may_deploy => None,
            Looked::Found(right) => Some(refused(right.who, right.people)),
            Looked::Absent => Some(refused(environment.allow.who(), None)),
            Looked::Unreachable(why) => Some(Bar::Unavailable { what: format!("what {} may do", by.username), why }),
        })
    }

    /// The open promotions that were asked for in this thread, newest first.
    pub(super) async fn open_in_thread(&self, asked: &Asked<'_>) -> Result<Vec<Standing>, Stopped> {
        let mut found = self.ledger.promotions_in(asked.project, asked.merge_request.iid, BACK).await?;
        let here = |standing: &Standing| Some(&standing.promotion.asked_in.discussion) == asked.note.discussion.as_ref();
        found.retain(|standing| standing.is_open() && here(standing));
        Ok(found)
    }

    /// What was accepted or approved in this thread goes on.
    pub(super) async fn go_on_in_thread(&self, asked: &Asked<'_>) -> Result<(), Stopped> {
        for standing in self.open_in_thread(asked).await? {
            self.push(asked.project, What::Promotion { id: standing.promotion.id }).await?;
        }
        Ok(())
    }
}
