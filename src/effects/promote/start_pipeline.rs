//! `start-pipeline`: a new pipeline on the release's tag or on a branch, with the image as its variable or input
//! ([GitLab, create a pipeline](https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline)).

use gitlab::api::common::SortOrder;
use gitlab::api::projects::pipelines::{Pipeline as PipelineEndpoint, PipelineOrderBy, PipelineVariables, Pipelines};
use serde::Deserialize;
use serde_json::json;

use super::ci::{Given, LOOK_BACK, Step, demand_inputs};
use crate::effects::NotDone;
use crate::effects::hands::Author;
use crate::gitlab_client::{CallError, endpoints};
use crate::model::Timestamp;
use crate::model::environment::Carrier;
use crate::model::gitlab::{GitRef, PipelineId};
use crate::model::promotion::Left;

/// The variable that names the promotion: by it a pipeline whose start was never recorded is found again.
pub const MARK: &str = "COUNTERSIGN_PROMOTION";

/// The first GitLab whose pipelines take inputs by default ([pipeline inputs](https://docs.gitlab.com/ci/inputs/)).
const INPUTS_SINCE: (u64, u64) = (18, 1);

/// GitLab's words where a project does not let our role set variables (`ci_pipeline_variables_minimum_override_role`).
const NO_VARIABLES: &str = "Insufficient permissions to set pipeline variables";

#[derive(Debug, Deserialize)]
struct Listed {
    id: PipelineId,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Pipeline {
    id: PipelineId,
    #[serde(rename = "ref")]
    ref_name: String,
    tag: bool,
    source: String,
    user: Option<Author>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    key: String,
    value: Option<String>,
}

/// Whose a pipeline is.
enum Whose {
    /// Of this promotion, by its mark.
    Ours,
    /// Of somebody or something else.
    Other,
    /// Started by us, without a mark: only inputs go without one.
    Unmarked,
    /// Started by us; its mark is kept from us.
    Hidden,
}

/// Starts a pipeline, or finds the one that an earlier run started.
pub async fn start(step: &Step<'_>, git_ref: &GitRef, given: Given<'_>) -> Result<Left, NotDone> {
    step.demand_clearance(&given)?;
    if step.began_before.is_some()
        && let Some(id) = started(step, git_ref, given.carrier).await?
    {
        return Ok(Left::Pipeline { id });
    }
    if given.carrier == Carrier::Inputs {
        demand_inputs(step.hand, INPUTS_SINCE, "a pipeline").await?;
    }
    let made = match post(step, git_ref, given, true).await {
        // Nothing was started. Inputs need no variables; without the mark the pipeline is known by who started it, and when.
        Err(CallError::Rejected { status: 400, message }) if message.contains(NO_VARIABLES) && given.carrier == Carrier::Inputs => {
            post(step, git_ref, given, false).await
        }
        made => made,
    };
    let made = made.map_err(|error| refused(git_ref, error))?;
    let me = step.hand.me().await?;
    let asked = made.is_on(git_ref) && made.user.as_ref().is_some_and(|user| user.id == me);
    if asked {
        Ok(Left::Pipeline { id: made.id })
    } else {
        Err(on(git_ref, &format!("became #{}, which is not the one asked for", made.id)))
    }
}

async fn post(step: &Step<'_>, git_ref: &GitRef, given: Given<'_>, marked: bool) -> Result<Pipeline, CallError> {
    let mut variables = if marked { vec![json!({"key": MARK, "value": step.place.promotion.0})] } else { vec![] };
    // The full name: a tag and a branch may share the short one.
    let mut body = json!({"ref": git_ref.full()});
    match given.carrier {
        Carrier::Variables => variables.extend(given.variables()),
        Carrier::Inputs => body["inputs"] = given.inputs(),
    }
    if !variables.is_empty() {
        body["variables"] = variables.into();
    }
    step.hand.client.one(endpoints::start_pipeline(step.place.project.id, body)).await
}

/// The pipeline that an earlier run of this step started, if it did.
async fn started(step: &Step<'_>, git_ref: &GitRef, carrier: Carrier) -> Result<Option<PipelineId>, NotDone> {
    let mut builder = Pipelines::builder();
    builder.project(step.place.project.id.0).ref_(git_ref.name());
    let endpoint = builder.order_by(PipelineOrderBy::Id).sort(SortOrder::Descending).build();
    let newest: Vec<Listed> = step.hand.client.first(endpoint, LOOK_BACK).await?;
    let (mut unmarked, count) = (vec![], newest.len());
    let recent: Vec<Listed> = newest.into_iter().filter(|listed| step.since_begun(listed.created_at)).collect();
    if recent.len() == LOOK_BACK && count == LOOK_BACK {
        return Err(on(git_ref, "may have been started already, among more pipelines than are looked through; look at them"));
    }
    for listed in recent {
        match whose(step, git_ref, listed.id).await? {
            Whose::Ours => return Ok(Some(listed.id)),
            Whose::Unmarked if carrier == Carrier::Variables => {}
            Whose::Other => {}
            Whose::Unmarked | Whose::Hidden => unmarked.push(listed.id),
        }
    }
    match (carrier, unmarked.as_slice()) {
        (_, []) => Ok(None),
        (Carrier::Inputs, [one]) => Ok(Some(*one)),
        (Carrier::Inputs | Carrier::Variables, _) => {
            Err(on(git_ref, "may have been started already, and GitLab does not tell by which promotion; look at the pipelines there"))
        }
    }
}

async fn whose(step: &Step<'_>, git_ref: &GitRef, id: PipelineId) -> Result<Whose, NotDone> {
    let project = step.place.project.id;
    let found = match step.hand.client.one(PipelineEndpoint::builder().project(project.0).pipeline(id.0).build()).await {
        // Deleted since it was listed.
        Err(CallError::NotFound) => return Ok(Whose::Other),
        found => found?,
    };
    let found: Pipeline = found;
    let me = step.hand.me().await?;
    if !found.is_on(git_ref) || found.source != "api" || found.user.is_none_or(|user| user.id != me) {
        return Ok(Whose::Other);
    }
    let variables = step.hand.client.all::<Variable, _, _>(PipelineVariables::builder().project(project.0).pipeline(id.0).build()).await;
    match variables {
        Err(CallError::Refused(403)) => Ok(Whose::Hidden),
        variables => Ok(match variables?.into_iter().find(|variable| variable.key == MARK) {
            Some(mark) if mark.value.as_deref() == Some(&step.place.promotion.0) => Whose::Ours,
            Some(_) => Whose::Other,
            None => Whose::Unmarked,
        }),
    }
}

impl Pipeline {
    fn is_on(&self, git_ref: &GitRef) -> bool {
        self.ref_name == git_ref.name() && self.tag == matches!(git_ref, GitRef::Tag(_))
    }
}

fn on(git_ref: &GitRef, what: &str) -> NotDone {
    NotDone::Never(format!("a pipeline on `{}` {what}", git_ref.name()))
}

/// GitLab's refusal, with what to do about it.
fn refused(git_ref: &GitRef, error: CallError) -> NotDone {
    match error {
        CallError::Rejected { status: 400, message } if message.contains(NO_VARIABLES) => on(
            git_ref,
            "was not started: the project does not let the bot's role set pipeline variables; use inputs, or lower the project's \
             minimum role to use pipeline variables",
        ),
        CallError::Rejected { status: 400, message } => on(git_ref, &format!("was not started; GitLab says: {message}")),
        CallError::Refused(403) => on(git_ref, "was not started: the bot may not run pipelines there (403); it needs the role Developer"),
        error @ (CallError::Rejected { .. }
        | CallError::Refused(_)
        | CallError::NotFound
        | CallError::Hidden
        | CallError::Limited { .. }
        | CallError::Down { .. }
        | CallError::TooLarge(_)
        | CallError::Unreadable(_)) => error.into(),
    }
}
