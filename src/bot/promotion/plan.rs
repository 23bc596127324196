//! What a promotion will do: made once, of the environment's actions, with every value.

use crate::model::environment::{Action, Values};
use crate::model::gitlab::GitRef;
use crate::model::project::WatchedProject;
use crate::model::promotion::{Act, Person, Promotion, Summary};
use crate::model::{PinnedImage, Timestamp};

/// What the attested summaries say beside the promotion itself.
pub(super) struct Said<'a> {
    /// The bot's public URL.
    pub verifier: &'a str,
    pub project_url: &'a str,
    pub verified_at: Timestamp,
    pub approved_by: Vec<Person>,
}

/// The acts, in order. `Err` is a sentence for people: an action cannot be done for these images.
pub(super) fn plan(promotion: &Promotion, watched: &WatchedProject, said: &Said<'_>) -> Result<Vec<Act>, String> {
    let mut acts = vec![];
    for action in &promotion.environment.actions {
        match action {
            Action::Retag { tag } => acts.extend(images(promotion).map(|image| Act::Retag { image, tag: tag.clone() })),
            Action::Copy { to, tag } => {
                for (name, image) in &promotion.images {
                    let held = watched.images.iter().find(|held| held.name == *name);
                    let to = held.and_then(|held| to.of(held)).ok_or_else(|| format!("the copy target of {name} is no repository"))?;
                    acts.push(Act::Copy { image: image.clone(), to, tag: tag.clone() });
                }
            }
            Action::PlayJob { job, values: given } => {
                let (pipeline, job) = (promotion.pipeline, job.clone());
                acts.push(Act::PlayJob { pipeline, job, carrier: given.carrier, values: values(given, promotion) });
            }
            Action::StartPipeline { branch, values: given } => {
                let (git_ref, sha) = match branch {
                    Some(branch) => (GitRef::Branch(branch.clone()), None),
                    None => (GitRef::Tag(promotion.release.clone()), Some(promotion.commit.clone())),
                };
                acts.push(Act::StartPipeline { git_ref, sha, carrier: given.carrier, values: values(given, promotion) });
            }
            Action::Deployment => {
                let (environment, sha) = (promotion.environment.name.clone(), promotion.commit.clone());
                acts.push(Act::Deployment { environment, sha, git_ref: GitRef::Tag(promotion.release.clone()) });
            }
            Action::Attest => {
                acts.extend(images(promotion).map(|image| Act::Attest { image, summary: summary(promotion, said) }));
            }
        }
    }
    Ok(acts)
}

fn images(promotion: &Promotion) -> impl Iterator<Item = PinnedImage> + '_ {
    promotion.images.iter().map(|(_, image)| image.clone())
}

/// `IMAGE`, or one value for each image of several: `IMAGE_API`.
fn values(given: &Values, promotion: &Promotion) -> Vec<(String, String)> {
    let named = |name: &str| match promotion.images.len() {
        1 => given.image.clone(),
        _ => format!("{}_{}", given.image, name.to_uppercase().replace(['-', '.'], "_")),
    };
    promotion.images.iter().map(|(name, image)| (named(name), image.to_string())).collect()
}

fn summary(promotion: &Promotion, said: &Said<'_>) -> Summary {
    let environment = &promotion.environment.name;
    let name: String = url::form_urlencoded::byte_serialize(environment.0.as_bytes()).collect();
    Summary {
        verifier: said.verifier.into(),
        resource: format!("{}/-/environments?search={name}", said.project_url),
        policy: promotion.rule,
        verified_at: said.verified_at,
        promotion: promotion.id.clone(),
        environment: environment.clone(),
        requested_by: promotion.requested_by.clone(),
        approved_by: said.approved_by.clone(),
    }
}
