//! The hands: performs effects on the GitLab they name.

use std::collections::BTreeMap;

use gitlab::api::users::CurrentUser;
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::promote::Promoter;
use super::{Done, Effect, NotDone, note, reaction, release_notes, status};
use crate::gitlab_client::{CallError, GitlabClient};
use crate::model::Timestamp;
use crate::model::gitlab::{InstanceName, NoteId, ProjectKey, UserId};

/// The longest text GitLab takes as a note or a release description, in characters; a longer one would be refused anyway
/// ([GitLab, instance limits](https://docs.gitlab.com/administration/instance_limits/#size-of-comments-and-descriptions-of-issues-merge-requests-and-epics)).
pub(super) const TEXT_MAX: usize = 1_000_000;

/// What changes GitLab: one hand for each instance.
pub struct Hands {
    by_instance: BTreeMap<InstanceName, Hand>,
    promoter: Option<Promoter>,
}

/// The hand for one instance.
pub(super) struct Hand {
    pub client: GitlabClient,
    me: OnceCell<UserId>,
}

impl Hand {
    /// Who we are there: our own notes and statuses are known by it. Asked once; a rotated token keeps its user.
    pub async fn me(&self) -> Result<UserId, CallError> {
        let ask = || async { self.client.one::<Author, _, _>(CurrentUser::builder().build()).await.map(|user| user.id) };
        self.me.get_or_try_init(ask).await.copied()
    }
}

/// A user, of whom only the id counts.
#[derive(Debug, Deserialize)]
pub(super) struct Author {
    pub id: UserId,
}

impl Hands {
    pub fn new(clients: impl IntoIterator<Item = GitlabClient>) -> Self {
        let hand = |client: GitlabClient| (client.instance().clone(), Hand { client, me: OnceCell::new() });
        Self { by_instance: clients.into_iter().map(hand).collect(), promoter: None }
    }

    /// The same hands, able to write to registries.
    pub fn with_promoter(self, promoter: Promoter) -> Self {
        Self { promoter: Some(promoter), ..self }
    }

    pub(super) fn promoter(&self) -> Result<&Promoter, NotDone> {
        self.promoter.as_ref().ok_or_else(|| NotDone::Never("no registry is configured to be written to".into()))
    }

    /// What performing this effect would answer without writing anything; `None` where something would be written. The catch-up poll
    /// looks at every release over and over, and what stands already is no news for the ledger.
    pub async fn stands(&self, effect: &Effect) -> Result<Option<Done>, NotDone> {
        match effect {
            Effect::StickyNote { project, merge_request, body, note } => {
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                note::stands(&thread, body, *note).await
            }
            Effect::ReleaseSection { project, tag, section } => release_notes::stands(self.hand(project)?, project.id, tag, section).await,
            Effect::Status { project, sha, git_ref, pipeline, state, description, target_url } => {
                let place = status::Place { project: project.id, sha, git_ref, pipeline: *pipeline };
                let word = status::Word { state: *state, description, target_url: target_url.as_deref() };
                status::stands(self.hand(project)?, &place, &word).await
            }
            // An answer is new by its nature.
            Effect::Reply { .. } | Effect::FollowUp { .. } | Effect::React { .. } => Ok(None),
        }
    }

    /// Performs an effect: reads first, writes only what differs, and reads back what it wrote.
    ///
    /// `intended_before` is when an earlier run recorded that it meant to do just this and then ended without an outcome (a crash, a
    /// time-out, a 5xx). A text that it may have posted is then looked for, and taken over instead of posted twice.
    pub async fn perform(&self, effect: &Effect, intended_before: Option<Timestamp>) -> Result<Done, NotDone> {
        match effect {
            Effect::StickyNote { project, merge_request, body, note } => {
                refuse_commands(body)?;
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                note::sticky(&thread, body, *note, intended_before).await
            }
            Effect::Reply { project, merge_request, discussion, asked_by, body, closing } => {
                refuse_commands(body)?;
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                let question = note::Question { discussion, asked_by: *asked_by };
                let done = note::reply(&thread, &question, body, intended_before).await?;
                close(&thread, *asked_by, *closing).await?;
                Ok(done)
            }
            Effect::FollowUp { project, merge_request, discussion, asked_by, body, closing, .. } => {
                refuse_commands(body)?;
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                let question = note::Question { discussion, asked_by: *asked_by };
                let done = note::reply(&thread, &question, body, intended_before).await?;
                if let Some(closing) = closing {
                    close(&thread, *asked_by, *closing).await?;
                }
                Ok(done)
            }
            Effect::ReleaseSection { project, tag, section } => {
                refuse_commands(section)?;
                release_notes::write(self.hand(project)?, project.id, tag, section).await
            }
            Effect::Status { project, sha, git_ref, pipeline, state, description, target_url } => {
                let place = status::Place { project: project.id, sha, git_ref, pipeline: *pipeline };
                let word = status::Word { state: *state, description, target_url: target_url.as_deref() };
                status::set(self.hand(project)?, &place, &word).await
            }
            Effect::React { project, merge_request, note, emoji } => {
                let place = reaction::Place { project: project.id, merge_request: *merge_request, note: *note };
                reaction::react(self.hand(project)?, &place, *emoji).await
            }
        }
    }

    /// The note that an earlier run posted, if it did: looks, and writes nothing. `None` for every effect that posts no new note.
    pub async fn already(&self, effect: &Effect, intended: Timestamp) -> Result<Option<NoteId>, NotDone> {
        let found = match effect {
            Effect::StickyNote { project, merge_request, body, note: None } => {
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                note::posted(&thread, body, intended).await
            }
            Effect::Reply { project, merge_request, discussion, asked_by, body, .. }
            | Effect::FollowUp { project, merge_request, discussion, asked_by, body, .. } => {
                let thread = note::Thread { hand: self.hand(project)?, project: project.id, merge_request: *merge_request };
                note::replied(&thread, &note::Question { discussion, asked_by: *asked_by }, body, intended).await
            }
            Effect::StickyNote { note: Some(_), .. } | Effect::ReleaseSection { .. } | Effect::Status { .. } | Effect::React { .. } => {
                Ok(None)
            }
        };
        match found {
            // The place is gone, and with it what was posted there.
            Err(CallError::NotFound) => Ok(None),
            found => Ok(found?),
        }
    }

    pub(super) fn hand(&self, project: &ProjectKey) -> Result<&Hand, NotDone> {
        let unknown = || NotDone::Never(format!("no GitLab named {} is configured", project.instance));
        self.by_instance.get(&project.instance).ok_or_else(unknown)
    }
}

/// The reaction that belongs to words. The words stand, whatever becomes of the note that asked.
async fn close(thread: &note::Thread<'_>, asked_by: NoteId, closing: super::Emoji) -> Result<(), NotDone> {
    let place = reaction::Place { project: thread.project, merge_request: thread.merge_request, note: asked_by };
    match reaction::react(thread.hand, &place, closing).await {
        Err(NotDone::Never(reason)) => tracing::warn!(note = asked_by.0, reason, "an answer without its reaction"),
        Err(later @ NotDone::Later(_)) => return Err(later),
        Ok(_) => {}
    }
    Ok(())
}

/// Refuses a text in which a line begins with `/`: GitLab runs such a line as a quick action with our rights (SR-10).
///
/// The belt to `render`'s braces: GitLab removes carriage returns before it looks, and up to three spaces still begin a line in
/// Markdown, so both count here; so does every other character that anything might read as a line's end.
pub fn refuse_commands(text: &str) -> Result<(), NotDone> {
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    let command = text.split(ends).any(|line| {
        let indent = line.bytes().take(3).take_while(|byte| *byte == b' ').count();
        line[indent..].starts_with('/')
    });
    if command {
        return Err(NotDone::Never("a line of our own text begins with a slash, which GitLab would run; nothing was sent".into()));
    }
    if text.chars().count() > TEXT_MAX {
        return Err(NotDone::Never("our own text is longer than GitLab takes; nothing was sent".into()));
    }
    Ok(())
}

impl From<CallError> for NotDone {
    /// What GitLab refuses stays refused; what it could not answer is asked again.
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Limited { .. } | CallError::Down { .. } | CallError::Unreadable(_) => Self::Later(text),
            CallError::Refused(_) | CallError::NotFound | CallError::Hidden | CallError::TooLarge(_) | CallError::Rejected { .. } => {
                Self::Never(text)
            }
        }
    }
}
