//! The steps of a plan: intent before each, outcome after it, and a last look between any two.

use super::copied::Doing;
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
    /// Does every step that is not done, each with clearances for all images of the release.
    pub(super) async fn do_steps(&self, rule: &Rule, run: &mut Run, decided: Decided) -> Result<Went, Stopped> {
        let environment = run.standing.promotion.environment.name.clone();
        let mut before = Some(decided);
        for step in 0..run.standing.steps.len() {
            if run.standing.steps[step].did.is_some() {
                continue;
            }
            if run.standing.is_overdue(Timestamp::now()) {
                return Ok(Went::Ends(lapsed(&run.standing)));
            }
            let decided = self.last_look(rule, run, before.take()).await?;
            match decided.course() {
                Course::On => {}
                Course::Waits => return Ok(Went::Waits),
                Course::Later(why) => return Ok(Went::Later(why)),
                Course::Stops(bar) => return Ok(Went::Ends(self.stopped_by(&bar))),
            }
            let Some(clearances) = decided.clearances() else {
                return Ok(Went::Later("an image of the release did not pass".into()));
            };
            // Of this run or of one before: whatever was started was started after it.
            let began_before = run.standing.steps[step].began;
            let now = Timestamp::now();
            if !self.advance(run, PromotionEvent::Began { step }).await? || Timestamp::now().duration_since(now) > FRESH {
                return Ok(overtaken());
            }
            let (promotion, act) = (&run.standing.promotion, &run.standing.steps[step].act);
            let place = Place { project: &promotion.project, promotion: &promotion.id, environment: &environment, step };
            let doing = Doing { clearances: &clearances, place, act, began_before };
            match self.act(rule, promotion, &decided, doing).await? {
                Ok(left) => {
                    // A fact, whoever else wrote meanwhile.
                    let did = PromotionEvent::Did { step, left };
                    if self.ledger.add_to_promotion(&promotion.id, did, Timestamp::now()).await? {
                        tracing::info!(promotion = %promotion.id, step, act = act.word(), "done");
                    } else {
                        tracing::error!(promotion = %promotion.id, step, act = act.word(), "done after the promotion had ended");
                    }
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

    /// Everything once more just before each step: halt switch, freeze, rights and the command itself (SR-07, SR-21), and the images
    /// too, unless that was only just done. A step may take minutes, and a tag may be moved in them (SR-09).
    async fn last_look(&self, rule: &Rule, run: &Run, before: Option<Decided>) -> Result<Decided, Stopped> {
        let case = self.case_of(rule, &run.standing);
        match before {
            Some(before) => self.weigh_between(rule, &case, before).await,
            None => self.weigh(rule, &case).await,
        }
    }
}
