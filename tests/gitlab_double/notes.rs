//! Comments, threads, quick actions, reactions.

use countersign::sandbox::gitlab::state::NewNote;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Receiver, Shop};

const NOTES: &str = "/projects/{p}/merge_requests/1/notes";

#[tokio::test]
async fn a_note_of_quick_actions_only_is_eaten() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let receiver = Receiver::answering(StatusCode::OK).await;
    shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    let said = shop.post(NOTES, json!({"body": "/label ~ready"})).await;
    assert_eq!(said.status, 202);
    assert!(said.body["commands_changes"].is_object() && said.body["id"].is_null());
    assert!(receiver.after(&shop).await.is_empty());
    assert_eq!(shop.gitlab.world().merge_request(key).notes().count(), 0);
    let said = shop.post(NOTES, json!({"body": "Done.\n/close"})).await;
    assert_eq!((said.status, &said.body["body"]), (201, &"Done.".into()));
    let got = receiver.after(&shop).await;
    let note = got.iter().find(|got| got.event() == "Note Hook").unwrap();
    assert_eq!((&note.body["object_attributes"]["note"], &note.body["merge_request"]["state"]), (&"Done.".into(), &"closed".into()));
}

#[tokio::test]
async fn promote_is_eaten_only_by_an_old_enterprise_edition() {
    let shop = Shop::open().await;
    shop.merge_request();
    assert_eq!(shop.post(NOTES, json!({"body": "/promote staging"})).await.status, 201);
    shop.gitlab.world().switches.eats_promote = true;
    assert_eq!(shop.post(NOTES, json!({"body": "/promote staging"})).await.status, 202);
    assert_eq!(shop.post(NOTES, json!({"body": " /promote staging"})).await.status, 201);
    assert_eq!(shop.post(NOTES, json!({"body": "/verify"})).await.status, 201);
}

#[tokio::test]
async fn an_internal_note_is_hidden_from_guests_and_has_its_own_hook() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let receiver = Receiver::answering(StatusCode::OK).await;
    let mut world = shop.gitlab.world();
    world.project_mut(shop.project).visibility = countersign::sandbox::gitlab::state::Visibility::Public;
    world.add_hook(shop.project, &receiver.url, None, None);
    world.add_note(key, shop.alice, NewNote { body: "between us".into(), internal: true, ..NewNote::default() }).unwrap();
    let stranger = world.add_user("stranger");
    let token = world.add_token(stranger, &["api"]);
    drop(world);
    assert_eq!(receiver.after(&shop).await[0].event(), "Confidential Note Hook");
    let seen = shop.ask(&token, Method::GET, NOTES, Value::Null).await;
    assert_eq!((seen.status, seen.body.as_array().unwrap().len()), (200, 0));
    assert_eq!(shop.get(NOTES).await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_reply_joins_the_thread_and_only_the_author_edits() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let asked = shop.gitlab.world().comment(key, shop.carol, "/verify").unwrap();
    let thread = shop.gitlab.world().merge_request(key).note(asked).unwrap().0.id.0.clone();
    let path = format!("/projects/{{p}}/merge_requests/1/discussions/{thread}/notes");
    let reply = shop.post(&path, json!({"body": "passed"})).await;
    assert_eq!(reply.status, 201);
    let told = shop.get(&format!("/projects/{{p}}/merge_requests/1/discussions/{thread}")).await;
    assert_eq!((told.body["notes"].as_array().unwrap().len(), &told.body["individual_note"]), (2, &false.into()));
    let carols = shop.gitlab.world().add_token(shop.carol, &["api"]);
    let path = format!("{NOTES}/{}", reply.body["id"]);
    assert_eq!(shop.ask(&carols, Method::PUT, &path, json!({"body": "no"})).await.status, 403);
    assert_eq!(shop.ask(&shop.token, Method::PUT, &path, json!({})).await.status, 400);
    assert_eq!(shop.ask(&shop.token, Method::PUT, &path, json!({"body": "passed again"})).await.status, 200);
    assert_eq!(shop.ask(&shop.token, Method::DELETE, &path, Value::Null).await.status, 204);
    assert_eq!(shop.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_second_reaction_of_one_name_is_not_found() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let note = shop.gitlab.world().comment(key, shop.carol, "/verify").unwrap();
    let path = format!("{NOTES}/{note}/award_emoji");
    assert_eq!(shop.post(&path, json!({"name": "eyes"})).await.status, 201);
    assert_eq!(shop.post(&path, json!({"name": "eyes"})).await.status, 404);
    assert_eq!(shop.post(&path, json!({"name": "x"})).await.status, 201);
}

#[tokio::test]
async fn the_note_limit_counts_a_minute() {
    let shop = Shop::open().await;
    shop.merge_request();
    shop.gitlab.world().switches.limits_notes = true;
    for _ in 0..60 {
        assert_eq!(shop.post(NOTES, json!({"body": "again"})).await.status, 201);
    }
    let refused = shop.post(NOTES, json!({"body": "again"})).await;
    assert_eq!(refused.status, 429);
    assert!(!refused.headers.contains_key("retry-after"));
    shop.gitlab.world().clock.advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(shop.post(NOTES, json!({"body": "again"})).await.status, 201);
}
