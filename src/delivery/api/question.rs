//! What is asked, read strictly.

use serde::Deserialize;

use super::caller::Caller;
use crate::model::ImageReference;
use crate::model::gitlab::{AskingJob, JobId};

/// What is asked about an image of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    pub image: ImageReference,
    pub environment: Option<String>,
    /// The release's Git tag, where the image does not tell it.
    pub tag: Option<String>,
    /// The job that asks, if one does.
    pub job: Option<AskingJob>,
}

/// The project that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub project: String,
    pub gitlab: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    image: String,
    project: String,
    #[serde(default)]
    gitlab: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    job: Option<u64>,
}

/// Reads a body. The error says what is wrong with it.
pub(super) fn read(bytes: &[u8], caller: &Caller) -> Result<(Place, Asking), String> {
    let body: Body = serde_json::from_slice(bytes).map_err(|why| format!("the body is no question: {why}"))?;
    let image = body.image.parse().map_err(|why| format!("`image` is no image: {why}"))?;
    let job = match (caller, body.job.map(JobId)) {
        (Caller::Token { .. }, job) => job.map(AskingJob::Said),
        (Caller::Job(own), Some(job)) if own.job != job => return Err("`job` is not the job that the ID token was made for".into()),
        (Caller::Job(own), _) => Some(AskingJob::Proven { job: own.job, pipeline: own.pipeline }),
    };
    let place = Place { project: body.project, gitlab: body.gitlab };
    Ok((place, Asking { image, environment: body.environment, tag: body.tag, job }))
}
