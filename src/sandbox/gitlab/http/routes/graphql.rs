//! GraphQL, as far as the bot speaks it: `jobRetry`, and which rules protect an environment. GitLab answers 200 to a refusal and says so inside.

use serde_json::{Value, json};

use super::ci;
use crate::model::gitlab::JobId;
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::{Ask, key_values};
use crate::sandbox::gitlab::state::{Given, Right, World};

pub fn run(ask: &Ask, world: &mut World) -> Answer {
    ask.me()?;
    let query = ask.required("query")?;
    let variables = ask.value("variables").cloned().unwrap_or_default();
    if query.contains("jobRetry(") {
        return retry(ask, world, &variables);
    }
    if query.contains("protectedEnvironments") {
        return protected_by(ask, world, &variables);
    }
    Ok(refused("the sandbox knows no operation but jobRetry and protectedEnvironments"))
}

fn refused(message: &str) -> Reply {
    Reply::ok(json!({"errors": [{"message": message, "locations": [{"line": 1, "column": 1}]}]}))
}

/// Whoever reads an environment is told which rules protect it. A Community Edition has no such field.
fn protected_by(ask: &Ask, world: &World, variables: &Value) -> Answer {
    let me = ask.me()?;
    if !world.switches.enterprise {
        return Ok(refused("Field 'protectedEnvironments' doesn't exist on type 'Environment'"));
    }
    let (path, name) = (variables["path"].as_str().unwrap_or_default(), variables["name"].as_str().unwrap_or_default());
    let seen = world.projects.values().find(|held| held.path == path && world.may(held.id, Some(me), Right::Read));
    let Some(project) = seen else { return Ok(Reply::ok(json!({"data": {"project": null}}))) };
    let environment = project.environments.values().any(|held| held.name == name).then(|| {
        let id = json!({"project": {"id": format!("gid://gitlab/Project/{}", project.id)}});
        let own = project.protected_environments.iter().filter(|rule| rule.name == name).map(|_| id.clone());
        let above = world.rules_above(project.id, name).map(|_| json!({"project": null}));
        json!({"protectedEnvironments": {"nodes": own.chain(above).collect::<Vec<_>>()}})
    });
    Ok(Reply::ok(json!({"data": {"project": {"environment": environment}}})))
}

fn retry(ask: &Ask, world: &mut World, variables: &Value) -> Answer {
    let me = ask.me()?;
    let id = variables["id"].as_str().and_then(|id| id.strip_prefix("gid://gitlab/Ci::Build/")).and_then(|id| id.parse().ok()).map(JobId);
    let held = id.filter(|id| world.jobs.contains_key(id)).and_then(|id| ci::may_run(world, id, me).ok());
    let Some(id) = held else {
        return Ok(refused(
            "The resource that you are attempting to access does not exist or you don't have permission to perform this action",
        ));
    };
    if !world.job(id).status.ended() || world.job(id).retried {
        return Ok(Reply::ok(json!({"data": {"jobRetry": {"job": null, "errors": ["Job is not retryable"]}}})));
    }
    let given = Given { variables: key_values(variables.get("variables")), inputs: vec![] };
    let fresh = world.retry_job_with(id, me, given);
    Ok(Reply::ok(json!({"data": {"jobRetry": {"job": {"id": format!("gid://gitlab/Ci::Build/{fresh}")}, "errors": []}}})))
}
