//! Environments and what was deployed to them.

use super::{Grant, Level, Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CiStatus, CommitSha, DeploymentId, GitRef, JobId, ProjectId, UserId};
use crate::sandbox::gitlab::payload;

/// An environment.
#[derive(Debug, Clone)]
pub struct Environment {
    pub id: u64,
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Environment {
    /// GitLab's guess by the name.
    pub fn tier(&self) -> &'static str {
        let name = self.name.to_ascii_lowercase();
        let tiers = [
            ("prod", "production"),
            ("live", "production"),
            ("stag", "staging"),
            ("test", "testing"),
            ("qa", "testing"),
            ("dev", "development"),
        ];
        tiers.into_iter().find(|(start, _)| name.starts_with(start)).map_or("other", |(_, tier)| tier)
    }
}

/// A rule of a protected environment.
#[derive(Debug, Clone)]
pub struct ProtectedEnvironment {
    pub name: String,
    pub deploy: Vec<Grant>,
    pub required_approvals: u64,
}

/// One deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: DeploymentId,
    pub iid: u64,
    pub environment: String,
    pub git_ref: GitRef,
    pub sha: CommitSha,
    /// `created`, `running`, `success`, `failed`, `canceled`, `skipped`, `blocked`
    pub status: String,
    pub user: UserId,
    pub job: Option<JobId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl World {
    /// The id of an environment, which is made if it is not there.
    pub fn environment(&mut self, project: ProjectId, name: &str) -> u64 {
        if let Some(held) = self.project(project).environments.values().find(|held| held.name == name) {
            return held.id;
        }
        let (id, now) = (self.next_id(), self.now());
        let environment = Environment { id, name: name.into(), created_at: now, updated_at: now };
        self.project_mut(project).environments.insert(id, environment);
        id
    }

    /// Only this level and above, and whoever else is granted it later, may deploy there.
    pub fn protect_environment(&mut self, project: ProjectId, name: &str, deploy: Level) {
        self.protect_environment_for(project, name, vec![Grant::Level(deploy)], 0);
    }

    /// Only these may deploy there, after so many approvals. Takes the place of an earlier rule.
    pub fn protect_environment_for(&mut self, project: ProjectId, name: &str, deploy: Vec<Grant>, required_approvals: u64) {
        self.environment(project, name);
        self.unprotect_environment(project, name);
        let rule = ProtectedEnvironment { name: name.into(), deploy, required_approvals };
        self.project_mut(project).protected_environments.push(rule);
    }

    /// Only these may deploy to environments of this tier in projects below a group. Takes the place of an earlier rule.
    pub fn protect_tier(&mut self, group: &str, tier: &str, deploy: Vec<Grant>) {
        let id = self.group(group);
        if let Some(group) = self.groups.get_mut(&id) {
            group.protected_tiers.retain(|rule| rule.name != tier);
            group.protected_tiers.push(ProtectedEnvironment { name: tier.into(), deploy, required_approvals: 0 });
        }
    }

    /// The rules of groups above a project for one of its environments.
    pub fn rules_above(&self, project: ProjectId, environment: &str) -> impl Iterator<Item = &ProtectedEnvironment> {
        let held = self.project(project);
        let tier = held.environments.values().find(|held| held.name == environment).map(Environment::tier);
        let groups = self.groups_above(held.group);
        groups.flat_map(|group| &group.protected_tiers).filter(move |rule| tier == Some(rule.name.as_str()))
    }

    pub fn unprotect_environment(&mut self, project: ProjectId, name: &str) {
        self.project_mut(project).protected_environments.retain(|rule| rule.name != name);
    }

    /// A deployment that starts `running`, of what the ref points to now.
    pub fn deploy(&mut self, project: ProjectId, environment: &str, git_ref: &GitRef, by: UserId) -> DeploymentId {
        let held = self.project(project);
        let at = match git_ref {
            GitRef::Tag(name) => held.tags.get(name).map(|tag| tag.commit.clone()),
            GitRef::Branch(name) => held.branches.get(name).cloned(),
        };
        let Some(sha) = at else { panic!("project {project} has no {}", git_ref.full()) };
        let id = self.new_deployment(project, environment, (git_ref.clone(), sha), by);
        self.set_deployment(project, id, "running");
        id
    }

    pub fn new_deployment(&mut self, project: ProjectId, environment: &str, at: (GitRef, CommitSha), by: UserId) -> DeploymentId {
        self.environment(project, environment);
        let (id, now) = (DeploymentId(self.next_id()), self.now());
        let deployments = &mut self.project_mut(project).deployments;
        let deployment = Deployment {
            id,
            iid: deployments.len() as u64 + 1,
            environment: environment.into(),
            git_ref: at.0,
            sha: at.1,
            status: "created".into(),
            user: by,
            job: None,
            created_at: now,
            updated_at: now,
            finished_at: None,
        };
        deployments.insert(id, deployment);
        id
    }

    /// A deployment changes its status. The hook fires for running, success, failed and canceled.
    pub fn set_deployment(&mut self, project: ProjectId, id: DeploymentId, status: &str) {
        let now = self.now();
        let Some(held) = self.project_mut(project).deployments.get_mut(&id) else { return };
        if held.status == status {
            return;
        }
        (held.status, held.updated_at) = (status.into(), now);
        let ended = matches!(status, "success" | "failed" | "canceled");
        if ended {
            held.finished_at = Some(now);
        }
        if ended || status == "running" {
            let body = payload::deployment(self, project, id);
            self.emit(project, Trigger::Deployment, &body);
        }
    }

    /// The deployment of a job with an environment follows the job.
    pub(super) fn deploy_by_job(&mut self, id: JobId) {
        let job = self.job(id).clone();
        let Some(environment) = job.spec.environment else { return };
        let status = match job.status {
            CiStatus::Pending => "created",
            CiStatus::Running => "running",
            CiStatus::Success => "success",
            CiStatus::Failed => "failed",
            CiStatus::Canceled => "canceled",
            _ => return,
        };
        let known = self.project(job.project).deployments.values().find(|held| held.job == Some(id)).map(|held| held.id);
        let deployment = known.unwrap_or_else(|| {
            let pipeline = self.pipeline(job.pipeline);
            let at = (pipeline.git_ref.clone(), pipeline.sha.clone());
            let made = self.new_deployment(job.project, &environment, at, job.user);
            if let Some(held) = self.project_mut(job.project).deployments.get_mut(&made) {
                held.job = Some(id);
            }
            made
        });
        self.set_deployment(job.project, deployment, status);
    }
}
