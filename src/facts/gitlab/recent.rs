//! What changed lately, for the catch-up poll: GitLab drops deliveries and repeats none.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::notes::{MergeRequestNotes, NoteOrderBy};
use gitlab::api::projects::repository::commits::{CommitReferences, CommitRefsType};
use gitlab::api::projects::repository::tags::{Tags, TagsOrderBy};

use super::{Gitlab, wire};
use crate::gitlab_client::{endpoints, look};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, MergeRequestIid, Note, PipelineId, ProjectId};
use crate::verdict::Looked;

/// A pipeline in a listing. GitLab does not say there whether the ref is a tag: read the pipeline to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentPipeline {
    pub id: PipelineId,
    pub sha: CommitSha,
    /// Short name of a tag or branch.
    pub ref_name: String,
    pub updated_at: Option<Timestamp>,
}

/// A tag in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentTag {
    pub name: String,
    /// Whether GitLab holds a release of it.
    pub has_release: bool,
}

/// A merge request in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentMergeRequest {
    pub iid: MergeRequestIid,
    pub updated_at: Timestamp,
}

impl Gitlab {
    /// The newest tags whose name begins so, at most `limit` (of 100), by the date of the tag or its commit. Without the prefix
    /// anybody who may push a tag of another name could push the releases out of the list.
    pub async fn recent_tags(&self, project: ProjectId, prefix: &str, limit: usize) -> Looked<Vec<RecentTag>> {
        let mut builder = Tags::builder();
        if !prefix.is_empty() {
            builder.search(format!("^{prefix}"));
        }
        let endpoint = builder.project(project.0).order_by(TagsOrderBy::Updated).sort(SortOrder::Descending).build();
        let recent = |listed: wire::ListedTag| RecentTag { has_release: listed.release.is_some(), name: listed.name };
        look(self.client.first::<wire::ListedTag, _, _>(endpoint, limit).await.map(|tags| tags.into_iter().map(recent).collect()))
    }

    /// The tags whose history holds a commit, newest first.
    pub async fn tags_containing(&self, project: ProjectId, sha: &CommitSha) -> Looked<Vec<String>> {
        let endpoint = CommitReferences::builder().project(project.0).sha(sha.as_str()).type_(CommitRefsType::Tag).build();
        look(self.client.all::<wire::CommitRef, _, _>(endpoint).await.map(|refs| refs.into_iter().map(|found| found.name).collect()))
    }

    /// The pipelines that changed since, newest first.
    pub async fn recent_pipelines(&self, project: ProjectId, updated_after: Timestamp) -> Looked<Vec<RecentPipeline>> {
        let listed = self.client.all::<wire::ListedPipeline, _, _>(endpoints::pipelines_updated_after(project, updated_after)).await;
        let recent = |listed: wire::ListedPipeline| RecentPipeline {
            id: listed.id,
            sha: listed.sha,
            ref_name: listed.ref_name,
            updated_at: listed.updated_at,
        };
        look(listed.map(|listed| listed.into_iter().map(recent).collect()))
    }

    /// The merge requests that changed since, newest first. A new note changes its merge request.
    pub async fn merge_requests_updated_after(&self, project: ProjectId, since: Timestamp) -> Looked<Vec<RecentMergeRequest>> {
        let listed = self.client.all::<wire::ListedMergeRequest, _, _>(endpoints::merge_requests_updated_after(project, since)).await;
        let recent = |listed: wire::ListedMergeRequest| RecentMergeRequest { iid: listed.iid, updated_at: listed.updated_at };
        look(listed.map(|listed| listed.into_iter().map(recent).collect()))
    }

    /// The notes of a merge request created at or after a time, oldest first, without their discussions.
    pub async fn notes_since(&self, project: ProjectId, iid: MergeRequestIid, since: Timestamp) -> Looked<Vec<Note>> {
        let mut builder = MergeRequestNotes::builder();
        builder.project(project.0).merge_request(iid.0);
        let endpoint = builder.order_by(NoteOrderBy::CreatedAt).sort(SortOrder::Descending).build();
        let notes = self.client.until(endpoint, |note: &wire::Note| note.created_at < since).await;
        look(notes.map(|notes| notes.into_iter().rev().filter(|note| note.created_at >= since).map(|note| note.within(None)).collect()))
    }
}
