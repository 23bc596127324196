//! Whom to trust, and for what: the bot's own looks and verdicts over a GitLab, a registry and an authority in this process.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::sync::Arc;

use countersign::bot::Bot;
use countersign::cli::serve;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::facts::trust_root::{Roots, Source, TrustRoot, tuf};
use countersign::model::gitlab::InstanceName;
use countersign::model::{Digest, Timestamp};
use countersign::sandbox::authority::{Authority, TufRepository};
use countersign::sandbox::shop::{IMAGE, Shop, Signing};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{
    About, Check, CheckOutcome, Looked, Outcome, PlatformSigned, Problem, Question, Service, Verdict, Why, WhyKind,
};
use jiff::SignedDuration;
use serde_json::json;

const TAG: &str = "v1.8.2";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A shop and a bot that watches it with this addition to its `bot.toml`.
struct World {
    shop: Shop,
    config: Config,
    bot: Bot,
    _folder: tempfile::TempDir,
}

impl World {
    async fn open(signing: Signing, more: &str) -> Self {
        Self::with(signing, &[], |text| text + more).await
    }

    /// The same with any change to it, and with these files beside it.
    async fn with(signing: Signing, files: &[(&str, &[u8])], change: impl FnOnce(String) -> String) -> Self {
        let shop = Shop::open(signing, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        std::fs::write(&file, change(shop.bot_toml("store"))).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let config = Config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let bot = assemble(&config).await;
        Self { shop, config, bot, _folder: folder }
    }

    async fn ask(&self, about: About) -> Verdict {
        let rule = &self.bot.rules[0];
        let question = Question { project: rule.watched.clone(), image: rule.watched.images[0].clone(), about, asking_job: None };
        self.bot.verify(&question, &rule.policy).await.unwrap().verdict
    }

    async fn release(&self) -> Verdict {
        self.ask(About::Release { tag: TAG.into() }).await
    }

    /// The release pipeline builds for two platforms, and signs the index and the platforms that `signs` names.
    fn release_for_two(&self, signs: &[&str]) -> (Digest, [Digest; 2]) {
        let shop = &self.shop;
        let (pipeline, job) = shop.push_tag(TAG);
        let children = ["amd64", "arm64"].map(|arch| (arch, shop.registry.push_image(IMAGE, &format!("build-{arch}"), arch)));
        let mut entries: Vec<_> = children
            .iter()
            .map(|(arch, digest)| {
                let size = shop.registry.manifest(IMAGE, *digest).unwrap().len();
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": size, "digest": digest.to_string(),
                    "platform": {"os": "linux", "architecture": arch},
                })
            })
            .collect();
        let attestation = shop.registry.push_image(IMAGE, "build-attestation", "attestation");
        entries.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 7, "digest": attestation.to_string(),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        }));
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
        let index = shop.registry.put_manifest(IMAGE, Some(TAG), INDEX, index.as_bytes());
        shop.registry.tag(IMAGE, shop.commit.short(), index);
        for (name, digest) in [("index", index)].into_iter().chain(children) {
            if signs.contains(&name) {
                shop.sign(digest, job, TAG).unwrap();
            }
        }
        shop.finish(pipeline, Some(index));
        (index, children.map(|(_, digest)| digest))
    }
}

async fn assemble(config: &Config) -> Bot {
    let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
    serve::assemble(config, ledger, &Arc::new(Metrics::default())).unwrap()
}

/// So many hours from now.
fn hour(hours: i64) -> Timestamp {
    Timestamp::now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

#[track_caller]
fn is(verdict: &Verdict, code: Option<&str>) {
    assert_eq!(verdict.code(), code, "{:#?}", verdict.findings);
}

fn standings(verdict: &Verdict) -> Vec<(&str, PlatformSigned)> {
    verdict.subject.platforms.iter().map(|platform| (platform.name.as_str(), platform.signed)).collect()
}

const STRICT: &str = "\n[policy]\nplatforms = \"all-signed\"\n";

#[tokio::test]
async fn a_signed_index_passes_and_lists_its_platforms() {
    for signing in [Signing::LegacyKey, Signing::BundleKey, Signing::Keyless] {
        let world = World::open(signing, "").await;
        let (index, _) = world.release_for_two(&["index"]);
        let verdict = world.release().await;
        is(&verdict, None);
        assert_eq!(verdict.digest(), Some(index));
        assert_eq!(standings(&verdict), [("linux/amd64", PlatformSigned::ByIndex), ("linux/arm64", PlatformSigned::ByIndex)]);
    }
}

#[tokio::test]
async fn a_signature_on_the_platforms_is_none_on_the_index() {
    let world = World::open(Signing::BundleKey, "").await;
    let (index, [amd64, _]) = world.release_for_two(&["amd64", "arm64"]);
    is(&world.release().await, Some("CS-SIG-MISSING"));
    // Neither is one that is laid beside the index.
    let bundle = world.shop.authority.sign_bundle_with_key(&world.shop.release_key, &world.shop.pinned(amd64)).unwrap();
    world.shop.registry.attach_bundle(IMAGE, index, &bundle);
    is(&world.release().await, Some("CS-SIG-ON-TAG"));
}

#[tokio::test]
async fn a_signature_on_the_index_is_none_on_a_platform_asked_about_by_its_own_digest() {
    let world = World::open(Signing::BundleKey, "").await;
    let (index, [amd64, _]) = world.release_for_two(&["index"]);
    is(&world.release().await, None);
    is(&world.ask(About::Image { digest: index, tag: Some(TAG.into()) }).await, None);
    let verdict = world.ask(About::Image { digest: amd64, tag: None }).await;
    let signature = verdict.findings_of(Check::Signature).next().unwrap();
    assert_eq!((verdict.outcome, signature.outcome), (Outcome::Blocked, CheckOutcome::Blocked));
    assert_eq!(signature.problem.as_ref().map(Problem::code), Some("CS-SIG-MISSING"));
}

#[tokio::test]
async fn the_strict_policy_wants_each_platform_signed() {
    for signing in [Signing::LegacyKey, Signing::BundleKey, Signing::Keyless] {
        let world = World::open(signing, STRICT).await;
        world.release_for_two(&["index", "amd64", "arm64"]);
        let verdict = world.release().await;
        is(&verdict, None);
        assert_eq!(standings(&verdict), [("linux/amd64", PlatformSigned::Itself), ("linux/arm64", PlatformSigned::Itself)]);

        let world = World::open(signing, STRICT).await;
        world.release_for_two(&["index", "amd64"]);
        let verdict = world.release().await;
        is(&verdict, Some("CS-PLATFORM"));
        assert_eq!(standings(&verdict)[1], ("linux/arm64", PlatformSigned::No));
    }
}

#[tokio::test]
async fn a_platform_that_cannot_be_looked_at_could_not_check() {
    let world = World::open(Signing::LegacyKey, STRICT).await;
    let (_, [_, arm64]) = world.release_for_two(&["index", "amd64", "arm64"]);
    let pattern = format!("GET /v2/*/manifests/sha256-{}.sig", arm64.hex());
    world.shop.registry.fault(&pattern, countersign::sandbox::registry::Fault::Status(403));
    let verdict = world.release().await;
    assert_eq!((verdict.outcome.word(), verdict.code()), ("could-not-check", Some("CS-REG-AUTH")), "{:#?}", verdict.findings);
}

/// What the signature cannot prove by itself, the log can.
#[tokio::test]
async fn a_retired_key_needs_a_time_that_the_log_proves() {
    for (since, logged, code) in [
        (hour(-1), None, Some("CS-KEY-RETIRED")),
        (hour(-1), Some(hour(-2)), None),
        (hour(-3), Some(hour(-2)), Some("CS-KEY-RETIRED")),
        (hour(1), None, None),
    ] {
        let retired = format!("key_file = \"release.pub\"\nretired = {since}");
        let world = World::with(Signing::Nothing, &[], |text| text.replace("key_file = \"release.pub\"", &retired)).await;
        let (_, digest) = world.shop.release(TAG).unwrap();
        let image = world.shop.pinned(digest);
        let signed = match logged {
            Some(at) => world.shop.authority.sign_legacy_logged(&world.shop.release_key, &image, at).unwrap(),
            None => world.shop.authority.sign_legacy(&world.shop.release_key, &image).unwrap(),
        };
        world.shop.registry.add_signature(IMAGE, digest, &signed.payload, signed.annotations());
        is(&world.release().await, code);
    }
}

/// A bot that takes the trust root of the shop's authority from a TUF repository, whose timestamp is good for a day.
async fn renewed() -> (TufRepository, World) {
    let repository = TufRepository::start().await.unwrap();
    let trust = format!("trust = {{ tuf_url = \"{}\", tuf_root = \"tuf-root.json\" }}", repository.url());
    let files = [("tuf-root.json", repository.root_json())];
    let world = World::with(Signing::Keyless, &files, |text| text.replace("trusted_root = \"trusted_root.json\"", &trust)).await;
    repository.publish(&world.shop.authority.trusted_root_json(), hour(24)).unwrap();
    (repository, world)
}

#[tokio::test]
async fn a_renewed_trust_root_verifies_once_fetched_and_a_start_needs_no_network() {
    let (repository, mut world) = renewed().await;
    let (_, digest) = world.shop.release(TAG).unwrap();
    assert_eq!(repository.requests(), 0, "a start asks nobody");
    let verdict = world.release().await;
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::CouldNotCheck, Some("CS-UNAVAILABLE")), "not fetched is not unsigned");
    assert!(matches!(verdict.problem, Some(Problem::Unavailable { why: Why { service: Service::TrustRoot, .. }, .. })));

    world.bot.looks.roots().refresh(Timestamp::now()).await;
    let verdict = world.release().await;
    is(&verdict, None);
    assert_eq!(verdict.digest(), Some(digest));
    assert_eq!(verdict.trust_root, Some(Digest::of(&world.shop.authority.trusted_root_json())), "the verdict names whom it believed");

    repository.down(true);
    let asked = repository.requests();
    world.bot = assemble(&world.config).await;
    is(&world.release().await, None);
    assert_eq!(repository.requests(), asked);
    // An outage changes nothing while what is at hand is good.
    let standings = world.bot.looks.roots().refresh(Timestamp::now()).await;
    assert!(standings[0].fault.as_ref().unwrap().contains("503"), "{standings:?}");
    is(&world.release().await, None);
}

#[tokio::test]
async fn an_authority_that_is_taken_out_of_the_root_is_believed_no_more() {
    let (repository, world) = renewed().await;
    world.shop.release(TAG).unwrap();
    world.bot.looks.roots().refresh(Timestamp::now()).await;
    is(&world.release().await, None);
    let other = Authority::new(Timestamp::now()).unwrap();
    repository.publish(&other.trusted_root_json(), hour(24)).unwrap();
    world.bot.looks.roots().refresh(Timestamp::now()).await;
    is(&world.release().await, Some("CS-SIG-OTHER"));
}

#[tokio::test]
async fn the_running_bot_renews_its_trust_root_and_shows_its_age() {
    let (_repository, world) = renewed().await;
    let running = serve::start(world.config.clone()).await.unwrap();
    let url = format!("http://{}/metrics", running.address);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let shown = |text: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("countersign_trust_root_refreshed_timestamp_seconds{gitlab=\"main\"} ")?.parse::<i64>().ok())
    };
    let mut refreshed = None;
    for _ in 0..200 {
        let text = client.get(&url).send().await.unwrap().text().await.unwrap();
        refreshed = shown(&text).filter(|seconds| *seconds > 0);
        if refreshed.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let age = Timestamp::now().as_second() - refreshed.unwrap();
    assert!((0..60).contains(&age), "{age}");
    running.stop().await;
}

/// Trust roots from one repository, without a bot around them, at times of our choice.
struct Offered {
    repository: TufRepository,
    folder: tempfile::TempDir,
    max_age: SignedDuration,
}

fn main_gitlab() -> InstanceName {
    InstanceName("main".into())
}

impl Offered {
    async fn open() -> Self {
        let repository = TufRepository::start().await.unwrap();
        Self { repository, folder: tempfile::tempdir().unwrap(), max_age: SignedDuration::from_hours(24 * 7) }
    }

    fn publish(&self, expires: Timestamp) -> Digest {
        let root = Authority::new(Timestamp::now()).unwrap().trusted_root_json();
        self.repository.publish(&root, expires).unwrap();
        Digest::of(&root)
    }

    /// What a start at this time has.
    fn start(&self, now: Timestamp) -> Roots {
        let settings = tuf::Settings {
            url: self.repository.url().parse().unwrap(),
            root: self.repository.root_json().to_vec(),
            cache: self.folder.path().join("cache"),
            ca_pem: None,
            max_age: self.max_age,
        };
        Roots::open(&[(main_gitlab(), Source::Tuf(settings))].into(), now).unwrap()
    }
}

#[track_caller]
fn believed(roots: &Roots, now: Timestamp) -> Digest {
    match roots.get(&main_gitlab(), now) {
        Looked::Found(root) => root.digest(),
        other => panic!("{other:?}"),
    }
}

/// No root is believed, for this reason.
#[track_caller]
fn not_believed(roots: &Roots, now: Timestamp, kind: WhyKind, words: &[&str]) {
    match roots.get(&main_gitlab(), now) {
        Looked::Unreachable(why)
            if why.kind == kind && why.service == Service::TrustRoot && words.iter().all(|w| why.detail.contains(w)) => {}
        other => panic!("{other:?} is not {kind:?} with {words:?}"),
    }
}

#[track_caller]
fn fault(standings: &[countersign::facts::trust_root::Standing], word: &str) {
    let fault = standings[0].fault.as_ref().unwrap_or_else(|| panic!("{standings:?}"));
    assert!(fault.contains(word), "{fault}");
}

#[tokio::test]
async fn expired_metadata_could_not_check_with_its_age_until_it_is_renewed() {
    let source = Offered::open().await;
    source.publish(hour(24));
    let roots = source.start(hour(0));
    not_believed(&roots, hour(0), WhyKind::Down, &["never fetched"]);
    roots.refresh(hour(0)).await;
    believed(&roots, hour(23));
    not_believed(&roots, hour(25), WhyKind::Stale, &["refreshed 25 hours ago", "expired"]);
    // The same after a restart, and after a try that brings nothing newer.
    let restarted = source.start(hour(25));
    not_believed(&restarted, hour(25), WhyKind::Stale, &["expired", "refreshed 25 hours ago"]);
    fault(&restarted.refresh(hour(25)).await, "expired");
    not_believed(&restarted, hour(25), WhyKind::Stale, &["expired", "refreshed 25 hours ago"]);
    let newer = source.publish(hour(48));
    restarted.refresh(hour(25)).await;
    assert_eq!(believed(&restarted, hour(25)), newer);
}

#[tokio::test]
async fn a_root_older_than_the_operator_allows_could_not_check() {
    let mut source = Offered::open().await;
    source.max_age = SignedDuration::from_hours(48);
    source.publish(hour(24 * 365));
    let roots = source.start(hour(0));
    roots.refresh(hour(0)).await;
    believed(&roots, hour(47));
    source.repository.down(true);
    roots.refresh(hour(72)).await;
    not_believed(&roots, hour(72), WhyKind::Stale, &["refreshed 3 days ago", "48h", "the last try", "503"]);
    let restarted = source.start(hour(72));
    not_believed(&restarted, hour(72), WhyKind::Stale, &["refreshed 3 days ago"]);
}

/// A mirror that somebody took over cannot bring back an older root, whose authority may have been taken out since.
#[tokio::test]
async fn a_roll_back_is_refused_also_after_a_restart() {
    let source = Offered::open().await;
    source.publish(hour(24));
    let old = source.repository.timestamp();
    let newer = source.publish(hour(24));
    let roots = source.start(hour(0));
    roots.refresh(hour(0)).await;
    assert_eq!(believed(&roots, hour(0)), newer);
    source.repository.restore(&old);
    fault(&roots.refresh(hour(1)).await, "rollback");
    assert_eq!(believed(&roots, hour(1)), newer);
    let restarted = source.start(hour(1));
    fault(&restarted.refresh(hour(1)).await, "rollback");
    assert_eq!(believed(&restarted, hour(1)), newer);
}

#[tokio::test]
async fn what_the_root_did_not_sign_is_not_believed() {
    for file in ["timestamp.json", ".snapshot.json", ".targets.json", ".trusted_root.json"] {
        let source = Offered::open().await;
        source.publish(hour(24));
        source.repository.alter(file);
        let roots = source.start(hour(0));
        fault(&roots.refresh(hour(0)).await, "");
        assert!(roots.get(&main_gitlab(), hour(0)).unreachable().is_some(), "{file}");
    }
    let (source, stranger) = (Offered::open().await, TufRepository::start().await.unwrap());
    source.publish(hour(24));
    let settings = tuf::Settings {
        url: source.repository.url().parse().unwrap(),
        root: stranger.root_json().to_vec(),
        cache: source.folder.path().join("cache"),
        ca_pem: None,
        max_age: source.max_age,
    };
    let roots = Roots::open(&[(main_gitlab(), Source::Tuf(settings))].into(), hour(0)).unwrap();
    fault(&roots.refresh(hour(0)).await, "threshold");
    not_believed(&roots, hour(0), WhyKind::Down, &["threshold"]);
}

/// A repository may publish what verifies nothing: that is no trust root (SR-01).
#[tokio::test]
async fn a_signed_target_that_is_no_trust_root_is_refused() {
    let source = Offered::open().await;
    for bytes in [b"{}".as_slice(), br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[]}"#] {
        source.repository.publish(bytes, hour(24)).unwrap();
        let roots = source.start(hour(0));
        fault(&roots.refresh(hour(0)).await, "trust root");
        assert!(roots.get(&main_gitlab(), hour(0)).unreachable().is_some());
    }
}

/// The folder is input: who can write there gains nothing.
#[tokio::test]
async fn an_altered_cache_is_not_believed_and_heals_with_the_network() {
    let source = Offered::open().await;
    let root = source.publish(hour(24));
    source.start(hour(0)).refresh(hour(0)).await;
    assert_eq!(believed(&source.start(hour(0)), hour(0)), root);
    let cache = source.folder.path().join("cache");
    let evil = Authority::new(Timestamp::now()).unwrap().trusted_root_json();
    TrustRoot::parse(&evil).unwrap();
    for (name, bytes) in
        [("targets/trusted_root.json", evil.as_slice()), ("timestamp.json", b"{}"), ("refreshed-at", b"2999-01-01T00:00:00Z")]
    {
        let good = std::fs::read(cache.join(name)).unwrap();
        std::fs::write(cache.join(name), bytes).unwrap();
        let roots = source.start(hour(0));
        assert!(roots.get(&main_gitlab(), hour(0)).unreachable().is_some(), "{name}");
        roots.refresh(hour(0)).await;
        assert_eq!(believed(&roots, hour(0)), root, "{name}");
        std::fs::write(cache.join(name), good).unwrap();
    }
}
