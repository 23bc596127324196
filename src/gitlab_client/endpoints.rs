//! Endpoints that the `gitlab` crate lacks, or builds in a way we cannot use.

use std::borrow::Cow;
use std::convert::Infallible;

use gitlab::api::common::NameOrId;
use gitlab::api::endpoint_prelude::{BodyError, Endpoint, JsonParams, Method, QueryParams};

use crate::model::gitlab::{DiscussionId, JobId, MergeRequestIid, NoteId, ProjectId, UserId};
use crate::model::{Digest, EnvironmentName, Timestamp};

/// An endpoint given by its path.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    method: Method,
    path: String,
    parameters: Vec<(&'static str, String)>,
    body: Option<serde_json::Value>,
}

/// What the crate's builders return: ours cannot fail to build.
pub type Built = Result<Plain, Infallible>;

impl Endpoint for Plain {
    fn method(&self) -> Method {
        self.method.clone()
    }

    fn endpoint(&self) -> Cow<'static, str> {
        self.path.clone().into()
    }

    fn parameters(&self) -> QueryParams<'_> {
        let mut parameters = QueryParams::default();
        for (name, value) in &self.parameters {
            parameters.push(*name, value);
        }
        parameters
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        self.body.as_ref().map_or(Ok(None), JsonParams::into_body)
    }
}

fn get(path: String) -> Plain {
    Plain { method: Method::GET, path, parameters: vec![], body: None }
}

fn post(path: String, body: serde_json::Value) -> Plain {
    Plain { method: Method::POST, path, parameters: vec![], body: Some(body) }
}

fn escaped(name: &str) -> String {
    gitlab::api::common::path_escaped(name).to_string()
}

/// [A note](https://docs.gitlab.com/api/notes/#get-single-merge-request-note).
pub fn note(project: ProjectId, merge_request: MergeRequestIid, note: NoteId) -> Built {
    Ok(get(format!("projects/{project}/merge_requests/{merge_request}/notes/{note}")))
}

/// [A discussion](https://docs.gitlab.com/api/discussions/#get-single-merge-request-discussion-item).
pub fn discussion(project: ProjectId, merge_request: MergeRequestIid, discussion: &DiscussionId) -> Built {
    Ok(get(format!("projects/{project}/merge_requests/{merge_request}/discussions/{}", escaped(&discussion.0))))
}

/// [A reply](https://docs.gitlab.com/api/discussions/#add-note-to-existing-merge-request-thread).
pub fn reply(project: ProjectId, merge_request: MergeRequestIid, discussion: &DiscussionId, body: &str) -> Built {
    let path = format!("projects/{project}/merge_requests/{merge_request}/discussions/{}/notes", escaped(&discussion.0));
    Ok(post(path, serde_json::json!({ "body": body })))
}

/// [A release](https://docs.gitlab.com/api/releases/#get-a-release-by-a-tag-name). The crate does not escape the tag.
pub fn release(project: ProjectId, tag: &str) -> Built {
    Ok(get(format!("projects/{project}/releases/{}", escaped(tag))))
}

/// [The attestations of a subject](https://docs.gitlab.com/api/attestations/), by its sha256 (GitLab 18.5 and later).
pub fn attestations(project: ProjectId, subject: &Digest) -> Built {
    Ok(get(format!("projects/{project}/attestations/{}", subject.hex())))
}

/// [One attestation's bundle](https://docs.gitlab.com/api/attestations/) (GitLab 18.7 and later).
pub fn attestation(project: ProjectId, iid: u64) -> Built {
    Ok(get(format!("projects/{project}/attestations/{iid}/download")))
}

/// [A release's new description](https://docs.gitlab.com/api/releases/#update-a-release).
pub fn describe_release(project: ProjectId, tag: &str, description: &str) -> Built {
    let path = format!("projects/{project}/releases/{}", escaped(tag));
    Ok(Plain { method: Method::PUT, path, parameters: vec![], body: Some(serde_json::json!({ "description": description })) })
}

/// [Pipelines](https://docs.gitlab.com/api/pipelines/#list-project-pipelines) changed since, newest first.
pub fn pipelines_updated_after(project: ProjectId, since: Timestamp) -> Built {
    let mut list = get(format!("projects/{project}/pipelines"));
    list.parameters = newest_since(since);
    Ok(list)
}

/// [Merge requests](https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests) changed since, newest first.
pub fn merge_requests_updated_after(project: ProjectId, since: Timestamp) -> Built {
    let mut list = get(format!("projects/{project}/merge_requests"));
    list.parameters = newest_since(since);
    list.parameters.extend([("scope", "all".to_owned()), ("state", "all".to_owned())]);
    Ok(list)
}

fn newest_since(since: Timestamp) -> Vec<(&'static str, String)> {
    vec![("updated_after", since.to_string()), ("order_by", "updated_at".into()), ("sort", "desc".into())]
}

/// [An environment's protection](https://docs.gitlab.com/api/protected_environments/#get-a-single-protected-environment) (Premium).
pub fn protected_environment(project: ProjectId, name: &EnvironmentName) -> Built {
    Ok(get(format!("projects/{project}/protected_environments/{}", escaped(&name.0))))
}

/// [The rules of a group by deployment tier](https://docs.gitlab.com/api/group_protected_environments/) (Premium).
pub fn group_protected_environments(group: &str) -> Built {
    Ok(get(format!("groups/{}/protected_environments", escaped(group))))
}

/// [A member of a group or of one above it](https://docs.gitlab.com/api/group_members/).
pub fn group_member_of_all(group: NameOrId<'_>, user: UserId) -> Built {
    Ok(get(format!("groups/{group}/members/all/{user}")))
}

/// [Which GitLab this is](https://docs.gitlab.com/api/version/).
pub fn version() -> Built {
    Ok(get("version".into()))
}

/// [A manual job is started](https://docs.gitlab.com/api/jobs/#run-a-job). The crate knows no inputs.
pub fn play_job(project: ProjectId, job: JobId, given: serde_json::Value) -> Built {
    Ok(post(format!("projects/{project}/jobs/{job}/play"), given))
}

/// [A job runs again](https://docs.gitlab.com/api/jobs/#retry-a-job). The crate knows no inputs.
pub fn retry_job(project: ProjectId, job: JobId, given: serde_json::Value) -> Built {
    Ok(post(format!("projects/{project}/jobs/{job}/retry"), given))
}

/// [A new pipeline](https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline). The crate knows no inputs.
pub fn start_pipeline(project: ProjectId, given: serde_json::Value) -> Built {
    Ok(post(format!("projects/{project}/pipeline"), given))
}
