//! Promotions in the release section and the sticky note. No time of looking: the same record gives the same bytes.

use super::super::phrase::Phrase;
use super::super::story::{Place, Row, time};
use super::super::template::Values;
use super::super::{Links, Words};
use super::{Arrived, command};
use crate::model::PinnedImage;
use crate::model::promotion::Standing;
use crate::verdict::{About, Outcome, Verdict};

impl Words {
    /// Where a released image was promoted to, with a link to who asked for it.
    pub(in crate::render) fn promoted_row(&self, verdict: &Verdict, arrived: &[Arrived<'_>]) -> Option<Row> {
        let image = verdict.image.as_ref()?;
        let links = Links::to(verdict.subject.project_url.as_deref());
        let line = |arrived: &Arrived<'_>| {
            let (standing, at) = arrived.runs.iter().filter(|standing| holds(standing, image)).find_map(|standing| {
                let at = standing.promoted_at()?;
                Some((standing, at))
            })?;
            let mut values = Values::from([
                ("environment", Phrase::name(&arrived.environment.name.0)),
                ("at", time(at)),
                ("by", self.asked_by(&standing.promotion, &links)),
            ]);
            match self.found_instead(standing) {
                Some((found, seen)) => {
                    values.extend([("found", found), ("seen", time(seen))]);
                    Some(self.say("promotion/release-line-drifted", &values))
                }
                None => Some(self.say("promotion/release-line", &values)),
            }
        };
        let lines: Vec<_> = arrived.iter().filter_map(line).collect();
        if lines.is_empty() {
            return None;
        }
        Some(Row::new("Promotions", self.say("promotion/release-row", &Values::from([("promotions", Phrase::joined(&lines, " · "))]))))
    }

    /// What every environment runs, seen from one image.
    pub(in crate::render) fn environments_row(&self, verdict: &Verdict, arrived: &[Arrived<'_>], place: Place) -> Option<Row> {
        let links = place.links(verdict);
        let cell = |arrived: &Arrived<'_>| {
            let environment = ("environment", Phrase::name(&arrived.environment.name.0));
            if let Some((found, _)) = arrived.runs.first().and_then(|standing| self.found_instead(standing)) {
                return Some(self.say("promotion/cell-drifted", &Values::from([environment, ("found", found)])));
            }
            match arrived.runs.first().and_then(|standing| Some((standing, standing.promoted_at()?))) {
                Some((standing, at)) if verdict.image.as_ref().is_some_and(|image| holds(standing, image)) => Some(self.say(
                    "promotion/runs-this",
                    &Values::from([environment, ("since", time(at)), ("by", self.asked_by(&standing.promotion, &links))]),
                )),
                Some((standing, _)) => {
                    let release = ("release", links.release(&standing.promotion.release));
                    Some(self.say("promotion/runs-other", &Values::from([environment, release])))
                }
                None if arrived.environment.actions.is_empty() => None,
                None => Some(self.say("promotion/runs-none", &Values::from([environment]))),
            }
        };
        let cells: Vec<_> = arrived.iter().filter_map(cell).collect();
        if cells.is_empty() { None } else { Some(Row::new("Environments", Phrase::list(&cells))) }
    }

    /// That what did not pass changed nothing where something runs; empty where nothing does.
    pub(in crate::render) fn still_running(&self, verdict: &Verdict, arrived: &[Arrived<'_>]) -> Phrase {
        let links = Links::to(verdict.subject.project_url.as_deref());
        let runs = arrived.iter().filter(|arrived| !arrived.runs.is_empty());
        let said: Vec<_> = runs.map(|arrived| self.still_runs(&arrived.environment.name, arrived.runs.first(), &links)).collect();
        Phrase::joined(&said, " ")
    }

    /// The command that would bring a release on its way, if there is an obvious one: all of it passed, and no environment that it
    /// would be promoted to has seen it or anything newer.
    pub(in crate::render) fn next_promotion(&self, verdicts: &[Verdict], arrived: &[Arrived<'_>]) -> Option<String> {
        let first = verdicts.first().filter(|_| verdicts.iter().all(|verdict| verdict.outcome == Outcome::Passed))?;
        let (About::Release { tag }, Some(built)) =
            (&first.subject.question.about, first.subject.pipeline.as_ref().and_then(|built| built.created_at.or(built.finished_at)))
        else {
            return None;
        };
        let images: Vec<_> = verdicts.iter().filter_map(|verdict| verdict.image.as_ref()).collect();
        let was_in = |arrived: &Arrived<'_>| {
            let all = |standing: &Standing| images.iter().all(|image| holds(standing, image));
            arrived.runs.iter().any(all)
        };
        let next = arrived.iter().filter(|arrived| !arrived.environment.actions.is_empty()).find(|arrived| !was_in(arrived))?;
        let newer = next.runs.first().and_then(Standing::promoted_at).is_some_and(|at| at > built);
        let before = next.environment.after.as_ref();
        let staged = before.is_none_or(|before| arrived.iter().any(|arrived| arrived.environment.name == *before && was_in(arrived)));
        if newer || !staged {
            return None;
        }
        let command = command("promote", &[&next.environment.name.0, tag]);
        Some(self.block("promotion/next", &Values::from([("command", command)])))
    }
}

fn holds(standing: &Standing, image: &PinnedImage) -> bool {
    standing.promotion.images.iter().any(|(_, held)| held == image)
}
