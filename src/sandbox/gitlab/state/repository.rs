//! Commits, branches, tags, and which of them are protected.

use super::{Activity, Level, NewPipeline, Project, Target, Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, GitRef, PipelineId, ProjectId, UserId};
use crate::sandbox::gitlab::payload;

/// Pushes that change more refs than this send no push or tag push hooks (GitLab's `push_event_hooks_limit`).
pub const PUSH_HOOKS_LIMIT: usize = 3;
/// GitLab makes pipelines only for this many refs of one push.
const PUSH_PIPELINES_LIMIT: usize = 4;

/// One commit.
#[derive(Debug, Clone)]
pub struct Commit {
    pub sha: CommitSha,
    pub parents: Vec<CommitSha>,
    pub message: String,
    pub author: UserId,
    pub at: Timestamp,
}

impl Commit {
    pub fn title(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

/// A Git tag.
#[derive(Debug, Clone)]
pub struct GitTag {
    pub name: String,
    pub commit: CommitSha,
    /// The tag object of an annotated tag; for a lightweight one the commit.
    pub target: CommitSha,
    /// Only annotated tags have one.
    pub message: Option<String>,
    pub created_at: Timestamp,
}

/// Whom a protection rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    Level(Level),
    User(UserId),
    /// Members of the group itself.
    Group(u64),
    /// Members of the group and of those above it (`group_inheritance_type` 1; environments only).
    GroupAndAbove(u64),
}

/// A rule for tags whose name fits.
#[derive(Debug, Clone)]
pub struct ProtectedTag {
    pub name: String,
    pub create: Vec<Grant>,
}

/// A rule for branches whose name fits.
#[derive(Debug, Clone)]
pub struct ProtectedBranch {
    pub id: u64,
    pub name: String,
    pub push: Vec<Grant>,
    pub merge: Vec<Grant>,
}

/// A ref that a push moved.
pub(in crate::sandbox::gitlab) struct Moved<'a> {
    pub project: ProjectId,
    pub git_ref: &'a GitRef,
    pub before: Option<CommitSha>,
    /// `None` for a deleted ref.
    pub after: Option<CommitSha>,
    pub by: UserId,
}

impl Project {
    /// Every commit that `from` stands on, itself included.
    pub fn ancestry(&self, from: &CommitSha) -> Vec<CommitSha> {
        let (mut found, mut open) = (vec![], vec![from.clone()]);
        while let Some(sha) = open.pop() {
            if found.contains(&sha) {
                continue;
            }
            open.extend(self.commits.get(&sha).into_iter().flat_map(|commit| commit.parents.iter().cloned()));
            found.push(sha);
        }
        found
    }

    /// A commit by the start of its name, a branch or a tag, as GitLab's `:sha` parameters take them.
    pub fn resolve(&self, name: &str) -> Option<&Commit> {
        let by_ref = self.branches.get(name).or_else(|| self.tags.get(name).map(|tag| &tag.commit));
        match by_ref {
            Some(sha) => self.commits.get(sha),
            None if name.len() >= 7 => self.commits.values().find(|commit| commit.sha.as_str().starts_with(name)),
            None => None,
        }
    }
}

impl World {
    pub(super) fn new_sha(&mut self, what: &str) -> CommitSha {
        let hex = self.next_hex(what);
        hex.parse().unwrap_or_else(|_| unreachable!("40 hex digits are a commit name"))
    }

    pub(super) fn commit(&mut self, project: ProjectId, parents: Vec<CommitSha>, by: UserId, message: &str) -> CommitSha {
        let (sha, at) = (self.new_sha(message), self.now());
        let commit = Commit { sha: sha.clone(), parents, message: message.into(), author: by, at };
        self.project_mut(project).commits.insert(sha.clone(), commit);
        sha
    }

    /// A commit on a branch, which starts from the default branch if it is new. Runs the branch pipeline if the project has CI.
    pub fn push_commit(&mut self, project: ProjectId, branch: &str, by: UserId, message: &str) -> CommitSha {
        let held = self.project(project);
        let parent = held.branches.get(branch).or_else(|| held.branches.get(&held.default_branch)).cloned();
        let sha = self.commit(project, parent.into_iter().collect(), by, message);
        self.move_branch(project, branch, sha.clone(), by);
        sha
    }

    /// Points a branch to a commit: a push. Open merge requests from it get the new head.
    pub fn move_branch(&mut self, project: ProjectId, branch: &str, to: CommitSha, by: UserId) {
        let before = self.project_mut(project).branches.insert(branch.into(), to.clone());
        let git_ref = GitRef::Branch(branch.into());
        self.pushed(&Moved { project, git_ref: &git_ref, before, after: Some(to), by }, true);
        self.run_ci(project, &git_ref, by);
        self.refresh_heads(project, branch, by);
    }

    /// A lightweight tag. Runs the tag pipeline if the project has CI; its id is the answer.
    pub fn push_tag(&mut self, project: ProjectId, name: &str, sha: &CommitSha, by: UserId) -> Option<PipelineId> {
        self.push_tags(project, &[(name, sha.clone())], by).into_iter().next()
    }

    /// Several tags in one push. GitLab sends no tag push hook at all for more than three.
    pub fn push_tags(&mut self, project: ProjectId, tags: &[(&str, CommitSha)], by: UserId) -> Vec<PipelineId> {
        let mut pipelines = vec![];
        for (index, (name, sha)) in tags.iter().enumerate() {
            let tag = GitTag { name: (*name).into(), commit: sha.clone(), target: sha.clone(), message: None, created_at: self.now() };
            let before = self.project_mut(project).tags.insert((*name).into(), tag).map(|old| old.target);
            let git_ref = GitRef::Tag((*name).into());
            let moved = Moved { project, git_ref: &git_ref, before, after: Some(sha.clone()), by };
            self.pushed(&moved, tags.len() <= PUSH_HOOKS_LIMIT);
            if index < PUSH_PIPELINES_LIMIT {
                pipelines.extend(self.run_ci(project, &git_ref, by));
            }
        }
        pipelines
    }

    /// Makes the tag an annotated one: its `target` becomes a tag object.
    pub fn annotate_tag(&mut self, project: ProjectId, name: &str, message: &str) {
        let target = self.new_sha("tag object");
        if let Some(tag) = self.project_mut(project).tags.get_mut(name) {
            (tag.target, tag.message) = (target, Some(message.into()));
        }
    }

    pub fn delete_tag(&mut self, project: ProjectId, name: &str, by: UserId) {
        if let Some(tag) = self.project_mut(project).tags.remove(name) {
            let git_ref = GitRef::Tag(name.into());
            self.pushed(&Moved { project, git_ref: &git_ref, before: Some(tag.target), after: None, by }, true);
        }
    }

    /// Protects tags: `v*`, who may create them.
    pub fn protect_tags(&mut self, project: ProjectId, pattern: &str, create: Level) {
        let rule = ProtectedTag { name: pattern.into(), create: vec![Grant::Level(create)] };
        self.project_mut(project).protected_tags.push(rule);
    }

    /// Protects branches: who may push and merge.
    pub fn protect_branches(&mut self, project: ProjectId, pattern: &str, push_and_merge: Level) {
        let id = self.next_id();
        let grants = vec![Grant::Level(push_and_merge)];
        let rule = ProtectedBranch { id, name: pattern.into(), push: grants.clone(), merge: grants };
        self.project_mut(project).protected_branches.push(rule);
    }

    /// Takes protection rules away, by their exact pattern.
    pub fn unprotect_tags(&mut self, project: ProjectId, pattern: &str) {
        self.project_mut(project).protected_tags.retain(|rule| rule.name != pattern);
    }

    /// The record and the webhook of a moved ref.
    fn pushed(&mut self, moved: &Moved<'_>, with_hook: bool) {
        let action = match (&moved.before, &moved.after) {
            (None, _) => "pushed new",
            (Some(_), None) => "deleted",
            (Some(_), Some(_)) => "pushed to",
        };
        let target = Target::Ref { git_ref: moved.git_ref.clone(), before: moved.before.clone(), after: moved.after.clone() };
        let activity = Activity { id: self.next_id(), action, by: moved.by, at: self.now(), target };
        self.record(moved.project, activity);
        if with_hook {
            let trigger = match moved.git_ref {
                GitRef::Tag(_) => Trigger::TagPush,
                GitRef::Branch(_) => Trigger::Push,
            };
            let body = payload::push(self, moved);
            self.emit(moved.project, trigger, &body);
        }
    }

    /// The pipeline that a push starts, if the CI file has a job for this ref.
    fn run_ci(&mut self, project: ProjectId, git_ref: &GitRef, by: UserId) -> Option<PipelineId> {
        let jobs: Vec<_> = self.project(project).ci.iter().filter(|job| job.runs_on(git_ref)).cloned().collect();
        if jobs.is_empty() {
            return None;
        }
        Some(self.start_pipeline(project, NewPipeline { source: "push", git_ref: git_ref.clone(), by, jobs }))
    }
}
