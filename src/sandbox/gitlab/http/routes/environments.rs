//! Environments, deployments, and who may deploy.

use crate::model::gitlab::{CommitSha, DeploymentId, ProjectId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Deployment, Level, NOTHING, Refused, Right, World};

const STATUSES: &[&str] = &["created", "running", "success", "failed", "canceled", "skipped", "blocked"];

pub fn list(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let (name, search) = (ask.text("name"), ask.text("search"));
    if name.is_some() && search.is_some() {
        return Err(Refused::Parameters("name, search are mutually exclusive".into()));
    }
    let states = ask.choice("states", &["available", "stopping", "stopped"])?;
    let found = world.project(project).environments.values();
    let found = found
        .filter(|held| name.as_ref().is_none_or(|name| *name == held.name))
        .filter(|held| search.as_ref().is_none_or(|text| held.name.contains(text)))
        .filter(|_| states == "available");
    ask.page(world, found.map(present::environment).collect())
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let held = world.project(project).environments.get(&ask.id("environment")?).ok_or(Refused::NotFound("Environment"))?;
    Ok(Reply::ok(present::environment_detail(world, project, held)))
}

pub fn create(ask: &Ask, world: &mut World) -> Answer {
    let name = ask.required("name")?;
    let project = ask.project(world, Right::Is(Level::Developer))?;
    if world.project(project).environments.values().any(|held| held.name == name) {
        return Err(Refused::Field("name", "has already been taken".into()));
    }
    let id = world.environment(project, &name);
    let held = world.project(project).environments.get(&id).ok_or(NOTHING)?;
    Ok(Reply::created(present::environment_detail(world, project, held)))
}

/// `environment`, `status`, `updated_after`, `updated_before`, `order_by`, `sort`.
pub fn deployments(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let (environment, status) = (ask.text("environment"), ask.text("status"));
    if status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
        return Err(Refused::Parameters("status does not have a valid value".into()));
    }
    let (after, before) = (ask.time("updated_after")?, ask.time("updated_before")?);
    let mut found: Vec<&Deployment> = world
        .project(project)
        .deployments
        .values()
        .filter(|held| environment.as_ref().is_none_or(|name| *name == held.environment))
        .filter(|held| status.as_ref().is_none_or(|status| *status == held.status))
        .filter(|held| after.is_none_or(|moment| held.updated_at >= moment) && before.is_none_or(|moment| held.updated_at <= moment))
        .collect();
    match ask.choice("order_by", &["id", "iid", "created_at", "updated_at", "finished_at"])? {
        "updated_at" => found.sort_by_key(|held| (held.updated_at, held.id)),
        "finished_at" => found.sort_by_key(|held| (held.finished_at, held.id)),
        _ => found.sort_by_key(|held| held.id),
    }
    if ask.choice("sort", &["asc", "desc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|held| present::deployment(world, project, held)).collect())
}

fn find<'a>(ask: &Ask, world: &'a World) -> Result<(ProjectId, &'a Deployment), Refused> {
    let project = ask.project(world, Right::Read)?;
    let held = world.project(project).deployments.get(&DeploymentId(ask.id("deployment")?)).ok_or(Refused::NotFound("Deployment"))?;
    Ok((project, held))
}

pub fn deployment(ask: &Ask, world: &mut World) -> Answer {
    let (project, held) = find(ask, world)?;
    Ok(Reply::ok(present::deployment(world, project, held)))
}

/// A protected environment takes deployments only of those whom its rule names.
pub fn create_deployment(ask: &Ask, world: &mut World) -> Answer {
    let (environment, sha, name) = (ask.required("environment")?, ask.required("sha")?, ask.required("ref")?);
    let (tag, status) = (ask.required("tag")? == "true", ask.required("status")?);
    if !["running", "success", "failed", "canceled"].contains(&status.as_str()) {
        return Err(Refused::Parameters("status does not have a valid value".into()));
    }
    let project = ask.project(world, Right::Is(Level::Developer))?;
    let me = ask.me()?;
    if !world.may_deploy(project, me, &environment) {
        return Err(Refused::Forbidden(""));
    }
    let known = sha.parse::<CommitSha>().ok().filter(|sha| world.project(project).commits.contains_key(sha));
    let sha = known.ok_or(Refused::NotFound("Commit"))?;
    let git_ref = if tag { crate::model::gitlab::GitRef::Tag(name) } else { crate::model::gitlab::GitRef::Branch(name) };
    let id = world.new_deployment(project, &environment, (git_ref, sha), me);
    world.set_deployment(project, id, &status);
    let held = world.project(project).deployments.get(&id).ok_or(NOTHING)?;
    Ok(Reply::created(present::deployment(world, project, held)))
}

pub fn update_deployment(ask: &Ask, world: &mut World) -> Answer {
    let status = ask.required("status")?;
    let (project, held) = find(ask, world)?;
    let (id, environment, by_job) = (held.id, held.environment.clone(), held.job.is_some());
    if !world.may_deploy(project, ask.me()?, &environment) {
        return Err(Refused::Forbidden(""));
    }
    if by_job {
        return Err(Refused::Forbidden(" - Deployments created by a job are changed by that job"));
    }
    if !STATUSES.contains(&status.as_str()) {
        return Err(Refused::Parameters("status does not have a valid value".into()));
    }
    world.set_deployment(project, id, &status);
    deployment(ask, world)
}

/// A Community Edition has no such route, whoever asks.
fn enterprise(ask: &Ask, world: &World) -> Result<ProjectId, Refused> {
    ask.me()?;
    if world.switches.enterprise { ask.project(world, Right::Is(Level::Maintainer)) } else { Err(NOTHING) }
}

pub fn protected(ask: &Ask, world: &mut World) -> Answer {
    let project = enterprise(ask, world)?;
    ask.page(world, world.project(project).protected_environments.iter().map(|rule| present::protected_environment(world, rule)).collect())
}

pub fn protected_one(ask: &Ask, world: &mut World) -> Answer {
    let project = enterprise(ask, world)?;
    let rule = world.project(project).protected_environments.iter().find(|rule| rule.name == ask.part("name")).ok_or(NOTHING)?;
    Ok(Reply::ok(present::protected_environment(world, rule)))
}
