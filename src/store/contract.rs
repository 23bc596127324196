//! What every store must do. Each backend's tests run [`check`]; a backend that outlives its process also runs [`check_reopened`].

use std::sync::Arc;

use jiff::SignedDuration;

use super::{Claim, Depth, MAX_KEY, MAX_RECORD, MAX_VALUE, Space, Store};
use crate::event::{Hint, Origin, What};
use crate::model::Timestamp;
use crate::model::gitlab::{InstanceName, PipelineId, ProjectId, ProjectKey};

const LEASE: SignedDuration = SignedDuration::from_secs(60);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// The hint that a pipeline of a project may have changed.
pub fn hint(project: u64, pipeline: u64, second: i64) -> Hint {
    Hint {
        project: ProjectKey { instance: InstanceName("main".into()), id: ProjectId(project) },
        what: What::Pipeline { id: PipelineId(pipeline) },
        origin: Origin::Hook { delivery: Some(format!("delivery-{project}-{pipeline}-{second}")) },
        received_at: at(second),
    }
}

async fn claim(store: &Arc<dyn Store>, second: i64) -> Option<Claim> {
    store.claim(at(second), LEASE).await.unwrap()
}

/// Claims what must be there, and says what it is.
async fn take(store: &Arc<dyn Store>, second: i64) -> (Claim, String) {
    let claim = claim(store, second).await.expect("a hint is due");
    let key = claim.hint.key();
    (claim, key)
}

/// Every promise of [`Store`]. `make` gives an empty store each time.
pub async fn check(make: impl AsyncFn() -> Arc<dyn Store>) {
    oldest_first_one_lane_at_a_time(make().await).await;
    pushing_again_merges(make().await).await;
    pushed_while_worked_on_runs_again(make().await).await;
    a_lease_ends_by_itself(make().await).await;
    a_renewed_lease_holds(make().await).await;
    postponed_work_waits_and_counts(make().await).await;
    concurrent_claims_never_share(make().await).await;
    keyed_state_reads_back(make().await).await;
    put_new_has_one_winner(make().await).await;
    scans_are_ordered_and_bounded(make().await).await;
    the_log_has_no_gaps(make().await).await;
    the_log_has_one_writer_a_number(make().await).await;
    what_is_too_large_is_refused(make().await).await;
}

async fn oldest_first_one_lane_at_a_time(store: Arc<dyn Store>) {
    for (project, pipeline) in [(1, 10), (1, 11), (2, 20)] {
        store.push(&hint(project, pipeline, 0)).await.unwrap();
    }
    let (first, key) = take(&store, 1).await;
    assert_eq!((key.as_str(), first.attempt, first.leased_until), ("main/1/pipeline/10", 1, at(61)));
    let (second, key) = take(&store, 1).await;
    assert_eq!(key, "main/2/pipeline/20", "the lane of project 1 is taken");
    assert_eq!(claim(&store, 1).await, None, "both lanes are taken");
    assert_eq!(store.depth().await.unwrap(), Depth { waiting: 1, claimed: 2 });
    store.finish(&first).await.unwrap();
    let (third, key) = take(&store, 1).await;
    assert_eq!(key, "main/1/pipeline/11");
    store.finish(&second).await.unwrap();
    store.finish(&third).await.unwrap();
    assert_eq!(store.depth().await.unwrap(), Depth::default());
    assert_eq!(claim(&store, 1_000).await, None, "finished work does not come back");
}

async fn pushing_again_merges(store: Arc<dyn Store>) {
    store.push(&hint(1, 10, 0)).await.unwrap();
    store.push(&hint(1, 11, 1)).await.unwrap();
    store.push(&hint(1, 10, 2)).await.unwrap();
    assert_eq!(store.depth().await.unwrap().waiting, 2);
    let (first, key) = take(&store, 3).await;
    assert_eq!(key, "main/1/pipeline/10", "it keeps its place");
    assert_eq!(first.hint, hint(1, 10, 2), "the newest hint is told");
    store.finish(&first).await.unwrap();
    let (_, key) = take(&store, 3).await;
    assert_eq!(key, "main/1/pipeline/11");
}

async fn pushed_while_worked_on_runs_again(store: Arc<dyn Store>) {
    store.push(&hint(1, 10, 0)).await.unwrap();
    let (first, _) = take(&store, 1).await;
    store.push(&hint(1, 10, 2)).await.unwrap();
    assert_eq!(claim(&store, 2).await, None, "its lane is taken");
    store.finish(&first).await.unwrap();
    let (again, _) = take(&store, 2).await;
    assert_eq!(again.attempt, 1, "news start afresh");
    assert_ne!(again.generation, first.generation);
    store.push(&hint(1, 10, 3)).await.unwrap();
    store.postpone(&again, at(1_000)).await.unwrap();
    let (once_more, _) = take(&store, 3).await;
    store.finish(&once_more).await.unwrap();
    assert_eq!(store.depth().await.unwrap(), Depth::default());
}

async fn a_lease_ends_by_itself(store: Arc<dyn Store>) {
    store.push(&hint(1, 10, 0)).await.unwrap();
    let (mut lost, _) = take(&store, 0).await;
    assert_eq!(claim(&store, 59).await, None);
    let (taken, _) = take(&store, 60).await;
    assert_eq!(taken.attempt, 2, "a lost attempt counts");
    store.finish(&lost).await.unwrap();
    store.postpone(&lost, at(9_999)).await.unwrap();
    assert!(!store.renew(&mut lost, at(9_999)).await.unwrap(), "another holds it");
    assert_eq!(store.depth().await.unwrap(), Depth { waiting: 0, claimed: 1 }, "the loser changes nothing");
    store.finish(&taken).await.unwrap();
    assert_eq!(store.depth().await.unwrap(), Depth::default());
}

async fn a_renewed_lease_holds(store: Arc<dyn Store>) {
    store.push(&hint(1, 10, 0)).await.unwrap();
    let (mut held, _) = take(&store, 0).await;
    assert!(store.renew(&mut held, at(120)).await.unwrap());
    assert_eq!(held.leased_until, at(120));
    assert_eq!(claim(&store, 119).await, None);
    store.finish(&held).await.unwrap();
    assert_eq!(claim(&store, 500).await, None);
    assert!(!store.renew(&mut held, at(600)).await.unwrap(), "finished work cannot be held");
}

async fn postponed_work_waits_and_counts(store: Arc<dyn Store>) {
    store.push(&hint(1, 10, 0)).await.unwrap();
    store.push(&hint(1, 11, 0)).await.unwrap();
    let (first, _) = take(&store, 0).await;
    store.postpone(&first, at(30)).await.unwrap();
    let (other, key) = take(&store, 1).await;
    assert_eq!(key, "main/1/pipeline/11", "what waits for later holds nobody up");
    store.finish(&other).await.unwrap();
    assert_eq!(claim(&store, 29).await, None);
    let (again, _) = take(&store, 30).await;
    assert_eq!((again.attempt, again.generation), (2, first.generation));
    store.postpone(&again, at(900)).await.unwrap();
    store.push(&hint(1, 10, 31)).await.unwrap();
    let (news, _) = take(&store, 31).await;
    assert_eq!(news.attempt, 1, "news make it due at once");
}

async fn concurrent_claims_never_share(store: Arc<dyn Store>) {
    for project in 0..8 {
        for pipeline in 0..4 {
            store.push(&hint(project, pipeline, 0)).await.unwrap();
        }
    }
    let mut claims = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        claims.spawn(async move { claim(&store, 1).await });
    }
    let mut lanes: Vec<_> = claims.join_all().await.into_iter().flatten().map(|claim| claim.hint.lane()).collect();
    lanes.sort();
    assert_eq!(lanes, (0..8).map(|project| format!("main/{project}")).collect::<Vec<_>>(), "one claim a lane, and every lane one");
}

async fn keyed_state_reads_back(store: Arc<dyn Store>) {
    assert_eq!(store.get(Space::Note, "a").await.unwrap(), None);
    store.put(Space::Note, "a", b"1").await.unwrap();
    store.put(Space::Note, "a", b"2").await.unwrap();
    store.put(Space::Cursor, "a", b"").await.unwrap();
    assert_eq!(store.get(Space::Note, "a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(store.get(Space::Cursor, "a").await.unwrap().as_deref(), Some(&b""[..]), "an empty value is there");
    store.delete(Space::Note, "a").await.unwrap();
    store.delete(Space::Note, "a").await.unwrap();
    assert_eq!(store.get(Space::Note, "a").await.unwrap(), None);
    assert!(store.get(Space::Cursor, "a").await.unwrap().is_some(), "spaces are apart");
}

async fn put_new_has_one_winner(store: Arc<dyn Store>) {
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..16_u8 {
        let store = store.clone();
        racers.spawn(async move { (store.put_new(Space::Command, "note", &[racer]).await.unwrap(), racer) });
    }
    let winners: Vec<_> = racers.join_all().await.into_iter().filter(|(won, _)| *won).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(store.get(Space::Command, "note").await.unwrap(), Some(vec![winners[0].1]), "the winner's value stays");
}

async fn scans_are_ordered_and_bounded(store: Arc<dyn Store>) {
    for key in ["b/2", "b/10", "a/1", "b/1", "c", "b", "B/1", "b/ü"] {
        store.put(Space::Verdict, key, key.as_bytes()).await.unwrap();
    }
    let keys = async |prefix: &str, limit| {
        let found = store.scan(Space::Verdict, prefix, limit).await.unwrap();
        assert!(found.iter().all(|(key, value)| key.as_bytes() == value));
        found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys("b/", 10).await, ["b/1", "b/10", "b/2", "b/ü"]);
    assert_eq!(keys("b/", 2).await, ["b/1", "b/10"]);
    assert_eq!(keys("", 3).await, ["B/1", "a/1", "b"]);
    assert!(keys("x", 3).await.is_empty());
    assert!(store.scan(Space::Sighting, "", 3).await.unwrap().is_empty());
}

async fn the_log_has_no_gaps(store: Arc<dyn Store>) {
    assert_eq!(store.log_end().await.unwrap(), 0);
    assert!(!store.append(1, b"one").await.unwrap(), "a gap");
    assert!(store.append(0, b"zero").await.unwrap());
    assert!(!store.append(0, b"other").await.unwrap(), "the number is taken");
    // As long as allowed: a backend may keep it in parts.
    let long: Vec<u8> = (0..MAX_RECORD).map(|n| (n % 251) as u8).collect();
    assert!(store.append(1, &long).await.unwrap());
    assert!(store.append(2, b"two").await.unwrap());
    assert_eq!(store.log_end().await.unwrap(), 3);
    assert_eq!(store.log(1, 10).await.unwrap(), [(1, long.clone()), (2, b"two".to_vec())]);
    assert_eq!(store.log(0, 1).await.unwrap(), [(0, b"zero".to_vec())]);
    assert!(store.log(3, 10).await.unwrap().is_empty());
    assert!(store.log(u64::MAX, 10).await.unwrap().is_empty());
}

async fn the_log_has_one_writer_a_number(store: Arc<dyn Store>) {
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..16_u8 {
        let store = store.clone();
        racers.spawn(async move { store.append(0, &[racer + 1]).await.unwrap() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(store.log_end().await.unwrap(), 1);
}

async fn what_is_too_large_is_refused(store: Arc<dyn Store>) {
    let value = vec![b'x'; MAX_VALUE];
    let key = "k".repeat(MAX_KEY);
    store.put(Space::Cursor, &key, &value).await.unwrap();
    assert_eq!(store.get(Space::Cursor, &key).await.unwrap(), Some(value.clone()));
    assert!(store.put(Space::Cursor, &format!("{key}k"), b"").await.is_err());
    assert!(store.put_new(Space::Cursor, "k", &vec![b'x'; MAX_VALUE + 1]).await.is_err());
    assert!(store.append(0, &vec![b'x'; MAX_RECORD + 1]).await.is_err());
    assert!(store.append(0, b"").await.is_err(), "an empty record looks like none");
    let mut odd = hint(1, 1, 0);
    odd.what = What::Tag { name: "t".repeat(MAX_KEY) };
    assert!(store.push(&odd).await.is_err());
    store.push(&hint(1, 1, 0)).await.unwrap();
    assert_eq!(store.depth().await.unwrap().waiting, 1, "the store goes on after a refusal");
}

/// What must still be there when a store is opened again. `open` opens the same store each time; the one before is closed.
pub async fn check_reopened(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    for (project, pipeline) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
        store.push(&hint(project, pipeline, 0)).await.unwrap();
    }
    let (finished, _) = take(&store, 1).await;
    store.finish(&finished).await.unwrap();
    let (postponed, _) = take(&store, 1).await;
    store.postpone(&postponed, at(500)).await.unwrap();
    let (held, _) = take(&store, 1).await;
    store.put(Space::Note, "note", b"7").await.unwrap();
    store.put(Space::Cursor, "gone", b"1").await.unwrap();
    store.delete(Space::Cursor, "gone").await.unwrap();
    let long = vec![b'l'; 3 * MAX_VALUE];
    assert!(store.append(0, b"zero").await.unwrap() && store.append(1, &long).await.unwrap());
    drop(store);

    let store = open().await;
    assert_eq!(store.get(Space::Note, "note").await.unwrap().as_deref(), Some(&b"7"[..]));
    assert_eq!(store.get(Space::Cursor, "gone").await.unwrap(), None);
    assert_eq!(store.log(0, 10).await.unwrap(), [(0, b"zero".to_vec()), (1, long)]);
    assert!(!store.append(1, b"again").await.unwrap() && store.append(2, b"two").await.unwrap());
    // Long after every lease.
    let (again, key) = take(&store, 100).await;
    assert_eq!((key, again.attempt), (held.hint.key(), 2), "claimed work comes back, and the attempt counted");
    let (_, key) = take(&store, 100).await;
    assert_eq!(key, "main/4/pipeline/40");
    assert_eq!(claim(&store, 100).await, None, "finished work stays away, postponed work waits");
    let (again, key) = take(&store, 500).await;
    assert_eq!((key, again.attempt), (postponed.hint.key(), 2));
    store.push(&hint(5, 50, 0)).await.unwrap();
    assert_eq!(store.depth().await.unwrap(), Depth { waiting: 1 + 2, claimed: 1 });
}
