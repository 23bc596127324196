//! GitLab's JSON, as far as we read it. A missing or ill-typed field fails the whole answer.

mod ci;
mod protection;
mod talk;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::gitlab_client::CallError;
use crate::model::Timestamp;
use crate::model::gitlab::{self as model, CommitSha, InstanceName, ProjectId, ProjectKey, ProjectPath, UserId};

pub use ci::{Deployment, Job, ListedPipeline, Pipeline, TestReport};
pub use protection::{DeployAccess, ListedEnvironment, Place, Protected, ProtectedEnvironment};
pub use talk::{Approvals, Discussion, ListedMergeRequest, MergeRequest, Note};

/// An answer that cannot be what we asked for.
pub fn odd(what: &str) -> CallError {
    CallError::Unreadable(what.into())
}

/// A branch or tag that holds a commit.
#[derive(Debug, Deserialize)]
pub struct CommitRef {
    pub name: String,
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

/// Anybody, and whether a machine.
#[derive(Debug, Deserialize)]
pub struct AnyUser {
    pub id: UserId,
    pub bot: bool,
    state: String,
    locked: Option<bool>,
}

impl AnyUser {
    /// Whether the account may sign in: not blocked, banned, deactivated or locked.
    pub fn active(&self) -> bool {
        self.state == "active" && self.locked != Some(true)
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

/// A tag in a listing, of which only the name is read and whether there is a release of it.
#[derive(Debug, Deserialize)]
pub struct ListedTag {
    pub name: String,
    pub release: Option<serde::de::IgnoredAny>,
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
    id: CommitSha,
    title: String,
    web_url: String,
}

impl From<Commit> for model::Commit {
    fn from(commit: Commit) -> Self {
        Self { sha: commit.id, title: commit.title, web_url: commit.web_url }
    }
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

/// A row of the attestations of a digest.
#[derive(Debug, Deserialize)]
pub struct Attestation {
    pub iid: u64,
    pub status: String,
    pub predicate_type: String,
    /// 64 hex digits.
    pub subject_digest: String,
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
