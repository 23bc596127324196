//! Pipelines, jobs, test reports, deployments.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Named, odd};
use crate::gitlab_client::CallError;
use crate::model::Timestamp;
use crate::model::gitlab::{self as model, CiStatus, CommitSha, DeploymentId, GitRef, JobId, PipelineId, ProjectId, RunnerId, TestSummary};

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
    artifacts_file: Option<IgnoredAny>,
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
    test_suites: Vec<IgnoredAny>,
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

#[derive(Debug, Deserialize)]
pub struct OfPipeline {
    pub id: PipelineId,
}

/// The job of a deployment; one that was recorded over the API has none.
#[derive(Debug, Deserialize)]
pub struct Deployable {
    pub tag: bool,
    pub pipeline: Option<OfPipeline>,
    pub finished_at: Option<Timestamp>,
}
