//! Plain text: a commit status's description, and a verdict on the terminal.

use super::Words;
use super::inert::visible;
use super::phrase::{Phrase, shorten_both};
use super::story::{outcome_word, time};
use super::template::Values;
use super::told::{Told, ToldCheck};
use crate::verdict::{CheckOutcome, Outcome, Verdict};

/// GitLab's limit of a commit status's description ([commits API](https://docs.gitlab.com/api/commits/)).
pub const MAX_STATUS_CHARS: usize = 255;

impl Words {
    /// The description of a commit status: plain, at most [`MAX_STATUS_CHARS`] characters, and the same for the same verdicts.
    pub fn status_description(&self, verdicts: &[Verdict]) -> String {
        let said = match verdicts {
            [verdict] => self.status(verdict),
            several => {
                let total = u64::try_from(several.len()).unwrap_or(u64::MAX);
                let mut values = Values::from([("total", Phrase::number(total)), ("parts", self.parts(several))]);
                match several.iter().find(|verdict| verdict.outcome != Outcome::Passed) {
                    Some(first) => {
                        values.insert("first", self.status(first));
                        self.say("status/several", &values)
                    }
                    None => self.say("status/several-passed", &values),
                }
            }
        };
        let text = said.plain();
        if text.chars().count() <= MAX_STATUS_CHARS {
            return text.to_owned();
        }
        text.chars().take(MAX_STATUS_CHARS - 1).chain(['…']).collect()
    }

    fn status(&self, verdict: &Verdict) -> Phrase {
        let mut values = Values::from([("what", self.what(verdict))]);
        let Some(explained) = self.explained(verdict) else {
            values.insert("digest", verdict.digest().map_or(Phrase::own("no digest"), |digest| Phrase::digest(&digest)));
            values.insert("tally", self.tally(verdict));
            return self.say("status/passed", &values);
        };
        values.insert("title", Phrase::own(explained.title));
        values.insert("code", Phrase::term(explained.code));
        let template = match verdict.outcome {
            Outcome::Passed | Outcome::Blocked => "status/blocked",
            Outcome::CouldNotCheck => "status/could-not-check",
        };
        self.say(template, &values)
    }

    /// A verdict's sentence and its next step, plain: what JSON and the terminal lead with.
    pub(super) fn lead(&self, verdict: &Verdict) -> (String, String) {
        if let Some(explained) = self.explained(verdict) {
            return (explained.headline.plain().to_owned(), explained.next_step.plain().to_owned());
        }
        let values = [
            ("reference", verdict.image.as_ref().map_or(Phrase::own("no image"), Phrase::reference)),
            ("tally", self.tally(verdict)),
            ("time", time(verdict.as_of)),
            ("policy", Phrase::full_digest(&verdict.policy)),
        ];
        let said = self.say("text/passed", &Values::from(values));
        (said.plain().to_owned(), self.say("text/deploy", &Values::new()).plain().to_owned())
    }

    /// A verdict for the terminal.
    pub fn verdict_text(&self, verdict: &Verdict, colour: bool) -> String {
        self.told("", verdict).text(colour)
    }
}

impl Told {
    /// For the terminal: one sentence, one next step, then one line a check. Colour is only ever added to words.
    pub fn text(&self, colour: bool) -> String {
        let word = match self.outcome {
            Outcome::Passed => CheckOutcome::Passed,
            Outcome::Blocked => CheckOutcome::Blocked,
            Outcome::CouldNotCheck => CheckOutcome::CouldNotCheck,
        };
        let (headline, next_step) = (visible(&self.headline), visible(&self.next_step));
        let mut lines =
            vec![format!("{}: {headline}{}", painted(word, outcome_word(word), colour), code(&self.code)), format!("Next: {next_step}")];
        lines.push(String::new());
        let widest = self.checks.iter().map(|check| check.name().len()).max().unwrap_or(0);
        lines.extend(self.checks.iter().map(|check| check_line(check, widest, colour)));
        lines.join("\n") + "\n"
    }
}

fn check_line(check: &ToldCheck, widest: usize, colour: bool) -> String {
    let word = painted(check.outcome, &format!("{:<15}", outcome_word(check.outcome)), colour);
    let name = check.name();
    let (expected, found) = shorten_both(&check.expected, &check.found);
    format!("  {word} {name:<widest$}  expected: {expected}; found: {found}{}", code(&check.code))
}

fn code(code: &Option<String>) -> String {
    code.as_ref().map_or(String::new(), |code| format!(" [{}]", visible(code)))
}

/// Green, yellow or red around a word (ECMA-48 SGR).
pub(super) fn painted(outcome: CheckOutcome, word: &str, colour: bool) -> String {
    let code = match outcome {
        CheckOutcome::Passed => "32",
        CheckOutcome::Warned | CheckOutcome::CouldNotCheck => "33",
        CheckOutcome::Blocked => "31",
        CheckOutcome::NotApplicable => "2",
    };
    if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
}
