//! Chat: what a note says to us, answered in its thread.

mod approve;
mod cancel;
mod promote;
mod status;
mod verify;

use super::{Bot, Handled, Rule, Stopped, seen};
use crate::commands::{Command, Said};
use crate::effects::{Effect, Emoji};
use crate::event::Event;
use crate::model::gitlab::{MergeRequest, Note, ProjectKey};
use crate::model::promotion::{Direction, Person};
use crate::model::{Digest, Timestamp};
use crate::store::ledger::CommandSeen;
use promote::Wanted;

/// GitLab's number of the role Reporter ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)).
const REPORTER: u64 = 20;

/// Who asked, and where.
pub(super) struct Asked<'a> {
    pub project: &'a ProjectKey,
    pub merge_request: &'a MergeRequest,
    pub note: &'a Note,
}

/// One answer and how it ends.
struct Answer {
    body: String,
    emoji: Emoji,
    /// A command that would have changed something and was refused: for the record.
    refused: Option<String>,
}

impl Answer {
    fn of(body: String, emoji: Emoji) -> Self {
        Self { body, emoji, refused: None }
    }

    fn no(body: String) -> Self {
        Self::of(body, Emoji::X)
    }
}

impl Asked<'_> {
    /// Whoever asks.
    fn person(&self) -> Person {
        Person { id: self.note.author.id, username: self.note.author.username.clone() }
    }
}

impl Bot {
    /// Answers a note, once. `eyes` first, so that the person knows within a second that we read it.
    pub(super) async fn answer(&self, rule: &Rule, asked: &Asked<'_>, said: &[Said]) -> Result<Handled, Stopped> {
        let (project, merge_request, note) = (asked.project, asked.merge_request.iid, asked.note.id);
        if let Some(ended) = self.answered(asked).await? {
            self.go_on_in_thread(asked).await?;
            return Ok(ended);
        }
        self.ledger.take_note((project, merge_request, note), &words_of(asked.note)).await?;
        self.react(asked, Emoji::Eyes).await?;
        if !self.may_ask(asked).await? {
            self.react(asked, Emoji::X).await?;
            return Ok(Handled::Done);
        }
        match self.answer_all(rule, asked, said).await {
            Ok(Answer { body, emoji, refused }) => {
                if let Some(words) = refused {
                    self.record_refusal(asked, words).await?;
                }
                match reply(asked, body, emoji) {
                    Some(reply) => self.perform(reply).await.map(drop)?,
                    None => self.react(asked, emoji).await?,
                }
                // Only now, so that the end is never told before the beginning.
                self.go_on_in_thread(asked).await?;
                Ok(Handled::Done)
            }
            Err(stopped) => {
                // It is tried again, but they need not wait for eyes that see nothing.
                self.react(asked, Emoji::Hourglass).await?;
                Err(stopped)
            }
        }
    }

    /// Whether we began to answer the note of an event before. It counts as unedited when it comes again with the same words: GitLab
    /// moves a note's time of update at every reaction, our own `eyes` among them, and keeps no other sign of an edit in its REST API.
    /// With other words it is nothing.
    pub(super) async fn as_taken(&self, project: &ProjectKey, event: Event) -> Result<(Event, bool), Stopped> {
        let Event::Note { merge_request, note } = event else { return Ok((event, false)) };
        match self.ledger.taken_note((project, merge_request.iid, note.id)).await? {
            Some(words) if words == words_of(&note) => Ok((Event::Note { merge_request, note }, true)),
            Some(_) => Ok((Event::Quiet, false)),
            None => Ok((Event::Note { merge_request, note }, false)),
        }
    }

    async fn react(&self, asked: &Asked<'_>, emoji: Emoji) -> Result<(), Stopped> {
        let (project, merge_request, note) = (asked.project.clone(), asked.merge_request.iid, asked.note.id);
        self.perform(Effect::React { project, merge_request, note, emoji }).await.map(drop)
    }

    /// Whether the asker gets words: an active member, at least Reporter, and no machine (two bots that answer each other never
    /// end). Everyone else gets reactions only: guests and the authors of forks may comment in public projects, and what we say names
    /// images, runners and people.
    async fn may_ask(&self, asked: &Asked<'_>) -> Result<bool, Stopped> {
        let gitlab = self.gitlab(&asked.project.instance)?;
        let author = asked.note.author.id;
        let (member, bot) = tokio::join!(gitlab.member(asked.project.id, author), gitlab.is_bot(author));
        let member = seen(member)?.is_some_and(|member| member.active && member.access_level >= REPORTER);
        Ok(member && seen(bot)? == Some(false))
    }

    async fn answer_all(&self, rule: &Rule, asked: &Asked<'_>, said: &[Said]) -> Result<Answer, Stopped> {
        let mut answers = vec![];
        for (place, said) in said.iter().enumerate() {
            answers.push(self.answer_one(rule, asked, (place, said)).await?);
        }
        let emoji = answers.iter().map(|answer| answer.emoji).fold(Emoji::WhiteCheckMark, sterner);
        let body = answers.iter().map(|answer| answer.body.as_str()).collect::<Vec<_>>().join("\n\n---\n\n");
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.refused.as_deref()).collect();
        Ok(Answer { body, emoji, refused: (!refused.is_empty()).then(|| refused.join("; ")) })
    }

    /// A refusal is final, also where its words never reach the thread: the same note gets nothing else later (SR-06).
    async fn record_refusal(&self, asked: &Asked<'_>, words: String) -> Result<(), Stopped> {
        let (project, merge_request, note) = (asked.project.clone(), asked.merge_request.iid, asked.note.id);
        let seen = CommandSeen { project, merge_request, note, by: asked.note.author.id, words, at: Timestamp::now() };
        self.ledger.begin_command(&seen).await.map(drop)?;
        Ok(())
    }

    /// `Some` if the note has its answer; one that an earlier run posted before it ended is found and recorded.
    async fn answered(&self, asked: &Asked<'_>) -> Result<Option<Handled>, Stopped> {
        let Some(reply) = reply(asked, String::new(), Emoji::Eyes) else { return Ok(None) };
        if self.ledger.note_written(&reply.key()).await?.is_some() {
            return Ok(Some(Handled::Done));
        }
        match self.ledger.open_intent(&reply.key()).await? {
            // What was meant then and not posted is not said now: a verdict of then may be wrong by now.
            Some((at, meant)) if self.already(&meant, at).await?.is_some() => self.perform(meant).await.map(|_| Some(Handled::Done)),
            Some(_) | None => Ok(None),
        }
    }

    async fn answer_one(&self, rule: &Rule, asked: &Asked<'_>, (place, said): (usize, &Said)) -> Result<Answer, Stopped> {
        match said {
            Said::Command(command) => self.obey(rule, asked, (place, command)).await,
            Said::Unknown { word, nearest } => Ok(Answer::no(self.words.unknown(&self.username(asked).await?, word, *nearest))),
            Said::Usage { verb, usage } => Ok(Answer::no(self.words.usage(verb, usage))),
        }
    }

    async fn obey(&self, rule: &Rule, asked: &Asked<'_>, (place, command): (usize, &Command)) -> Result<Answer, Stopped> {
        match command {
            Command::Help => Ok(Answer::of(self.words.help(&self.username(asked).await?), Emoji::WhiteCheckMark)),
            Command::Verify(target) => self.answer_verify(rule, asked, target.as_ref()).await,
            Command::Promote { environment, target, dry_run } => {
                let direction = Direction::Promote;
                self.answer_promote(rule, asked, &Wanted { place, direction, environment, target: target.as_ref(), dry_run: *dry_run })
                    .await
            }
            Command::Rollback { environment, target, dry_run } => {
                let direction = Direction::Rollback;
                self.answer_promote(rule, asked, &Wanted { place, direction, environment, target: target.as_ref(), dry_run: *dry_run })
                    .await
            }
            Command::Status(environment) => self.answer_status(rule, asked, environment.as_deref()).await,
            Command::Approve => self.answer_approve(asked).await,
            Command::Cancel => self.answer_cancel(asked).await,
        }
    }

    async fn username(&self, asked: &Asked<'_>) -> Result<String, Stopped> {
        Ok(self.ourselves(&asked.project.instance).await?.username)
    }
}

/// The answer to a note. `None`: its discussion was not found among very many.
fn reply(asked: &Asked<'_>, body: String, closing: Emoji) -> Option<Effect> {
    let (project, merge_request, asked_by) = (asked.project.clone(), asked.merge_request.iid, asked.note.id);
    let discussion = asked.note.discussion.clone()?;
    Some(Effect::Reply { project, merge_request, discussion, asked_by, body, closing })
}

/// The words of a note, in short.
fn words_of(note: &Note) -> Digest {
    Digest::of(note.body.as_bytes())
}

/// One reaction for several answers: a cross outweighs an hourglass, an hourglass a check mark.
fn sterner(a: Emoji, b: Emoji) -> Emoji {
    let weight = |emoji: &Emoji| match emoji {
        Emoji::X => 3,
        Emoji::Hourglass => 2,
        Emoji::WhiteCheckMark => 1,
        Emoji::Eyes => 0,
    };
    if weight(&b) > weight(&a) { b } else { a }
}
