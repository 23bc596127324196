//! Pipelines, jobs and deployments.

use serde_json::{Value, json};

use super::{commit, maybe, moment, project, repository, user};
use crate::model::gitlab::{DeploymentId, JobId, PipelineId, ProjectId, RunnerId};
use crate::sandbox::gitlab::state::{Environment, Job, MergeRequestKey, Pipeline, World};

fn runner(world: &World, id: Option<RunnerId>) -> Value {
    let Some((runner, tags)) = id.and_then(|id| world.runners.get(&id)) else { return Value::Null };
    json!({
        "id": runner.id.0,
        "description": runner.description,
        "runner_type": runner.runner_type,
        "active": true,
        "is_shared": runner.runner_type == "instance_type",
        "tags": tags,
    })
}

fn environment(world: &World, held: &Job) -> Value {
    let Some(name) = &held.spec.environment else { return Value::Null };
    let known = world.project(held.project).environments.values().find(|environment| environment.name == *name);
    json!({"name": name, "action": "start", "deployment_tier": known.map(Environment::tier)})
}

fn build(world: &World, job: &Job) -> Value {
    let size: usize = job.artifacts.files.values().map(bytes::Bytes::len).sum();
    let file = if job.artifacts.files.is_empty() {
        json!({"filename": null, "size": null})
    } else {
        json!({"filename": "artifacts.zip", "size": size})
    };
    json!({
        "id": job.id.0,
        "stage": job.spec.stage,
        "name": job.spec.name,
        "status": job.status.word(),
        "created_at": moment(job.created_at),
        "started_at": maybe(job.started_at),
        "finished_at": maybe(job.finished_at),
        "duration": job.started_at.zip(job.finished_at).map(|(from, to)| to.duration_since(from).as_secs_f64()),
        "queued_duration": job.queued_at.zip(job.started_at).map(|(from, to)| to.duration_since(from).as_secs_f64()),
        "failure_reason": job.failure_reason,
        "when": if job.spec.manual { "manual" } else { "on_success" },
        "manual": job.spec.manual,
        "allow_failure": job.spec.allow_failure,
        "user": user(world, job.user),
        "runner": runner(world, job.runner),
        "artifacts_file": file,
        "environment": environment(world, job),
    })
}

fn merge_request_of(world: &World, key: MergeRequestKey) -> Value {
    let held = world.merge_request(key);
    json!({
        "id": held.id,
        "iid": key.iid.0,
        "title": held.title,
        "source_branch": held.source_branch,
        "source_project_id": held.source_project.0,
        "target_branch": held.target_branch,
        "target_project_id": key.project.0,
        "state": held.state,
        "merge_status": "can_be_merged",
        "detailed_merge_status": held.detailed_merge_status(),
        "url": format!("{}/-/merge_requests/{}", world.web_url(key.project), key.iid),
    })
}

fn attributes(world: &World, held: &Pipeline) -> Value {
    let variables: Vec<Value> = held.variables.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({
        "id": held.id.0,
        "iid": held.iid,
        "name": null,
        "ref": held.git_ref.name(),
        "ref_status_name": held.git_ref.name(),
        "tag": held.tag(),
        "sha": held.sha.as_str(),
        "before_sha": held.before_sha.as_ref().map_or(super::ZEROS, |sha| sha.as_str()),
        "source": held.source,
        "status": held.status.word(),
        "detailed_status": if held.status.word() == "success" { "passed" } else { held.status.word() },
        "stages": world.stages(held.id),
        "created_at": moment(held.created_at),
        "finished_at": maybe(held.finished_at),
        "duration": held.seconds(),
        "queued_duration": held.queued_seconds(),
        "protected_ref": held.protected,
        "variables": variables,
        "url": format!("{}/-/pipelines/{}", world.web_url(held.project), held.id),
    })
}

pub fn pipeline(world: &World, id: PipelineId) -> Value {
    let held = world.pipeline(id);
    json!({
        "object_kind": "pipeline",
        "object_attributes": attributes(world, held),
        "merge_request": held.merge_request.map(|key| merge_request_of(world, key)),
        "user": user(world, held.user),
        "project": project(world, held.project),
        "commit": commit(world, held.project, &held.sha),
        "builds": world.jobs_of(id).map(|job| build(world, job)).collect::<Vec<_>>(),
    })
}

pub fn job(world: &World, id: JobId) -> Value {
    let held = world.job(id);
    let pipeline = world.pipeline(held.pipeline);
    let attempts = world.jobs.values().filter(|other| other.pipeline == held.pipeline && other.spec.name == held.spec.name).count();
    let whole = build(world, held);
    let message = world.project(held.project).commits.get(&pipeline.sha).map(|commit| commit.message.clone());
    let mut body = json!({
        "object_kind": "build",
        "ref": pipeline.git_ref.name(),
        "tag": pipeline.tag(),
        "before_sha": pipeline.before_sha.as_ref().map_or(super::ZEROS, |sha| sha.as_str()),
        "sha": pipeline.sha.as_str(),
        "retries_count": attempts.saturating_sub(1),
        "build_id": held.id.0,
        "build_name": held.spec.name,
        "build_stage": held.spec.stage,
        "build_allow_failure": held.spec.allow_failure,
        "build_failure_reason": held.failure_reason.as_deref().unwrap_or("unknown_failure"),
        "pipeline_id": held.pipeline.0,
        "runner": whole["runner"],
        "project_id": held.project.0,
        "project_name": world.project(held.project).path.replace('/', " / "),
        "user": user(world, held.user),
        // GitLab's own oddity: the commit's id is the pipeline's.
        "commit": {"id": held.pipeline.0, "name": null, "sha": pipeline.sha.as_str(), "message": message, "status": pipeline.status.word()},
        "repository": repository(world, held.project),
        "project": project(world, held.project),
        "environment": whole["environment"],
    });
    for name in ["status", "created_at", "started_at", "finished_at", "duration", "queued_duration"] {
        body[format!("build_{name}")] = whole[name].clone();
    }
    body
}

pub fn deployment(world: &World, id: ProjectId, deployment: DeploymentId) -> Value {
    let Some(held) = world.project(id).deployments.get(&deployment) else { return Value::Null };
    let web = world.web_url(id);
    let environment = world.project(id).environments.values().find(|environment| environment.name == held.environment);
    json!({
        "object_kind": "deployment",
        "status": held.status,
        "status_changed_at": held.updated_at.strftime("%Y-%m-%d %H:%M:%S +0000").to_string(),
        "deployment_id": held.id.0,
        "deployable_id": held.job.map(|job| job.0),
        "deployable_url": held.job.map(|job| format!("{web}/-/jobs/{job}")),
        "environment": held.environment,
        "environment_tier": environment.map(Environment::tier),
        "environment_slug": held.environment.to_ascii_lowercase().replace(['/', '.', '_'], "-"),
        "environment_external_url": null,
        "project": project(world, id),
        "short_sha": held.sha.short(),
        "user": user(world, held.user),
        "user_url": format!("{}/{}", world.url, world.user(held.user).username),
        "commit_url": format!("{web}/-/commit/{}", held.sha),
        "commit_title": world.project(id).commits.get(&held.sha).map(|commit| commit.title()),
        "ref": held.git_ref.name(),
    })
}
