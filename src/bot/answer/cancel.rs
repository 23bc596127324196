//! `cancel`: ends a promotion of this thread before its first step.

use super::{Answer, Asked};
use crate::bot::{Bot, Stopped};
use crate::effects::Emoji;
use crate::event::What;
use crate::model::Timestamp;
use crate::model::promotion::{Ending, PromotionEvent};
use crate::render::PromotionAnswer;

impl Bot {
    pub(super) async fn answer_cancel(&self, asked: &Asked<'_>) -> Result<Answer, Stopped> {
        let Some(standing) = self.open_in_thread(asked).await?.into_iter().next() else {
            return Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::NothingOpen)));
        };
        let (promotion, by) = (&standing.promotion, asked.person());
        if by.id != promotion.requested_by.id
            && let Some(bar) = self.may_act(asked, &promotion.environment, &by).await?
        {
            let body = self.words.promotion_answer(&PromotionAnswer::CancelRefused { standing: &standing, bar: &bar });
            return Ok(Answer { body, emoji: Emoji::X, refused: Some(format!("cancel {}: refused, {}", promotion.id, bar.code())) });
        }
        // Decided on the record itself: a step that begins meanwhile makes it too late.
        while let Some((now, seen)) = self.ledger.promotion_at(&promotion.id).await?.filter(|(now, _)| now.is_open()) {
            if now.has_begun() {
                return Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::TooLateToCancel { standing: &now })));
            }
            let ended = PromotionEvent::Ended { ending: Ending::Cancelled { by: by.clone() } };
            if self.ledger.go_on(&promotion.id, seen, ended, Timestamp::now()).await? {
                self.push(asked.project, What::Promotion { id: promotion.id.clone() }).await?;
                let said = PromotionAnswer::Cancelled { standing: &standing };
                return Ok(Answer::of(self.words.promotion_answer(&said), Emoji::WhiteCheckMark));
            }
        }
        Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::NothingOpen)))
    }
}
