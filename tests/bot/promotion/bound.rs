//! A command is bound to its words, its digest and its rule; it is carried out once; one promotion at a time.

use std::time::Duration;

use countersign::model::promotion::{Person, PromotionEvent};
use countersign::sandbox::registry::Fault;

use super::who::stops;
use super::*;

#[tokio::test]
async fn an_edited_command_promotes_nothing() {
    let (world, _, asked, mara) = waiting().await;
    world.gitlab.world().edit_note(world.merge_request, asked, world.rita, "/countersign promote staging v9").unwrap();
    stops(&world, asked, mara, "CS-CHANGED").await;
}

#[tokio::test]
async fn a_deleted_command_promotes_nothing() {
    let (mut world, _, asked, mara) = waiting().await;
    let yes = world.answers_as(mara, asked, "/countersign approve");
    closes(&world, yes, "white_check_mark").await;
    closes(&world, asked, "white_check_mark").await;
    // The same again, and this time the command goes while nobody looks; its thread stays, because somebody answered in it.
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    world.settled().await;
    world.down().await;
    world.gitlab.world().delete_note(world.merge_request, asked);
    world.up().await;
    world.settled().await;
    let standing = open(&world).await.remove(0);
    let (id, by) = (standing.promotion.id.clone(), Person { id: mara, username: "mara".into() });
    let ledger = &world.running().bot.ledger;
    ledger.add_to_promotion(&id, PromotionEvent::Approved { by, note: yes }, countersign::model::Timestamp::now()).await.unwrap();
    world.restart().await;
    ended(&world).await;
    assert_eq!(puts(&world, "staging"), 1, "only the first one was carried out");
    let standing = world.running().bot.ledger.promotion(&id).await.unwrap().unwrap();
    assert!(matches!(standing.ended, Some((Ending::Stopped { ref code, .. }, _)) if code == "CS-CHANGED"), "{:?}", standing.ended);
}

#[tokio::test]
async fn a_tag_that_moved_after_the_command_promotes_nothing() {
    let (world, digest, asked, mara) = waiting().await;
    let moved = world.move_tag(TAG);
    assert_ne!(moved, digest);
    stops(&world, asked, mara, "CS-").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), None);
}

#[tokio::test]
async fn a_rule_that_changed_after_the_command_promotes_nothing() {
    let (mut world, _, asked, mara) = waiting().await;
    world.down().await;
    let text = std::fs::read_to_string(world.bot_toml()).unwrap();
    std::fs::write(world.bot_toml(), text.replace("second_person = true\n", "second_person = true\nrole = \"owner\"\n")).unwrap();
    world.up().await;
    world.gitlab.world().add_member(world.project, mara, Level::Owner);
    stops(&world, asked, mara, "CS-").await;
}

#[tokio::test]
async fn a_replayed_command_is_carried_out_once() {
    let (mut world, _) = released(setup()).await;
    let asked = staged(&world).await;
    world.settled().await;
    world.redeliver().await;
    world.settled().await;
    world.restart().await;
    world.redeliver().await;
    world.settled().await;
    assert_eq!(puts(&world, "staging"), 1);
    assert_eq!(world.replies(asked).len(), 2, "{:#?}", world.replies(asked));
}

#[tokio::test]
async fn a_refusal_is_final_however_often_the_note_comes_back() {
    let (world, _) = released(setup()).await;
    refused(&world, world.rita, "/countersign promote production v1.8.2", "CS-NOT-STAGED").await;
    staged(&world).await;
    world.redeliver().await;
    world.settled().await;
    assert_eq!(puts(&world, "production"), 0, "what was refused is asked for again by people, not by deliveries");
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn of_two_people_who_ask_at_once_one_promotes() {
    let (world, _) = released(setup()).await;
    let mara = maintainer(&world, "mara");
    world.registry.fault_times(1, "PUT /v2/*/manifests/staging", Fault::Slow(Duration::from_millis(1500)));
    let ask = "/countersign promote staging v1.8.2";
    let both = [world.says_as(world.rita, ask), world.says_as(mara, ask)];
    let closed = |note: NoteId, with: &str| world.reactions(note).iter().any(|name| name == with);
    let settled = || both.iter().all(|note| closed(*note, "x") || closed(*note, "white_check_mark"));
    until("both are answered", || settled().then_some(())).await;
    world.settled().await;
    let promoted = both.iter().filter(|note| closed(**note, "white_check_mark")).count();
    assert_eq!(promoted, 1, "{:#?}", both.map(|note| world.replies(note)));
    let other = both.into_iter().find(|note| closed(*note, "x")).unwrap();
    assert!(world.replies(other)[0].contains("CS-LOCKED"), "{:#?}", world.replies(other));
    assert_eq!(puts(&world, "staging"), 1);
}

#[tokio::test]
async fn production_takes_only_a_digest_that_arrived_in_staging() {
    let (world, _) = released(setup()).await;
    refused(&world, world.rita, "/countersign promote production v1.8.2", "CS-NOT-STAGED").await;
}

#[tokio::test]
async fn an_environment_takes_only_what_meets_its_own_policy() {
    let strict = format!("{PRODUCTION}\npolicy = {{ provenance = \"required\" }}");
    let (world, _) = released(setup_with("role = \"developer\"\nactions = [{ action = \"retag\", tag = \"staging\" }]", &strict)).await;
    staged(&world).await;
    refused(&world, world.rita, "/countersign promote production v1.8.2", "CS-PROV-MISSING").await;
    assert_eq!(puts(&world, "production"), 0);
}
