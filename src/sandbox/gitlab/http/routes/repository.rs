//! Tags and branches.

use crate::model::gitlab::GitRef;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{GitTag, Refused, Right, World};

/// `search` (with GitLab's `^` and `$`), `order_by`, `sort`.
pub fn tags(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let search = ask.text("search").unwrap_or_default();
    let mut found: Vec<&GitTag> = world.project(project).tags.values().filter(|tag| matches_search(&tag.name, &search)).collect();
    match ask.choice("order_by", &["updated", "name", "version"])? {
        "updated" => found.sort_by_key(|tag| (tag.created_at, tag.name.clone())),
        _ => found.sort_by(|one, other| one.name.cmp(&other.name)),
    }
    if ask.choice("sort", &["desc", "asc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|tag| present::tag(world, project, tag)).collect())
}

pub fn tag(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let tag = world.project(project).tags.get(ask.part("tag")).ok_or(Refused::NotFound("Tag"))?;
    Ok(Reply::ok(present::tag(world, project, tag)))
}

pub fn branches(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let search = ask.text("search").unwrap_or_default();
    let names = world.project(project).branches.keys().filter(|name| matches_search(name, &search));
    ask.page(world, names.map(|name| present::branch(world, project, name, pushes(ask, world, project, name))).collect())
}

pub fn branch(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let name = ask.part("branch");
    if !world.project(project).branches.contains_key(name) {
        return Err(Refused::NotFound("Branch"));
    }
    Ok(Reply::ok(present::branch(world, project, name, pushes(ask, world, project, name))))
}

fn pushes(ask: &Ask, world: &World, project: crate::model::gitlab::ProjectId, name: &str) -> bool {
    ask.user.is_some_and(|user| world.may_write_ref(project, user, &GitRef::Branch(name.into())))
}

fn matches_search(name: &str, search: &str) -> bool {
    match (search.strip_prefix('^'), search.strip_suffix('$')) {
        (Some(start), None) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (Some(whole), Some(_)) => name == whole.trim_end_matches('$'),
        (None, None) => name.contains(search),
    }
}
