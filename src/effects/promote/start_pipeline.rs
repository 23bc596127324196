//! `start-pipeline`: a new pipeline on the release's tag or on a branch, with the image as its variable or input
//! ([GitLab, create a pipeline](https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline)).
//!
//! It runs the ref's own CI file with the bot's rights, so whoever may choose what the ref holds chooses what runs. GitLab takes a ref
//! and no commit: a tag is read just before, and the commit of what was started just after. What is of another commit is cancelled;
//! between its start and that its first job may have begun. A branch must be protected.

use gitlab::api::common::SortOrder;
use gitlab::api::projects::pipelines::{CancelPipeline, Pipeline as PipelineEndpoint, PipelineOrderBy, PipelineVariables, Pipelines};
use gitlab::api::projects::repository::branches::Branch as BranchEndpoint;
use gitlab::api::projects::repository::tags::Tag as TagEndpoint;
use serde::Deserialize;
use serde_json::json;

use super::ci::{Given, LOOK_BACK, Step, demand_inputs};
use crate::effects::NotDone;
use crate::effects::hands::Author;
use crate::gitlab_client::{CallError, endpoints};
use crate::model::Timestamp;
use crate::model::environment::Carrier;
use crate::model::gitlab::{CommitSha, GitRef, PipelineId, UserId};
use crate::model::promotion::Left;

/// The variable that names the promotion: by it a pipeline whose start was never recorded is found again.
pub const MARK: &str = "COUNTERSIGN_PROMOTION";

/// The first GitLab whose pipelines take inputs by default ([pipeline inputs](https://docs.gitlab.com/ci/inputs/)).
const INPUTS_SINCE: (u64, u64) = (18, 1);

/// GitLab's words where a project does not let our role set variables (`ci_pipeline_variables_minimum_override_role`).
const NO_VARIABLES: &str = "Insufficient permissions to set pipeline variables";

/// What a pipeline is to run on.
#[derive(Clone, Copy)]
pub struct On<'a> {
    pub git_ref: &'a GitRef,
    /// The only commit that it may run; always there for a tag.
    pub sha: Option<&'a CommitSha>,
}

#[derive(Debug, Deserialize)]
struct Tag {
    name: String,
    commit: TagCommit,
}

#[derive(Debug, Deserialize)]
struct TagCommit {
    id: CommitSha,
}

#[derive(Debug, Deserialize)]
struct Branch {
    name: String,
    protected: bool,
}

/// All that is read of an answer that is not needed.
#[derive(Debug, Deserialize)]
struct Cancelled {}

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
    sha: CommitSha,
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
    Ours(Pipeline),
    /// Of somebody or something else.
    Other,
    /// Started by us, without a mark: only inputs go without one.
    Unmarked(Pipeline),
    /// Started by us; its mark is kept from us.
    Hidden(Pipeline),
}

/// Starts a pipeline, or finds the one that an earlier run started.
pub async fn start(step: &Step<'_>, on: On<'_>, given: Given<'_>) -> Result<Left, NotDone> {
    step.demand_clearance(&given)?;
    let me = step.hand.me().await?;
    if step.began_before.is_some()
        && let Some(held) = started(step, on.git_ref, given.carrier).await?
    {
        return as_asked(step, on, (held, me)).await;
    }
    if given.carrier == Carrier::Inputs {
        demand_inputs(step.hand, INPUTS_SINCE, "a pipeline").await?;
    }
    demand_ref(step, on).await?;
    step.pulse.demand()?;
    let made = match post(step, on.git_ref, given, true).await {
        // Nothing was started. Inputs need no variables; without the mark the pipeline is known by who started it, and when.
        Err(CallError::Rejected { status: 400, message }) if message.contains(NO_VARIABLES) && given.carrier == Carrier::Inputs => {
            post(step, on.git_ref, given, false).await
        }
        made => made,
    };
    let made = made.map_err(|error| refused(on.git_ref, error))?;
    as_asked(step, on, (made, me)).await
}

/// Looks at the ref just before: a tag may have been made again since the images were judged, and a branch that is not protected
/// holds whatever anybody who may push put there (SR-09, SR-16).
async fn demand_ref(step: &Step<'_>, on: On<'_>) -> Result<(), NotDone> {
    let project = step.place.project.id;
    let unlike = || NotDone::Later(format!("GitLab answers with another ref than `{}`", on.git_ref.name()));
    let gone = |error| match error {
        CallError::NotFound => self::on(on.git_ref, "was not started: there is no such ref any more"),
        error => NotDone::from(error),
    };
    match (on.git_ref, on.sha) {
        (GitRef::Tag(name), Some(sha)) => {
            let endpoint = TagEndpoint::builder().project(project.0).tag_name(name).build();
            let tag: Tag = step.hand.client.one(endpoint).await.map_err(gone)?;
            if tag.name != *name {
                return Err(unlike());
            }
            if tag.commit.id != *sha {
                let says = format!("was not started: the tag names commit {} now, and {} was judged", tag.commit.id.short(), sha.short());
                return Err(self::on(on.git_ref, &says));
            }
            Ok(())
        }
        (GitRef::Tag(_), None) => Err(self::on(on.git_ref, "was not started: its plan names no commit; ask again")),
        (GitRef::Branch(name), _) => {
            let endpoint = BranchEndpoint::builder().project(project.0).branch(name).build();
            let branch: Branch = step.hand.client.one(endpoint).await.map_err(gone)?;
            if branch.name != *name {
                return Err(unlike());
            }
            if branch.protected {
                return Ok(());
            }
            let says = "was not started: the branch is not protected, so whoever may push there would choose what runs with the bot's \
                        rights; protect the branch and ask again";
            Err(self::on(on.git_ref, says))
        }
    }
}

/// Whether the pipeline is the one asked for; one that is ours and is not is cancelled.
async fn as_asked(step: &Step<'_>, on: On<'_>, (made, me): (Pipeline, UserId)) -> Result<Left, NotDone> {
    let ours = made.user.as_ref().is_some_and(|user| user.id == me);
    let of_commit = on.sha.is_none_or(|sha| made.sha == *sha);
    if ours && made.is_on(on.git_ref) && of_commit {
        return Ok(Left::Pipeline { id: made.id });
    }
    let what = if of_commit {
        format!("became #{}, which is not the one asked for", made.id)
    } else {
        format!("became #{} of commit {}, which nobody judged: the tag was moved meanwhile", made.id, made.sha.short())
    };
    // Another's is not ours to end.
    let end = if ours { cancel(step, made.id).await } else { "look at it".into() };
    Err(self::on(on.git_ref, &format!("{what}; {end}")))
}

/// Cancels a pipeline, and says whether that worked: somebody must know of it if not.
async fn cancel(step: &Step<'_>, id: PipelineId) -> String {
    let endpoint = CancelPipeline::builder().project(step.place.project.id.0).pipeline(id.0).build();
    match step.hand.client.one::<Cancelled, _, _>(endpoint).await {
        Ok(Cancelled {}) => "it was cancelled; look at what its first jobs did".into(),
        Err(error) => format!("it could not be cancelled ({error}), so cancel it by hand"),
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
async fn started(step: &Step<'_>, git_ref: &GitRef, carrier: Carrier) -> Result<Option<Pipeline>, NotDone> {
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
            Whose::Ours(pipeline) => return Ok(Some(pipeline)),
            Whose::Unmarked(_) if carrier == Carrier::Variables => {}
            Whose::Other => {}
            Whose::Unmarked(pipeline) | Whose::Hidden(pipeline) => unmarked.push(pipeline),
        }
    }
    match (carrier, unmarked.len()) {
        (_, 0) => Ok(None),
        (Carrier::Inputs, 1) => Ok(unmarked.pop()),
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
    if !found.is_on(git_ref) || found.source != "api" || found.user.as_ref().is_none_or(|user| user.id != me) {
        return Ok(Whose::Other);
    }
    let variables = step.hand.client.all::<Variable, _, _>(PipelineVariables::builder().project(project.0).pipeline(id.0).build()).await;
    match variables {
        Err(CallError::Refused(403)) => Ok(Whose::Hidden(found)),
        variables => Ok(match variables?.into_iter().find(|variable| variable.key == MARK) {
            Some(mark) if mark.value.as_deref() == Some(&step.place.promotion.0) => Whose::Ours(found),
            Some(_) => Whose::Other,
            None => Whose::Unmarked(found),
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
