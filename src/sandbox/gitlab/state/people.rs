//! Users, their tokens, groups and memberships.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::World;
use crate::model::Timestamp;
use crate::model::gitlab::{ProjectId, UserId};

/// An access level ([GitLab](https://docs.gitlab.com/api/access_requests/#valid-access-levels)), ordered by right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Nobody = 0,
    Guest = 10,
    Planner = 15,
    Reporter = 20,
    Developer = 30,
    Maintainer = 40,
    Owner = 50,
}

impl Level {
    pub fn number(self) -> u64 {
        self as u64
    }

    /// GitLab's words for a level in a protection rule.
    pub fn rule(self) -> &'static str {
        match self {
            Self::Nobody => "No one",
            Self::Guest => "Guest",
            Self::Planner => "Planner",
            Self::Reporter => "Reporter",
            Self::Developer => "Developers + Maintainers",
            Self::Maintainer => "Maintainers",
            Self::Owner => "Owner",
        }
    }
}

/// A person or a bot.
#[derive(Debug, Clone)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub name: String,
    /// The user of a project or group access token.
    pub bot: bool,
    pub blocked: bool,
    pub admin: bool,
    pub created_at: Timestamp,
}

/// An access token and whom it speaks for.
#[derive(Clone)]
pub struct Token {
    pub id: u64,
    pub name: String,
    pub user: UserId,
    pub secret: String,
    pub scopes: Vec<String>,
    pub revoked: bool,
    pub expires_at: Option<Date>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} of user {}, hidden)", self.name, self.user)
    }
}

/// A group; its members are members of every project below it.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: u64,
    /// `shop/backend`
    pub full_path: String,
    pub parent: Option<u64>,
    pub members: BTreeMap<UserId, Membership>,
    /// Rules for every environment of a tier in every project below; their name is the tier.
    pub protected_tiers: Vec<super::ProtectedEnvironment>,
}

/// What one user may do in a group or project.
#[derive(Debug, Clone)]
pub struct Membership {
    pub level: Level,
    pub since: Timestamp,
    pub expires_at: Option<Date>,
}

impl World {
    /// A person. The display name is the user name with a capital.
    pub fn add_user(&mut self, username: &str) -> UserId {
        let id = UserId(self.next_id());
        let mut letters = username.chars();
        let name = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
        let user =
            User { id, username: username.into(), name, bot: false, blocked: false, admin: username == "root", created_at: self.now() };
        self.users.insert(id, user);
        id
    }

    /// A project access token: a bot user that is a member of the project, and the token's secret with scope `api`.
    pub fn add_bot(&mut self, project: ProjectId, name: &str, level: Level) -> (UserId, String) {
        let tail = self.next_hex("bot");
        let id = self.add_user(&format!("project_{project}_bot_{}", &tail[..16]));
        if let Some(user) = self.users.get_mut(&id) {
            user.bot = true;
            user.name = name.into();
        }
        self.add_member(project, id, level);
        (id, self.add_token(id, &["api"]))
    }

    /// A token for a user; the answer is its secret.
    pub fn add_token(&mut self, user: UserId, scopes: &[&str]) -> String {
        let id = self.next_id();
        let secret = format!("glpat-{}", &self.next_hex("token")[..20]);
        let created_at = self.now();
        let expires_at = jiff::tz::TimeZone::UTC.to_datetime(created_at + jiff::SignedDuration::from_hours(24 * 180)).date();
        self.tokens.push(Token {
            id,
            name: "countersign".into(),
            user,
            secret: secret.clone(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            revoked: false,
            expires_at: Some(expires_at),
            created_at,
            last_used_at: None,
        });
        secret
    }

    /// Revokes every token of a user.
    pub fn revoke_tokens(&mut self, user: UserId) {
        for token in self.tokens.iter_mut().filter(|token| token.user == user) {
            token.revoked = true;
        }
    }

    pub fn block(&mut self, user: UserId) {
        if let Some(user) = self.users.get_mut(&user) {
            user.blocked = true;
        }
    }

    /// A member's level changes, or somebody becomes a member.
    pub fn set_level(&mut self, project: ProjectId, user: UserId, level: Level) {
        self.add_member(project, user, level);
    }

    pub fn unblock(&mut self, user: UserId) {
        if let Some(user) = self.users.get_mut(&user) {
            user.blocked = false;
        }
    }

    pub fn add_member(&mut self, project: ProjectId, user: UserId, level: Level) {
        let since = self.now();
        self.project_mut(project).members.insert(user, Membership { level, since, expires_at: None });
    }

    pub fn remove_member(&mut self, project: ProjectId, user: UserId) {
        self.project_mut(project).members.remove(&user);
    }

    /// A member of a group, made if it is not there.
    pub fn add_group_member(&mut self, group: &str, user: UserId, level: Level) {
        let (id, since) = (self.group(group), self.now());
        if let Some(group) = self.groups.get_mut(&id) {
            group.members.insert(user, Membership { level, since, expires_at: None });
        }
    }

    /// The id of a group, which is made with its parents if it is not there.
    pub fn group(&mut self, full_path: &str) -> u64 {
        if let Some(group) = self.groups.values().find(|group| group.full_path == full_path) {
            return group.id;
        }
        let parent = full_path.rsplit_once('/').map(|(above, _)| self.group(above));
        let id = self.next_id();
        self.groups.insert(id, Group { id, full_path: full_path.into(), parent, members: BTreeMap::new(), protected_tiers: vec![] });
        id
    }

    /// The strongest membership of a user in a project: direct or through a group above it.
    pub fn membership(&self, project: ProjectId, user: UserId) -> Option<&Membership> {
        let project = self.project(project);
        let found =
            project.members.get(&user).into_iter().chain(self.groups_above(project.group).filter_map(|group| group.members.get(&user)));
        found.max_by_key(|member| member.level).filter(|member| self.stands(member))
    }

    /// The membership of a user in a group; `inherited`: or in one above it.
    pub fn group_membership(&self, group: u64, user: UserId, inherited: bool) -> Option<&Membership> {
        let groups = self.groups_above(group).filter(|held| inherited || held.id == group);
        groups.filter_map(|group| group.members.get(&user)).max_by_key(|member| member.level).filter(|member| self.stands(member))
    }

    /// A group and those above it.
    pub fn groups_above(&self, group: u64) -> impl Iterator<Item = &Group> {
        std::iter::successors(self.groups.get(&group), |group| group.parent.and_then(|id| self.groups.get(&id)))
    }

    /// Finds a group by its number or its full path.
    pub fn find_group(&self, key: &str) -> Option<&Group> {
        match key.parse() {
            Ok(number) => self.groups.get(&number),
            Err(_) => self.groups.values().find(|group| group.full_path.eq_ignore_ascii_case(key)),
        }
    }

    fn stands(&self, member: &Membership) -> bool {
        let today = jiff::tz::TimeZone::UTC.to_datetime(self.now()).date();
        member.expires_at.is_none_or(|end| today < end)
    }
}
