//! `deployment`: records a promotion as a GitLab deployment
//! ([GitLab, create a deployment](https://docs.gitlab.com/api/deployments/#create-a-deployment)).

use gitlab::api::common::SortOrder;
use gitlab::api::projects::deployments::{CreateDeployment, DeploymentOrderBy, DeploymentStatus, Deployments};
use serde::Deserialize;

use super::ci::{LOOK_BACK, Step};
use crate::effects::NotDone;
use crate::effects::hands::Author;
use crate::gitlab_client::CallError;
use crate::model::gitlab::{CommitSha, DeploymentId, GitRef};
use crate::model::promotion::Left;
use crate::model::{EnvironmentName, Timestamp};

/// What was deployed, and where.
#[derive(Clone, Copy)]
pub struct What<'a> {
    pub environment: &'a EnvironmentName,
    pub sha: &'a CommitSha,
    pub git_ref: &'a GitRef,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    id: DeploymentId,
    sha: CommitSha,
    #[serde(rename = "ref")]
    ref_name: String,
    status: String,
    environment: Environment,
    user: Option<Author>,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Environment {
    name: String,
}

impl Deployment {
    fn is(&self, what: &What<'_>) -> bool {
        let here = self.environment.name == what.environment.0 && self.sha == *what.sha && self.ref_name == what.git_ref.name();
        here && self.status == "success"
    }
}

/// Records it, as a success: the steps before it are done, and where a job deploys, that job makes its own deployment. What an earlier
/// run of this step recorded is taken over.
pub async fn record(step: &Step<'_>, what: What<'_>) -> Result<Left, NotDone> {
    if !step.clearances.iter().any(|clearance| clearance.environment() == what.environment) {
        return Err(NotDone::Never(format!("no image was cleared for {}; nothing was recorded", what.environment)));
    }
    let me = step.hand.me().await?;
    if step.began_before.is_some() {
        let ours =
            |held: &Deployment| held.is(&what) && held.user.as_ref().is_some_and(|user| user.id == me) && step.since_begun(held.created_at);
        if let Some(found) = newest(step, &what).await?.into_iter().find(ours) {
            return Ok(Left::Deployment { id: found.id });
        }
    }
    let mut builder = CreateDeployment::builder();
    builder.project(step.place.project.id.0).environment(what.environment.0.as_str()).sha(what.sha.as_str());
    builder.ref_(what.git_ref.name()).tag(matches!(what.git_ref, GitRef::Tag(_))).status(DeploymentStatus::Success);
    step.pulse.demand()?;
    let made: Deployment = step.hand.client.one(builder.build()).await.map_err(|error| refused(&what, error))?;
    if made.is(&what) {
        return Ok(Left::Deployment { id: made.id });
    }
    Err(NotDone::Never(format!("GitLab recorded another deployment than the one sent (#{}); look at {}", made.id, what.environment)))
}

async fn newest(step: &Step<'_>, what: &What<'_>) -> Result<Vec<Deployment>, CallError> {
    let mut builder = Deployments::builder();
    builder.project(step.place.project.id.0).environment(what.environment.0.as_str());
    let endpoint = builder.order_by(DeploymentOrderBy::Id).sort(SortOrder::Descending).build();
    step.hand.client.first(endpoint, LOOK_BACK).await
}

/// GitLab's refusal, with what to do about it.
fn refused(what: &What<'_>, error: CallError) -> NotDone {
    let environment = what.environment;
    match error {
        CallError::Refused(403) => NotDone::Never(format!(
            "the bot may not record a deployment to {environment} (403); it needs the role Developer and, where the environment is \
             protected, must be allowed to deploy there"
        )),
        CallError::Rejected { status, message } => {
            NotDone::Never(format!("GitLab took no deployment to {environment} ({status}: {message})"))
        }
        error @ (CallError::Refused(_)
        | CallError::NotFound
        | CallError::Hidden
        | CallError::Limited { .. }
        | CallError::Down { .. }
        | CallError::TooLarge(_)
        | CallError::Unreadable(_)) => error.into(),
    }
}
