//! May this be promoted? Facts in, bars out; pure like the rest of this part. An image's own verdict is one of the facts.
//!
//! What is not known is never taken for a yes: a right that could not be read, a verdict that did not pass, a release of which an
//! image is missing each are a bar.

mod rule;
mod weigh;

use serde::{Deserialize, Serialize};

pub use rule::rule_digest;
pub use weigh::{clear, is_second, weigh};

use super::{Clearance, Fresh, Looked, Problem, Rank, Why};
use crate::model::environment::Environment;
use crate::model::promotion::{Direction, Person, PromotionId};
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};

/// Everything a promotion is decided on, as of one moment.
#[derive(Debug, Clone)]
pub struct PromotionFacts {
    pub as_of: Timestamp,
    pub direction: Direction,
    pub environment: Environment,
    /// When the command was written.
    pub requested_at: Timestamp,
    /// Whether it was already accepted: then its age does not count any more.
    pub accepted: bool,
    /// Who asked, by GitLab's word of now.
    pub requester: (Person, Looked<Right>),
    /// Who approved, likewise. Filled only when an approval is asked for.
    pub approvers: Vec<(Person, Looked<Right>)>,
    /// The operator's halt switch.
    pub halted: Looked<Halt>,
    /// Another promotion that holds the environment.
    pub held_by: Option<Holder>,
    /// A verdict for every image of the release, made for this decision.
    pub verdicts: Vec<Fresh>,
    /// What the record says of each of these images in the environment that comes before, in the order of `verdicts`; empty where
    /// none comes before.
    pub staged: Vec<Looked<Staged>>,
    /// What differs from what was accepted: rule, tag, words. In our own words; empty when nothing does.
    pub changed: Vec<String>,
}

/// What somebody may do in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// GitLab's state of the account and of the membership.
    pub active: bool,
    /// Effective, by GitLab's number; 0 for no member.
    pub access_level: u64,
    /// May deploy there: by GitLab's own rule where the environment is protected, else by the configured role and groups.
    pub may_deploy: bool,
    /// Whose rule that was.
    pub rule: RightRule,
    /// Who may, in words for the person who may not: `the role Maintainer`, `group shop/release-managers`; ` and also ` between
    /// rules that must each be passed. No machines.
    pub who: String,
    /// How many people that is, machines left out, where GitLab tells; known only where this person may not.
    pub people: Option<usize>,
    /// Approvals that GitLab's own protection demands (Premium); 0 without one.
    pub required_approvals: u64,
    /// A bot or service account.
    pub machine: bool,
}

/// Whose rule decided a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightRule {
    /// GitLab protects the environment.
    ProtectedEnvironment,
    /// It does not (or cannot: GitLab CE); the configured role and groups decide.
    Configured,
}

/// The halt switch is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// In the operator's words; may be empty.
    pub reason: String,
}

/// Who holds an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub promotion: PromotionId,
    pub by: Person,
    pub release: String,
    pub since: Timestamp,
}

/// A digest that was promoted to an environment and arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    pub at: Timestamp,
    pub promotion: PromotionId,
}

/// Why a promotion does not go on. One variant a code, beside those of [`Problem`]; codes are kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "bar", rename_all = "snake_case")]
pub enum Bar {
    /// CS-RIGHTS
    Rights { user: String, environment: EnvironmentName, who: String, people: Option<usize> },
    /// CS-SECOND-PERSON: an approval by somebody else is missing.
    SecondPerson { environment: EnvironmentName, who: String },
    /// CS-HALTED
    Halted { reason: String },
    /// CS-FROZEN
    Frozen { environment: EnvironmentName, reason: String, until: Timestamp },
    /// CS-LOCKED
    Locked { environment: EnvironmentName, holder: Holder },
    /// CS-EXPIRED
    Expired { asked_at: Timestamp },
    /// CS-CHANGED: something is not as it was when the command was accepted.
    Changed { what: String },
    /// CS-NOT-STAGED; the release it belongs to, where the question named one.
    NotStaged { digest: Digest, environment: EnvironmentName, after: EnvironmentName, release: Option<String> },
    /// CS-NO-ACTION: nothing is configured to be done there.
    NoAction { environment: EnvironmentName },
    /// CS-STEP: an action was refused for good.
    Step { action: String, environment: EnvironmentName, reason: String },
    /// CS-DRIFT
    Drift { environment: EnvironmentName, found: String, expected: Digest, at: Timestamp },
    /// CS-UNAVAILABLE: something that decides could not be looked at.
    Unavailable { what: String, why: Why },
    /// The code of the image's own verdict.
    Image { image: PinnedImage, problem: Box<Problem> },
    /// The same where no digest is known.
    NoImage { name: String, problem: Box<Problem> },
}

impl Bar {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rights { .. } => "CS-RIGHTS",
            Self::SecondPerson { .. } => "CS-SECOND-PERSON",
            Self::Halted { .. } => "CS-HALTED",
            Self::Frozen { .. } => "CS-FROZEN",
            Self::Locked { .. } => "CS-LOCKED",
            Self::Expired { .. } => "CS-EXPIRED",
            Self::Changed { .. } => "CS-CHANGED",
            Self::NotStaged { .. } => "CS-NOT-STAGED",
            Self::NoAction { .. } => "CS-NO-ACTION",
            Self::Step { .. } => "CS-STEP",
            Self::Drift { .. } => "CS-DRIFT",
            Self::Unavailable { .. } => "CS-UNAVAILABLE",
            Self::Image { problem, .. } | Self::NoImage { problem, .. } => problem.code(),
        }
    }

    /// Its place in the order of the headline. A missing approval comes last: it is worth asking for only where nothing else is wrong.
    pub fn rank(&self) -> Rank {
        match self {
            // While the switch is on, nobody may.
            Self::Rights { .. } | Self::Halted { .. } => Rank::Rights,
            Self::Unavailable { .. } => Rank::CouldNotCheck,
            Self::Changed { .. } | Self::Drift { .. } => Rank::Tampered,
            Self::Frozen { .. } | Self::Locked { .. } | Self::Expired { .. } | Self::NotStaged { .. } | Self::Step { .. } => {
                Rank::WrongPath
            }
            Self::NoAction { .. } | Self::SecondPerson { .. } => Rank::Missing,
            Self::Image { problem, .. } | Self::NoImage { problem, .. } => problem.rank(),
        }
    }

    /// Whether an environment that is only observed lets it pass. That is what policy asks of an image and of its way: a freeze, the
    /// environment before, and problems of the image that speak of no tampering. Never who may and who else must agree, never the
    /// halt switch, the lock, the age of a command, a change since it was accepted, what could not be checked, or an image of which no
    /// digest is known.
    fn may_be_observed(&self) -> bool {
        match self {
            Self::Frozen { .. } | Self::NotStaged { .. } => true,
            Self::Image { problem, .. } => match problem.rank() {
                Rank::WrongPath | Rank::Missing => true,
                Rank::Rights | Rank::CouldNotCheck | Rank::Tampered => false,
            },
            Self::Rights { .. }
            | Self::SecondPerson { .. }
            | Self::Halted { .. }
            | Self::Locked { .. }
            | Self::Expired { .. }
            | Self::Changed { .. }
            | Self::NoAction { .. }
            | Self::Step { .. }
            | Self::Drift { .. }
            | Self::Unavailable { .. }
            | Self::NoImage { .. } => false,
        }
    }
}

/// What may go on; made by [`clear`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// One for every image, in the order of the verdicts.
    pub clearances: Vec<Clearance>,
    /// What would block and does not, because the environment is only observed. Where this is not empty nothing may be attested: a
    /// summary would say that policy is met.
    pub observed: Vec<Bar>,
}

/// The answer: every bar, the one for the headline first; and what is only said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// Empty: it may go on.
    pub bars: Vec<Bar>,
    /// What would block and does not, because the environment is only observed.
    pub observed: Vec<Bar>,
    /// Only an approval is missing; everything else stands.
    pub waits_for_approval: bool,
}

#[cfg(test)]
mod tests;
