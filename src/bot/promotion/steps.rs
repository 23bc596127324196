//! The steps of a plan: intent before each, outcome after it, and a last look between any two.

use super::weigh::{Course, Decided};
use super::{Run, lapsed, overtaken};
use crate::bot::{Bot, Rule, Stopped};
use crate::effects::NotDone;
use crate::effects::promote::Place;
use crate::model::Timestamp;
use crate::model::promotion::{Ending, PromotionEvent};
use crate::verdict::promotion::Bar;

/// The longest time between the record of an intent and the act itself. A process that was paused in between may have lost its lease:
/// it looks again instead. Shorter than every lease (`delivery::queue::Pace`), by which another replica takes over.
const FRESH: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// How far a run came.
pub(super) enum Went {
    /// To its end.
    On,
    /// To an approval that is missing.
    Waits,
    Later(String),
    Ends(Ending),
}

impl Bot {
    /// Does every step that is not done. Only a run that holds clearances for all images gets here: all images of a release, or none.
    pub(super) async fn do_steps(&self, rule: &Rule, run: &mut Run, decided: &Decided) -> Result<Went, Stopped> {
        let environment = run.standing.promotion.environment.name.clone();
        let Some(clearances) = decided.clearances() else {
            return Ok(Went::Later("an image of the release did not pass".into()));
        };
        for step in 0..run.standing.steps.len() {
            if run.standing.steps[step].did.is_some() {
                continue;
            }
            if run.standing.is_overdue(Timestamp::now()) {
                return Ok(Went::Ends(lapsed(&run.standing)));
            }
            match self.last_look(rule, run, decided).await? {
                Course::On => {}
                Course::Waits => return Ok(Went::Waits),
                Course::Later(why) => return Ok(Went::Later(why)),
                Course::Stops(bar) => return Ok(Went::Ends(self.stopped_by(&bar))),
            }
            // Of this run or of one before: whatever was started was started after it.
            let began_before = run.standing.steps[step].began;
            let now = Timestamp::now();
            if !self.advance(run, PromotionEvent::Began { step }).await? || Timestamp::now().duration_since(now) > FRESH {
                return Ok(overtaken());
            }
            let (promotion, act) = (&run.standing.promotion, &run.standing.steps[step].act);
            let place = Place { project: &promotion.project, promotion: &promotion.id, environment: &environment, step };
            match self.hands.step(&clearances, place, act, began_before).await {
                Ok(left) => {
                    // A fact, whoever else wrote meanwhile.
                    self.ledger.add_to_promotion(&promotion.id, PromotionEvent::Did { step, left }, Timestamp::now()).await?;
                    tracing::info!(promotion = %promotion.id, step, act = act.word(), "done");
                }
                Err(NotDone::Later(why)) => {
                    (self.watch.effect_failed)(act.word());
                    return Ok(Went::Later(why));
                }
                Err(NotDone::Never(reason)) => {
                    (self.watch.effect_failed)(act.word());
                    tracing::warn!(promotion = %promotion.id, step, act = act.word(), reason, "not done");
                    let bar = Bar::Step { action: act.word().into(), environment, reason };
                    return Ok(Went::Ends(self.stopped_by(&bar)));
                }
            }
            let id = run.standing.promotion.id.clone();
            let Some(now) = self.run(&id).await?.filter(|now| now.standing.is_open()) else { return Ok(overtaken()) };
            *run = now;
        }
        if self.advance(run, PromotionEvent::Waiting).await? { Ok(Went::On) } else { Ok(overtaken()) }
    }

    /// Halt switch, freeze, rights and the command itself, just before each step (SR-07, SR-21).
    async fn last_look(&self, rule: &Rule, run: &Run, decided: &Decided) -> Result<Course, Stopped> {
        let standing = run.standing.clone();
        let case = self.case_of(rule, &standing);
        Ok(self.weigh_between(rule, &case, decided).await?.course())
    }
}
