//! Pipelines and jobs.

use serde_json::{Value, json};

use super::people::{user, user_basic, with};
use super::repository::commit;
use super::{maybe, time};
use crate::model::gitlab::{CiStatus, JobId, PipelineId, RunnerId};
use crate::sandbox::gitlab::state::{TestSuite, World};

pub fn pipeline_basic(world: &World, id: PipelineId) -> Value {
    let held = world.pipeline(id);
    json!({
        "id": id.0,
        "iid": held.iid,
        "project_id": held.project.0,
        "sha": held.sha.as_str(),
        "ref": held.api_ref(),
        "status": held.status.word(),
        "source": held.source,
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
        "web_url": format!("{}/-/pipelines/{id}", world.web_url(held.project)),
    })
}

/// What `POST /projects/:id/pipeline` answers: everything but the name.
pub fn pipeline_created(world: &World, id: PipelineId) -> Value {
    let held = world.pipeline(id);
    let more = json!({
        "before_sha": held.before_sha.as_ref().map(|sha| sha.as_str()),
        "tag": held.tag(),
        "yaml_errors": null,
        "user": user_basic(world, held.user),
        "started_at": maybe(held.started_at),
        "finished_at": maybe(held.finished_at),
        "committed_at": null,
        "duration": held.seconds(),
        "queued_duration": held.queued_seconds(),
        "coverage": null,
        "archived": false,
        "detailed_status": detailed(world, id),
    });
    with(pipeline_basic(world, id), more)
}

pub fn pipeline(world: &World, id: PipelineId) -> Value {
    with(pipeline_created(world, id), json!({"name": null}))
}

fn detailed(world: &World, id: PipelineId) -> Value {
    let held = world.pipeline(id);
    let warned = world.jobs_of(id).any(|job| job.status == CiStatus::Failed && job.spec.allow_failure);
    let (text, group) = match held.status {
        CiStatus::Success if warned => ("Warning", "success-with-warnings"),
        CiStatus::Success => ("Passed", "success"),
        CiStatus::Failed => ("Failed", "failed"),
        CiStatus::Canceled => ("Canceled", "canceled"),
        CiStatus::Running => ("Running", "running"),
        CiStatus::Pending => ("Pending", "pending"),
        CiStatus::Manual => ("Blocked", "manual"),
        other => ("Created", other.word()),
    };
    let label = if group == "success-with-warnings" { "passed with warnings".into() } else { text.to_ascii_lowercase() };
    json!({
        "icon": format!("status_{}", held.status.word()),
        "text": text,
        "label": label,
        "group": group,
        "tooltip": label,
        "has_details": true,
        "details_path": format!("/{}/-/pipelines/{id}", world.project(held.project).path),
        "illustration": null,
        "favicon": format!("/assets/ci_favicons/favicon_status_{}.png", held.status.word()),
    })
}

fn runner(world: &World, id: Option<RunnerId>) -> Value {
    let Some((runner, _)) = id.and_then(|id| world.runners.get(&id)) else { return Value::Null };
    json!({
        "id": runner.id.0,
        "description": runner.description,
        "active": true,
        "paused": false,
        "is_shared": runner.runner_type == "instance_type",
        "runner_type": runner.runner_type,
        "name": "gitlab-runner",
        "online": true,
        "status": "online",
    })
}

/// What `POST …/play` answers.
pub fn job_basic(world: &World, id: JobId) -> Value {
    let held = world.job(id);
    let pipeline = world.pipeline(held.pipeline);
    let project = world.project(held.project);
    let seconds = |from: Option<crate::model::Timestamp>, to: Option<crate::model::Timestamp>| {
        from.zip(to).map(|(from, to)| to.duration_since(from).as_secs_f64())
    };
    let mut told = json!({
        "id": id.0,
        "status": held.status.word(),
        "stage": held.spec.stage,
        "name": held.spec.name,
        "ref": pipeline.api_ref(),
        "tag": pipeline.tag(),
        "coverage": null,
        "allow_failure": held.spec.allow_failure,
        "created_at": time(held.created_at),
        "started_at": maybe(held.started_at),
        "finished_at": maybe(held.finished_at),
        "erased_at": null,
        "duration": seconds(held.started_at, held.finished_at),
        "queued_duration": seconds(held.queued_at, held.started_at),
        "user": user(world, held.user),
        "commit": project.commits.get(&pipeline.sha).map(|held| commit(world, project.id, held)),
        "pipeline": pipeline_basic(world, held.pipeline),
        "web_url": format!("{}/-/jobs/{id}", world.web_url(held.project)),
        "project": {"ci_job_token_scope_enabled": false},
    });
    if let Some(reason) = &held.failure_reason {
        told["failure_reason"] = reason.as_str().into();
    }
    told
}

pub fn job(world: &World, id: JobId) -> Value {
    let held = world.job(id);
    let size: usize = held.artifacts.files.values().map(bytes::Bytes::len).sum();
    let there = !held.artifacts.files.is_empty() && !held.artifacts.expired;
    let artifacts = if there {
        json!([
            {"file_type": "archive", "size": size, "filename": "artifacts.zip", "file_format": "zip"},
            {"file_type": "metadata", "size": 150, "filename": "metadata.gz", "file_format": "gzip"},
        ])
    } else {
        json!([])
    };
    let expires = held.finished_at.filter(|_| !held.artifacts.files.is_empty()).map(|at| at + jiff::SignedDuration::from_hours(24 * 30));
    let mut more = json!({
        "artifacts": artifacts,
        "runner": runner(world, held.runner),
        "runner_manager": null,
        "artifacts_expire_at": maybe(expires),
        "archived": false,
        "tag_list": held.runner.and_then(|id| world.runners.get(&id)).map(|(_, tags)| tags.clone()).unwrap_or_default(),
    });
    if there {
        more["artifacts_file"] = json!({"filename": "artifacts.zip", "size": size});
    }
    with(job_basic(world, id), more)
}

pub fn test_report_summary(suites: &[TestSuite]) -> Value {
    let count = |suite: &TestSuite| suite.success + suite.failed + suite.skipped + suite.error;
    let sum = |of: fn(&TestSuite) -> u64| suites.iter().map(of).sum::<u64>();
    json!({
        "total": {
            "time": suites.iter().map(|suite| suite.seconds).sum::<f64>(),
            "count": suites.iter().map(count).sum::<u64>(),
            "success": sum(|suite| suite.success),
            "failed": sum(|suite| suite.failed),
            "skipped": sum(|suite| suite.skipped),
            "error": sum(|suite| suite.error),
            "suite_error": null,
        },
        "test_suites": suites.iter().map(|suite| json!({
            "name": suite.name,
            "total_time": suite.seconds,
            "total_count": count(suite),
            "success_count": suite.success,
            "failed_count": suite.failed,
            "skipped_count": suite.skipped,
            "error_count": suite.error,
            "build_ids": suite.jobs.iter().map(|job| job.0).collect::<Vec<_>>(),
            "suite_error": null,
        })).collect::<Vec<_>>(),
    })
}
