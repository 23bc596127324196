//! Answers as GitLab's API framework (Grape) gives them.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::sandbox::gitlab::state::Refused;

/// What an operation answers.
pub type Answer = Result<Reply, Refused>;

/// A good answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Content,
}

#[derive(Debug)]
enum Content {
    Json(Value),
    Bytes(Bytes),
    Nothing,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, headers: vec![], body: Content::Json(body) }
    }

    pub fn created(body: Value) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(body) }
    }

    /// 202: a note of quick actions only.
    pub fn accepted(body: Value) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::ok(body) }
    }

    pub fn deleted() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: vec![], body: Content::Nothing }
    }

    pub fn file(bytes: Bytes) -> Self {
        Self { status: StatusCode::OK, headers: vec![], body: Content::Bytes(bytes) }
    }

    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((HeaderName::from_static(name), value.to_string()));
        self
    }
}

/// The response of an answer.
pub fn response(answer: Answer) -> Response {
    let reply = answer.unwrap_or_else(|refused| refusal(&refused));
    let (kind, body) = match reply.body {
        Content::Json(value) => (Some("application/json"), Body::from(value.to_string())),
        Content::Bytes(bytes) => (Some("application/octet-stream"), Body::from(bytes)),
        Content::Nothing => (None, Body::empty()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = value.parse() {
            headers.append(name, value);
        }
    }
    response
}

fn refusal(refused: &Refused) -> Reply {
    let message = |text: String| json!({"message": text});
    let (status, body) = match refused {
        Refused::Parameters(text) => (StatusCode::BAD_REQUEST, json!({"error": text})),
        Refused::Bad(text) => (StatusCode::BAD_REQUEST, message(text.clone())),
        Refused::Field(field, text) => (StatusCode::BAD_REQUEST, json!({"message": {*field: [text]}})),
        Refused::Unauthorized => (StatusCode::UNAUTHORIZED, message(refused.to_string())),
        Refused::DeadToken(text) => (StatusCode::UNAUTHORIZED, json!({"error": "invalid_token", "error_description": text})),
        Refused::Forbidden(_) => (StatusCode::FORBIDDEN, message(refused.to_string())),
        Refused::Scope(scope) => (
            StatusCode::FORBIDDEN,
            json!({
                "error": "insufficient_scope",
                "error_description": "The request requires higher privileges than provided by the access token.",
                "scope": scope,
            }),
        ),
        Refused::NotFound("") => (StatusCode::NOT_FOUND, message("404 Not found".into())),
        Refused::NotFound(_) => (StatusCode::NOT_FOUND, message(refused.to_string())),
        Refused::Conflict(text) => (StatusCode::CONFLICT, message(text.clone())),
        Refused::Unprocessable(text) => (StatusCode::UNPROCESSABLE_ENTITY, message(text.clone())),
        Refused::TooMany => (StatusCode::TOO_MANY_REQUESTS, json!({"message": {"error": refused.to_string()}})),
    };
    Reply { status, headers: vec![], body: Content::Json(body) }
}
