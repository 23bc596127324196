//! The forms that names, addresses and runs have in a statement, and what is kept of them.

use url::Url;

use crate::model::Digest;
use crate::model::attestation::RunnerClaim;
use crate::model::gitlab::{JobId, PipelineId, RunnerId};

/// Characters of a text that is kept: an address or a name.
pub(super) const TEXT: usize = 512;

/// Which run an invocation id names.
pub(super) struct Run {
    pub project: Option<String>,
    pub job: Option<JobId>,
    pub pipeline: Option<PipelineId>,
}

impl Run {
    pub fn read(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse() {
            return Some(Self { project: None, job: Some(JobId(number)), pipeline: None });
        }
        let address = address(text)?;
        if let Some((project, number)) = address.rsplit_once("/-/jobs/") {
            return Some(Self { project: Some(project.into()), job: Some(JobId(number.parse().ok()?)), pipeline: None });
        }
        let (project, number) = address.rsplit_once("/-/pipelines/")?;
        Some(Self { project: Some(project.into()), job: None, pipeline: Some(PipelineId(number.parse().ok()?)) })
    }
}

/// The runner of `<project>/-/runners/<id>`.
pub(super) fn runner(builder: &str) -> Option<RunnerClaim> {
    let (project, id) = builder.rsplit_once("/-/runners/")?;
    Some(RunnerClaim { project: project.into(), id: RunnerId(id.parse().ok()?) })
}

/// Name and digest of a [package URL](https://github.com/package-url/purl-spec) of an image:
/// `pkg:docker/library/debian@12-slim?platform=…`, `pkg:oci/debian@sha256%3A…?repository_url=docker.io/library/debian&tag=12-slim`.
pub(super) fn package(uri: &str) -> Option<(String, Option<Digest>)> {
    let bare = uri.strip_prefix("pkg:docker/").or_else(|| uri.strip_prefix("pkg:oci/"))?;
    let (path, query) = bare.split_once('?').unwrap_or((bare, ""));
    let (name, version) = path.split_once('@').unwrap_or((path, ""));
    let version = version.replace("%3A", ":").replace("%3a", ":");
    let given =
        |key: &str| url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    let name = given("repository_url").unwrap_or_else(|| name.replace("%2F", "/").replace("%2f", "/"));
    let digest = version.parse().ok();
    let tag = given("tag").or_else(|| (digest.is_none() && !version.is_empty()).then_some(version));
    Some((tag.map_or(name.clone(), |tag| format!("{name}:{tag}")), digest))
}

/// Name and digest of `docker://debian:12-slim@sha256:…` and `oci://…`.
pub(super) fn reference(uri: &str) -> Option<(String, Option<Digest>)> {
    let bare = uri.strip_prefix("docker://").or_else(|| uri.strip_prefix("oci://"))?;
    Some(match bare.rsplit_once("@sha256:") {
        Some((name, hex)) => (name.into(), format!("sha256:{hex}").parse().ok()),
        None => (bare.into(), None),
    })
}

/// An address that may be shown: without login, query and fragment, each of which can hold a token.
pub(super) fn address(text: &str) -> Option<String> {
    if !is_kept(text) {
        return None;
    }
    let mut url = Url::parse(text).ok()?;
    if url.cannot_be_a_base() {
        // `urn:…`, `tag:…`: no place for a login.
        return Some(text.split(['?', '#']).next()?.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a text is short enough to keep and has nothing unseen in it.
pub(super) fn is_kept(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT && !text.contains(char::is_control)
}
