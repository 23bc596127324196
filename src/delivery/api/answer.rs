//! How requests of the API are answered: a status, one JSON object, and nothing that a stranger could learn from.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Recorded;
use super::line::Full;

/// When it is worth asking again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// How a request was answered.
#[derive(Debug)]
pub(super) enum Answer {
    Verdict(Box<Recorded>),
    Bad(String),
    /// A stranger. The reason is for the log only.
    Unproven(&'static str),
    /// No such project or verdict, or not for this caller: nobody can tell which.
    Hidden,
    Slow,
    Busy(Full),
    /// Nothing could be said, of the caller or of the image. The reason is for the log only.
    Failed(&'static str, String),
}

impl Answer {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Verdict(recorded) => recorded.outcome,
            Self::Bad(_) => "bad",
            Self::Unproven(_) => "unproven",
            Self::Hidden => "hidden",
            Self::Slow => "slow",
            Self::Busy(_) => "busy",
            Self::Failed(..) => "failed",
        }
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Self::Unproven(why) => why,
            Self::Failed(_, why) => why,
            Self::Verdict(_) | Self::Bad(_) | Self::Hidden | Self::Slow | Self::Busy(_) => "",
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let busy = matches!(self, Self::Busy(_) | Self::Failed(..));
        let unproven = matches!(self, Self::Unproven(_));
        let (status, body) = match self {
            Self::Verdict(recorded) => (StatusCode::OK, recorded.json),
            Self::Bad(sentence) => (StatusCode::BAD_REQUEST, says(&sentence)),
            Self::Unproven(_) => (StatusCode::UNAUTHORIZED, says("the caller did not prove who it is")),
            Self::Hidden => (StatusCode::NOT_FOUND, says("there is none, or it is not for this caller")),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, says("the question took too long to arrive")),
            Self::Busy(Full::Caller) => (StatusCode::TOO_MANY_REQUESTS, says("this caller has too many questions open; ask again later")),
            Self::Busy(Full::Line) => (StatusCode::SERVICE_UNAVAILABLE, says("too many questions wait; ask again later")),
            Self::Failed(sentence, _) => (StatusCode::SERVICE_UNAVAILABLE, says(sentence)),
        };
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if busy {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if unproven {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn says(sentence: &str) -> Value {
    json!({ "error": sentence })
}
