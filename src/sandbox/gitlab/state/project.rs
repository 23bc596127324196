//! Projects and their settings.

use std::collections::BTreeMap;

use super::{
    Activity, Attestation, Commit, Deployment, Environment, GitTag, Grant, Hook, HookId, JobSpec, Level, Membership, MergeRequest,
    ProtectedBranch, ProtectedEnvironment, ProtectedTag, RegistryRepository, Release, World,
};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, DeploymentId, GitRef, MergeRequestIid, ProjectId, RunnerId, UserId};

/// Who can see a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Private,
    Internal,
    Public,
}

impl Visibility {
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Internal => "internal",
            Self::Public => "public",
        }
    }

    /// The number that webhooks carry.
    pub fn number(self) -> u64 {
        match self {
            Self::Private => 0,
            Self::Internal => 10,
            Self::Public => 20,
        }
    }
}

/// How merge requests enter the target branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    Merge,
    FastForward,
}

/// A project and everything in it but its pipelines and jobs.
#[derive(Debug)]
pub struct Project {
    pub id: ProjectId,
    pub group: u64,
    /// `shop/api`
    pub path: String,
    pub visibility: Visibility,
    pub default_branch: String,
    /// As in the settings; empty for `.gitlab-ci.yml`.
    pub ci_config_path: String,
    pub merge_method: MergeMethod,
    pub forked_from: Option<ProjectId>,
    pub created_at: Timestamp,
    pub last_activity_at: Timestamp,
    pub creator: UserId,
    pub members: BTreeMap<UserId, Membership>,
    /// The jobs that its CI file defines.
    pub ci: Vec<JobSpec>,
    /// The inputs that its CI file declares for pipelines.
    pub pipeline_inputs: Vec<String>,
    /// `ci_pipeline_variables_minimum_override_role`: who may give variables along; `None` is "no one allowed".
    pub variables_role: Option<Level>,
    /// The runner that takes jobs when a verb names none.
    pub runner: Option<RunnerId>,
    pub commits: BTreeMap<CommitSha, Commit>,
    pub branches: BTreeMap<String, CommitSha>,
    pub tags: BTreeMap<String, GitTag>,
    pub protected_tags: Vec<ProtectedTag>,
    pub protected_branches: Vec<ProtectedBranch>,
    pub protected_environments: Vec<ProtectedEnvironment>,
    pub merge_requests: BTreeMap<MergeRequestIid, MergeRequest>,
    pub releases: BTreeMap<String, Release>,
    pub environments: BTreeMap<u64, Environment>,
    pub deployments: BTreeMap<DeploymentId, Deployment>,
    pub hooks: BTreeMap<HookId, Hook>,
    pub registry: BTreeMap<u64, RegistryRepository>,
    pub attestations: Vec<Attestation>,
    pub activity: Vec<Activity>,
}

impl Project {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub fn namespace(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(namespace, _)| namespace)
    }

    pub fn tag_rules<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ProtectedTag> {
        self.protected_tags.iter().filter(move |rule| super::fits(&rule.name, name))
    }

    pub fn branch_rules<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ProtectedBranch> {
        self.protected_branches.iter().filter(move |rule| super::fits(&rule.name, name))
    }

    pub fn protects(&self, git_ref: &GitRef) -> bool {
        match git_ref {
            GitRef::Tag(name) => self.tag_rules(name).next().is_some(),
            GitRef::Branch(name) => self.branch_rules(name).next().is_some(),
        }
    }
}

impl World {
    /// A private project with a protected `main` of one commit. Its groups are made as needed; the administrator owns it.
    pub fn add_project(&mut self, path: &str) -> ProjectId {
        let group = self.group(path.rsplit_once('/').map_or("root", |(group, _)| group));
        let (id, now) = (ProjectId(self.next_id()), self.now());
        let creator = self.users.keys().next().copied().unwrap_or(UserId(1));
        let main = ProtectedBranch {
            id: self.next_id(),
            name: "main".into(),
            push: vec![Grant::Level(Level::Maintainer)],
            merge: vec![Grant::Level(Level::Maintainer)],
        };
        let project = Project {
            id,
            group,
            path: path.into(),
            visibility: Visibility::Private,
            default_branch: "main".into(),
            ci_config_path: String::new(),
            merge_method: MergeMethod::Merge,
            forked_from: None,
            created_at: now,
            last_activity_at: now,
            creator,
            members: BTreeMap::new(),
            ci: vec![],
            pipeline_inputs: vec![],
            variables_role: Some(Level::Developer),
            runner: None,
            commits: BTreeMap::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            protected_tags: vec![],
            protected_branches: vec![main],
            protected_environments: vec![],
            merge_requests: BTreeMap::new(),
            releases: BTreeMap::new(),
            environments: BTreeMap::new(),
            deployments: BTreeMap::new(),
            hooks: BTreeMap::new(),
            registry: BTreeMap::new(),
            attestations: vec![],
            activity: vec![],
        };
        self.projects.insert(id, project);
        self.push_commit(id, "main", creator, "Initial commit");
        id
    }

    /// A fork with the parent's branches and commits, owned by `by`. Merge requests from it go to the parent.
    pub fn fork(&mut self, parent: ProjectId, by: UserId) -> ProjectId {
        let path = format!("{}/{}", self.user(by).username, self.project(parent).name());
        let id = self.add_project(&path);
        let (commits, branches) = (self.project(parent).commits.clone(), self.project(parent).branches.clone());
        let visibility = self.project(parent).visibility;
        let fork = self.project_mut(id);
        (fork.commits, fork.branches, fork.visibility, fork.forked_from) = (commits, branches, visibility, Some(parent));
        self.add_member(id, by, Level::Owner);
        id
    }

    /// Finds a project by its number or its full path.
    pub fn find_project(&self, key: &str) -> Option<&Project> {
        match key.parse() {
            Ok(number) => self.projects.get(&ProjectId(number)),
            Err(_) => self.projects.values().find(|project| project.path.eq_ignore_ascii_case(key)),
        }
    }

    pub fn web_url(&self, project: ProjectId) -> String {
        format!("{}/{}", self.url, self.project(project).path)
    }
}
