//! A filled world for outside checks of the double: one project with at least one of everything that the API can show.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::state::{JobEnd, JobSpec, Level, MergeRequestKey, RunsOn, TestSuite, World};
use super::{Gitlab, Options};
use crate::model::gitlab::{JobId, PipelineId, ProjectId, UserId};

/// The digest of the image that the filled world released.
const DIGEST: &str = "4be16ff75b1ee4d1b7d31e3a4c7d0d3b3f3c1f0c8a9d1f2b6e5a4c3d2e1f90c2";
/// The token of the filled world; it opens nothing else.
pub const TOKEN: &str = "glpat-sandbox-contract-check";

/// Serves a filled world until the process ends.
///
/// `target` gets a JSON object that names what is in it: ids, paths and the token, as contract checkers read it. Requests are
/// appended to `log` if one is named.
///
/// # Errors
/// The address, the target file or the log file cannot be opened.
pub async fn serve_for_contract(listen: SocketAddr, target: &Path, log: Option<PathBuf>) -> std::io::Result<()> {
    let gitlab = Gitlab::start(Options { listen: Some(listen), external_url: None, log }).await?;
    let mut told = fill(&mut gitlab.world());
    told["url"] = gitlab.url().into();
    // Written under another name first: who waits for the file never reads half of it.
    let half = target.with_extension("part");
    std::fs::write(&half, told.to_string())?;
    std::fs::rename(&half, target)?;
    std::future::pending().await
}

/// Fills a world: a release from the merge request to the deployment. The answer is the target file's content.
pub fn fill(world: &mut World) -> Value {
    let project = world.add_project("shop/api");
    let alice = world.add_user("alice");
    let carol = world.add_user("carol");
    world.add_group_member("shop", alice, Level::Maintainer);
    world.add_member(project, carol, Level::Developer);
    let bot = bot(world, project);
    protect(world, project);
    world.project_mut(project).ci = ci();
    let runner = world.add_runner("release-02", &["release"]);
    world.project_mut(project).runner = Some(runner);
    let merge_request = merge(world, project, (alice, carol));
    let pipeline = release(world, project, alice);
    let build = world.job_named(pipeline, "release_image");
    describe(world, pipeline, build);
    let repository = world.set_registry_tag(project, "shop/api", "1.8.2", &format!("sha256:{DIGEST}"));
    let attestation = world.add_attestation(project, DIGEST, Some(build), bundle());
    let manual = world.job_named(pipeline, "deploy_production");
    json!({
        "project_id": project.0,
        "project_path": world.project(project).path,
        "mr_iid": merge_request.iid.0,
        "tag": "v1.8.2",
        "pipeline_id": pipeline.0,
        "job_id": build.0,
        "manual_job_id": manual.0,
        "sha": world.pipeline(pipeline).sha.as_str(),
        "user_id": bot.0,
        "environment": "staging",
        "ref": "main",
        "artifact_path": "dist/image-digest.txt",
        "registry_repository_id": repository,
        "registry_tag": "1.8.2",
        "attestation_digest": DIGEST,
        "attestation_iid": attestation,
        "token": TOKEN,
    })
}

/// A Maintainer, as hooks and protection rules are among what is checked.
fn bot(world: &mut World, project: ProjectId) -> UserId {
    let (bot, _) = world.add_bot(project, "Countersign", Level::Maintainer);
    if let Some(token) = world.tokens.iter_mut().find(|token| token.user == bot) {
        TOKEN.clone_into(&mut token.secret);
    }
    bot
}

fn protect(world: &mut World, project: ProjectId) {
    world.protect_tags(project, "v*", Level::Maintainer);
    world.protect_branches(project, "release/*", Level::Maintainer);
    world.protect_environment(project, "production", Level::Maintainer);
}

fn ci() -> Vec<JobSpec> {
    vec![
        JobSpec::new("build", "build"),
        JobSpec::new("test", "test"),
        JobSpec::new("release", "release_image").on(RunsOn::Tags),
        JobSpec::new("deploy", "deploy_staging").environment("staging").on(RunsOn::Tags),
        JobSpec::new("deploy", "deploy_production").environment("production").manual().on(RunsOn::Tags),
    ]
}

fn merge(world: &mut World, project: ProjectId, (author, reviewer): (UserId, UserId)) -> MergeRequestKey {
    world.push_commit(project, "retry", author, "Retry failed payments\n\nThree times, then give up.");
    let key = world.open_merge_request(project, "retry", author, "Retry failed payments");
    if let Some(pipeline) = world.head_pipeline(key) {
        world.pass_pipeline(pipeline);
    }
    world.comment(key, reviewer, "Looks good to me.");
    world.approve(key, reviewer);
    world.merge(key, author);
    key
}

fn release(world: &mut World, project: ProjectId, by: UserId) -> PipelineId {
    let main = world.project(project).branches["main"].clone();
    let Some(pipeline) = world.push_tag(project, "v1.8.2", &main, by) else { unreachable!("the CI file has jobs for tags") };
    world.finish_job(world.job_named(pipeline, "build"), JobEnd::success());
    world.finish_job(world.job_named(pipeline, "test"), JobEnd::success());
    let end = JobEnd::success().artifact("dist/image-digest.txt", format!("sha256:{DIGEST}\n"));
    world.finish_job(world.job_named(pipeline, "release_image"), end);
    world.pass_pipeline(pipeline);
    world.create_release(project, "v1.8.2", by, "Payments are tried again.");
    pipeline
}

fn describe(world: &mut World, pipeline: PipelineId, job: JobId) {
    let suite = TestSuite { name: "unit".into(), seconds: 12.5, success: 40, failed: 0, skipped: 2, error: 0, jobs: vec![job] };
    world.pipeline_mut(pipeline).tests.push(suite);
}

fn bundle() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"tlogEntries": [], "timestampVerificationData": null},
        "dsseEnvelope": {"payload": "", "payloadType": "application/vnd.in-toto+json", "signatures": []},
    })
}
