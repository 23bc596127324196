//! What is said about promotions: the preview, a refusal, the end, what runs where.

use super::inert::quoted;
use super::{Audience, Words, safe};
use crate::model::environment::Environment;
use crate::model::gitlab::{CommitSha, CommitsBetween};
use crate::model::promotion::{Direction, Ending, Person, Standing};
use crate::model::{PinnedImage, Timestamp};
use crate::verdict::promotion::{Bar, Weighed};
use crate::verdict::{Looked, Verdict};

/// What would be done, is about to be done, or was refused.
#[derive(Debug, Clone)]
pub struct Preview<'a> {
    pub stage: Stage,
    pub direction: Direction,
    pub environment: &'a Environment,
    /// The Git tag.
    pub release: &'a str,
    pub commit: Option<&'a CommitSha>,
    /// As far as they are known.
    pub images: &'a [(String, PinnedImage)],
    /// Made for this decision, one for each image.
    pub verdicts: &'a [Verdict],
    /// What was promoted there last and arrived.
    pub runs: Option<&'a Standing>,
    /// From what runs now to what would run; `Absent` where that was not asked.
    pub between: &'a Looked<CommitsBetween>,
    pub weighed: &'a Weighed,
    /// Who may deploy there, in words.
    pub who: &'a str,
    /// For a rollback: when this was there last.
    pub last_there: Option<Timestamp>,
    pub now: Timestamp,
    pub audience: Audience,
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

impl Words {
    pub fn promotion_preview(&self, preview: &Preview<'_>) -> String {
        let what = match preview.stage {
            Stage::DryRun => "Preview: nothing is promoted",
            Stage::Begins => "Promoting",
            Stage::Waits => "Waits for an approval by somebody else: `/countersign approve`",
            Stage::Refused => "Nothing was promoted",
        };
        let bars: Vec<String> = preview.weighed.bars.iter().map(|bar| format!("- {} {}", bar.code(), self.promotion_reason(bar))).collect();
        let (environment, release) = (quoted(&preview.environment.name.0), quoted(preview.release));
        let images: Vec<String> = preview.images.iter().map(|(_, image)| format!("`{}`", image.digest)).collect();
        safe(format!("**{what}** {environment} {release}\n\n{}\n\n{}\n", images.join("\n"), bars.join("\n")))
    }

    /// Why it stopped, in one sentence for the record and for people.
    pub fn promotion_reason(&self, bar: &Bar) -> String {
        quoted(&format!("{bar:?}"))
    }

    /// The later word in the thread; `runs` is what runs there now as far as we know.
    pub fn promotion_end(&self, standing: &Standing, runs: Option<&Standing>, audience: Audience) -> String {
        let _ = (runs, audience);
        let name = quoted(&standing.promotion.environment.name.0);
        let digests: Vec<String> = standing.promotion.images.iter().map(|(_, image)| format!("`{}`", image.digest)).collect();
        let text = match &standing.ended {
            Some((Ending::Promoted, _)) => format!("{name} now runs {}", digests.join(", ")),
            Some((Ending::Stopped { code, reason }, _)) => format!("Stopped, {code}: {reason}"),
            Some((Ending::NotConverged { reason }, _)) => format!("Not converged: {}", quoted(reason)),
            Some((Ending::Cancelled { by }, _)) => format!("Cancelled by {}", quoted(&by.username)),
            None => String::new(),
        };
        safe(text + "\n")
    }

    pub fn promotion_answer(&self, answer: &PromotionAnswer<'_>) -> String {
        safe(match answer {
            PromotionAnswer::NoEnvironment { name, known } => {
                format!("There is no environment {}; there are {}\n", quoted(name), quoted(&known.join(", ")))
            }
            PromotionAnswer::SeveralReleases { releases } => format!("Say which: {}\n", quoted(&releases.join(", "))),
            PromotionAnswer::NothingToRollBackTo { environment } => format!("Nothing to roll back to in {}\n", quoted(environment)),
            PromotionAnswer::NothingOpen => "No open promotion was asked for in this thread\n".into(),
            PromotionAnswer::Approved { by, .. } => format!("Approved by {}\n", quoted(&by.username)),
            PromotionAnswer::ApprovalRefused { bar, .. } => format!("No approval, {}: {}\n", bar.code(), self.promotion_reason(bar)),
            PromotionAnswer::Cancelled { .. } => "Cancelled\n".into(),
            PromotionAnswer::CancelRefused { bar, .. } => format!("Not cancelled, {}: {}\n", bar.code(), self.promotion_reason(bar)),
            PromotionAnswer::TooLateToCancel { .. } => "Too late to cancel\n".into(),
        })
    }

    /// The answer to `status`.
    pub fn environments(&self, environments: &[EnvironmentStatus<'_>], now: Timestamp) -> String {
        let _ = now;
        let row = |status: &EnvironmentStatus<'_>| {
            let runs = status.runs.as_ref().map_or("nothing".into(), |standing| quoted(&standing.promotion.release));
            format!("- {}: {runs}", quoted(&status.environment.name.0))
        };
        safe(environments.iter().map(row).collect::<Vec<_>>().join("\n") + "\n")
    }

    /// CS-DRIFT, in the thread of the promotion it contradicts.
    pub fn drift(&self, bar: &Bar, standing: &Standing) -> String {
        let _ = standing;
        safe(format!("{}: {}\n", bar.code(), self.promotion_reason(bar)))
    }
}
