//! `verify`: what an image is, asked in a thread.

use super::{Answer, Asked, sterner};
use crate::bot::{Bot, Judged, Rule, Stopped, seen};
use crate::commands::Target;
use crate::effects::Emoji;
use crate::model::gitlab::{GitRef, MergeRequestState};
use crate::model::{Digest, PinnedImage};
use crate::render::NotFound;
use crate::verdict::{About, Looked, Outcome, Question, Verdict};

/// Releases that one merge request is answered with; the newest first.
const RELEASES_MAX: usize = 3;

impl Bot {
    pub(super) async fn answer_verify(&self, rule: &Rule, asked: &Asked<'_>, target: Option<&Target>) -> Result<Answer, Stopped> {
        let questions = match self.questions(rule, asked, target).await? {
            Ok(questions) => questions,
            Err(not_found) => return Ok(Answer::no(self.words.not_found(&not_found))),
        };
        let mut verdicts: Vec<Verdict> = vec![];
        for question in &questions {
            let Judged { verdict, .. } = self.verify(question, &rule.policy).await?;
            verdicts.push(verdict);
        }
        let emoji = verdicts.iter().map(outcome_emoji).fold(Emoji::WhiteCheckMark, sterner);
        Ok(Answer::of(self.words.reply(asked.merge_request.iid, &verdicts, self.audience(rule).await?), emoji))
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
        let gitlab = self.gitlab(&asked.project.instance)?;
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
        let gitlab = self.gitlab(&asked.project.instance)?;
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

fn outcome_emoji(verdict: &Verdict) -> Emoji {
    match verdict.outcome {
        Outcome::Passed => Emoji::WhiteCheckMark,
        Outcome::Blocked => Emoji::X,
        Outcome::CouldNotCheck => Emoji::Hourglass,
    }
}
