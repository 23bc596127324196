//! Pipelines, jobs, artifacts, test reports.

use futures_util::future::try_join_all;
use gitlab::api::projects::jobs::Job as JobEndpoint;
use gitlab::api::projects::jobs::artifacts::DownloadJobArtifactFile;
use gitlab::api::projects::pipelines::{Pipeline as PipelineEndpoint, PipelineJobs, PipelineTestReportSummary, Pipelines};

use super::{Gitlab, REREAD_MAX, wire};
use crate::gitlab_client::{CallError, look};
use crate::model::gitlab::{CommitSha, Job, JobId, Pipeline, PipelineId, ProjectId, TestSummary};
use crate::verdict::Looked;

/// Pipelines of one commit on one ref name that are read one by one, [`REREAD_MAX`] at a time. An honest release has one or two;
/// whoever may push branches can add those of a branch that is named like the tag.
const PIPELINES_MAX: usize = 100;

impl Gitlab {
    /// One pipeline, with its ref and whether that is a tag.
    pub async fn pipeline(&self, project: ProjectId, id: PipelineId) -> Looked<Pipeline> {
        look(self.read_pipeline(project, id).await)
    }

    async fn read_pipeline(&self, project: ProjectId, id: PipelineId) -> Result<Pipeline, CallError> {
        let endpoint = PipelineEndpoint::builder().project(project.0).pipeline(id.0).build();
        let pipeline: wire::Pipeline = self.client.one(endpoint).await?;
        let asked = pipeline.id == id && pipeline.project_id == project;
        if asked { Ok(pipeline.into()) } else { Err(wire::odd("another pipeline than the one asked for")) }
    }

    /// The pipelines of a commit on a ref of this short name, newest first; `Absent` if there is none. A tag and a branch may share
    /// the name: the listing does not tell them apart, so each pipeline is read by itself.
    pub async fn pipelines(&self, project: ProjectId, sha: &CommitSha, ref_name: &str) -> Looked<Vec<Pipeline>> {
        look(self.read_pipelines(project, sha, ref_name).await)
    }

    async fn read_pipelines(&self, project: ProjectId, sha: &CommitSha, ref_name: &str) -> Result<Vec<Pipeline>, CallError> {
        let endpoint = Pipelines::builder().project(project.0).sha(sha.as_str()).ref_(ref_name).build();
        let mut listed: Vec<wire::ListedPipeline> = self.client.all(endpoint).await?;
        listed.retain(|pipeline| pipeline.sha == *sha && pipeline.ref_name == ref_name);
        if listed.len() > PIPELINES_MAX {
            return Err(CallError::TooLarge(format!("more than {PIPELINES_MAX} pipelines of one commit on one ref")));
        }
        let mut found: Vec<Pipeline> = vec![];
        for some in listed.chunks(REREAD_MAX) {
            let looks = some.iter().map(|pipeline| async {
                match self.read_pipeline(project, pipeline.id).await {
                    // Deleted since it was listed.
                    Err(CallError::NotFound) => Ok(None),
                    found => found.map(Some),
                }
            });
            found.extend(try_join_all(looks).await?.into_iter().flatten());
        }
        found.sort_by_key(|pipeline| std::cmp::Reverse(pipeline.id));
        if found.is_empty() { Err(CallError::NotFound) } else { Ok(found) }
    }

    /// A pipeline's CI jobs, newest attempt of each. GitLab keeps external commit statuses elsewhere, so ours is never among them.
    pub async fn jobs(&self, project: ProjectId, pipeline: PipelineId) -> Looked<Vec<Job>> {
        let endpoint = PipelineJobs::builder().project(project.0).pipeline(pipeline.0).include_retried(false).build();
        let jobs = self.client.all::<wire::Job, _, _>(endpoint).await;
        let jobs = jobs.and_then(|jobs| jobs.into_iter().map(Job::try_from).collect::<Result<Vec<_>, _>>());
        look(jobs.and_then(|jobs| {
            let own = jobs.iter().all(|job| job.pipeline == pipeline);
            if own { Ok(jobs) } else { Err(wire::odd("a job of another pipeline")) }
        }))
    }

    /// One job, with the pipeline it belongs to.
    pub async fn job(&self, project: ProjectId, id: JobId) -> Looked<Job> {
        let endpoint = JobEndpoint::builder().project(project.0).job(id.0).build();
        let job = self.client.one::<wire::Job, _, _>(endpoint).await.and_then(Job::try_from);
        look(job.and_then(|job| if job.id == id { Ok(job) } else { Err(wire::odd("another job than the one asked for")) }))
    }

    /// One file of a job's artifacts, at most `limit` bytes; `Absent` if the job kept none of this name or it has expired.
    pub async fn artifact_file(&self, project: ProjectId, job: JobId, path: &str, limit: usize) -> Looked<Vec<u8>> {
        let endpoint = DownloadJobArtifactFile::builder().project(project.0).job(job.0).path(path).build();
        look(self.client.download(endpoint, limit).await)
    }

    /// A pipeline's test report, summed up; `Absent` if it reported no tests.
    pub async fn tests(&self, project: ProjectId, pipeline: PipelineId) -> Looked<TestSummary> {
        let endpoint = PipelineTestReportSummary::builder().project(project.0).pipeline(pipeline.0).build();
        let report = self.client.one::<wire::TestReport, _, _>(endpoint).await;
        look(report.and_then(|report| report.summary().ok_or(CallError::NotFound)))
    }
}
