//! A promotion: one digest of every image of a release, moved to one environment. What happened to it is a list of events; its state
//! is what they add up to.

mod standing;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::environment::Environment;
use super::gitlab::{CommitSha, DeploymentId, DiscussionId, GitRef, JobId, MergeRequestIid, NoteId, PipelineId, ProjectKey, UserId};
use super::{Digest, EnvironmentName, PinnedImage, Repository, Timestamp};
pub use standing::{STEP_ENDS_WITHIN, Standing, StepStanding};

/// Commands older than this expire unexecuted (SR-06).
pub const COMMAND_AGE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Names one promotion. It is made of the note that asked and the command's place in it, so that a command that is read twice, by
/// whichever replica, is one promotion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromotionId(pub String);

impl fmt::Display for PromotionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a command stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedIn {
    pub merge_request: MergeRequestIid,
    pub note: NoteId,
    pub discussion: DiscussionId,
    /// Its place among the commands of the note, from 0.
    pub place: usize,
    /// SHA-256 of the note's text: a command is bound to the words that were accepted.
    pub words: Digest,
}

impl PromotionId {
    /// The promotion that this command asks for.
    pub fn of(project: &ProjectKey, asked: &AskedIn) -> Self {
        let name = format!("{}/{}/{}/{}/{}", project.instance, project.id, asked.merge_request, asked.note, asked.place);
        // 64 bits of a hash over ids that GitLab hands out once: short enough for a message, and nobody chooses them.
        Self(Digest::of(name.as_bytes()).hex()[..16].to_owned())
    }
}

/// Somebody, as GitLab showed them when they acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: UserId,
    pub username: String,
}

/// Forward, or back to what ran before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Promote,
    Rollback,
}

/// What was accepted when somebody asked. It does not change any more: whatever differs later stops the promotion (SR-09).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    pub id: PromotionId,
    pub direction: Direction,
    pub project: ProjectKey,
    /// The environment with its rules as they were.
    pub environment: Environment,
    /// The Git tag.
    pub release: String,
    pub commit: CommitSha,
    /// The release pipeline.
    pub pipeline: PipelineId,
    /// Every image of the release, in the project's order, with its short name.
    pub images: Vec<(String, PinnedImage)>,
    /// Over everything that is demanded: policy, signers, environment ([`crate::verdict::promotion::rule_digest`]).
    pub rule: Digest,
    pub requested_by: Person,
    pub requested_at: Timestamp,
    pub asked_in: AskedIn,
}

/// One thing that a promotion does, with every value it needs. A plan is made once, of the [`super::environment::Action`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// The tag names this image afterwards.
    Retag { image: PinnedImage, tag: String },
    /// `to` holds the image with all its evidence afterwards, under the tag if one is given.
    Copy { image: PinnedImage, to: Repository, tag: Option<String> },
    /// The manual job of this name in this pipeline was started, by us and with these values.
    PlayJob { pipeline: PipelineId, job: String, carrier: super::environment::Carrier, values: Vec<(String, String)> },
    /// A pipeline on this ref was started, by us and with these values.
    StartPipeline {
        git_ref: GitRef,
        /// The only commit that the pipeline may be of: that of the release, where it runs on the release's tag. Without one it runs
        /// on a branch, whatever that holds by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha: Option<CommitSha>,
        carrier: super::environment::Carrier,
        values: Vec<(String, String)>,
    },
    /// GitLab has a deployment of this commit to the environment.
    Deployment { environment: EnvironmentName, sha: CommitSha, git_ref: GitRef },
    /// A signed VSA lies beside the image.
    Attest { image: PinnedImage, summary: Summary },
}

impl Act {
    /// The word of its action in `bot.toml`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Retag { .. } => "retag",
            Self::Copy { .. } => "copy",
            Self::PlayJob { .. } => "play-job",
            Self::StartPipeline { .. } => "start-pipeline",
            Self::Deployment { .. } => "deployment",
            Self::Attest { .. } => "attest",
        }
    }
}

/// What a verification summary says ([SLSA VSA v1](https://slsa.dev/spec/v1.0/verification_summary)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// `verifier.id`: the bot's public URL.
    pub verifier: String,
    /// `resourceUri`: the environment, as a URL of the project.
    pub resource: String,
    /// `policy.uri` and its digest.
    pub policy: Digest,
    /// `timeVerified`.
    pub verified_at: Timestamp,
    pub promotion: PromotionId,
    pub environment: EnvironmentName,
    pub requested_by: Person,
    pub approved_by: Vec<Person>,
}

/// What a step left, read back after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "snake_case")]
pub enum Left {
    /// The tag names the image. `before`: what it named until then.
    Tagged {
        before: Option<Digest>,
    },
    /// The copy lies there, with this many pieces of evidence, and verifies there.
    Copied {
        evidence: usize,
    },
    /// This job was started; how it ends is seen later.
    Job {
        id: JobId,
    },
    Pipeline {
        id: PipelineId,
    },
    Deployment {
        id: DeploymentId,
    },
    /// The digest of the bundle manifest that lies beside the image.
    Attested {
        attestation: Digest,
    },
}

/// One thing that happened to a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PromotionEvent {
    /// It was accepted, and holds its environment from here until it ends.
    Opened {
        promotion: Box<Promotion>,
    },
    /// Somebody else said yes, in this note.
    Approved {
        by: Person,
        note: NoteId,
    },
    /// Every image was judged again just before the steps, and passed: these verdicts. The plan is what will be done.
    Cleared {
        verdicts: Vec<Uuid>,
        plan: Vec<Act>,
    },
    /// Step `step` of the plan is about to be done.
    Began {
        step: usize,
    },
    /// It was done, and read back.
    Did {
        step: usize,
        left: Left,
    },
    /// Every step is done; what they started still runs.
    Waiting,
    Ended {
        ending: Ending,
    },
    /// After it arrived: its environment was found to run something else. The whole of what is found now; the newest such event counts.
    DriftSeen {
        found: Vec<Drift>,
    },
    /// The environment runs what was promoted again; or, with a name, what that later promotion brought.
    DriftOver {
        by: Option<PromotionId>,
    },
}

/// Something that an environment was found to run instead of what was promoted there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    pub found: Running,
    /// The digest whose place it took; `None` where no image can be named.
    pub instead_of: Option<Digest>,
    /// When just this was seen first.
    pub since: Timestamp,
}

/// What runs, as far as it can be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "running", rename_all = "snake_case")]
pub enum Running {
    /// The tag of the environment names this image.
    Image { image: PinnedImage },
    /// The tag that named it is gone.
    NoTag { tag: String },
    /// GitLab's newest deployment is of this commit.
    Commit { git_ref: GitRef, sha: CommitSha },
}

/// As the sentence of `CS-DRIFT` has it.
impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { image } => image.digest.fmt(f),
            Self::NoTag { tag } => write!(f, "no tag {tag}"),
            Self::Commit { git_ref, sha } => write!(f, "{} at commit {}", git_ref.name(), sha.short()),
        }
    }
}

/// How a promotion ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Done, and what it started arrived.
    Promoted,
    /// Stopped before or between steps; the reason is a sentence of ours with its code. What `Did` says was done stays done.
    Stopped {
        code: String,
        reason: String,
    },
    /// The steps were done, and what they started failed or did not end in time.
    NotConverged {
        reason: String,
    },
    Cancelled {
        by: Person,
    },
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    pub at: Timestamp,
    pub event: PromotionEvent,
}

#[cfg(test)]
mod tests;
