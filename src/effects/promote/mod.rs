//! What a promotion changes outside; one file an action. Nothing here runs without a [`Clearance`] for the very image.

pub mod attest;
mod beside;
mod ci;
mod copy;
mod deployment;
mod play_job;
mod pulse;
pub mod registry;
mod retag;
mod start_pipeline;
mod tests;

use std::future::Future;
use std::time::Duration;

use super::{Hands, NotDone};
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{Act, Left, PromotionId};
use crate::model::{EnvironmentName, ImageReference, PinnedImage, Pointer, Repository, Timestamp};
use crate::registry_client::Wires;
use crate::registry_client::limits::Limits;
use crate::verdict::Clearance;
use attest::{BadSigningKey, SigningKey, SigningSettings};
use pulse::Pulse;
use registry::{BadSettings, Side};

/// The longest one run of a step in a registry may take: under the time that the queue gives to one piece of work. A copy that takes
/// longer goes on where it was stopped, blob by blob.
const STEP: Duration = Duration::from_secs(420);

/// How promotions reach registries, and what they sign with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// With logins that may push. No other registry is written to, and none that is missing here is copied from.
    pub registries: Vec<registry::Settings>,
    /// Needed by `attest`.
    pub signing: Option<SigningSettings>,
}

/// Why settings make no [`Promoter`].
#[derive(Debug, thiserror::Error)]
pub enum BadPromoter {
    #[error(transparent)]
    Registry(#[from] BadSettings),
    #[error(transparent)]
    Key(#[from] BadSigningKey),
}

/// The hand that writes to registries, with the bot's own signing key.
#[derive(Debug)]
pub struct Promoter {
    wires: Wires,
    key: Option<SigningKey>,
}

impl Promoter {
    /// Prepares the connections and unlocks the key; nothing is sent yet.
    pub fn new(settings: Settings) -> Result<Self, BadPromoter> {
        Self::with_limits(settings, Limits::default())
    }

    fn with_limits(settings: Settings, limits: Limits) -> Result<Self, BadPromoter> {
        let key = settings.signing.as_ref().map(SigningKey::read).transpose()?;
        Ok(Self { wires: Wires::new(settings.registries, limits)?, key })
    }

    /// The key that summaries are signed with, if there is one: people need its public half.
    pub fn key(&self) -> Option<&SigningKey> {
        self.key.as_ref()
    }

    fn side<'a>(&'a self, repository: &'a Repository, pulse: &'a Pulse) -> Result<Side<'a>, NotDone> {
        Ok(Side { wire: self.wires.to(repository)?, repository, pulse })
    }

    async fn retag(&self, pulse: &Pulse, image: &PinnedImage, tag: &str) -> Result<Left, NotDone> {
        within(retag::retag(self.side(&image.repository, pulse)?, image.digest, tag)).await
    }

    async fn copy(&self, pulse: &Pulse, image: &PinnedImage, (to, tag): (&Repository, Option<&str>)) -> Result<Left, NotDone> {
        within(copy::copy(self.side(&image.repository, pulse)?, self.side(to, pulse)?, (image.digest, tag))).await
    }

    async fn attest(&self, pulse: &Pulse, image: &PinnedImage, summary: &crate::model::promotion::Summary) -> Result<Left, NotDone> {
        let key = self.key.as_ref().ok_or_else(|| NotDone::Never("there is no key to sign with".into()))?;
        within(attest::attest(self.side(&image.repository, pulse)?, key, (image, summary))).await
    }
}

async fn within(step: impl Future<Output = Result<Left, NotDone>>) -> Result<Left, NotDone> {
    let late =
        || NotDone::Later(format!("the registry needs longer than {} s; what is done stays, and it goes on from there", STEP.as_secs()));
    tokio::time::timeout(STEP, step).await.unwrap_or_else(|_| Err(late()))
}

/// Which step of which promotion.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub project: &'a ProjectKey,
    pub promotion: &'a PromotionId,
    pub environment: &'a EnvironmentName,
    pub step: usize,
}

impl Hands {
    /// Does one step, or finds it done: looks first, changes only what differs, and reads back what it changed.
    ///
    /// `began_before` is when an earlier run recorded that it was about to do just this and then ended without an outcome. What it may
    /// have started is then looked for, and taken over instead of started twice (SR-21).
    pub async fn step(
        &self,
        clearances: &[Clearance],
        place: Place<'_>,
        act: &Act,
        began_before: Option<Timestamp>,
    ) -> Result<Left, NotDone> {
        cleared(clearances, place.environment, act)?;
        let pulse = Pulse::start();
        let step = || Ok::<_, NotDone>(ci::Step { hand: self.hand(place.project)?, place, clearances, began_before, pulse: &pulse });
        match act {
            Act::Retag { image, tag } => self.promoter()?.retag(&pulse, image, tag).await,
            Act::Copy { image, to, tag } => self.promoter()?.copy(&pulse, image, (to, tag.as_deref())).await,
            Act::Attest { image, summary } => self.promoter()?.attest(&pulse, image, summary).await,
            Act::PlayJob { pipeline, job, carrier, values } => {
                let which = play_job::Which { pipeline: *pipeline, job };
                play_job::play(&step()?, which, ci::Given { carrier: *carrier, values }).await
            }
            Act::StartPipeline { git_ref, sha, carrier, values } => {
                let on = start_pipeline::On { git_ref, sha: sha.as_ref() };
                start_pipeline::start(&step()?, on, ci::Given { carrier: *carrier, values }).await
            }
            Act::Deployment { environment, sha, git_ref } => {
                deployment::record(&step()?, deployment::What { environment, sha, git_ref }).await
            }
        }
    }
}

/// Whether every image that the act carries was cleared, by its digest and for this environment. An act that carries none needs at
/// least one clearance for the environment. A summary, which says that policy is met, needs clearances that leave nothing out.
fn cleared(clearances: &[Clearance], environment: &EnvironmentName, act: &Act) -> Result<(), NotDone> {
    if !clearances.iter().any(|clearance| clearance.environment() == environment) {
        return Err(NotDone::Never(format!("nothing is cleared for {environment}")));
    }
    let clear = |image: &PinnedImage| {
        let fits = clearances.iter().any(|clearance| clearance.image() == image && clearance.environment() == environment);
        if fits { Ok(()) } else { Err(NotDone::Never(format!("{image} is not cleared for {environment}"))) }
    };
    let named = |other: &EnvironmentName| {
        if other == environment { Ok(()) } else { Err(NotDone::Never(format!("the step is for {other}, the promotion for {environment}"))) }
    };
    match act {
        Act::Retag { image, .. } | Act::Copy { image, .. } => clear(image),
        Act::Attest { image, summary } => named(&summary.environment).and_then(|()| clear(image)).and_then(|()| whole(clearances)),
        Act::Deployment { environment, .. } => named(environment),
        Act::PlayJob { values, .. } | Act::StartPipeline { values, .. } => {
            values.iter().try_for_each(|(_, value)| pinned(value)?.as_ref().map_or(Ok(()), clear))
        }
    }
}

/// Whether nothing was left out of what is demanded: of this image, and of those that it is promoted with.
fn whole(clearances: &[Clearance]) -> Result<(), NotDone> {
    match clearances.iter().find(|clearance| clearance.is_observed()) {
        None => Ok(()),
        Some(_) => Err(NotDone::Never("the policy is not met, only observed, and what would be signed says that it is met".into())),
    }
}

/// The image in a value, if it holds one. A reference that can move must not reach a job (SR-09).
fn pinned(value: &str) -> Result<Option<PinnedImage>, NotDone> {
    match value.parse() {
        Ok(ImageReference { repository, pointer: Pointer::Digest(digest) }) => Ok(Some(PinnedImage { repository, digest })),
        Ok(ImageReference { pointer: Pointer::Tag(_), .. }) => Err(NotDone::Never(format!("`{value}` names an image by a tag"))),
        Err(_) if value.contains("sha256:") => Err(NotDone::Never(format!("`{value}` is no image by its digest"))),
        Err(_) => Ok(None),
    }
}
