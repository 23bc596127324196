//! The demo's page: the merge request, what runs where, the release, the pipeline and the registry at a glance, and buttons to act. A
//! view on the sandbox's state, not a part of the bot.

mod acts;
mod markdown;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::shop::Shop;
use crate::model::gitlab::NoteId;

/// The release that the first button makes, the one after it, and the one that comes from a laptop.
pub const RELEASE: &str = "v1.8.2";
pub const NEXT: &str = "v1.9.0";
pub const LAPTOP: &str = "v1.8.3";

/// The page's routes.
pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(|| asset("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/page.css", get(|| asset("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/page.js", get(|| asset("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/state.json", get(state))
        .route("/comment", post(comment))
        .route("/act/{act}", post(act))
        .with_state(shop)
}

/// Serves the page until it is dropped.
pub async fn serve(listener: tokio::net::TcpListener, shop: Arc<Shop>) -> std::io::Result<()> {
    axum::serve(listener, router(shop)).await
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'";
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], text)
        .into_response()
}

async fn state(State(shop): State<Arc<Shop>>) -> Response {
    axum::Json(view::describe(&shop)).into_response()
}

#[derive(Deserialize)]
struct Comment {
    body: String,
    /// Who says it; Dana, where nobody is named.
    by: Option<String>,
    /// The note in whose thread it is said.
    reply_to: Option<u64>,
}

async fn comment(State(shop): State<Arc<Shop>>, axum::Json(comment): axum::Json<Comment>) -> Response {
    let people = view::people(&shop);
    let who = match &comment.by {
        None => shop.dana,
        Some(by) => match people.iter().find(|person| person.username == *by) {
            Some(person) => person.id,
            None => return (StatusCode::NOT_FOUND, "There is nobody of that name.").into_response(),
        },
    };
    let said = match comment.reply_to {
        None => shop.say_as(who, &comment.body),
        Some(note) => shop.answer_as(who, NoteId(note), &comment.body),
    };
    match said {
        Some(_) => "Comment sent.".into_response(),
        None => "GitLab took every line of that comment as a quick action of its own and stored nothing.".into_response(),
    }
}

async fn act(State(shop): State<Arc<Shop>>, Path(act): Path<String>) -> Response {
    match acts::run(&shop, &act) {
        Some(Ok(told)) => told.into_response(),
        Some(Err(fault)) => (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()).into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such button.").into_response(),
    }
}
