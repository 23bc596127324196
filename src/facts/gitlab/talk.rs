//! Merge requests, approvals and notes.

use futures_util::future::try_join_all;
use gitlab::api::projects::merge_requests::MergeRequest as MergeRequestEndpoint;
use gitlab::api::projects::merge_requests::approvals::MergeRequestApprovals;
use gitlab::api::projects::merge_requests::discussions::MergeRequestDiscussions;
use gitlab::api::projects::repository::commits::MergeRequests as MergeRequestsOfCommit;

use super::{Gitlab, REREAD_MAX, wire};
use crate::gitlab_client::{CallError, endpoints, look};
use crate::model::gitlab::{CommitSha, DiscussionId, MergeRequest, MergeRequestIid, Note, NoteId, ProjectId, User};
use crate::verdict::Looked;

impl Gitlab {
    /// One merge request.
    pub async fn merge_request(&self, project: ProjectId, iid: MergeRequestIid) -> Looked<MergeRequest> {
        look(self.read_merge_request(project, iid).await)
    }

    async fn read_merge_request(&self, project: ProjectId, iid: MergeRequestIid) -> Result<MergeRequest, CallError> {
        let endpoint = MergeRequestEndpoint::builder().project(project.0).merge_request(iid.0).build();
        let found: MergeRequest = self.client.one::<wire::MergeRequest, _, _>(endpoint).await?.into();
        let asked = found.iid == iid && found.target_project == project;
        if asked { Ok(found) } else { Err(wire::odd("another merge request than the one asked for")) }
    }

    /// The merge requests that hold a commit, by number; `Absent` if none does.
    pub async fn merge_requests_of(&self, project: ProjectId, sha: &CommitSha) -> Looked<Vec<MergeRequest>> {
        look(self.read_merge_requests_of(project, sha).await)
    }

    pub(super) async fn read_merge_requests_of(&self, project: ProjectId, sha: &CommitSha) -> Result<Vec<MergeRequest>, CallError> {
        let endpoint = MergeRequestsOfCommit::builder().project(project.0).sha(sha.as_str()).build();
        let mut listed: Vec<wire::ListedMergeRequest> = self.client.all(endpoint).await?;
        // One of another project has a number of its own there, which would name a stranger here.
        listed.retain(|merge_request| merge_request.target_project_id == project);
        if listed.len() > REREAD_MAX {
            return Err(CallError::TooLarge(format!("more than {REREAD_MAX} merge requests of one commit")));
        }
        let looks = listed.iter().map(|merge_request| async {
            match self.read_merge_request(project, merge_request.iid).await {
                // Deleted since it was listed.
                Err(CallError::NotFound) => Ok(None),
                found => found.map(Some),
            }
        });
        let mut found: Vec<MergeRequest> = try_join_all(looks).await?.into_iter().flatten().collect();
        found.sort_by_key(|merge_request| merge_request.iid);
        if found.is_empty() { Err(CallError::NotFound) } else { Ok(found) }
    }

    /// Who approved a merge request; an empty list means nobody.
    pub async fn approved_by(&self, project: ProjectId, iid: MergeRequestIid) -> Looked<Vec<User>> {
        let endpoint = MergeRequestApprovals::builder().project(project.0).merge_request(iid.0).build();
        let approvals = self.client.one::<wire::Approvals, _, _>(endpoint).await;
        look(approvals.map(|approvals| approvals.approved_by.into_iter().map(|approval| approval.user.into()).collect()))
    }

    /// A note and the discussion it stands in. A single note does not tell its discussion, so the discussions are searched; where
    /// there are too many of them the note is found without one.
    pub async fn note(&self, project: ProjectId, iid: MergeRequestIid, id: NoteId) -> Looked<Note> {
        look(self.read_note(project, iid, id).await)
    }

    async fn read_note(&self, project: ProjectId, iid: MergeRequestIid, id: NoteId) -> Result<Note, CallError> {
        let note: wire::Note = self.client.one(endpoints::note(project, iid, id)).await?;
        if note.id != id {
            return Err(wire::odd("another note than the one asked for"));
        }
        let discussion = match self.discussion_of(project, iid, id).await {
            Ok(discussion) => discussion,
            Err(CallError::TooLarge(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(note.within(discussion))
    }

    async fn discussion_of(&self, project: ProjectId, iid: MergeRequestIid, id: NoteId) -> Result<Option<DiscussionId>, CallError> {
        let endpoint = MergeRequestDiscussions::builder().project(project.0).merge_request(iid.0).build();
        let discussions = self.client.until(endpoint, |discussion: &wire::Discussion| discussion.holds(id)).await?;
        Ok(discussions.into_iter().find(|discussion| discussion.holds(id)).map(|discussion| discussion.id))
    }
}
