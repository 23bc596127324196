//! Every kind of action on the whole bot, and releases of several images.

use std::time::Duration;

use countersign::model::gitlab::{CiStatus, PipelineId};
use countersign::model::{PinnedImage, Repository};
use countersign::sandbox::gitlab::state::JobEnd;
use countersign::sandbox::registry::Fault;

use super::*;

#[tokio::test]
async fn release_section_and_sticky_note_follow_a_promotion() {
    let (world, _) = released(setup()).await;
    staged(&world).await;
    world.section_says(TAG, "staging").await;
    world.sticky_says("`staging`: this image").await;
    world.settled().await;
    let (section, note) = (world.release_text(TAG).unwrap(), world.sticky().unwrap());
    let line = section.lines().find(|line| line.starts_with("| Promotions")).unwrap_or_else(|| panic!("{section}"));
    assert!(line.contains("staging") && line.contains("UTC") && line.contains("rita"), "{line}");
    assert!(note.contains("`staging`: this image since"), "{note}");
}

#[tokio::test]
async fn a_copy_carries_its_evidence_and_a_summary_lies_beside_the_image() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let staging = "actions = [{ action = \"attest\" }, { action = \"copy\", to = \"{host}/live/{image}\", tag = \"staging\" }]";
    let setup = setup_with(staging, PRODUCTION)
        .toml("[store]", "[promotion]\nsigning_key = { file = \"bot.key\" }\n\n[store]")
        .file("bot.key", &key);
    let (world, digest) = released(setup).await;
    staged(&world).await;
    assert_eq!(world.registry.tagged("live/api", "staging"), Some(digest));
    assert!(world.registry.manifest("live/api", digest).is_some());
    let written = world.registry.requests();
    let to = |repository: &str| {
        let put = format!("PUT /v2/{repository}/manifests/");
        written.iter().filter(|seen| seen.line().starts_with(&put)).count()
    };
    assert!(to("live/api") >= 2, "the image and its signature");
    assert!(to(IMAGE) >= 1, "the summary");
    let summaries = format!("sha256-{}.att", digest.hex());
    let (here, there) = (world.registry.tagged(IMAGE, &summaries), world.registry.tagged("live/api", &summaries));
    assert!(here.is_some() && here == there, "the summary lies beside the copy: {here:?} {there:?}");
}

/// Whoever may push to the source takes the signature away after the image was judged.
#[tokio::test]
async fn a_copy_whose_signature_was_taken_away_meanwhile_gets_no_tag() {
    let staging = "actions = [{ action = \"copy\", to = \"{host}/live/{image}\", tag = \"staging\" }]";
    let (world, digest) = released(setup_with(staging, PRODUCTION)).await;
    // Nothing at the source answers at once, so that there is time between the last judging and the first look of the copy.
    world.registry.fault(&format!("GET /v2/{IMAGE}/manifests/sha256:*"), Fault::Slow(Duration::from_millis(1500)));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    let end = std::time::Instant::now() + Duration::from_secs(25);
    while !open(&world).await.iter().any(countersign::model::promotion::Standing::has_begun) {
        assert!(std::time::Instant::now() < end, "the copy has not begun");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.registry.forget_evidence(IMAGE, digest);
    stopped(&world, asked, "CS-STEP").await;
    assert!(world.registry.manifest("live/api", digest).is_some(), "the image itself was copied");
    assert_eq!(world.registry.tagged("live/api", "staging"), None);
    world.replied(asked, "lacks evidence").await;
}

#[tokio::test]
async fn attest_without_a_key_refuses_to_start() {
    let world = Setup::new(Signing::Keyless).start().await;
    let text = std::fs::read_to_string(world.bot_toml()).unwrap();
    let attests = "[defaults.environment.staging]\nactions = [{ action = \"attest\" }]\n\n[[project]]\n";
    std::fs::write(world.bot_toml(), text.replace("[[project]]\n", attests)).unwrap();
    let serve = std::process::Command::new(env!("CARGO_BIN_EXE_countersign")).args(["serve", "--config"]).arg(world.bot_toml()).output();
    let serve = serve.unwrap();
    assert_eq!(serve.status.code(), Some(2), "{serve:?}");
    assert!(String::from_utf8_lossy(&serve.stderr).contains("signing_key"), "{serve:?}");
}

#[tokio::test]
async fn a_pipeline_is_started_with_the_digest_and_its_end_is_told() {
    let staging = "actions = [{ action = \"start-pipeline\", variable = \"IMAGE\" }]";
    let (world, digest) = released(setup_with(staging, PRODUCTION)).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    let started = || {
        let gitlab = world.gitlab.world();
        gitlab.pipelines.values().find(|held| held.user == world.bot && held.source == "api").map(|held| held.id)
    };
    let pipeline = until("a pipeline is started", started).await;
    let given = format!("{:?}", world.gitlab.world().pipelines[&pipeline].variables);
    assert!(given.contains(&digest.to_string()), "{given}");
    world.settled().await;
    assert_eq!(open(&world).await.len(), 1, "it waits for the pipeline");
    world.gitlab.world().pass_pipeline(pipeline);
    // Its deploy job is a manual one, and nobody started it: the pipeline has succeeded all the same.
    until("the pipeline has succeeded", || (world.gitlab.world().pipeline(pipeline).status == CiStatus::Success).then_some(())).await;
    world.settled().await;
    assert_eq!(open(&world).await.len(), 1, "it waits for somebody to deploy");
    let mut gitlab = world.gitlab.world();
    let job = gitlab.job_named(pipeline, "deploy_production");
    assert!(gitlab.play_job(job, world.rita));
    gitlab.finish_job(job, JobEnd::success());
    drop(gitlab);
    closes(&world, asked, "white_check_mark").await;
    world.replied(asked, "now runs").await;
}

/// The newest pipeline that the bot started, once there is one after `before`; its jobs that nobody must start have passed.
async fn ran(world: &World, before: Option<PipelineId>) -> PipelineId {
    let newest = || {
        let gitlab = world.gitlab.world();
        let newest = gitlab.pipelines.values().filter(|held| held.user == world.bot && held.source == "api").map(|held| held.id).max();
        newest.filter(|id| Some(*id) > before)
    };
    let pipeline = until("a pipeline is started", newest).await;
    world.gitlab.world().pass_pipeline(pipeline);
    pipeline
}

/// GitLab calls a pipeline whose manual job failed a success.
#[tokio::test]
async fn a_pipeline_that_did_not_deploy_has_not_converged() {
    let staging = "actions = [{ action = \"start-pipeline\", variable = \"IMAGE\" }]";
    let world = setup_with(staging, PRODUCTION).start().await;
    world.gitlab.world().add_deploy_job(world.project, "deploy_staging", "staging", None);
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.settled().await;

    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    let pipeline = ran(&world, None).await;
    let mut gitlab = world.gitlab.world();
    let job = gitlab.job_named(pipeline, "deploy_staging");
    assert!(gitlab.play_job(job, world.rita));
    gitlab.finish_job(job, JobEnd::failed());
    assert_eq!(gitlab.pipeline(pipeline).status, CiStatus::Success);
    drop(gitlab);
    closes(&world, asked, "x").await;
    world.replied(asked, "ended as failed").await;

    // Nor has one that has no such job any more, where others deployed.
    world.gitlab.world().project_mut(world.project).ci.retain(|job| !job.manual);
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    ran(&world, Some(pipeline)).await;
    closes(&world, asked, "x").await;
    world.replied(asked, "deployed nothing").await;
}

/// A project with a second image, which its release job builds and signs as well.
async fn two_images() -> (World, Digest, Digest) {
    let setup = setup().toml(
        "image = \"{host}/shop/api\"",
        "image = [\"{host}/shop/api\", { repository = \"{host}/shop/worker\", digest_file = \"worker-digest.txt\" }]",
    );
    let world = setup.start().await;
    let (pipeline, job) = world.push_tag(TAG);
    world.gitlab.world().run_job(job, None);
    let api = world.build(TAG, pipeline);
    world.sign(api, job, TAG).unwrap();
    let worker = world.registry.push_image("shop/worker", TAG, "a worker");
    world.registry.tag("shop/worker", world.commit.short(), worker);
    let repository = Repository { registry: world.registry.host(), path: "shop/worker".into() };
    let (claims, now) = (world.claims(job, TAG), countersign::model::Timestamp::now());
    let bundle = world.authority.sign_bundle_keyless(&PinnedImage { repository, digest: worker }, &claims, now).unwrap();
    world.registry.attach_bundle("shop/worker", worker, &bundle);
    let end = JobEnd::success().artifact("image-digest.txt", format!("{api}\n")).artifact("worker-digest.txt", format!("{worker}\n"));
    world.gitlab.world().finish_job(job, end);
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.settled().await;
    (world, api, worker)
}

#[tokio::test]
async fn every_image_of_a_release_moves_or_none() {
    let (world, api, worker) = two_images().await;
    staged(&world).await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(api));
    assert_eq!(world.registry.tagged("shop/worker", "staging"), Some(worker));
    // One of them is not what it was: neither moves.
    world.registry.push_image("shop/worker", TAG, "another worker");
    refused(&world, world.rita, "/countersign promote production v1.8.2", "CS-").await;
    assert_eq!(world.registry.tagged(IMAGE, "production"), None);
    assert_eq!(world.registry.tagged("shop/worker", "production"), None);
}
