//! Webhook bodies hold what real GitLabs sent: every field of a captured body, but for those that newer GitLabs dropped or that
//! only some objects have.

use std::collections::BTreeSet;
use std::path::PathBuf;

use countersign::model::gitlab::GitRef;
use http::StatusCode;
use serde_json::Value;

use crate::{Receiver, Shop};

/// Captured body → the event of ours that it is held against.
const SAMPLES: &[(&str, &str)] = &[
    ("woodpecker__HookPush.json", "Push Hook"),
    ("woodpecker__HookTag.json", "Tag Push Hook"),
    ("woodpecker__HookPullRequestMerged.json", "Merge Request Hook"),
    ("atlantis__gitlab-merge-request-comment-event.json", "Note Hook"),
    ("go-playground__pipeline-event.json", "Pipeline Hook"),
    ("go-playground__build-event.json", "Job Hook"),
    ("go-playground__deployment-event.json", "Deployment Hook"),
    ("woodpecker__WebhookReleaseBody.json", "Release Hook"),
];

/// Fields of the samples that we do not send, because they tell nothing to a bot.
const LEFT_OUT: &[&str] = &[
    "object_attributes.first_contribution",
    "object_attributes.human_time_change",
    "object_attributes.human_time_estimate",
    "object_attributes.human_total_time_spent",
    "object_attributes.last_edited_at",
    "object_attributes.last_edited_by_id",
    "object_attributes.merge_error",
    "object_attributes.merge_params",
    "object_attributes.time_change",
    "object_attributes.time_estimate",
    "object_attributes.total_time_spent",
    "object_attributes.updated_by_id",
];

/// The names of fields two levels deep, without those of free-form or optional parts.
fn fields(body: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, value) in body.as_object().unwrap() {
        found.insert(name.clone());
        if matches!(name.as_str(), "object_attributes" | "project" | "repository" | "user") {
            found.extend(value.as_object().into_iter().flatten().map(|(inner, _)| format!("{name}.{inner}")));
        }
    }
    found
}

#[tokio::test]
async fn our_bodies_hold_every_field_of_captured_ones() {
    let shared = std::env::var("COUNTERSIGN_SHARED").map_or_else(|_| PathBuf::from("../shared"), PathBuf::from);
    let folder = shared.join("gitlab-contract/webhooks");
    if !folder.is_dir() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "there is no {}", folder.display());
        eprintln!(
            "NOT RUN: webhook bodies were not compared with captured ones: there is no {} (set COUNTERSIGN_SHARED)",
            folder.display()
        );
        return;
    }
    let shop = Shop::open().await.with_ci();
    let receiver = Receiver::answering(StatusCode::OK).await;
    let key = shop.merge_request();
    let mut world = shop.gitlab.world();
    world.add_hook(shop.project, &receiver.url, None, None);
    world.comment(key, shop.carol, "hello");
    let sha = world.merge(key, shop.alice);
    let pipeline = world.push_tag(shop.project, "v1", &sha, shop.alice).unwrap();
    world.pass_pipeline(pipeline);
    world.create_release(shop.project, "v1", shop.alice, "");
    world.deploy(shop.project, "staging", &GitRef::Tag("v1".into()), shop.alice);
    drop(world);
    let got = receiver.after(&shop).await;
    let mut missing = vec![];
    for (file, event) in SAMPLES {
        let sample: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        let ours = &got.iter().rfind(|got| got.event() == *event).unwrap_or_else(|| panic!("no {event} came")).body;
        assert_eq!(ours["object_kind"], sample["object_kind"], "{file}");
        let have = fields(ours);
        missing.extend(fields(&sample).into_iter().filter(|name| !have.contains(name)).map(|name| format!("{event} {name}")));
    }
    missing.retain(|name| !LEFT_OUT.iter().any(|left| name.ends_with(left)));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
