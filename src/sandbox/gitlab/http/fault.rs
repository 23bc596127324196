//! Faults that tests switch on for some routes: what a bot meets when GitLab or the way to it is ill.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, header};

use crate::sandbox::gitlab::state::fits;

/// The piece that an oversized answer repeats.
const PIECE: usize = 64 * 1024;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status with GitLab's usual body: 401, 403, 404, 500, 502, …
    Status(u16),
    /// 429, with or without `Retry-After` in seconds.
    TooManyRequests(Option<u64>),
    /// This status with an HTML page, as a proxy in front of GitLab answers.
    Html(u16),
    /// The right answer, late.
    Slow(Duration),
    /// 200 with JSON of at least this many bytes.
    Oversized(usize),
    /// 200 with a body that is no JSON.
    Garbage,
    /// The connection ends before the answer does.
    Drop,
    /// The request is carried out, and then the connection ends before the answer does.
    Unanswered,
}

/// Where and how often it goes wrong.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// `GET`; `*` for all.
    pub method: String,
    /// The path after `/api/v4` as it is on the wire; `*` stands for any text, slashes too.
    pub path: String,
    pub fault: Fault,
    /// Goes away after so many requests; `None` stays.
    pub times: Option<u32>,
}

/// The first rule that fits, counted down.
pub fn find(rules: &mut Vec<FaultRule>, method: &Method, path: &str) -> Option<Fault> {
    let path = path.strip_prefix("/api/v4").unwrap_or(path);
    let at = rules.iter().position(|rule| fits(&rule.method, method.as_str()) && fits(&rule.path, path))?;
    let rule = &mut rules[at];
    let fault = rule.fault.clone();
    if let Some(times) = &mut rule.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            rules.remove(at);
        }
    }
    Some(fault)
}

/// The wrong answer; `None` lets the right one follow.
pub async fn play(fault: Fault) -> Option<Response> {
    let response = match fault {
        Fault::Status(status) => json(status, format!("{{\"message\":\"{}\"}}", words(status))),
        Fault::TooManyRequests(after) => {
            let mut response = json(429, "Retry later\n".into());
            if let Some(after) = after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
            }
            response
        }
        Fault::Html(status) => {
            let mut response = json(status, "<!DOCTYPE html><html><title>GitLab</title><h1>We'll be back soon</h1></html>".into());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
        Fault::Slow(time) => {
            tokio::time::sleep(time).await;
            return None;
        }
        Fault::Oversized(size) => {
            let pieces = (0..size.div_ceil(PIECE)).map(|_| Bytes::from(vec![b'x'; PIECE]));
            let whole = [Bytes::from_static(b"{\"name\":\"")].into_iter().chain(pieces).chain([Bytes::from_static(b"\"}")]);
            let mut response = json(200, String::new());
            *response.body_mut() = Body::from_stream(stream::iter(whole.map(Ok::<_, Infallible>)));
            response
        }
        Fault::Garbage => json(200, "{\"id\": 1, \"na".into()),
        Fault::Drop => broken(),
        Fault::Unanswered => return None,
    };
    Some(response)
}

/// An answer whose connection ends in the middle of it.
pub fn broken() -> Response {
    let mut response = json(200, String::new());
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    *response.body_mut() = Body::from_stream(stream::iter([Err::<Bytes, _>(reset)]));
    response
}

fn json(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn words(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    format!("{status} {reason}")
}
