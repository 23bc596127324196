//! Chat: what a note says to us, answered in its thread.

use super::{Bot, Handled, Judged, Rule, Stopped, seen};
use crate::commands::{Command, Said, Target};
use crate::effects::{Effect, Emoji};
use crate::event::Event;
use crate::model::gitlab::{GitRef, MergeRequest, MergeRequestState, Note, ProjectKey};
use crate::model::{Digest, PinnedImage};
use crate::render::NotFound;
use crate::verdict::{About, Looked, Outcome, Question, Verdict};

/// Releases that one merge request is answered with; the newest first.
const RELEASES_MAX: usize = 3;

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
}

impl Bot {
    /// Answers a note, once. `eyes` first, so that the person knows within a second that we read it.
    pub(super) async fn answer(&self, rule: &Rule, asked: &Asked<'_>, said: &[Said]) -> Result<Handled, Stopped> {
        let (project, merge_request, note) = (asked.project, asked.merge_request.iid, asked.note.id);
        if let Some(ended) = self.answered(asked).await? {
            return Ok(ended);
        }
        self.ledger.take_note((project, merge_request, note), &words_of(asked.note)).await?;
        self.react(asked, Emoji::Eyes).await?;
        if !self.may_ask(asked).await? {
            self.react(asked, Emoji::X).await?;
            return Ok(Handled::Done);
        }
        match self.answer_all(rule, asked, said).await {
            Ok(Answer { body, emoji }) => {
                match reply(asked, body, emoji) {
                    Some(reply) => self.perform(reply).await.map(drop)?,
                    None => self.react(asked, emoji).await?,
                }
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
        let gitlab = match self.looks.gitlab(&asked.project.instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Ok(false),
            Looked::Unreachable(why) => return Err(Stopped::NotSeen(why)),
        };
        let author = asked.note.author.id;
        let (member, bot) = tokio::join!(gitlab.member(asked.project.id, author), gitlab.is_bot(author));
        let member = seen(member)?.is_some_and(|member| member.active && member.access_level >= REPORTER);
        Ok(member && seen(bot)? == Some(false))
    }

    async fn answer_all(&self, rule: &Rule, asked: &Asked<'_>, said: &[Said]) -> Result<Answer, Stopped> {
        let mut answers = vec![];
        for said in said {
            answers.push(self.answer_one(rule, asked, said).await?);
        }
        let emoji = answers.iter().map(|answer| answer.emoji).fold(Emoji::WhiteCheckMark, sterner);
        let body = answers.iter().map(|answer| answer.body.as_str()).collect::<Vec<_>>().join("\n\n---\n\n");
        Ok(Answer { body, emoji })
    }

    /// `Some` if the note has its answer; one that an earlier run posted before it ended is found and recorded. A command that changes something will be taken with [`Ledger::begin_command`] instead.
    ///
    /// [`Ledger::begin_command`]: crate::store::ledger::Ledger::begin_command
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

    async fn answer_one(&self, rule: &Rule, asked: &Asked<'_>, said: &Said) -> Result<Answer, Stopped> {
        match said {
            Said::Command(Command::Help) => {
                Ok(Answer { body: self.words.help(&self.username(asked).await?), emoji: Emoji::WhiteCheckMark })
            }
            Said::Unknown { word, nearest } => {
                Ok(Answer { body: self.words.unknown(&self.username(asked).await?, word, *nearest), emoji: Emoji::X })
            }
            Said::Usage { verb, usage } => Ok(Answer { body: self.words.usage(verb, usage), emoji: Emoji::X }),
            Said::Command(Command::Promote { .. } | Command::Rollback { .. } | Command::Status(_) | Command::Approve | Command::Cancel) => {
                Ok(Answer { body: self.words.help(&self.username(asked).await?), emoji: Emoji::X })
            }
            Said::Command(Command::Verify(target)) => {
                let questions = self.questions(rule, asked, target.as_ref()).await?;
                self.answer_verify(rule, asked, questions).await
            }
        }
    }

    async fn username(&self, asked: &Asked<'_>) -> Result<String, Stopped> {
        Ok(self.ourselves(&asked.project.instance).await?.username)
    }

    async fn answer_verify(&self, rule: &Rule, asked: &Asked<'_>, questions: Result<Vec<Question>, NotFound>) -> Result<Answer, Stopped> {
        let questions = match questions {
            Ok(questions) => questions,
            Err(not_found) => return Ok(Answer { body: self.words.not_found(&not_found), emoji: Emoji::X }),
        };
        let mut verdicts: Vec<Verdict> = vec![];
        for question in &questions {
            let Judged { verdict, .. } = self.verify(question, &rule.policy).await?;
            verdicts.push(verdict);
        }
        let emoji = verdicts.iter().map(outcome_emoji).fold(Emoji::WhiteCheckMark, sterner);
        Ok(Answer { body: self.words.reply(asked.merge_request.iid, &verdicts, self.audience(rule).await?), emoji })
    }

    /// What `verify` asks about; `Err` says why there is nothing to ask.
    async fn questions(&self, rule: &Rule, asked: &Asked<'_>, target: Option<&Target>) -> Result<Result<Vec<Question>, NotFound>, Stopped> {
        let about = match target {
            None => self.about_merge_request(rule, asked).await?,
            Some(Target::Digest(digest)) => return self.about_digest(rule, asked, *digest).await,
            Some(Target::Name(name)) => self.about_name(rule, asked, name).await?,
        };
        Ok(about.map(|abouts| {
            let each = |about: About| {
                rule.watched.images.iter().map(move |image| Question {
                    project: rule.watched.clone(),
                    image: image.clone(),
                    about: about.clone(),
                    asking_job: None,
                })
            };
            abouts.into_iter().flat_map(each).collect()
        }))
    }

    /// Open: the image of its head pipeline. Merged: the releases that contain it.
    async fn about_merge_request(&self, rule: &Rule, asked: &Asked<'_>) -> Result<Result<Vec<About>, NotFound>, Stopped> {
        let merge_request = asked.merge_request;
        if merge_request.state != MergeRequestState::Merged {
            let head = merge_request.head_pipeline;
            return Ok(head.map(|id| vec![About::Pipeline { id }]).ok_or(NotFound::Pipeline));
        }
        let gitlab = match self.looks.gitlab(&asked.project.instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Ok(Err(NotFound::Release)),
            Looked::Unreachable(why) => return Err(Stopped::NotSeen(why)),
        };
        let mut releases = vec![];
        for sha in &merge_request.merged_as {
            let tags = seen(gitlab.tags_containing(asked.project.id, sha).await)?.unwrap_or_default();
            releases.extend(tags.into_iter().filter(|tag| rule.watched.release_tags.matches(tag)));
        }
        releases.dedup();
        releases.truncate(RELEASES_MAX);
        if releases.is_empty() {
            return Ok(Err(NotFound::Release));
        }
        Ok(Ok(releases.into_iter().map(|tag| About::Release { tag }).collect()))
    }

    /// An environment or a release tag; the configuration tells which.
    async fn about_name(&self, rule: &Rule, asked: &Asked<'_>, name: &str) -> Result<Result<Vec<About>, NotFound>, Stopped> {
        let Some(environment) = rule.watched.environments.iter().find(|environment| environment.0 == name) else {
            if rule.watched.release_tags.matches(name) {
                return Ok(Ok(vec![About::Release { tag: name.into() }]));
            }
            return Ok(Err(NotFound::Name(name.into())));
        };
        let gitlab = match self.looks.gitlab(&asked.project.instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Ok(Err(NotFound::Environment(environment.0.clone()))),
            Looked::Unreachable(why) => return Err(Stopped::NotSeen(why)),
        };
        let deployment = seen(gitlab.latest_deployment(asked.project.id, environment).await)?;
        match deployment.map(|deployment| deployment.git_ref) {
            Some(GitRef::Tag(tag)) => Ok(Ok(vec![About::Release { tag }])),
            Some(GitRef::Branch(_)) | None => Ok(Err(NotFound::Environment(environment.0.clone()))),
        }
    }

    /// A digest: the image of this project that has it.
    async fn about_digest(&self, rule: &Rule, asked: &Asked<'_>, digest: Digest) -> Result<Result<Vec<Question>, NotFound>, Stopped> {
        let mut questions = vec![];
        for image in &rule.watched.images {
            let pinned = PinnedImage { repository: image.repository.clone(), digest };
            // A registry that does not answer is no "not found": the verdict says that it could not be checked.
            if matches!(self.looks.registry().manifest(&pinned).await, Looked::Absent) {
                continue;
            }
            let tag = self.ledger.release_of_digest(asked.project, &image.repository, &digest).await?;
            let about = About::Image { digest, tag };
            questions.push(Question { project: rule.watched.clone(), image: image.clone(), about, asking_job: None });
        }
        if questions.is_empty() {
            return Ok(Err(NotFound::Digest(digest)));
        }
        Ok(Ok(questions))
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

fn outcome_emoji(verdict: &Verdict) -> Emoji {
    match verdict.outcome {
        Outcome::Passed => Emoji::WhiteCheckMark,
        Outcome::Blocked => Emoji::X,
        Outcome::CouldNotCheck => Emoji::Hourglass,
    }
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
