use std::sync::Arc;

use super::super::super::Store;
use super::*;
use crate::model::environment::Environment;
use crate::model::gitlab::{DiscussionId, InstanceName, NoteId, PipelineId, ProjectId, UserId};
use crate::model::promotion::{AskedIn, Direction, Ending, Person, Running};
use crate::model::{Digest, PinnedImage};
use crate::store::memory::MemoryStore;
use crate::store::sled::SledStore;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn project(id: u64) -> ProjectKey {
    ProjectKey { instance: InstanceName("main".into()), id: ProjectId(id) }
}

fn person(id: u64) -> Person {
    Person { id: UserId(id), username: format!("user{id}") }
}

/// The promotion that note `note` in merge request 4 of project 7 asks for.
fn promotion(environment: &str, note: u64) -> Promotion {
    let asked_in = AskedIn {
        merge_request: MergeRequestIid(4),
        note: NoteId(note),
        discussion: DiscussionId("d".into()),
        place: 0,
        words: Digest::of(b"words"),
    };
    let image = PinnedImage { repository: "registry.example.com/shop/api".parse().unwrap(), digest: Digest::of(b"api") };
    Promotion {
        id: PromotionId::of(&project(7), &asked_in),
        direction: Direction::Promote,
        project: project(7),
        environment: Environment::named(environment),
        release: "v1".into(),
        commit: "a".repeat(40).parse().unwrap(),
        pipeline: PipelineId(9),
        images: vec![("api".into(), image)],
        rule: Digest::of(b"rule"),
        requested_by: person(2),
        requested_at: at(0),
        asked_in,
    }
}

fn ended() -> PromotionEvent {
    PromotionEvent::Ended { ending: Ending::Promoted }
}

fn approved(by: u64) -> PromotionEvent {
    PromotionEvent::Approved { by: person(by), note: NoteId(90) }
}

async fn replica(store: &Arc<dyn Store>) -> Arc<Ledger> {
    Arc::new(Ledger::open(store.clone()).await.unwrap())
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

/// Runs a rule on every backend.
async fn on_every_store(rule: impl AsyncFn(Arc<dyn Store>)) {
    rule(memory()).await;
    let folder = tempfile::TempDir::new().unwrap();
    rule(Arc::new(SledStore::open(folder.path()).await.unwrap())).await;
}

fn ids(standings: &[Standing]) -> Vec<&PromotionId> {
    standings.iter().map(|standing| &standing.promotion.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_open_at_once_one_holds_the_environment() {
    on_every_store(async |store| {
        let replicas = [replica(&store).await, replica(&store).await];
        let mut racers = tokio::task::JoinSet::new();
        for note in 0..12 {
            let ledger = replicas[note as usize % 2].clone();
            racers.spawn(async move {
                let wanted = promotion("production", note);
                (wanted.id.clone(), ledger.open_promotion(&wanted, at(1)).await.unwrap())
            });
        }
        let answers = racers.join_all().await;
        let winners: Vec<_> = answers.iter().filter(|(_, answer)| *answer == OpenedAs::New).map(|(id, _)| id).collect();
        let [winner] = winners[..] else { panic!("{winners:?} hold one environment") };
        for (id, answer) in answers.iter().filter(|(id, _)| id != winner) {
            let OpenedAs::Held(holder) = answer else { panic!("{id}: {answer:?}") };
            assert_eq!(&holder.promotion.id, winner);
        }
        for ledger in &replicas {
            assert_eq!(ids(&ledger.open_promotions().await.unwrap()), [winner]);
            assert_eq!(ledger.verify().await.unwrap().records, 1, "the others left nothing");
        }
    })
    .await;
}

#[tokio::test]
async fn one_command_is_one_promotion_and_environments_are_apart() {
    on_every_store(async |store| {
        let (here, there) = (replica(&store).await, replica(&store).await);
        let first = promotion("production", 1);
        assert_eq!(here.open_promotion(&first, at(1)).await.unwrap(), OpenedAs::New);
        assert_eq!(there.open_promotion(&first, at(2)).await.unwrap(), OpenedAs::Already);
        assert_eq!(there.open_promotion(&promotion("staging", 2), at(2)).await.unwrap(), OpenedAs::New);
        let mut elsewhere = promotion("production", 1);
        elsewhere.project = project(8);
        elsewhere.id = PromotionId::of(&elsewhere.project, &elsewhere.asked_in);
        assert_eq!(there.open_promotion(&elsewhere, at(2)).await.unwrap(), OpenedAs::New, "another project's production");
        let held = here.open_promotion(&promotion("production", 3), at(3)).await.unwrap();
        assert!(matches!(held, OpenedAs::Held(holder) if holder.promotion == first));
        assert_eq!(here.holder(&project(7), &first.environment.name).await.unwrap().unwrap().promotion, first);

        assert!(there.add_to_promotion(&first.id, ended(), at(4)).await.unwrap());
        assert_eq!(here.holder(&project(7), &first.environment.name).await.unwrap(), None);
        assert_eq!(here.open_promotion(&first, at(5)).await.unwrap(), OpenedAs::Already, "an ended one does not begin again");
        assert_eq!(here.open_promotion(&promotion("production", 3), at(6)).await.unwrap(), OpenedAs::New);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_added_after_the_end_across_replicas() {
    on_every_store(async |store| {
        let replicas = [replica(&store).await, replica(&store).await];
        let wanted = promotion("production", 1);
        assert!(!replicas[0].add_to_promotion(&wanted.id, approved(3), at(0)).await.unwrap(), "nothing is there to add to");
        replicas[0].open_promotion(&wanted, at(1)).await.unwrap();
        let reopened = PromotionEvent::Opened { promotion: Box::new(wanted.clone()) };
        assert!(!replicas[0].add_to_promotion(&wanted.id, reopened, at(1)).await.unwrap());

        let mut racers = tokio::task::JoinSet::new();
        for n in 0..12_u64 {
            let (ledger, id) = (replicas[n as usize % 2].clone(), wanted.id.clone());
            let event = if n % 4 == 3 { ended() } else { approved(100 + n) };
            racers.spawn(async move { (n % 4 == 3, ledger.add_to_promotion(&id, event, at(2)).await.unwrap()) });
        }
        let answers = racers.join_all().await;
        assert_eq!(answers.iter().filter(|(ends, added)| *ends && *added).count(), 1, "it ends once");
        let approvals = answers.iter().filter(|(ends, added)| !*ends && *added).count();
        let standing = replicas[1].promotion(&wanted.id).await.unwrap().unwrap();
        assert_eq!((standing.is_open(), standing.approvals.len()), (false, approvals), "what was said to be added counts");
        assert_eq!(store.log_end().await.unwrap(), 2 + approvals as u64, "and nothing else was written");
        for ledger in &replicas {
            assert!(!ledger.add_to_promotion(&wanted.id, approved(9), at(3)).await.unwrap());
            assert!(!ledger.add_to_promotion(&wanted.id, ended(), at(3)).await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn promotions_are_found_by_place_release_and_thread_and_again_after_a_rebuild() {
    on_every_store(async |store| {
        let ledger = replica(&store).await;
        let production = promotion("production", 1).environment.name;
        let mut wanted = vec![];
        for (note, release) in [(1, "v1"), (2, "v2"), (3, "v2")] {
            let mut next = promotion("production", note);
            next.release = release.into();
            next.asked_in.merge_request = MergeRequestIid(note);
            assert_eq!(ledger.open_promotion(&next, at(1)).await.unwrap(), OpenedAs::New);
            if note < 3 {
                ledger.add_to_promotion(&next.id, ended(), at(2)).await.unwrap();
            }
            wanted.push(next.id);
        }
        let [one, two, three] = &wanted[..] else { unreachable!() };
        let other = promotion("staging", 4);
        ledger.open_promotion(&other, at(3)).await.unwrap();

        for _ in 0..2 {
            assert_eq!(ids(&ledger.promotions_to(&project(7), &production, 10).await.unwrap()), [three, two, one]);
            assert_eq!(ids(&ledger.promotions_to(&project(7), &production, 2).await.unwrap()), [three, two]);
            assert_eq!(ids(&ledger.promotions_of(&project(7), "v2", 10).await.unwrap()), [two, three]);
            assert_eq!(ids(&ledger.promotions_of(&project(7), "v2", 1).await.unwrap()), [three], "the newest of them");
            assert_eq!(ids(&ledger.promotions_in(&project(7), MergeRequestIid(2), 10).await.unwrap()), [two]);
            assert_eq!(ids(&ledger.promotions_in(&project(7), MergeRequestIid(4), 10).await.unwrap()), [&other.id]);
            assert_eq!(ids(&ledger.open_promotions().await.unwrap()), [three, &other.id]);
            assert!(ledger.promotions_to(&project(8), &production, 10).await.unwrap().is_empty());
            assert_eq!(ledger.promotion(one).await.unwrap().unwrap().promoted_at(), Some(at(2)));
            assert_eq!(ledger.promotion(&PromotionId("0".into())).await.unwrap(), None);
            ledger.rebuild().await.unwrap();
        }
        // And from the records alone.
        let bare = memory();
        for (seq, bytes) in store.log(0, 100).await.unwrap() {
            assert!(bare.append(seq, &bytes).await.unwrap());
        }
        let again = replica(&bare).await;
        assert_eq!(ids(&again.open_promotions().await.unwrap()), [three, &other.id]);
        assert_eq!(ids(&again.promotions_to(&project(7), &production, 10).await.unwrap()), [three, two, one]);
        assert_eq!(bare.scan(Space::Promotion, index::OPEN, 10).await.unwrap().len(), 2, "marks of ended ones are taken away");
    })
    .await;
}

#[tokio::test]
async fn a_mark_that_a_slow_replica_sets_again_opens_nothing() {
    let store = memory();
    let ledger = replica(&store).await;
    let wanted = promotion("production", 1);
    ledger.open_promotion(&wanted, at(1)).await.unwrap();
    ledger.add_to_promotion(&wanted.id, ended(), at(2)).await.unwrap();
    store.put(Space::Promotion, &index::open_mark(&wanted), b"0").await.unwrap();
    assert!(ledger.open_promotions().await.unwrap().is_empty());
    store.put(Space::Promotion, &index::open_mark(&wanted), b"0").await.unwrap();
    assert_eq!(ledger.open_promotion(&promotion("production", 2), at(3)).await.unwrap(), OpenedAs::New);
    // An index that names another promotion's records under this one's key adds nothing to it.
    let key = format!("{}{:016x}", index::promotion_events(&wanted.id), 9);
    store.put(Space::Promotion, &key, b"2").await.unwrap();
    assert_eq!(ledger.promotion(&wanted.id).await.unwrap().unwrap().ended, Some((Ending::Promoted, at(2))));
}

#[tokio::test]
async fn a_holder_is_visible_at_every_moment_of_a_rebuild() {
    let store = memory();
    let (rebuilding, ledger) = (replica(&store).await, replica(&store).await);
    ledger.open_promotion(&promotion("production", 1), at(1)).await.unwrap();
    for note in 2..40 {
        let wanted = promotion("production", note);
        let (rebuilt, opened) = tokio::join!(rebuilding.rebuild(), ledger.open_promotion(&wanted, at(2)));
        rebuilt.unwrap();
        assert!(matches!(opened.unwrap(), OpenedAs::Held(_)));
    }
}

#[tokio::test]
async fn a_promotion_with_too_many_events_can_only_be_ended() {
    let ledger = replica(&memory()).await;
    let wanted = promotion("production", 1);
    ledger.open_promotion(&wanted, at(0)).await.unwrap();
    for _ in 1..MAX_EVENTS {
        let event = PromotionEvent::Began { step: 0 };
        // The way that is quick: each look at a promotion reads all of its events.
        ledger.append(&Entry::Promotion { id: wanted.id.clone(), happened: Happened { at: at(1), event } }).await.unwrap();
    }
    assert!(ledger.add_to_promotion(&wanted.id, approved(3), at(2)).await.is_err());
    assert!(ledger.promotion(&wanted.id).await.unwrap().unwrap().is_open());
    assert!(ledger.add_to_promotion(&wanted.id, ended(), at(3)).await.unwrap());
    assert!(!ledger.promotion(&wanted.id).await.unwrap().unwrap().is_open());
    assert!(!ledger.add_to_promotion(&wanted.id, approved(3), at(4)).await.unwrap(), "an ended one is no error");
}

#[tokio::test]
async fn of_two_runs_that_saw_the_same_one_goes_on() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (one, other) = (replica(&store).await, replica(&store).await);
    let asked = promotion("production", 1);
    one.open_promotion(&asked, at(0)).await.unwrap();
    let (_, seen) = one.promotion_at(&asked.id).await.unwrap().unwrap();
    assert_eq!(other.promotion_at(&asked.id).await.unwrap().unwrap().1, seen);
    let begins = || PromotionEvent::Began { step: 0 };
    let both = tokio::join!(one.go_on(&asked.id, seen, begins(), at(1)), other.go_on(&asked.id, seen, begins(), at(1)));
    assert_eq!([both.0.unwrap(), both.1.unwrap()].iter().filter(|went| **went).count(), 1);
    assert!(other.go_on(&asked.id, seen + 1, begins(), at(2)).await.unwrap(), "whoever looks again may");
}

/// Opens and ends a promotion of this image.
async fn ran(ledger: &Ledger, note: u64, (release, image): (&str, &str), ending: Ending) -> PromotionId {
    let mut next = promotion("production", note);
    next.release = release.into();
    next.images[0].1.digest = Digest::of(image.as_bytes());
    assert_eq!(ledger.open_promotion(&next, at(note as i64)).await.unwrap(), OpenedAs::New);
    assert!(ledger.add_to_promotion(&next.id, PromotionEvent::Ended { ending }, at(note as i64)).await.unwrap());
    next.id
}

#[tokio::test]
async fn what_arrived_is_found_however_many_failed_since() {
    let store = memory();
    let ledger = replica(&store).await;
    let production = promotion("production", 1).environment.name;
    let stopped = || Ending::Stopped { code: "CS-HALTED".into(), reason: "why".into() };
    let one = ran(&ledger, 1, ("v1", "one"), Ending::Promoted).await;
    let two = ran(&ledger, 2, ("v2", "two"), Ending::Promoted).await;
    let again = ran(&ledger, 3, ("v1", "one"), Ending::Promoted).await;
    for note in 10..300 {
        let ending = match note % 3 {
            0 => stopped(),
            1 => Ending::NotConverged { reason: "why".into() },
            _ => Ending::Cancelled { by: person(2) },
        };
        ran(&ledger, note, ("v3", "three"), ending).await;
    }
    let mut waits = promotion("production", 400);
    waits.images[0].1.digest = Digest::of(b"three");
    ledger.open_promotion(&waits, at(400)).await.unwrap();
    let with = |name: &str| PinnedImage { digest: Digest::of(name.as_bytes()), ..waits.images[0].1.clone() };
    for _ in 0..2 {
        let arrival = async |wanted: &dyn Fn(&Standing) -> bool| {
            let found = ledger.arrival(&project(7), &production, wanted).await.unwrap();
            found.map(|standing| standing.promotion.id)
        };
        assert_eq!(arrival(&|_| true).await.as_ref(), Some(&again));
        assert_eq!(arrival(&|standing| standing.promotion.release != "v1").await.as_ref(), Some(&two));
        assert_eq!(arrival(&|standing| standing.promotion.id == one).await.as_ref(), Some(&one));
        assert_eq!(arrival(&|standing| standing.promotion.release == "v3").await, None, "that never arrived");
        let of = async |image: &PinnedImage, environment: &str| {
            let environment = EnvironmentName(environment.into());
            let found = ledger.arrival_of(&project(7), &environment, image).await.unwrap();
            found.map(|standing| standing.promotion.id)
        };
        assert_eq!(of(&with("one"), "production").await.as_ref(), Some(&again));
        assert_eq!(of(&with("two"), "production").await.as_ref(), Some(&two));
        assert_eq!(of(&with("three"), "production").await, None);
        assert_eq!(of(&with("one"), "staging").await, None);
        ledger.rebuild().await.unwrap();
    }
}

#[tokio::test]
async fn a_ledger_of_a_program_that_knew_no_arrivals_finds_them() {
    let store = memory();
    let ledger = replica(&store).await;
    let id = ran(&ledger, 1, ("v1", "one"), Ending::Promoted).await;
    let production = promotion("production", 1).environment.name;
    for prefix in ["arrived/", "held/"] {
        let keys = store.scan(Space::Promotion, prefix, 10).await.unwrap();
        assert_eq!(keys.len(), 1);
        store.delete(Space::Promotion, &keys[0].0).await.unwrap();
    }
    // The head as such a program kept it.
    let head = store.get(Space::Ledger, "head").await.unwrap().unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&head).unwrap();
    assert!(head.as_object_mut().unwrap().remove("indices").is_some());
    store.put(Space::Ledger, "head", head.to_string().as_bytes()).await.unwrap();
    let found = replica(&store).await.arrival(&project(7), &production, |_| true).await.unwrap();
    assert_eq!(found.map(|standing| standing.promotion.id), Some(id));
}

#[tokio::test]
async fn drift_is_recorded_once_for_each_thing_and_only_of_what_arrived_last() {
    on_every_store(async |store| {
        let (here, there) = (replica(&store).await, replica(&store).await);
        let other = |name: &str| {
            let image = PinnedImage { digest: Digest::of(name.as_bytes()), ..promotion("production", 1).images[0].1.clone() };
            (Running::Image { image }, None)
        };
        let stopped = ran(&here, 1, ("v1", "one"), Ending::Stopped { code: "CS-STEP".into(), reason: "why".into() }).await;
        assert_eq!(here.record_drift(&stopped, &[other("x")], at(9)).await.unwrap(), None, "it never arrived");
        let old = ran(&here, 2, ("v1", "one"), Ending::Promoted).await;
        let now = ran(&here, 3, ("v2", "two"), Ending::Promoted).await;
        assert_eq!(here.record_drift(&old, &[other("x")], at(9)).await.unwrap(), None, "another arrived since");
        assert_eq!(here.record_drift(&now, &[], at(9)).await.unwrap(), None, "nothing is nothing new");

        let seen = [other("x")];
        let both = tokio::join!(here.record_drift(&now, &seen, at(10)), there.record_drift(&now, &seen, at(10)));
        assert_eq!([both.0.unwrap(), both.1.unwrap()].iter().filter(|new| new.is_some()).count(), 1, "two look, one records");
        assert!(here.record_drift(&now, &[other("y"), other("x")], at(11)).await.unwrap().is_some());
        let since = async || {
            let drift = there.promotion(&now).await.unwrap().unwrap().drift;
            drift.into_iter().map(|drift| drift.since).collect::<Vec<_>>()
        };
        assert_eq!(since().await, [at(11), at(10)], "each since it was seen first");
        assert!(!there.add_to_promotion(&now, PromotionEvent::DriftOver { by: None }, at(12)).await.unwrap());
        here.rebuild().await.unwrap();
        assert_eq!(since().await, [at(11), at(10)]);
        assert!(there.record_drift(&now, &[], at(12)).await.unwrap().is_some());
        assert_eq!(there.promotion(&now).await.unwrap().unwrap().drift_over, Some((None, at(12))));
        assert!(there.record_drift(&now, &[other("x")], at(13)).await.unwrap().is_some(), "it came back");
        assert_eq!(since().await, [at(13)]);

        // While another is open there, what is seen may be its doing.
        let next = promotion("production", 20);
        here.open_promotion(&next, at(20)).await.unwrap();
        assert_eq!(there.record_drift(&now, &[], at(20)).await.unwrap(), None);
        assert!(!there.end_drift(&now, &next.id, at(20)).await.unwrap(), "it has not arrived");
        here.add_to_promotion(&next.id, ended(), at(21)).await.unwrap();
        assert!(!there.end_drift(&old, &next.id, at(22)).await.unwrap(), "there is none");
        assert!(!there.end_drift(&next.id, &now, at(22)).await.unwrap() && !there.end_drift(&next.id, &next.id, at(22)).await.unwrap());
        assert!(there.end_drift(&now, &next.id, at(22)).await.unwrap());
        assert!(!here.end_drift(&now, &next.id, at(23)).await.unwrap(), "once");
        assert_eq!(here.promotion(&now).await.unwrap().unwrap().drift_over, Some((Some(next.id.clone()), at(22))));
        assert_eq!(here.promotion(&next.id).await.unwrap().unwrap().drift_over, None);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_edited_is_an_error_and_no_event() {
    let store = memory();
    let ledger = replica(&store).await;
    let wanted = promotion("production", 1);
    ledger.open_promotion(&wanted, at(1)).await.unwrap();
    ledger.add_to_promotion(&wanted.id, approved(3), at(2)).await.unwrap();
    ledger.add_to_promotion(&wanted.id, approved(4), at(3)).await.unwrap();
    assert_eq!(ledger.holds().await, Ok(()));
    for edited in [None, Some(0), Some(1)] {
        let copy = memory();
        for (seq, bytes) in store.log(0, 10).await.unwrap() {
            let text = String::from_utf8(bytes).unwrap();
            let text = if edited == Some(seq) { text.replace("user2", "user5").replace("user3", "user5") } else { text };
            assert!(copy.append(seq, text.as_bytes()).await.unwrap());
        }
        for space in Space::ALL {
            for (key, value) in store.scan(space, "", 100).await.unwrap() {
                copy.put(space, &key, &value).await.unwrap();
            }
        }
        let ledger = replica(&copy).await;
        assert_eq!(ledger.promotion(&wanted.id).await.is_ok(), edited.is_none(), "{edited:?}");
        assert_eq!(ledger.open_promotions().await.is_ok(), edited.is_none(), "{edited:?}");
        assert_eq!(ledger.holds().await.is_ok(), edited.is_none(), "{edited:?}");
        assert_eq!(ledger.add_to_promotion(&wanted.id, ended(), at(4)).await.is_ok(), edited.is_none(), "{edited:?}");
    }
}
