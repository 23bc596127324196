//! Who may deploy where: GitLab's own rules where it protects the environment, else the configured one ([`rules`]).

mod rules;

use std::collections::BTreeSet;

use futures_util::future::{join_all, try_join};
use gitlab::api::groups::members::{AllGroupMembers, GroupMember, GroupMembers};
use gitlab::api::projects::members::AllProjectMembers;
use gitlab::api::users::User as UserEndpoint;

use super::{Gitlab, wire};
use crate::gitlab_client::{CallError, PER_PAGE, endpoints, look};
use crate::model::Timestamp;
use crate::model::environment::Environment;
use crate::model::gitlab::{Member, ProjectId, User, UserId};
use crate::verdict::Looked;
use crate::verdict::promotion::Right;
use rules::{GroupName, Row, Rule, Rules};

/// People who are looked up one by one for a refusal, to leave out machines. More are not counted: whoever reads it needs one of them.
const PEOPLE_MAX: usize = 20;

/// GitLab's number of the role Guest: whoever has less is no member ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)).
const GUEST: u64 = 10;

impl Gitlab {
    /// What somebody may do in an environment. `Absent`: GitLab knows no such user.
    ///
    /// How many people may is counted only for one who may not: it is said in the refusal and nowhere else.
    pub async fn right(&self, project: ProjectId, user: UserId, environment: &Environment) -> Looked<Right> {
        look(self.read_right(project, user, environment).await)
    }

    async fn read_right(&self, project: ProjectId, id: UserId, environment: &Environment) -> Result<Right, CallError> {
        let ((user, member), rules) = try_join(self.account(project, id), self.rules(project, environment)).await?;
        let access_level = member.as_ref().map_or(0, |member| member.access_level);
        let active = user.active() && member.as_ref().is_none_or(|member| member.active);
        let may_deploy = active && self.passes_all(&rules, id, member.as_ref()).await?;
        let people = if may_deploy { None } else { self.people(project, &rules).await };
        let who = rules.words(&self.machines(&rules).await);
        let Rules { whose, required_approvals, .. } = rules;
        Ok(Right { active, access_level, may_deploy, rule: whose, who, people, required_approvals, machine: user.bot })
    }

    /// The account and its membership, if it has one.
    async fn account(&self, project: ProjectId, id: UserId) -> Result<(wire::AnyUser, Option<Member>), CallError> {
        let user = self.read_user(id).await?;
        let member = none_if_missing(self.read_member(project, id).await)?;
        Ok((user, member))
    }

    async fn read_user(&self, id: UserId) -> Result<wire::AnyUser, CallError> {
        let user: wire::AnyUser = self.client.one(UserEndpoint::builder().user(id.0).build()).await?;
        if user.id == id { Ok(user) } else { Err(wire::odd("another user than the one asked for")) }
    }

    async fn passes_all(&self, rules: &Rules, id: UserId, member: Option<&Member>) -> Result<bool, CallError> {
        for rule in &rules.rules {
            if !self.passes(rule, id, member).await? {
                return Ok(false);
            }
        }
        Ok(!rules.rules.is_empty())
    }

    /// Whether somebody passes a rule. A row that cannot be looked at is an error only where no other row lets them pass.
    async fn passes(&self, rule: &Rule, id: UserId, member: Option<&Member>) -> Result<bool, CallError> {
        let level = member.map_or(0, |member| member.access_level);
        match rule {
            Rule::Configured { least, .. } if level < *least => return Ok(false),
            Rule::Configured { groups, .. } if groups.is_empty() => return Ok(true),
            Rule::Configured { .. } | Rule::Protection { .. } => {}
        }
        let mut unseen = None;
        for row in rule.rows() {
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

    /// How many people pass every rule, where one page of members tells. Machines are none: nobody can ask them.
    async fn people(&self, project: ProjectId, rules: &Rules) -> Option<usize> {
        let members = self.read_members(project).await.ok()?;
        let mut people: Option<BTreeSet<UserId>> = None;
        for rule in &rules.rules {
            let pass = self.people_of(rule, &members).await?;
            people = Some(people.map_or_else(|| pass.clone(), |people| &people & &pass));
        }
        let mut people = people?;
        if people.is_empty() {
            return Some(0);
        }
        people.remove(&self.whoami().await.found()?.id);
        if people.len() > PEOPLE_MAX {
            return None;
        }
        let looked = join_all(people.iter().map(|id| self.read_user(*id))).await;
        let found: Vec<wire::AnyUser> = looked.into_iter().collect::<Result<_, _>>().ok()?;
        Some(found.iter().filter(|user| user.active() && !user.bot).count())
    }

    async fn people_of(&self, rule: &Rule, members: &[Member]) -> Option<BTreeSet<UserId>> {
        let from = |least: u64| members.iter().filter(move |member| member.access_level >= least).map(|member| member.user.id);
        let mut people = BTreeSet::new();
        for row in rule.rows() {
            match row {
                Row::Role(least) => people.extend(from(*least)),
                Row::User(user, _) => people.extend([*user]),
                Row::Group { group, inherited, .. } => people.extend(self.group_people(group, *inherited).await.ok()?),
                Row::Nobody => {}
            }
        }
        Some(match rule {
            Rule::Configured { least, groups } if groups.is_empty() => from(*least).collect(),
            Rule::Configured { least, .. } => &people & &from(*least).collect(),
            Rule::Protection { .. } => people,
        })
    }

    /// The machines among those whom the rules name: a bot that deploys is named as a person is. Good for words only.
    async fn machines(&self, rules: &Rules) -> BTreeSet<UserId> {
        let named: BTreeSet<UserId> = rules.named().take(PEOPLE_MAX).collect();
        if named.is_empty() {
            return named;
        }
        let own = self.whoami().await.found().map(|own| own.id);
        let looked = join_all(named.iter().map(|id| self.read_user(*id))).await;
        looked.into_iter().flatten().filter(|user| user.bot).map(|user| user.id).chain(own).collect()
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
