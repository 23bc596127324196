//! Merge requests: opened, approved, merged.

use super::{Activity, Discussion, MergeMethod, Refused, Target, Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, GitRef, MergeRequestIid, MergeRequestState, PipelineId, ProjectId, UserId};
use crate::sandbox::gitlab::payload;

/// Names a merge request: the project it is to be merged into, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MergeRequestKey {
    pub project: ProjectId,
    pub iid: MergeRequestIid,
}

/// An approval and when it was given.
#[derive(Debug, Clone, Copy)]
pub struct Approval {
    pub by: UserId,
    pub at: Timestamp,
}

/// A merge request.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    pub id: u64,
    pub key: MergeRequestKey,
    pub source_project: ProjectId,
    pub source_branch: String,
    pub target_branch: String,
    pub title: String,
    pub description: String,
    pub author: UserId,
    pub state: MergeRequestState,
    pub squash: bool,
    pub locked_discussion: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub merged: Option<(UserId, Timestamp)>,
    pub closed: Option<(UserId, Timestamp)>,
    pub head_sha: CommitSha,
    /// The commits that it brings.
    pub commits: Vec<CommitSha>,
    pub merge_commit_sha: Option<CommitSha>,
    pub squash_commit_sha: Option<CommitSha>,
    pub approvals: Vec<Approval>,
    pub approvals_required: u64,
    pub labels: Vec<String>,
    pub discussions: Vec<Discussion>,
}

impl MergeRequest {
    pub fn draft(&self) -> bool {
        ["draft:", "[draft]", "(draft)"].iter().any(|word| self.title.to_ascii_lowercase().starts_with(word))
    }

    pub fn approved(&self) -> bool {
        self.approvals.len() as u64 >= self.approvals_required
    }

    /// GitLab's `detailed_merge_status`, as far as the double knows reasons.
    pub fn detailed_merge_status(&self) -> &'static str {
        match self.state {
            MergeRequestState::Opened if self.draft() => "draft_status",
            MergeRequestState::Opened if !self.approved() => "not_approved",
            MergeRequestState::Opened => "mergeable",
            MergeRequestState::Closed | MergeRequestState::Merged | MergeRequestState::Locked => "not_open",
        }
    }

    /// Whether this commit came with it: one of its own, or the one it was merged by.
    pub fn brings(&self, sha: &CommitSha) -> bool {
        self.commits.contains(sha) || self.merge_commit_sha.as_ref() == Some(sha) || self.squash_commit_sha.as_ref() == Some(sha)
    }
}

impl World {
    pub fn merge_request(&self, key: MergeRequestKey) -> &MergeRequest {
        let found = self.project(key.project).merge_requests.get(&key.iid);
        found.unwrap_or_else(|| panic!("the sandbox holds no merge request !{} in project {}", key.iid, key.project))
    }

    pub fn merge_request_mut(&mut self, key: MergeRequestKey) -> &mut MergeRequest {
        let found = self.project_mut(key.project).merge_requests.get_mut(&key.iid);
        found.unwrap_or_else(|| panic!("the sandbox holds no merge request !{} in project {}", key.iid, key.project))
    }

    /// A merge request from a branch to the default branch; from a fork it goes to the parent.
    pub fn open_merge_request(&mut self, source: ProjectId, branch: &str, by: UserId, title: &str) -> MergeRequestKey {
        let project = self.project(source).forked_from.unwrap_or(source);
        let Some(head_sha) = self.project(source).branches.get(branch).cloned() else { panic!("there is no branch {branch}") };
        let target_branch = self.project(project).default_branch.clone();
        // GitLab copies a fork's head into the target as refs/merge-requests/N/head.
        let brought: Vec<_> = self.project(source).commits.values().cloned().collect();
        let (id, now) = (self.next_id(), self.now());
        let target = self.project_mut(project);
        for commit in brought {
            target.commits.entry(commit.sha.clone()).or_insert(commit);
        }
        let highest = target.merge_requests.keys().next_back().map_or(0, |iid| iid.0);
        let key = MergeRequestKey { project, iid: MergeRequestIid(highest + 1) };
        let merge_request = MergeRequest {
            id,
            key,
            source_project: source,
            source_branch: branch.into(),
            target_branch,
            title: title.into(),
            description: String::new(),
            author: by,
            state: MergeRequestState::Opened,
            squash: false,
            locked_discussion: false,
            created_at: now,
            updated_at: now,
            merged: None,
            closed: None,
            commits: vec![],
            head_sha,
            merge_commit_sha: None,
            squash_commit_sha: None,
            approvals: vec![],
            approvals_required: 0,
            labels: vec![],
            discussions: vec![],
        };
        target.merge_requests.insert(key.iid, merge_request);
        self.refresh_commits(key);
        self.merge_request_event(key, by, "open");
        key
    }

    fn refresh_commits(&mut self, key: MergeRequestKey) {
        let (project, merge_request) = (self.project(key.project), self.merge_request(key));
        let below = project.branches.get(&merge_request.target_branch).map(|head| project.ancestry(head)).unwrap_or_default();
        let commits = project.ancestry(&merge_request.head_sha).into_iter().filter(|sha| !below.contains(sha)).collect();
        self.merge_request_mut(key).commits = commits;
    }

    /// After a push: open merge requests from that branch have a new head.
    pub(super) fn refresh_heads(&mut self, source: ProjectId, branch: &str, by: UserId) {
        let Some(head) = self.project(source).branches.get(branch).cloned() else { return };
        let behind: Vec<_> = self
            .projects
            .values()
            .flat_map(|project| project.merge_requests.values())
            .filter(|held| held.source_project == source && held.source_branch == branch && held.state == MergeRequestState::Opened)
            .filter(|held| held.head_sha != head)
            .map(|held| (held.key, held.head_sha.clone()))
            .collect();
        for (key, old) in behind {
            let brought: Vec<_> = self.project(source).commits.values().cloned().collect();
            for commit in brought {
                self.project_mut(key.project).commits.entry(commit.sha.clone()).or_insert(commit);
            }
            let now = self.now();
            let held = self.merge_request_mut(key);
            (held.head_sha, held.updated_at) = (head.clone(), now);
            self.refresh_commits(key);
            let mut body = payload::merge_request(self, key, by, "update");
            body["object_attributes"]["oldrev"] = old.as_str().into();
            self.emit(key.project, Trigger::MergeRequest, &body);
        }
    }

    /// The newest pipeline of the head: of the merge request itself, else of its branch.
    pub fn head_pipeline(&self, key: MergeRequestKey) -> Option<PipelineId> {
        let held = self.merge_request(key);
        let of_branch = GitRef::Branch(held.source_branch.clone());
        self.pipelines
            .values()
            .filter(|pipeline| pipeline.sha == held.head_sha && pipeline.source != "external")
            .filter(|pipeline| match pipeline.merge_request {
                Some(of) => of == key,
                None => pipeline.project == held.source_project && pipeline.git_ref == of_branch,
            })
            .map(|pipeline| pipeline.id)
            .next_back()
    }

    pub fn approve(&mut self, key: MergeRequestKey, by: UserId) {
        let at = self.now();
        let held = self.merge_request_mut(key);
        if held.approvals.iter().any(|approval| approval.by == by) {
            return;
        }
        held.approvals.push(Approval { by, at });
        let action = if held.approved() { "approved" } else { "approval" };
        self.system_note(key, by, "approved this merge request");
        self.merge_request_event(key, by, action);
    }

    pub fn unapprove(&mut self, key: MergeRequestKey, by: UserId) {
        let held = self.merge_request_mut(key);
        let was_approved = held.approved();
        let before = held.approvals.len();
        held.approvals.retain(|approval| approval.by != by);
        if held.approvals.len() == before {
            return;
        }
        let action = if was_approved && !held.approved() { "unapproved" } else { "unapproval" };
        self.system_note(key, by, "unapproved this merge request");
        self.merge_request_event(key, by, action);
    }

    /// Merges it by the project's merge method; the answer is the target branch's new head.
    pub fn merge(&mut self, key: MergeRequestKey, by: UserId) -> CommitSha {
        let held = self.merge_request(key).clone();
        assert_eq!(held.state, MergeRequestState::Opened, "only an open merge request is merged");
        let base = self.project(key.project).branches.get(&held.target_branch).cloned();
        let squashed = held.squash.then(|| self.commit(key.project, base.clone().into_iter().collect(), by, &held.title));
        let head = squashed.clone().unwrap_or_else(|| held.head_sha.clone());
        let merge_commit = match self.project(key.project).merge_method {
            MergeMethod::FastForward => None,
            MergeMethod::Merge => {
                let message = format!(
                    "Merge branch '{}' into '{}'\n\n{}\n\nSee merge request {}!{}",
                    held.source_branch,
                    held.target_branch,
                    held.title,
                    self.project(key.project).path,
                    key.iid
                );
                Some(self.commit(key.project, base.into_iter().chain([head.clone()]).collect(), by, &message))
            }
        };
        let tip = merge_commit.clone().unwrap_or(head);
        let now = self.now();
        let mine = self.merge_request_mut(key);
        (mine.state, mine.merged, mine.updated_at) = (MergeRequestState::Merged, Some((by, now)), now);
        (mine.merge_commit_sha, mine.squash_commit_sha) = (merge_commit, squashed);
        self.move_branch(key.project, &held.target_branch, tip.clone(), by);
        self.system_note(key, by, "merged");
        self.merge_request_event(key, by, "merge");
        tip
    }

    pub fn close(&mut self, key: MergeRequestKey, by: UserId) {
        let now = self.now();
        let held = self.merge_request_mut(key);
        (held.state, held.closed, held.updated_at) = (MergeRequestState::Closed, Some((by, now)), now);
        self.system_note(key, by, "closed");
        self.merge_request_event(key, by, "close");
    }

    pub fn reopen(&mut self, key: MergeRequestKey, by: UserId) {
        let now = self.now();
        let held = self.merge_request_mut(key);
        (held.state, held.closed, held.updated_at) = (MergeRequestState::Opened, None, now);
        self.system_note(key, by, "reopened");
        self.merge_request_event(key, by, "reopen");
    }

    /// A quick action's effect, for the actions that this double runs: the state and the approvals.
    pub(super) fn run_quick_action(&mut self, key: MergeRequestKey, by: UserId, name: &str) -> Result<(), Refused> {
        let state = self.merge_request(key).state;
        match name {
            "close" if state == MergeRequestState::Opened => self.close(key, by),
            "reopen" if state == MergeRequestState::Closed => self.reopen(key, by),
            "approve" => self.approve(key, by),
            "unapprove" => self.unapprove(key, by),
            _ => return Err(Refused::Bad(format!("Could not apply {name} command."))),
        }
        Ok(())
    }

    fn merge_request_event(&mut self, key: MergeRequestKey, by: UserId, action: &str) {
        let now = self.now();
        self.merge_request_mut(key).updated_at = now;
        let told = match action {
            "open" => Some("opened"),
            "merge" => Some("accepted"),
            "close" => Some("closed"),
            "reopen" => Some("reopened"),
            "approved" | "approval" => Some("approved"),
            _ => None,
        };
        if let Some(action) = told {
            let activity = Activity { id: self.next_id(), action, by, at: now, target: Target::MergeRequest(key) };
            self.record(key.project, activity);
        }
        let body = payload::merge_request(self, key, by, action);
        self.emit(key.project, Trigger::MergeRequest, &body);
    }
}
