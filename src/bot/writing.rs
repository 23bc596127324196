//! Effects with a record: intent before, outcome after.

use super::{Bot, Stopped};
use crate::effects::{Done, Effect, NotDone};
use crate::model::Timestamp;
use crate::model::gitlab::NoteId;
use crate::store::ledger::Entry;

impl Bot {
    /// Performs one effect. The intent is durable before anything is sent and the outcome after it is read back, so that a crash
    /// between the two is found again and never done twice (SR-21). What stands already is not recorded again. `None`: it was refused for good, which is recorded.
    pub(super) async fn perform(&self, effect: Effect) -> Result<Option<Done>, Stopped> {
        let effect_key = effect.key();
        let Some((at, meant)) = self.ledger.open_intent(&effect_key).await? else {
            match self.hands.stands(&effect).await {
                Ok(Some(done)) if (done == Done::Waiting) == self.ledger.waits(&effect_key).await? => return Ok(Some(done)),
                Err(NotDone::Later(why)) => {
                    (self.watch.effect_failed)(effect.word());
                    return Err(Stopped::NotWritten(why));
                }
                // Something is to be written, or to be recorded: a refusal, a first waiting, its end.
                Ok(_) | Err(NotDone::Never(_)) => {}
            }
            self.intend(&effect).await?;
            return self.finish(&effect, None).await;
        };
        if meant == effect {
            return self.finish(&effect, Some(at)).await;
        }
        // An earlier run may have written what it meant, word for word; only those words find it again. If it did not, they are not
        // written now: a verdict of then may be wrong by now.
        let note = self.already(&meant, at).await?;
        match (&note, effect) {
            // It is taken over as it stands, with the reaction that belongs to it.
            (Some(_), Effect::Reply { .. }) => self.finish(&meant, Some(at)).await,
            (Some(_), Effect::StickyNote { project, merge_request, body, note: None }) => {
                self.ledger.append(&Entry::Done { effect_key, done: Done::Unchanged { note }, at: Timestamp::now() }).await?;
                Box::pin(self.perform(Effect::StickyNote { project, merge_request, body, note })).await
            }
            (_, effect) => {
                let reason = "other words took its place before it was written".into();
                self.ledger.append(&Entry::NotDone { effect_key, reason, at: Timestamp::now() }).await?;
                Box::pin(self.perform(effect)).await
            }
        }
    }

    /// The note that an earlier run posted, if it did.
    pub(super) async fn already(&self, meant: &Effect, at: Timestamp) -> Result<Option<NoteId>, Stopped> {
        match self.hands.already(meant, at).await {
            Ok(note) => Ok(note),
            Err(NotDone::Later(why)) => Err(Stopped::NotWritten(why)),
            // Nothing can be found where it was meant to be.
            Err(NotDone::Never(_)) => Ok(None),
        }
    }

    async fn intend(&self, effect: &Effect) -> Result<(), Stopped> {
        let entry = Entry::Intended { effect_key: effect.key(), effect: Box::new(effect.clone()), at: Timestamp::now() };
        self.ledger.append(&entry).await?;
        Ok(())
    }

    async fn finish(&self, effect: &Effect, intended: Option<Timestamp>) -> Result<Option<Done>, Stopped> {
        let effect_key = effect.key();
        match self.hands.perform(effect, intended).await {
            Ok(done) => {
                self.ledger.append(&Entry::Done { effect_key, done: done.clone(), at: Timestamp::now() }).await?;
                Ok(Some(done))
            }
            Err(NotDone::Later(why)) => {
                (self.watch.effect_failed)(effect.word());
                Err(Stopped::NotWritten(why))
            }
            Err(NotDone::Never(reason)) => {
                tracing::warn!(effect = effect_key, reason, "not written");
                (self.watch.effect_failed)(effect.word());
                self.ledger.append(&Entry::NotDone { effect_key, reason, at: Timestamp::now() }).await?;
                Ok(None)
            }
        }
    }
}
