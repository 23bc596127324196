//! Whom to trust, and for what: the bot's own looks and verdicts over a GitLab, a registry and an authority in this process.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::sync::Arc;

use countersign::bot::Bot;
use countersign::cli::serve;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::model::Digest;
use countersign::sandbox::shop::{IMAGE, Shop, Signing};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{About, Check, CheckOutcome, Outcome, PlatformSigned, Problem, Question, Verdict};
use serde_json::json;

const TAG: &str = "v1.8.2";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A shop and a bot that watches it with this addition to its `bot.toml`.
struct World {
    shop: Shop,
    bot: Bot,
    _folder: tempfile::TempDir,
}

impl World {
    async fn open(signing: Signing, more: &str) -> Self {
        Self::with(signing, |text| text + more).await
    }

    /// The same with any change to it.
    async fn with(signing: Signing, change: impl FnOnce(String) -> String) -> Self {
        let shop = Shop::open(signing, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        std::fs::write(&file, change(shop.bot_toml("store"))).unwrap();
        let config = Config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
        let bot = serve::assemble(&config, ledger, &Arc::new(Metrics::default())).unwrap();
        Self { shop, bot, _folder: folder }
    }

    async fn ask(&self, about: About) -> Verdict {
        let rule = &self.bot.rules[0];
        let question = Question { project: rule.watched.clone(), image: rule.watched.images[0].clone(), about };
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
    let hour = |hours: i64| countersign::model::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
    for (since, logged, code) in [
        (hour(-1), None, Some("CS-KEY-RETIRED")),
        (hour(-1), Some(hour(-2)), None),
        (hour(-3), Some(hour(-2)), Some("CS-KEY-RETIRED")),
        (hour(1), None, None),
    ] {
        let retired = format!("key_file = \"release.pub\"\nretired = {since}");
        let world = World::with(Signing::Nothing, |text| text.replace("key_file = \"release.pub\"", &retired)).await;
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
