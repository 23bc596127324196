//! Commit statuses on the exact pipeline
//! ([GitLab, commit status](https://docs.gitlab.com/api/commits/#set-commit-pipeline-status)).

use gitlab::api::projects::repository::commits::{CommitStatusState, CommitStatuses, CreateCommitStatus};
use serde::Deserialize;

use super::hands::{Author, Hand};
use super::{Done, NotDone, StatusState};
use crate::gitlab_client::CallError;
use crate::model::gitlab::{CommitSha, GitRef, PipelineId, ProjectId};

/// The status's name, beside the jobs' names in the pipeline.
pub const NAME: &str = "countersign";

/// GitLab refuses longer descriptions and addresses. It counts characters, the `gitlab` crate bytes; bytes fit both.
const FIELD_MAX: usize = 255;

/// The pipeline that is marked. All four are sent: without the ref GitLab may pick a branch's pipeline of the same commit, and where
/// it finds none it makes a new one.
pub(super) struct Place<'a> {
    pub project: ProjectId,
    pub sha: &'a CommitSha,
    pub git_ref: &'a GitRef,
    pub pipeline: PipelineId,
}

/// What is said.
pub(super) struct Word<'a> {
    pub state: StatusState,
    pub description: &'a str,
    pub target_url: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Status {
    id: u64,
    status: String,
    name: String,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    description: Option<String>,
    author: Option<Author>,
    /// Older GitLab leaves it out.
    pipeline_id: Option<PipelineId>,
}

impl Status {
    fn says(&self, state: StatusState, description: &str) -> bool {
        self.status == state.word() && self.description.as_deref().unwrap_or_default() == description
    }
}

impl StatusState {
    fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// Sets the status, unless our newest one there says the same.
pub(super) async fn set(hand: &Hand, place: &Place<'_>, word: &Word<'_>) -> Result<Done, NotDone> {
    let description = one_line(word.description);
    let says = |status: &Status| status.says(word.state, &description);
    if let Some(done) = stands(hand, place, word).await? {
        return Ok(done);
    }
    match post(hand, place, word, &description).await {
        Ok(status) if status.pipeline_id.is_some_and(|pipeline| pipeline != place.pipeline) => {
            return Err(NotDone::Never("GitLab put the status on another pipeline".into()));
        }
        Ok(_) => {}
        // GitLab refuses to repeat a state: then the words it holds already are the right ones.
        Err(CallError::Rejected { status: 400, message }) if message.to_ascii_lowercase().contains("cannot transition") => {
            let same = newest(hand, place).await?.is_some_and(|status| status.status == word.state.word());
            let other = || NotDone::Later("GitLab is changing this status already (400)".into());
            return if same { Ok(Done::Unchanged { note: None }) } else { Err(other()) };
        }
        // Two writers on one commit.
        Err(error @ CallError::Rejected { status: 409, .. }) => return Err(NotDone::Later(error.to_string())),
        Err(error) => return Err(error.into()),
    }
    match newest(hand, place).await? {
        Some(status) if says(&status) => Ok(Done::Wrote { note: None }),
        Some(_) | None => Err(NotDone::Later("the status reads back otherwise than it was written".into())),
    }
}

/// Whether our newest status there says the same already.
pub(super) async fn stands(hand: &Hand, place: &Place<'_>, word: &Word<'_>) -> Result<Option<Done>, NotDone> {
    let description = one_line(word.description);
    let said = newest(hand, place).await?.is_some_and(|status| status.says(word.state, &description));
    Ok(said.then_some(Done::Unchanged { note: None }))
}

async fn post(hand: &Hand, place: &Place<'_>, word: &Word<'_>, description: &str) -> Result<Status, CallError> {
    let mut builder = CreateCommitStatus::builder();
    builder.project(place.project.0).commit(place.sha.as_str()).ref_(place.git_ref.name()).pipeline_id(place.pipeline.0);
    builder.name(NAME).description(description).state(match word.state {
        StatusState::Success => CommitStatusState::Success,
        StatusState::Failed => CommitStatusState::Failed,
        StatusState::Canceled => CommitStatusState::Canceled,
    });
    if let Some(url) = word.target_url.filter(|url| url.len() <= FIELD_MAX) {
        builder.target_url(url);
    }
    hand.client.one(builder.build()).await
}

/// Our newest status on that pipeline. Another user's of the same name is not ours: anybody with push right can post one.
async fn newest(hand: &Hand, place: &Place<'_>) -> Result<Option<Status>, CallError> {
    let mut builder = CommitStatuses::builder();
    builder.project(place.project.0).commit(place.sha.as_str()).ref_(place.git_ref.name()).pipeline_id(place.pipeline.0);
    // `all`: else GitLab lists the newest of each name only, which may be another user's.
    let listed: Vec<Status> = hand.client.all(builder.name(NAME).all(true).build()).await?;
    let me = hand.me().await?;
    let ours = |status: &Status| {
        let by_us = status.author.as_ref().is_some_and(|author| author.id == me);
        let here = status.pipeline_id.is_none_or(|pipeline| pipeline == place.pipeline)
            && status.ref_name.as_deref().is_none_or(|name| name == place.git_ref.name());
        by_us && here && status.name == NAME
    };
    Ok(listed.into_iter().filter(ours).max_by_key(|status| status.id))
}

/// One line that fits.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim();
    if line.len() <= FIELD_MAX {
        return line.into();
    }
    let room = FIELD_MAX - '…'.len_utf8();
    let cut = (0..=room).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", line[..cut].trim_end())
}
