//! The registry's HTTP face: what a request asks for, and who answers it.

use std::collections::HashMap;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::answer::{error, instead, spoil};
use super::content::{blob, delete, manifest, put_manifest, referrers, tags};
use super::login::{issue, refuse};
use super::state::Seen;
use super::upload::{begin_upload, go_on_uploading};
use super::{Shared, lock};

/// The largest blob or manifest taken: images of the demo and of the tests are small.
pub(super) const MAX_UPLOAD: usize = 256 * 1024 * 1024;

/// One request with its body read.
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The address we are reached at.
    pub host: String,
}

/// Where a request goes.
pub(super) enum Route<'a> {
    Base,
    Token,
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Manifest(&'a str, &'a str),
    Tags(&'a str),
    Referrers(&'a str, &'a str),
    Unknown,
}

impl Route<'_> {
    pub fn repository(&self) -> Option<&str> {
        match self {
            Route::Base | Route::Token | Route::Unknown => None,
            Route::Uploads(r) | Route::Tags(r) => Some(r),
            Route::Upload(r, _) | Route::Blob(r, _) | Route::Manifest(r, _) | Route::Referrers(r, _) => Some(r),
        }
    }
}

fn route(path: &str) -> Route<'_> {
    if path == "/jwt/auth" {
        return Route::Token;
    }
    let Some(rest) = path.strip_prefix("/v2") else { return Route::Unknown };
    let rest = rest.trim_start_matches('/');
    if rest.is_empty() {
        return Route::Base;
    }
    if let Some((repository, id)) = rest.rsplit_once("/blobs/uploads/") {
        return if id.is_empty() { Route::Uploads(repository) } else { Route::Upload(repository, id) };
    }
    let Some((head, last)) = rest.rsplit_once('/') else { return Route::Unknown };
    match head.rsplit_once('/') {
        Some((repository, "blobs")) if last == "uploads" => Route::Uploads(repository),
        Some((repository, "blobs")) => Route::Blob(repository, last),
        Some((repository, "manifests")) => Route::Manifest(repository, last),
        Some((repository, "referrers")) => Route::Referrers(repository, last),
        Some((repository, "tags")) if last == "list" => Route::Tags(repository),
        _ => Route::Unknown,
    }
}

pub(super) async fn serve(Extract((state, host)): Extract<(Shared, String)>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_UPLOAD).await else { return error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID") };
    let text = |name: header::HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().into(),
        query: parts.uri.query().unwrap_or_default().into(),
        authorization: text(header::AUTHORIZATION),
    };
    let fault = {
        let mut state = lock(&state);
        state.log(seen.clone());
        state.faults.meet(&seen.line())
    };
    if let Some(response) = fault.as_ref().and_then(instead) {
        return response;
    }
    let asked = Asked { method: parts.method, path: seen.path, query: seen.query, headers: parts.headers, body, host };
    let response = answer(&state, &asked);
    match fault {
        Some(fault) => spoil(&fault, response).await,
        None => response,
    }
}

fn answer(state: &Shared, asked: &Asked) -> Response {
    let route = route(&asked.path);
    if matches!(route, Route::Token) {
        return issue(state, asked);
    }
    if let Some(refusal) = refuse(state, asked, &route) {
        return refusal;
    }
    let read = matches!(asked.method, Method::GET | Method::HEAD);
    match (&route, &asked.method) {
        (Route::Base, _) if read => StatusCode::OK.into_response(),
        (Route::Uploads(repository), &Method::POST) => begin_upload(state, asked, repository),
        (Route::Upload(repository, id), _) => go_on_uploading(state, asked, (repository, id)),
        (Route::Blob(repository, digest), _) if read => blob(state, repository, digest),
        (Route::Manifest(repository, reference), _) if read => manifest(state, repository, reference),
        (Route::Manifest(repository, reference), &Method::PUT) => put_manifest(state, asked, (repository, reference)),
        (Route::Manifest(repository, reference), &Method::DELETE) => delete(state, repository, reference),
        (Route::Tags(repository), _) if read => tags(state, repository),
        (Route::Referrers(repository, digest), _) if read => referrers(state, asked, (repository, digest)),
        (Route::Unknown, _) => not_found(),
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
    }
}

/// As Go's router answers, and so docker-registry where it has no referrers API.
pub(super) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "404 page not found\n").into_response()
}

pub(super) fn query(asked: &Asked) -> HashMap<String, String> {
    form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect()
}
