//! Pipelines: stages run in order, and the status follows.

use super::{CommitStatus, Job, JobSpec, MergeRequestKey, Trigger, World, rollup};
use crate::model::Timestamp;
use crate::model::gitlab::{CiStatus, CommitSha, GitRef, JobId, PipelineId, ProjectId, UserId};
use crate::sandbox::gitlab::payload;

/// One suite of a pipeline's test report.
#[derive(Debug, Clone)]
pub struct TestSuite {
    pub name: String,
    pub seconds: f64,
    pub success: u64,
    pub failed: u64,
    pub skipped: u64,
    pub error: u64,
    pub jobs: Vec<JobId>,
}

/// A pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub id: PipelineId,
    pub iid: u64,
    pub project: ProjectId,
    pub git_ref: GitRef,
    /// Set for a merge request pipeline, whose ref is then the source branch.
    pub merge_request: Option<MergeRequestKey>,
    pub sha: CommitSha,
    pub before_sha: Option<CommitSha>,
    /// `push`, `web`, `api`, `schedule`, `merge_request_event`, `external`, …
    pub source: String,
    pub status: CiStatus,
    pub user: UserId,
    /// Whether the ref was protected when it was made.
    pub protected: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub variables: Vec<(String, String)>,
    pub inputs: Vec<(String, String)>,
    pub tests: Vec<TestSuite>,
    /// External commit statuses, oldest first, retried ones too.
    pub statuses: Vec<CommitStatus>,
}

impl Pipeline {
    /// `ref` of the API: a merge request pipeline has the merge request's.
    pub fn api_ref(&self) -> String {
        match self.merge_request {
            Some(key) => format!("refs/merge-requests/{}/head", key.iid),
            None => self.git_ref.name().into(),
        }
    }

    pub fn tag(&self) -> bool {
        matches!(self.git_ref, GitRef::Tag(_))
    }

    pub fn seconds(&self) -> Option<i64> {
        Some(self.finished_at?.duration_since(self.started_at?).as_secs())
    }

    pub fn queued_seconds(&self) -> Option<i64> {
        Some(self.started_at?.duration_since(self.created_at).as_secs())
    }
}

/// A pipeline that is to be started.
#[derive(Debug, Clone)]
pub struct NewPipeline {
    pub source: &'static str,
    pub git_ref: GitRef,
    pub by: UserId,
    pub jobs: Vec<JobSpec>,
}

impl World {
    /// Starts a pipeline on what the ref points to now. The jobs of its first stage are pending.
    pub fn start_pipeline(&mut self, project: ProjectId, new: NewPipeline) -> PipelineId {
        let held = self.project(project);
        let at = match &new.git_ref {
            GitRef::Tag(name) => held.tags.get(name).map(|tag| tag.commit.clone()),
            GitRef::Branch(name) => held.branches.get(name).cloned(),
        };
        let Some(sha) = at else { panic!("project {project} has no {}", new.git_ref.full()) };
        let id = self.new_pipeline(project, (new.git_ref, sha), new.source, new.by);
        for spec in new.jobs {
            self.new_job(id, project, spec, new.by);
        }
        self.advance_pipeline(id);
        id
    }

    /// A pipeline for a merge request's head. `in_target`: a fork's head that runs in the parent project.
    pub fn start_merge_request_pipeline(&mut self, key: MergeRequestKey, by: UserId, in_target: bool, jobs: Vec<JobSpec>) -> PipelineId {
        let held = self.merge_request(key);
        let at = (GitRef::Branch(held.source_branch.clone()), held.head_sha.clone());
        let project = if in_target { key.project } else { held.source_project };
        let id = self.new_pipeline(project, at, "merge_request_event", by);
        self.pipeline_mut(id).merge_request = Some(key);
        self.pipeline_mut(id).protected = false;
        for spec in jobs {
            self.new_job(id, project, spec, by);
        }
        self.advance_pipeline(id);
        id
    }

    pub(super) fn new_pipeline(&mut self, project: ProjectId, at: (GitRef, CommitSha), source: &str, by: UserId) -> PipelineId {
        let (id, now) = (PipelineId(self.next_id()), self.now());
        let (git_ref, sha) = at;
        let iid = 1 + self.pipelines.values().filter(|pipeline| pipeline.project == project).count() as u64;
        let held = self.project(project);
        let protected = held.protects(&git_ref);
        let before_sha = held.commits.get(&sha).and_then(|commit| commit.parents.first().cloned());
        let pipeline = Pipeline {
            id,
            iid,
            project,
            git_ref,
            merge_request: None,
            sha,
            before_sha,
            source: source.into(),
            status: CiStatus::Created,
            user: by,
            protected,
            created_at: now,
            updated_at: now,
            started_at: None,
            finished_at: None,
            variables: vec![],
            inputs: vec![],
            tests: vec![],
            statuses: vec![],
        };
        self.pipelines.insert(id, pipeline);
        id
    }

    /// The stages of a pipeline's jobs, in order.
    pub fn stages(&self, pipeline: PipelineId) -> Vec<String> {
        let mut stages: Vec<String> = vec![];
        for job in self.jobs.values().filter(|job| job.pipeline == pipeline) {
            if !stages.contains(&job.spec.stage) {
                stages.push(job.spec.stage.clone());
            }
        }
        stages
    }

    /// Every job of the pipeline that waits or can run ends well, stage after stage; manual jobs stay.
    pub fn pass_pipeline(&mut self, id: PipelineId) {
        loop {
            let next = self.jobs_of(id).find(|job| matches!(job.status, CiStatus::Pending | CiStatus::Running)).map(|job| job.id);
            let Some(job) = next else { return };
            self.finish_job(job, super::JobEnd::success());
        }
    }

    /// Every job of the pipeline that has not ended is canceled, the last one first, so that none is started by the end of another.
    pub fn cancel_pipeline(&mut self, id: PipelineId) {
        let open: Vec<JobId> = self.jobs_of(id).filter(|job| !job.status.ended()).map(|job| job.id).collect();
        for job in open.into_iter().rev() {
            self.mark_job(job, CiStatus::Canceled);
        }
        self.refresh_status(id);
    }

    /// Lets the next stages start where their turn has come, then tells the new status if it changed.
    pub(super) fn advance_pipeline(&mut self, id: PipelineId) {
        let mut before: Vec<JobId> = vec![];
        for stage in self.stages(id) {
            let here: Vec<(JobId, CiStatus, bool)> =
                self.jobs_of(id).filter(|job| job.spec.stage == stage).map(|job| (job.id, job.status, job.spec.manual)).collect();
            let so_far = rollup::rollup(before.iter().map(|id| word(self.job(*id))));
            for (job, status, manual) in &here {
                if *status == CiStatus::Created
                    && let Some(next) = turn(so_far, *manual)
                {
                    self.mark_job(*job, next);
                }
            }
            before.extend(here.iter().map(|(job, _, _)| *job));
        }
        self.refresh_status(id);
    }

    /// The rolled-up word of jobs and external statuses; a change of it fires the Pipeline hook.
    pub(super) fn refresh_status(&mut self, id: PipelineId) {
        let now = self.now();
        let pipeline = self.pipeline(id);
        let external = pipeline.statuses.iter().filter(|status| !status.retried).map(|status| (status.status, false));
        let parts: Vec<_> = self.jobs_of(id).map(word).chain(external).collect();
        let Some(status) = rollup::rollup(parts.into_iter()) else { return };
        let pipeline = self.pipeline_mut(id);
        if pipeline.status == status {
            return;
        }
        (pipeline.status, pipeline.updated_at) = (status, now);
        match status {
            CiStatus::Running => {
                pipeline.started_at.get_or_insert(now);
                pipeline.finished_at = None;
            }
            ended if ended.ended() => pipeline.finished_at = Some(now),
            _ => {}
        }
        let project = pipeline.project;
        let body = payload::pipeline(self, id);
        self.emit(project, Trigger::Pipeline, &body);
    }
}

fn word(job: &Job) -> (CiStatus, bool) {
    (job.status, job.spec.allow_failure)
}

/// What a created job becomes when the stages before it stand at `before`. `None`: it waits.
fn turn(before: Option<CiStatus>, manual: bool) -> Option<CiStatus> {
    match before {
        None | Some(CiStatus::Success | CiStatus::Skipped) => Some(if manual { CiStatus::Manual } else { CiStatus::Pending }),
        Some(CiStatus::Failed | CiStatus::Canceled) => Some(CiStatus::Skipped),
        Some(_) => None,
    }
}
