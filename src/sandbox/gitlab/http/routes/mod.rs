//! The operations, one file a resource. This list is all there is; anything else is a loud 501.

mod ci;
mod commits;
mod discussions;
mod environments;
mod graphql;
mod groups;
mod hooks;
mod merge_requests;
mod notes;
mod projects;
mod registry;
mod releases;
mod repository;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::answer::{Answer, Reply};
use super::ask::Ask;
use super::{Shared, on};
use crate::sandbox::gitlab::state::World;

/// The public keys of ID tokens, for everybody.
pub fn published_keys(_: &Ask, world: &mut World) -> Answer {
    Ok(Reply::ok(world.published_keys()))
}

/// Everything under `/api/v4`.
pub fn all() -> Router<Arc<Shared>> {
    Router::new()
        .route("/user", get(on(users::current)))
        .route("/users/{user}", get(on(users::by_id)))
        .route("/version", get(on(users::version)))
        .route("/metadata", get(on(users::metadata)))
        .route("/personal_access_tokens/self", get(on(users::own_token)))
        .route("/groups/{group}/members", get(on(groups::members)))
        .route("/groups/{group}/members/all", get(on(groups::members_of_all)))
        .route("/groups/{group}/members/{user}", get(on(groups::member)))
        .route("/groups/{group}/protected_environments", get(on(groups::protected_environments)))
        .route("/groups/{group}/members/all/{user}", get(on(groups::member_of_all)))
        .nest("/projects/{id}", project())
}

/// Beside it.
pub fn graphql() -> Router<Arc<Shared>> {
    Router::new().route("/graphql", post(on(graphql::run)))
}

fn project() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(on(projects::show)))
        .route("/events", get(on(projects::events)))
        .route("/members/all", get(on(projects::members)))
        .route("/members/all/{user}", get(on(projects::member)))
        .route("/protected_tags", get(on(projects::protected_tags)))
        .route("/protected_tags/{name}", get(on(projects::protected_tag)))
        .route("/protected_branches", get(on(projects::protected_branches)))
        .route("/protected_branches/{name}", get(on(projects::protected_branch)))
        .route("/repository/tags", get(on(repository::tags)))
        .route("/repository/tags/{tag}", get(on(repository::tag)))
        .route("/repository/branches", get(on(repository::branches)))
        .route("/repository/branches/{branch}", get(on(repository::branch)))
        .route("/repository/commits", get(on(commits::list)))
        .route("/repository/commits/{sha}", get(on(commits::show)))
        .route("/repository/commits/{sha}/refs", get(on(commits::refs)))
        .route("/repository/commits/{sha}/statuses", get(on(commits::statuses)))
        .route("/repository/commits/{sha}/merge_requests", get(on(commits::merge_requests)))
        .route("/statuses/{sha}", post(on(commits::post_status)))
        .merge(merge_request())
        .merge(continuous_integration())
        .merge(delivery())
}

fn merge_request() -> Router<Arc<Shared>> {
    let one = Router::new()
        .route("/", get(on(merge_requests::show)))
        .route("/approvals", get(on(merge_requests::approvals)))
        .route("/approval_state", get(on(merge_requests::approval_state)))
        .route("/pipelines", get(on(merge_requests::pipelines)))
        .route("/notes", get(on(notes::list)).post(on(notes::create)))
        .route("/notes/{note}", get(on(notes::show)).put(on(notes::update)).delete(on(notes::delete)))
        .route("/notes/{note}/award_emoji", get(on(notes::reactions)).post(on(notes::react)))
        .route("/notes/{note}/award_emoji/{award}", get(on(notes::reaction)).delete(on(notes::unreact)))
        .route("/discussions", get(on(discussions::list)).post(on(discussions::create)))
        .route("/discussions/{discussion}", get(on(discussions::show)).put(on(discussions::resolve)))
        .route("/discussions/{discussion}/notes", post(on(discussions::reply)))
        .route("/discussions/{discussion}/notes/{note}", get(on(notes::show)).put(on(discussions::update_note)).delete(on(notes::delete)));
    Router::new().route("/merge_requests", get(on(merge_requests::list))).nest("/merge_requests/{iid}", one)
}

fn continuous_integration() -> Router<Arc<Shared>> {
    Router::new()
        .route("/pipeline", post(on(ci::create_pipeline)))
        .route("/pipelines", get(on(ci::pipelines)))
        .route("/pipelines/{pipeline}", get(on(ci::pipeline)))
        .route("/pipelines/{pipeline}/cancel", post(on(ci::cancel_pipeline)))
        .route("/pipelines/{pipeline}/jobs", get(on(ci::jobs)))
        .route("/pipelines/{pipeline}/variables", get(on(ci::variables)))
        .route("/pipelines/{pipeline}/test_report_summary", get(on(ci::test_report_summary)))
        .route("/jobs/{job}", get(on(ci::job)))
        .route("/jobs/{job}/play", post(on(ci::play)))
        .route("/jobs/{job}/retry", post(on(ci::retry)))
        .route("/jobs/{job}/artifacts/{*path}", get(on(ci::artifact)))
}

fn delivery() -> Router<Arc<Shared>> {
    Router::new()
        .route("/releases", get(on(releases::list)).post(on(releases::create)))
        .route("/releases/{tag}", get(on(releases::show)).put(on(releases::update)).delete(on(releases::delete)))
        .route("/environments", get(on(environments::list)).post(on(environments::create)))
        .route("/environments/{environment}", get(on(environments::show)))
        .route("/deployments", get(on(environments::deployments)).post(on(environments::create_deployment)))
        .route("/deployments/{deployment}", get(on(environments::deployment)).put(on(environments::update_deployment)))
        .route("/protected_environments", get(on(environments::protected)))
        .route("/protected_environments/{name}", get(on(environments::protected_one)))
        .route("/hooks", get(on(hooks::list)).post(on(hooks::create)))
        .route("/hooks/{hook}", get(on(hooks::show)).put(on(hooks::update)).delete(on(hooks::delete)))
        .route("/hooks/{hook}/events", get(on(hooks::events)))
        .route("/hooks/{hook}/events/{event}/resend", post(hooks::resend))
        .route("/hooks/{hook}/test/{trigger}", post(hooks::test))
        .route("/registry/repositories", get(on(registry::repositories)))
        .route("/registry/repositories/{repository}/tags", get(on(registry::tags)))
        .route("/registry/repositories/{repository}/tags/{tag}", get(on(registry::tag)))
        .route("/attestations/{key}", get(on(registry::attestations)))
        .route("/attestations/{key}/download", get(on(registry::download)))
}
