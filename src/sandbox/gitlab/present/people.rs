//! Users, members, tokens.

use serde_json::{Value, json};

use super::{maybe, time};
use crate::model::gitlab::{ProjectId, UserId};
use crate::sandbox::gitlab::state::{Level, Membership, Token, World};

pub fn user_basic(world: &World, id: UserId) -> Value {
    let held = world.user(id);
    json!({
        "id": held.id.0,
        "username": held.username,
        "public_email": null,
        "name": held.name,
        "state": if held.blocked { "blocked" } else { "active" },
        "locked": false,
        "avatar_url": null,
        "web_url": format!("{}/{}", world.url, held.username),
    })
}

/// Joins the fields of two objects.
pub fn with(mut whole: Value, more: Value) -> Value {
    if let (Some(whole), Value::Object(more)) = (whole.as_object_mut(), more) {
        whole.extend(more);
    }
    whole
}

/// `GET /users/:id`, and the user of a job.
pub fn user(world: &World, id: UserId) -> Value {
    let held = world.user(id);
    let more = json!({
        "created_at": time(held.created_at),
        "bio": "",
        "location": "",
        "linkedin": "",
        "twitter": "",
        "discord": "",
        "website_url": "",
        "github": "",
        "job_title": "",
        "pronouns": null,
        "organization": "",
        "bot": held.bot,
        "work_information": null,
        "followers": 0,
        "following": 0,
        "local_time": null,
    });
    with(user_basic(world, id), more)
}

pub fn current_user(world: &World, id: UserId) -> Value {
    let held = world.user(id);
    let email = format!("{}@noreply.example.com", held.username);
    let more = json!({
        "email": email,
        "commit_email": email,
        "two_factor_enabled": false,
        "external": false,
        "can_create_project": !held.bot,
        "can_create_group": !held.bot,
        "private_profile": false,
        "confirmed_at": time(held.created_at),
        "last_sign_in_at": null,
        "current_sign_in_at": null,
        "last_activity_on": null,
        "projects_limit": 100_000,
        "identities": [],
        "theme_id": 3,
        "color_scheme_id": 1,
        "preferred_language": "en",
    });
    with(user(world, id), more)
}

/// `None` for one who is no member.
pub fn member(world: &World, project: ProjectId, id: UserId) -> Option<Value> {
    Some(membership(world, id, world.membership(project, id).filter(|held| held.level > Level::Nobody)?))
}

/// A member of a group; `inherited`: or of one above it.
pub fn group_member(world: &World, group: u64, id: UserId, inherited: bool) -> Option<Value> {
    Some(membership(world, id, world.group_membership(group, id, inherited)?))
}

fn membership(world: &World, id: UserId, held: &Membership) -> Value {
    let more = json!({
        "access_level": held.level.number(),
        "created_at": time(held.since),
        "expires_at": held.expires_at.map(|day| day.to_string()),
        "membership_state": "active",
    });
    with(user_basic(world, id), more)
}

pub fn token(world: &World, held: &Token) -> Value {
    let today = jiff::tz::TimeZone::UTC.to_datetime(world.now()).date();
    json!({
        "id": held.id,
        "name": held.name,
        "revoked": held.revoked,
        "created_at": time(held.created_at),
        "description": null,
        "scopes": held.scopes,
        "user_id": held.user.0,
        "last_used_at": maybe(held.last_used_at),
        "last_used_ips": [],
        "active": !held.revoked && held.expires_at.is_none_or(|end| today < end),
        "expires_at": held.expires_at.map(|day| day.to_string()),
    })
}
