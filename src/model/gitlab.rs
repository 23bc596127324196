//! GitLab's objects, reduced to what a verdict or an effect needs ([REST API](https://docs.gitlab.com/api/rest/)).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// The operator's name for one GitLab server in `bot.toml`; the last part of its hook address.
    InstanceName
);
text_id!(
    /// `group/subgroup/project`. It changes when a project is renamed; [`ProjectId`] does not.
    ProjectPath
);
text_id!(
    /// A discussion's id: 40 hex digits today, opaque to us.
    DiscussionId
);
number_id!(
    /// A project's numeric id, stable across renames.
    ProjectId
);
number_id!(
    /// A pipeline's global id (not its `iid`).
    PipelineId
);
number_id!(JobId);
number_id!(
    /// A merge request's number within its project, as in `!412`.
    MergeRequestIid
);
number_id!(NoteId);
number_id!(UserId);
number_id!(DeploymentId);
number_id!(RunnerId);

/// A full Git object name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);

/// Why a text is no full commit name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a full commit name of 40 or 64 lower-case hex digits")]
pub struct NotACommit;

impl CommitSha {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// GitLab's `CI_COMMIT_SHORT_SHA`: the first eight digits.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for CommitSha {
    type Err = NotACommit;

    fn from_str(text: &str) -> Result<Self, NotACommit> {
        let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex && matches!(text.len(), 40 | 64) { Ok(Self(text.into())) } else { Err(NotACommit) }
    }
}

impl TryFrom<String> for CommitSha {
    type Error = NotACommit;

    fn try_from(text: String) -> Result<Self, NotACommit> {
        text.parse()
    }
}

impl From<CommitSha> for String {
    fn from(sha: CommitSha) -> Self {
        sha.0
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One project of one GitLab server, by the id that survives renames.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProjectKey {
    pub instance: InstanceName,
    pub id: ProjectId,
}

impl fmt::Display for ProjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.id)
    }
}

/// What GitLab says of a project now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub key: ProjectKey,
    pub path: ProjectPath,
    pub web_url: String,
    pub namespace_id: u64,
    /// `private`, `internal` or `public`.
    pub visibility: String,
    /// Path of the CI file; GitLab leaves it empty for `.gitlab-ci.yml`.
    pub ci_config_path: String,
    pub default_branch: Option<String>,
}

/// Where a pipeline or signature says it ran: a tag named like a branch is not that branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GitRef {
    Tag(String),
    Branch(String),
}

impl GitRef {
    /// `refs/tags/v1` or `refs/heads/main`.
    pub fn full(&self) -> String {
        match self {
            Self::Tag(name) => format!("refs/tags/{name}"),
            Self::Branch(name) => format!("refs/heads/{name}"),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Tag(name) | Self::Branch(name) => name,
        }
    }
}

/// A Git tag and what GitLab says of its protection now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub name: String,
    pub commit: CommitSha,
    pub protected: bool,
}

/// A commit's face.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub sha: CommitSha,
    pub title: String,
    pub web_url: String,
}

/// What one commit holds and an earlier one does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitsBetween {
    /// Newest first.
    pub commits: Vec<Commit>,
    /// There are more than were read.
    pub more: bool,
    /// Those that brought them, by number.
    pub merge_requests: Vec<MergeRequest>,
}

/// A pipeline or job status ([GitLab, pipelines API](https://docs.gitlab.com/api/pipelines/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CiStatus {
    Created,
    WaitingForResource,
    WaitingForCallback,
    Preparing,
    Pending,
    Running,
    Success,
    Failed,
    Canceling,
    Canceled,
    Skipped,
    Manual,
    Scheduled,
    /// A word GitLab added later; it never counts as success nor as an end.
    #[serde(other)]
    Unknown,
}

impl CiStatus {
    /// Whether nothing more happens by itself.
    pub fn ended(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled | Self::Skipped)
    }

    /// GitLab's own word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::WaitingForResource => "waiting_for_resource",
            Self::WaitingForCallback => "waiting_for_callback",
            Self::Preparing => "preparing",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Manual => "manual",
            Self::Scheduled => "scheduled",
            Self::Unknown => "unknown",
        }
    }
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    pub id: PipelineId,
    pub project: ProjectId,
    pub sha: CommitSha,
    /// GitLab's short ref name with its `tag` flag.
    pub git_ref: GitRef,
    /// `push`, `web`, `merge_request_event`, `external`, …
    pub source: String,
    /// The rolled-up word. It includes external commit statuses, ours among them; judge the jobs instead.
    pub status: CiStatus,
    pub web_url: String,
    pub created_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// One CI job (never an external commit status, which GitLab lists elsewhere).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub name: String,
    pub stage: String,
    pub status: CiStatus,
    pub pipeline: PipelineId,
    pub commit: CommitSha,
    pub git_ref: GitRef,
    pub allow_failure: bool,
    pub web_url: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub runner: Option<Runner>,
    /// Whether an artifact archive is there (`artifacts_file`).
    pub has_artifacts: bool,
}

/// The runner that took a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    pub id: RunnerId,
    pub description: String,
    /// `instance_type`, `group_type` or `project_type`.
    pub runner_type: String,
}

/// A person or bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub name: String,
}

/// A merge request's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRequestState {
    Opened,
    Closed,
    Merged,
    Locked,
}

/// A merge request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRequest {
    pub iid: MergeRequestIid,
    pub title: String,
    pub web_url: String,
    pub state: MergeRequestState,
    pub source_branch: String,
    pub target_branch: String,
    pub source_project: ProjectId,
    pub target_project: ProjectId,
    pub head_pipeline: Option<PipelineId>,
    pub head_sha: Option<CommitSha>,
    /// The commits by which it entered the target branch: merge commit, squash commit or, for a fast-forward, its head.
    pub merged_as: Vec<CommitSha>,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub id: NoteId,
    pub discussion: Option<DiscussionId>,
    pub body: String,
    pub author: User,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub system: bool,
    pub internal: bool,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub tag: String,
    pub name: String,
    pub description: String,
    pub web_url: Option<String>,
}

/// A pipeline's test report, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSummary {
    pub total: u64,
    pub failed: u64,
}

/// A deployment of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub environment: String,
    pub sha: CommitSha,
    pub git_ref: GitRef,
    /// `created`, `running`, `success`, `failed`, `canceled`, `blocked`
    pub status: String,
    pub at: Option<Timestamp>,
}

/// The job that asks for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AskingJob {
    /// Somebody says so, of the release pipeline.
    Said(JobId),
    /// Its ID token says so. Every job has one: that of another pipeline asks as anybody does.
    Proven { job: JobId, pipeline: PipelineId },
}

impl AskingJob {
    /// The job that asks from within this pipeline.
    pub fn within(self, pipeline: PipelineId) -> Option<JobId> {
        match self {
            Self::Said(job) => Some(job),
            Self::Proven { job, pipeline: own } => (own == pipeline).then_some(job),
        }
    }
}

/// A member's rights ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)): 10 guest, 15 planner,
/// 20 reporter, 30 developer, 40 maintainer, 50 owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: User,
    pub access_level: u64,
    pub active: bool,
}
