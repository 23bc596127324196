//! GitLab, read. Every look says found, absent or unreachable; an odd answer is unreachable, never half a fact.

mod attestation;
mod ci;
mod deploys;
mod recent;
mod rights;
mod talk;
mod tests;
mod wire;

use gitlab::api::projects::Project as ProjectEndpoint;
use gitlab::api::projects::members::AllProjectMember;
use gitlab::api::projects::repository::branches::Branch;
use gitlab::api::projects::repository::commits::Commit as CommitEndpoint;
use gitlab::api::projects::repository::tags::Tag as TagEndpoint;
use gitlab::api::users::{CurrentUser, User as UserEndpoint};

use crate::gitlab_client::{CallError, GitlabClient, endpoints, look};
use crate::model::Timestamp;
use crate::model::gitlab::{Commit, CommitSha, Member, Project, ProjectId, ProjectPath, Release, Tag, User, UserId};
use crate::verdict::Looked;

pub use deploys::Deployed;
pub use recent::{RecentMergeRequest, RecentPipeline, RecentTag};

/// How many objects of one look are read one by one. A commit has one or two pipelines on a ref and one or two merge requests;
/// more than this is no release we can judge.
const REREAD_MAX: usize = 20;

/// One GitLab, read.
#[derive(Clone)]
pub struct Gitlab {
    client: GitlabClient,
}

impl Gitlab {
    pub fn new(client: GitlabClient) -> Self {
        Self { client }
    }

    /// The user our token belongs to.
    pub async fn whoami(&self) -> Looked<User> {
        look(self.client.one::<wire::User, _, _>(CurrentUser::builder().build()).await.map(User::from))
    }

    /// The public keys of its ID tokens (JWKS), as it publishes them for everybody.
    pub async fn signing_keys(&self) -> Looked<bytes::Bytes> {
        look(self.client.signing_keys().await)
    }

    /// A project by its path. `Absent` also where our token may not see it: GitLab says the same for both.
    pub async fn project_by_path(&self, path: &ProjectPath) -> Looked<Project> {
        let endpoint = ProjectEndpoint::builder().project(path.0.as_str()).build();
        let project = self.client.one::<wire::Project, _, _>(endpoint).await.and_then(|project| {
            // GitLab's paths ignore case.
            let same = project.path_with_namespace.eq_ignore_ascii_case(&path.0);
            if same { Ok(project) } else { Err(wire::odd("another project than the one asked for")) }
        });
        self.project(project)
    }

    /// A project by its id; otherwise as [`Gitlab::project_by_path`].
    pub async fn project_by_id(&self, id: ProjectId) -> Looked<Project> {
        let endpoint = ProjectEndpoint::builder().project(id.0).build();
        let project = self
            .client
            .one::<wire::Project, _, _>(endpoint)
            .await
            .and_then(|project| if project.id == id { Ok(project) } else { Err(wire::odd("another project than the one asked for")) });
        self.project(project)
    }

    fn project(&self, project: Result<wire::Project, CallError>) -> Looked<Project> {
        match project {
            Err(CallError::Hidden) => Looked::Absent,
            project => look(project.map(|project| project.of(self.client.instance()))),
        }
    }

    /// A Git tag, its commit, and whether GitLab protects its name now.
    pub async fn tag(&self, project: ProjectId, name: &str) -> Looked<Tag> {
        let endpoint = TagEndpoint::builder().project(project.0).tag_name(name).build();
        let tag = self.client.one::<wire::Tag, _, _>(endpoint).await;
        look(tag.and_then(|tag| if tag.name == name { Ok(tag.into()) } else { Err(wire::odd("another tag than the one asked for")) }))
    }

    /// Whether GitLab protects a branch now; `Absent` if there is no such branch.
    pub async fn branch_protected(&self, project: ProjectId, name: &str) -> Looked<bool> {
        let endpoint = Branch::builder().project(project.0).branch(name).build();
        let branch = self.client.one::<wire::Branch, _, _>(endpoint).await;
        look(branch.and_then(|branch| {
            if branch.name == name { Ok(branch.protected) } else { Err(wire::odd("another branch than the one asked for")) }
        }))
    }

    /// A commit by its full name.
    pub async fn commit(&self, project: ProjectId, sha: &CommitSha) -> Looked<Commit> {
        let endpoint = CommitEndpoint::builder().project(project.0).commit(sha.as_str()).build();
        let commit = self.client.one::<wire::Commit, _, _>(endpoint).await;
        look(commit.and_then(|commit| {
            let found = Commit::from(commit);
            if found.sha == *sha { Ok(found) } else { Err(wire::odd("another commit than the one asked for")) }
        }))
    }

    /// The release of a tag.
    pub async fn release(&self, project: ProjectId, tag: &str) -> Looked<Release> {
        let release = self.client.one::<wire::Release, _, _>(endpoints::release(project, tag)).await;
        look(release.and_then(|release| {
            if release.tag_name == tag { Ok(release.into()) } else { Err(wire::odd("another release than the one asked for")) }
        }))
    }

    /// Whether a user is a machine: the user of an access token, a service account, one of GitLab's own. `Absent`: no such user.
    pub async fn is_bot(&self, user: UserId) -> Looked<bool> {
        let found = self.client.one::<wire::AnyUser, _, _>(UserEndpoint::builder().user(user.0).build()).await;
        look(found.and_then(|found| if found.id == user { Ok(found.bot) } else { Err(wire::odd("another user than the one asked for")) }))
    }

    /// A user's rights in a project, inherited and invited ones included; `Absent` if there are none.
    pub async fn member(&self, project: ProjectId, user: UserId) -> Looked<Member> {
        look(self.read_member(project, user).await)
    }

    async fn read_member(&self, project: ProjectId, user: UserId) -> Result<Member, CallError> {
        let endpoint = AllProjectMember::builder().project(project.0).user(user.0).build();
        let member: wire::Member = self.client.one(endpoint).await?;
        if member.user.id == user { Ok(member.at(Timestamp::now())) } else { Err(wire::odd("another member than the one asked for")) }
    }
}
