//! How the REST API shows the state: one function an entity, fields as GitLab 19.5 answers them.
//! Pure: the world in, JSON out.

mod ci;
mod environment;
mod hook;
mod merge_request;
mod people;
mod project;
mod repository;

pub use ci::{job, job_basic, pipeline, pipeline_basic, pipeline_created, test_report_summary};
pub use environment::{deployment, environment, environment_detail, protected_environment};
pub use hook::{hook, hook_event};
pub use merge_request::{approval_state, approvals, award_emoji, discussion, merge_request, merge_request_detail, note};
pub use people::{current_user, group_member, member, token, user, user_basic};
pub use project::{activity, attestation, project, protected_branch, protected_tag, registry_repository, registry_tag};
pub use repository::{branch, commit, commit_status, release, tag};
use serde_json::Value;

use crate::model::Timestamp;

/// `2026-05-04T13:41:00.000Z`
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn maybe(at: Option<Timestamp>) -> Value {
    at.map(time).into()
}
