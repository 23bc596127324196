//! The engine: takes an accepted promotion as far as it goes. What it did and what it is about to do is in the ledger, so it goes on
//! from there after whatever ended it.

mod arrival;
mod copied;
mod ending;
mod observe;
mod plan;
mod steps;
mod wake;
mod weigh;

pub(super) use weigh::{Case, Decided};

use super::{Bot, Handled, Rule, Stopped};
use crate::model::Timestamp;
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{Act, Ending, PromotionEvent, PromotionId, Standing};
use crate::verdict::promotion::Bar;
use ending::lapsed;
use plan::{Said, plan};
use steps::Went;
use weigh::Course;

/// A promotion that this run drives, and on how many events of the record that is founded.
pub(super) struct Run {
    standing: Standing,
    seen: usize,
}

impl Bot {
    /// Takes a promotion as far as it goes. Clearances are made anew by judging again and never kept: a run that goes on after a crash
    /// knows no more than the first one did.
    pub(super) async fn promote(&self, rule: &Rule, project: &ProjectKey, id: &PromotionId) -> Result<Handled, Stopped> {
        let Some(mut run) = self.run(id).await?.filter(|run| run.standing.promotion.project == *project) else {
            return Ok(Handled::Done);
        };
        if run.standing.ended.is_some() {
            return self.tell_end(rule, &run.standing).await;
        }
        let now = Timestamp::now();
        if run.standing.is_overdue(now) {
            // One that lost this promotion's lane in the middle of a step, if there is one.
            if run.standing.is_at_work(now) {
                return Ok(Handled::Waits("its time is over, and a step of it may still be done".into()));
            }
            return self.end(rule, &run, lapsed(&run.standing)).await;
        }
        if run.standing.waiting_since.is_none() {
            match self.go(rule, &mut run).await? {
                Went::On => {}
                Went::Waits => return Ok(Handled::Done),
                Went::Later(why) => return Ok(Handled::Later(why)),
                Went::Ends(ending) => return self.end(rule, &run, ending).await,
            }
        }
        self.arrive(rule, &run).await
    }

    async fn run(&self, id: &PromotionId) -> Result<Option<Run>, Stopped> {
        Ok(self.ledger.promotion_at(id).await?.map(|(standing, seen)| Run { standing, seen }))
    }

    /// Decides again, and does what is not done.
    async fn go(&self, rule: &Rule, run: &mut Run) -> Result<Went, Stopped> {
        if run.standing.promotion.environment.second_person && run.standing.approvals.is_empty() {
            return Ok(Went::Waits);
        }
        let standing = run.standing.clone();
        let case = self.case_of(rule, &standing);
        let decided = self.weigh(rule, &case).await?;
        match decided.course() {
            Course::Waits => return Ok(Went::Waits),
            Course::Later(why) => return Ok(Went::Later(why)),
            Course::Stops(bar) => return Ok(Went::Ends(self.stopped_by(&bar))),
            Course::On => {}
        }
        // On a record that was changed nothing is promoted; it is tried again, and ends when its time is over.
        self.ledger.holds().await?;
        if run.standing.cleared_at.is_none() {
            match self.planned(rule, &standing, &decided) {
                Ok(plan) => {
                    let cleared = PromotionEvent::Cleared { verdicts: decided.verdicts.clone(), plan };
                    if !self.advance(run, cleared).await? {
                        return Ok(overtaken());
                    }
                }
                Err(bar) => return Ok(Went::Ends(self.stopped_by(&bar))),
            }
        }
        self.do_steps(rule, run, decided).await
    }

    fn planned(&self, rule: &Rule, standing: &Standing, decided: &Decided) -> Result<Vec<Act>, Bar> {
        let project_url = decided.facts.verdicts.iter().find_map(|verdict| verdict.subject.project_url.clone()).unwrap_or_default();
        let said = Said {
            verifier: &self.public_url,
            project_url: &project_url,
            verified_at: decided.facts.as_of,
            approved_by: standing.approvals.iter().map(|(person, _)| person.clone()).collect(),
        };
        let environment = &standing.promotion.environment.name;
        let plan = plan(&standing.promotion, &rule.watched, &said).map(|mut acts| {
            // A summary would say that policy is met.
            acts.retain(|act| decided.weighed.observed.is_empty() || !matches!(act, Act::Attest { .. }));
            acts
        });
        plan.map_err(|reason| Bar::Step { action: "copy".into(), environment: environment.clone(), reason })
    }

    /// Records what this run is about to do; `false` if anybody else recorded something since it last looked.
    async fn advance(&self, run: &mut Run, event: PromotionEvent) -> Result<bool, Stopped> {
        let id = run.standing.promotion.id.clone();
        if !self.ledger.go_on(&id, run.seen, event, Timestamp::now()).await? {
            return Ok(false);
        }
        let Some(now) = self.run(&id).await? else { return Ok(false) };
        // One more event, and it is ours; another's after it would stop us at the next one.
        let ours = now.seen == run.seen + 1;
        *run = now;
        Ok(ours)
    }

    fn stopped_by(&self, bar: &Bar) -> Ending {
        Ending::Stopped { code: bar.code().into(), reason: self.words.promotion_reason(bar) }
    }
}

const OVERTAKEN: &str = "another run went on with it";

fn overtaken() -> Went {
    Went::Later(OVERTAKEN.into())
}
