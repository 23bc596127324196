//! What people did, as `GET /projects/:id/events` tells it.

use super::{MergeRequestKey, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, GitRef, NoteId, ProjectId, UserId};

/// One entry.
#[derive(Debug, Clone)]
pub struct Activity {
    pub id: u64,
    /// GitLab's `action_name`: `pushed to`, `commented on`, `opened`, `accepted`, …
    pub action: &'static str,
    pub by: UserId,
    pub at: Timestamp,
    pub target: Target,
}

/// What an entry is about.
#[derive(Debug, Clone)]
pub enum Target {
    Ref { git_ref: GitRef, before: Option<CommitSha>, after: Option<CommitSha> },
    MergeRequest(MergeRequestKey),
    Note(MergeRequestKey, NoteId),
}

impl World {
    pub(super) fn record(&mut self, project: ProjectId, activity: Activity) {
        let now = self.now();
        let project = self.project_mut(project);
        project.last_activity_at = now;
        project.activity.push(activity);
    }
}
