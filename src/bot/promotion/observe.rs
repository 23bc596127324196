//! What an environment runs, held against what was promoted there.

use super::super::{Bot, Handled, Stopped, seen};
use crate::event::What;
use crate::model::gitlab::{GitRef, ProjectKey};
use crate::model::promotion::{Act, Promotion, Standing, StepStanding};
use crate::model::{Digest, EnvironmentName, Timestamp};
use crate::verdict::Looked;
use crate::verdict::promotion::Bar;

/// Promotions after the one that arrived last that are asked what they left.
const LATER_MAX: usize = 20;

impl Bot {
    /// Looks at what runs, and says in the thread of the last promotion when it is something else: each found thing once.
    pub(in crate::bot) async fn observe(&self, project: &ProjectKey, environment: &EnvironmentName) -> Result<Handled, Stopped> {
        // What an open promotion does is no drift; its end looks again.
        if self.ledger.holder(project, environment).await?.is_some() {
            return Ok(Handled::Done);
        }
        let Some(standing) = self.runs(project, environment).await? else { return Ok(Handled::Done) };
        let Some(promoted_at) = standing.promoted_at() else { return Ok(Handled::Done) };
        let mut found = self.moved_tags(&standing).await?;
        found.extend(self.deployed_since(&standing).await?);
        let left = self.left_since(project, environment, promoted_at).await?;
        found.retain(|found| !left.contains(&found.what));
        let Some(expected) = standing.promotion.images.first().map(|(_, image)| image.digest) else { return Ok(Handled::Done) };
        for found in found {
            let expected = found.instead_of.unwrap_or(expected);
            let about = format!("drift/{}", Digest::of(found.what.as_bytes()).hex());
            let bar = Bar::Drift { environment: environment.clone(), found: found.what, expected, at: promoted_at };
            tracing::warn!(%project, %environment, promotion = %standing.promotion.id, "drift");
            if self.follow_up(&standing.promotion, &about, self.words.drift(&bar, &standing), None).await? {
                self.push(project, What::Tag { name: standing.promotion.release.clone() }).await?;
            }
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
            match seen(self.looks.registry().resolve(repository, tag).await)? {
                Some(now) if now == image.digest => {}
                Some(now) => found.push(Found { what: now.to_string(), instead_of: Some(image.digest) }),
                None => found.push(Found { what: format!("no tag {tag}"), instead_of: Some(image.digest) }),
            }
        }
        Ok(found)
    }

    /// What our own later promotions put under tags and did not bring to an end: their threads tell of it, and nobody else did it.
    async fn left_since(&self, project: &ProjectKey, environment: &EnvironmentName, since: Timestamp) -> Result<Vec<String>, Stopped> {
        let later = self.ledger.promotions_to(project, environment, LATER_MAX).await?;
        let later = later.iter().filter(|standing| standing.ended.as_ref().is_some_and(|(_, at)| *at > since));
        let did = later.flat_map(|standing| &standing.steps).filter(|step| step.began.is_some());
        let image = |step: &StepStanding| match &step.act {
            Act::Retag { image, .. } | Act::Copy { image, tag: Some(_), .. } => Some(image.digest.to_string()),
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
        Ok(Some(Found { what: format!("{} at commit {}", newest.git_ref.name(), newest.sha.short()), instead_of: None }))
    }
}

/// What runs instead.
struct Found {
    what: String,
    /// The digest whose place it took; `None` where no image can be named.
    instead_of: Option<Digest>,
}
