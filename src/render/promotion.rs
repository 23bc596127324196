//! What is said about promotions: the preview, a refusal, the end, what runs where.
//!
//! People are named and not mentioned: whoever asked reads the thread anyway.

mod act;
mod answer;
mod bar;
mod drift;
mod end;
mod preview;
mod recorded;
mod standing;

use serde::Serialize;

use super::phrase::Phrase;
use super::story::time;
use super::template::Values;
use super::{Audience, Links, Words};
use crate::commands::PREFIX;
use crate::model::environment::Environment;
use crate::model::gitlab::{CommitSha, CommitsBetween};
use crate::model::promotion::{Direction, Person, Promotion, Standing};
use crate::model::{EnvironmentName, PinnedImage, Timestamp};
use crate::verdict::promotion::{Bar, Weighed};
use crate::verdict::{Looked, Verdict};
use recorded::{recorded, recorded_without};

/// What would be done, is about to be done, or was refused.
#[derive(Debug, Clone)]
pub struct Preview<'a> {
    pub stage: Stage,
    pub direction: Direction,
    pub environment: &'a Environment,
    /// The environment that comes before, if one does.
    pub before: Option<&'a Environment>,
    /// The Git tag.
    pub release: &'a str,
    pub commit: Option<&'a CommitSha>,
    /// As far as they are known.
    pub images: &'a [(String, PinnedImage)],
    /// Made for this decision, one for each image.
    pub verdicts: &'a [Verdict],
    /// What was promoted there last and arrived.
    pub runs: Option<&'a Standing>,
    /// From what runs now to what would run, for a rollback the other way round; `Absent` where that was not asked.
    pub between: &'a Looked<CommitsBetween>,
    pub weighed: &'a Weighed,
    /// Who may deploy there, in words; empty if that is not known.
    pub who: &'a str,
    /// For a rollback: when this was there last.
    pub last_there: Option<Timestamp>,
    pub now: Timestamp,
    pub audience: Audience,
    pub links: &'a Links,
}

/// Why a preview is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `--dry-run`: nothing was opened.
    DryRun,
    /// It begins now.
    Begins,
    /// It waits for somebody else's approval.
    Waits,
    /// It does not happen.
    Refused,
}

/// One environment, for `status`.
#[derive(Debug, Clone)]
pub struct EnvironmentStatus<'a> {
    pub environment: &'a Environment,
    /// What was promoted there last and arrived.
    pub runs: Option<Standing>,
    pub open: Option<Standing>,
}

/// One environment with what arrived there, for the release section and the sticky note.
#[derive(Debug, Clone)]
pub struct Arrived<'a> {
    pub environment: &'a Environment,
    /// The first is what runs there as far as we know; the others hold the images that are told of, newest first.
    pub runs: Vec<Standing>,
}

/// Answers to `approve` and `cancel`, and why there is nothing to promote.
#[derive(Debug, Clone)]
pub enum PromotionAnswer<'a> {
    /// No environment of this name; these there are.
    NoEnvironment {
        name: &'a str,
        known: Vec<&'a str>,
    },
    /// The merge request is in several releases: one must be named.
    SeveralReleases {
        releases: &'a [String],
    },
    /// Nothing that matches was promoted there before.
    NothingToRollBackTo {
        environment: &'a str,
    },
    /// No open promotion was asked for in this thread.
    NothingOpen,
    Approved {
        standing: &'a Standing,
        by: &'a Person,
    },
    ApprovalRefused {
        standing: &'a Standing,
        bar: &'a Bar,
    },
    Cancelled {
        standing: &'a Standing,
    },
    CancelRefused {
        standing: &'a Standing,
        bar: &'a Bar,
    },
    /// It began already.
    TooLateToCancel {
        standing: &'a Standing,
    },
}

/// A numbered list.
#[derive(Serialize)]
struct Steps {
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    number: Phrase,
    said: Phrase,
}

impl Steps {
    fn of(said: impl IntoIterator<Item = Phrase>) -> Self {
        Self { steps: (1..).zip(said).map(|(number, said)| Step { number: Phrase::number(number), said }).collect() }
    }
}

/// A list of lines of ours.
#[derive(Serialize)]
struct Lines {
    lines: Vec<Phrase>,
}

impl Words {
    /// A release's images by digest: `sha256:…`, or each with its short name where there are several.
    fn digests(&self, images: &[(String, PinnedImage)]) -> Phrase {
        match images {
            [(_, image)] => Phrase::digest(&image.digest),
            several => self.named_digests(several),
        }
    }

    /// Each with its short name.
    fn named_digests(&self, images: &[(String, PinnedImage)]) -> Phrase {
        let named = |(name, image): &(String, PinnedImage)| {
            let values = [("name", Phrase::name(name)), ("digest", Phrase::digest(&image.digest))];
            self.say("promotion/named-digest", &Values::from(values))
        };
        Phrase::list(&images.iter().map(named).collect::<Vec<_>>())
    }

    /// What an environment runs as far as we know, and that nothing of this changed it.
    fn still_runs(&self, environment: &EnvironmentName, runs: Option<&Standing>, links: &Links) -> Phrase {
        let environment = ("environment", Phrase::name(&environment.0));
        match runs.and_then(|standing| Some((standing, standing.promoted_at()?))) {
            Some((standing, since)) => {
                let mut values = Values::from([
                    environment,
                    ("release", links.release(&standing.promotion.release)),
                    ("digests", self.digests(&standing.promotion.images)),
                    ("since", time(since)),
                ]);
                match self.found_instead(standing) {
                    Some((found, seen)) => {
                        values.extend([("found", found), ("seen", time(seen))]);
                        self.say("promotion/drifts", &values)
                    }
                    None => self.say("promotion/still-runs", &values),
                }
            }
            None => self.say("promotion/runs-nothing", &Values::from([environment])),
        }
    }

    /// Who asked for a promotion, and where.
    fn asked_by(&self, promotion: &Promotion, links: &Links) -> Phrase {
        let by = Phrase::name(&promotion.requested_by.username);
        match links.asked(promotion) {
            Some(asked) => self.say("promotion/asked-by", &Values::from([("by", by), ("asked", asked)])),
            None => by,
        }
    }

    /// Who may, of the words that facts and configuration have for it. Names in them come from outside.
    fn who(&self, words: &str) -> Phrase {
        let part = |text: &str| {
            for (word, shown) in [("the role ", "promotion/who-role"), ("group ", "promotion/who-group")] {
                if let Some(name) = text.strip_prefix(word) {
                    return self.say(shown, &Values::from([("name", Phrase::name(name))]));
                }
            }
            match text {
                "administrators" => Phrase::own("administrators"),
                "nobody" => Phrase::own("nobody"),
                other => Phrase::name(other),
            }
        };
        let any_of = |text: &str| {
            let parts: Vec<_> = text.split(" or ").map(part).collect();
            Phrase::joined(&parts, " or ")
        };
        let rule = |words: &str| match words.split_once(" in ") {
            Some((role, groups)) if role.starts_with("the role ") => {
                self.say("promotion/who-in", &Values::from([("role", part(role)), ("groups", any_of(groups))]))
            }
            Some(_) | None => any_of(words),
        };
        let rules: Vec<_> = words.split(" and also ").map(rule).collect();
        Phrase::joined(&rules, ", and also ")
    }
}

/// A command of ours with names in it, to be copied.
fn command(verb: &str, names: &[&str]) -> Phrase {
    let words = [PREFIX, verb].iter().chain(names).copied().collect::<Vec<_>>().join(" ");
    Phrase::name(&words)
}

/// What was not done, as two sentences begin or end with it.
fn not_done(direction: Direction) -> [(&'static str, Phrase); 2] {
    let (refused, nothing) = match direction {
        Direction::Promote => ("Not promoted", "Nothing was promoted."),
        Direction::Rollback => ("Not rolled back", "Nothing was rolled back."),
    };
    [("refused", Phrase::own(refused)), ("nothing", Phrase::own(nothing))]
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Promote => "promote",
        Direction::Rollback => "rollback",
    }
}
