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
        if self.answered(asked).await? {
            return Ok(Handled::Done);
        }
        let react = |emoji| Effect::React { project: project.clone(), merge_request, note, emoji };
        self.perform(react(Emoji::Eyes)).await?;
        let mut answers = vec![];
        for said in said {
            answers.push(self.answer_one(rule, asked, said).await?);
        }
        let emoji = answers.iter().map(|answer| answer.emoji).fold(Emoji::WhiteCheckMark, sterner);
        let body = answers.iter().map(|answer| answer.body.as_str()).collect::<Vec<_>>().join("\n\n---\n\n");
        if let Some(discussion) = asked.note.discussion.clone() {
            self.perform(Effect::Reply { project: project.clone(), merge_request, discussion, asked_by: note, body }).await?;
        }
        self.perform(react(emoji)).await?;
        Ok(Handled::Done)
    }

    /// Whether we began to answer the note of an event before: the eyes come first, and their intent before them.
    pub(super) async fn begun(&self, project: &ProjectKey, event: &Event) -> Result<bool, Stopped> {
        let Event::Note { merge_request, note } = event else { return Ok(false) };
        let (project, merge_request, note) = (project.clone(), merge_request.iid, note.id);
        Ok(self.ledger.was_intended(&Effect::React { project, merge_request, note, emoji: Emoji::Eyes }.key()).await?)
    }

    /// Whether the note has its reply. A crash before that answers again, and the reply's recorded intent keeps it from being
    /// written twice; a command that changes something will be taken with [`Ledger::begin_command`] instead.
    ///
    /// [`Ledger::begin_command`]: crate::store::ledger::Ledger::begin_command
    async fn answered(&self, asked: &Asked<'_>) -> Result<bool, Stopped> {
        let Some(discussion) = asked.note.discussion.clone() else { return Ok(false) };
        let (project, merge_request, asked_by) = (asked.project.clone(), asked.merge_request.iid, asked.note.id);
        let reply = Effect::Reply { project, merge_request, discussion, asked_by, body: String::new() };
        Ok(self.ledger.note_written(&reply.key()).await?.is_some())
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
            if seen(self.looks.registry().manifest(&pinned).await)?.is_none() {
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
