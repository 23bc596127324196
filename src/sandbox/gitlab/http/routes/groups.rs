//! The members of groups, and their rules for environments.

use crate::model::gitlab::UserId;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{NOTHING, Refused, World};

/// The group of the path, whose members the asker may see.
fn group(ask: &Ask, world: &World) -> Result<u64, Refused> {
    let me = ask.me()?;
    let id = world.find_group(ask.part("group")).map(|group| group.id).ok_or(Refused::NotFound("Group"))?;
    world.sees_group_members(id, me)?;
    Ok(id)
}

fn listed(ask: &Ask, world: &World, inherited: bool) -> Answer {
    let group = group(ask, world)?;
    ask.page(world, world.users.keys().filter_map(|user| present::group_member(world, group, *user, inherited)).collect())
}

/// The rules for environments by tier. A Community Edition has no such route, whoever asks.
pub fn protected_environments(ask: &Ask, world: &mut World) -> Answer {
    let me = ask.me()?;
    if !world.switches.enterprise {
        return Err(NOTHING);
    }
    let held = world.find_group(ask.part("group")).ok_or(Refused::NotFound("Group"))?;
    world.sees_group_rules(held.id, me)?;
    ask.page(world, held.protected_tiers.iter().map(|rule| present::protected_environment(world, rule)).collect())
}

pub fn members(ask: &Ask, world: &mut World) -> Answer {
    listed(ask, world, false)
}

pub fn members_of_all(ask: &Ask, world: &mut World) -> Answer {
    listed(ask, world, true)
}

fn one(ask: &Ask, world: &World, inherited: bool) -> Answer {
    let (group, user) = (group(ask, world)?, UserId(ask.id("user")?));
    let known = world.users.contains_key(&user);
    known.then(|| present::group_member(world, group, user, inherited)).flatten().map(Reply::ok).ok_or(NOTHING)
}

pub fn member(ask: &Ask, world: &mut World) -> Answer {
    one(ask, world, false)
}

pub fn member_of_all(ask: &Ask, world: &mut World) -> Answer {
    one(ask, world, true)
}
