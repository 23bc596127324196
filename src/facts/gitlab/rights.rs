//! Who may deploy where: GitLab's own rule where it protects the environment, else the configured one.
//!
//! GitLab protects environments on Premium and up ([protected environments](https://docs.gitlab.com/api/protected_environments/));
//! its 404 means that there is no rule, its 403 that our token may not read it (that needs a Maintainer), which decides nothing.
//! A rule of a whole group, by deployment tier, can be read by that group's maintainers only and is not looked at: GitLab itself
//! still holds the bot's own job or deployment to it.

use std::collections::BTreeSet;

use futures_util::future::try_join;
use gitlab::api::common::NameOrId;
use gitlab::api::groups::members::{AllGroupMembers, GroupMember, GroupMembers};
use gitlab::api::projects::members::AllProjectMembers;
use gitlab::api::users::User as UserEndpoint;

use super::{Gitlab, wire};
use crate::gitlab_client::{CallError, PER_PAGE, endpoints, look};
use crate::model::environment::Environment;
use crate::model::gitlab::{Member, ProjectId, User, UserId};
use crate::model::{EnvironmentName, Timestamp};
use crate::verdict::Looked;
use crate::verdict::promotion::{Right, RightRule};

/// Rows of one rule that are asked one by one. GitLab's own form takes a handful of roles, users and groups.
const ROWS_MAX: usize = 50;

/// GitLab's number of the role Guest: whoever has less is no member ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)).
const GUEST: u64 = 10;

/// Who passes one row of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
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
enum GroupName {
    Id(u64),
    Path(String),
}

impl GroupName {
    fn asked(&self) -> NameOrId<'_> {
        match self {
            Self::Id(id) => (*id).into(),
            Self::Path(path) => path.as_str().into(),
        }
    }
}

/// A rule: one row is enough, or for the configured one every part.
struct Rule {
    whose: RightRule,
    /// Everyone must pass this first.
    least: u64,
    /// And one of these, if there are any.
    any_of: Vec<Row>,
    required_approvals: u64,
}

impl Gitlab {
    /// What somebody may do in an environment. `Absent`: GitLab knows no such user.
    ///
    /// How many people may is counted only for one who may not: it is said in the refusal and nowhere else.
    pub async fn right(&self, project: ProjectId, user: UserId, environment: &Environment) -> Looked<Right> {
        look(self.read_right(project, user, environment).await)
    }

    async fn read_right(&self, project: ProjectId, id: UserId, environment: &Environment) -> Result<Right, CallError> {
        let ((user, member), rule) = try_join(self.account(project, id), self.rule(project, environment)).await?;
        let access_level = member.as_ref().map_or(0, |member| member.access_level);
        let active = user.active() && member.as_ref().is_none_or(|member| member.active);
        let may_deploy = active && self.passes(&rule, id, member.as_ref()).await?;
        let people = if may_deploy { None } else { self.people(project, &rule).await };
        let (whose, who, required_approvals) = (rule.whose, rule.words(), rule.required_approvals);
        Ok(Right { active, access_level, may_deploy, rule: whose, who, people, required_approvals, machine: user.bot })
    }

    /// The account and its membership, if it has one.
    async fn account(&self, project: ProjectId, id: UserId) -> Result<(wire::AnyUser, Option<Member>), CallError> {
        let user: wire::AnyUser = self.client.one(UserEndpoint::builder().user(id.0).build()).await?;
        if user.id != id {
            return Err(wire::odd("another user than the one asked for"));
        }
        let member = none_if_missing(self.read_member(project, id).await)?;
        Ok((user, member))
    }

    async fn rule(&self, project: ProjectId, environment: &Environment) -> Result<Rule, CallError> {
        match none_if_missing(self.read_protection(project, &environment.name).await)? {
            Some(protection) => Rule::of(protection),
            None => {
                let by_path = |path: &String| Row::Group { group: GroupName::Path(path.clone()), inherited: true, words: path.clone() };
                let any_of = environment.allow.groups.iter().map(by_path).collect();
                Ok(Rule { whose: RightRule::Configured, least: environment.allow.role, any_of, required_approvals: 0 })
            }
        }
    }

    async fn read_protection(&self, project: ProjectId, name: &EnvironmentName) -> Result<wire::ProtectedEnvironment, CallError> {
        let found: wire::ProtectedEnvironment = self.client.one(endpoints::protected_environment(project, name)).await?;
        if found.name == name.0 { Ok(found) } else { Err(wire::odd("another protected environment than the one asked for")) }
    }

    /// Whether somebody passes a rule. A row that cannot be looked at is an error only where no other row lets them pass.
    async fn passes(&self, rule: &Rule, id: UserId, member: Option<&Member>) -> Result<bool, CallError> {
        let level = member.map_or(0, |member| member.access_level);
        if level < rule.least {
            return Ok(false);
        }
        if rule.any_of.is_empty() {
            // GitLab's rule without a row lets nobody pass; the configured one asks for nothing but the role.
            return Ok(rule.whose == RightRule::Configured);
        }
        let mut unseen = None;
        for row in &rule.any_of {
            let passes = match row {
                Row::Role(least) => Ok(level >= *least),
                Row::User(user, _) => Ok(*user == id),
                Row::Group { group, inherited, .. } => self.is_in_group(group, *inherited, id).await,
                Row::Nobody => Ok(false),
            };
            match passes {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => unseen = unseen.or(Some(error)),
            }
        }
        unseen.map_or(Ok(false), Err)
    }

    /// A group that our token may not see is an error, not an empty one.
    async fn is_in_group(&self, group: &GroupName, inherited: bool, id: UserId) -> Result<bool, CallError> {
        let found = if inherited {
            self.client.one::<wire::Member, _, _>(endpoints::group_member_of_all(group.asked(), id)).await
        } else {
            self.client.one(GroupMember::builder().group(group.asked()).user(id.0).build()).await
        };
        let Some(found) = none_if_missing(found)? else { return Ok(false) };
        if found.user.id != id {
            return Err(wire::odd("another member than the one asked for"));
        }
        let member = found.at(Timestamp::now());
        Ok(member.active && member.access_level >= GUEST)
    }

    /// How many people pass a rule, where one page of members tells.
    async fn people(&self, project: ProjectId, rule: &Rule) -> Option<usize> {
        let members = self.read_members(project).await.ok()?;
        let from = |least: u64| members.iter().filter(move |member| member.access_level >= least).map(|member| member.user.id);
        if rule.any_of.is_empty() {
            return (rule.whose == RightRule::Configured).then(|| from(rule.least).count());
        }
        let mut people = BTreeSet::new();
        for row in &rule.any_of {
            match row {
                Row::Role(least) => people.extend(from(*least)),
                Row::User(user, _) => people.extend([*user]),
                Row::Group { group, inherited, .. } => people.extend(self.group_people(group, *inherited).await.ok()?),
                Row::Nobody => {}
            }
        }
        let fit: BTreeSet<UserId> = from(rule.least).collect();
        people.retain(|id| rule.least == 0 || fit.contains(id));
        Some(people.len())
    }

    async fn group_people(&self, group: &GroupName, inherited: bool) -> Result<Vec<UserId>, CallError> {
        let listed: Vec<wire::Member> = if inherited {
            self.client.first(AllGroupMembers::builder().group(group.asked()).build(), PER_PAGE).await?
        } else {
            self.client.first(GroupMembers::builder().group(group.asked()).build(), PER_PAGE).await?
        };
        Ok(whole_page(listed)?.into_iter().map(|member| member.user.id).collect())
    }

    /// The people who are active members of a project from this role on, inherited and invited ones included, without the users of
    /// access tokens. Unreachable ("too large") where one page does not hold them.
    pub async fn members(&self, project: ProjectId, role: u64) -> Looked<Vec<User>> {
        let members = self.read_members(project).await;
        look(members.map(|all| all.into_iter().filter(|member| member.access_level >= role).map(|member| member.user).collect()))
    }

    async fn read_members(&self, project: ProjectId) -> Result<Vec<Member>, CallError> {
        whole_page(self.client.first(AllProjectMembers::builder().project(project.0).build(), PER_PAGE).await?)
    }
}

/// The people of a listing, each once. A full page may be a part only.
fn whole_page(listed: Vec<wire::Member>) -> Result<Vec<Member>, CallError> {
    if listed.len() >= PER_PAGE {
        return Err(CallError::TooLarge(format!("{PER_PAGE} members or more")));
    }
    let (now, mut seen) = (Timestamp::now(), BTreeSet::new());
    let people = listed.into_iter().map(|member| member.at(now)).filter(|member| member.active && member.access_level >= GUEST);
    Ok(people.filter(|member| !is_token_user(&member.user.username)).filter(|member| seen.insert(member.user.id)).collect())
}

/// Whether this is the user of a project or group access token: a listing does not say it otherwise, and GitLab keeps the form
/// ([bot users](https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects)).
/// Good for a count only; whoever asks for something is looked up.
fn is_token_user(username: &str) -> bool {
    (username.starts_with("project_") || username.starts_with("group_")) && username.contains("_bot")
}

fn none_if_missing<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Err(CallError::NotFound) => Ok(None),
        result => result.map(Some),
    }
}

impl Rule {
    /// GitLab's rule of one environment.
    fn of(protection: wire::ProtectedEnvironment) -> Result<Self, CallError> {
        if protection.deploy_access_levels.len() > ROWS_MAX {
            return Err(CallError::TooLarge(format!("a protected environment with more than {ROWS_MAX} rows")));
        }
        let required_approvals = protection.required_approvals();
        let any_of = protection.deploy_access_levels.into_iter().map(Row::of).collect::<Result<_, _>>()?;
        Ok(Self { whose: RightRule::ProtectedEnvironment, least: 0, any_of, required_approvals })
    }

    /// Who may, in words.
    fn words(&self) -> String {
        let rows: Vec<String> = self.any_of.iter().filter_map(Row::words).collect();
        match (self.whose, rows.is_empty()) {
            (RightRule::ProtectedEnvironment, true) => "nobody".into(),
            (RightRule::ProtectedEnvironment, false) => rows.join(" or "),
            (RightRule::Configured, true) => role(self.least),
            (RightRule::Configured, false) => format!("{} in {}", role(self.least), rows.join(" or ")),
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
