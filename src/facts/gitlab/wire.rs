//! GitLab's JSON, as far as we read it. A missing or ill-typed field fails the whole answer.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::gitlab_client::CallError;
use crate::model::Timestamp;
use crate::model::gitlab::{
    self as model, CiStatus, CommitSha, DeploymentId, DiscussionId, GitRef, InstanceName, JobId, MergeRequestIid, MergeRequestState,
    NoteId, PipelineId, ProjectId, ProjectKey, ProjectPath, RunnerId, TestSummary, UserId,
};

/// The project of a merge request whose fork is gone: GitLab counts from 1, so this is equal to no project.
const GONE: ProjectId = ProjectId(0);

/// An answer that cannot be what we asked for.
pub fn odd(what: &str) -> CallError {
    CallError::Unreadable(what.into())
}

#[derive(Debug, Deserialize)]
pub struct User {
    pub id: UserId,
    username: String,
    name: String,
}

impl From<User> for model::User {
    fn from(user: User) -> Self {
        Self { id: user.id, username: user.username, name: user.name }
    }
}

#[derive(Debug, Deserialize)]
pub struct Project {
    pub id: ProjectId,
    pub path_with_namespace: String,
    web_url: String,
    namespace: Namespace,
    visibility: String,
    ci_config_path: Option<String>,
    default_branch: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Namespace {
    id: u64,
}

impl Project {
    pub fn of(self, instance: &InstanceName) -> model::Project {
        model::Project {
            key: ProjectKey { instance: instance.clone(), id: self.id },
            path: ProjectPath(self.path_with_namespace),
            web_url: self.web_url,
            namespace_id: self.namespace.id,
            visibility: self.visibility,
            ci_config_path: self.ci_config_path.unwrap_or_default(),
            default_branch: self.default_branch,
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Tag {
    pub name: String,
    commit: Named,
    /// Only a boolean counts (SR-16).
    protected: bool,
}

/// A commit, of which only the name is read. For an annotated tag it is the commit, not the tag object.
#[derive(Debug, Deserialize)]
struct Named {
    id: CommitSha,
}

impl From<Tag> for model::Tag {
    fn from(tag: Tag) -> Self {
        Self { name: tag.name, commit: tag.commit.id, protected: tag.protected }
    }
}

#[derive(Debug, Deserialize)]
pub struct Branch {
    pub name: String,
    pub protected: bool,
}

#[derive(Debug, Deserialize)]
pub struct Commit {
    pub id: CommitSha,
    pub title: String,
    pub web_url: String,
}

#[derive(Debug, Deserialize)]
pub struct Release {
    pub tag_name: String,
    name: String,
    description: Option<String>,
    #[serde(rename = "_links")]
    links: Option<Links>,
}

#[derive(Debug, Deserialize)]
struct Links {
    #[serde(rename = "self")]
    own: Option<String>,
}

impl From<Release> for model::Release {
    fn from(release: Release) -> Self {
        Self {
            tag: release.tag_name,
            name: release.name,
            description: release.description.unwrap_or_default(),
            web_url: release.links.and_then(|links| links.own),
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Member {
    #[serde(flatten)]
    pub user: User,
    access_level: u64,
    state: String,
    membership_state: Option<String>,
    locked: Option<bool>,
    expires_at: Option<Date>,
}

impl Member {
    /// Active means: may act at this moment. GitLab removes an expired membership once a day only.
    pub fn at(self, now: Timestamp) -> model::Member {
        let today = now.to_zoned(TimeZone::UTC).date();
        let active = self.state == "active"
            && self.membership_state.is_none_or(|state| state == "active")
            && self.locked != Some(true)
            && self.expires_at.is_none_or(|end| today < end);
        model::Member { user: self.user.into(), access_level: self.access_level, active }
    }
}

/// A ref's name with GitLab's own `tag` flag; without the flag there is no telling.
fn git_ref(name: String, tag: bool) -> GitRef {
    if tag { GitRef::Tag(name) } else { GitRef::Branch(name) }
}

#[derive(Debug, Deserialize)]
pub struct Pipeline {
    pub id: PipelineId,
    pub project_id: ProjectId,
    sha: CommitSha,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    source: String,
    status: CiStatus,
    web_url: String,
    created_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl From<Pipeline> for model::Pipeline {
    fn from(pipeline: Pipeline) -> Self {
        Self {
            id: pipeline.id,
            project: pipeline.project_id,
            sha: pipeline.sha,
            git_ref: git_ref(pipeline.ref_name, pipeline.tag),
            source: pipeline.source,
            status: pipeline.status,
            web_url: pipeline.web_url,
            created_at: pipeline.created_at,
            finished_at: pipeline.finished_at,
        }
    }
}

/// A pipeline in a listing: it has no `tag` flag, so it is no [`model::Pipeline`].
#[derive(Debug, Deserialize)]
pub struct ListedPipeline {
    pub id: PipelineId,
    pub sha: CommitSha,
    #[serde(rename = "ref")]
    pub ref_name: String,
    pub updated_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub struct Job {
    pub id: JobId,
    name: String,
    stage: String,
    status: CiStatus,
    pipeline: JobPipeline,
    commit: Option<Named>,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    allow_failure: bool,
    web_url: String,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    runner: Option<Runner>,
    artifacts_file: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct JobPipeline {
    id: PipelineId,
    sha: CommitSha,
}

#[derive(Debug, Deserialize)]
struct Runner {
    id: RunnerId,
    description: Option<String>,
    runner_type: String,
}

impl TryFrom<Job> for model::Job {
    type Error = CallError;

    fn try_from(job: Job) -> Result<Self, CallError> {
        let commit = job.pipeline.sha;
        if job.commit.is_some_and(|named| named.id != commit) {
            return Err(odd("a job with another commit than its pipeline"));
        }
        let runner = |runner: Runner| model::Runner {
            id: runner.id,
            description: runner.description.unwrap_or_default(),
            runner_type: runner.runner_type,
        };
        Ok(Self {
            id: job.id,
            name: job.name,
            stage: job.stage,
            status: job.status,
            pipeline: job.pipeline.id,
            commit,
            git_ref: git_ref(job.ref_name, job.tag),
            allow_failure: job.allow_failure,
            web_url: job.web_url,
            started_at: job.started_at,
            finished_at: job.finished_at,
            runner: job.runner.map(runner),
            has_artifacts: job.artifacts_file.is_some(),
        })
    }
}

#[derive(Debug, Deserialize)]
pub struct TestReport {
    total: TestTotal,
    test_suites: Vec<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct TestTotal {
    count: u64,
    failed: u64,
    error: u64,
}

impl TestReport {
    /// `None` if the pipeline reported no tests at all: "0 of 0 failed" would read as tested.
    pub fn summary(self) -> Option<TestSummary> {
        let none = self.test_suites.is_empty() && self.total.count == 0;
        (!none).then(|| TestSummary { total: self.total.count, failed: self.total.failed.saturating_add(self.total.error) })
    }
}

#[derive(Debug, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub sha: CommitSha,
    #[serde(rename = "ref")]
    pub ref_name: String,
    pub status: String,
    pub environment: Environment,
    pub deployable: Option<Deployable>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub struct Environment {
    pub name: String,
}

/// The job of a deployment; one that was recorded over the API has none.
#[derive(Debug, Deserialize)]
pub struct Deployable {
    pub tag: bool,
    pub finished_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub struct MergeRequest {
    pub iid: MergeRequestIid,
    title: String,
    web_url: String,
    state: MergeRequestState,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<ProjectId>,
    target_project_id: ProjectId,
    head_pipeline: Option<HeadPipeline>,
    sha: Option<CommitSha>,
    merge_commit_sha: Option<CommitSha>,
    squash_commit_sha: Option<CommitSha>,
}

#[derive(Debug, Deserialize)]
struct HeadPipeline {
    id: PipelineId,
}

impl From<MergeRequest> for model::MergeRequest {
    fn from(mr: MergeRequest) -> Self {
        let mut merged_as = vec![];
        if mr.state == MergeRequestState::Merged {
            merged_as.extend(mr.merge_commit_sha);
            merged_as.extend(mr.squash_commit_sha);
            if merged_as.is_empty() {
                // A fast-forward makes no commit of its own.
                merged_as.extend(mr.sha.clone());
            }
        }
        Self {
            iid: mr.iid,
            title: mr.title,
            web_url: mr.web_url,
            state: mr.state,
            source_branch: mr.source_branch,
            target_branch: mr.target_branch,
            source_project: mr.source_project_id.unwrap_or(GONE),
            target_project: mr.target_project_id,
            head_pipeline: mr.head_pipeline.map(|pipeline| pipeline.id),
            head_sha: mr.sha,
            merged_as,
        }
    }
}

/// A merge request in a listing: it has no head pipeline.
#[derive(Debug, Deserialize)]
pub struct ListedMergeRequest {
    pub iid: MergeRequestIid,
    pub target_project_id: ProjectId,
    pub updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub struct Approvals {
    pub approved_by: Vec<Approval>,
}

#[derive(Debug, Deserialize)]
pub struct Approval {
    pub user: User,
}

#[derive(Debug, Deserialize)]
pub struct Note {
    pub id: NoteId,
    body: String,
    author: User,
    pub created_at: Timestamp,
    updated_at: Timestamp,
    system: bool,
    internal: Option<bool>,
    /// The older name of `internal`.
    confidential: Option<bool>,
}

impl Note {
    pub fn within(self, discussion: Option<DiscussionId>) -> model::Note {
        model::Note {
            id: self.id,
            discussion,
            body: self.body,
            author: self.author.into(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            system: self.system,
            internal: self.internal == Some(true) || self.confidential == Some(true),
        }
    }
}

/// A discussion, of which only the notes' ids are read.
#[derive(Debug, Deserialize)]
pub struct Discussion {
    pub id: DiscussionId,
    notes: Vec<NoteOf>,
}

#[derive(Debug, Deserialize)]
struct NoteOf {
    id: NoteId,
}

impl Discussion {
    pub fn holds(&self, note: NoteId) -> bool {
        self.notes.iter().any(|held| held.id == note)
    }
}
