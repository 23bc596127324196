//! Blobs and manifests out, manifests in, tags and referrers.

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{created, error};
use super::http::{Asked, not_found, query};
use super::state::Stored;
use super::{Referrers, Shared, lock, media};
use crate::model::Digest;

fn content(media_type: &str, digest: Digest, bytes: Bytes) -> Response {
    let headers = [("content-type", media_type.to_owned()), ("docker-content-digest", digest.to_string())];
    (headers, bytes).into_response()
}

pub(super) fn blob(state: &Shared, repository: &str, digest: &str) -> Response {
    let state = lock(state);
    let found = digest.parse::<Digest>().ok().and_then(|d| Some((d, state.repositories.get(repository)?.blobs.get(&d)?.clone())));
    match found {
        Some((digest, bytes)) => content("application/octet-stream", digest, bytes),
        None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
    }
}

/// What a tag or digest names.
fn find(state: &Shared, repository: &str, reference: &str) -> Result<(Digest, Stored), &'static str> {
    let state = lock(state);
    let Some(held) = state.repositories.get(repository) else { return Err("NAME_UNKNOWN") };
    let mut digest = reference.parse::<Digest>().ok().or_else(|| held.tags.get(reference).copied());
    if digest.is_none() && state.options.subject_by_fallback_tag {
        digest = reference.strip_prefix("sha256-").and_then(|hex| format!("sha256:{hex}").parse().ok());
    }
    let found = digest.and_then(|digest| Some((digest, held.manifests.get(&digest)?.clone())));
    found.ok_or("MANIFEST_UNKNOWN")
}

pub(super) fn manifest(state: &Shared, repository: &str, reference: &str) -> Response {
    match find(state, repository, reference) {
        Ok((digest, stored)) => content(&stored.media_type, digest, stored.bytes),
        Err(code) => error(StatusCode::NOT_FOUND, code),
    }
}

pub(super) fn put_manifest(state: &Shared, asked: &Asked, (repository, reference): (&str, &str)) -> Response {
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

pub(super) fn delete(state: &Shared, repository: &str, reference: &str) -> Response {
    let mut state = lock(state);
    let held = state.repository(repository);
    let gone = match reference.parse::<Digest>() {
        Ok(digest) => held.delete_manifest(digest),
        Err(_) => held.tags.remove(reference).is_some(),
    };
    if gone { StatusCode::ACCEPTED.into_response() } else { error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN") }
}

pub(super) fn tags(state: &Shared, repository: &str) -> Response {
    let state = lock(state);
    match state.repositories.get(repository) {
        Some(held) => axum::Json(json!({"name": repository, "tags": held.tags.keys().collect::<Vec<_>>()})).into_response(),
        None => error(StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
    }
}

/// distribution-spec, "Listing Referrers".
pub(super) fn referrers(state: &Shared, asked: &Asked, (repository, digest): (&str, &str)) -> Response {
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
