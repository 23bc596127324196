//! Notes on merge requests: the sticky note, and the answer to a question.

use serde::Serialize;

use super::phrase::Phrase;
use super::story::{CheckRow, Place, PlatformRow, Table, check_row, platform_rows, shell_image, time, waits};
use super::template::Values;
use super::{Arrived, Audience, Explained, Words, safe};
use crate::model::gitlab::MergeRequestIid;
use crate::verdict::{CheckOutcome, Finding, Outcome, Verdict};

/// Rows of a visible table; everything beyond is in the folded part.
const MAX_VISIBLE_ROWS: usize = 8;

#[derive(Serialize)]
struct Warnings {
    warnings: Vec<Phrase>,
}

#[derive(Serialize)]
struct FailedChecks {
    checks: Vec<CheckRow>,
}

#[derive(Serialize)]
struct Platforms {
    platforms: Vec<PlatformRow>,
}

#[derive(Serialize)]
struct Checks {
    summary: Phrase,
    checks: Vec<CheckRow>,
    blocks: Vec<Phrase>,
}

/// What a section is written into.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// Who reads it.
    audience: Audience,
    /// What the environments run.
    arrived: &'a [Arrived<'a>],
    /// The command that would bring the release on its way.
    next: Option<&'a str>,
}

/// How a section's first line is marked.
#[derive(Clone, Copy)]
struct Mark {
    open: &'static str,
    close: &'static str,
}

const HEADING: Mark = Mark { open: "### ", close: "" };
const SUBHEADING: Mark = Mark { open: "#### ", close: "" };
const BOLD: Mark = Mark { open: "**", close: "**" };

impl Words {
    /// The one note of a merge request that is rewritten in place. It names no time of looking, so that it changes only when
    /// something else did. One section a verdict.
    ///
    /// `arrived` is what the record knows of the environments, in the order of promotion.
    pub fn sticky_note(&self, merge_request: MergeRequestIid, verdicts: &[Verdict], audience: Audience, arrived: &[Arrived<'_>]) -> String {
        let marker = self.block("note/marker", &Values::from([("iid", Phrase::number(merge_request.0))]));
        let place = Place::Note(Some(merge_request));
        let next = self.next_promotion(verdicts, arrived);
        let around = Around { audience, arrived, next: next.as_deref().filter(|_| verdicts.len() == 1) };
        let body = match verdicts {
            [verdict] => self.section(verdict, HEADING, place, around),
            several => {
                let sections = several.iter().map(|verdict| self.section(verdict, SUBHEADING, place, around));
                std::iter::once(self.count(several)).chain(sections).chain(next.clone()).collect::<Vec<_>>().join("\n\n")
            }
        };
        safe(format!("{marker}\n{body}\n"))
    }

    /// The answer to `verify`, in the thread of a merge request.
    pub fn reply(&self, merge_request: MergeRequestIid, verdicts: &[Verdict], audience: Audience) -> String {
        let place = Place::Note(Some(merge_request));
        let sections = verdicts.iter().map(|verdict| {
            let checked = self.block("note/checked-at", &Values::from([("time", time(verdict.as_of))]));
            format!("{}\n\n{checked}", self.section(verdict, BOLD, place, Around { audience, arrived: &[], next: None }))
        });
        safe(sections.collect::<Vec<_>>().join("\n\n---\n\n") + "\n")
    }

    fn count(&self, verdicts: &[Verdict]) -> String {
        let total = u64::try_from(verdicts.len()).unwrap_or(u64::MAX);
        self.block("note/count", &Values::from([("total", Phrase::number(total)), ("parts", self.parts(verdicts))]))
    }

    /// One verdict: the word of it and what to do, what is known, and all checks folded.
    fn section(&self, verdict: &Verdict, mark: Mark, place: Place, around: Around<'_>) -> String {
        let Around { audience, arrived, next } = around;
        let mut blocks = vec![self.opening(verdict, mark)];
        let still = self.still_running(verdict, arrived);
        if verdict.outcome != Outcome::Passed && !still.markdown().is_empty() {
            blocks.push(still.markdown().to_owned());
        }
        let warnings = self.warnings(verdict, audience);
        if !warnings.is_empty() {
            blocks.push(self.block("note/warnings", &Warnings { warnings }));
        }
        if verdict.outcome == Outcome::Passed {
            let rows = self.rows(verdict, place, audience).into_iter().chain(self.environments_row(verdict, arrived, place)).collect();
            blocks.push(self.block("note/rows", &Table { rows }));
            blocks.extend(next.map(str::to_owned));
        } else {
            let failed = verdict.findings.iter().filter(|finding| stands_in_the_way(finding));
            let checks: Vec<_> = failed.take(MAX_VISIBLE_ROWS).map(|finding| check_row(finding, verdict, audience)).collect();
            if !checks.is_empty() {
                blocks.push(self.block("note/failed-checks", &FailedChecks { checks }));
            }
        }
        blocks.push(self.all_checks(verdict, place, audience));
        blocks.join("\n\n")
    }

    /// The headline, and for what did not pass: one sentence, one next step, and what did not happen.
    fn opening(&self, verdict: &Verdict, mark: Mark) -> String {
        let mut values = Values::from([("open", Phrase::own(mark.open)), ("close", Phrase::own(mark.close)), ("what", self.what(verdict))]);
        let Some(explained) = self.explained(verdict) else {
            values.extend(self.passed(verdict));
            return self.block("note/passed", &values);
        };
        values.extend(explained_values(&explained));
        self.block(opening_template(verdict), &values)
    }

    fn passed(&self, verdict: &Verdict) -> Values {
        let commit = verdict.subject.commit.as_ref();
        Values::from([
            ("pipeline", self.pipeline(verdict)),
            ("commit", commit.map_or(Phrase::own("of the release"), |commit| Phrase::commit(&commit.sha).link(&commit.web_url))),
            ("signer", self.signer_in_short(verdict)),
            ("tally", self.tally(verdict)),
        ])
    }

    pub(super) fn warnings(&self, verdict: &Verdict, audience: Audience) -> Vec<Phrase> {
        let warned = verdict.findings.iter().filter(|finding| finding.outcome == CheckOutcome::Warned);
        warned.map(|finding| self.warning(finding, verdict, audience)).collect()
    }

    fn warning(&self, finding: &Finding, verdict: &Verdict, audience: Audience) -> Phrase {
        match &finding.problem {
            Some(problem) => self.explain(problem, &verdict.subject).headline,
            None => self.say("item/finding", &check_row(finding, verdict, audience)),
        }
    }

    /// Every check, folded, with what is known of an image that did not pass, and the lines to copy.
    fn all_checks(&self, verdict: &Verdict, place: Place, audience: Audience) -> String {
        let tally = self.tally(verdict);
        // Within `<summary>` GitLab renders no Markdown, so the code stands there without marks.
        let summary = match &verdict.problem {
            Some(problem) => self.say("note/summary-blocked", &Values::from([("tally", tally), ("code", Phrase::own(problem.code()))])),
            None => tally,
        };
        let mut blocks = vec![];
        let rows = if verdict.outcome == Outcome::Passed { vec![] } else { self.rows(verdict, place, audience) };
        if !rows.is_empty() {
            blocks.push(self.say("note/rows", &Table { rows }));
        }
        if let Some(image) = &verdict.image {
            let image = Phrase::argument(&shell_image(image, audience));
            blocks.push(self.say("note/full-image", &Values::from([("image", image)])));
        }
        let platforms = platform_rows(verdict);
        if !platforms.is_empty() {
            blocks.push(self.say("note/platforms", &Platforms { platforms }));
        }
        blocks.extend(self.check_it_yourself(verdict, audience));
        let checks = verdict.findings.iter().map(|finding| check_row(finding, verdict, audience)).collect();
        self.block("note/checks", &Checks { summary, checks, blocks })
    }
}

fn opening_template(verdict: &Verdict) -> &'static str {
    match verdict.outcome {
        Outcome::Passed | Outcome::Blocked if waits(verdict) => "note/waiting",
        Outcome::Passed | Outcome::Blocked => "note/blocked",
        Outcome::CouldNotCheck => "note/could-not-check",
    }
}

fn stands_in_the_way(finding: &Finding) -> bool {
    match finding.outcome {
        CheckOutcome::Blocked | CheckOutcome::CouldNotCheck => true,
        CheckOutcome::Passed | CheckOutcome::Warned | CheckOutcome::NotApplicable => false,
    }
}

pub(super) fn explained_values(explained: &Explained) -> [(&'static str, Phrase); 4] {
    [
        ("title", Phrase::own(explained.title)),
        ("headline", explained.headline.clone()),
        ("next_step", explained.next_step.clone()),
        ("code", Phrase::term(explained.code)),
    ]
}
