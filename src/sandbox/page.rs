//! The demo's page: the merge request, the release, the pipeline and the registry at a glance, and buttons to act. A view on the
//! sandbox's state, not a part of the bot.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::gitlab::state::Pipeline;
use super::shop::{IMAGE, Shop};
use crate::model::gitlab::{GitRef, MergeRequestState};

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
    axum::Json(describe(&shop)).into_response()
}

#[derive(Deserialize)]
struct Comment {
    body: String,
}

async fn comment(State(shop): State<Arc<Shop>>, axum::Json(comment): axum::Json<Comment>) -> Response {
    match shop.say(&comment.body) {
        Some(_) => "Comment sent.".into_response(),
        None => "GitLab took every line of that comment as a quick action of its own and stored nothing.".into_response(),
    }
}

async fn act(State(shop): State<Arc<Shop>>, Path(act): Path<String>) -> Response {
    let told = match act.as_str() {
        "push-tag" => release(&shop),
        "move-tag" => {
            Ok(format!("The registry tag {RELEASE} now names {}. The bot looks again within seconds.", shop.move_tag(RELEASE).short()))
        }
        "restore-tag" => restore(&shop),
        "laptop" => shop.push_from_laptop(LAPTOP).map(|digest| {
            shop.publish(LAPTOP);
            format!("{LAPTOP} was built and signed on a laptop: {}.", digest.short())
        }),
        _ => return (StatusCode::NOT_FOUND, "There is no such button.").into_response(),
    };
    match told {
        Ok(told) => told.into_response(),
        Err(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()).into_response(),
    }
}

fn release(shop: &Shop) -> std::io::Result<String> {
    let (pipeline, digest) = shop.release(RELEASE)?;
    shop.publish(RELEASE);
    Ok(format!("Pipeline #{pipeline} built and signed {}. Look at the release and at the comments.", digest.short()))
}

fn restore(shop: &Shop) -> std::io::Result<String> {
    let built = shop.restore_tag(RELEASE)?;
    Ok(format!("The registry tag {RELEASE} names {} again.", built.short()))
}

fn describe(shop: &Shop) -> Value {
    let built = shop.registry.tagged(IMAGE, RELEASE);
    let original = shop.registry.tagged(IMAGE, shop.commit.short());
    let mut can = vec![];
    match built {
        None => can.push("push-tag"),
        Some(_) if built == original => can.push("move-tag"),
        Some(_) => can.push("restore-tag"),
    }
    if built.is_some() && shop.registry.tagged(IMAGE, LAPTOP).is_none() {
        can.push("laptop");
    }
    let tags = [RELEASE, LAPTOP, shop.commit.short()];
    let registry: Vec<_> = tags
        .iter()
        .filter_map(|tag| Some(json!({ "tag": format!("{IMAGE}:{tag}"), "digest": shop.registry.tagged(IMAGE, tag)?.to_string() })))
        .collect();
    let mut state = of_gitlab(shop);
    state["registry"] = registry.into();
    state["can"] = can.into();
    state
}

fn of_gitlab(shop: &Shop) -> Value {
    let world = shop.gitlab.world();
    let merge_request = world.merge_request(shop.merge_request);
    let mut notes = vec![];
    for discussion in &merge_request.discussions {
        for (at, note) in discussion.notes.iter().enumerate().filter(|(_, note)| !note.system) {
            let author = world.user(note.author);
            notes.push(json!({
                "id": note.id, "author": author.name, "username": author.username, "bot": author.bot, "reply": at > 0,
                "at": note.created_at.strftime("%H:%M:%S UTC").to_string(), "edited": note.edited_by.is_some(),
                "html": markdown(&note.body), "reactions": note.emojis.iter().map(|emoji| &emoji.name).collect::<Vec<_>>(),
            }));
        }
    }
    let project = world.project(shop.project);
    let releases: Vec<_> =
        project.releases.values().rev().map(|r| json!({ "tag": r.tag, "name": r.name, "html": markdown(&r.description) })).collect();
    let of_releases = |pipeline: &&Pipeline| pipeline.project == shop.project && matches!(pipeline.git_ref, GitRef::Tag(_));
    let mut pipelines: Vec<_> = world.pipelines.values().filter(of_releases).collect();
    pipelines.reverse();
    let pipelines: Vec<_> = pipelines
        .iter()
        .map(|pipeline| {
            let jobs: Vec<_> = world.jobs_of(pipeline.id).map(|job| json!({ "id": job.id, "name": job.spec.name, "status": job.status.word() })).collect();
            // A newer status takes the place of an older one with its name, as on GitLab's own page.
            let newest: BTreeMap<_, _> = pipeline.statuses.iter().map(|status| (&status.name, status)).collect();
            let statuses: Vec<_> = newest
                .values()
                .map(|status| json!({ "name": status.name, "state": status.status.word(), "description": status.description }))
                .collect();
            json!({ "id": pipeline.id, "ref": pipeline.git_ref.name(), "status": pipeline.status.word(), "jobs": jobs, "statuses": statuses })
        })
        .collect();
    let state = match merge_request.state {
        MergeRequestState::Opened => "open",
        MergeRequestState::Closed => "closed",
        MergeRequestState::Merged => "merged",
        MergeRequestState::Locked => "locked",
    };
    json!({
        "project": project.path,
        "merge_request": {
            "iid": merge_request.key.iid, "title": merge_request.title, "state": state,
            "source": merge_request.source_branch, "target": merge_request.target_branch,
        },
        "notes": notes, "releases": releases, "pipelines": pipelines,
    })
}

/// Markdown as GitLab shows it, as far as the demo needs: CommonMark with tables; of raw HTML only `<details>` and `<summary>`.
fn markdown(text: &str) -> String {
    use pulldown_cmark::{Event, Options, Parser, html};
    let events = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).map(|event| match event {
        Event::Html(raw) => Event::Html(only_known_tags(&raw).into()),
        Event::InlineHtml(raw) => Event::InlineHtml(only_known_tags(&raw).into()),
        other => other,
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Keeps the four tags that a note may use, drops comments, and shows every other bracket as text.
fn only_known_tags(raw: &str) -> String {
    const KNOWN: [&str; 4] = ["<details>", "</details>", "<summary>", "</summary>"];
    let (mut out, mut rest) = (String::new(), raw);
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at].replace('>', "&gt;"));
        rest = &rest[at..];
        if let Some(tag) = KNOWN.iter().find(|tag| rest.starts_with(**tag)) {
            out.push_str(tag);
            rest = &rest[tag.len()..];
        } else if rest.starts_with("<!--") {
            rest = rest.split_once("-->").map_or("", |(_, after)| after);
        } else {
            out.push_str("&lt;");
            rest = &rest[1..];
        }
    }
    out + &rest.replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_tables_and_details_and_nothing_else_of_html() {
        let shown = markdown(
            "<!-- x -->\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<details><summary>More</summary>\n\ntext\n\n</details>\n\n<img src=x onerror=alert(1)>\n",
        );
        assert!(shown.contains("<td>1</td>") && shown.contains("<details><summary>More</summary>"), "{shown}");
        assert!(!shown.contains("<img") && !shown.contains("<!--"), "{shown}");
        let shown = markdown("<details><script>alert(1)</script></details>");
        assert!(!shown.contains("<script"), "{shown}");
    }
}
