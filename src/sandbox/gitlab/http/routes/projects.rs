//! The project, its members, its protection rules, its activity.

use crate::model::gitlab::UserId;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Activity, Level, NOTHING, Refused, Right, Target, World};

const MAINTAINER: Right = Right::Is(Level::Maintainer);

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::ReadReleases)?;
    Ok(Reply::ok(present::project(world, project, ask.user)))
}

pub fn member(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::ReadReleases)?;
    let user = UserId(ask.id("user")?);
    let known = world.users.contains_key(&user);
    let told = known.then(|| present::member(world, project, user)).flatten();
    told.map(Reply::ok).ok_or(NOTHING)
}

/// Direct, inherited and invited members, each once.
pub fn members(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::ReadReleases)?;
    ask.page(world, world.users.keys().filter_map(|user| present::member(world, project, *user)).collect())
}

pub fn protected_tags(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, MAINTAINER)?;
    let rules = world.project(project).protected_tags.iter().map(|rule| present::protected_tag(world, rule)).collect();
    ask.page(world, rules)
}

pub fn protected_tag(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, MAINTAINER)?;
    let rule = world.project(project).protected_tags.iter().find(|rule| rule.name == ask.part("name")).ok_or(NOTHING)?;
    Ok(Reply::ok(present::protected_tag(world, rule)))
}

pub fn protected_branches(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, MAINTAINER)?;
    let search = ask.text("search").unwrap_or_default();
    let rules = world.project(project).protected_branches.iter().filter(|rule| rule.name.contains(&search));
    ask.page(world, rules.map(|rule| present::protected_branch(world, rule)).collect())
}

pub fn protected_branch(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, MAINTAINER)?;
    let rule = world.project(project).protected_branches.iter().find(|rule| rule.name == ask.part("name")).ok_or(NOTHING)?;
    Ok(Reply::ok(present::protected_branch(world, rule)))
}

/// `action`, `target_type`, `after`, `before` (days, both exclusive), `sort`.
pub fn events(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let action = ask.text("action");
    let kind = ask.text("target_type").map(|kind| kind.to_ascii_lowercase());
    if kind.as_deref().is_some_and(|kind| !["issue", "milestone", "merge_request", "note", "project", "snippet", "user"].contains(&kind)) {
        return Err(Refused::Parameters("target_type does not have a valid value".into()));
    }
    let (after, before) = (ask.time("after")?, ask.time("before")?);
    let day = jiff::SignedDuration::from_hours(24);
    let mut found: Vec<&Activity> = world
        .project(project)
        .activity
        .iter()
        .filter(|held| action.as_deref().is_none_or(|action| fits(held, action)))
        .filter(|held| kind.as_deref().is_none_or(|kind| target(held) == kind))
        .filter(|held| after.is_none_or(|after| held.at >= after + day) && before.is_none_or(|before| held.at < before))
        .collect();
    if ask.choice("sort", &["desc", "asc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|held| present::activity(world, project, held)).collect())
}

/// The filter's words are shorter than the answer's: `pushed` finds `pushed to`, `pushed new` and `deleted`.
fn fits(held: &Activity, action: &str) -> bool {
    match &held.target {
        Target::Ref { .. } => action == "pushed",
        Target::Note(..) => action == "commented",
        Target::MergeRequest(_) => match held.action {
            "opened" => matches!(action, "opened" | "created"),
            "accepted" => matches!(action, "accepted" | "merged"),
            other => other == action,
        },
    }
}

fn target(held: &Activity) -> &'static str {
    match held.target {
        Target::Ref { .. } => "",
        Target::Note(..) => "note",
        Target::MergeRequest(_) => "merge_request",
    }
}
