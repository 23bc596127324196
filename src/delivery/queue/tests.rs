use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use super::*;
use crate::event::What;
use crate::model::Timestamp;
use crate::model::gitlab::{InstanceName, PipelineId, ProjectId, ProjectKey};
use crate::store::Depth;
use crate::store::memory::MemoryStore;

const FAST: Pace = Pace {
    workers: 4,
    lease: Duration::from_millis(90),
    poll: Duration::from_millis(20),
    handle: Duration::from_millis(400),
    grace: Duration::from_millis(100),
    first_pause: Duration::from_millis(5),
    longest_pause: Duration::from_millis(20),
    give_up: Duration::from_secs(3600),
};

fn hint(project: u64, pipeline: u64) -> Hint {
    Hint {
        project: ProjectKey { instance: InstanceName("main".into()), id: ProjectId(project) },
        what: What::Pipeline { id: PipelineId(pipeline) },
        origin: Origin::CatchUp,
        received_at: Timestamp::now(),
    }
}

/// What a handler does with the pipeline of each number, and what it saw.
struct Script {
    does: fn(u64, u32) -> Does,
    began: Mutex<Vec<(String, u32)>>,
    lanes: Mutex<HashMap<String, usize>>,
}

enum Does {
    Finish,
    Fail,
    Panic,
    Take(Duration),
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, hint: &Hint, attempt: u32) -> Handled {
        self.began.lock().unwrap().push((hint.key(), attempt));
        let _in_lane = InLane::enter(self, hint.lane());
        let What::Pipeline { id } = hint.what else { unreachable!() };
        let does = (self.does)(id.0, attempt);
        if let Does::Take(time) = does {
            tokio::time::sleep(time).await;
        }
        match does {
            Does::Finish | Does::Take(_) => Handled::Done,
            Does::Fail => Handled::Later("the registry does not answer".into()),
            Does::Panic => panic!("a test's own panic"),
        }
    }
}

/// Somebody works in a lane; a panic and a cut leave it too.
struct InLane<'a> {
    script: &'a Script,
    lane: String,
}

impl<'a> InLane<'a> {
    fn enter(script: &'a Script, lane: String) -> Self {
        let before = std::mem::replace(script.lanes.lock().unwrap().entry(lane.clone()).or_default(), 1);
        assert_eq!(before, 0, "two at once in one lane");
        Self { script, lane }
    }
}

impl Drop for InLane<'_> {
    fn drop(&mut self) {
        self.script.lanes.lock().unwrap().insert(self.lane.clone(), 0);
    }
}

/// Workers on these hints; stopped and joined by the caller.
struct Bench {
    queue: Queue,
    script: Arc<Script>,
    stop: CancellationToken,
    workers: tokio::task::JoinHandle<()>,
}

async fn bench(pace: Pace, hints: &[Hint], does: fn(u64, u32) -> Does) -> Bench {
    let queue = Queue::new(Arc::new(MemoryStore::default()), Arc::default());
    for hint in hints {
        queue.push(hint).await.unwrap();
    }
    let script = Arc::new(Script { does, began: Mutex::default(), lanes: Mutex::default() });
    let stop = CancellationToken::new();
    let workers = tokio::spawn(run(queue.clone(), script.clone(), pace, stop.clone()));
    Bench { queue, script, stop, workers }
}

impl Bench {
    async fn until(&self, what: &str, is: impl AsyncFn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self).await {
            assert!(began.elapsed() < Duration::from_secs(10), "waited in vain: {what}; {:?}", self.script.began.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn until_empty(&self) {
        self.until("an empty queue", async |bench| bench.queue.store().depth().await.unwrap() == Depth::default()).await;
    }

    fn counted(&self, line: &str) -> bool {
        self.queue.metrics().text(None).contains(line)
    }

    async fn stop(self) -> Vec<(String, u32)> {
        self.stop.cancel();
        self.workers.await.unwrap();
        assert!(!self.queue.workers_alive());
        self.script.began.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn every_hint_is_worked_on_once_and_one_at_a_time_a_project() {
    let hints: Vec<_> = (0..40).map(|n| hint(n % 4, n)).collect();
    let bench = bench(FAST, &hints, |_, _| Does::Take(Duration::from_millis(1))).await;
    bench.until_empty().await;
    assert!(bench.queue.workers_alive());
    assert!(bench.counted("countersign_work_total{outcome=\"done\"} 40"));
    assert_eq!(bench.stop().await.len(), 40);
}

#[tokio::test]
async fn a_pushed_hint_is_taken_at_once() {
    let bench = bench(Pace { poll: Duration::from_secs(60), ..FAST }, &[], |_, _| Does::Finish).await;
    bench.until("idle workers", async |bench| bench.queue.workers_alive()).await;
    let began = Instant::now();
    bench.queue.push(&hint(1, 1)).await.unwrap();
    bench.until_empty().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    bench.stop().await;
}

#[tokio::test]
async fn failed_and_panicked_work_is_tried_again_with_pauses() {
    // Printing the panic's backtrace holds the test's only thread: no lease may run out meanwhile.
    let pace = Pace { lease: Duration::from_secs(5), ..FAST };
    let bench = bench(pace, &[hint(1, 1), hint(2, 2), hint(3, 3)], |pipeline, attempt| match (pipeline, attempt) {
        (1, 1..=3) => Does::Fail,
        (2, 1) => Does::Panic,
        _ => Does::Finish,
    })
    .await;
    bench.until_empty().await;
    let began = bench.stop().await;
    let tries = |key: &str| began.iter().filter(|(k, _)| k == key).map(|(_, attempt)| *attempt).collect::<Vec<_>>();
    assert_eq!(tries("main/1/pipeline/1"), [1, 2, 3, 4]);
    assert_eq!(tries("main/2/pipeline/2"), [1, 2]);
    assert_eq!(tries("main/3/pipeline/3"), [1]);
}

#[tokio::test]
async fn what_never_succeeds_is_given_up_after_its_time() {
    let mut old = hint(1, 1);
    old.received_at = Timestamp::now() - jiff::SignedDuration::from_secs(7200);
    let bench = bench(FAST, &[old], |_, _| Does::Fail).await;
    bench.until_empty().await;
    assert!(bench.counted("countersign_work_total{outcome=\"given_up\"} 1"));
    assert_eq!(bench.stop().await.len(), 1);
}

#[tokio::test]
async fn long_work_keeps_its_claim_and_endless_work_is_cut() {
    let bench = bench(FAST, &[hint(1, 1), hint(2, 2)], |pipeline, attempt| match (pipeline, attempt) {
        (1, _) => Does::Take(Duration::from_millis(250)),
        (_, 1) => Does::Take(Duration::from_secs(60)),
        _ => Does::Finish,
    })
    .await;
    bench.until_empty().await;
    let began = bench.stop().await;
    assert_eq!(began.iter().filter(|(key, _)| key == "main/1/pipeline/1").count(), 1, "longer than its lease, and still once");
    assert_eq!(began.iter().filter(|(key, _)| key == "main/2/pipeline/2").count(), 2);
}

#[tokio::test]
async fn stopping_lets_short_work_end_and_puts_long_work_back() {
    let bench = bench(FAST, &[hint(1, 1), hint(2, 2), hint(1, 3)], |pipeline, _| match pipeline {
        1 => Does::Take(Duration::from_millis(60)),
        _ => Does::Take(Duration::from_millis(350)),
    })
    .await;
    bench.until("both at work", async |bench| bench.script.began.lock().unwrap().len() == 2).await;
    let store = bench.queue.store().clone();
    let began = Instant::now();
    let seen = bench.stop().await;
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!(seen.len(), 2, "nothing new begins");
    assert_eq!(store.depth().await.unwrap(), Depth { waiting: 2, claimed: 0 }, "the long one and the one that never began");
}

#[tokio::test]
async fn work_whose_claim_was_lost_is_dropped() {
    let bench = bench(FAST, &[hint(1, 1)], |_, _| Does::Take(Duration::from_secs(60))).await;
    bench.until("the work", async |bench| bench.script.began.lock().unwrap().len() == 1).await;
    // Another replica, for which the lease has ended.
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let other = bench.queue.store().claim(later, jiff::SignedDuration::from_secs(60)).await.unwrap().unwrap();
    bench.until("the loss", async |bench| bench.counted("countersign_work_total{outcome=\"lost\"} 1")).await;
    assert_eq!(bench.queue.store().depth().await.unwrap(), Depth { waiting: 0, claimed: 1 }, "the other still holds it");
    bench.queue.store().finish(&other).await.unwrap();
    assert_eq!(bench.stop().await.len(), 1);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let pace = Pace::default();
    for (attempt, least) in [(1, 2), (2, 4), (5, 32), (12, 600), (u32::MAX, 600)] {
        let pause = pace.pause(attempt);
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(least * 2));
        assert!(pause >= least && pause <= most, "attempt {attempt}: {pause:?}");
    }
}

#[test]
fn whoever_began_a_step_of_a_promotion_has_ended_before_its_environment_is_given_away() {
    let Pace { handle, lease, .. } = Pace::default();
    assert!(handle + lease < Duration::try_from(crate::model::promotion::STEP_ENDS_WITHIN).unwrap());
}
