//! Pipelines, jobs, artifacts.

use serde_json::Value;

use crate::model::gitlab::{GitRef, JobId, PipelineId, ProjectId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{JobSpec, Level, NOTHING, NewPipeline, Pipeline, Refused, Right, World};

/// `sha`, `ref`, `source`, `status`, `scope`, `updated_after`, `updated_before`, `order_by`, `sort`.
pub fn pipelines(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let (sha, git_ref, source, status) = (ask.text("sha"), ask.text("ref"), ask.text("source"), ask.text("status"));
    let scope = ask.choice("scope", &["", "running", "pending", "finished", "branches", "tags"])?;
    let (after, before) = (ask.time("updated_after")?, ask.time("updated_before")?);
    let mut found: Vec<&Pipeline> = world
        .pipelines
        .values()
        .filter(|held| held.project == project)
        .filter(|held| sha.as_ref().is_none_or(|sha| sha == held.sha.as_str()))
        .filter(|held| git_ref.as_ref().is_none_or(|name| *name == held.api_ref()))
        .filter(|held| source.as_ref().is_none_or(|source| *source == held.source))
        .filter(|held| status.as_ref().is_none_or(|status| status == held.status.word()))
        .filter(|held| in_scope(held, scope))
        .filter(|held| after.is_none_or(|moment| held.updated_at > moment) && before.is_none_or(|moment| held.updated_at < moment))
        .collect();
    match ask.choice("order_by", &["id", "status", "ref", "updated_at", "user_id"])? {
        "updated_at" => found.sort_by_key(|held| (held.updated_at, held.id)),
        "status" => found.sort_by_key(|held| (held.status.word(), held.id)),
        "ref" => found.sort_by_key(|held| (held.api_ref(), held.id)),
        "user_id" => found.sort_by_key(|held| (held.user, held.id)),
        _ => found.sort_by_key(|held| held.id),
    }
    if ask.choice("sort", &["desc", "asc"])? == "desc" {
        found.reverse();
    }
    ask.page(world, found.into_iter().map(|held| present::pipeline_basic(world, held.id)).collect())
}

fn in_scope(held: &Pipeline, scope: &str) -> bool {
    match scope {
        "finished" => held.status.ended(),
        "running" | "pending" => held.status.word() == scope,
        "tags" => held.tag(),
        "branches" => !held.tag(),
        _ => true,
    }
}

fn find(ask: &Ask, world: &World) -> Result<PipelineId, Refused> {
    let project = ask.open_project(world, Right::Read)?;
    let id = PipelineId(ask.id("pipeline")?);
    world.pipelines.get(&id).filter(|held| held.project == project).map(|held| held.id).ok_or(NOTHING)
}

pub fn pipeline(ask: &Ask, world: &mut World) -> Answer {
    let id = find(ask, world)?;
    Ok(Reply::ok(present::pipeline(world, id)))
}

/// Newest job first. External statuses are no jobs and are not listed.
pub fn jobs(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    let id = find(ask, world)?;
    let (retried, scope) = (ask.flag("include_retried")?.unwrap_or(false), ask.list("scope"));
    let found = world.jobs.values().rev().filter(|job| job.pipeline == id && (retried || !job.retried));
    let found = found.filter(|job| scope.is_empty() || scope.iter().any(|word| word == job.status.word()));
    ask.page(world, found.map(|job| present::job(world, job.id)).collect())
}

pub fn test_report_summary(ask: &Ask, world: &mut World) -> Answer {
    let id = find(ask, world)?;
    Ok(Reply::ok(present::test_report_summary(&world.pipeline(id).tests)))
}

pub fn create_pipeline(ask: &Ask, world: &mut World) -> Answer {
    let name = ask.required("ref")?;
    let project = ask.project(world, Right::Is(Level::Developer))?;
    let me = ask.me()?;
    let git_ref = ask.git_ref(world, project, &name);
    let held = world.project(project);
    let there = match &git_ref {
        GitRef::Tag(name) => held.tags.contains_key(name),
        GitRef::Branch(name) => held.branches.contains_key(name),
    };
    if !there {
        return Err(Refused::Field("base", "Reference not found".into()));
    }
    let jobs: Vec<JobSpec> = held.ci.iter().filter(|job| job.runs_on(&git_ref)).cloned().collect();
    if jobs.is_empty() {
        let words =
            "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs from being added to the pipeline.";
        return Err(Refused::Field("base", words.into()));
    }
    if !world.may_write_ref(project, me, &git_ref) {
        return Err(Refused::Field("base", "You do not have sufficient permission to run a pipeline on this ref.".into()));
    }
    let id = world.start_pipeline(project, NewPipeline { source: "api", git_ref, by: me, jobs });
    let text = |held: &Value, name: &str| held[name].as_str().unwrap_or_default().to_owned();
    let given = ask.value("variables").and_then(Value::as_array).into_iter().flatten();
    world.pipeline_mut(id).variables = given.map(|held| (text(held, "key"), text(held, "value"))).collect();
    Ok(Reply::created(present::pipeline_created(world, id)))
}

fn find_job(ask: &Ask, world: &World) -> Result<(ProjectId, JobId), Refused> {
    let project = ask.project(world, Right::Read)?;
    let id = JobId(ask.id("job")?);
    world.jobs.get(&id).filter(|held| held.project == project).map(|held| (project, held.id)).ok_or(NOTHING)
}

pub fn job(ask: &Ask, world: &mut World) -> Answer {
    let (_, id) = find_job(ask, world)?;
    Ok(Reply::ok(present::job(world, id)))
}

/// Whether the asker may run a job: write its ref, and deploy its environment.
fn runs(ask: &Ask, world: &World) -> Result<JobId, Refused> {
    let (project, id) = find_job(ask, world)?;
    let (me, held) = (ask.me()?, world.job(id));
    let may_write = world.may_write_ref(project, me, &world.pipeline(held.pipeline).git_ref);
    let may_deploy = held.spec.environment.as_ref().is_none_or(|name| world.may_deploy(project, me, name));
    if may_write && may_deploy { Ok(id) } else { Err(Refused::Forbidden("")) }
}

pub fn play(ask: &Ask, world: &mut World) -> Answer {
    let id = runs(ask, world)?;
    if !world.play_job(id, ask.me()?) {
        return Err(Refused::Bad("400 Bad request - Unplayable Job".into()));
    }
    Ok(Reply::ok(present::job_basic(world, id)))
}

pub fn retry(ask: &Ask, world: &mut World) -> Answer {
    let id = runs(ask, world)?;
    if !world.job(id).status.ended() || world.job(id).retried {
        return Err(Refused::Forbidden(" - Job is not retryable"));
    }
    let fresh = world.retry_job(id, ask.me()?);
    Ok(Reply::created(present::job(world, fresh)))
}

pub fn artifact(ask: &Ask, world: &mut World) -> Answer {
    let (_, id) = find_job(ask, world)?;
    let held = &world.job(id).artifacts;
    if held.hidden {
        return Err(Refused::Forbidden(""));
    }
    let file = held.files.get(ask.part("path")).filter(|_| !held.expired);
    file.cloned().map(Reply::file).ok_or(NOTHING)
}
