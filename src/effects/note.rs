//! Sticky notes and replies.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::notes::{CreateMergeRequestNote, EditMergeRequestNote, MergeRequestNotes, NoteOrderBy};
use serde::Deserialize;

use super::hands::{Author, Hand};
use super::{Done, NotDone};
use crate::gitlab_client::{CallError, endpoints};
use crate::model::Timestamp;
use crate::model::gitlab::{DiscussionId, MergeRequestIid, NoteId, ProjectId};

/// How far GitLab's clock may be behind ours when we look for a note of an earlier run.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// The merge request that is written to.
pub(super) struct Thread<'a> {
    pub hand: &'a Hand,
    pub project: ProjectId,
    pub merge_request: MergeRequestIid,
}

/// The note that is answered, and where.
pub(super) struct Question<'a> {
    pub discussion: &'a DiscussionId,
    pub asked_by: NoteId,
}

#[derive(Debug, Deserialize)]
struct Note {
    id: NoteId,
    body: String,
    author: Author,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Discussion {
    notes: Vec<Note>,
}

/// A text as GitLab keeps it: without carriage returns and without space at its end
/// (`lib/gitlab/quick_actions/extractor.rb`). Compared in another form, every run would write again.
fn settled(body: &str) -> String {
    body.replace('\r', "").trim_end().to_owned()
}

/// Rewrites the note in place; creates it where there is none, where it was deleted, or where it is not ours.
pub(super) async fn sticky(
    thread: &Thread<'_>,
    body: &str,
    note: Option<NoteId>,
    intended_before: Option<Timestamp>,
) -> Result<Done, NotDone> {
    let body = settled(body);
    if let Some(id) = note {
        match thread.read(id).await {
            // Another's note is never edited: a maintainer's token may, and would put our words in their mouth.
            Ok(found) if found.author.id == thread.hand.me().await? => return thread.rewrite(&found, &body).await,
            Ok(_) | Err(CallError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(then) = intended_before
        && let Some(id) = posted(thread, &body, then).await?
    {
        return Ok(Done::Unchanged { note: Some(id) });
    }
    let endpoint =
        CreateMergeRequestNote::builder().project(thread.project.0).merge_request(thread.merge_request.0).body(body.as_str()).build();
    let created: Note = thread.hand.client.one(endpoint).await?;
    thread.confirm(created.id, &body).await
}

/// The note, if it is ours and holds this text already.
pub(super) async fn stands(thread: &Thread<'_>, body: &str, note: Option<NoteId>) -> Result<Option<Done>, NotDone> {
    let Some(id) = note else { return Ok(None) };
    match thread.read(id).await {
        Ok(found) if settled(&found.body) == settled(body) && found.author.id == thread.hand.me().await? => {
            Ok(Some(Done::Unchanged { note: Some(id) }))
        }
        Ok(_) | Err(CallError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Answers in the asker's thread.
pub(super) async fn reply(
    thread: &Thread<'_>,
    question: &Question<'_>,
    body: &str,
    intended_before: Option<Timestamp>,
) -> Result<Done, NotDone> {
    let body = settled(body);
    if let Some(then) = intended_before
        && let Some(id) = replied(thread, question, &body, then).await?
    {
        return Ok(Done::Unchanged { note: Some(id) });
    }
    let endpoint = endpoints::reply(thread.project, thread.merge_request, question.discussion, &body);
    let created: Note = thread.hand.client.one(endpoint).await?;
    thread.confirm(created.id, &body).await
}

/// Our answer with this text to this question, posted at or after a time.
pub(super) async fn replied(
    thread: &Thread<'_>,
    question: &Question<'_>,
    body: &str,
    then: Timestamp,
) -> Result<Option<NoteId>, CallError> {
    let endpoint = endpoints::discussion(thread.project, thread.merge_request, question.discussion);
    let found: Discussion = thread.hand.client.one(endpoint).await?;
    let (me, body) = (thread.hand.me().await?, settled(body));
    // An equal answer to an earlier question stands before this question, so its id is smaller.
    let ours = |note: &&Note| note.id > question.asked_by && note.is(&body, then) && note.author.id == me;
    Ok(found.notes.iter().find(ours).map(|note| note.id))
}

/// A note of ours with this text, posted at or after a time.
pub(super) async fn posted(thread: &Thread<'_>, body: &str, then: Timestamp) -> Result<Option<NoteId>, CallError> {
    let mut builder = MergeRequestNotes::builder();
    builder.project(thread.project.0).merge_request(thread.merge_request.0);
    let endpoint = builder.order_by(NoteOrderBy::CreatedAt).sort(SortOrder::Descending).build();
    let before = |note: &Note| note.created_at.duration_since(then) < -CLOCK_SLACK;
    let notes = thread.hand.client.until(endpoint, before).await?;
    let (me, body) = (thread.hand.me().await?, settled(body));
    Ok(notes.iter().find(|note| note.is(&body, then) && note.author.id == me).map(|note| note.id))
}

impl Note {
    /// Whether this may be the text that was meant to be posted at `then`.
    fn is(&self, body: &str, then: Timestamp) -> bool {
        self.created_at.duration_since(then) >= -CLOCK_SLACK && settled(&self.body) == body
    }
}

impl Thread<'_> {
    async fn read(&self, id: NoteId) -> Result<Note, CallError> {
        let note: Note = self.hand.client.one(endpoints::note(self.project, self.merge_request, id)).await?;
        if note.id == id { Ok(note) } else { Err(CallError::Unreadable("another note than the one asked for".into())) }
    }

    async fn rewrite(&self, found: &Note, body: &str) -> Result<Done, NotDone> {
        if settled(&found.body) == body {
            return Ok(Done::Unchanged { note: Some(found.id) });
        }
        let endpoint =
            EditMergeRequestNote::builder().project(self.project.0).merge_request(self.merge_request.0).note(found.id.0).body(body).build();
        let _: Note = match self.hand.client.one(endpoint).await {
            // Deleted between our look and our write: the next try creates it.
            Err(CallError::NotFound) => return Err(NotDone::Later("our note was deleted while we rewrote it".into())),
            written => written?,
        };
        match self.read(found.id).await {
            Ok(now) if settled(&now.body) == body => Ok(Done::Wrote { note: Some(found.id) }),
            Ok(_) | Err(CallError::NotFound) => Err(NotDone::Later("our note reads back otherwise than it was written".into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a new note back. It exists whatever that shows, and its id must reach the ledger, or the next run would post another;
    /// so a text that was changed meanwhile is told to the log only.
    async fn confirm(&self, id: NoteId, body: &str) -> Result<Done, NotDone> {
        match self.read(id).await {
            Ok(now) if settled(&now.body) == body => {}
            Ok(_) => tracing::warn!(note = id.0, project = self.project.0, "a new note reads back otherwise than it was written"),
            Err(error) => tracing::warn!(note = id.0, project = self.project.0, %error, "a new note could not be read back"),
        }
        Ok(Done::Wrote { note: Some(id) })
    }
}
