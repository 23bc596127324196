//! The bodies of webhooks, as GitLab 19 sends them ([webhook events](https://docs.gitlab.com/user/project/integrations/webhook_events/)).
//! Pure: the world in, JSON out.

mod ci;
mod merge_request;
mod push;

pub use ci::{deployment, job, pipeline};
pub use merge_request::{merge_request, note};
pub(super) use push::push;
pub use push::{newest_push, release};
use serde_json::{Value, json};

use super::state::World;
use crate::model::Timestamp;
use crate::model::gitlab::{CommitSha, ProjectId, UserId};

/// What GitLab writes for a ref that is not there.
const ZEROS: &str = "0000000000000000000000000000000000000000";

/// `2021-04-28 21:50:00 UTC`
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn maybe(at: Option<Timestamp>) -> Value {
    at.map(moment).into()
}

/// `ssh://` and `http://` addresses of a repository.
pub(super) fn clone_urls(world: &World, project: ProjectId) -> (String, String) {
    let host = world.url.split_once("://").map_or(world.url.as_str(), |(_, host)| host);
    let name = host.split(':').next().unwrap_or(host);
    (format!("git@{name}:{}.git", world.project(project).path), format!("{}.git", world.web_url(project)))
}

fn project(world: &World, id: ProjectId) -> Value {
    let held = world.project(id);
    let (web, (ssh, http)) = (world.web_url(id), clone_urls(world, id));
    json!({
        "id": held.id.0,
        "name": held.name(),
        "description": null,
        "web_url": web,
        "avatar_url": null,
        "git_ssh_url": ssh,
        "git_http_url": http,
        "namespace": held.namespace(),
        "visibility_level": held.visibility.number(),
        "path_with_namespace": held.path,
        "default_branch": held.default_branch,
        "ci_config_path": held.ci_config_path,
        "homepage": web,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": http,
    })
}

fn repository(world: &World, id: ProjectId) -> Value {
    let held = world.project(id);
    let (ssh, http) = clone_urls(world, id);
    json!({
        "name": held.name(),
        "url": ssh,
        "description": null,
        "homepage": world.web_url(id),
        "git_http_url": http,
        "git_ssh_url": ssh,
        "visibility_level": held.visibility.number(),
    })
}

/// GitLab hides e-mail addresses in bodies.
fn user(world: &World, id: UserId) -> Value {
    let held = world.user(id);
    json!({"id": held.id.0, "name": held.name, "username": held.username, "avatar_url": null, "email": "[REDACTED]"})
}

fn commit(world: &World, project: ProjectId, sha: &CommitSha) -> Value {
    let Some(held) = world.project(project).commits.get(sha) else { return Value::Null };
    let author = world.user(held.author);
    json!({
        "id": held.sha.as_str(),
        "message": held.message,
        "title": held.title(),
        "timestamp": held.at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        "url": format!("{}/-/commit/{}", world.web_url(project), held.sha),
        "author": {"name": author.name, "email": format!("{}@example.com", author.username)},
    })
}
