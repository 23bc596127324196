//! A promotion whose time is over gives its environment away, and not in the middle of a step.

use std::time::Duration;

use countersign::event::{Hint, Origin, What};
use countersign::model::Timestamp;
use countersign::model::promotion::{Promotion, PromotionEvent, PromotionId};
use countersign::sandbox::registry::Fault;

use super::*;

const STEPS: &str = "second_person = true\nactions = [{ action = \"retag\", tag = \"staging\" }, { action = \"deployment\" }]";

/// A promotion as Rita's command would open it, which was not opened yet and needs nobody else; and Mara, who may approve.
async fn accepted(world: &World) -> (Promotion, UserId) {
    let mara = maintainer(world, "mara");
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(world, asked, "hourglass").await;
    world.settled().await;
    let no = world.answers_as(world.rita, asked, "/countersign cancel");
    closes(world, no, "white_check_mark").await;
    world.settled().await;
    let ledger = &world.running().bot.ledger;
    let mut again = ledger.promotions_in(&key(world), world.merge_request.iid, 1).await.unwrap().remove(0).promotion;
    (again.id, again.asked_in.place) = (PromotionId("0123456789abcdef".into()), 1);
    again.environment.second_person = false;
    (again, mara)
}

async fn goes_on(world: &World, id: &PromotionId) {
    let what = What::Promotion { id: id.clone() };
    let hint = Hint { project: key(world), what, origin: Origin::Ourselves, received_at: Timestamp::now() };
    world.running().bot.inbox.push(&hint).await.unwrap();
}

/// Mara asks and Rita approves, and it arrives.
async fn succeeds(world: &World, mara: UserId) {
    let asked = world.says_as(mara, "/countersign promote staging v1.8.2");
    closes(world, asked, "hourglass").await;
    world.answers_as(world.rita, asked, "/countersign approve");
    closes(world, asked, "white_check_mark").await;
}

fn deployments(world: &World) -> usize {
    world.gitlab.world().project(world.project).deployments.len()
}

#[tokio::test]
async fn one_that_is_at_a_step_when_its_time_is_over_ends_itself_after_it() {
    let (world, digest) = released(setup_with(STEPS, PRODUCTION)).await;
    let (mut slow, mara) = accepted(&world).await;
    slow.environment.converge_within = jiff::SignedDuration::from_secs(2);
    let ledger = &world.running().bot.ledger;
    ledger.open_promotion(&slow, Timestamp::now()).await.unwrap();
    let started = std::time::Instant::now();
    world.registry.fault_times(1, "PUT /v2/*/manifests/staging", Fault::Slow(Duration::from_secs(6)));
    goes_on(&world, &slow.id).await;
    until("it is at its step", || (puts(&world, "staging") == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let standing = ledger.promotion(&slow.id).await.unwrap().unwrap();
    assert!(standing.is_overdue(Timestamp::now()) && standing.steps[0].did.is_none(), "{standing:?}");
    // Somebody who is in a hurry looks at it, and does not get the environment.
    let asked = world.says_as(mara, "/countersign promote staging v1.8.2");
    world.replied(asked, "CS-LOCKED").await;
    assert!(started.elapsed() < Duration::from_secs(6), "the step is over, so this shows nothing");
    assert!(ledger.promotion(&slow.id).await.unwrap().unwrap().is_open());
    ended(&world).await;
    let standing = ledger.promotion(&slow.id).await.unwrap().unwrap();
    assert!(matches!(&standing.ended, Some((Ending::Stopped { code, .. }, _)) if code == "CS-EXPIRED"), "{:?}", standing.ended);
    assert!(standing.steps[0].did.is_some(), "what was done is on record");
    assert_eq!((world.registry.tagged(IMAGE, "staging"), deployments(&world)), (Some(digest), 0), "and nothing after it was begun");
}

#[tokio::test]
async fn one_whose_run_vanished_at_a_step_gives_its_environment_away_when_nobody_can_be_at_it() {
    let (world, digest) = released(setup_with(STEPS, PRODUCTION)).await;
    let (mut old, mara) = accepted(&world).await;
    let ledger = &world.running().bot.ledger;
    let ago = |minutes| Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
    old.requested_at = ago(120);
    let plan = vec![countersign::model::promotion::Act::Retag { image: old.images[0].1.clone(), tag: "staging".into() }];
    ledger.open_promotion(&old, ago(120)).await.unwrap();
    ledger.add_to_promotion(&old.id, PromotionEvent::Cleared { verdicts: vec![], plan }, ago(119)).await.unwrap();
    // A run on another replica is just about to write.
    ledger.add_to_promotion(&old.id, PromotionEvent::Began { step: 0 }, ago(1)).await.unwrap();
    let (_, seen) = ledger.promotion_at(&old.id).await.unwrap().unwrap();
    let asked = world.says_as(mara, "/countersign promote staging v1.8.2");
    world.replied(asked, "CS-LOCKED").await;
    goes_on(&world, &old.id).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ledger.promotion(&old.id).await.unwrap().unwrap().is_open(), "its own lane waits as well");
    assert_eq!(puts(&world, "staging"), 0, "and does nothing");
    // The same, and it was begun long enough ago.
    ledger.add_to_promotion(&old.id, PromotionEvent::Began { step: 0 }, ago(16)).await.unwrap();
    succeeds(&world, mara).await;
    let standing = ledger.promotion(&old.id).await.unwrap().unwrap();
    assert!(matches!(&standing.ended, Some((Ending::Stopped { code, .. }, _)) if code == "CS-EXPIRED"), "{:?}", standing.ended);
    // Whatever still runs of it gets no further.
    assert!(!ledger.go_on(&old.id, seen, PromotionEvent::Began { step: 0 }, Timestamp::now()).await.unwrap());
    goes_on(&world, &old.id).await;
    world.settled().await;
    assert_eq!((world.registry.tagged(IMAGE, "staging"), puts(&world, "staging"), deployments(&world)), (Some(digest), 1, 1));
}
