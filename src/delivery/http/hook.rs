//! One delivery, from its head to its answer. GitLab pauses a hook after four bad answers in a row, so everything authentic is
//! answered 2xx, unless its hint could not be kept.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::gitlab_hook::{self, Delivery, Kind, Unreadable};
use super::body::{self, Stopped};
use super::keys::{Admission, Allowance, Head};
use super::{Face, REQUEST_TIME};
use crate::event::Hint;
use crate::model::Timestamp;
use crate::model::gitlab::InstanceName;

/// How long the store may take to keep a hint: an authentic delivery is answered within 5 s (SR-05).
const KEEP_TIME: Duration = Duration::from_secs(4);
/// Left for the answer itself, so that ours comes before the router's own time limit.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// Bytes of a delivery's id that are kept for the log. GitLab sends a UUID.
const MAX_ID: usize = 128;

/// How a delivery was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Queued,
    /// Authentic, and nothing to do.
    Nothing,
    /// Authentic, and not to be understood.
    Unreadable,
    Refused,
    TooLarge,
    Slow,
    NotKept,
}

impl Answer {
    fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Nothing => "nothing",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::NotKept => "not_kept",
        }
    }
}

impl IntoResponse for Answer {
    /// The same few words each time: GitLab shows them to people, and a stranger learns nothing from them.
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Queued => (StatusCode::ACCEPTED, "queued\n"),
            Self::Nothing | Self::Unreadable => (StatusCode::OK, "nothing to do\n"),
            Self::Refused => (StatusCode::UNAUTHORIZED, "unknown hook, or wrong secret\n"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "larger than 25 MiB\n"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "too slow\n"),
            Self::NotKept => (StatusCode::SERVICE_UNAVAILABLE, "could not be kept\n"),
        };
        (status, text).into_response()
    }
}

/// What the log says of a delivery: never its body, which holds variables.
#[derive(Default)]
struct About {
    delivery: Option<String>,
    kind: Option<Kind>,
    project: Option<u64>,
    bytes: usize,
}

pub(super) async fn deliver(
    State(face): State<Arc<Face>>,
    instance: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    // A path that cannot be read is an unknown instance, and costs the same comparisons.
    let instance = instance.map(|Path(name)| name).unwrap_or_default();
    let began = Instant::now();
    let mut about = About::default();
    let answer = answer(&face, &instance, &headers, (body, &mut about)).await;
    let kind = about.kind.map_or("unknown", Kind::word);
    face.queue.metrics().delivery(kind, answer.word());
    let (About { delivery, project, bytes, .. }, milliseconds) = (about, began.elapsed().as_millis());
    let (result, delivery) = (answer.word(), delivery.as_deref().unwrap_or_default());
    match answer {
        Answer::Queued | Answer::Nothing => {
            tracing::info!(instance = ?instance, delivery, kind, project, bytes, milliseconds, result, "delivery");
        }
        Answer::Unreadable | Answer::TooLarge | Answer::Slow => {
            tracing::warn!(instance = ?instance, delivery, kind, project, bytes, milliseconds, result, "delivery");
        }
        Answer::NotKept => tracing::error!(instance = ?instance, delivery, kind, project, bytes, milliseconds, result, "delivery"),
        // Nothing a stranger wrote.
        Answer::Refused => tracing::info!(milliseconds, result, "delivery"),
    }
    answer
}

async fn answer(face: &Arc<Face>, instance: &str, headers: &HeaderMap, (body, about): (Body, &mut About)) -> Answer {
    let deadline = Instant::now() + REQUEST_TIME - ANSWER_TIME;
    let now = Timestamp::now();
    let head = face.keys.head(instance, headers, now);
    let allowance = head.allowance();
    if allowance == Allowance::Nothing {
        body::drain(body).await;
        return Answer::Refused;
    }
    let whole = match timeout_at(deadline, body::read(body, allowance, &face.slots)).await {
        Ok(Ok(whole)) => whole,
        Ok(Err(Stopped::NotAllowed)) => return Answer::Refused,
        Ok(Err(Stopped::TooLarge)) => return Answer::TooLarge,
        Ok(Err(Stopped::Broken)) | Err(_) if allowance != Allowance::Proven => return Answer::Refused,
        Ok(Err(Stopped::Broken)) | Err(_) => return Answer::Slow,
    };
    about.bytes = whole.bytes.len();
    let judged = if whole.is_large() {
        let (face, instance, headers, bytes) = (face.clone(), instance.to_owned(), headers.clone(), whole.bytes.clone());
        let judging = move || judge(&face.keys.head(&instance, &headers, now), &headers, &bytes);
        tokio::task::spawn_blocking(judging).await.unwrap_or((Admission::Refused, Err(Unreadable)))
    } else {
        judge(&head, headers, &whole.bytes)
    };
    drop(whole);
    let hints = match judged {
        (Admission::Refused, _) => return Answer::Refused,
        (Admission::WithoutHints | Admission::Admitted, Err(Unreadable)) => return Answer::Unreadable,
        (admission, Ok(delivery)) => {
            about.kind = Some(delivery.kind);
            about.project = delivery.project.map(|id| id.0);
            about.delivery = delivery_id(headers);
            if admission == Admission::WithoutHints {
                return Answer::Nothing;
            }
            delivery.hints(&InstanceName(instance.to_owned()), about.delivery.clone(), now)
        }
    };
    keep(face, &hints, deadline).await
}

/// Reads the body and decides whether to believe that it was sent by whom it says. Reading comes first because the project it
/// claims names the secrets to try; what was read is used only if one of them fits.
fn judge(head: &Head<'_>, headers: &HeaderMap, bytes: &[u8]) -> (Admission, Result<Delivery, Unreadable>) {
    let delivery = gitlab_hook::read(bytes);
    let claimed = delivery.as_ref().ok().and_then(|delivery| delivery.project_path.as_deref());
    (head.admit(headers, bytes, claimed), delivery)
}

/// Durable before it is answered.
async fn keep(face: &Face, hints: &[Hint], deadline: Instant) -> Answer {
    for hint in hints {
        let pushed = timeout_at(deadline, timeout(KEEP_TIME, face.queue.push(hint))).await;
        match pushed {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::error!(%error, "a hint could not be kept");
                return Answer::NotKept;
            }
            Ok(Err(_)) | Err(_) => return Answer::NotKept,
        }
    }
    if hints.is_empty() { Answer::Nothing } else { Answer::Queued }
}

/// The delivery's own id, the same over its repetitions.
fn delivery_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("webhook-id").or_else(|| headers.get("idempotency-key"))?.to_str().ok()?;
    (id.len() <= MAX_ID && !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic())).then(|| id.to_owned())
}
