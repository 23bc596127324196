//! The HTTP face: routes, limits, health.
//!
//! What a stranger costs is bounded before anything is read: [`keys`] decides from the head what a sender may send, [`body`] reads
//! no more than that, [`hook`] puts them together, [`serve`] bounds the connection itself.

mod body;
mod hook;
mod keys;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use url::Url;

use super::metrics::CONTENT_TYPE;
use super::queue::Queue;
use crate::model::gitlab::{InstanceName, ProjectPath};
use crate::model::{Secret, Timestamp};
use crate::store::Space;
use body::Slots;
use keys::Keys;

pub(super) use body::drain;
pub use keys::UnusableSecret;
pub use serve::serve;

/// Where and how the service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub listen: SocketAddr,
    /// The address people and GitLab reach us at.
    pub public_url: Url,
    pub hooks: Vec<HookSecret>,
}

/// One secret that authenticates deliveries of one GitLab. During a rotation several are valid at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSecret {
    pub instance: InstanceName,
    pub kind: HookSecretKind,
    pub secret: Secret,
    /// Which projects it may speak for; `None` for every watched project of the instance (a group hook).
    pub project: Option<ProjectPath>,
}

/// How a secret authenticates ([webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSecretKind {
    /// Compared with `X-Gitlab-Token`.
    Token,
    /// `whsec_…`: a Standard Webhooks signing token (GitLab >= 19.0). While one applies, an unsigned delivery is refused.
    Signing,
}

/// The whole time of a request behind its head. GitLab.com itself waits 10 s for an answer.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long an answer about readiness or depth may come from the store, and how long readiness holds: strangers may ask, and each
/// fresh answer costs a write.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// Everything behind the routes.
pub struct Face {
    keys: Keys,
    queue: Queue,
    slots: Slots,
    ready: Mutex<Option<(Instant, Readiness)>>,
}

/// Whether we can take hints and work on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Readiness {
    store: bool,
    workers: bool,
}

impl Face {
    /// Fails with every secret that cannot be used.
    pub fn new(settings: &Settings, queue: Queue) -> Result<Arc<Self>, Vec<UnusableSecret>> {
        let keys = Keys::new(&settings.hooks)?;
        Ok(Arc::new(Self { keys, queue, slots: Slots::default(), ready: Mutex::default() }))
    }

    async fn readiness(&self) -> Readiness {
        let mut known = self.ready.lock().await;
        if let Some((when, readiness)) = *known
            && when.elapsed() < PROBE_TIME
        {
            return readiness;
        }
        let store = self.queue.store();
        let now = Timestamp::now().to_string();
        let written = timeout(PROBE_TIME, store.put(Space::Cursor, "readyz", now.as_bytes())).await;
        let readiness = Readiness { store: matches!(written, Ok(Ok(()))), workers: self.queue.workers_alive() };
        *known = Some((Instant::now(), readiness));
        readiness
    }
}

/// The routes of the service.
pub fn router(face: Arc<Face>) -> Router {
    Router::new()
        .route("/hooks/gitlab/{instance}", post(hook::deliver))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME))
        .layer(CatchPanicLayer::new())
        .with_state(face)
}

async fn readyz(State(face): State<Arc<Face>>) -> Response {
    let Readiness { store, workers } = face.readiness().await;
    let word = |good| if good { "ok" } else { "failing" };
    let status = if store && workers { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("store: {}\nworkers: {}\n", word(store), word(workers))).into_response()
}

async fn metrics(State(face): State<Arc<Face>>) -> Response {
    let depth = timeout(PROBE_TIME, face.queue.store().depth()).await.ok().and_then(Result::ok);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], face.queue.metrics().text(depth)).into_response()
}

#[cfg(test)]
mod tests;
