//! Who may deploy where, as GitLab writes it.

use serde::Deserialize;

use crate::model::gitlab::{ProjectId, UserId};

/// GitLab's rule of an environment. Its rows decide, so a missing list is an odd answer and not an empty one.
#[derive(Debug, Deserialize)]
pub struct ProtectedEnvironment {
    pub name: String,
    pub deploy_access_levels: Vec<DeployAccess>,
    required_approval_count: u64,
    /// Replaces the plain count where there are any.
    #[serde(default)]
    approval_rules: Vec<ApprovalRule>,
}

impl ProtectedEnvironment {
    /// How many approvals GitLab itself demands before a deployment under all of these: their rules must each be met, a plain count
    /// is met by the same people.
    pub fn required_approvals(all: &[Self]) -> u64 {
        let plain = |held: &Self| if held.approval_rules.is_empty() { held.required_approval_count } else { 0 };
        let rules = all.iter().flat_map(|held| &held.approval_rules);
        let by_rules = rules.fold(0_u64, |sum, rule| sum.saturating_add(rule.required_approvals));
        all.iter().map(plain).max().unwrap_or(0).max(by_rules)
    }
}

#[derive(Debug, Deserialize)]
struct ApprovalRule {
    required_approvals: u64,
}

/// One row of such a rule.
#[derive(Debug, Deserialize)]
pub struct DeployAccess {
    pub access_level: Option<u64>,
    #[serde(default)]
    pub access_level_description: String,
    pub user_id: Option<UserId>,
    pub group_id: Option<u64>,
    pub deploy_key_id: Option<u64>,
    pub group_inheritance_type: Option<u64>,
}

/// An environment in a listing.
#[derive(Debug, Deserialize)]
pub struct ListedEnvironment {
    pub name: String,
    /// `production`, `staging`, `testing`, `development` or `other`: what a rule of a whole group goes by.
    pub tier: String,
}

/// Where a project lies.
#[derive(Debug, Deserialize)]
pub struct Place {
    pub id: ProjectId,
    pub path_with_namespace: String,
    pub namespace: Above,
}

#[derive(Debug, Deserialize)]
pub struct Above {
    /// `group`, or `user` for somebody's own projects.
    pub kind: String,
    pub full_path: String,
}

/// By what rules an environment is protected, by GraphQL's word: a reader of the environment is told which there are, where the REST
/// API tells them to maintainers only.
#[derive(Debug, Deserialize)]
pub struct Protected {
    project: Option<ProtectedProject>,
}

#[derive(Debug, Deserialize)]
struct ProtectedProject {
    environment: Option<ProtectedBy>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProtectedBy {
    protected_environments: Option<Nodes>,
}

#[derive(Debug, Deserialize)]
struct Nodes {
    nodes: Vec<Node>,
}

/// The project is named in a rule of the project's own, and in no other.
#[derive(Debug, Deserialize)]
struct Node {
    project: Option<serde::de::IgnoredAny>,
}

impl Protected {
    /// How many rules are the project's own, and how many are of groups above it; `None` where GitLab does not say.
    pub fn own_and_above(&self) -> Option<(usize, usize)> {
        let nodes = &self.project.as_ref()?.environment.as_ref()?.protected_environments.as_ref()?.nodes;
        let own = nodes.iter().filter(|node| node.project.is_some()).count();
        Some((own, nodes.len() - own))
    }
}
