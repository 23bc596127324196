//! Carries webhooks out: one lane a hook, in order, each once. GitLab does not try again, and neither does this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};

use super::http::Shared;
use super::state::{HookEvent, HookId, Outgoing};
use crate::model::Timestamp;

/// GitLab.com's time-out.
const TIMEOUT: Duration = Duration::from_secs(10);
/// GitLab keeps this much of a response.
const MAX_RESPONSE: usize = 8 * 1024;

/// A webhook on its way. `done` hears the response's status, `None` for no response.
#[derive(Debug)]
pub struct Parcel {
    pub outgoing: Outgoing,
    pub done: Option<oneshot::Sender<Option<u16>>>,
}

/// Takes parcels until the double ends.
pub async fn run(shared: Arc<Shared>, client: reqwest::Client, mut parcels: mpsc::UnboundedReceiver<Parcel>) {
    let mut lanes: HashMap<HookId, mpsc::UnboundedSender<Parcel>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(parcel) = parcels.recv().await {
        let lane = lanes.entry(parcel.outgoing.hook).or_insert_with(|| {
            let (lane, waiting) = mpsc::unbounded_channel();
            tasks.spawn(drive(shared.clone(), client.clone(), waiting));
            lane
        });
        if lane.send(parcel).is_err() {
            tracing::error!("a lane of webhooks ended early");
        }
    }
}

async fn drive(shared: Arc<Shared>, client: reqwest::Client, mut waiting: mpsc::UnboundedReceiver<Parcel>) {
    while let Some(Parcel { outgoing, done }) = waiting.recv().await {
        let event = deliver(&client, &outgoing).await;
        let status = event.response_status;
        shared.world().delivered(event);
        shared.under_way.send_modify(|count| *count -= 1);
        if let Some(done) = done {
            // Who asked may have gone away meanwhile.
            let _ = done.send(status);
        }
    }
}

/// The client that GitLab's behaviour asks for: ten seconds, no redirects followed.
///
/// # Errors
/// The TLS back-end cannot be started.
pub fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}

async fn deliver(client: &reqwest::Client, outgoing: &Outgoing) -> HookEvent {
    let headers = headers(outgoing);
    let mut request = client.post(&outgoing.url).body(outgoing.body.clone());
    for (name, value) in &headers {
        request = request.header(*name, value);
    }
    let started = Instant::now();
    let response = request.send().await;
    let mut event = HookEvent {
        id: 0,
        project: outgoing.project,
        hook: outgoing.hook,
        trigger: outgoing.trigger,
        url: outgoing.url.clone(),
        request_headers: headers.iter().map(|(name, value)| ((*name).to_owned(), shown(name, value))).collect(),
        request_data: outgoing.body.clone(),
        response_status: None,
        response_headers: vec![],
        response_body: String::new(),
        seconds: 0.0,
        at: Timestamp::now(),
        idempotency_key: outgoing.idempotency_key.clone(),
    };
    match response {
        Ok(response) => {
            event.response_status = Some(response.status().as_u16());
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            event.response_headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let mut body = vec![];
            let mut stream = response.bytes_stream();
            while let Some(Ok(piece)) = stream.next().await {
                body.extend_from_slice(&piece);
                if body.len() >= MAX_RESPONSE {
                    break;
                }
            }
            body.truncate(MAX_RESPONSE);
            event.response_body = String::from_utf8_lossy(&body).into_owned();
        }
        Err(error) => event.response_body = error.without_url().to_string(),
    }
    event.seconds = started.elapsed().as_secs_f64();
    event
}

/// GitLab shows stored requests with their tokens hidden.
fn shown(name: &str, value: &str) -> String {
    if name == "X-Gitlab-Token" { "[REDACTED]".into() } else { value.into() }
}

fn headers(outgoing: &Outgoing) -> Vec<(&'static str, String)> {
    let fresh = || uuid::Uuid::now_v7().to_string();
    let mut headers = vec![
        ("Content-Type", "application/json".into()),
        ("User-Agent", outgoing.user_agent.clone()),
        ("Idempotency-Key", outgoing.idempotency_key.clone()),
        ("X-Gitlab-Event", outgoing.trigger.header().into()),
        ("X-Gitlab-Webhook-UUID", fresh()),
        ("X-Gitlab-Instance", outgoing.instance.clone()),
        ("X-Gitlab-Event-UUID", fresh()),
    ];
    if let Some(token) = &outgoing.token {
        headers.push(("X-Gitlab-Token", token.expose().into()));
    }
    if let Some(secret) = &outgoing.signing_token {
        // The receiver compares with its own clock, so the real time goes in whatever the double's clock says.
        let seconds = Timestamp::now().as_second();
        let signed = standardwebhooks::Webhook::new(secret.expose())
            .and_then(|webhook| webhook.sign(&outgoing.idempotency_key, seconds, outgoing.body.as_bytes()));
        match signed {
            Ok(signature) => headers.extend([
                ("webhook-id", outgoing.idempotency_key.clone()),
                ("webhook-timestamp", seconds.to_string()),
                ("webhook-signature", signature),
            ]),
            Err(error) => tracing::error!(%error, "a webhook's signing token cannot sign"),
        }
    }
    headers
}
