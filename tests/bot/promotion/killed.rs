//! Killed before and after every record of a promotion, at those around an effect twice, for every kind of action: what it does is
//! done once.
//!
//! The bot is dropped in the middle of its work, at the very record; nothing of it runs on. The next one knows what is in the store.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign::bot::{Bot, Handled, Inbox};
use countersign::cli::serve::assemble;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::event::{Hint, Origin, What};
use countersign::model::Timestamp;
use countersign::model::gitlab::{CiStatus, ProjectKey};
use countersign::model::promotion::{PromotionId, Standing};
use countersign::sandbox::shop::Shop;
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::store::{Claim, Depth, Space, Store, StoreError};
use tokio::sync::Notify;

use super::*;

/// The record at which the bot dies: one that holds all of these texts.
#[derive(Clone, Copy)]
struct Point {
    what: &'static str,
    record: &'static [&'static str],
    /// Whether that record is still written.
    written: bool,
}

const fn point(what: &'static str, record: &'static [&'static str], written: bool) -> Point {
    Point { what, record, written }
}

/// In the order in which one promotion meets them, with how often it dies there: each death is that of a bot that came after the one
/// before. A record that was written is not written again, except an intent.
const BEFORE_STEPS: [(Point, usize); 2] =
    [(point("before it is cleared", &["\"event\":\"cleared\""], false), 1), (point("cleared", &["\"event\":\"cleared\""], true), 1)];
const AT_A_STEP: [(Point, usize); 4] = [
    (point("before the intent", &["\"event\":\"began\""], false), 1),
    (point("after the intent, before the effect", &["\"event\":\"began\""], true), 2),
    (point("after the effect, before its outcome", &["\"event\":\"did\""], false), 2),
    (point("after the outcome", &["\"event\":\"did\""], true), 1),
];
const AFTER_STEPS: [(Point, usize); 8] = [
    (point("before it waits", &["\"event\":\"waiting\""], false), 1),
    (point("it waits", &["\"event\":\"waiting\""], true), 1),
    (point("before its end", &["\"event\":\"ended\""], false), 1),
    (point("ended, before the word of it", &["\"event\":\"ended\""], true), 1),
    (point("before the word is intended", &["\"kind\":\"intended\"", "\"effect\":\"follow_up\""], false), 1),
    (point("the word is intended", &["\"kind\":\"intended\"", "\"effect\":\"follow_up\""], true), 1),
    (point("the word is said", &["\"kind\":\"done\"", "/follow-up/"], false), 1),
    (point("the word is said and recorded", &["\"kind\":\"done\"", "/follow-up/"], true), 1),
];

/// A store in which whoever writes a certain record dies.
struct Deadly {
    store: Arc<MemoryStore>,
    at: Mutex<Option<Point>>,
    dead: Notify,
}

impl Deadly {
    /// The end of whoever asks.
    async fn die(&self) -> ! {
        self.dead.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for Deadly {
    async fn append(&self, seq: u64, record: &[u8]) -> Result<bool, StoreError> {
        let text = std::str::from_utf8(record).unwrap();
        let point = {
            let mut at = self.at.lock().unwrap();
            if at.is_some_and(|point| point.record.iter().all(|part| text.contains(part))) { at.take() } else { None }
        };
        match point {
            None => self.store.append(seq, record).await,
            Some(Point { written, .. }) => {
                if written {
                    assert!(self.store.append(seq, record).await?);
                }
                self.die().await
            }
        }
    }

    async fn push(&self, hint: &Hint) -> Result<(), StoreError> {
        self.store.push(hint).await
    }

    async fn claim(&self, now: Timestamp, lease: jiff::SignedDuration) -> Result<Option<Claim>, StoreError> {
        self.store.claim(now, lease).await
    }

    async fn renew(&self, claim: &mut Claim, until: Timestamp) -> Result<bool, StoreError> {
        self.store.renew(claim, until).await
    }

    async fn finish(&self, claim: &Claim) -> Result<(), StoreError> {
        self.store.finish(claim).await
    }

    async fn postpone(&self, claim: &Claim, due: Timestamp) -> Result<(), StoreError> {
        self.store.postpone(claim, due).await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        self.store.depth().await
    }

    async fn get(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(space, key).await
    }

    async fn put(&self, space: Space, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.put(space, key, value).await
    }

    async fn put_new(&self, space: Space, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        self.store.put_new(space, key, value).await
    }

    async fn delete(&self, space: Space, key: &str) -> Result<(), StoreError> {
        self.store.delete(space, key).await
    }

    async fn scan(&self, space: Space, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.store.scan(space, prefix, limit).await
    }

    async fn log(&self, seq: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.store.log(seq, limit).await
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        self.store.log_end().await
    }
}

/// Our own further work is done by hand here.
struct ByHand;

#[async_trait]
impl Inbox for ByHand {
    async fn push(&self, _: &Hint) -> Result<(), String> {
        Ok(())
    }
}

/// A shop with a release that passed, and the configuration of a bot that promotes in one way.
struct Stage {
    shop: Shop,
    config: Config,
    store: Arc<MemoryStore>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set(action: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop::open(Signing::Keyless, None).await.unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        let (promotion, staging) = ("[promotion]\nsigning_key = { file = \"bot.key\" }\n", "[defaults.environment.staging]\nactions = ");
        let action = action.replace("{host}", &shop.registry.host());
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(PROJECTS, &format!("{promotion}\n{staging}[{action}]\n\n{PROJECTS}"));
        let text = text.replace(REGISTRY, "plain_http = true\npush_username = \"countersign\"\npush_password = { file = \"push\" }\n");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("push"), "push-password").unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        std::fs::write(folder.path().join("bot.key"), key.serialize_pem()).unwrap();
        let config = Config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        shop.release(TAG).unwrap();
        Self { shop, config, store: Arc::default(), _folder: folder }
    }

    fn key(&self) -> ProjectKey {
        ProjectKey { instance: InstanceName("main".into()), id: self.shop.project }
    }

    /// A bot on what is in the store; `false` if it died over its work.
    async fn works(&self, what: What, dies: Option<Point>) -> bool {
        let deadly = Arc::new(Deadly { store: self.store.clone(), at: Mutex::new(dies), dead: Notify::new() });
        let ledger = Ledger::open(deadly.clone()).await.unwrap();
        let bot = Bot { inbox: Box::new(ByHand), ..assemble(&self.config, ledger, &Arc::new(Metrics::default())).unwrap() };
        let hint = Hint { project: self.key(), what, origin: Origin::Ourselves, received_at: Timestamp::now() };
        tokio::select! {
            handled = bot.handle(&hint) => {
                assert!(dies.is_none() || matches!(handled, Handled::Done | Handled::Waits(_) | Handled::Later(_)));
                true
            }
            () = deadly.dead.notified() => false,
        }
    }

    async fn standing(&self, id: &PromotionId) -> Standing {
        Ledger::open(self.store.clone()).await.unwrap().promotion(id).await.unwrap().unwrap()
    }

    /// Whatever the bot started in GitLab succeeds.
    fn ends_what_was_started(&self) {
        let mut gitlab = self.shop.gitlab.world();
        let bot = self.shop.bot;
        let jobs: Vec<_> = gitlab.jobs.values().filter(|job| job.user == bot && !job.status.ended()).map(|job| job.id).collect();
        let pipelines: Vec<_> =
            gitlab.pipelines.values().filter(|held| held.user == bot && held.source == "api").map(|held| held.id).collect();
        for job in jobs {
            if gitlab.job(job).spec.name == "deploy_production" && !pipelines.contains(&gitlab.job(job).pipeline) {
                gitlab.finish_job(job, JobEnd::success());
            }
        }
        for pipeline in pipelines {
            gitlab.pass_pipeline(pipeline);
            // Somebody starts its deploy job, which is a manual one.
            let manual: Vec<_> = gitlab.jobs_of(pipeline).filter(|job| job.status == CiStatus::Manual).map(|job| job.id).collect();
            for job in manual {
                gitlab.finish_job(job, JobEnd::success());
            }
        }
    }

    /// Everything that was written outside, in some order; without reactions, of which a second one changes nothing. Numbers in paths
    /// are of no interest.
    fn written(&self) -> Vec<String> {
        let ours = |user: &Option<String>| user.as_deref() == Some("countersign");
        let gitlab = self
            .shop
            .gitlab
            .requests()
            .into_iter()
            .filter(|seen| ours(&seen.user) && seen.method != "GET" && !seen.path.ends_with("/award_emoji"))
            // A query over GraphQL is a look.
            .filter(|seen| !seen.path.ends_with("/graphql") || seen.body.as_ref().is_some_and(|body| body.contains("mutation")));
        let gitlab = gitlab.map(|seen| format!("{} {}", seen.method, seen.path));
        let registry = self.shop.registry.requests().into_iter().map(|seen| seen.line());
        let registry = registry.filter(|line| line.starts_with("PUT ") && line.contains("/manifests/"));
        let plain = |line: String| match line.split_once("sha256:") {
            Some((start, _)) => format!("{start}sha256:…"),
            None => line.replace(|c: char| c.is_ascii_digit(), ""),
        };
        let mut written: Vec<String> = gitlab.chain(registry).map(plain).collect();
        written.sort();
        written
    }

    /// Rita asks for staging; a bot dies at each of these points, and the last one lives.
    async fn promotes(&self, deaths: impl IntoIterator<Item = Point>) -> Standing {
        let asked = self.shop.say_as(self.shop.rita, "/countersign promote staging v1.8.2").unwrap();
        assert!(self.works(What::Note { merge_request: self.shop.merge_request.iid, note: asked }, None).await);
        let ledger = Ledger::open(self.store.clone()).await.unwrap();
        let id = ledger.open_promotions().await.unwrap().remove(0).promotion.id;
        let what = || What::Promotion { id: id.clone() };
        for point in deaths {
            // It may have to wait for GitLab first.
            let mut tries = 0;
            while self.works(what(), Some(point)).await {
                self.ends_what_was_started();
                tries += 1;
                assert!(tries < 5, "it does not come to {}: {:#?}", point.what, self.standing(&id).await);
            }
        }
        let mut tries = 0;
        // Twice after its end: it stays as it is.
        let mut after = 0;
        while after < 2 {
            assert!(self.works(what(), None).await);
            self.ends_what_was_started();
            after += usize::from(!self.standing(&id).await.is_open());
            tries += 1;
            assert!(tries < 10, "it does not end: {:#?}", self.standing(&id).await);
        }
        let ends = self.shop.replies_to(asked).into_iter().filter(|reply| reply.contains("now runs")).count();
        assert_eq!(ends, 1, "its end is told once: {:#?}", self.shop.replies_to(asked));
        assert_eq!(self.shop.reactions(asked), ["eyes", "hourglass", "white_check_mark"]);
        self.standing(&id).await
    }
}

/// A promotion by these actions that nobody kills, and one that is killed wherever it can be.
async fn is_done_once(actions: &str) {
    let calm = Stage::set(actions).await;
    let steps = calm.promotes([]).await.steps.len();
    let killed = Stage::set(actions).await;
    let points = BEFORE_STEPS.into_iter().chain((0..steps).flat_map(|_| AT_A_STEP)).chain(AFTER_STEPS);
    let standing = killed.promotes(points.flat_map(|(point, times)| std::iter::repeat_n(point, times))).await;
    assert!(standing.promoted_at().is_some() && standing.steps.iter().all(|step| step.did.is_some()), "{standing:?}");
    assert_eq!(killed.written(), calm.written());
}

#[tokio::test]
async fn a_job_whose_start_is_killed_at_every_point_is_started_once() {
    is_done_once("{ action = \"play-job\", job = \"deploy_production\", variable = \"IMAGE\" }").await;
}

#[tokio::test]
async fn a_pipeline_whose_start_is_killed_at_every_point_is_started_once() {
    is_done_once("{ action = \"start-pipeline\", variable = \"IMAGE\" }").await;
}

#[tokio::test]
async fn a_retag_a_copy_a_deployment_and_a_summary_that_are_killed_at_every_point_are_done_once_each() {
    is_done_once(
        "{ action = \"retag\", tag = \"staging\" }, { action = \"attest\" }, { action = \"copy\", to = \"{host}/live/{image}\" }, \
         { action = \"deployment\" }",
    )
    .await;
}

/// The same store with one record edited.
async fn edited(store: &MemoryStore, at: u64, from: &str, to: &str) -> Arc<MemoryStore> {
    let copy = MemoryStore::default();
    for (seq, bytes) in store.log(0, 10_000).await.unwrap() {
        let text = String::from_utf8(bytes).unwrap();
        assert!(seq != at || text.contains(from), "{from} is not in {text}");
        let text = if seq == at { text.replace(from, to) } else { text };
        assert!(copy.append(seq, text.as_bytes()).await.unwrap());
    }
    for space in Space::ALL {
        for (key, value) in store.scan(space, "", 10_000).await.unwrap() {
            copy.put(space, &key, &value).await.unwrap();
        }
    }
    Arc::new(copy)
}

#[tokio::test]
async fn nothing_is_promoted_on_a_record_that_was_edited() {
    let mut stage = Stage::set("{ action = \"retag\", tag = \"staging\" }").await;
    let asked = stage.shop.say_as(stage.shop.rita, "/countersign promote staging v1.8.2").unwrap();
    assert!(stage.works(What::Note { merge_request: stage.shop.merge_request.iid, note: asked }, None).await);
    let honest = stage.store.clone();
    let id = Ledger::open(honest.clone()).await.unwrap().open_promotions().await.unwrap().remove(0).promotion.id;
    let records = honest.log(0, 10_000).await.unwrap();
    let of = |what: &str| records.iter().find(|(_, bytes)| String::from_utf8_lossy(bytes).contains(what)).unwrap().0;
    for (at, from, to) in [(of("\"effect\":\"react\""), "eyes", "hourglass"), (of("\"event\":\"opened\""), "v1.8.2", "v1.8.1")] {
        stage.store = edited(&honest, at, from, to).await;
        for _ in 0..2 {
            assert!(stage.works(What::Promotion { id: id.clone() }, None).await);
        }
        assert_eq!(stage.shop.registry.tagged(IMAGE, "staging"), None, "record {at}");
    }
    stage.store = honest;
    assert!(stage.works(What::Promotion { id }, None).await);
    assert!(stage.shop.registry.tagged(IMAGE, "staging").is_some());
}
