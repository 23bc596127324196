//! How a promotion ended.

use std::collections::BTreeSet;

use super::super::phrase::Phrase;
use super::super::story::time;
use super::super::template::Values;
use super::super::{Audience, Links, Words, codes, safe};
use super::{Steps, command, not_done, recorded, recorded_without, verb};
use crate::model::environment::Action;
use crate::model::promotion::{Act, Direction, Ending, Promotion, Standing};

impl Words {
    /// The later word in the thread; `runs` is what runs there now as far as we know.
    pub fn promotion_end(&self, standing: &Standing, runs: Option<&Standing>, audience: Audience, links: &Links) -> String {
        let promotion = &standing.promotion;
        let told = |reason: &str| match audience {
            Audience::Members => recorded(reason),
            Audience::Everyone => recorded_without(reason, &hosts(standing)),
        };
        let mut values = self.ended_values(standing, runs, links);
        let blocks = match &standing.ended {
            Some((Ending::Promoted, at)) => {
                values.extend([("at", time(*at)), ("by", self.by(standing))]);
                let template = match promotion.direction {
                    Direction::Promote => "promotion/promoted",
                    Direction::Rollback => "promotion/rolled-back",
                };
                vec![self.block(template, &values), self.folded_steps(standing, (links, audience))]
            }
            Some((Ending::Stopped { code, reason }, _)) => {
                let (title, todo) = (codes::title(code), codes::todo(code));
                values.extend([
                    ("title", Phrase::own(title)),
                    ("reason", told(reason).capital()),
                    ("next_step", Phrase::own(todo)),
                    ("code", Phrase::name(code)),
                ]);
                if standing.has_begun() {
                    let steps = Steps::of(self.steps(standing, (links, audience)));
                    vec![
                        self.block("promotion/stopped-midway", &values),
                        self.block("promotion/steps", &steps),
                        self.ran(standing, runs, links),
                    ]
                } else {
                    vec![self.block("promotion/stopped", &values)]
                }
            }
            Some((Ending::NotConverged { reason }, _)) => {
                values.extend([("reason", told(reason)), ("failed", self.what_failed(standing, links))]);
                vec![
                    self.block("promotion/not-converged", &values),
                    self.ran(standing, runs, links),
                    self.folded_steps(standing, (links, audience)),
                ]
            }
            Some((Ending::Cancelled { by }, _)) => {
                values.insert("by", Phrase::name(&by.username));
                vec![self.block("promotion/cancelled", &values)]
            }
            None => vec![self.block("promotion/open", &values)],
        };
        safe(blocks.join("\n\n") + "\n")
    }

    fn ended_values(&self, standing: &Standing, runs: Option<&Standing>, links: &Links) -> Values {
        let Promotion { environment, release, images, direction, .. } = &standing.promotion;
        let shared = [("environment", Phrase::name(&environment.name.0)), ("release", Phrase::name(release))];
        let mut values = Values::from(shared);
        let what = match direction {
            Direction::Promote => "promotion/what",
            Direction::Rollback => "promotion/what-rollback",
        };
        let what = self.say(what, &values);
        values.extend([
            ("what", what),
            ("digests", self.digests(images)),
            ("runs", self.still_runs(&environment.name, runs, links)),
            ("command", command(verb(*direction), &[&environment.name.0, release])),
            ("rollback", command("rollback", &[&environment.name.0])),
        ]);
        values.extend(not_done(*direction));
        values
    }

    /// Who asked, and who approved.
    fn by(&self, standing: &Standing) -> Phrase {
        let by = ("by", Phrase::name(&standing.promotion.requested_by.username));
        if standing.approvals.is_empty() {
            return by.1;
        }
        let approvers: Vec<_> = standing.approvals.iter().map(|(person, _)| Phrase::name(&person.username)).collect();
        self.say("promotion/by-approved", &Values::from([by, ("approvers", Phrase::list(&approvers))]))
    }

    fn folded_steps(&self, standing: &Standing, to: (&Links, Audience)) -> String {
        self.block("promotion/folded-steps", &Steps::of(self.steps(standing, to)))
    }

    /// Where to look: what the steps started.
    fn what_failed(&self, standing: &Standing, links: &Links) -> Phrase {
        let did = standing.steps.iter().filter_map(|step| step.did.as_ref().map(|(left, _)| (left, &step.act)));
        let started: Vec<_> = did.filter_map(|(left, act)| self.started(left, act, links)).collect();
        if started.is_empty() { Phrase::own("what failed") } else { Phrase::list(&started) }
    }

    /// What ran before something was changed, and the way back there.
    fn ran(&self, standing: &Standing, runs: Option<&Standing>, links: &Links) -> String {
        let environment = &standing.promotion.environment.name;
        let name = ("environment", Phrase::name(&environment.0));
        match runs.and_then(|standing| Some((standing, standing.promoted_at()?))) {
            Some((before, since)) => {
                let release = &before.promotion.release;
                let mut values = Values::from([
                    name,
                    ("release", links.release(release)),
                    ("digests", self.digests(&before.promotion.images)),
                    ("since", time(since)),
                    // Named: without a name it would go back to what ran before that.
                    ("rollback", command("rollback", &[&environment.0, release])),
                ]);
                match self.found_instead(before) {
                    Some((found, seen)) => {
                        values.extend([("found", found), ("seen", time(seen))]);
                        self.block("promotion/ran-drifted", &values)
                    }
                    None => self.block("promotion/ran", &values),
                }
            }
            None => self.block("promotion/ran-nothing", &Values::from([name])),
        }
    }
}

/// Every registry that a sentence about this promotion could name.
fn hosts(standing: &Standing) -> BTreeSet<String> {
    let promotion = &standing.promotion;
    let own = promotion.images.iter().map(|(_, image)| image.repository.registry.clone());
    let acts = standing.steps.iter().filter_map(|step| match &step.act {
        Act::Copy { to, .. } => Some(to.registry.clone()),
        Act::Retag { .. } | Act::PlayJob { .. } | Act::StartPipeline { .. } | Act::Deployment { .. } | Act::Attest { .. } => None,
    });
    let actions = promotion.environment.actions.iter().filter_map(|action| match action {
        Action::Copy { to, .. } => to.0.split('/').next().map(str::to_owned),
        Action::Retag { .. } | Action::PlayJob { .. } | Action::StartPipeline { .. } | Action::Deployment | Action::Attest => None,
    });
    own.chain(acts).chain(actions).collect()
}
