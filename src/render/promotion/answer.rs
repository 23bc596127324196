//! Answers to `approve`, `cancel` and `status`, and why there is nothing to promote.

use serde::Serialize;

use super::super::phrase::Phrase;
use super::super::story::time;
use super::super::template::Values;
use super::super::{Explained, Links, Words, safe};
use super::{EnvironmentStatus, PromotionAnswer, command};
use crate::model::Timestamp;
use crate::model::promotion::{Direction, Standing};
use crate::verdict::Looked;
use crate::verdict::promotion::{Bar, Halt};

#[derive(Serialize)]
struct Status {
    environments: Vec<StatusRow>,
    time: Phrase,
}

#[derive(Serialize)]
struct StatusRow {
    environment: Phrase,
    runs: Phrase,
    since: Phrase,
    by: Phrase,
    now: Phrase,
}

impl Words {
    pub fn promotion_answer(&self, answer: &PromotionAnswer<'_>) -> String {
        let (template, values) = match answer {
            PromotionAnswer::NoEnvironment { name, known } if known.is_empty() => {
                ("promotion/no-environments", Values::from([("name", Phrase::name(name))]))
            }
            PromotionAnswer::NoEnvironment { name, known } => {
                let known: Vec<_> = known.iter().map(|name| Phrase::name(name)).collect();
                ("promotion/no-environment", Values::from([("name", Phrase::name(name)), ("known", Phrase::list(&known))]))
            }
            PromotionAnswer::SeveralReleases { releases } => {
                let releases: Vec<_> = releases.iter().map(|release| Phrase::name(release)).collect();
                ("promotion/several-releases", Values::from([("releases", Phrase::list(&releases))]))
            }
            PromotionAnswer::NothingToRollBackTo { environment } => {
                let values = [("environment", Phrase::name(environment)), ("status", command("status", &[environment]))];
                ("promotion/nothing-to-roll-back-to", Values::from(values))
            }
            PromotionAnswer::NothingOpen => ("promotion/nothing-open", Values::from([("status", Phrase::typed("/countersign status"))])),
            PromotionAnswer::Approved { standing, by } => {
                let mut values = self.of(standing);
                values.insert("by", Phrase::name(&by.username));
                ("promotion/approved", values)
            }
            PromotionAnswer::ApprovalRefused { standing, bar } => ("promotion/approval-refused", self.refused_by(standing, bar)),
            PromotionAnswer::Cancelled { standing } => ("promotion/was-cancelled", self.of(standing)),
            PromotionAnswer::CancelRefused { standing, bar } => ("promotion/cancel-refused", self.refused_by(standing, bar)),
            PromotionAnswer::TooLateToCancel { standing } => ("promotion/too-late", self.of(standing)),
        };
        safe(self.block(template, &values) + "\n")
    }

    /// The values that tell which promotion is meant.
    fn of(&self, standing: &Standing) -> Values {
        let promotion = &standing.promotion;
        let shared = [("environment", Phrase::name(&promotion.environment.name.0)), ("release", Phrase::name(&promotion.release))];
        let mut values = Values::from(shared);
        let what = match promotion.direction {
            Direction::Promote => "promotion/the-promotion",
            Direction::Rollback => "promotion/the-rollback",
        };
        let what = self.say(what, &values);
        let rollback = command("rollback", &[&promotion.environment.name.0]);
        values.extend([("what", what), ("digests", self.digests(&promotion.images)), ("rollback", rollback)]);
        values
    }

    fn refused_by(&self, standing: &Standing, bar: &Bar) -> Values {
        let Explained { title, headline, next_step, code } = self.bar(bar, &[]);
        let mut values = self.of(standing);
        let said = [("title", Phrase::own(title)), ("headline", headline), ("next_step", next_step), ("code", Phrase::term(code))];
        values.extend(said);
        values
    }

    /// The answer to `status`, by our own record.
    pub fn environments(&self, environments: &[EnvironmentStatus<'_>], halted: &Looked<Halt>, now: Timestamp, links: &Links) -> String {
        let mut blocks = vec![];
        match halted {
            Looked::Found(halt) => {
                let bar = Bar::Halted { reason: halt.reason.clone() };
                blocks.push(format!("**{}**", self.bar(&bar, &[]).headline.markdown()));
            }
            Looked::Absent => {}
            Looked::Unreachable(_) => blocks.push(self.block("promotion/halt-unknown", &Values::new())),
        }
        if environments.is_empty() {
            blocks.push(self.block("promotion/no-environments-at-all", &Values::new()));
        } else {
            let environments = environments.iter().map(|status| self.status_row(status, now, links)).collect();
            blocks.push(self.block("promotion/status", &Status { environments, time: time(now) }));
        }
        safe(blocks.join("\n\n") + "\n")
    }

    fn status_row(&self, status: &EnvironmentStatus<'_>, now: Timestamp, links: &Links) -> StatusRow {
        let environment = Phrase::name(&status.environment.name.0);
        let now = self.now(status, now, links);
        match status.runs.as_ref().and_then(|standing| Some((standing, &standing.promotion, standing.promoted_at()?))) {
            Some((standing, promotion, since)) => {
                let mut values =
                    Values::from([("release", links.release(&promotion.release)), ("digests", self.digests(&promotion.images))]);
                if let Some((found, seen)) = self.found_instead(standing) {
                    values.insert("found", found);
                    let runs = self.say("promotion/status-drifted", &values);
                    return StatusRow { environment, runs, since: time(seen), by: Phrase::own("nobody here"), now };
                }
                let by = self.asked_by(promotion, links);
                let runs = self.say("promotion/would-run-unknown", &values);
                StatusRow { environment, runs, since: time(since), by, now }
            }
            None => {
                let none = Phrase::own("–");
                StatusRow { environment, runs: Phrase::own("nothing that Countersign promoted"), since: none.clone(), by: none, now }
            }
        }
    }

    /// What goes on in an environment, and what stands in the way.
    fn now(&self, status: &EnvironmentStatus<'_>, now: Timestamp, links: &Links) -> Phrase {
        let environment = status.environment;
        let mut parts = vec![];
        if let Some(open) = status.open.as_ref() {
            let promotion = &open.promotion;
            let values = [
                ("release", links.release(&promotion.release)),
                ("by", self.asked_by(promotion, links)),
                ("since", time(promotion.requested_at)),
            ];
            let template = match (open.cleared_at, open.waiting_since) {
                (None, _) if environment.second_person && open.approvals.is_empty() => "promotion/open-waits",
                (_, None) => "promotion/open-goes-on",
                (_, Some(_)) => "promotion/open-arrives",
            };
            parts.push(self.say(template, &Values::from(values)));
        }
        for freeze in environment.freezes.iter().filter(|freeze| freeze.from <= now && now < freeze.until) {
            let values = [("until", time(freeze.until)), ("reason", Phrase::name(&freeze.reason))];
            parts.push(self.say("promotion/frozen", &Values::from(values)));
        }
        if let Some(until) = environment.observe_until.filter(|until| now < *until) {
            parts.push(self.say("promotion/only-observed", &Values::from([("until", time(until))])));
        }
        if environment.actions.is_empty() {
            parts.push(Phrase::own("can be asked about only"));
        }
        if parts.is_empty() { Phrase::own("free") } else { Phrase::joined(&parts, "; ") }
    }
}
