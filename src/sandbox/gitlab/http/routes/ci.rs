//! Pipelines, jobs, artifacts.

use crate::model::gitlab::{GitRef, JobId, PipelineId, ProjectId, UserId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Given, JobSpec, Level, NOTHING, NewPipeline, Pipeline, Refused, Right, World};

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

/// Whoever started it may read them from the role Developer on, others from Maintainer on.
pub fn variables(ask: &Ask, world: &mut World) -> Answer {
    let id = find(ask, world)?;
    let (me, held) = (ask.me()?, world.pipeline(id));
    let least = if held.user == me { Level::Developer } else { Level::Maintainer };
    world.demand(held.project, Some(me), Right::Is(least))?;
    let told = |(key, value): &(String, String)| serde_json::json!({"variable_type": "env_var", "key": key, "value": value, "raw": false});
    ask.page(world, held.variables.iter().map(told).collect())
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
    let (variables, inputs) = (ask.key_values("variables"), ask.pairs("inputs"));
    if !variables.is_empty() && !world.may_set_variables(project, me) {
        return Err(Refused::Field("base", "Insufficient permissions to set pipeline variables".into()));
    }
    if let Some((unknown, _)) = inputs.iter().find(|(name, _)| !held.pipeline_inputs.contains(name)) {
        return Err(Refused::Field("base", format!("`.gitlab-ci.yml`: unknown input arguments: {unknown}")));
    }
    let id = world.start_pipeline(project, NewPipeline { source: "api", git_ref, by: me, jobs });
    let made = world.pipeline_mut(id);
    (made.variables, made.inputs) = (variables, inputs);
    Ok(Reply::created(present::pipeline_created(world, id)))
}

/// Everything of it that has not ended ends.
pub fn cancel_pipeline(ask: &Ask, world: &mut World) -> Answer {
    let id = find(ask, world)?;
    let (me, held) = (ask.me()?, world.pipeline(id));
    if !world.may_write_ref(held.project, me, &held.git_ref) {
        return Err(Refused::Forbidden(""));
    }
    world.cancel_pipeline(id);
    Ok(Reply::ok(present::pipeline(world, id)))
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
    let (_, id) = find_job(ask, world)?;
    may_run(world, id, ask.me()?)
}

/// As [`runs`], for any job.
pub fn may_run(world: &World, id: JobId, me: UserId) -> Result<JobId, Refused> {
    let held = world.job(id);
    let project = held.project;
    let may_write = world.may_write_ref(project, me, &world.pipeline(held.pipeline).git_ref);
    let may_deploy = held.spec.environment.as_ref().is_none_or(|name| world.may_deploy(project, me, name));
    if may_write && may_deploy { Ok(id) } else { Err(Refused::Forbidden("")) }
}

pub fn play(ask: &Ask, world: &mut World) -> Answer {
    let (id, me) = (runs(ask, world)?, ask.me()?);
    let given = Given { variables: ask.key_values("job_variables_attributes"), inputs: inputs(ask, world, id)? };
    if !given.variables.is_empty() && !world.may_set_variables(world.job(id).project, me) {
        return Err(Refused::Forbidden(""));
    }
    if !world.play_job_with(id, me, given) {
        return Err(Refused::Bad("400 Bad request - Unplayable Job".into()));
    }
    Ok(Reply::ok(present::job_basic(world, id)))
}

pub fn retry(ask: &Ask, world: &mut World) -> Answer {
    let id = runs(ask, world)?;
    if !world.job(id).status.ended() || world.job(id).retried {
        return Err(Refused::Forbidden(" - Job is not retryable"));
    }
    let given = Given { variables: vec![], inputs: inputs(ask, world, id)? };
    let fresh = world.retry_job_with(id, ask.me()?, given);
    Ok(Reply::created(present::job(world, fresh)))
}

/// The inputs of a job; an older GitLab leaves them out in silence.
fn inputs(ask: &Ask, world: &World, id: JobId) -> Result<Vec<(String, String)>, Refused> {
    let given = if world.is_since(18, 10) { ask.pairs("job_inputs") } else { vec![] };
    match given.iter().find(|(name, _)| !world.job(id).spec.inputs.contains(name)) {
        Some((unknown, _)) => Err(Refused::Bad(format!("400 Bad request - Unknown input: {unknown}"))),
        None => Ok(given),
    }
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
