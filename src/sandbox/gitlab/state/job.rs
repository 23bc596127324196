//! Jobs: run, ended, played, retried.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CiStatus, GitRef, JobId, PipelineId, ProjectId, Runner, RunnerId, UserId};
use crate::sandbox::gitlab::payload;

/// The refs that a job of the CI file runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsOn {
    Tags,
    Branches,
    Both,
}

/// A job as the CI file defines it.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub stage: String,
    pub name: String,
    /// `when: manual`
    pub manual: bool,
    pub allow_failure: bool,
    pub environment: Option<String>,
    pub runs_on: RunsOn,
    /// The inputs that it declares.
    pub inputs: Vec<String>,
    /// A runner takes it as soon as somebody starts it, and it ends so.
    pub ends: Option<CiStatus>,
}

impl JobSpec {
    pub fn new(stage: &str, name: &str) -> Self {
        let (stage, name) = (stage.into(), name.into());
        Self { stage, name, manual: false, allow_failure: false, environment: None, runs_on: RunsOn::Both, inputs: vec![], ends: None }
    }

    /// `when: manual`, which also allows it to fail, as GitLab's default is.
    pub fn manual(mut self) -> Self {
        (self.manual, self.allow_failure) = (true, true);
        self
    }

    /// Manual by `rules: - when: manual`, which does not allow it to fail and lets the stages after it wait.
    pub fn manual_by_rule(mut self) -> Self {
        (self.manual, self.allow_failure) = (true, false);
        self
    }

    pub fn allow_failure(mut self) -> Self {
        self.allow_failure = true;
        self
    }

    pub fn environment(mut self, name: &str) -> Self {
        self.environment = Some(name.into());
        self
    }

    pub fn input(mut self, name: &str) -> Self {
        self.inputs.push(name.into());
        self
    }

    pub fn ends(mut self, status: CiStatus) -> Self {
        self.ends = Some(status);
        self
    }

    pub fn on(mut self, refs: RunsOn) -> Self {
        self.runs_on = refs;
        self
    }

    pub fn runs_on(&self, git_ref: &GitRef) -> bool {
        match (self.runs_on, git_ref) {
            (RunsOn::Both, GitRef::Tag(_) | GitRef::Branch(_)) | (RunsOn::Tags, GitRef::Tag(_)) | (RunsOn::Branches, GitRef::Branch(_)) => {
                true
            }
            (RunsOn::Tags, GitRef::Branch(_)) | (RunsOn::Branches, GitRef::Tag(_)) => false,
        }
    }
}

/// The files that a job leaves.
#[derive(Debug, Clone, Default)]
pub struct Artifacts {
    pub files: BTreeMap<String, Bytes>,
    /// Past their `expire_in`: listed no more, 404.
    pub expired: bool,
    /// `artifacts:access` hides them: 403.
    pub hidden: bool,
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: JobId,
    pub pipeline: PipelineId,
    pub project: ProjectId,
    pub spec: JobSpec,
    pub status: CiStatus,
    /// Another attempt took its place.
    pub retried: bool,
    pub user: UserId,
    /// What whoever started it gave along.
    pub given: Given,
    pub created_at: Timestamp,
    pub queued_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub runner: Option<RunnerId>,
    pub artifacts: Artifacts,
    pub failure_reason: Option<String>,
}

/// Values that go along with the start of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub variables: Vec<(String, String)>,
    pub inputs: Vec<(String, String)>,
}

/// How a job ends.
#[derive(Debug, Clone)]
pub struct JobEnd {
    pub status: CiStatus,
    pub artifacts: Vec<(String, Bytes)>,
    pub failure_reason: Option<String>,
}

impl JobEnd {
    pub fn success() -> Self {
        Self { status: CiStatus::Success, artifacts: vec![], failure_reason: None }
    }

    pub fn failed() -> Self {
        Self { status: CiStatus::Failed, artifacts: vec![], failure_reason: Some("script_failure".into()) }
    }

    pub fn canceled() -> Self {
        Self { status: CiStatus::Canceled, artifacts: vec![], failure_reason: None }
    }

    pub fn artifact(mut self, path: &str, content: impl Into<Bytes>) -> Self {
        self.artifacts.push((path.into(), content.into()));
        self
    }
}

impl World {
    /// A runner, of a project: `release-02` with its tags.
    pub fn add_runner(&mut self, description: &str, tags: &[&str]) -> RunnerId {
        let id = RunnerId(self.next_id());
        let runner = Runner { id, description: description.into(), runner_type: "project_type".into() };
        self.runners.insert(id, (runner, tags.iter().map(|tag| (*tag).to_owned()).collect()));
        id
    }

    /// A runner takes the job.
    pub fn run_job(&mut self, id: JobId, runner: Option<RunnerId>) {
        let now = self.now();
        let project = self.job(id).project;
        let runner = runner.or(self.project(project).runner);
        let job = self.job_mut(id);
        job.runner = runner;
        job.started_at = Some(now);
        self.set_job(id, CiStatus::Running);
    }

    /// The job ends; if no runner took it yet, the project's runner takes it first.
    pub fn finish_job(&mut self, id: JobId, end: JobEnd) {
        if self.job(id).status != CiStatus::Running {
            self.run_job(id, None);
        }
        let now = self.now();
        let job = self.job_mut(id);
        job.finished_at = Some(now);
        job.failure_reason = end.failure_reason;
        job.artifacts.files.extend(end.artifacts);
        self.set_job(id, end.status);
    }

    /// The jobs of a pipeline that are still there to be run, by name: the newest attempt.
    pub fn job_named(&self, pipeline: PipelineId, name: &str) -> JobId {
        let found = self.jobs_of(pipeline).filter(|job| job.spec.name == name).last();
        found.map(|job| job.id).unwrap_or_else(|| panic!("pipeline {pipeline} has no job {name}"))
    }

    /// The latest attempts of a pipeline's jobs.
    pub fn jobs_of(&self, pipeline: PipelineId) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(move |job| job.pipeline == pipeline && !job.retried)
    }

    /// Starts a manual job. `false` if it is not one that can be played.
    pub fn play_job(&mut self, id: JobId, by: UserId) -> bool {
        self.play_job_with(id, by, Given::default())
    }

    /// Starts a manual job with values.
    pub fn play_job_with(&mut self, id: JobId, by: UserId, given: Given) -> bool {
        let job = self.job_mut(id);
        if !matches!(job.status, CiStatus::Manual | CiStatus::Scheduled) {
            return false;
        }
        (job.user, job.given) = (by, given);
        self.set_job(id, CiStatus::Pending);
        self.end_by_itself(id);
        true
    }

    /// A new attempt of an ended job; the old one stays as `retried`.
    pub fn retry_job(&mut self, id: JobId, by: UserId) -> JobId {
        self.retry_job_with(id, by, Given::default())
    }

    /// A new attempt with values. What is not given is as the attempt before had it, as GitLab does it.
    pub fn retry_job_with(&mut self, id: JobId, by: UserId, given: Given) -> JobId {
        let old = self.job(id).clone();
        let fresh = self.new_job(old.pipeline, old.project, old.spec, by);
        let or_old = |given: Vec<(String, String)>, old| if given.is_empty() { old } else { given };
        let (variables, inputs) = (or_old(given.variables, old.given.variables), or_old(given.inputs, old.given.inputs));
        self.job_mut(fresh).given = Given { variables, inputs };
        self.job_mut(id).retried = true;
        self.set_job(fresh, CiStatus::Pending);
        self.end_by_itself(fresh);
        fresh
    }

    fn end_by_itself(&mut self, id: JobId) {
        match self.job(id).spec.ends {
            Some(CiStatus::Success) => self.finish_job(id, JobEnd::success()),
            Some(CiStatus::Failed) => self.finish_job(id, JobEnd::failed()),
            Some(CiStatus::Canceled) => self.finish_job(id, JobEnd::canceled()),
            _ => {}
        }
    }

    /// The CI file gets a manual job for tags that deploys to an environment, and ends so as soon as somebody starts it; `None`: when
    /// the test says so.
    pub fn add_deploy_job(&mut self, project: ProjectId, name: &str, environment: &str, ends: Option<CiStatus>) {
        let mut job = JobSpec::new("deploy", name).manual().environment(environment).on(RunsOn::Tags);
        job.ends = ends;
        self.project_mut(project).ci.push(job);
    }

    pub(super) fn new_job(&mut self, pipeline: PipelineId, project: ProjectId, spec: JobSpec, by: UserId) -> JobId {
        let (id, created_at) = (JobId(self.next_id()), self.now());
        let job = Job {
            id,
            pipeline,
            project,
            spec,
            status: CiStatus::Created,
            retried: false,
            user: by,
            given: Given::default(),
            created_at,
            queued_at: None,
            started_at: None,
            finished_at: None,
            runner: None,
            artifacts: Artifacts::default(),
            failure_reason: None,
        };
        self.jobs.insert(id, job);
        id
    }

    /// A job changes its status: the hook, its deployment, and what follows for the pipeline.
    fn set_job(&mut self, id: JobId, status: CiStatus) {
        self.mark_job(id, status);
        self.advance_pipeline(self.job(id).pipeline);
    }

    pub(super) fn mark_job(&mut self, id: JobId, status: CiStatus) {
        let now = self.now();
        let job = self.job_mut(id);
        if job.status == status {
            return;
        }
        job.status = status;
        if status == CiStatus::Pending {
            job.queued_at = Some(now);
        }
        self.deploy_by_job(id);
        let body = payload::job(self, id);
        self.emit(self.job(id).project, Trigger::Job, &body);
    }
}
