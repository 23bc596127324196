//! `promote` and `rollback`: what is asked for is looked at, decided, and either refused or accepted. The engine does the rest.

use super::{Answer, Asked};
use crate::bot::promotion::{Case, Decided};
use crate::bot::{Bot, Rule, Stopped, seen};
use crate::commands::Target;
use crate::effects::Emoji;
use crate::model::environment::Environment;
use crate::model::gitlab::MergeRequestIid;
use crate::model::project::WatchedImage;
use crate::model::promotion::{AskedIn, Direction, Promotion, PromotionId, Standing};
use crate::model::{Digest, Timestamp};
use crate::render::{NotFound, Preview, PromotionAnswer, Stage};
use crate::store::ledger::OpenedAs;
use crate::verdict::promotion::{Bar, Holder, Weighed};
use crate::verdict::{About, Looked, Service, Verdict, Why, WhyKind};

/// Commits between what runs and what would run that are shown.
const COMMITS_MAX: usize = 20;

/// What a command asks for.
pub(super) struct Wanted<'a> {
    /// Its place among the commands of the note.
    pub place: usize,
    pub direction: Direction,
    pub environment: &'a str,
    pub target: Option<&'a Target>,
    pub dry_run: bool,
}

/// The release that was found for it.
struct Found {
    release: String,
    images: Vec<(WatchedImage, About)>,
    /// For a rollback: when this was there last.
    last_there: Option<Timestamp>,
}

impl Bot {
    pub(super) async fn answer_promote(&self, rule: &Rule, asked: &Asked<'_>, wanted: &Wanted<'_>) -> Result<Answer, Stopped> {
        let Some(environment) = rule.environments.iter().find(|environment| environment.name.0 == wanted.environment) else {
            let known = rule.environments.iter().map(|environment| environment.name.0.as_str()).collect();
            return Ok(Answer::no(self.words.promotion_answer(&PromotionAnswer::NoEnvironment { name: wanted.environment, known })));
        };
        let found = match wanted.direction {
            Direction::Promote => self.forward(rule, asked, wanted.target).await?,
            Direction::Rollback => self.back(rule, asked, environment, wanted.target).await?,
        };
        let found = match found {
            Ok(found) => found,
            Err(words) => return Ok(Answer::no(words)),
        };
        // Without its discussion there is no thread to answer in, nor to approve in.
        let Some(asked_in) = asked_in(asked, wanted.place) else { return Ok(Answer::no(String::new())) };
        let id = PromotionId::of(asked.project, &asked_in);
        let accepted = self.ledger.promotion(&id).await?;
        let person = asked.person();
        let case = Case {
            project: asked.project,
            id: &id,
            direction: wanted.direction,
            environment,
            images: found.images.clone(),
            requested_by: &person,
            requested_at: asked.note.created_at,
            accepted: accepted.as_ref(),
        };
        let mut decided = self.weigh(rule, &case).await?;
        let stage = match wanted.dry_run {
            true => Stage::DryRun,
            false => self.accept(rule, asked, (&case, &found.release, asked_in), &mut decided).await?,
        };
        self.say_preview(rule, &case, (stage, &found, asked.merge_request.iid), &decided).await
    }

    /// Opens the promotion if nothing bars it. Doing this twice is doing it once.
    async fn accept(
        &self,
        rule: &Rule,
        asked: &Asked<'_>,
        (case, release, asked_in): (&Case<'_>, &str, AskedIn),
        decided: &mut Decided,
    ) -> Result<Stage, Stopped> {
        if case.accepted.is_some() {
            return Ok(stage(&decided.weighed));
        }
        if self.ledger.command_taken((asked.project, asked.merge_request.iid, asked.note.id)).await? {
            // It was refused before, by a run that ended before it said so. What it would be answered today does not count.
            if decided.weighed.bars.is_empty() {
                decided.weighed.bars = vec![Bar::Expired { asked_at: case.requested_at }];
            }
            return Ok(Stage::Refused);
        }
        if !decided.weighed.bars.is_empty() && !decided.weighed.waits_for_approval {
            return Ok(Stage::Refused);
        }
        let (Some(images), Some((commit, pipeline))) = (decided.images(), decided.origin()) else {
            let why = Why::new(Service::Gitlab, WhyKind::Unreadable, "the images of the release do not share one commit and one pipeline");
            decided.weighed.bars = vec![Bar::Unavailable { what: "where the release comes from".into(), why }];
            return Ok(Stage::Refused);
        };
        let promotion = Promotion {
            id: case.id.clone(),
            direction: case.direction,
            project: case.project.clone(),
            environment: case.environment.clone(),
            release: release.into(),
            commit,
            pipeline,
            images,
            rule: rule.digest(case.environment),
            requested_by: case.requested_by.clone(),
            requested_at: case.requested_at,
            asked_in,
        };
        match self.ledger.open_promotion(&promotion, Timestamp::now()).await? {
            OpenedAs::New | OpenedAs::Already => Ok(stage(&decided.weighed)),
            OpenedAs::Held(holder) => {
                decided.weighed.bars = vec![Bar::Locked { environment: case.environment.name.clone(), holder: held_by(&holder) }];
                Ok(Stage::Refused)
            }
        }
    }

    async fn say_preview(
        &self,
        rule: &Rule,
        case: &Case<'_>,
        (stage, found, merge_request): (Stage, &Found, MergeRequestIid),
        decided: &Decided,
    ) -> Result<Answer, Stopped> {
        let runs = self.runs(case.project, &case.environment.name).await?;
        let (images, origin) = (decided.images().unwrap_or_default(), decided.origin());
        let commit = origin.as_ref().map(|(commit, _)| commit);
        let between = match (&runs, commit) {
            (Some(runs), Some(commit)) if runs.promotion.commit != *commit => {
                // A way back shows what is taken away.
                let (from, to) = match case.direction {
                    Direction::Promote => (&runs.promotion.commit, commit),
                    Direction::Rollback => (commit, &runs.promotion.commit),
                };
                self.gitlab(&case.project.instance)?.commits_between(case.project.id, from, to, COMMITS_MAX).await
            }
            (Some(_) | None, _) => Looked::Absent,
        };
        let (audience, links) = self.readers(rule, merge_request).await?;
        let verdicts: Vec<Verdict> = decided.facts.verdicts.iter().cloned().map(Verdict::from).collect();
        let preview = Preview {
            stage,
            direction: case.direction,
            environment: case.environment,
            before: case.environment.after.as_ref().and_then(|before| rule.environments.iter().find(|known| known.name == *before)),
            release: &found.release,
            commit,
            images: &images,
            verdicts: &verdicts,
            runs: runs.as_ref(),
            between: &between,
            weighed: &decided.weighed,
            who: decided.facts.requester.1.found().map_or("", |right| right.who.as_str()),
            last_there: found.last_there,
            now: decided.facts.as_of,
            audience,
            links: &links,
        };
        let body = self.words.promotion_preview(&preview);
        let emoji = match stage {
            Stage::DryRun if decided.weighed.bars.is_empty() || decided.weighed.waits_for_approval => Emoji::WhiteCheckMark,
            Stage::DryRun | Stage::Refused => Emoji::X,
            Stage::Begins | Stage::Waits => Emoji::Hourglass,
        };
        let codes = || decided.weighed.bars.iter().map(Bar::code).collect::<Vec<_>>().join(", ");
        let verb = match case.direction {
            Direction::Promote => "promote",
            Direction::Rollback => "rollback",
        };
        let refused =
            (stage == Stage::Refused).then(|| format!("{verb} {} {}: refused, {}", case.environment.name, found.release, codes()));
        Ok(Answer { body, emoji, refused })
    }

    /// The release to promote. `Err`: the words that say why there is none.
    async fn forward(&self, rule: &Rule, asked: &Asked<'_>, target: Option<&Target>) -> Result<Result<Found, String>, Stopped> {
        let release = match target {
            Some(Target::Name(name)) if rule.watched.release_tags.matches(name) => name.clone(),
            Some(Target::Name(name)) => return Ok(Err(self.words.not_found(&NotFound::Name(name.clone())))),
            Some(Target::Digest(digest)) => match self.release_of(rule, asked, digest).await? {
                Some(release) => release,
                None => return Ok(Err(self.words.not_found(&NotFound::Digest(*digest)))),
            },
            None => match self.releases_here(rule, asked).await?.as_slice() {
                [] => return Ok(Err(self.words.not_found(&NotFound::Release))),
                [release] => release.clone(),
                releases => return Ok(Err(self.words.promotion_answer(&PromotionAnswer::SeveralReleases { releases }))),
            },
        };
        let images = rule.watched.images.iter().map(|image| (image.clone(), About::Release { tag: release.clone() })).collect();
        Ok(Ok(Found { release, images, last_there: None }))
    }

    /// The one release that a digest of this project passed under.
    async fn release_of(&self, rule: &Rule, asked: &Asked<'_>, digest: &Digest) -> Result<Option<String>, Stopped> {
        for image in &rule.watched.images {
            if let Some(release) = self.ledger.release_of_digest(asked.project, &image.repository, digest).await? {
                return Ok(Some(release));
            }
        }
        Ok(None)
    }

    /// The releases that hold the merge request.
    async fn releases_here(&self, rule: &Rule, asked: &Asked<'_>) -> Result<Vec<String>, Stopped> {
        let gitlab = self.gitlab(&asked.project.instance)?;
        let mut releases: Vec<String> = vec![];
        for sha in &asked.merge_request.merged_as {
            for tag in seen(gitlab.tags_containing(asked.project.id, sha).await)?.unwrap_or_default() {
                if rule.watched.release_tags.matches(&tag) && !releases.contains(&tag) {
                    releases.push(tag);
                }
            }
        }
        Ok(releases)
    }

    /// The release to go back to: the newest that was there before what was promoted last, or the named one if it was there.
    async fn back(
        &self,
        rule: &Rule,
        asked: &Asked<'_>,
        environment: &Environment,
        target: Option<&Target>,
    ) -> Result<Result<Found, String>, Stopped> {
        let runs = self.runs(asked.project, &environment.name).await?;
        let wanted = |standing: &Standing| match target {
            None => runs.as_ref().is_some_and(|now| now.promotion.images != standing.promotion.images),
            Some(Target::Name(name)) => standing.promotion.release == *name,
            Some(Target::Digest(digest)) => standing.promotion.images.iter().any(|(_, image)| image.digest == *digest),
        };
        let Some(standing) = self.ledger.arrival(asked.project, &environment.name, wanted).await? else {
            let nothing = PromotionAnswer::NothingToRollBackTo { environment: &environment.name.0 };
            return Ok(Err(self.words.promotion_answer(&nothing)));
        };
        let Promotion { release, images: held, .. } = &standing.promotion;
        let about = |image: &WatchedImage| {
            let pinned = held.iter().find(|(_, pinned)| pinned.repository == image.repository);
            // One that was not there then is judged as the release has it, and differs from what was there.
            pinned.map_or(About::Release { tag: release.clone() }, |(_, pinned)| About::Image {
                digest: pinned.digest,
                tag: Some(release.clone()),
            })
        };
        let images = rule.watched.images.iter().map(|image| (image.clone(), about(image))).collect();
        Ok(Ok(Found { release: release.clone(), images, last_there: standing.promoted_at() }))
    }
}

fn stage(weighed: &Weighed) -> Stage {
    if weighed.waits_for_approval { Stage::Waits } else { Stage::Begins }
}

fn asked_in(asked: &Asked<'_>, place: usize) -> Option<AskedIn> {
    Some(AskedIn {
        merge_request: asked.merge_request.iid,
        note: asked.note.id,
        discussion: asked.note.discussion.clone()?,
        place,
        words: super::words_of(asked.note),
    })
}

fn held_by(standing: &Standing) -> Holder {
    let Promotion { id, requested_by, release, requested_at, .. } = &standing.promotion;
    Holder { promotion: id.clone(), by: requested_by.clone(), release: release.clone(), since: *requested_at }
}
