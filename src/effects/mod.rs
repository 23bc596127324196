//! What we change outside. Write credentials only; every effect is idempotent.

mod hands;
pub mod note;
pub mod promote;
pub mod reaction;
pub mod release_notes;
pub mod status;
mod tests;

pub use hands::{Hands, refuse_commands};

use serde::{Deserialize, Serialize};

use crate::model::gitlab::{CommitSha, DiscussionId, GitRef, MergeRequestIid, NoteId, PipelineId, ProjectKey};

/// One change in GitLab. Doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// The one note of a merge request that is rewritten in place. `note` is its id as our ledger knows it; GitLab's text is
    /// never searched for it (SR-11).
    StickyNote { project: ProjectKey, merge_request: MergeRequestIid, body: String, note: Option<NoteId> },
    /// Our section of a release's description; everything outside it stays byte for byte.
    ReleaseSection { project: ProjectKey, tag: String, section: String },
    /// A final commit status on one exact pipeline.
    Status {
        project: ProjectKey,
        sha: CommitSha,
        git_ref: GitRef,
        pipeline: PipelineId,
        state: StatusState,
        description: String,
        target_url: Option<String>,
    },
    /// An answer in the thread of the note that asked, and the reaction on that note that closes it: one effect, so that whatever
    /// ends between the two is found again, and they never tell of different looks.
    Reply { project: ProjectKey, merge_request: MergeRequestIid, discussion: DiscussionId, asked_by: NoteId, body: String, closing: Emoji },
    /// A later word about a promotion, in the thread that asked for it. `about` tells one such word from another: each is said once.
    FollowUp {
        project: ProjectKey,
        merge_request: MergeRequestIid,
        discussion: DiscussionId,
        asked_by: NoteId,
        about: String,
        body: String,
        closing: Option<Emoji>,
    },
    /// A reaction on a note.
    React { project: ProjectKey, merge_request: MergeRequestIid, note: NoteId, emoji: Emoji },
}

/// A final state of a commit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    Success,
    Failed,
    /// Could not check: neither word would be true.
    Canceled,
}

/// The reactions of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emoji {
    Eyes,
    WhiteCheckMark,
    X,
    Hourglass,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub enum Done {
    /// Written, and read back.
    Wrote { note: Option<NoteId> },
    /// It was already so; nothing was sent.
    Unchanged { note: Option<NoteId> },
    /// There is nothing to write to yet: a release that does not exist. A later event brings it back.
    Waiting,
}

/// Why an effect did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// Worth trying again: no answer, 429 or 5xx.
    #[error("{0}")]
    Later(String),
    /// Trying again changes nothing: 401, 403, 404, 422.
    #[error("{0}")]
    Never(String),
}

impl Effect {
    /// The kind of effect in one word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::StickyNote { .. } => "sticky_note",
            Self::ReleaseSection { .. } => "release_section",
            Self::Status { .. } => "status",
            Self::Reply { .. } => "reply",
            Self::FollowUp { .. } => "follow_up",
            Self::React { .. } => "reaction",
        }
    }

    /// Names the place that is written, so that intent and outcome find each other in the ledger.
    pub fn key(&self) -> String {
        match self {
            Self::StickyNote { project, merge_request, .. } => format!("{project}/!{merge_request}/sticky"),
            Self::ReleaseSection { project, tag, .. } => format!("{project}/release/{tag}"),
            Self::Status { project, pipeline, .. } => format!("{project}/pipeline/{pipeline}/status"),
            Self::Reply { project, merge_request, asked_by, .. } => format!("{project}/!{merge_request}/note/{asked_by}/reply"),
            Self::FollowUp { project, merge_request, asked_by, about, .. } => {
                format!("{project}/!{merge_request}/note/{asked_by}/follow-up/{about}")
            }
            Self::React { project, merge_request, note, emoji } => format!("{project}/!{merge_request}/note/{note}/{emoji:?}"),
        }
    }
}
