//! The rules of an environment, read: GitLab's own of the project and of the groups above it, or the configured one.
//!
//! GitLab protects environments on Premium and up, by name in [one project](https://docs.gitlab.com/api/protected_environments/) and by
//! deployment tier in [a whole group](https://docs.gitlab.com/api/group_protected_environments/); where several rules meet, somebody
//! must pass each of them. A 404 means that there is no rule, or no such thing in this edition. A 403 does not: rules are shown to
//! maintainers only. A project's token is none in the groups above, so GraphQL is asked then whether there is a rule at all, which a
//! reader of the environment is told. A rule that exists and cannot be read lets nobody pass.

use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join};
use gitlab::api::common::NameOrId;
use gitlab::api::projects::Project as ProjectEndpoint;
use gitlab::api::projects::environments::Environments;
use serde_json::json;

use super::super::{Gitlab, wire};
use super::{GUEST, none_if_missing};
use crate::gitlab_client::{CallError, PER_PAGE, endpoints};
use crate::model::EnvironmentName;
use crate::model::environment::Environment;
use crate::model::gitlab::{ProjectId, UserId};
use crate::verdict::promotion::RightRule;
use wire::ProtectedEnvironment;

/// Rows of one rule that are asked one by one. GitLab's own form takes a handful of roles, users and groups.
const ROWS_MAX: usize = 50;

/// Groups above a project that are asked. GitLab nests them 20 deep.
const GROUPS_MAX: usize = 20;

/// Which rules protect an environment; see [`wire::Protected`].
const PROTECTED: &str = "query($path: ID!, $name: String!) { project(fullPath: $path) { environment(name: $name) { \
    protectedEnvironments { nodes { project { id } } } } } }";

/// Who passes one row of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Members of the project from this role on. GitLab's 60 (administrators) is above every role, so nobody that we can see passes.
    Role(u64),
    User(UserId, String),
    /// Members of a group; `inherited`: those of the groups above it too.
    Group {
        group: GroupName,
        inherited: bool,
        words: String,
    },
    /// A deploy key, or GitLab's "no one".
    Nobody,
}

/// A group as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    Id(u64),
    Path(String),
}

impl GroupName {
    pub fn asked(&self) -> NameOrId<'_> {
        match self {
            Self::Id(id) => (*id).into(),
            Self::Path(path) => path.as_str().into(),
        }
    }
}

/// What somebody must pass: every one of these.
pub struct Rules {
    pub whose: RightRule,
    pub rules: Vec<Rule>,
    pub required_approvals: u64,
}

pub enum Rule {
    /// Of the configuration: the role, and membership of one of the groups if there are any.
    Configured { least: u64, groups: Vec<Row> },
    /// Of GitLab: one row is enough, and without a row nobody passes.
    Protection { rows: Vec<Row> },
}

impl Gitlab {
    pub(super) async fn rules(&self, project: ProjectId, environment: &Environment) -> Result<Rules, CallError> {
        let name = &environment.name;
        let (own, above) = try_join(self.own_protection(project, name), self.protections_above(project, name)).await?;
        let protections: Vec<_> = own.into_iter().chain(above).collect();
        if protections.is_empty() {
            let by_path = |path: &String| Row::Group { group: GroupName::Path(path.clone()), inherited: true, words: path.clone() };
            let groups = environment.allow.groups.iter().map(by_path).collect();
            let rules = vec![Rule::Configured { least: environment.allow.role, groups }];
            return Ok(Rules { whose: RightRule::Configured, rules, required_approvals: 0 });
        }
        let required_approvals = ProtectedEnvironment::required_approvals(&protections);
        let rules = protections.into_iter().map(Rule::of).collect::<Result<_, _>>()?;
        Ok(Rules { whose: RightRule::ProtectedEnvironment, rules, required_approvals })
    }

    /// The project's own rule.
    async fn own_protection(&self, project: ProjectId, name: &EnvironmentName) -> Result<Option<ProtectedEnvironment>, CallError> {
        let found = self.client.one(endpoints::protected_environment(project, name)).await;
        let refused = match none_if_missing(found) {
            Ok(Some(found)) => {
                let found: ProtectedEnvironment = found;
                let same = found.name == name.0;
                return if same { Ok(Some(found)) } else { Err(wire::odd("another protected environment than the one asked for")) };
            }
            Err(refused @ CallError::Refused(403)) => refused,
            other => return other,
        };
        let place = self.place(project).await.map_err(|_| refused.clone())?;
        match self.protected_by(&place.path_with_namespace, name).await {
            Some((0, _)) => Ok(None),
            Some(_) | None => {
                let cure = "give the bot's token the role Maintainer";
                tracing::warn!(project = %place.path_with_namespace, environment = %name, cure, "may not read who may deploy there");
                Err(refused)
            }
        }
    }

    /// The rules of the groups above, by the environment's tier. An environment that GitLab does not have yet has no tier, and none of
    /// these rules holds for it.
    async fn protections_above(&self, project: ProjectId, name: &EnvironmentName) -> Result<Vec<ProtectedEnvironment>, CallError> {
        let Some(tier) = self.tier(project, name).await? else { return Ok(vec![]) };
        let place = self.place(project).await?;
        let groups = match place.namespace.kind.as_str() {
            "group" => groups_above(&place.namespace.full_path)?,
            "user" => return Ok(vec![]),
            _ => return Err(wire::odd("a namespace that is neither a group's nor a user's")),
        };
        let (mut found, mut refused) = (vec![], None);
        for (group, listed) in groups.iter().zip(join_all(groups.iter().map(|group| self.group_protections(group))).await) {
            match listed {
                Ok(listed) => found.extend(listed.into_iter().filter(|rule| rule.name == tier)),
                // The edition has no such rules.
                Err(CallError::NotFound) => {}
                Err(error @ (CallError::Refused(403) | CallError::Hidden)) => refused = refused.or(Some((group, error))),
                Err(error) => return Err(error),
            }
        }
        let Some((group, refused)) = refused else { return Ok(found) };
        match self.protected_by(&place.path_with_namespace, name).await {
            Some((_, above)) if above == found.len() => Ok(found),
            Some(_) | None => {
                let cure = "give the bot an access token of the group with the role Maintainer";
                tracing::warn!(%group, tier, environment = %name, cure, "may not read who may deploy to this tier");
                Err(refused)
            }
        }
    }

    async fn group_protections(&self, group: &str) -> Result<Vec<ProtectedEnvironment>, CallError> {
        let listed: Vec<ProtectedEnvironment> = self.client.first(endpoints::group_protected_environments(group), PER_PAGE).await?;
        // One a tier, and there are five.
        if listed.len() >= PER_PAGE { Err(CallError::TooLarge(format!("{PER_PAGE} rules of a group or more"))) } else { Ok(listed) }
    }

    async fn tier(&self, project: ProjectId, name: &EnvironmentName) -> Result<Option<String>, CallError> {
        let endpoint = Environments::builder().project(project.0).name(name.0.as_str()).build();
        let listed: Result<Vec<wire::ListedEnvironment>, _> = self.client.first(endpoint, PER_PAGE).await;
        // Somebody's rights in a project that is gone are not absent: they could not be looked at.
        let listed = listed.map_err(hidden_if_missing)?;
        Ok(listed.into_iter().find(|held| held.name == name.0).map(|held| held.tier))
    }

    async fn place(&self, project: ProjectId) -> Result<wire::Place, CallError> {
        let found: Result<wire::Place, _> = self.client.one(ProjectEndpoint::builder().project(project.0).build()).await;
        let found = found.map_err(hidden_if_missing)?;
        if found.id == project { Ok(found) } else { Err(wire::odd("another project than the one asked for")) }
    }

    /// How many rules of the project and of groups above it there are; `None` where that was not told.
    async fn protected_by(&self, path: &str, name: &EnvironmentName) -> Option<(usize, usize)> {
        let variables = json!({"path": path, "name": name.0});
        let told: wire::Protected = self.client.graphql(PROTECTED, variables).await.ok()?;
        told.own_and_above()
    }
}

fn hidden_if_missing(error: CallError) -> CallError {
    if error == CallError::NotFound { CallError::Hidden } else { error }
}

/// A group's full path, after those of the groups above it.
fn groups_above(full_path: &str) -> Result<Vec<String>, CallError> {
    let ends = full_path.match_indices('/').map(|(at, _)| at).chain([full_path.len()]);
    let groups: Vec<String> = ends.map(|end| full_path[..end].to_owned()).collect();
    if groups.len() > GROUPS_MAX { Err(CallError::TooLarge(format!("more than {GROUPS_MAX} groups above a project"))) } else { Ok(groups) }
}

impl Rules {
    /// The people who are named one by one.
    pub fn named(&self) -> impl Iterator<Item = UserId> {
        self.rules.iter().flat_map(Rule::rows).filter_map(|row| match row {
            Row::User(id, _) => Some(*id),
            Row::Role(_) | Row::Group { .. } | Row::Nobody => None,
        })
    }

    /// Who may, in words; `machines` are no people to ask.
    pub fn words(&self, machines: &BTreeSet<UserId>) -> String {
        let said: Vec<_> = self.rules.iter().map(|rule| rule.words(machines)).collect();
        if said.iter().any(|said| said == "nobody") { "nobody".into() } else { said.join(" and also ") }
    }
}

impl Rule {
    /// A rule of GitLab.
    fn of(protection: ProtectedEnvironment) -> Result<Self, CallError> {
        if protection.deploy_access_levels.len() > ROWS_MAX {
            return Err(CallError::TooLarge(format!("a protected environment with more than {ROWS_MAX} rows")));
        }
        let rows = protection.deploy_access_levels.into_iter().map(Row::of).collect::<Result<_, _>>()?;
        Ok(Self::Protection { rows })
    }

    pub fn rows(&self) -> &[Row] {
        match self {
            Self::Configured { groups: rows, .. } | Self::Protection { rows } => rows,
        }
    }

    fn words(&self, machines: &BTreeSet<UserId>) -> String {
        let person = |row: &&Row| !matches!(row, Row::User(id, _) if machines.contains(id));
        let rows: Vec<String> = self.rows().iter().filter(person).filter_map(Row::words).collect();
        match self {
            Self::Protection { .. } if rows.is_empty() => "nobody".into(),
            Self::Protection { .. } => rows.join(" or "),
            Self::Configured { least, .. } if rows.is_empty() => role(*least),
            Self::Configured { least, .. } => format!("{} in {}", role(*least), rows.join(" or ")),
        }
    }
}

impl Row {
    /// A row names a user, a group, a key or a role. GitLab writes a role beside a user and a group too, where it means nothing.
    fn of(row: wire::DeployAccess) -> Result<Self, CallError> {
        match (row.user_id, row.group_id, row.deploy_key_id, row.access_level) {
            (Some(user), None, None, _) => Ok(Self::User(user, row.access_level_description)),
            (None, Some(group), None, _) => {
                let inherited = match row.group_inheritance_type {
                    None | Some(0) => false,
                    Some(1) => true,
                    Some(_) => return Err(wire::odd("a group inheritance type that is neither 0 nor 1")),
                };
                Ok(Self::Group { group: GroupName::Id(group), inherited, words: row.access_level_description })
            }
            (None, None, Some(_), _) => Ok(Self::Nobody),
            // 0 is "no one", though everybody has at least that level.
            (None, None, None, Some(level)) if level >= GUEST => Ok(Self::Role(level)),
            (None, None, None, Some(_)) => Ok(Self::Nobody),
            _ => Err(wire::odd("a row of a protected environment that names nobody, or several at once")),
        }
    }

    fn words(&self) -> Option<String> {
        match self {
            Self::Role(level) => Some(role(*level)),
            Self::User(id, words) if words.is_empty() => Some(format!("user {id}")),
            Self::User(_, words) => Some(words.clone()),
            Self::Group { group: GroupName::Id(id), words, .. } if words.is_empty() => Some(format!("group {id}")),
            Self::Group { words, .. } => Some(format!("group {words}")),
            Self::Nobody => None,
        }
    }
}

/// A role in words.
fn role(level: u64) -> String {
    match level {
        50 => "the role Owner".into(),
        40 => "the role Maintainer".into(),
        30 => "the role Developer".into(),
        20 => "the role Reporter".into(),
        60 => "administrators".into(),
        other => format!("access level {other}"),
    }
}
