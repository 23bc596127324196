//! Who may do what, as GitLab's permission tables tell ([permissions](https://docs.gitlab.com/user/permissions/)).

use super::{Grant, Level, Refused, Visibility, World};
use crate::model::gitlab::{GitRef, ProjectId, UserId};

/// Something that one may or may not do in a project that one can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Code, tags, branches, commits, merge requests, pipelines, jobs, environments, the registry: a Reporter, or anyone where
    /// the project is public (or internal, for a user).
    Read,
    /// Releases: also a Guest.
    ReadReleases,
    /// Comments: whoever can read merge requests and has signed in.
    Comment,
    /// What a member of this level may do.
    Is(Level),
}

impl World {
    /// The level of a user in a project; an administrator's is [`Level::Owner`].
    pub fn level(&self, project: ProjectId, user: UserId) -> Level {
        if self.user(user).admin {
            return Level::Owner;
        }
        self.membership(project, user).map_or(Level::Nobody, |member| member.level)
    }

    /// Whether the project's visibility alone lets this user (or nobody in particular) read it.
    fn open_to(&self, project: ProjectId, user: Option<UserId>) -> bool {
        match self.project(project).visibility {
            Visibility::Public => true,
            Visibility::Internal => user.is_some(),
            Visibility::Private => false,
        }
    }

    /// A project that one cannot see does not exist for him.
    pub fn sees(&self, project: ProjectId, user: Option<UserId>) -> bool {
        self.open_to(project, user) || user.is_some_and(|user| self.level(project, user) > Level::Nobody)
    }

    pub fn may(&self, project: ProjectId, user: Option<UserId>, right: Right) -> bool {
        let level = user.map_or(Level::Nobody, |user| self.level(project, user));
        let open = self.open_to(project, user);
        match right {
            Right::Read => open || level >= Level::Reporter,
            Right::ReadReleases => open || level >= Level::Guest,
            Right::Comment => user.is_some() && (open || level >= Level::Reporter),
            Right::Is(least) => level >= least,
        }
    }

    pub fn demand(&self, project: ProjectId, user: Option<UserId>, right: Right) -> Result<(), Refused> {
        if self.may(project, user, right) { Ok(()) } else { Err(Refused::Forbidden("")) }
    }

    /// Whether somebody may give variables along when he starts a pipeline or a job.
    pub fn may_set_variables(&self, project: ProjectId, user: UserId) -> bool {
        self.project(project).variables_role.is_some_and(|least| self.level(project, user) >= least)
    }

    /// Whether the members of a group are shown to somebody: who is one, and anybody who sees nothing but a project below is told that
    /// the group is there.
    pub fn sees_group_members(&self, group: u64, user: UserId) -> Result<(), Refused> {
        if self.user(user).admin || self.group_membership(group, user, true).is_some() {
            return Ok(());
        }
        let below =
            |project: &super::Project| self.groups_above(project.group).any(|held| held.id == group) && self.sees(project.id, Some(user));
        if self.projects.values().any(below) { Err(Refused::Forbidden("")) } else { Err(Refused::NotFound("Group")) }
    }

    fn granted(&self, project: ProjectId, user: UserId, grants: &[Grant]) -> bool {
        grants.iter().any(|grant| match grant {
            Grant::Level(Level::Nobody) => false,
            Grant::Level(least) => self.level(project, user) >= *least,
            Grant::User(granted) => *granted == user,
            Grant::Group(group) => self.group_membership(*group, user, false).is_some(),
            Grant::GroupAndAbove(group) => self.group_membership(*group, user, true).is_some(),
        })
    }

    /// Whether a user may write this ref: a Developer, and where it is protected one whom the rule names.
    pub fn may_write_ref(&self, project: ProjectId, user: UserId, git_ref: &GitRef) -> bool {
        if self.level(project, user) < Level::Developer {
            return false;
        }
        let held = self.project(project);
        let mut rules = match git_ref {
            GitRef::Tag(name) => held.tag_rules(name).map(|rule| rule.create.as_slice()).collect::<Vec<_>>(),
            GitRef::Branch(name) => held.branch_rules(name).flat_map(|rule| [rule.push.as_slice(), rule.merge.as_slice()]).collect(),
        }
        .into_iter()
        .peekable();
        rules.peek().is_none() || rules.any(|grants| self.granted(project, user, grants))
    }

    /// Whether a user may deploy to an environment: a Developer, and where it is protected one whom every rule names, the project's
    /// and those of the groups above.
    pub fn may_deploy(&self, project: ProjectId, user: UserId, environment: &str) -> bool {
        let own = self.project(project).protected_environments.iter().filter(|rule| rule.name == environment);
        let mut rules = own.chain(self.rules_above(project, environment)).peekable();
        match rules.peek() {
            Some(_) => rules.all(|rule| self.granted(project, user, &rule.deploy)),
            None => self.level(project, user) >= Level::Developer,
        }
    }

    /// Whether somebody is shown the rules of a group: its maintainers, and whoever sees the group is told that it is there.
    pub fn sees_group_rules(&self, group: u64, user: UserId) -> Result<(), Refused> {
        self.sees_group_members(group, user)?;
        let maintains = |member: &super::Membership| member.level >= Level::Maintainer;
        let may = self.user(user).admin || self.group_membership(group, user, true).is_some_and(maintains);
        if may { Ok(()) } else { Err(Refused::Forbidden("")) }
    }
}
