//! Releases.

use crate::model::gitlab::{GitRef, ProjectId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Level, NOTHING, Refused, Release, Right, World};

pub fn list(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::ReadReleases)?;
    let (after, before) = (ask.time("updated_after")?, ask.time("updated_before")?);
    let mut found: Vec<&Release> = world
        .project(project)
        .releases
        .values()
        .filter(|held| after.is_none_or(|moment| held.updated_at >= moment) && before.is_none_or(|moment| held.updated_at <= moment))
        .collect();
    match ask.choice("order_by", &["released_at", "created_at"])? {
        "created_at" => found.sort_by_key(|held| (held.created_at, held.id)),
        _ => found.sort_by_key(|held| (held.released_at, held.id)),
    }
    if ask.choice("sort", &["desc", "asc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|held| present::release(world, project, held)).collect())
}

fn told(world: &World, project: ProjectId, tag: &str) -> Result<serde_json::Value, Refused> {
    world.project(project).releases.get(tag).map(|held| present::release(world, project, held)).ok_or(NOTHING)
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::ReadReleases)?;
    told(world, project, ask.part("tag")).map(Reply::ok)
}

/// A Developer, and for a protected tag one who may create it.
fn writes(ask: &Ask, world: &World, project: ProjectId, tag: &str) -> Result<(), Refused> {
    let may = world.may_write_ref(project, ask.me()?, &GitRef::Tag(tag.into()));
    if may { Ok(()) } else { Err(Refused::Forbidden("")) }
}

pub fn create(ask: &Ask, world: &mut World) -> Answer {
    let tag = ask.required("tag_name")?;
    let project = ask.project(world, Right::Is(Level::Developer))?;
    writes(ask, world, project, &tag)?;
    if world.project(project).releases.contains_key(&tag) {
        return Err(Refused::Conflict("Release already exists".into()));
    }
    if !world.project(project).tags.contains_key(&tag) {
        let named = ask.text("ref").ok_or(Refused::Unprocessable("Ref is not specified".into()))?;
        let commit = world.project(project).resolve(&named).map(|commit| commit.sha.clone());
        let sha = commit.ok_or(Refused::Unprocessable(format!("Target {named} is invalid")))?;
        world.push_tag(project, &tag, &sha, ask.me()?);
    }
    world.create_release(project, &tag, ask.me()?, &ask.text("description").unwrap_or_default());
    if let (Some(name), Some(held)) = (ask.text("name"), world.project_mut(project).releases.get_mut(&tag)) {
        held.name = name;
    }
    told(world, project, &tag).map(Reply::created)
}

pub fn update(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Is(Level::Developer))?;
    let tag = ask.part("tag");
    if !world.project(project).releases.contains_key(tag) {
        return Err(NOTHING);
    }
    writes(ask, world, project, tag)?;
    let (name, description, released_at) = (ask.text("name"), ask.text("description"), ask.time("released_at")?);
    if let (Some(released_at), Some(held)) = (released_at, world.project_mut(project).releases.get_mut(tag)) {
        held.released_at = released_at;
    }
    world.update_release(project, tag, name.as_deref(), description.as_deref());
    told(world, project, tag).map(Reply::ok)
}

/// Deleting needs a Maintainer.
pub fn delete(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Is(Level::Maintainer))?;
    let tag = ask.part("tag");
    let gone = told(world, project, tag)?;
    world.delete_release(project, tag);
    Ok(Reply::ok(gone))
}
