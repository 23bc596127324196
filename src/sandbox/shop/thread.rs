//! What people say in the shop's merge request, and what the bot wrote where.

use super::Shop;
use crate::model::gitlab::{GitRef, NoteId, UserId};
use crate::sandbox::gitlab::state::{NewNote, Noted};

impl Shop {
    /// Dana comments on the merge request. `None`: GitLab took it for quick actions and stored nothing.
    pub fn say(&self, body: &str) -> Option<NoteId> {
        self.say_as(self.dana, body)
    }

    /// Somebody comments on the merge request.
    pub fn say_as(&self, who: UserId, body: &str) -> Option<NoteId> {
        self.gitlab.world().comment(self.merge_request, who, body)
    }

    /// Somebody answers in the thread of a note. `None`: there is no such note, or GitLab stored nothing.
    pub fn answer_as(&self, who: UserId, to: NoteId, body: &str) -> Option<NoteId> {
        let mut world = self.gitlab.world();
        let thread = world.merge_request(self.merge_request).note(to)?.0.id.clone();
        let new = NewNote { reply_to: Some(thread), body: body.into(), ..NewNote::default() };
        match world.add_note(self.merge_request, who, new) {
            Ok(Noted::Stored(id)) => Some(id),
            Ok(Noted::Commands(_)) | Err(_) => None,
        }
    }

    /// What the bot wrote in threads of its own, oldest first.
    pub fn bot_notes(&self) -> Vec<String> {
        let world = self.gitlab.world();
        let first = world.merge_request(self.merge_request).discussions.iter().filter_map(|discussion| discussion.notes.first());
        first.filter(|note| note.author == self.bot).map(|note| note.body.clone()).collect()
    }

    /// What the bot answered to a note.
    pub fn reply_to(&self, note: NoteId) -> Option<String> {
        self.replies_to(note).into_iter().next()
    }

    /// Everything that the bot said in the thread of a note after it, oldest first.
    pub fn replies_to(&self, note: NoteId) -> Vec<String> {
        let world = self.gitlab.world();
        let Some((discussion, _)) = world.merge_request(self.merge_request).note(note) else { return vec![] };
        let after = discussion.notes.iter().skip_while(|held| held.id != note).skip(1);
        after.filter(|held| held.author == self.bot).map(|held| held.body.clone()).collect()
    }

    /// The newest of the bot's notes, in any thread, that holds a text.
    pub fn bot_said(&self, text: &str) -> Option<String> {
        let world = self.gitlab.world();
        let said = world.merge_request(self.merge_request).notes().map(|(_, note)| note);
        said.filter(|note| note.author == self.bot && note.body.contains(text)).max_by_key(|note| note.id).map(|note| note.body.clone())
    }

    /// The bot's reactions on a note.
    pub fn reactions(&self, note: NoteId) -> Vec<String> {
        let world = self.gitlab.world();
        let found = world.merge_request(self.merge_request).note(note);
        found
            .map(|(_, note)| note.emojis.iter().filter(|emoji| emoji.by == self.bot).map(|emoji| emoji.name.clone()).collect())
            .unwrap_or_default()
    }

    /// A release's description.
    pub fn release_text(&self, tag: &str) -> Option<String> {
        self.gitlab.world().project(self.project).releases.get(tag).map(|release| release.description.clone())
    }

    /// The bot's status on the newest pipeline of a tag: its state and description.
    pub fn status(&self, tag: &str) -> Option<(&'static str, String)> {
        let world = self.gitlab.world();
        let of_tag = GitRef::Tag(tag.into());
        let pipeline = world.pipelines.values().rev().find(|held| held.project == self.project && held.git_ref == of_tag)?;
        let status = pipeline.statuses.iter().rev().find(|status| status.user == self.bot)?;
        Some((status.status.word(), status.description.clone().unwrap_or_default()))
    }
}
