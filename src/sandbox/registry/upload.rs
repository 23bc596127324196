//! Blobs in: whole, in pieces, or mounted from another repository.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::answer::{created, error};
use super::http::{Asked, MAX_UPLOAD, query};
use super::{Shared, lock};
use crate::model::Digest;

fn accepted(repository: &str, id: &str, length: usize) -> Response {
    let headers = [
        ("location", format!("/v2/{repository}/blobs/uploads/{id}")),
        ("docker-upload-uuid", id.to_owned()),
        ("range", format!("0-{}", length.saturating_sub(1))),
    ];
    (StatusCode::ACCEPTED, headers).into_response()
}

pub(super) fn begin_upload(state: &Shared, asked: &Asked, repository: &str) -> Response {
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

pub(super) fn go_on_uploading(state: &Shared, asked: &Asked, (repository, id): (&str, &str)) -> Response {
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
