//! Merge requests and their approvals.

use serde_json::Value;

use crate::model::gitlab::MergeRequestIid;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{MergeRequest, MergeRequestKey, NOTHING, Refused, Right, World};

/// Here a Guest hears 403, not 404 as with comments.
fn find(ask: &Ask, world: &World) -> Result<MergeRequestKey, Refused> {
    let project = ask.open_project(world, Right::Read)?;
    let key = MergeRequestKey { project, iid: MergeRequestIid(ask.id("iid")?) };
    if world.project(project).merge_requests.contains_key(&key.iid) { Ok(key) } else { Err(NOTHING) }
}

/// `state`, `iids[]`, `source_branch`, `target_branch`, `author_id`, `created_after`, `updated_after`, `updated_before`, `order_by`, `sort`.
pub fn list(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let state = ask.choice("state", &["all", "opened", "closed", "locked", "merged"])?;
    let (iids, author) = (ask.list("iids"), ask.number("author_id")?);
    let (source, target) = (ask.text("source_branch"), ask.text("target_branch"));
    let (created, after, before) = (ask.time("created_after")?, ask.time("updated_after")?, ask.time("updated_before")?);
    let mut found: Vec<&MergeRequest> = world
        .project(project)
        .merge_requests
        .values()
        .filter(|held| state == "all" || serde_json::to_value(held.state).is_ok_and(|word| word == state))
        .filter(|held| iids.is_empty() || iids.contains(&held.key.iid.to_string()))
        .filter(|held| author.is_none_or(|author| held.author.0 == author))
        .filter(|held| source.as_ref().is_none_or(|branch| *branch == held.source_branch))
        .filter(|held| target.as_ref().is_none_or(|branch| *branch == held.target_branch))
        .filter(|held| created.is_none_or(|moment| held.created_at >= moment))
        .filter(|held| after.is_none_or(|moment| held.updated_at >= moment) && before.is_none_or(|moment| held.updated_at <= moment))
        .collect();
    match ask.choice("order_by", &["created_at", "updated_at"])? {
        "updated_at" => found.sort_by_key(|held| (held.updated_at, held.id)),
        _ => found.sort_by_key(|held| (held.created_at, held.id)),
    }
    if ask.choice("sort", &["desc", "asc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|held| present::merge_request(world, held.key)).collect())
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let key = find(ask, world)?;
    Ok(Reply::ok(present::merge_request_detail(world, key, ask.user)))
}

pub fn approvals(ask: &Ask, world: &mut World) -> Answer {
    let key = find(ask, world)?;
    Ok(Reply::ok(present::approvals(world, key, ask.user)))
}

pub fn approval_state(ask: &Ask, world: &mut World) -> Answer {
    let key = find(ask, world)?;
    if world.switches.enterprise { Ok(Reply::ok(present::approval_state(world, key))) } else { Err(NOTHING) }
}

/// The pipelines of the head, newest first.
pub fn pipelines(ask: &Ask, world: &mut World) -> Answer {
    let key = find(ask, world)?;
    let held = world.merge_request(key);
    let of_head = world.pipelines.values().rev().filter(|pipeline| held.commits.contains(&pipeline.sha));
    let found: Vec<Value> = of_head.map(|pipeline| present::pipeline_basic(world, pipeline.id)).collect();
    ask.page(world, found)
}
