//! What would run, and what stands in the way: the answer to `promote` and `rollback`.

use serde::Serialize;

use super::super::phrase::Phrase;
use super::super::story::{Row, Table, time};
use super::super::template::Values;
use super::super::{Explained, Words, safe};
use super::{Lines, Preview, Stage, Steps, command, not_done, verb};
use crate::model::Timestamp;
use crate::model::environment::Action;
use crate::model::gitlab::{Commit, CommitsBetween, MergeRequest};
use crate::model::promotion::Direction;
use crate::verdict::promotion::Bar;
use crate::verdict::{Looked, Problem, Rank, Verdict, Why};

/// Commits and merge requests that are named; more are counted.
const MAX_NAMED: usize = 6;

/// The folded part of a refusal.
#[derive(Serialize)]
struct Folded {
    summary: Phrase,
    blocks: Vec<Phrase>,
}

impl Words {
    /// The answer to `promote` and `rollback`.
    pub fn promotion_preview(&self, preview: &Preview<'_>) -> String {
        let waits = preview.weighed.waits_for_approval;
        let blocks = match preview.weighed.bars.first().filter(|_| !waits || preview.stage == Stage::Refused) {
            Some(bar) => self.preview_refused(preview, bar),
            None => self.preview_accepted(preview),
        };
        let checked = self.block("note/checked-at", &Values::from([("time", time(preview.now))]));
        safe(blocks.into_iter().chain([checked]).collect::<Vec<_>>().join("\n\n") + "\n")
    }

    fn preview_refused(&self, preview: &Preview<'_>, bar: &Bar) -> Vec<String> {
        let Explained { title, headline, next_step, .. } = self.bar(bar, preview.verdicts);
        let mut values = self.about(preview);
        values.extend([("title", Phrase::own(title)), ("headline", headline), ("next_step", next_step)]);
        let template = match (preview.stage, bar.rank()) {
            (Stage::DryRun, Rank::CouldNotCheck) => "promotion/preview-could-not-check",
            (Stage::DryRun, _) => "promotion/preview-refused",
            (Stage::Begins | Stage::Waits | Stage::Refused, Rank::CouldNotCheck) => "promotion/could-not-check",
            (Stage::Begins | Stage::Waits | Stage::Refused, _) => "promotion/refused",
        };
        vec![self.block(template, &values), self.folded(preview, bar)]
    }

    /// What else stands in the way, and what it was about.
    fn folded(&self, preview: &Preview<'_>, first: &Bar) -> String {
        let further = preview.weighed.bars.iter().skip(1).filter(|bar| adds(first, bar));
        let further: Vec<Phrase> = further.map(|bar| self.reason(preview, bar, "promotion/reason")).collect();
        // Within `<summary>` GitLab renders no Markdown, so the code stands there without marks.
        let mut values = Values::from([("code", Phrase::own(first.code()))]);
        let summary = match further.len() {
            0 => self.say("promotion/summary", &values),
            1 => self.say("promotion/summary-one-more", &values),
            more => {
                values.insert("more", Phrase::number(u64::try_from(more).unwrap_or(u64::MAX)));
                self.say("promotion/summary-more", &values)
            }
        };
        let mut blocks = vec![];
        if !further.is_empty() {
            blocks.push(self.say("promotion/further", &Lines { lines: further }));
        }
        blocks.push(self.say("note/rows", &Table { rows: self.preview_rows(preview) }));
        blocks.extend(self.warned(preview));
        self.block("promotion/folded", &Folded { summary, blocks })
    }

    fn preview_accepted(&self, preview: &Preview<'_>) -> Vec<String> {
        let mut values = self.about(preview);
        values.extend([("tally", self.passed_tally(preview.verdicts)), ("who", self.who_may(preview))]);
        let template = match (preview.stage, preview.direction, preview.weighed.waits_for_approval) {
            (Stage::DryRun, _, true) => "promotion/preview-waits",
            (Stage::DryRun, _, false) => "promotion/preview",
            (Stage::Waits, ..) => {
                // One that waits since an earlier answer to the same command ends no later than this.
                values.insert("until", self.until(preview));
                "promotion/waits"
            }
            // One that was refused has a bar.
            (Stage::Begins | Stage::Refused, Direction::Promote, _) => "promotion/begins",
            (Stage::Begins | Stage::Refused, Direction::Rollback, _) => "promotion/begins-rollback",
        };
        let mut blocks = vec![self.block(template, &values)];
        blocks.extend(self.warned(preview).map(|warned| warned.markdown().to_owned()));
        blocks.push(self.block("note/rows", &Table { rows: self.preview_rows(preview) }));
        let attests = preview.weighed.observed.is_empty();
        let actions = preview.environment.actions.iter().filter(|action| attests || !matches!(action, Action::Attest));
        let steps: Vec<_> = actions.map(|action| self.action(action, preview)).collect();
        if !steps.is_empty() {
            blocks.push(self.block("promotion/planned", &Steps::of(steps)));
        }
        blocks
    }

    /// The values that every answer shares.
    fn about(&self, preview: &Preview<'_>) -> Values {
        let (environment, release) = (&preview.environment.name, preview.release);
        let shared = [("environment", Phrase::name(&environment.0)), ("release", Phrase::name(release))];
        let what = match preview.direction {
            Direction::Promote => "promotion/what",
            Direction::Rollback => "promotion/what-rollback",
        };
        let mut values = Values::from(shared);
        let what = self.say(what, &values);
        values.extend([
            ("what", what),
            ("digests", self.digests(preview.images)),
            ("runs", self.still_runs(environment, preview.runs, preview.links)),
            ("command", command(verb(preview.direction), &[&environment.0, release])),
            ("approve", Phrase::typed("/countersign approve")),
            ("cancel", Phrase::typed("/countersign cancel")),
        ]);
        values.extend(not_done(preview.direction));
        values
    }

    fn who_may(&self, preview: &Preview<'_>) -> Phrase {
        match preview.who {
            "" => self.who(&preview.environment.allow.who()),
            who => self.who(who),
        }
    }

    fn until(&self, preview: &Preview<'_>) -> Phrase {
        let until = preview.now.checked_add(preview.environment.approval_age).unwrap_or(preview.now);
        time(until)
    }

    /// How the checks of all images went.
    fn passed_tally(&self, verdicts: &[Verdict]) -> Phrase {
        match verdicts {
            [verdict] => self.tally(verdict),
            several => self.parts(several),
        }
    }

    fn preview_rows(&self, preview: &Preview<'_>) -> Vec<Row> {
        let mut rows = vec![];
        let would = match preview.stage {
            Stage::DryRun | Stage::Refused => "Would run",
            Stage::Begins | Stage::Waits => "Will run",
        };
        if !preview.images.is_empty() {
            let mut values = Values::from([("release", preview.links.release(preview.release)), ("digests", self.digests(preview.images))]);
            let value = match preview.commit {
                Some(commit) => {
                    values.insert("commit", preview.links.commit(commit));
                    self.say("promotion/would-run", &values)
                }
                None => self.say("promotion/would-run-unknown", &values),
            };
            rows.push(Row::new(would, value));
        }
        rows.push(Row::new("Runs now", self.runs_now(preview)));
        if let Some(last) = preview.last_there {
            rows.push(Row::new("Was there last", self.age(last, preview.now)));
        }
        rows.extend(self.between(preview.between, preview.direction));
        rows.extend(self.bases(preview));
        rows.push(Row::new("Who may", self.who_may(preview)));
        rows
    }

    fn runs_now(&self, preview: &Preview<'_>) -> Phrase {
        let Some((standing, since)) = preview.runs.and_then(|standing| Some((standing, standing.promoted_at()?))) else {
            return Phrase::own("nothing that Countersign promoted");
        };
        let mut values = Values::from([
            ("release", preview.links.release(&standing.promotion.release)),
            ("digests", self.digests(&standing.promotion.images)),
            ("since", time(since)),
            ("by", self.asked_by(&standing.promotion, preview.links)),
        ]);
        let template = match self.found_instead(standing) {
            Some((found, seen)) => {
                values.extend([("found", found), ("seen", time(seen))]);
                "promotion/runs-drifted"
            }
            None if standing.promotion.images == preview.images => "promotion/runs-the-same",
            None => "promotion/runs",
        };
        self.say(template, &values)
    }

    /// When, and how long ago.
    fn age(&self, then: Timestamp, now: Timestamp) -> Phrase {
        self.say("promotion/age", &Values::from([("time", time(then)), ("age", Phrase::age(then, now))]))
    }

    fn between(&self, between: &Looked<CommitsBetween>, direction: Direction) -> Vec<Row> {
        let label = match direction {
            Direction::Promote => "Commits between",
            Direction::Rollback => "Commits taken back",
        };
        let found = match between {
            Looked::Found(found) => found,
            Looked::Absent => return vec![],
            Looked::Unreachable(_) => return vec![Row::new(label, Phrase::own("GitLab could not be asked"))],
        };
        let commit = |commit: &Commit| {
            let values = [("commit", Phrase::commit(&commit.sha).link(&commit.web_url)), ("title", Phrase::name(&commit.title))];
            self.say("item/commit", &Values::from(values))
        };
        let commits: Vec<_> = found.commits.iter().map(commit).collect();
        let mut rows = vec![Row::new(label, self.counted(&commits, found.more))];
        if !found.merge_requests.is_empty() {
            // Not linked: a link would leave "mentioned in" in the other merge request's thread (SR-10).
            let named = |merge_request: &MergeRequest| {
                let values =
                    [("merge_request", Phrase::merge_request(merge_request.iid, None)), ("title", Phrase::name(&merge_request.title))];
                self.say("promotion/merge-request", &Values::from(values))
            };
            let named: Vec<_> = found.merge_requests.iter().map(named).collect();
            rows.push(Row::new("Merge requests", self.counted(&named, false)));
        }
        rows
    }

    /// The first ones, and how many there are.
    fn counted(&self, items: &[Phrase], more: bool) -> Phrase {
        let named = Phrase::list(&items[..items.len().min(MAX_NAMED)]);
        let left = items.len().saturating_sub(MAX_NAMED);
        let count = |number| Phrase::number(u64::try_from(number).unwrap_or(u64::MAX));
        match (items.len(), left, more) {
            (0, _, false) => Phrase::own("none"),
            (_, 0, false) => named,
            (_, left, false) => self.say("promotion/and-more", &Values::from([("named", named), ("count", count(left))])),
            (_, left, true) => self.say("promotion/and-many-more", &Values::from([("named", named), ("count", count(left))])),
        }
    }

    /// The base images, of several images only those that changed.
    fn bases(&self, preview: &Preview<'_>) -> Vec<Row> {
        let base = |verdict: &Verdict| {
            let seen = verdict.subject.base_image.as_ref()?;
            let told = self.base_image(seen, preview.audience);
            if preview.verdicts.len() == 1 {
                return Some(told);
            }
            let name = Phrase::name(&verdict.subject.question.image.name);
            let named = || self.say("promotion/of-image", &Values::from([("name", name), ("value", told)]));
            seen.changed_since().map(|_| named())
        };
        let bases: Vec<_> = preview.verdicts.iter().filter_map(base).collect();
        if bases.is_empty() { vec![] } else { vec![Row::new("Base image", Phrase::list(&bases))] }
    }

    /// What does not stop it, and somebody should know.
    fn warned(&self, preview: &Preview<'_>) -> Option<Phrase> {
        let mut lines: Vec<Phrase> = preview.weighed.observed.iter().map(|bar| self.reason(preview, bar, "promotion/observed")).collect();
        if !lines.is_empty() && preview.environment.actions.contains(&Action::Attest) {
            lines.push(Phrase::own(
                "No verification summary is signed for this promotion: it would say that everything that is demanded is met.",
            ));
        }
        if let Some((before, until)) = preview.before.and_then(|before| Some((before, before.observe_until?)))
            && until > preview.now
            && preview.environment.observe_until.is_none_or(|ours| ours <= preview.now)
        {
            let values = [
                ("before", Phrase::name(&before.name.0)),
                ("environment", Phrase::name(&preview.environment.name.0)),
                ("until", time(until)),
            ];
            lines.push(self.say("promotion/rules-differ", &Values::from(values)));
        }
        for verdict in preview.verdicts {
            lines.extend(self.warnings(verdict, preview.audience));
        }
        (!lines.is_empty()).then(|| self.say("promotion/warned", &Lines { lines }))
    }

    fn reason(&self, preview: &Preview<'_>, bar: &Bar, template: &'static str) -> Phrase {
        let Explained { code, headline, .. } = self.bar(bar, preview.verdicts);
        let mut values = Values::from([("headline", headline), ("code", Phrase::term(code))]);
        if let Some(until) = preview.environment.observe_until {
            values.insert("until", time(until));
        }
        self.say(template, &values)
    }
}

/// Whether somebody who does what the first bar asks for is helped by being told of this one as well.
fn adds(first: &Bar, further: &Bar) -> bool {
    // By the time a halt is lifted everything is looked at anew, and a lock is gone long before a freeze is.
    let over_by_then = matches!(first, Bar::Halted { .. }) || matches!((first, further), (Bar::Frozen { .. }, Bar::Locked { .. }));
    // The command is written again anyway, and an approval is asked for once nothing else is wrong.
    let comes_anyway = matches!(further, Bar::Expired { .. } | Bar::SecondPerson { .. });
    let one_outage =
        unseen(first).is_some_and(|one| unseen(further).is_some_and(|other| (one.service, one.kind) == (other.service, other.kind)));
    !(over_by_then || comes_anyway || one_outage || first == further)
}

/// Why something could not be looked at.
fn unseen(bar: &Bar) -> Option<&Why> {
    if let Bar::Unavailable { why, .. } = bar {
        return Some(why);
    }
    let (Bar::Image { problem, .. } | Bar::NoImage { problem, .. }) = bar else { return None };
    if let Problem::Unavailable { why, .. } = problem.as_ref() { Some(why) } else { None }
}
