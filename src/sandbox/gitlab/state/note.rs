//! Comments on merge requests: notes in discussions, with reactions.

use super::quick_action::{self, Extracted};
use super::{Activity, MergeRequest, MergeRequestKey, Refused, Target, Trigger, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, DiscussionId, NoteId, UserId};
use crate::sandbox::gitlab::payload;

/// GitLab.com's limit of notes for one user.
const NOTES_A_MINUTE: usize = 60;
/// GitLab's cap on a note's length, in characters.
const MAX_NOTE: usize = 1_000_000;

/// A thread. A plain comment is one with a single note.
#[derive(Debug, Clone)]
pub struct Discussion {
    pub id: DiscussionId,
    /// A plain comment: neither resolvable nor, until somebody replies, a thread.
    pub individual: bool,
    pub notes: Vec<Note>,
}

/// One comment.
#[derive(Debug, Clone)]
pub struct Note {
    pub id: NoteId,
    pub body: String,
    pub author: UserId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub edited_by: Option<UserId>,
    pub system: bool,
    pub internal: bool,
    pub resolved: Option<(UserId, Timestamp)>,
    pub commit: Option<CommitSha>,
    pub emojis: Vec<Emoji>,
}

/// A reaction.
#[derive(Debug, Clone)]
pub struct Emoji {
    pub id: u64,
    pub name: String,
    pub by: UserId,
    pub at: Timestamp,
}

/// A comment that is being written.
#[derive(Debug, Clone, Default)]
pub struct NewNote {
    pub body: String,
    pub internal: bool,
    /// Starts a resolvable thread instead of a plain comment.
    pub thread: bool,
    /// Answers in this discussion.
    pub reply_to: Option<DiscussionId>,
}

/// What became of a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    Stored(NoteId),
    /// It held nothing but quick actions: it was not stored and no hook tells of it.
    Commands(Vec<String>),
}

impl MergeRequest {
    pub fn note(&self, id: NoteId) -> Option<(&Discussion, &Note)> {
        self.discussions.iter().find_map(|held| Some((held, held.notes.iter().find(|note| note.id == id)?)))
    }

    pub fn note_mut(&mut self, id: NoteId) -> Option<&mut Note> {
        self.discussions.iter_mut().flat_map(|held| &mut held.notes).find(|note| note.id == id)
    }

    pub fn notes(&self) -> impl Iterator<Item = (&Discussion, &Note)> {
        self.discussions.iter().flat_map(|held| held.notes.iter().map(move |note| (held, note)))
    }

    pub fn discussion(&self, id: &str) -> Option<&Discussion> {
        self.discussions.iter().find(|held| held.id.0 == id)
    }
}

impl World {
    /// A plain comment. `None` if it held nothing but quick actions.
    pub fn comment(&mut self, key: MergeRequestKey, by: UserId, body: &str) -> Option<NoteId> {
        let new = NewNote { body: body.into(), ..NewNote::default() };
        match self.add_note(key, by, new) {
            Ok(Noted::Stored(id)) => Some(id),
            Ok(Noted::Commands(_)) => None,
            Err(refused) => panic!("the comment was refused: {refused}"),
        }
    }

    /// A comment, with all of GitLab's steps: limits, quick actions, the record and the webhook.
    pub fn add_note(&mut self, key: MergeRequestKey, by: UserId, new: NewNote) -> Result<Noted, Refused> {
        if self.switches.limits_notes && self.notes_of_last_minute(by) >= NOTES_A_MINUTE {
            return Err(Refused::TooMany);
        }
        let Extracted { rest, actions } = self.without_actions(&new.body)?;
        for name in &actions {
            // GitLab cuts out what it could not run as well; the answer to the person is all that differs.
            let _ = self.run_quick_action(key, by, name);
        }
        if rest.is_empty() {
            return Ok(Noted::Commands(actions));
        }
        let (id, now) = (NoteId(self.next_id()), self.now());
        let fresh = DiscussionId(self.next_hex("discussion"));
        let mut note = Note {
            id,
            body: rest,
            author: by,
            created_at: now,
            updated_at: now,
            edited_by: None,
            system: false,
            internal: new.internal,
            resolved: None,
            commit: None,
            emojis: vec![],
        };
        let held = self.merge_request_mut(key);
        held.updated_at = now;
        match &new.reply_to {
            Some(thread) => {
                let Some(thread) = held.discussions.iter_mut().find(|held| held.id == *thread) else { return Err(super::refused::NOTHING) };
                // A reply to an internal note is internal, and makes a plain comment a thread.
                note.internal |= thread.notes.iter().any(|first| first.internal);
                thread.individual = false;
                thread.notes.push(note);
            }
            None => held.discussions.push(Discussion { id: fresh, individual: !new.thread, notes: vec![note] }),
        }
        let activity = Activity { id: self.next_id(), action: "commented on", by, at: now, target: Target::Note(key, id) };
        self.record(key.project, activity);
        self.note_event(key, id, by, "create");
        Ok(Noted::Stored(id))
    }

    fn without_actions(&self, body: &str) -> Result<Extracted, Refused> {
        if body.trim().is_empty() {
            return Err(Refused::Bad("400 Bad request - Note {:note=>[\"can't be blank\"]}".into()));
        }
        if body.chars().count() > MAX_NOTE {
            return Err(Refused::Bad("400 Bad request - Note {:note=>[\"is too long (maximum is 1000000 characters)\"]}".into()));
        }
        Ok(quick_action::extract(body, self.switches.eats_promote))
    }

    fn notes_of_last_minute(&self, by: UserId) -> usize {
        let since = self.now() - jiff::SignedDuration::from_mins(1);
        let all = self.projects.values().flat_map(|project| project.merge_requests.values()).flat_map(MergeRequest::notes);
        all.filter(|(_, note)| note.author == by && !note.system && note.created_at > since).count()
    }

    /// Changes a note's text.
    pub fn edit_note(&mut self, key: MergeRequestKey, id: NoteId, by: UserId, body: &str) -> Result<Noted, Refused> {
        let Extracted { rest, actions } = self.without_actions(body)?;
        for name in &actions {
            let _ = self.run_quick_action(key, by, name);
        }
        if rest.is_empty() {
            // GitLab destroys a note whose edit leaves nothing of it.
            self.delete_note(key, id);
            return Ok(Noted::Commands(actions));
        }
        let now = self.now();
        let Some(note) = self.merge_request_mut(key).note_mut(id) else { return Err(super::refused::NOTHING) };
        if note.body != rest {
            (note.body, note.updated_at, note.edited_by) = (rest, now, Some(by));
            self.note_event(key, id, by, "update");
        }
        Ok(Noted::Stored(id))
    }

    pub fn delete_note(&mut self, key: MergeRequestKey, id: NoteId) {
        let held = self.merge_request_mut(key);
        for discussion in &mut held.discussions {
            discussion.notes.retain(|note| note.id != id);
        }
        held.discussions.retain(|discussion| !discussion.notes.is_empty());
    }

    /// What GitLab itself writes into the thread. No hook tells of it.
    pub fn system_note(&mut self, key: MergeRequestKey, by: UserId, body: &str) -> NoteId {
        let (id, now) = (NoteId(self.next_id()), self.now());
        let discussion = DiscussionId(self.next_hex("discussion"));
        let note = Note {
            id,
            body: body.into(),
            author: by,
            created_at: now,
            updated_at: now,
            edited_by: None,
            system: true,
            internal: false,
            resolved: None,
            commit: None,
            emojis: vec![],
        };
        self.merge_request_mut(key).discussions.push(Discussion { id: discussion, individual: true, notes: vec![note] });
        id
    }

    /// Resolves or reopens a thread.
    pub fn resolve(&mut self, key: MergeRequestKey, discussion: &str, by: UserId, resolved: bool) {
        let now = self.now();
        let thread = self.merge_request_mut(key).discussions.iter_mut().find(|held| held.id.0 == discussion);
        for note in thread.into_iter().flat_map(|thread| &mut thread.notes).filter(|note| !note.system) {
            note.resolved = resolved.then_some((by, now));
        }
    }

    /// Adds a reaction. A second one of the same name by the same user is refused as GitLab does it, with 404. A reaction counts as
    /// an update of the note (`AwardEmoji#expire_cache`), though not as an edit.
    pub fn react(&mut self, key: MergeRequestKey, note: NoteId, by: UserId, name: &str) -> Result<u64, Refused> {
        let (id, at) = (self.next_id(), self.now());
        let Some(note) = self.merge_request_mut(key).note_mut(note) else { return Err(super::refused::NOTHING) };
        if note.emojis.iter().any(|emoji| emoji.by == by && emoji.name == name) {
            return Err(Refused::NotFound("Award Emoji Name has already been taken"));
        }
        note.emojis.push(Emoji { id, name: name.into(), by, at });
        note.updated_at = at;
        Ok(id)
    }

    fn note_event(&mut self, key: MergeRequestKey, id: NoteId, by: UserId, action: &str) {
        let body = payload::note(self, key, (id, by), Some(action));
        let Some((_, note)) = self.merge_request(key).note(id) else { return };
        let trigger = if note.internal { Trigger::ConfidentialNote } else { Trigger::Note };
        self.emit(key.project, trigger, &body);
    }
}
