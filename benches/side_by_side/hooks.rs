//! How fast a delivery is answered: ours is on durable storage by then; adnanh/webhook starts a process and forgets it.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::sandbox::shop::{Shop, Signing, WEBHOOK_TOKEN};

use super::parts::{Process, free_port, part, until};

const DELIVERIES: u64 = 4_000;
const AT_ONCE: usize = 16;

/// A note's delivery, in the size GitLab sends them. Every one is about a note of its own: the same again would be merged.
fn delivery(note: u64) -> String {
    serde_json::json!({
        "object_kind": "note", "event_type": "note", "project_id": 1,
        "user": {"id": 5, "name": "Dana", "username": "dana"},
        "project": {"id": 1, "name": "api", "path_with_namespace": "shop/api", "description": "x".repeat(900)},
        "object_attributes": {"id": note, "noteable_type": "MergeRequest", "note": "x".repeat(900), "system": false},
        "merge_request": {"id": 7, "iid": 1, "title": "t", "description": "x".repeat(900)},
    })
    .to_string()
}

/// Deliveries a second, and the time in which 50 and 99 of a hundred were answered, in milliseconds.
async fn load(address: &str) -> (f64, f64, f64) {
    let client = reqwest::Client::builder().pool_max_idle_per_host(AT_ONCE).no_proxy().build().unwrap();
    let next = AtomicU64::new(1);
    let began = Instant::now();
    let senders = (0..AT_ONCE).map(|_| async {
        let mut took = vec![];
        loop {
            let note = next.fetch_add(1, Ordering::Relaxed);
            if note > DELIVERIES {
                return took;
            }
            let sent = Instant::now();
            let request = client.post(address).header("content-type", "application/json").header("x-gitlab-event", "Note Hook");
            let answer = request.header("x-gitlab-token", WEBHOOK_TOKEN).body(delivery(note)).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
            took.push(sent.elapsed().as_secs_f64() * 1e3);
        }
    });
    let mut took: Vec<f64> = futures_util::future::join_all(senders).await.concat();
    let whole = began.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    #[allow(clippy::cast_precision_loss)] // a few thousand
    (took.len() as f64 / whole, at(50), at(99))
}

async fn answers(address: &str) {
    until("the receiver answers", async || reqwest::get(address).await.ok()).await;
}

async fn ours() -> (f64, f64, f64) {
    let shop = Shop::open(Signing::Keyless, None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = shop.write_configuration(folder.path()).unwrap();
    let port = free_port();
    let toml = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    std::fs::write(&file, toml).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut serve = Command::new(super::countersign());
    serve.args(["serve", "--config"]).arg(&file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let _serve = Process::start(&mut serve);
    answers(&format!("http://127.0.0.1:{port}/healthz")).await;
    load(&format!("http://127.0.0.1:{port}/hooks/gitlab/main")).await
}

/// adnanh/webhook with the same secret in a rule, running `true`.
async fn theirs() -> (f64, f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let rule = serde_json::json!({"match": {
        "type": "value", "value": WEBHOOK_TOKEN, "parameter": {"source": "header", "name": "X-Gitlab-Token"},
    }});
    let hooks = serde_json::json!([{"id": "gitlab", "execute-command": "/bin/true", "trigger-rule": rule}]);
    let file = folder.path().join("hooks.json");
    std::fs::File::create(&file).unwrap().write_all(hooks.to_string().as_bytes()).unwrap();
    let port = free_port();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut webhook = Command::new(part("webhook"));
    webhook.args(["-ip", "127.0.0.1", "-port", &port.to_string(), "-hooks"]).arg(&file);
    let _webhook = Process::start(webhook.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log));
    answers(&format!("http://127.0.0.1:{port}/")).await;
    load(&format!("http://127.0.0.1:{port}/hooks/gitlab")).await
}

pub fn run() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("## Answering deliveries ({DELIVERIES} notes, {AT_ONCE} at once)\n");
    println!("| receiver | deliveries a second | half within | 99 of 100 within |\n|---|---|---|---|");
    let ours = runtime.block_on(ours());
    // What the first left running must not slow the second.
    std::thread::sleep(Duration::from_secs(2));
    let theirs = runtime.block_on(theirs());
    for (name, run) in [("countersign, durable before it answers", ours), ("webhook, a process for each, nothing kept", theirs)] {
        println!("| {name} | {:.0} ({:.1}×) | {:.1} ms | {:.1} ms |", run.0, run.0 / ours.0, run.1, run.2);
    }
    println!();
}
