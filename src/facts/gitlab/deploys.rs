//! What runs where, what was started for it, and what lies between two releases.

use futures_util::future::try_join_all;
use gitlab::api::common::SortOrder;
use gitlab::api::projects::deployments::{Deployment as DeploymentEndpoint, DeploymentOrderBy, DeploymentStatusFilter, Deployments};
use gitlab::api::projects::repository::commits::Commits;

use super::{Gitlab, REREAD_MAX, wire};
use crate::gitlab_client::{CallError, look};
use crate::model::EnvironmentName;
use crate::model::gitlab::{Commit, CommitSha, CommitsBetween, Deployment, DeploymentId, GitRef, Job, MergeRequest, PipelineId, ProjectId};
use crate::verdict::{Looked, Service, Why, WhyKind};

/// Deployments of an environment that are looked through for those of one pipeline, which are among the newest.
const BY_JOBS: usize = 50;

/// Which deployments are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed {
    /// Whatever became of them.
    Any,
    Succeeded,
}

impl Gitlab {
    /// One deployment.
    pub async fn deployment(&self, project: ProjectId, id: DeploymentId) -> Looked<Deployment> {
        let endpoint = DeploymentEndpoint::builder().project(project.0).deployment_id(id.0).build();
        let found = self.client.one::<wire::Deployment, _, _>(endpoint).await;
        let found =
            found.and_then(|found| if found.id == id { Ok(found) } else { Err(wire::odd("another deployment than the one asked for")) });
        match look(found) {
            Looked::Found(found) => self.deployment_of(project, found).await,
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// The newest deployment that succeeded in an environment.
    pub async fn latest_deployment(&self, project: ProjectId, environment: &EnvironmentName) -> Looked<Deployment> {
        match self.deployments(project, environment, Deployed::Succeeded, 1).await {
            Looked::Found(found) => found.into_iter().next().map_or(Looked::Absent, Looked::Found),
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// The newest deployments of an environment, newest first, at most `limit` (of [`REREAD_MAX`]); empty where there are none.
    pub async fn deployments(&self, project: ProjectId, name: &EnvironmentName, which: Deployed, limit: usize) -> Looked<Vec<Deployment>> {
        let mut builder = Deployments::builder();
        builder.project(project.0).environment(name.0.as_str());
        if which == Deployed::Succeeded {
            builder.status(DeploymentStatusFilter::Success);
        }
        let endpoint = builder.order_by(DeploymentOrderBy::Id).sort(SortOrder::Descending).build();
        let listed = self.client.first::<wire::Deployment, _, _>(endpoint, limit.min(REREAD_MAX)).await;
        let asked = |found: &wire::Deployment| found.environment.name == name.0 && (which == Deployed::Any || found.status == "success");
        let listed = listed.and_then(|found| {
            let odd = || wire::odd("another deployment than the one asked for");
            if found.iter().all(asked) { Ok(found) } else { Err(odd()) }
        });
        let listed = match look(listed) {
            Looked::Found(listed) => listed,
            Looked::Absent => return Looked::Absent,
            Looked::Unreachable(why) => return Looked::Unreachable(why),
        };
        let mut found = vec![];
        for deployment in listed {
            match self.deployment_of(project, deployment).await {
                Looked::Found(deployment) => found.push(deployment),
                Looked::Absent => return Looked::Absent,
                Looked::Unreachable(why) => return Looked::Unreachable(why),
            }
        }
        Looked::Found(found)
    }

    /// How the newest deployments to an environment stand that jobs made, newest first: the pipeline of each, and GitLab's word. At
    /// most those of the newest [`BY_JOBS`] deployments; what was recorded over the API is left out.
    pub async fn deployed_by_jobs(&self, project: ProjectId, name: &EnvironmentName) -> Looked<Vec<(PipelineId, String)>> {
        let mut builder = Deployments::builder();
        builder.project(project.0).environment(name.0.as_str());
        let endpoint = builder.order_by(DeploymentOrderBy::Id).sort(SortOrder::Descending).build();
        let listed = self.client.first::<wire::Deployment, _, _>(endpoint, BY_JOBS).await;
        look(listed.and_then(|listed| {
            if listed.iter().any(|held| held.environment.name != name.0) {
                return Err(wire::odd("another deployment than the one asked for"));
            }
            let by_job = |held: wire::Deployment| Some((held.deployable?.pipeline?.id, held.status));
            Ok(listed.into_iter().filter_map(by_job).collect())
        }))
    }

    async fn deployment_of(&self, project: ProjectId, found: wire::Deployment) -> Looked<Deployment> {
        self.ref_of(project, &found).await.map(|git_ref| Deployment {
            id: found.id,
            environment: found.environment.name,
            sha: found.sha,
            git_ref,
            status: found.status,
            at: found.deployable.and_then(|job| job.finished_at).or(found.updated_at).or(found.created_at),
        })
    }

    /// A deployment's ref. Its job says whether that is a tag; a deployment recorded over the API has no job, so the repository is
    /// asked, and a name that is both tag and branch stays undecided.
    async fn ref_of(&self, project: ProjectId, deployment: &wire::Deployment) -> Looked<GitRef> {
        let name = &deployment.ref_name;
        if let Some(job) = &deployment.deployable {
            return Looked::Found(if job.tag { GitRef::Tag(name.clone()) } else { GitRef::Branch(name.clone()) });
        }
        match self.tag(project, name).await {
            Looked::Absent => Looked::Found(GitRef::Branch(name.clone())),
            Looked::Unreachable(why) => Looked::Unreachable(why),
            Looked::Found(_) => match self.branch_protected(project, name).await {
                Looked::Absent => Looked::Found(GitRef::Tag(name.clone())),
                Looked::Unreachable(why) => Looked::Unreachable(why),
                Looked::Found(_) => {
                    let detail = "a deployment's ref names a tag and a branch";
                    Looked::Unreachable(Why::new(Service::Gitlab, WhyKind::Unreadable, detail))
                }
            },
        }
    }

    /// The job of this name in a pipeline, its newest attempt; `Absent` if the pipeline has none.
    pub async fn job_named(&self, project: ProjectId, pipeline: PipelineId, name: &str) -> Looked<Job> {
        match self.jobs(project, pipeline).await {
            Looked::Found(jobs) => {
                let newest = jobs.into_iter().filter(|job| job.name == name).max_by_key(|job| job.id);
                newest.map_or(Looked::Absent, Looked::Found)
            }
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// The commits that `to` holds and `from` does not, newest first, at most `limit` (of 100), and the merge requests that brought
    /// the newest [`REREAD_MAX`] of them, by number. A comparison would send whole diffs along; a range of the log sends none.
    pub async fn commits_between(&self, project: ProjectId, from: &CommitSha, to: &CommitSha, limit: usize) -> Looked<CommitsBetween> {
        look(self.read_between(project, from, to, limit).await)
    }

    async fn read_between(&self, project: ProjectId, from: &CommitSha, to: &CommitSha, limit: usize) -> Result<CommitsBetween, CallError> {
        // One more than is shown tells whether there are more.
        let limit = limit.clamp(1, crate::gitlab_client::PER_PAGE - 1);
        let endpoint = Commits::builder().project(project.0).ref_name(format!("{from}..{to}")).build();
        let mut listed: Vec<wire::Commit> = self.client.first(endpoint, limit + 1).await?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        let commits: Vec<Commit> = listed.into_iter().map(Commit::from).collect();
        let brought = commits.iter().take(REREAD_MAX).map(|commit| async {
            match self.read_merge_requests_of(project, &commit.sha).await {
                Err(CallError::NotFound) => Ok(vec![]),
                found => found,
            }
        });
        let mut merge_requests: Vec<MergeRequest> = try_join_all(brought).await?.into_iter().flatten().collect();
        merge_requests.sort_by_key(|merge_request| merge_request.iid);
        merge_requests.dedup_by_key(|merge_request| merge_request.iid);
        Ok(CommitsBetween { commits, more, merge_requests })
    }
}
