//! Answers, right and wrong.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;

use super::Fault;
use crate::model::Digest;

/// Size of the pieces that a faulty body comes in.
const PIECE: usize = 64 * 1024;
/// More than any body the double makes.
const MAX_BODY: usize = 512 * 1024 * 1024;

/// An error in the registry's own words (distribution-spec, "Error Codes").
pub(super) fn error(status: StatusCode, code: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": code.to_lowercase().replace('_', " "), "detail": null}]});
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The answer to a push.
pub(super) fn created(repository: &str, kind: &str, digest: Digest) -> Response {
    let headers = [("location", format!("/v2/{repository}/{kind}/{digest}")), ("docker-content-digest", digest.to_string())];
    (StatusCode::CREATED, headers).into_response()
}

/// What comes instead of the answer, if the fault replaces it.
pub(super) fn instead(fault: &Fault) -> Option<Response> {
    let typed = |status: &u16, kind: &'static str, text: String| (code(*status), [(header::CONTENT_TYPE, kind)], text).into_response();
    match fault {
        Fault::Status(status) => Some(error(code(*status), word(*status))),
        Fault::Html(status) => Some(typed(status, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>".into())),
        Fault::Text(status, kind, text) => Some(typed(status, kind, text.clone())),
        Fault::RedirectTo(url) => Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url.clone())]).into_response()),
        Fault::Oversized(bytes) => {
            let pieces = (0..bytes.div_ceil(PIECE)).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; PIECE])));
            let kind = [(header::CONTENT_TYPE, super::media::IMAGE)];
            Some((kind, Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()))).into_response())
        }
        Fault::Slow(_) | Fault::WrongBytes | Fault::Longer(_) | Fault::Shorter(_) | Fault::Without(_) | Fault::With(..) | Fault::Drop => {
            None
        }
    }
}

/// The answer, spoilt.
pub(super) async fn spoil(fault: &Fault, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let mut body = bytes.to_vec();
    match fault {
        Fault::Slow(time) => tokio::time::sleep((*time).min(Duration::from_secs(60))).await,
        Fault::WrongBytes => body.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        Fault::Longer(more) => body.resize(body.len() + more, b' '),
        Fault::Shorter(less) => body.truncate(body.len().saturating_sub(*less)),
        Fault::Without(name) => {
            parts.headers.remove(*name);
            if *name == "content-length" {
                // Of a whole body the server would tell the length by itself.
                let pieces = [Ok::<_, std::io::Error>(Bytes::from(body))];
                return Response::from_parts(parts, Body::from_stream(stream::iter(pieces)));
            }
        }
        Fault::With(name, value) => {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                parts.headers.insert(name, value);
            }
        }
        Fault::Drop => {
            body.truncate(body.len() / 2);
            let pieces = [Ok(Bytes::from(body)), Err(std::io::Error::other("dropped"))];
            return Response::from_parts(parts, Body::from_stream(stream::iter(pieces)));
        }
        Fault::Status(_) | Fault::Html(_) | Fault::Text(..) | Fault::Oversized(_) | Fault::RedirectTo(_) => {}
    }
    Response::from_parts(parts, body.into())
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn word(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        405 => "UNSUPPORTED",
        429 => "TOOMANYREQUESTS",
        _ => "UNKNOWN",
    }
}
