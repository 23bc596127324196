//! Webhooks: signed, counted, lost, failed, sent again.

use base64::Engine as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Receiver, Shop};

fn signing_token() -> String {
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode([7_u8; 32]))
}

#[tokio::test]
async fn a_signed_delivery_verifies_and_carries_gitlabs_headers() {
    let shop = Shop::open().await;
    let receiver = Receiver::answering(StatusCode::OK).await;
    let body =
        json!({"url": receiver.url, "token": "plain", "signing_token": signing_token(), "tag_push_events": true, "push_events": false});
    let made = shop.post("/projects/{p}/hooks", body).await;
    assert_eq!((made.status, &made.body["signing_token_present"], &made.body["token"]), (201, &true.into(), &Value::Null));
    let head = shop.head();
    shop.gitlab.world().push_tag(shop.project, "v1", &head, shop.alice);
    let got = receiver.after(&shop).await;
    assert_eq!(got.len(), 1);
    let headers = &got[0].headers;
    standardwebhooks::Webhook::new(&signing_token()).unwrap().verify(got[0].text.as_bytes(), headers).unwrap();
    assert_eq!(headers["x-gitlab-token"], "plain");
    assert_eq!(headers["webhook-id"], headers["idempotency-key"]);
    assert_eq!(headers["x-gitlab-instance"], shop.gitlab.url());
    assert_eq!(headers["user-agent"], "GitLab/19.5.0-ee");
    assert!(headers.contains_key("x-gitlab-event-uuid") && headers.contains_key("x-gitlab-webhook-uuid"));
}

#[tokio::test]
async fn an_old_server_ignores_the_signing_token() {
    let shop = Shop::open().await;
    shop.gitlab.world().switches.signs_hooks = false;
    let made = shop.post("/projects/{p}/hooks", json!({"url": "http://127.0.0.1:9/", "signing_token": signing_token()})).await;
    assert_eq!((made.status, &made.body["signing_token_present"]), (201, &false.into()));
}

#[tokio::test]
async fn a_push_of_more_than_three_tags_fires_no_tag_push_hook() {
    let shop = Shop::open().await;
    let receiver = Receiver::answering(StatusCode::OK).await;
    shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    let head = shop.head();
    let push = |names: &[&'static str]| {
        let tags: Vec<_> = names.iter().map(|name| (*name, head.clone())).collect();
        shop.gitlab.world().push_tags(shop.project, &tags, shop.alice);
    };
    push(&["v1", "v2", "v3"]);
    assert_eq!(receiver.after(&shop).await.len(), 3);
    push(&["v4", "v5", "v6", "v7"]);
    assert!(receiver.after(&shop).await.is_empty());
    assert_eq!(shop.get("/projects/{p}/repository/tags").await.body.as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_failed_delivery_is_recorded_not_repeated_and_can_be_resent() {
    let shop = Shop::open().await;
    let receiver = Receiver::answering(StatusCode::SERVICE_UNAVAILABLE).await;
    let hook = shop.gitlab.world().add_hook(shop.project, &receiver.url, Some("secret"), Some(&signing_token()));
    let head = shop.head();
    shop.gitlab.world().push_tag(shop.project, "v1", &head, shop.alice);
    let first = receiver.after(&shop).await;
    assert_eq!(first.len(), 1);
    let events = shop.get(&format!("/projects/{{p}}/hooks/{hook}/events?status=server_failure")).await;
    let event = &events.body[0];
    assert_eq!((&event["response_status"], &event["trigger"]), (&"503".into(), &"tag_push_hooks".into()));
    assert_eq!(event["request_headers"]["X-Gitlab-Token"], "[REDACTED]");
    let resent = shop.post(&format!("/projects/{{p}}/hooks/{hook}/events/{}/resend", event["id"]), Value::Null).await;
    assert_eq!((resent.status, &resent.body["response_status"]), (201, &503.into()));
    let second = receiver.after(&shop).await;
    assert_eq!(second[0].text, first[0].text);
    assert_eq!(second[0].headers["idempotency-key"], first[0].headers["idempotency-key"]);
    standardwebhooks::Webhook::new(&signing_token()).unwrap().verify(second[0].text.as_bytes(), &second[0].headers).unwrap();
}

#[tokio::test]
async fn a_pausing_gitlab_stops_after_four_failures_for_a_minute() {
    let shop = Shop::open().await;
    let receiver = Receiver::answering(StatusCode::BAD_REQUEST).await;
    let hook = shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    shop.gitlab.world().switches.pauses_hooks = true;
    let head = shop.head();
    for name in ["v1", "v2", "v3", "v4", "v5"] {
        shop.gitlab.world().push_tag(shop.project, name, &head, shop.alice);
        shop.gitlab.hooks_settled().await;
    }
    assert_eq!(receiver.after(&shop).await.len(), 4);
    let path = format!("/projects/{{p}}/hooks/{hook}");
    assert_eq!(shop.get(&path).await.body["alert_status"], "temporarily_disabled");
    shop.gitlab.world().clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(shop.get(&path).await.body["alert_status"], "executable");
}

#[tokio::test]
async fn lost_hooks_are_neither_sent_nor_recorded() {
    let shop = Shop::open().await;
    let receiver = Receiver::answering(StatusCode::OK).await;
    let hook = shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    shop.gitlab.world().switches.loses_hooks = true;
    let head = shop.head();
    shop.gitlab.world().push_tag(shop.project, "v1", &head, shop.alice);
    assert!(receiver.after(&shop).await.is_empty());
    let world = shop.gitlab.world();
    assert_eq!((world.lost, world.deliveries(hook).count()), (1, 0));
}

#[tokio::test]
async fn a_test_of_a_note_hook_sends_an_old_note_in_the_testers_name() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let receiver = Receiver::answering(StatusCode::OK).await;
    let hook = shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    let path = format!("/projects/{{p}}/hooks/{hook}/test/note_events");
    assert_eq!(shop.post(&path, Value::Null).await.status, 422);
    shop.gitlab.world().comment(key, shop.carol, "/verify");
    receiver.after(&shop).await;
    assert_eq!(shop.post(&path, Value::Null).await.status, 201);
    let got = receiver.after(&shop).await;
    let attributes = &got[0].body["object_attributes"];
    assert_eq!((&attributes["author_id"], &attributes["action"]), (&shop.carol.0.into(), &"create".into()));
    assert_eq!(got[0].body["user"]["id"], shop.alice.0);
}

#[tokio::test]
async fn a_new_address_loses_the_secret_token() {
    let shop = Shop::open().await;
    let hook = shop.gitlab.world().add_hook(shop.project, "http://127.0.0.1:9/a", Some("secret"), None);
    let path = format!("/projects/{{p}}/hooks/{hook}");
    let same = shop.ask(&shop.token, Method::PUT, &path, json!({"url": "http://127.0.0.1:9/a"})).await;
    assert_eq!(same.body["token_present"], true);
    let moved = shop.ask(&shop.token, Method::PUT, &path, json!({"url": "http://127.0.0.1:9/b"})).await;
    assert_eq!(moved.body["token_present"], false);
}

#[tokio::test]
#[should_panic(expected = "this thread holds the world already")]
async fn holding_the_world_twice_panics_instead_of_hanging() {
    let shop = Shop::open().await;
    let _held = shop.gitlab.world();
    shop.gitlab.world().lost += 1;
}
