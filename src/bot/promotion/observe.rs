//! What an environment runs, held against what was promoted there.

use super::super::{Bot, Handled, Stopped, seen};
use crate::event::What;
use crate::model::gitlab::{GitRef, ProjectKey};
use crate::model::promotion::{Act, Drift, Promotion, PromotionEvent, Running, Standing, StepStanding};
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};
use crate::verdict::Looked;
use crate::verdict::promotion::Bar;

/// Something that runs, and the digest whose place it took; `None` where no image can be named.
type Found = (Running, Option<Digest>);

/// Promotions after the one that arrived last that are asked what they left.
const LATER_MAX: usize = 20;

impl Bot {
    /// Looks at what runs. What is found instead of what was promoted last, and that it is gone again, is recorded, and told in the
    /// thread of that promotion: once each, however often it is seen.
    pub(in crate::bot) async fn observe(&self, project: &ProjectKey, environment: &EnvironmentName) -> Result<Handled, Stopped> {
        // What an open promotion does is no drift; its end looks again.
        if self.ledger.holder(project, environment).await?.is_some() {
            return Ok(Handled::Done);
        }
        let Some(standing) = self.runs(project, environment).await? else { return Ok(Handled::Done) };
        let mut found = self.moved_tags(&standing).await?;
        found.extend(self.deployed_since(&standing).await?);
        let now = Timestamp::now();
        if let Some(news) = self.ledger.record_drift(&standing.promotion.id, &found, now).await? {
            log(&standing.promotion, &news, now);
        }
        // As the record has it, also where a run before this one ended before it told.
        match self.ledger.promotion(&standing.promotion.id).await? {
            Some(standing) => self.tell_drift(&standing, None).await,
            None => Ok(Handled::Done),
        }
    }

    /// What was found in place of the promotion before this one is gone with it.
    pub(super) async fn replaces(&self, standing: &Standing) -> Result<(), Stopped> {
        let Promotion { id, project, environment, .. } = &standing.promotion;
        let before = self.ledger.arrival(project, &environment.name, |other| other.promotion.id != *id).await?;
        let Some(before) = before.map(|before| before.promotion.id) else { return Ok(()) };
        self.ledger.end_drift(&before, id, Timestamp::now()).await?;
        match self.ledger.promotion(&before).await? {
            Some(before) if before.drift_over.as_ref().is_some_and(|(by, _)| by.as_ref() == Some(id)) => {
                self.tell_drift(&before, Some(standing)).await.map(drop)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says what the record has about a drift, each once, and has what is written of the release written again.
    async fn tell_drift(&self, standing: &Standing, by: Option<&Standing>) -> Result<Handled, Stopped> {
        let promotion = &standing.promotion;
        let (Some(at), Some((_, first))) = (standing.promoted_at(), promotion.images.first()) else { return Ok(Handled::Done) };
        let mut words = vec![];
        let left = self.left_since(&promotion.project, &promotion.environment.name, at).await?;
        for Drift { found, instead_of, since } in &standing.drift {
            if matches!(found, Running::Image { image } if left.contains(&image.digest)) {
                // It is on record, and said wherever it is said what runs; the thread of the promotion that left it tells why.
                continue;
            }
            let what = found.to_string();
            // A thing that comes back after it was gone is another drift.
            let about = format!("drift/{since}/{}", Digest::of(what.as_bytes()).hex());
            let expected = instead_of.unwrap_or(first.digest);
            let bar = Bar::Drift { environment: promotion.environment.name.clone(), found: what, expected, at };
            words.push((about, self.words.drift(&bar, standing)));
        }
        if let Some((_, over)) = &standing.drift_over {
            words.push((format!("drift-over/{over}"), self.words.drift_over(standing, by)));
        }
        for (about, body) in words {
            if self.has_said(promotion, &about).await? {
                continue;
            }
            // Before the words: whoever is stopped in between comes back for them, and pushes again.
            self.push(&promotion.project, What::Tag { name: promotion.release.clone() }).await?;
            self.follow_up(promotion, &about, body, None).await?;
        }
        Ok(Handled::Done)
    }

    /// The tags that the promotion wrote and that name something else now.
    async fn moved_tags(&self, standing: &Standing) -> Result<Vec<Found>, Stopped> {
        let mut found = vec![];
        for step in &standing.steps {
            let (repository, tag, image) = match &step.act {
                Act::Retag { image, tag } => (&image.repository, tag, image),
                Act::Copy { image, to, tag: Some(tag) } => (to, tag, image),
                Act::Copy { tag: None, .. }
                | Act::PlayJob { .. }
                | Act::StartPipeline { .. }
                | Act::Deployment { .. }
                | Act::Attest { .. } => continue,
            };
            let running = match seen(self.looks.registry().resolve(repository, tag).await)? {
                Some(now) if now == image.digest => continue,
                Some(digest) => Running::Image { image: PinnedImage { repository: repository.clone(), digest } },
                None => Running::NoTag { tag: tag.clone() },
            };
            found.push((running, Some(image.digest)));
        }
        found.dedup();
        Ok(found)
    }

    /// What our own later promotions put under tags and did not bring to an end: their threads tell of it, and nobody else did it.
    async fn left_since(&self, project: &ProjectKey, environment: &EnvironmentName, since: Timestamp) -> Result<Vec<Digest>, Stopped> {
        let later = self.ledger.promotions_to(project, environment, LATER_MAX).await?;
        let later = later.iter().filter(|standing| standing.ended.as_ref().is_some_and(|(_, at)| *at > since));
        let did = later.flat_map(|standing| &standing.steps).filter(|step| step.began.is_some());
        let image = |step: &StepStanding| match &step.act {
            Act::Retag { image, .. } | Act::Copy { image, tag: Some(_), .. } => Some(image.digest),
            Act::Copy { tag: None, .. } | Act::PlayJob { .. } | Act::StartPipeline { .. } | Act::Deployment { .. } | Act::Attest { .. } => {
                None
            }
        };
        Ok(did.filter_map(image).collect())
    }

    /// A deployment of another commit, newer than the promotion. Only where the promotion deploys the release's own commit can
    /// another one tell anything: a pipeline on a branch deploys commits of that branch.
    async fn deployed_since(&self, standing: &Standing) -> Result<Option<Found>, Stopped> {
        let Promotion { project, environment, commit, .. } = &standing.promotion;
        let on_branch = |act: &Act| matches!(act, Act::StartPipeline { git_ref: GitRef::Branch(_), .. });
        if standing.steps.iter().any(|step| on_branch(&step.act)) {
            return Ok(None);
        }
        let newest = match self.gitlab(&project.instance)?.latest_deployment(project.id, &environment.name).await {
            Looked::Found(deployment) => deployment,
            Looked::Absent => return Ok(None),
            Looked::Unreachable(why) => return Err(Stopped::NotSeen(why)),
        };
        let newer = newest.at.is_some_and(|at| at > standing.promotion.requested_at);
        if newest.sha == *commit || !newer {
            return Ok(None);
        }
        Ok(Some((Running::Commit { git_ref: newest.git_ref, sha: newest.sha }, None)))
    }
}

/// One line for each thing that was not there at the last look.
fn log(promotion: &Promotion, news: &PromotionEvent, now: Timestamp) {
    let Promotion { id, project, environment, .. } = promotion;
    match news {
        PromotionEvent::DriftSeen { found } => {
            for drift in found.iter().filter(|drift| drift.since == now) {
                tracing::warn!(%project, environment = %environment.name, promotion = %id, found = %drift.found, "drift");
            }
        }
        PromotionEvent::DriftOver { .. } => {
            tracing::info!(%project, environment = %environment.name, promotion = %id, "drift is over");
        }
        PromotionEvent::Opened { .. }
        | PromotionEvent::Approved { .. }
        | PromotionEvent::Cleared { .. }
        | PromotionEvent::Began { .. }
        | PromotionEvent::Did { .. }
        | PromotionEvent::Waiting
        | PromotionEvent::Ended { .. } => {}
    }
}
