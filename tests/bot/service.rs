//! What the service shows of itself, and how it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::registry::{self, Account, Auth};
use countersign::sandbox::shop::WEBHOOK_TOKEN;
use serde_json::json;

use super::process::Process;
use super::*;

const PASSWORD: &str = "only-for-the-registry";
const WRONG_TOKEN: &str = "a-token-that-somebody-guessed";

#[tokio::test]
async fn no_secret_is_in_logs_notes_metrics_or_health_at_level_debug() {
    let setup = Setup::new(Signing::Keyless)
        .toml("[store]", "[log]\nlevel = \"debug\"\n\n[store]")
        .toml("plain_http = true", "plain_http = true\nusername = \"bot\"\npassword = { file = \"registry-password\" }")
        .file("registry-password", PASSWORD);
    let (world, process) = Process::in_world(setup).await;
    let accounts = vec![Account { name: "bot".into(), password: PASSWORD.into(), push: false }];
    let lifetime = Duration::from_secs(300);
    world.registry.change(|options| options.auth = Auth::Token { accounts, realm: None, lifetime, anonymous_pull: false });
    // Everything that is logged: work, failures of every part, refused and unreadable deliveries.
    world.gitlab.add_fault(countersign::sandbox::gitlab::FaultRule {
        method: "*".into(),
        path: "*".into(),
        fault: Fault::Status(500),
        times: Some(5),
    });
    world.registry.fault_times(2, "* /v2/*", registry::Fault::Status(401));
    world.registry.fault_times(3, "GET /jwt/auth", registry::Fault::Status(500));
    assert_eq!(world.post(&process.address, WRONG_TOKEN, "{}".into()).await, 401);
    assert_eq!(world.post(&process.address, WEBHOOK_TOKEN, "no json: SECRET_VARIABLE=hunter2".into()).await / 100, 2);
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.answer("/verify v1.8.2").await;
    world.status_is(TAG, "success").await;
    let mut seen = vec![world.section_says(TAG, "countersign:release:end").await];
    seen.extend(world.bot_notes());
    for page in ["/metrics", "/readyz", "/healthz", "/"] {
        seen.push(world.page(&process.address, page).await.1);
    }
    process.tell_to_stop();
    let (status, log) = process.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("verdict") && log.contains("delivery") && log.lines().count() > 20, "{log}");
    seen.push(log);
    for secret in [world.bot_token.as_str(), WEBHOOK_TOKEN, PASSWORD, WRONG_TOKEN, "hunter2", "Bearer ", "Basic "] {
        for text in &seen {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

/// The series of `/metrics` without their values.
async fn series(world: &World) -> BTreeSet<String> {
    let text = world.get("/metrics").await;
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn nobody_outside_can_make_series() {
    let world = World::start(Signing::Keyless).await;
    for round in 0..30 {
        let kind = if round % 2 == 0 { format!("evil{round}") } else { "tag_push".into() };
        let body = json!({"object_kind": kind, "project_id": round + 1000, "ref": format!("refs/tags/evil{round}"), "event_name": kind});
        assert!((200..300).contains(&world.deliver(WEBHOOK_TOKEN, &body).await));
        world.deliver(&format!("evil{round}"), &body).await;
        world.get(&format!("/evil{round}")).await;
    }
    world.settled().await;
    let all = series(&world).await;
    assert!(!all.iter().any(|name| name.contains("evil")), "{all:#?}");
    assert!(all.len() < 20, "{all:#?}");
}

#[tokio::test]
async fn a_running_bot_is_alive_and_ready() {
    let world = World::start(Signing::Keyless).await;
    for page in ["/healthz", "/readyz"] {
        assert_eq!(world.page(&world.address(), page).await.0, 200, "{page}");
    }
}

#[tokio::test]
async fn a_graceful_stop_finishes_the_work_in_hand() {
    let mut world = World::start(Signing::Keyless).await;
    world.gitlab.world().switches.loses_hooks = true;
    let (pipeline, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.registry.fault("* /v2/*", registry::Fault::Slow(Duration::from_millis(500)));
    let body = json!({"object_kind": "pipeline", "project": {"id": world.project.0}, "object_attributes": {"id": pipeline.0}});
    assert!((200..300).contains(&world.deliver(WEBHOOK_TOKEN, &body).await));
    until("the registry is asked", || (!world.registry.requests().is_empty()).then_some(())).await;
    assert_eq!(world.status(TAG), None);
    let began = Instant::now();
    world.down().await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // It is all there at the moment it ended, although it had hardly begun when it was told to.
    assert_eq!(world.status(TAG).map(|(state, _)| state), Some("success"));
    assert!(world.release_text(TAG).unwrap().contains(&digest.to_string()));
    assert!(world.sticky().unwrap().contains("### Image verified"));
    let from = world.asked().len();
    world.registry.heal();
    world.up().await;
    world.settled().await;
    assert_eq!(world.writes_since(from), Vec::<String>::new());
}

#[tokio::test]
async fn deliveries_while_the_bot_stops_are_done_after_the_next_start() {
    let mut world = World::start(Signing::Keyless).await;
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.restart().await;
    let asked = world.says("/verify v1.8.2");
    world.restart().await;
    world.status_is(TAG, "success").await;
    until("the answer", || world.reply_to(asked)).await;
}
