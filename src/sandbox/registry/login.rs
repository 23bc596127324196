//! Logins: HTTP Basic, and bearer tokens from `/jwt/auth`.

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use url::form_urlencoded;

use super::answer::error;
use super::http::{Asked, Route, not_found};
use super::state::account;
use super::{Auth, Grant, Shared, lock};

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.into(), password.into()))
}

/// The refusal, where the request may not go on.
pub(super) fn refuse(state: &Shared, asked: &Asked, route: &Route<'_>) -> Option<Response> {
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
pub(super) fn issue(state: &Shared, asked: &Asked) -> Response {
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
