//! `countersign verify` on the sandbox's shop: the same GitLab and registry that the bot is tested on.

use std::process::Stdio;

use countersign::model::gitlab::{JobId, PipelineId};
use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::gitlab::state::{JobEnd, JobSpec, RunsOn};
use countersign::sandbox::shop::{Shop, Signing};
use serde_json::{Value, json};

use super::{countersign, run_beside};

pub const TAG: &str = "v1.8.2";

/// A shop, and a deploy job that asks about its images.
pub struct Gate {
    pub shop: Shop,
    pub folder: tempfile::TempDir,
    pub image: String,
}

impl Gate {
    pub async fn new(signing: Signing) -> Self {
        let shop = Shop::open(signing, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        shop.write_configuration(folder.path()).unwrap();
        let image = shop.repository().to_string();
        Self { shop, folder, image }
    }

    /// A configuration with one line changed.
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.folder.path().join("bot.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub async fn run(&self, image: &str, flags: &str) -> (i32, String, String) {
        let given = ["verify", image, "--project", "shop/api", "--config", "bot.toml"];
        let arguments: Vec<&str> = given.into_iter().chain(flags.split_whitespace()).collect();
        run_beside(self.folder.path(), &arguments).await
    }

    #[track_caller]
    fn check(&self, image: &str, flags: &str, code: i32, words: &'static [&'static str]) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        let (image, flags) = (image.to_owned(), flags.to_owned());
        async move {
            let (ended, out, err) = self.run(&image, &flags).await;
            let all = out + &err;
            assert_eq!(ended, code, "{caller}: {image} {flags}\n{all}");
            for word in words {
                assert!(all.contains(word), "{caller}: {image} {flags}: no {word:?} in\n{all}");
            }
            all
        }
    }

    /// From now on a release goes on to staging by itself, and tells somebody afterwards.
    fn deploy_by_itself(&self) {
        let mut world = self.shop.gitlab.world();
        let ci = &mut world.project_mut(self.shop.project).ci;
        ci.extend([JobSpec::new("deploy", "deploy_staging"), JobSpec::new("notify", "tell")].map(|job| job.on(RunsOn::Tags)));
    }

    /// The deploy job runs and asks; its number.
    fn asking(&self, pipeline: PipelineId) -> JobId {
        let mut world = self.shop.gitlab.world();
        let job = world.job_named(pipeline, "deploy_staging");
        let runner = world.project(self.shop.project).runner;
        world.run_job(job, runner);
        job
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_passes_by_tag_and_by_digest_whoever_signed_it() {
    for signing in [Signing::Keyless, Signing::LegacyKey, Signing::BundleKey] {
        let gate = Gate::new(signing).await;
        let (_, digest) = gate.shop.release(TAG).unwrap();
        let whole = format!("{}@{digest}", gate.image);
        let by_digest = gate.check(&whole, "--tag v1.8.2", 0, &["passed: "]);
        for out in [
            gate.check(&format!("{}:{TAG}", gate.image), "--environment production", 0, &["Environment: production."]).await,
            by_digest.await,
        ] {
            assert!(out.starts_with(&format!("passed: {whole}: ")) && out.contains("under policy sha256:"), "{out}");
            assert!(out.contains("did not read the bot's record"), "{out}");
        }
        // A bare digest: only a certificate ties it to its commit.
        let code = if signing == Signing::Keyless { 0 } else { 1 };
        gate.check(&whole, "", code, if code == 0 { &["passed: "] } else { &["blocked: "] }).await;
        // The commit tag is no version: it is resolved.
        let by_commit = format!("{}:{}", gate.image, gate.shop.commit.short());
        gate.check(&by_commit, "--tag v1.8.2", 0, &["passed: "]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_blocks_with_its_code() {
    let gate = Gate::new(Signing::Nothing).await;
    gate.shop.release(TAG).unwrap();
    gate.check(
        &format!("{}:{TAG}", gate.image),
        "",
        1,
        &["blocked: No signature exists", "[CS-SIG-MISSING]", "Next: Re-run release_image"],
    )
    .await;
    let gate = Gate::new(Signing::Keyless).await;
    gate.shop.release(TAG).unwrap();
    gate.shop.move_tag(TAG);
    gate.check(&format!("{}:{TAG}", gate.image), "", 1, &["blocked: "]).await;
    gate.check(&format!("{}:v9.9.9", gate.image), "", 1, &["[CS-GIT-TAG-MISSING]"]).await;
    gate.check(&format!("{}:latest", gate.image), "", 1, &["[CS-TAG-MISSING]", "latest"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seen_could_not_be_checked() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.shop.release(TAG).unwrap();
    let by_tag = format!("{}:{TAG}", gate.image);
    gate.shop.gitlab.fault("GET", "/projects/*", Fault::Status(502));
    gate.check(&by_tag, "", 3, &["could not check: GitLab did not answer", "[CS-UNAVAILABLE]"]).await;
    gate.shop.gitlab.heal();
    gate.shop.registry.fault("*", countersign::sandbox::registry::Fault::Status(403));
    gate.check(&by_tag, "", 3, &["[CS-REG-AUTH]"]).await;
    let out = gate.check(&format!("{}:latest", gate.image), "--format json", 3, &[]).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["outcome"], &told["code"], &told["digest"]), (&json!("could-not-check"), &json!("CS-REG-AUTH"), &json!(null)));
    gate.shop.registry.heal();
    gate.check(&by_tag, "", 0, &["passed: "]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_name_what_would_be_right() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.shop.release(TAG).unwrap();
    let by_tag = format!("{}:{TAG}", gate.image);
    gate.check("registry.example.com/shop/web:v1", "", 2, &["is no image of shop/api, which releases 127.0.0.1:"]).await;
    gate.check(&by_tag, "--environment qa", 2, &["qa is no environment of shop/api, which has staging, production"]).await;
    gate.check(&by_tag, "--tag main", 2, &["main is no release tag"]).await;
    gate.check("shop/api:v1", "", 2, &["with its registry"]).await;
    gate.check(&by_tag, "--job x", 2, &["--job"]).await;
    let run = |arguments: Vec<String>| {
        let folder = gate.folder.path().to_owned();
        async move { run_beside(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (code, out, err) = run(words(&format!("verify {by_tag} --project shop/web --config bot.toml"))).await;
    assert!(code == 2 && out.is_empty() && err.contains("not in this configuration, which has shop/api"), "{err}");
    // The bot.toml of the working directory is not picked up (SR-24).
    let (code, out, _) = run(words(&format!("verify {by_tag} --project shop/api"))).await;
    assert!(code == 2 && out.is_empty());
    gate.configure("signer = ", "sgner = ");
    let (code, out, _) = gate.run(&by_tag, "").await;
    assert!(code == 2 && out.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_job_of_the_release_pipeline_says_that_it_asks() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.deploy_by_itself();
    let (pipeline, _) = gate.shop.release(TAG).unwrap();
    let by_tag = format!("{}:{TAG}", gate.image);
    let job = gate.asking(pipeline);
    gate.check(&by_tag, "", 1, &["has not ended", "--job \"$CI_JOB_ID\""]).await;
    gate.check(&by_tag, &format!("--job {job}"), 0, &["passed: ", "deploy_staging", "asks"]).await;
    let release_job = gate.shop.gitlab.world().job_named(pipeline, "release_image");
    for other in [release_job, JobId(999)] {
        gate.check(&by_tag, &format!("--job {other}"), 1, &["[CS-PIPELINE]", "is no running job of pipeline"]).await;
    }
    // Once it has ended it asks no more.
    gate.shop.gitlab.world().finish_job(job, JobEnd::success());
    gate.check(&by_tag, &format!("--job {job}"), 1, &["[CS-PIPELINE]"]).await;
    let tell = gate.shop.gitlab.world().job_named(pipeline, "tell");
    gate.shop.gitlab.world().finish_job(tell, JobEnd::success());
    gate.check(&by_tag, "", 0, &["passed: "]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_its_v_is_the_release_that_gitlab_has() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.configure("image = ", "release_tags = \"*\"\nversion_tag = \"{version}\"\nimage = ");
    let (_, digest) = gate.shop.release(TAG).unwrap();
    gate.shop.registry.tag("shop/api", "1.8.2", digest);
    let by_version = format!("{}:1.8.2", gate.image);
    gate.check(&by_version, "", 0, &["passed: ", "v1.8.2"]).await;
    gate.shop.push_tag("1.8.2");
    gate.check(&by_version, "", 2, &["may be that of v1.8.2 or 1.8.2", "--tag"]).await;
    gate.check(&by_version, "--tag v1.8.2", 0, &["passed: "]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_runs_and_holds_its_store_does_not_stand_in_the_way() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.shop.release(TAG).unwrap();
    let store = gate.folder.path().join("store");
    let held = countersign::store::open(&countersign::store::Settings::Sled { path: store.clone() }).await.unwrap();
    gate.check(&format!("{}:{TAG}", gate.image), "", 0, &["passed: "]).await;
    drop(held);
    std::fs::remove_dir_all(&store).unwrap();
    gate.check(&format!("{}:{TAG}", gate.image), "", 0, &["passed: "]).await;
    assert!(!store.exists(), "a store was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_keys_of_the_contract_and_junit_is_xml() {
    let gate = Gate::new(Signing::Keyless).await;
    let (_, digest) = gate.shop.release(TAG).unwrap();
    let by_tag = format!("{}:{TAG}", gate.image);
    let out = gate.check(&by_tag, "--format json --environment staging", 0, &[]).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    const KEYS: &str = "id outcome code headline next_step image digest tag project environment as_of policy trust_root checks commit \
        pipeline job runner signer signature_layout provenance base_image merge_requests tests promotions";
    for key in KEYS.split_whitespace() {
        assert!(told.get(key).is_some(), "{key} is missing");
    }
    let stands = |key: &str, value: Value| assert_eq!(told[key], value, "{key}");
    stands("digest", json!(digest));
    stands("environment", json!("staging"));
    stands("tag", json!(TAG));
    stands("record", json!("not-read"));

    let out = gate.check(&by_tag, "--format junit", 0, &[]).await;
    assert_eq!(junit(&out), (countersign::verdict::Check::ALL.len(), 0, 0));
    gate.shop.move_tag(TAG);
    let out = gate.check(&by_tag, "--format junit", 1, &[]).await;
    assert!(junit(&out).1 > 0, "{out}");
    gate.shop.registry.fault("*", countersign::sandbox::registry::Fault::Status(500));
    let out = gate.check(&by_tag, "--format junit", 3, &[]).await;
    assert!(junit(&out).2 > 0, "{out}");
}

/// Test cases, failures and errors, as counted and as said.
fn junit(text: &str) -> (usize, usize, usize) {
    let document = roxmltree::Document::parse(text).unwrap();
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    let said = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
    let counted = (count("testcase"), count("failure"), count("error"));
    assert_eq!(counted, (said("tests"), said("failures"), said("errors")));
    assert_eq!(count("skipped"), said("skipped"));
    counted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_could_not_be_printed_is_no_success() {
    let gate = Gate::new(Signing::Keyless).await;
    gate.shop.release(TAG).unwrap();
    let (folder, image) = (gate.folder.path().to_owned(), format!("{}:{TAG}", gate.image));
    let output = tokio::task::spawn_blocking(move || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let arguments = ["verify", &image, "--project", "shop/api", "--config", "bot.toml"];
        countersign(&folder, &arguments).stdout(full).stderr(Stdio::piped()).output().unwrap()
    });
    assert_eq!(output.await.unwrap().status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_image_that_must_not_change_could_not_be_compared_without_the_record() {
    for (demand, code, words) in [
        ("required", 3, ["could not be compared with the release before", "countersign verify --server", "[CS-UNAVAILABLE]"].as_slice()),
        ("off", 0, &["passed: "]),
    ] {
        let gate = Gate::new(Signing::BundleKey).await;
        gate.configure("[[project]]", &format!("[policy]\nprovenance = \"required\"\nbase_unchanged = \"{demand}\"\n[[project]]"));
        let shop = &gate.shop;
        let (pipeline, job) = shop.push_tag(TAG);
        shop.gitlab.world().run_job(job, None);
        let digest = shop.build(TAG, pipeline);
        shop.sign(digest, job, TAG).unwrap();
        shop.attest(digest, &shop.provenance(digest, job, pipeline), job, TAG).unwrap();
        shop.finish(pipeline, Some(digest));
        gate.check(&format!("{}:{TAG}", gate.image), "", code, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_demands_more_gets_more() {
    let gate = Gate::new(Signing::BundleKey).await;
    gate.configure("[[project]]", "[defaults.environment.production.policy]\nprovenance = \"required\"\n\n[[project]]");
    gate.shop.release(TAG).unwrap();
    let image = format!("{}:{TAG}", gate.image);
    let anywhere = gate.check(&image, "--environment staging", 0, &["passed: "]).await;
    let there = gate.check(&image, "--environment production", 1, &["[CS-PROV-MISSING]"]).await;
    gate.check(&image, "", 0, &["passed: "]).await;
    let policy = |out: &str| out.split("under policy ").nth(1).map(|rest| rest.chars().take(20).collect::<String>());
    assert!(policy(&anywhere).is_some() && policy(&there) != policy(&anywhere), "{there}");
}
