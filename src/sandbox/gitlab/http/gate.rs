//! What every request passes: the body's limit, the faults, the token, the log; and what a request to nowhere gets.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::log::Entry;
use super::{Fault, Shared, answer, held};
use crate::model::gitlab::UserId;
use crate::sandbox::gitlab::state::{Refused, World};

/// The largest request body that is read: a bot has no reason to send more than a note of a million characters.
pub const MAX_REQUEST: usize = 8 * 1024 * 1024;

/// Who asks, or why his token is refused; and the path on the wire.
#[derive(Debug, Clone)]
pub struct Caller(pub Result<Option<UserId>, Refused>, pub String);

/// Wraps every route.
pub async fn pass(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_REQUEST).await else { return too_large() };
    let path = parts.uri.path().to_owned();
    let caller = authenticate(&mut shared.world(), &parts.headers, &parts.method, &path);
    let fault = super::fault::find(&mut held(&shared.faults), &parts.method, &path);
    let user = caller.as_ref().ok().copied().flatten();
    let entry = Entry::new(&shared.world(), &parts, &bytes, (user, fault.is_some()));
    let unanswered = fault == Some(Fault::Unanswered);
    let played = match fault {
        Some(fault) => super::fault::play(fault).await,
        None => None,
    };
    let response = match played {
        Some(response) => response,
        None => {
            parts.extensions.insert(Caller(caller, path));
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
    };
    shared.log.keep(entry, response.status().as_u16());
    if unanswered { super::fault::broken() } else { response }
}

fn too_large() -> Response {
    let mut response = Response::new(Body::from("{\"error\":\"Request Entity Too Large\"}"));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}

/// `PRIVATE-TOKEN`, or the same token as `Authorization: Bearer`. No token at all is nobody, not a refusal.
fn authenticate(world: &mut World, headers: &HeaderMap, method: &Method, path: &str) -> Result<Option<UserId>, Refused> {
    let text = |name: http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    let Some(secret) = text(http::HeaderName::from_static("private-token")).or(bearer) else { return Ok(None) };
    let now = world.now();
    let today = jiff::tz::TimeZone::UTC.to_datetime(now).date();
    let Some(token) = world.tokens.iter_mut().find(|token| token.secret == secret) else { return Err(Refused::Unauthorized) };
    if token.revoked {
        return Err(Refused::DeadToken("Token was revoked. You have to re-authorize from the user."));
    }
    if token.expires_at.is_some_and(|end| end <= today) {
        return Err(Refused::DeadToken("Token is expired. You can either do re-authorization or token refresh."));
    }
    let has = |scope: &str| token.scopes.iter().any(|held| held == scope);
    let reads = method.is_safe();
    let about_itself = path.ends_with("/personal_access_tokens/self") || (path.ends_with("/user") && has("read_user"));
    if !(has("api") || (reads && (has("read_api") || about_itself))) {
        return Err(Refused::Scope(if reads { "api read_api" } else { "api" }));
    }
    token.last_used_at = Some(now);
    let user = token.user;
    if world.user(user).blocked {
        return Err(Refused::Forbidden(" - Your account has been blocked."));
    }
    Ok(Some(user))
}

/// A route that the double does not have: the test that used it must hear of it.
pub async fn unknown_route(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.extensions().get::<Caller>().map_or_else(|| request.uri().path().to_owned(), |caller| caller.1.clone());
    let route = format!("{} {path}", request.method());
    tracing::error!(%route, "the GitLab double has no such route");
    let body = json!({"error": format!("the sandbox has no route for {route}"), "method": request.method().as_str(), "path": path});
    held(&shared.unknown_routes).push(route);
    let mut response = answer::response(Ok(answer::Reply::ok(body)));
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
