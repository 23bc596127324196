//! The registry's HTTP face: routes, logins, uploads.

use std::collections::HashMap;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Extract;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::answer::{error, instead, spoil};
use super::state::{Seen, Stored, account};
use super::{Auth, Grant, Referrers, Shared, lock, media};
use crate::model::Digest;

/// The largest blob or manifest taken: images of the demo and of the tests are small.
const MAX_UPLOAD: usize = 256 * 1024 * 1024;

type Query = HashMap<String, String>;

/// One request with its body read.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    /// The address we are reached at.
    host: String,
}

/// Where a request goes.
enum Route<'a> {
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
    fn repository(&self) -> Option<&str> {
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
fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "404 page not found\n").into_response()
}

// ---------- logins

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.into(), password.into()))
}

/// The refusal, where the request may not go on.
fn refuse(state: &Shared, asked: &Asked, route: &Route<'_>) -> Option<Response> {
    let state = lock(state);
    let push = !matches!(asked.method, Method::GET | Method::HEAD);
    let challenge = match &state.options.auth {
        Auth::Open => return None,
        Auth::Basic(accounts) => {
            let login = basic(&asked.headers);
            match login.as_ref().and_then(|(name, password)| account(accounts, name, password)) {
                Some(account) if account.push || !push => return None,
                Some(_) => return Some(error(StatusCode::FORBIDDEN, "DENIED")),
                None => r#"Basic realm="sandbox""#.to_owned(),
            }
        }
        Auth::Token { realm, .. } => {
            let header = asked.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
            let token = header.and_then(|v| v.strip_prefix("Bearer "));
            if token.is_some_and(|token| state.opens(token, route.repository(), push)) {
                return None;
            }
            let own = format!("http://{}/jwt/auth", asked.host);
            let actions = if push { "pull,push" } else { "pull" };
            let scope = route.repository().map(|r| format!(r#",scope="repository:{r}:{actions}""#)).unwrap_or_default();
            format!(r#"Bearer realm="{}",service="container_registry"{scope}"#, realm.as_ref().unwrap_or(&own))
        }
    };
    let mut response = error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED");
    if let Ok(value) = challenge.parse() {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    Some(response)
}

/// `GET /jwt/auth`: Basic login in, token out; what is not allowed is left out of the token.
fn issue(state: &Shared, asked: &Asked) -> Response {
    let mut state = lock(state);
    let Auth::Token { accounts, lifetime, anonymous_pull, .. } = state.options.auth.clone() else { return not_found() };
    let push = match basic(&asked.headers) {
        Some((name, password)) => match account(&accounts, &name, &password) {
            Some(account) => account.push,
            None => return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        },
        None if anonymous_pull => false,
        None => return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
    };
    let mut grants = vec![];
    for (_, scopes) in form_urlencoded::parse(asked.query.as_bytes()).filter(|(key, _)| key == "scope") {
        for scope in scopes.split_whitespace() {
            let parts = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'));
            if let Some((repository, actions)) = parts {
                let wants_push = actions.split(',').any(|action| action == "push");
                grants.push(Grant { repository: repository.into(), push: push && wants_push });
            }
        }
    }
    let token = state.issue(grants, lifetime);
    axum::Json(json!({"token": token})).into_response()
}

// ---------- uploads

fn query(asked: &Asked) -> Query {
    form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect()
}

fn created(repository: &str, kind: &str, digest: Digest) -> Response {
    let headers = [("location", format!("/v2/{repository}/{kind}/{digest}")), ("docker-content-digest", digest.to_string())];
    (StatusCode::CREATED, headers).into_response()
}

fn accepted(repository: &str, id: &str, length: usize) -> Response {
    let headers = [
        ("location", format!("/v2/{repository}/blobs/uploads/{id}")),
        ("docker-upload-uuid", id.to_owned()),
        ("range", format!("0-{}", length.saturating_sub(1))),
    ];
    (StatusCode::ACCEPTED, headers).into_response()
}

fn begin_upload(state: &Shared, asked: &Asked, repository: &str) -> Response {
    let mut state = lock(state);
    let query = query(asked);
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from"))
        && let Ok(digest) = digest.parse::<Digest>()
        && let Some(bytes) = state.repositories.get(from).and_then(|r| r.blobs.get(&digest)).cloned()
    {
        return created(repository, "blobs", state.repository(repository).put_blob(bytes));
    }
    let id = uuid::Uuid::now_v7().to_string();
    state.uploads.insert(id.clone(), vec![]);
    match query.get("digest") {
        Some(digest) => match state.finish_upload(&id, repository, digest, &asked.body) {
            Some(digest) => created(repository, "blobs", digest),
            None => error(StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        },
        None => accepted(repository, &id, 0),
    }
}

fn go_on_uploading(state: &Shared, asked: &Asked, (repository, id): (&str, &str)) -> Response {
    let mut state = lock(state);
    let Some(upload) = state.uploads.get_mut(id) else { return error(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN") };
    match asked.method {
        Method::PATCH if upload.len() + asked.body.len() > MAX_UPLOAD => error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
        Method::PATCH => {
            upload.extend_from_slice(&asked.body);
            accepted(repository, id, upload.len())
        }
        Method::GET => {
            let mut response = accepted(repository, id, upload.len());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Method::DELETE => {
            state.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        Method::PUT => match query(asked).get("digest").and_then(|d| state.finish_upload(id, repository, d, &asked.body)) {
            Some(digest) => created(repository, "blobs", digest),
            None => error(StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        },
        _ => error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
    }
}

// ---------- contents

fn content(media_type: &str, digest: Digest, bytes: Bytes) -> Response {
    let headers = [("content-type", media_type.to_owned()), ("docker-content-digest", digest.to_string())];
    (headers, bytes).into_response()
}

fn blob(state: &Shared, repository: &str, digest: &str) -> Response {
    let state = lock(state);
    let found = digest.parse::<Digest>().ok().and_then(|d| Some((d, state.repositories.get(repository)?.blobs.get(&d)?.clone())));
    match found {
        Some((digest, bytes)) => content("application/octet-stream", digest, bytes),
        None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
    }
}

/// What a tag or digest names.
fn find(state: &Shared, repository: &str, reference: &str) -> Result<(Digest, Stored), Response> {
    let state = lock(state);
    let Some(held) = state.repositories.get(repository) else { return Err(error(StatusCode::NOT_FOUND, "NAME_UNKNOWN")) };
    let mut digest = reference.parse::<Digest>().ok().or_else(|| held.tags.get(reference).copied());
    if digest.is_none() && state.options.subject_by_fallback_tag {
        digest = reference.strip_prefix("sha256-").and_then(|hex| format!("sha256:{hex}").parse().ok());
    }
    let found = digest.and_then(|digest| Some((digest, held.manifests.get(&digest)?.clone())));
    found.ok_or_else(|| error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"))
}

fn manifest(state: &Shared, repository: &str, reference: &str) -> Response {
    match find(state, repository, reference) {
        Ok((digest, stored)) => content(&stored.media_type, digest, stored.bytes),
        Err(response) => response,
    }
}

fn put_manifest(state: &Shared, asked: &Asked, (repository, reference): (&str, &str)) -> Response {
    let Ok(json) = serde_json::from_slice::<Value>(&asked.body) else { return error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID") };
    let pushed_as = asked.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let Some(media_type) = pushed_as.or_else(|| json["mediaType"].as_str()) else {
        return error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
    };
    let digest = Digest::of(&asked.body);
    let tag = match reference.parse::<Digest>() {
        Ok(named) if named != digest => return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
        Ok(_) => None,
        Err(_) if crate::model::image::is_tag(reference) => Some(reference),
        Err(_) => return error(StatusCode::BAD_REQUEST, "TAG_INVALID"),
    };
    let mut state = lock(state);
    let named = |list: &str| json[list].as_array().cloned().unwrap_or_default();
    let held = state.repository(repository);
    let digest_of = |descriptor: &Value| descriptor["digest"].as_str().and_then(|d| d.parse::<Digest>().ok());
    let blobs = named("layers").into_iter().chain(json.get("config").cloned());
    let lacks_blob = blobs.into_iter().any(|d| digest_of(&d).is_none_or(|d| !held.blobs.contains_key(&d)));
    let lacks_child = named("manifests").iter().any(|d| digest_of(d).is_none_or(|d| !held.manifests.contains_key(&d)));
    if lacks_blob || lacks_child {
        return error(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
    }
    held.put_manifest(tag, media_type, asked.body.clone());
    let mut response = created(repository, "manifests", digest);
    if let (Referrers::Api { .. }, Some(subject)) = (state.options.referrers, json["subject"]["digest"].as_str())
        && let Ok(value) = subject.parse()
    {
        response.headers_mut().insert("oci-subject", value);
    }
    response
}

fn delete(state: &Shared, repository: &str, reference: &str) -> Response {
    let mut state = lock(state);
    let held = state.repository(repository);
    let gone = match reference.parse::<Digest>() {
        Ok(digest) => held.delete_manifest(digest),
        Err(_) => held.tags.remove(reference).is_some(),
    };
    if gone { StatusCode::ACCEPTED.into_response() } else { error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN") }
}

fn tags(state: &Shared, repository: &str) -> Response {
    let state = lock(state);
    match state.repositories.get(repository) {
        Some(held) => axum::Json(json!({"name": repository, "tags": held.tags.keys().collect::<Vec<_>>()})).into_response(),
        None => error(StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
    }
}

/// distribution-spec, "Listing Referrers".
fn referrers(state: &Shared, asked: &Asked, (repository, digest): (&str, &str)) -> Response {
    let state = lock(state);
    let Referrers::Api { page } = state.options.referrers else { return not_found() };
    let Ok(subject) = digest.parse::<Digest>() else { return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID") };
    let query = query(asked);
    let from: usize = query.get("from").and_then(|n| n.parse().ok()).unwrap_or(0);
    let all = state.repositories.get(repository).map(|held| held.manifests.iter()).into_iter().flatten();
    let entries: Vec<Value> = all
        .filter_map(|(digest, stored)| entry(*digest, stored, subject))
        .filter(|entry| query.get("artifactType").is_none_or(|t| entry["artifactType"] == t.as_str()))
        .collect();
    let next = from.saturating_add(page.max(1));
    let listed = entries.get(from..next.min(entries.len())).unwrap_or_default();
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": listed});
    let mut response = ([("content-type", media::INDEX)], index.to_string()).into_response();
    if next < entries.len()
        && let Ok(link) = format!("</v2/{repository}/referrers/{digest}?from={next}>; rel=\"next\"").parse()
    {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// How a manifest with this subject is listed.
fn entry(digest: Digest, stored: &Stored, subject: Digest) -> Option<Value> {
    let json: Value = serde_json::from_slice(&stored.bytes).ok()?;
    if json["subject"]["digest"].as_str() != Some(&subject.to_string()) {
        return None;
    }
    let kind = json["artifactType"].as_str().or_else(|| json["config"]["mediaType"].as_str()).unwrap_or_default();
    let mut entry = json!({"mediaType": stored.media_type, "size": stored.bytes.len(), "digest": digest.to_string(), "artifactType": kind});
    if let Some(annotations) = json.get("annotations") {
        entry["annotations"] = annotations.clone();
    }
    Some(entry)
}
