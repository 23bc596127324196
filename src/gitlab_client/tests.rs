#![cfg(test)]
//! The edges of a connection.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gitlab::api::projects::Project;
use gitlab::api::projects::jobs::artifacts::DownloadJobArtifactFile;
use gitlab::api::projects::repository::tags::{Tag, Tags};
use serde_json::{Value, json};

use super::testing::{Answer, Asked, Scripted, TOKEN, client, quick, settings};
use super::*;
use crate::model::gitlab::{DiscussionId, MergeRequestIid, ProjectId};
use crate::verdict::{Looked, WhyKind};

async fn project(world: &Scripted) -> Result<Value, CallError> {
    world.client.one(Project::builder().project(7).build()).await
}

/// What one answer, given always, makes of a read.
async fn check(answer: Answer) -> (CallError, usize) {
    let world = Scripted::start(move |_| answer.clone()).await;
    let error = project(&world).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains(TOKEN) && !text.contains("secret body") && !text.contains("127.0.0.1"), "{text}");
    (error, world.asked().len())
}

#[tokio::test]
async fn only_gitlabs_own_404_is_absence() {
    let kind = |error: CallError| match look::<()>(Err(error)) {
        Looked::Unreachable(why) => Some(why.kind),
        Looked::Absent => None,
        Looked::Found(()) => unreachable!(),
    };
    let message = |status, text: &str| Answer::json(status, json!({ "message": text }));
    let table = [
        (message(401, "401 Unauthorized"), Some(WhyKind::Refused)),
        (message(403, "403 Forbidden"), Some(WhyKind::Refused)),
        (message(404, "404 Tag Not Found"), None),
        (message(404, "404 Project Not Found"), Some(WhyKind::Refused)),
        (Answer::text(404, "<html>secret body</html>"), Some(WhyKind::Unreadable)),
        (message(429, "Too many requests").header("retry-after", "3600"), Some(WhyKind::Limited)),
        (message(500, "secret body"), Some(WhyKind::Down)),
        (Answer::text(502, "<html>secret body</html>"), Some(WhyKind::Down)),
        (Answer::text(200, "<html>secret body</html>"), Some(WhyKind::Unreadable)),
        (Answer::text(200, ""), Some(WhyKind::Unreadable)),
        (Answer::json(202, json!({"commands_changes": {}})), Some(WhyKind::Unreadable)),
        (Answer::text(200, vec![b' '; 70_000]), Some(WhyKind::TooLarge)),
        (message(301, "moved").header("location", "http://127.0.0.1:1/api/v4/projects/8"), Some(WhyKind::Unreadable)),
    ];
    for (answer, expected) in table {
        let (error, _) = check(answer).await;
        assert_eq!(kind(error.clone()), expected, "{error}");
    }
}

#[tokio::test]
async fn reads_are_tried_again_and_refusals_are_not() {
    assert_eq!(check(Answer::text(503, "")).await.1, 3);
    assert_eq!(check(Answer::text(429, "")).await.1, 3);
    assert_eq!(check(Answer::text(429, "").header("retry-after", "3600")).await.1, 1);
    assert_eq!(check(Answer::text(401, "")).await.1, 1);
    let slow = Answer::json(200, json!({})).after(Duration::from_secs(30));
    let (error, tries) = check(slow).await;
    assert_eq!(error, CallError::Down { what: "time-out".into(), sent: true });
    assert_eq!(tries, 3);
}

#[tokio::test]
async fn a_short_retry_after_is_waited_for() {
    let count = AtomicUsize::new(0);
    let world = Scripted::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::text(429, "").header("retry-after", "1"),
        _ => Answer::json(200, json!({"id": 7})),
    })
    .await;
    let start = Instant::now();
    assert_eq!(project(&world).await.unwrap()["id"], 7);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_write_is_repeated_only_if_it_was_not_done() {
    let reply = || endpoints::reply(ProjectId(7), MergeRequestIid(1), &DiscussionId("d".into()), "text");
    for (answer, tries) in [
        (Answer::text(500, ""), 1),
        (Answer::json(201, json!({})).after(Duration::from_secs(30)), 1),
        (Answer::text(429, ""), 3),
        (Answer::json(422, json!({"message": "no"})), 1),
    ] {
        let world = Scripted::start(move |_| answer.clone()).await;
        assert!(world.client.one::<Value, _, _>(reply()).await.is_err());
        assert_eq!(world.asked().len(), tries);
    }
    // A port that nobody listens on: the request never left.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&address, quick()).one::<Value, _, _>(reply()).await.unwrap_err();
    assert_eq!(error, CallError::Down { what: "no connection".into(), sent: false });
}

#[tokio::test]
async fn a_redirect_of_a_call_is_not_followed_and_gets_no_token() {
    let elsewhere = Scripted::start(|_| Answer::json(200, json!({"id": 7}))).await;
    for status in [301, 302, 307, 308] {
        let location = format!("{}/api/v4/projects/7", elsewhere.address);
        let world = Scripted::start(move |_| Answer::text(status, "").header("location", location.clone())).await;
        assert!(matches!(project(&world).await, Err(CallError::Unreadable(_))));
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_stored_artifact_is_fetched_without_the_token() {
    let storage = Scripted::start(|_| Answer::text(200, "sha256:00")).await;
    let location = format!("{}/bucket/file?signature=x", storage.address);
    let world = Scripted::start(move |_| Answer::text(302, "").header("location", location.clone())).await;
    let file = || DownloadJobArtifactFile::builder().project(7).job(21).path("out/image digest.txt").build();
    assert_eq!(world.client.download(file(), 100).await.unwrap(), b"sha256:00");
    let asked = world.asked();
    assert_eq!(asked[0].target, "/api/v4/projects/7/jobs/21/artifacts/out/image%20digest.txt");
    assert_eq!(asked[0].token.as_deref(), Some(TOKEN));
    assert_eq!(storage.asked()[0].token, None);
    assert!(matches!(world.client.download(file(), 3).await, Err(CallError::TooLarge(_))));
}

#[tokio::test]
async fn a_stored_artifact_is_not_fetched_from_inside_a_network() {
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "http://storage.example.com/x",
        "/uploads/x",
        "ftp://127.0.0.1/x",
    ] {
        let world = Scripted::start(move |_| Answer::text(302, "").header("location", location)).await;
        let file = DownloadJobArtifactFile::builder().project(7).job(21).path("f").build();
        let error = world.client.download(file, 100).await.unwrap_err();
        let refused = matches!(error, CallError::Unreadable(_) | CallError::Down { sent: false, .. });
        assert!(refused, "{location}: {error:?}");
    }
    // Back to GitLab itself, or a page in the place of the file: a login.
    for page in [false, true] {
        let world = Scripted::start(move |asked| match (page, asked.what().as_str()) {
            (_, "GET /users/sign_in") => Answer::text(200, "sha256:00"),
            (true, _) => Answer::text(200, "<html>").header("content-type", "text/html; charset=utf-8"),
            (false, _) => Answer::text(302, "").header("location", format!("http://{}/users/sign_in", asked.host)),
        })
        .await;
        let file = DownloadJobArtifactFile::builder().project(7).job(21).path("f").build();
        assert!(matches!(world.client.download(file, 100).await, Err(CallError::Unreadable(_))), "{page}");
        assert_eq!(world.asked().len(), 1, "{page}");
    }
    // The archive is there and holds no such file.
    let world = Scripted::start(|_| Answer::text(404, "404 page not found\n")).await;
    let file = DownloadJobArtifactFile::builder().project(7).job(21).path("f").build();
    assert_eq!(world.client.download(file, 100).await, Err(CallError::NotFound));
    assert!(matches!(project(&world).await, Err(CallError::Unreadable(_))));
    // A storage that lost the file says nothing about the project.
    let storage = Scripted::start(|_| Answer::missing()).await;
    let location = storage.address.clone();
    let world = Scripted::start(move |_| Answer::text(302, "").header("location", location.clone())).await;
    let file = DownloadJobArtifactFile::builder().project(7).job(21).path("f").build();
    assert!(matches!(world.client.download(file, 100).await, Err(CallError::Unreadable(_))));
}

fn page_of(asked: &Asked) -> usize {
    let url = Url::parse(&format!("http://x{}", asked.target)).unwrap();
    url.query_pairs().find(|(name, _)| name == "page").unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn a_listing_is_read_to_its_end_or_not_at_all() {
    // Short pages are no end: GitLab takes away hidden rows after it has cut the page.
    let short = Scripted::start(|asked| match page_of(asked) {
        3 => Answer::json(200, json!([3])).header("x-next-page", ""),
        page => Answer::json(200, json!([page])).header("x-next-page", (page + 1).to_string()),
    })
    .await;
    let tags = || Tags::builder().project(7).build();
    assert_eq!(short.client.all::<u64, _, _>(tags()).await.unwrap(), [1, 2, 3]);
    assert_eq!(short.client.until(tags(), |row: &u64| *row == 2).await.unwrap(), [1, 2]);
    assert_eq!(short.client.first::<u64, _, _>(tags(), 1).await.unwrap(), [1]);

    let endless = Scripted::start(|asked| Answer::json(200, json!([1])).header("x-next-page", (page_of(asked) + 1).to_string())).await;
    assert!(matches!(endless.client.all::<u64, _, _>(tags()).await, Err(CallError::TooLarge(_))));
    assert_eq!(endless.asked().len(), PAGES_MAX);

    let circle = Scripted::start(|_| Answer::json(200, json!([1])).header("x-next-page", "1")).await;
    assert!(matches!(circle.client.all::<u64, _, _>(tags()).await, Err(CallError::Unreadable(_))));

    let full = Scripted::start(|asked| Answer::json(200, if page_of(asked) == 1 { json!(vec![1; 100]) } else { json!([2]) })).await;
    assert_eq!(full.client.all::<u64, _, _>(tags()).await.unwrap().len(), 101);
}

#[tokio::test]
async fn names_are_escaped_and_cannot_climb() {
    let world = Scripted::start(|_| Answer::json(200, json!({}))).await;
    let tag = |name: &'static str| world.client.one::<Value, _, _>(Tag::builder().project("group/app").tag_name(name).build());
    tag("release/1.0?x#y%2e").await.unwrap();
    let release = world.client.one::<Value, _, Infallible>(endpoints::release(ProjectId(7), "a/b")).await;
    release.unwrap();
    assert_eq!(world.asked()[0].target, "/api/v4/projects/group%2Fapp/repository/tags/release%2F1.0%3Fx%23y%252e");
    assert_eq!(world.asked()[1].target, "/api/v4/projects/7/releases/a%2Fb");
    for name in ["..", ".", "", "a\\b", "..\\x"] {
        assert!(tag(name).await.is_err(), "{name}");
    }
    let climbing = DownloadJobArtifactFile::builder().project(7).job(1).path("../../../../user").build();
    assert!(world.client.download(climbing, 100).await.is_err());
    assert_eq!(world.asked().len(), 2);
}

#[test]
fn a_connection_needs_a_safe_address() {
    let new = |address: &str| GitlabClient::new(&settings(address)).map(|client| client.inner.base.to_string());
    assert_eq!(new("https://gitlab.example.com/").as_deref(), Ok("https://gitlab.example.com/"));
    assert_eq!(new("https://example.com/gitlab/").as_deref(), Ok("https://example.com/gitlab"));
    assert_eq!(new("http://127.0.0.1:9080").as_deref(), Ok("http://127.0.0.1:9080/"));
    assert_eq!(new("http://gitlab.example.com"), Err(NoClient::PlainHttp));
    assert_eq!(new("http://127.0.0.1.example.com"), Err(NoClient::PlainHttp));
    assert_eq!(new("ftp://gitlab.example.com"), Err(NoClient::Address));
    assert_eq!(new("https://user:pass@gitlab.example.com"), Err(NoClient::Address));
    assert_eq!(new("https://gitlab.example.com/?x=1"), Err(NoClient::Address));
}

#[tokio::test]
async fn gitlab_below_a_path_is_asked_below_that_path() {
    let world = Scripted::start(|_| Answer::json(200, json!({}))).await;
    let below = client(&format!("{}/gitlab/", world.address), quick());
    below.one::<Value, _, _>(Project::builder().project(7).build()).await.unwrap();
    assert_eq!(world.asked()[0].target, "/gitlab/api/v4/projects/7");
}
