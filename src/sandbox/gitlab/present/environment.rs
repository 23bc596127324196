//! Environments and deployments.

use serde_json::{Value, json};

use super::people::{user_basic, with};
use super::project::grant;
use super::time;
use crate::model::gitlab::ProjectId;
use crate::sandbox::gitlab::state::{Deployment, Environment, Grant, ProtectedEnvironment, World};

fn basic(held: &Environment) -> Value {
    json!({
        "id": held.id,
        "name": held.name,
        "slug": held.name.to_ascii_lowercase().replace(['/', '.', '_'], "-"),
        "external_url": null,
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
    })
}

pub fn environment(held: &Environment) -> Value {
    let more = json!({
        "tier": held.tier(),
        "state": "available",
        "auto_stop_at": null,
        "kubernetes_namespace": null,
        "flux_resource_path": null,
        "description": null,
        "auto_stop_setting": "always",
    });
    with(basic(held), more)
}

/// `GET environments/:id`, which also tells the last deployment that worked.
pub fn environment_detail(world: &World, project: ProjectId, held: &Environment) -> Value {
    let deployments = &world.project(project).deployments;
    let last = deployments.values().rev().find(|deployment| deployment.environment == held.name && deployment.status == "success");
    with(environment(held), json!({"last_deployment": last.map(|last| deployment(world, project, last))}))
}

pub fn deployment(world: &World, project: ProjectId, held: &Deployment) -> Value {
    let environment = world.project(project).environments.values().find(|environment| environment.name == held.environment);
    json!({
        "id": held.id.0,
        "iid": held.iid,
        "ref": held.git_ref.name(),
        "sha": held.sha.as_str(),
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
        "status": held.status,
        "user": user_basic(world, held.user),
        "environment": environment.map(basic),
        "deployable": held.job.map(|job| super::job(world, job)),
    })
}

pub fn protected_environment(world: &World, rule: &ProtectedEnvironment) -> Value {
    let inheritance = |row: &Grant| u64::from(matches!(row, Grant::GroupAndAbove(_)));
    let levels: Vec<Value> =
        rule.deploy.iter().map(|row| with(grant(world, row), json!({"group_inheritance_type": inheritance(row)}))).collect();
    json!({"name": rule.name, "deploy_access_levels": levels, "required_approval_count": rule.required_approvals, "approval_rules": []})
}
