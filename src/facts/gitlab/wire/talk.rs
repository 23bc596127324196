//! Merge requests, approvals, notes.

use serde::Deserialize;

use super::User;
use crate::model::Timestamp;
use crate::model::gitlab::{self as model, CommitSha, DiscussionId, MergeRequestIid, MergeRequestState, NoteId, PipelineId, ProjectId};

/// The project of a merge request whose fork is gone: GitLab counts from 1, so this is equal to no project.
const GONE: ProjectId = ProjectId(0);

#[derive(Debug, Deserialize)]
pub struct MergeRequest {
    pub iid: MergeRequestIid,
    title: String,
    web_url: String,
    state: MergeRequestState,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<ProjectId>,
    target_project_id: ProjectId,
    head_pipeline: Option<HeadPipeline>,
    sha: Option<CommitSha>,
    merge_commit_sha: Option<CommitSha>,
    squash_commit_sha: Option<CommitSha>,
}

#[derive(Debug, Deserialize)]
struct HeadPipeline {
    id: PipelineId,
}

impl From<MergeRequest> for model::MergeRequest {
    fn from(mr: MergeRequest) -> Self {
        let mut merged_as = vec![];
        if mr.state == MergeRequestState::Merged {
            merged_as.extend(mr.merge_commit_sha);
            merged_as.extend(mr.squash_commit_sha);
            if merged_as.is_empty() {
                // A fast-forward makes no commit of its own.
                merged_as.extend(mr.sha.clone());
            }
        }
        Self {
            iid: mr.iid,
            title: mr.title,
            web_url: mr.web_url,
            state: mr.state,
            source_branch: mr.source_branch,
            target_branch: mr.target_branch,
            source_project: mr.source_project_id.unwrap_or(GONE),
            target_project: mr.target_project_id,
            head_pipeline: mr.head_pipeline.map(|pipeline| pipeline.id),
            head_sha: mr.sha,
            merged_as,
        }
    }
}

/// A merge request in a listing: it has no head pipeline.
#[derive(Debug, Deserialize)]
pub struct ListedMergeRequest {
    pub iid: MergeRequestIid,
    pub target_project_id: ProjectId,
    pub updated_at: Timestamp,
}

#[derive(Debug, Deserialize)]
pub struct Approvals {
    pub approved_by: Vec<Approval>,
}

#[derive(Debug, Deserialize)]
pub struct Approval {
    pub user: User,
}

#[derive(Debug, Deserialize)]
pub struct Note {
    pub id: NoteId,
    body: String,
    author: User,
    pub created_at: Timestamp,
    updated_at: Timestamp,
    system: bool,
    internal: Option<bool>,
    /// The older name of `internal`.
    confidential: Option<bool>,
}

impl Note {
    pub fn within(self, discussion: Option<DiscussionId>) -> model::Note {
        model::Note {
            id: self.id,
            discussion,
            body: self.body,
            author: self.author.into(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            system: self.system,
            internal: self.internal == Some(true) || self.confidential == Some(true),
        }
    }
}

/// A discussion, of which only the notes' ids are read.
#[derive(Debug, Deserialize)]
pub struct Discussion {
    pub id: DiscussionId,
    notes: Vec<NoteOf>,
}

#[derive(Debug, Deserialize)]
struct NoteOf {
    id: NoteId,
}

impl Discussion {
    pub fn holds(&self, note: NoteId) -> bool {
        self.notes.iter().any(|held| held.id == note)
    }
}
