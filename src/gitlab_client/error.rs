//! How a call to GitLab fails, and what that means for a look.

use std::time::Duration;

use http::StatusCode;

use crate::verdict::{Looked, Service, Why, WhyKind};

/// How much of GitLab's own message is kept.
const MESSAGE_MAX: usize = 120;

/// Why a call brought nothing. Holds no secret, no header, no address and no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// 401 or 403.
    #[error("GitLab refused our token ({0})")]
    Refused(u16),
    /// 404: the object is not there.
    #[error("GitLab has no such object (404)")]
    NotFound,
    /// 404 for the project or group itself: it is gone, or our token may no longer see it; GitLab says the same for both.
    #[error("GitLab shows no such project or group to our token (404)")]
    Hidden,
    /// 429.
    #[error("GitLab's rate limit is reached (429)")]
    Limited {
        /// What GitLab asks us to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, a time-out, or 5xx.
    #[error("GitLab did not answer: {what}")]
    Down {
        what: String,
        /// False only where the request certainly never left: then even a write may be sent again.
        sent: bool,
    },
    /// An answer over a limit.
    #[error("GitLab's answer is over a limit: {0}")]
    TooLarge(String),
    /// An answer that is not what the API says.
    #[error("GitLab's answer cannot be read: {0}")]
    Unreadable(String),
    /// Another status; the message is GitLab's, shortened.
    #[error("GitLab answered {status}: {message}")]
    Rejected { status: u16, message: String },
}

impl CallError {
    /// What an answer other than 200, 201 and 204 means.
    pub(super) fn of(status: StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let number = status.as_u16();
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        match number {
            401 | 403 => Self::Refused(number),
            404 => match &json {
                // A proxy's 404 page says nothing about GitLab's objects.
                None => Self::Unreadable("a 404 that is not GitLab's".into()),
                Some(json) if matches!(message(json).as_str(), "404 Project Not Found" | "404 Group Not Found") => Self::Hidden,
                Some(_) => Self::NotFound,
            },
            408 => Self::Down { what: "408".into(), sent: true },
            429 => Self::Limited { retry_after: retry_after(headers) },
            300..=399 => Self::Unreadable(format!("{number}: GitLab points elsewhere; a project that moved needs its new path here")),
            500..=599 => Self::Down { what: number.to_string(), sent: true },
            _ => Self::Rejected { status: number, message: json.as_ref().map(message).unwrap_or_default() },
        }
    }

    /// A request that cannot be made of these values.
    pub(super) fn unbuilt(error: impl std::error::Error) -> Self {
        Self::Rejected { status: 0, message: format!("the request cannot be built: {}", short(&error.to_string())) }
    }

    /// The kind and the line for a look.
    pub fn why(&self) -> Why {
        let kind = match self {
            Self::Refused(_) | Self::Hidden => WhyKind::Refused,
            Self::Limited { .. } => WhyKind::Limited,
            Self::Down { .. } => WhyKind::Down,
            Self::TooLarge(_) => WhyKind::TooLarge,
            Self::NotFound | Self::Unreadable(_) | Self::Rejected { .. } => WhyKind::Unreadable,
        };
        Why::new(Service::Gitlab, kind, self.to_string())
    }
}

/// A look's answer: only GitLab's own 404 for the object itself is absence.
pub fn look<T>(result: Result<T, CallError>) -> Looked<T> {
    match result {
        Ok(value) => Looked::Found(value),
        Err(CallError::NotFound) => Looked::Absent,
        Err(error) => Looked::Unreachable(error.why()),
    }
}

/// GitLab's error text: `message` or `error`, which may be a text, a list or an object
/// ([REST API, troubleshooting](https://docs.gitlab.com/api/rest/troubleshooting/)).
fn message(json: &serde_json::Value) -> String {
    let value = json.get("message").or_else(|| json.get("error"));
    match value {
        Some(serde_json::Value::String(text)) => short(text),
        Some(serde_json::Value::Object(fields)) => short(&fields.iter().map(field).collect::<Vec<_>>().join("; ")),
        Some(other) => short(&other.to_string()),
        None => String::new(),
    }
}

/// `{"name": ["is too long"]}` as `name is too long`; what is said of the whole (`base`) stands alone.
fn field((name, said): (&String, &serde_json::Value)) -> String {
    let said = match said {
        serde_json::Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        one => text(one),
    };
    if name == "base" { said } else { format!("{name} {said}") }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One short line of printable characters.
pub(super) fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_MAX).collect()
}

/// `Retry-After` in seconds; the form with a date is not used by GitLab.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
