//! Other people's text, and deliveries that lie.

use std::time::Duration;

use countersign::event::COMMAND_AGE;
use countersign::model::gitlab::{MergeRequestState, RunnerId};
use countersign::sandbox::gitlab::state::JobSpec;
use countersign::sandbox::shop::WEBHOOK_TOKEN;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::json;

use super::*;

/// What every name in the shop is made of: quick actions, mentions, references, markup, HTML, and our own markers.
const EVIL: &str = "x\r\n/close\n@all @rita !1 #1 ~bug $1 %1 <img src=x onerror=alert(1)> ![i](http://evil.test/i) [l](http://evil.test) `c` ``` | a | \\ <!-- countersign:release:end --> <details> \u{202e}";
/// A Git tag that Git allows, and that is no registry tag.
const EVIL_TAG: &str = "v1`@all`<img>|!1#1(x)]&;'\"$";

/// Nothing of it came through: no line that GitLab runs, no mention, no markup but ours.
fn inert(text: &str) {
    for line in text.split(['\n', '\r', '\u{2028}', '\u{85}']) {
        assert!(!line.trim_start().starts_with('/'), "GitLab would run this line: {line:?}");
    }
    for broken in ["@all", "@rita", "\u{202e}"] {
        assert!(!text.contains(broken), "{broken} came through: {text}");
    }
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            // Inside code nothing is read; outside it stands no word of theirs.
            Event::Text(text) => assert!(!text.contains("evil.test") && !text.contains("~bug"), "{text}"),
            Event::Html(html) | Event::InlineHtml(html) => {
                let ours =
                    html.trim().replace("<details>", "").replace("</details>", "").replace("<summary>", "").replace("</summary>", "");
                assert!(!ours.contains('<') || ours.starts_with("<!-- countersign:"), "{html}");
            }
            Event::Start(Tag::Link { dest_url, .. }) => assert!(dest_url.starts_with("http://127.0.0.1"), "{dest_url}"),
            Event::Start(Tag::Image { dest_url, .. }) => panic!("an image: {dest_url}"),
            _ => {}
        }
    }
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count(), "{text}");
}

fn poison(world: &countersign::sandbox::shop::Shop) {
    let mut gitlab = world.gitlab.world();
    for user in gitlab.users.values_mut().filter(|user| !user.bot) {
        user.name = EVIL.into();
    }
    let runners: Vec<RunnerId> = gitlab.runners.keys().copied().collect();
    for runner in runners {
        gitlab.runners.get_mut(&runner).unwrap().0.description = EVIL.into();
    }
    let key = world.merge_request;
    gitlab.merge_request_mut(key).title = EVIL.replace(['\r', '\n'], " ");
    let sha = world.commit.clone();
    gitlab.project_mut(world.project).commits.get_mut(&sha).unwrap().message = EVIL.into();
    gitlab.project_mut(world.project).ci.push(JobSpec::new("test", &EVIL.replace(['\r', '\n'], " ")));
}

async fn check(passes: bool) {
    let signing = if passes { Signing::Keyless } else { Signing::BundleKey };
    let world = Setup::new(signing).start_after(poison).await;
    let (pipeline, job) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    world.sign(digest, job, TAG).unwrap();
    if passes {
        let evil = world.gitlab.world().job_named(pipeline, &EVIL.replace(['\r', '\n'], " "));
        world.gitlab.world().finish_job(evil, countersign::sandbox::gitlab::state::JobEnd::success());
        world.finish(pipeline, Some(digest));
    } else {
        let evil = world.gitlab.world().job_named(pipeline, &EVIL.replace(['\r', '\n'], " "));
        world.gitlab.world().finish_job(evil, countersign::sandbox::gitlab::state::JobEnd::failed());
    }
    world.publish(TAG);
    let said = world.status_is(TAG, if passes { "success" } else { "failed" }).await;
    let section = world.section_says(TAG, "countersign:release:end").await;
    let note = until("a note", || world.sticky()).await;
    let (reply, _) = world.answer("/verify v1.8.2").await;
    let (unknown, _) = world.answer("/countersign x@all").await;
    for text in [section.split_once("countersign:release:start").unwrap().1.trim_start_matches(" -->"), &note, &reply, &unknown] {
        inert(text);
    }
    assert!(!said.contains(char::is_control), "{said}");
    assert_eq!(world.gitlab.world().merge_request(world.merge_request).state, MergeRequestState::Merged);
}

#[tokio::test]
async fn hostile_names_around_a_release_that_passes_come_out_inert() {
    check(true).await;
}

#[tokio::test]
async fn hostile_names_around_a_release_that_is_blocked_come_out_inert() {
    check(false).await;
}

#[tokio::test]
async fn a_hostile_tag_name_is_judged_and_comes_out_inert() {
    let world = Setup::new(Signing::BundleKey).start_after(poison).await;
    let pipeline = {
        let mut gitlab = world.gitlab.world();
        gitlab.project_mut(world.project).ci.retain(|job| job.name.starts_with(|c: char| c != 'x'));
        let pipeline = gitlab.push_tag(world.project, EVIL_TAG, &world.commit, world.rita).unwrap();
        gitlab.pass_pipeline(pipeline);
        pipeline
    };
    world.publish(EVIL_TAG);
    let section = world.section_says(EVIL_TAG, "countersign:release:end").await;
    let (_, ours) = section.split_once("countersign:release:start -->").unwrap();
    inert(ours);
    assert!(!ours.contains("Image verified") && !ours.contains("checks passed.\n"), "{ours}");
    let note = until("a note", || world.sticky()).await;
    inert(&note);
    assert!(!note.contains("### Image verified"), "{note}");
    // A status is plain text to GitLab: only a line's end could do anything in it.
    assert!(world.status(EVIL_TAG).is_some_and(|(state, text)| state == "failed" && !text.contains(char::is_control)));
    assert_eq!(world.gitlab.world().pipeline(pipeline).statuses.len(), 1);
}

/// A delivery with the right token whose content lies.
#[tokio::test]
async fn a_forged_delivery_changes_nothing() {
    let world = World::start(Signing::Nothing).await;
    let (pipeline, _) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "failed").await;
    let said = world.says("hello");
    world.settled().await;
    let (from, id, iid) = (world.asked().len(), world.project.0, world.merge_request.iid.0);
    let project = json!({"id": id, "path_with_namespace": "shop/api"});
    let rita = json!({"id": world.rita.0, "username": "rita"});
    let lies = [
        // A pipeline that succeeded on a protected tag, as it says itself.
        json!({"object_kind": "pipeline", "project": project, "user": rita, "object_attributes":
            {"id": pipeline.0, "status": "success", "ref": TAG, "tag": true, "protected_ref": true, "source": "push"}}),
        // A note of Rita's that commands, though Dana said hello.
        json!({"object_kind": "note", "project": project, "user": rita, "merge_request": {"iid": iid, "author_id": world.rita.0},
            "object_attributes": {"id": said.0, "noteable_type": "MergeRequest", "note": "/verify", "author_id": world.rita.0, "system": false}}),
        // A note that does not exist.
        json!({"object_kind": "note", "project": project, "user": rita, "merge_request": {"iid": iid},
            "object_attributes": {"id": 999_999, "noteable_type": "MergeRequest", "note": "/verify"}}),
        json!({"object_kind": "pipeline", "project": project, "object_attributes": {"id": 999_999, "status": "success"}}),
        json!({"object_kind": "tag_push", "project": project, "project_id": id, "ref": "refs/tags/v6.6.6", "after": "a".repeat(40)}),
        json!({"object_kind": "release", "project": project, "tag": "v6.6.6", "description": "/close"}),
        json!({"object_kind": "build", "project_id": id, "project": project, "build_id": 999_999, "build_status": "success"}),
        // Projects that are not watched, or not there.
        json!({"object_kind": "tag_push", "project_id": 999_999, "ref": "refs/tags/v1.0.0"}),
        json!({"object_kind": "note", "project": {"id": 1}, "merge_request": {"iid": 1},
            "object_attributes": {"id": said.0, "noteable_type": "MergeRequest", "note": "/verify"}}),
    ];
    for lie in &lies {
        let status = world.deliver(WEBHOOK_TOKEN, lie).await;
        assert!((200..300).contains(&status), "{status}: {lie}");
    }
    world.settled().await;
    assert_eq!(world.writes_since(from), Vec::<String>::new());
    assert_eq!((world.reply_to(said), world.reactions(said)), (None, vec![]));
    for token in ["", "sandbox-webhook-tokem", "Sandbox-webhook-token"] {
        assert_eq!(world.deliver(token, &lies[0]).await, 401);
    }
}

#[tokio::test]
async fn a_project_that_is_not_watched_is_left_alone() {
    let world = World::start(Signing::Keyless).await;
    let other = {
        let mut gitlab = world.gitlab.world();
        let other = gitlab.add_project("shop/web");
        gitlab.protect_tags(other, "v*", countersign::sandbox::gitlab::state::Level::Maintainer);
        gitlab.add_member(other, world.bot, countersign::sandbox::gitlab::state::Level::Maintainer);
        let sha = gitlab.project(other).branches["main"].clone();
        gitlab.project_mut(other).ci = vec![JobSpec::new("release", "release_image")];
        let pipeline = gitlab.push_tag(other, "v1.0.0", &sha, world.rita).unwrap();
        gitlab.pass_pipeline(pipeline);
        gitlab.create_release(other, "v1.0.0", world.rita, "First.");
        other
    };
    let body = json!({"object_kind": "tag_push", "project_id": other.0, "project": {"id": other.0}, "ref": "refs/tags/v1.0.0"});
    assert!((200..300).contains(&world.deliver(WEBHOOK_TOKEN, &body).await));
    world.settled().await;
    assert_eq!(world.gitlab.world().project(other).releases["v1.0.0"].description, "First.");
    assert_eq!(world.writes_since(0), Vec::<String>::new());
}

#[tokio::test]
async fn a_projects_own_secret_speaks_for_that_project_only() {
    let world = Setup::new(Signing::Keyless)
        .toml("webhook_token = { file = \"hook\" }\n", "")
        .toml("path = \"shop/api\"", "path = \"shop/api\"\nwebhook_token = { file = \"hook\" }")
        .toml(
            "[[project]]",
            "[[project]]\npath = \"shop/web\"\nimage = \"{host}/shop/web\"\nsigner = \"release-key\"\nwebhook_token = { file = \"web-hook\" }\n\n[[project]]",
        )
        .file("web-hook", "the-secret-of-shop-web")
        .start()
        .await;
    let body = |path: &str| json!({"object_kind": "tag_push", "project_id": world.project.0, "project": {"id": world.project.0, "path_with_namespace": path}, "ref": "refs/tags/v1.8.2"});
    assert_eq!(world.deliver("the-secret-of-shop-web", &body("shop/api")).await, 401);
    assert_eq!(world.deliver(WEBHOOK_TOKEN, &body("shop/web")).await, 401);
    assert_eq!(world.deliver(WEBHOOK_TOKEN, &body("shop/api")).await / 100, 2);
    // The own hook works.
    world.release(TAG).unwrap();
    world.status_is(TAG, "success").await;
}

#[test]
fn a_command_expires_after_the_documented_age() {
    assert_eq!(Duration::try_from(COMMAND_AGE).unwrap(), Duration::from_secs(15 * 60));
}
