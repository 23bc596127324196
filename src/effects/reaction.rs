//! Reactions on notes.

use gitlab::api::projects::merge_requests::notes::awards::{CreateMergeRequestNoteAward, MergeRequestNoteAwards};
use serde::Deserialize;

use super::hands::{Author, Hand};
use super::{Done, Emoji, NotDone};
use crate::gitlab_client::CallError;
use crate::model::gitlab::{MergeRequestIid, NoteId, ProjectId};

/// The note that is reacted on.
pub(super) struct Place {
    pub project: ProjectId,
    pub merge_request: MergeRequestIid,
    pub note: NoteId,
}

#[derive(Debug, Deserialize)]
struct Award {
    name: String,
    user: Author,
}

impl Emoji {
    /// GitLab's name of it ([emoji reactions](https://docs.gitlab.com/api/emoji_reactions/)).
    pub fn name(self) -> &'static str {
        match self {
            Self::Eyes => "eyes",
            Self::WhiteCheckMark => "white_check_mark",
            Self::X => "x",
            Self::Hourglass => "hourglass",
        }
    }
}

/// Sets a reaction. GitLab keeps one of each name and user, so this writes without a look: `eyes` must show within a second.
pub(super) async fn react(hand: &Hand, place: &Place, emoji: Emoji) -> Result<Done, NotDone> {
    let endpoint = CreateMergeRequestNoteAward::builder()
        .project(place.project.0)
        .merge_request(place.merge_request.0)
        .note(place.note.0)
        .name(emoji.name())
        .build();
    match hand.client.one::<Award, _, _>(endpoint).await {
        Ok(award) if award.name == emoji.name() => Ok(Done::Wrote { note: None }),
        Ok(_) => Err(NotDone::Never("GitLab set another reaction than the one sent".into())),
        // GitLab answers 404 to a second one as well as to a note that is gone: only the list tells which.
        Err(CallError::NotFound) if is_set(hand, place, emoji).await? => Ok(Done::Unchanged { note: None }),
        Err(error) => Err(error.into()),
    }
}

async fn is_set(hand: &Hand, place: &Place, emoji: Emoji) -> Result<bool, CallError> {
    let endpoint =
        MergeRequestNoteAwards::builder().project(place.project.0).merge_request(place.merge_request.0).note(place.note.0).build();
    let me = hand.me().await?;
    let ours = |award: &Award| award.name == emoji.name() && award.user.id == me;
    Ok(hand.client.until(endpoint, ours).await?.iter().any(ours))
}
