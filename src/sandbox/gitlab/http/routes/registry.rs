//! Container images and attestations, as the API tells of them.

use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{NOTHING, Refused, RegistryRepository, Right, World};

pub fn repositories(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let shown = (ask.flag("tags")?.unwrap_or(false), ask.flag("tags_count")?.unwrap_or(false));
    let found = world.project(project).registry.values().map(|held| present::registry_repository(world, project, held, shown));
    ask.page(world, found.collect())
}

fn find<'a>(ask: &Ask, world: &'a World) -> Result<&'a RegistryRepository, Refused> {
    let project = ask.project(world, Right::Read)?;
    world.project(project).registry.get(&ask.id("repository")?).ok_or(Refused::NotFound("Container Repository"))
}

pub fn tags(ask: &Ask, world: &mut World) -> Answer {
    let held = find(ask, world)?;
    ask.page(world, held.tags.keys().map(|name| present::registry_tag(world, held, name, None)).collect())
}

pub fn tag(ask: &Ask, world: &mut World) -> Answer {
    let held = find(ask, world)?;
    let name = ask.part("tag");
    let tag = held.tags.get(name).ok_or(Refused::NotFound("Tag"))?;
    Ok(Reply::ok(present::registry_tag(world, held, name, Some(tag))))
}

/// The attestations of a digest: 64 hex digits.
pub fn attestations(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let found = world.project(project).attestations.iter().filter(|held| held.subject_digest == ask.part("key"));
    Ok(Reply::ok(found.map(|held| present::attestation(world, project, held)).collect()))
}

pub fn download(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let iid = ask.id("key")?;
    let held = world.project(project).attestations.iter().find(|held| held.iid == iid).ok_or(NOTHING)?;
    Ok(Reply::ok(held.bundle.clone()))
}
