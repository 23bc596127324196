//! Webhooks: registered, changed, tested, looked back on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::model::Secret;
use crate::model::gitlab::ProjectId;
use crate::sandbox::gitlab::courier::Parcel;
use crate::sandbox::gitlab::http::Shared;
use crate::sandbox::gitlab::http::answer::{Answer, Reply, response};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::payload;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{HOOK_EVENTS, HookEvent, HookId, Level, NOTHING, Outgoing, Refused, Right, Trigger, World};

fn project(ask: &Ask, world: &World) -> Result<ProjectId, Refused> {
    ask.project(world, Right::Is(Level::Maintainer))
}

fn find(ask: &Ask, world: &World) -> Result<(ProjectId, HookId), Refused> {
    let project = project(ask, world)?;
    let id = ask.id("hook")?;
    if world.project(project).hooks.contains_key(&id) { Ok((project, id)) } else { Err(NOTHING) }
}

pub fn list(ask: &Ask, world: &mut World) -> Answer {
    let project = project(ask, world)?;
    let now = world.now();
    ask.page(world, world.project(project).hooks.values().map(|hook| present::hook(hook, now)).collect())
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let (project, id) = find(ask, world)?;
    let hook = world.project(project).hooks.get(&id).ok_or(NOTHING)?;
    Ok(Reply::ok(present::hook(hook, world.now())))
}

fn check_url(url: &str) -> Result<(), Refused> {
    let good = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if good { Ok(()) } else { Err(Refused::Unprocessable("Invalid url given".into())) }
}

/// `whsec_` and base64 of 32 bytes, or nothing to take it away.
fn check_signing_token(token: &str) -> Result<(), Refused> {
    let decoded = token.strip_prefix("whsec_").and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    let good = token.is_empty() || decoded.is_some_and(|key| key.len() == 32);
    if good { Ok(()) } else { Err(Refused::Unprocessable("Signing token is invalid".into())) }
}

/// Writes the given settings into a hook.
fn set(ask: &Ask, world: &mut World, project: ProjectId, id: HookId) -> Result<(), Refused> {
    let signing = ask.text("signing_token").filter(|_| world.switches.signs_hooks);
    if let Some(token) = &signing {
        check_signing_token(token)?;
    }
    let mut wanted = vec![];
    for (name, _) in HOOK_EVENTS {
        wanted.extend(ask.flag(name)?.map(|flag| (*name, flag)));
    }
    let tls = ask.flag("enable_ssl_verification")?;
    let hook = world.project_mut(project).hooks.get_mut(&id).ok_or(NOTHING)?;
    if let Some(url) = ask.text("url").filter(|url| *url != hook.url) {
        // A new address must not be sent the old one's secret.
        (hook.url, hook.token) = (url, None);
    }
    if let Some(token) = ask.text("token") {
        hook.token = Secret::new(&token);
    }
    if let Some(token) = signing {
        hook.signing_token = Secret::new(&token);
    }
    hook.events.extend(wanted);
    hook.verifies_tls = tls.unwrap_or(hook.verifies_tls);
    hook.name = ask.text("name").or(hook.name.take());
    hook.description = ask.text("description").or(hook.description.take());
    hook.branch_filter = ask.text("push_events_branch_filter").or(hook.branch_filter.take());
    Ok(())
}

pub fn create(ask: &Ask, world: &mut World) -> Answer {
    let url = ask.required("url")?;
    let project = project(ask, world)?;
    check_url(&url)?;
    if let Some(token) = ask.text("signing_token").filter(|_| world.switches.signs_hooks) {
        check_signing_token(&token)?;
    }
    let id = world.new_hook(project, &url);
    set(ask, world, project, id)?;
    let hook = world.project(project).hooks.get(&id).ok_or(NOTHING)?;
    Ok(Reply::created(present::hook(hook, world.now())))
}

pub fn update(ask: &Ask, world: &mut World) -> Answer {
    let (project, id) = find(ask, world)?;
    if let Some(url) = ask.text("url") {
        check_url(&url)?;
    }
    set(ask, world, project, id)?;
    show(ask, world)
}

pub fn delete(ask: &Ask, world: &mut World) -> Answer {
    let (project, id) = find(ask, world)?;
    world.project_mut(project).hooks.remove(&id);
    Ok(Reply::deleted())
}

/// Newest first. `status`: a code, `successful`, `client_failure`, `server_failure`.
pub fn events(ask: &Ask, world: &mut World) -> Answer {
    let (_, id) = find(ask, world)?;
    let status = ask.text("status");
    let fits = |event: &&HookEvent| match (status.as_deref(), event.response_status) {
        (None, _) => true,
        (Some("successful"), code) => code.is_some_and(|code| (200..300).contains(&code)),
        (Some("client_failure"), code) => code.is_some_and(|code| (400..500).contains(&code)),
        (Some("server_failure"), code) => code.is_none_or(|code| code >= 500),
        (Some(text), code) => code.is_some_and(|code| code.to_string() == text),
    };
    let mut found: Vec<Value> = world.deliveries(id).filter(fits).map(present::hook_event).collect();
    found.reverse();
    ask.page(world, found)
}

/// Sends something to a hook and waits for what it says.
async fn send(shared: &Shared, outgoing: Outgoing) -> Option<u16> {
    let (done, heard) = oneshot::channel();
    shared.send(Parcel { outgoing, done: Some(done) });
    heard.await.ok().flatten()
}

/// Sends an old delivery again: same body and key, a fresh and valid signature.
pub async fn resend(State(shared): State<Arc<Shared>>, ask: Ask) -> Response {
    let made = || -> Result<Outgoing, Refused> {
        let world = shared.world();
        let (project, id) = find(&ask, &world)?;
        let event = ask.id("event")?;
        let old = world.deliveries(id).find(|held| held.id == event).ok_or(NOTHING)?;
        let keyed = (old.idempotency_key.clone(), old.request_data.clone());
        world.outgoing(project, id, old.trigger, keyed).ok_or(NOTHING)
    };
    match made() {
        Ok(outgoing) => {
            let status = send(&shared, outgoing).await;
            response(Ok(Reply::created(json!({"response_status": status}))))
        }
        Err(refused) => response(Err(refused)),
    }
}

/// Sends a hook made of the project's newest object, whoever made that, in the tester's name.
pub async fn test(State(shared): State<Arc<Shared>>, ask: Ask) -> Response {
    let made = || -> Result<Outgoing, Refused> {
        let world = shared.world();
        let (project, id) = find(&ask, &world)?;
        let trigger = TESTABLE.iter().copied().find(|trigger| trigger.switch() == ask.part("trigger"));
        let trigger = trigger.ok_or_else(|| Refused::Parameters("trigger does not have a valid value".into()))?;
        let body = newest(&world, project, trigger, ask.me()?).ok_or(Refused::Unprocessable("Ensure the project has the data.".into()))?;
        let keyed = (uuid::Uuid::now_v7().to_string(), body.to_string());
        world.outgoing(project, id, trigger, keyed).ok_or(NOTHING)
    };
    match made() {
        Ok(outgoing) => match send(&shared, outgoing).await {
            Some(status) if (200..300).contains(&status) => response(Ok(Reply::created(json!({"message": "201 Created"})))),
            Some(_) | None => response(Err(Refused::Unprocessable("Hook execution failed".into()))),
        },
        Err(refused) => response(Err(refused)),
    }
}

/// The triggers that GitLab can test and the double fires; there is none for deployments.
const TESTABLE: &[Trigger] =
    &[Trigger::Push, Trigger::TagPush, Trigger::MergeRequest, Trigger::Note, Trigger::Job, Trigger::Pipeline, Trigger::Release];

fn newest(world: &World, project: ProjectId, trigger: Trigger, tester: crate::model::gitlab::UserId) -> Option<Value> {
    let held = world.project(project);
    match trigger {
        Trigger::Push | Trigger::TagPush => payload::newest_push(world, project, trigger == Trigger::TagPush, tester),
        Trigger::MergeRequest => {
            let newest = held.merge_requests.values().next_back()?;
            Some(payload::merge_request(world, newest.key, tester, "update"))
        }
        Trigger::Note | Trigger::ConfidentialNote => {
            let notes = held.merge_requests.values().flat_map(|one| one.notes().map(move |(_, note)| (one.key, note)));
            let (key, note) = notes.filter(|(_, note)| !note.system).max_by_key(|(_, note)| note.id)?;
            Some(payload::note(world, key, (note.id, tester), Some("create")))
        }
        Trigger::Job => {
            let job = world.jobs.values().rev().find(|job| job.project == project)?;
            Some(payload::job(world, job.id))
        }
        Trigger::Pipeline => {
            let pipeline = world.pipelines.values().rev().find(|pipeline| pipeline.project == project)?;
            Some(payload::pipeline(world, pipeline.id))
        }
        Trigger::Release => {
            let release = held.releases.values().max_by_key(|release| release.id)?;
            payload::release(world, project, &release.tag, "create")
        }
        Trigger::Deployment => None,
    }
}
