//! Provenance, from a signed statement to a verdict and its words: the whole path, on the sandbox's GitLab, registry and authority.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::sync::Arc;

use countersign::bot::{Bot, Handled};
use countersign::cli::serve;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::event::{Hint, Origin, What};
use countersign::model::attestation::{AttestedAt, BaseToldBy};
use countersign::model::gitlab::{InstanceName, JobId, PipelineId, ProjectKey};
use countersign::model::signer::SignatureState;
use countersign::model::{Digest, Timestamp};
use countersign::sandbox::authority::attestation_statement;
use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::registry::media;
use countersign::sandbox::shop::{IMAGE, Shop, Signing, base_digest};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{About, Check, CheckOutcome, Demand, Facts, Looked, Outcome, Policy, Question, Verdict};
use jiff::SignedDuration;
use serde_json::{Value, json};

const TAG: &str = "v1.8.2";
const V1: &str = "https://slsa.dev/provenance/v1";
const V02: &str = "https://slsa.dev/provenance/v0.2";
/// A job token, as GitLab's L3 statements may hold it.
const SECRET: &str = "glcbt-64_s3cr3t-job-token";

/// A shop and its bot, which looks only when it is asked.
struct World {
    shop: Shop,
    bot: Bot,
    policy: Policy,
    _folder: tempfile::TempDir,
}

/// A release built and signed, and nothing attested yet.
struct Built {
    pipeline: PipelineId,
    job: JobId,
    digest: Digest,
}

impl World {
    async fn new(signing: Signing) -> Self {
        Self::with(signing, |text| text).await
    }

    /// With another `bot.toml`; beside it lies `laptop.pub` as well.
    async fn with(signing: Signing, edit: impl FnOnce(String) -> String) -> Self {
        let shop = Shop::open(signing, None).await.unwrap().attesting();
        let folder = tempfile::tempdir().unwrap();
        let path = shop.write_configuration(folder.path()).unwrap();
        std::fs::write(folder.path().join("laptop.pub"), &shop.laptop_key.public_pem).unwrap();
        let edited = edit(std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, edited).unwrap();
        let config = Config::load(&path).unwrap();
        let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
        let bot = serve::assemble(&config, ledger, &Arc::new(Metrics::default())).unwrap();
        let policy = config.projects[0].policy.clone();
        Self { shop, bot, policy, _folder: folder }
    }

    fn build(&self) -> Built {
        let (pipeline, job) = self.shop.push_tag(TAG);
        self.shop.gitlab.world().run_job(job, None);
        let digest = self.shop.build(TAG, pipeline);
        self.shop.sign(digest, job, TAG).unwrap();
        Built { pipeline, job, digest }
    }

    fn finish(&self, built: &Built) {
        self.shop.finish(built.pipeline, Some(built.digest));
    }

    fn statement(&self, built: &Built) -> Value {
        self.shop.provenance(built.digest, built.job, built.pipeline)
    }

    /// Attests with the release job's own means, and lets the job end.
    fn attest(&self, built: &Built, statement: &Value) {
        self.shop.attest(built.digest, statement, built.job, TAG).unwrap();
        self.finish(built);
    }

    fn question(&self, tag: &str) -> Question {
        let project = self.bot.rules[0].watched.clone();
        Question { image: project.images[0].clone(), project, about: About::Release { tag: tag.into() }, asking_job: None }
    }

    async fn facts(&self) -> Facts {
        self.bot.looks.collect(&self.question(TAG), Timestamp::now(), &self.bot).await
    }

    async fn verdict_of(&self, tag: &str) -> Verdict {
        self.bot.verify(&self.question(tag), &self.policy).await.unwrap().verdict
    }

    async fn verdict(&self) -> Verdict {
        self.verdict_of(TAG).await
    }

    fn web(&self) -> String {
        self.shop.gitlab.world().web_url(self.shop.project)
    }

    fn runner(&self) -> u64 {
        self.shop.gitlab.world().project(self.shop.project).runner.unwrap().0
    }
}

#[track_caller]
fn passes(verdict: &Verdict) {
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Passed, None), "{:#?}", verdict.findings);
    let provenance: Vec<_> = verdict.findings_of(Check::Provenance).map(|finding| finding.outcome).collect();
    assert_eq!(provenance, [CheckOutcome::Passed]);
    assert!(verdict.subject.provenance.is_some());
}

#[track_caller]
fn blocks(verdict: &Verdict, code: &str) {
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some(code)), "{:#?}", verdict.findings);
    assert_eq!(verdict.subject.provenance, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attested_release_passes_and_shows_builder_and_base() {
    for signing in [Signing::Keyless, Signing::BundleKey, Signing::LegacyKey] {
        let world = World::new(signing).await;
        let (_, digest) = world.shop.release(TAG).unwrap();
        let verdict = world.verdict().await;
        passes(&verdict);
        let json = world.bot.words.verdict_json("1", &verdict);
        assert_eq!(json["provenance"]["predicate_type"], V1);
        assert_eq!(json["provenance"]["builder"], format!("{}/-/runners/{}", world.web(), world.runner()));
        assert_eq!(json["base_image"]["name"], "debian:12-slim");
        assert_eq!(json["base_image"]["digest"], base_digest().to_string());
        assert_eq!((&json["base_image"]["source"], &json["base_image"]["changed_since"]), (&json!("provenance"), &Value::Null));
        let section = world.bot.words.release_section(std::slice::from_ref(&verdict), &[]);
        assert!(section.contains("| Base image | `debian:12-slim` at `sha256:"), "{section}");
        assert!(section.contains("| Provenance | SLSA v1, beside the image, signed"), "{section}");
        assert_eq!(verdict.digest(), Some(digest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_statement_holds() {
    type Make = fn(&World, &Built) -> Value;
    let forms: [(&str, Make); 2] = [
        ("v0.2", |world, built| {
            let web = world.web();
            let predicate = json!({
                "builder": {"id": format!("{web}/-/runners/{}", world.runner())}, "buildType": "https://example.com/build/v1",
                "invocation": {"configSource": {"uri": web, "digest": {"sha1": world.shop.commit}, "entryPoint": "release_image"}},
                "metadata": {"buildInvocationId": format!("{web}/-/jobs/{}", built.job)},
                "materials": [{"uri": "pkg:docker/debian@12-slim", "digest": {"sha256": base_digest().hex()}}],
            });
            attestation_statement(&world.shop.pinned(built.digest), V02, &predicate)
        }),
        ("the runner's", |world, built| {
            let web = world.web();
            let predicate = json!({
                "buildDefinition": {
                    "buildType": "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v18.4.0/PROVENANCE.md",
                    "externalParameters": {"CI_JOB_TOKEN": "", "entryPoint": "release_image", "source": web},
                    "internalParameters": {"name": "release-02", "executor": "docker", "job": built.job.to_string()},
                    "resolvedDependencies": [
                        {"uri": web, "digest": {"sha256": world.shop.commit}},
                        {"uri": "pkg:docker/debian@12-slim", "digest": {"sha256": base_digest().hex()}},
                    ],
                },
                "runDetails": {
                    "builder": {"id": format!("{web}/-/runners/{}", world.runner())},
                    "metadata": {"invocationId": built.job.to_string()},
                },
            });
            attestation_statement(&world.shop.pinned(built.digest), V1, &predicate)
        }),
    ];
    for signing in [Signing::Keyless, Signing::BundleKey] {
        for (name, make) in forms {
            let world = World::new(signing).await;
            let built = world.build();
            world.attest(&built, &make(&world, &built));
            let verdict = world.verdict().await;
            assert_eq!(verdict.code(), None, "{name}: {:#?}", verdict.findings);
            passes(&verdict);
        }
    }
}

/// The statement of GitLab's level-3 attestation: in-toto v1, with the job's variables.
fn l3(world: &World, built: &Built) -> Value {
    let web = world.web();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "image", "digest": {"sha256": built.digest.hex()}}],
        "predicateType": V1,
        "predicate": {
            "buildDefinition": {
                "buildType": "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1",
                "externalParameters": {
                    "source": web, "entryPoint": "release_image",
                    "variables": {"CI_JOB_TOKEN": SECRET, "CI_REPOSITORY_URL": format!("https://gitlab-ci-token:{SECRET}@gitlab.test/x.git")},
                },
                "internalParameters": {"job": built.job.0, "executor": "docker", "CI_REGISTRY_PASSWORD": SECRET},
                "resolvedDependencies": [
                    {"uri": format!("https://gitlab-ci-token:{SECRET}@{}", web.trim_start_matches("http://")), "digest": {}},
                    {"uri": web, "digest": {"gitCommit": world.shop.commit}},
                    {"uri": "pkg:docker/debian@12-slim", "digest": {"sha256": base_digest().hex()}},
                ],
            },
            "runDetails": {
                "builder": {"id": format!("{web}/-/runners/{}?token={SECRET}", world.runner())},
                "metadata": {"invocationId": built.job.to_string(), "environment": {"CI_JOB_TOKEN": SECRET}},
            },
        },
    })
}

fn put_into_gitlab(world: &World, built: &Built, bundle: &[u8]) {
    let bundle = serde_json::from_slice(bundle).unwrap();
    world.shop.gitlab.world().add_attestation(world.shop.project, &built.digest.hex(), Some(built.job), bundle);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlabs_own_attestation_holds_where_none_lies_beside_the_image() {
    let world = World::new(Signing::Keyless).await;
    let built = world.build();
    world.finish(&built);
    blocks(&world.verdict().await, "CS-PROV-MISSING");
    let bundle = world.shop.attest_keyless(&l3(&world, &built), built.job, TAG, Timestamp::now()).unwrap();
    put_into_gitlab(&world, &built, &bundle);
    let verdict = world.verdict().await;
    passes(&verdict);
    assert_eq!(verdict.subject.provenance.as_ref().map(|seen| seen.at), Some(AttestedAt::Gitlab));

    // Only what policy asks for is asked of GitLab.
    let asked = |world: &World| world.shop.gitlab.requests().iter().filter(|seen| seen.path.contains("/attestations/")).count();
    let before = asked(&world);
    let mut question = world.question(TAG);
    question.image.wants_provenance = false;
    let facts = world.bot.looks.collect(&question, Timestamp::now(), &world.bot).await;
    assert_eq!((facts.gitlab_provenance, asked(&world)), (Looked::Absent, before));
    assert!(before > 0);
}

/// SR-02, SR-20: what is there and cannot be read is no word against the image, wherever it lies.
#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_that_cannot_be_read_could_not_check_until_one_holds() {
    for place in ["legacy", "bundle", "gitlab"] {
        let world = World::new(Signing::Keyless).await;
        let built = world.build();
        world.finish(&built);
        match place {
            "legacy" => drop(world.shop.registry.add_attestation(IMAGE, built.digest, b"no envelope", json!({}))),
            "bundle" => drop(world.shop.registry.attach_bundle(IMAGE, built.digest, b"{}")),
            _ => put_into_gitlab(&world, &built, b"{}"),
        }
        let verdict = world.verdict().await;
        assert_eq!((verdict.outcome, verdict.code()), (Outcome::CouldNotCheck, Some("CS-UNAVAILABLE")), "{place}: {:#?}", verdict.findings);
        assert!(verdict.findings_of(Check::Signature).all(|finding| finding.outcome == CheckOutcome::Passed));
        world
            .shop
            .attest_keyless(&l3(&world, &built), built.job, TAG, Timestamp::now())
            .map(|b| put_into_gitlab(&world, &built, &b))
            .unwrap();
        passes(&world.verdict().await);
    }
}

/// Provenance with many materials is as good as a short one.
#[tokio::test(flavor = "multi_thread")]
async fn provenance_of_some_mebibytes_holds() {
    let world = World::new(Signing::BundleKey).await;
    let built = world.build();
    let mut statement = world.statement(&built);
    statement["predicate"]["buildDefinition"]["externalParameters"]["note"] = "all that the build was told ".repeat(3 << 20 >> 5).into();
    world.attest(&built, &statement);
    passes(&world.verdict().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlabs_attestations_out_of_reach_could_not_check() {
    let world = World::new(Signing::Keyless).await;
    let built = world.build();
    world.finish(&built);
    for fault in [Fault::Status(403), Fault::Status(500), Fault::Html(404), Fault::Garbage] {
        world.shop.gitlab.fault("GET", "/projects/*/attestations/*", fault);
        let verdict = world.verdict().await;
        assert_eq!((verdict.outcome, verdict.code()), (Outcome::CouldNotCheck, Some("CS-UNAVAILABLE")), "{:#?}", verdict.findings);
        world.shop.gitlab.heal();
    }
    // A GitLab that does not know the feature answers 404, and that is absence.
    world.shop.gitlab.fault("GET", "/projects/*/attestations/*", Fault::Status(404));
    blocks(&world.verdict().await, "CS-PROV-MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_before_or_by_another_than_the_release_job_is_refused() {
    let world = World::new(Signing::Keyless).await;
    let built = world.build();
    let statement = world.statement(&built);
    let early = Timestamp::now() - SignedDuration::from_mins(30);
    let bundle = world.shop.attest_keyless(&statement, built.job, TAG, early).unwrap();
    world.shop.registry.attach_bundle(IMAGE, built.digest, &bundle);
    world.finish(&built);
    blocks(&world.verdict().await, "CS-LATE-ATTEST");

    // The release job's time is over: GitLab's clock says that it ended long before the signature.
    let world = World::new(Signing::Keyless).await;
    world.shop.gitlab.world().clock.advance(SignedDuration::from_hours(-2));
    let built = world.build();
    world.finish(&built);
    let statement = world.statement(&built);
    world.shop.attest(built.digest, &statement, built.job, TAG).unwrap();
    let verdict = world.verdict().await;
    let finding = verdict.findings_of(Check::Provenance).next().unwrap();
    assert_eq!(finding.problem.as_ref().map(|problem| problem.code()), Some("CS-LATE-ATTEST"), "{finding:?}");

    // A job id that GitLab does not have, as somebody else's authority would certify it.
    let world = World::new(Signing::Keyless).await;
    let built = world.build();
    let bundle = world.shop.attest_keyless(&world.statement(&built), JobId(987_654), TAG, Timestamp::now()).unwrap();
    world.shop.registry.attach_bundle(IMAGE, built.digest, &bundle);
    world.finish(&built);
    blocks(&world.verdict().await, "CS-LATE-ATTEST");

    // Another job of the same pipeline, as anybody might start one later.
    let world = World::new(Signing::Keyless).await;
    let built = world.build();
    let test = world.shop.gitlab.world().job_named(built.pipeline, "test");
    let statement = {
        let mut statement = world.statement(&built);
        statement["predicate"]["buildDefinition"]["externalParameters"]["entryPoint"] = "test".into();
        statement["predicate"]["buildDefinition"]["internalParameters"]["job"] = test.to_string().into();
        statement["predicate"]["runDetails"]["metadata"]["invocationId"] = test.to_string().into();
        statement
    };
    let bundle = world.shop.attest_keyless(&statement, test, TAG, Timestamp::now()).unwrap();
    world.shop.registry.attach_bundle(IMAGE, built.digest, &bundle);
    world.finish(&built);
    blocks(&world.verdict().await, "CS-LATE-ATTEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laptops_attestation_counts_for_nothing() {
    let world = World::new(Signing::BundleKey).await;
    let built = world.build();
    let by_laptop = world.shop.authority.attest_with_key(&world.shop.laptop_key, &world.statement(&built)).unwrap();
    world.shop.registry.attach_bundle(IMAGE, built.digest, &by_laptop);
    world.finish(&built);
    blocks(&world.verdict().await, "CS-SIG-OTHER");
    let facts = world.facts().await;
    let found = facts.provenance.found().unwrap();
    assert!(matches!(found[0].state, SignatureState::NotOurs { .. }), "{found:?}");
    // Beside a good one it does no harm.
    world.shop.attest(built.digest, &world.statement(&built), built.job, TAG).unwrap();
    passes(&world.verdict().await);
}

/// A leaked key, revoked an hour ago, tells a story about an image that the current key signed: what its windows say of signatures
/// holds for statements.
#[tokio::test(flavor = "multi_thread")]
async fn provenance_by_a_key_that_may_not_sign_any_more_blocks() {
    let now = Timestamp::now();
    for (window, logged_at, code) in [
        (format!("revoked = {}", now - SignedDuration::from_hours(1)), None, "CS-KEY-REVOKED"),
        (format!("revoked = {}", now - SignedDuration::from_hours(1)), Some(now), "CS-KEY-REVOKED"),
        (format!("retired = {}", now - SignedDuration::from_hours(1)), Some(now), "CS-KEY-RETIRED"),
        (format!("not_before = {}", now + SignedDuration::from_hours(1)), Some(now), "CS-KEY-EARLY"),
        ("require_log = true".into(), None, "CS-SIG-UNLOGGED"),
    ] {
        let old_key = format!("[signer.old-key]\nkey_file = \"laptop.pub\"\n{window}\n\n[[project]]");
        let edit = |text: String| {
            text.replace("[[project]]", &old_key).replace("signer = \"release-key\"", "signer = [\"release-key\", \"old-key\"]")
        };
        let world = World::with(Signing::BundleKey, edit).await;
        let built = world.build();
        let (authority, key, statement) = (&world.shop.authority, &world.shop.laptop_key, world.statement(&built));
        let bundle = match logged_at {
            Some(at) => authority.attest_with_key_logged(key, &statement, at).unwrap(),
            None => authority.attest_with_key(key, &statement).unwrap(),
        };
        world.shop.registry.attach_bundle(IMAGE, built.digest, &bundle);
        world.finish(&built);
        let verdict = world.verdict().await;
        blocks(&verdict, code);
        let stopped: Vec<_> = verdict.findings.iter().filter(|f| f.outcome == CheckOutcome::Blocked).map(|f| f.check).collect();
        assert_eq!(stopped, [Check::Provenance, Check::BaseImage], "{window}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_tells_another_story_is_refused() {
    let other = Digest::of(b"other bytes").hex();
    let changes: [(&str, Value, &str); 8] = [
        ("/subject/0/digest/sha256", json!(other), "CS-PROV-DIGEST"),
        ("/predicateType", json!("https://slsa.dev/provenance/v1.1"), "CS-PROV-MISSING"),
        ("/predicate/buildDefinition/resolvedDependencies/0/digest/gitCommit", json!("f".repeat(40)), "CS-COMMIT"),
        ("/predicate/buildDefinition/resolvedDependencies/0/digest", json!({}), "CS-COMMIT"),
        ("/predicate/buildDefinition/internalParameters/pipeline", json!("1"), "CS-PIPELINE"),
        ("/predicate/buildDefinition/externalParameters/entryPoint", json!("deploy"), "CS-PIPELINE"),
        ("/predicate/runDetails/builder/id", json!("https://gitlab.com/evil/api/-/runners/2"), "CS-PROJECT"),
        ("/predicate/runDetails/metadata/invocationId", json!("https://gitlab.com/evil/api/-/pipelines/3"), "CS-PROJECT"),
    ];
    for signing in [Signing::Keyless, Signing::BundleKey] {
        for (path, value, code) in &changes {
            let world = World::new(signing).await;
            let built = world.build();
            let mut statement = world.statement(&built);
            *statement.pointer_mut(path).unwrap() = value.clone();
            world.attest(&built, &statement);
            let verdict = world.verdict().await;
            assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some(*code)), "{path}: {:#?}", verdict.findings);
        }
    }
}

/// SR-23: CI variables inside provenance are dropped where it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_variable_inside_provenance_goes_nowhere() {
    for in_gitlab in [false, true] {
        let world = World::new(Signing::Keyless).await;
        let built = world.build();
        let bundle = world.shop.attest_keyless(&l3(&world, &built), built.job, TAG, Timestamp::now()).unwrap();
        match in_gitlab {
            true => put_into_gitlab(&world, &built, &bundle),
            false => drop(world.shop.registry.attach_bundle(IMAGE, built.digest, &bundle)),
        }
        world.finish(&built);
        world.shop.publish(TAG);
        let mut said = vec![];
        let facts = world.facts().await;
        assert!(facts.provenance.found().or(facts.gitlab_provenance.found()).is_some());
        said.push(format!("{facts:?}{}", serde_json::to_string(&facts).unwrap()));
        let verdict = world.verdict().await;
        passes(&verdict);
        said.push(format!("{verdict:?}{}", world.bot.words.verdict_json("1", &verdict)));
        said.push(world.bot.words.verdict_text(&verdict, false));
        let key = ProjectKey { instance: InstanceName("main".into()), id: world.shop.project };
        let hint = Hint { project: key, what: What::Release { tag: TAG.into() }, origin: Origin::CatchUp, received_at: Timestamp::now() };
        assert_eq!(world.bot.handle(&hint).await, Handled::Done);
        let notes = world.shop.bot_notes();
        assert!(notes.iter().any(|note| note.contains("| Provenance | SLSA v1")), "{notes:?}");
        said.extend(notes);
        said.push(world.shop.release_text(TAG).unwrap());
        let entries = world.bot.ledger.entries(0, 1000).await.unwrap();
        assert!(entries.len() > 3, "{}", entries.len());
        said.push(serde_json::to_string(&entries).unwrap());
        for text in said {
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moved_since_the_last_release_is_shown_and_blocks_where_policy_says_so() {
    let world = World::new(Signing::BundleKey).await;
    world.shop.release("v1.8.1").unwrap();
    passes(&world.verdict_of("v1.8.1").await);
    // The next release, from the next commit, on another base.
    let commit = world.shop.gitlab.world().push_commit(world.shop.project, "main", world.shop.rita, "Next");
    let (pipeline, job) = world.shop.push_tag_on(TAG, &commit);
    world.shop.gitlab.world().run_job(job, None);
    let digest = world.shop.registry.push_image(IMAGE, TAG, "the next image");
    world.shop.registry.tag(IMAGE, commit.short(), digest);
    world.shop.sign(digest, job, TAG).unwrap();
    let mut statement = world.shop.provenance(digest, job, pipeline);
    let moved = Digest::of(b"debian:12-slim of June");
    let dependencies = &mut statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    dependencies[0]["digest"]["gitCommit"] = commit.to_string().into();
    dependencies[1]["digest"]["sha256"] = moved.hex().into();
    world.shop.attest(digest, &statement, job, TAG).unwrap();
    world.shop.finish(pipeline, Some(digest));
    // The shop's policy warns.
    let verdict = world.verdict().await;
    passes(&verdict);
    let finding = verdict.findings_of(Check::BaseImage).next().unwrap();
    assert_eq!((finding.outcome, finding.problem.as_ref().map(|p| p.code())), (CheckOutcome::Warned, Some("CS-BASE-CHANGED")));
    let json = world.bot.words.verdict_json("1", &verdict);
    assert_eq!((&json["base_image"]["changed_since"], &json["base_image"]["digest"]), (&json!("v1.8.1"), &json!(moved)));
    let strict = Policy { base_unchanged: Demand::Required, ..world.policy.clone() };
    let verdict = world.bot.verify(&world.question(TAG), &strict).await.unwrap().verdict;
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-BASE-CHANGED")));
    // The first release, judged again, compares itself with nothing later.
    let first = world.verdict_of("v1.8.1").await;
    assert_eq!(first.subject.base_image.unwrap().previous, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_provenance_the_images_annotations_tell_its_base() {
    let world = World::new(Signing::BundleKey).await;
    let (pipeline, job) = world.shop.push_tag(TAG);
    let plain = world.shop.build(TAG, pipeline);
    let mut manifest: Value = serde_json::from_slice(&world.shop.registry.manifest(IMAGE, plain).unwrap()).unwrap();
    manifest["annotations"] = json!({
        "org.opencontainers.image.base.name": "docker.io/library/debian:12-slim",
        "org.opencontainers.image.base.digest": base_digest(),
    });
    let digest = world.shop.registry.put_manifest(IMAGE, Some(TAG), media::IMAGE, manifest.to_string().as_bytes());
    world.shop.registry.tag(IMAGE, world.shop.commit.short(), digest);
    world.shop.sign(digest, job, TAG).unwrap();
    world.shop.finish(pipeline, Some(digest));
    let lenient = Policy { provenance: Demand::Off, ..world.policy.clone() };
    let verdict = world.bot.verify(&world.question(TAG), &lenient).await.unwrap().verdict;
    assert_eq!(verdict.outcome, Outcome::Passed, "{:#?}", verdict.findings);
    let base = verdict.subject.base_image.clone().unwrap().base;
    assert_eq!((base.digest, base.told_by), (base_digest(), BaseToldBy::Annotation));
    let section = world.bot.words.release_section(&[verdict], &[]);
    assert!(section.contains("(annotation of the image)"), "{section}");
}
