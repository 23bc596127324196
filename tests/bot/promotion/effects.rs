//! What a step meets outside: refusals, outages, and ends in the middle.

use countersign::model::gitlab::{CiStatus, GitRef, JobId};
use countersign::sandbox::gitlab::state::JobEnd;
use countersign::sandbox::gitlab::{Fault as Ill, FaultRule};
use countersign::sandbox::registry::Fault;

use super::*;

#[tokio::test]
async fn a_registry_that_refuses_the_write_ends_the_promotion_with_words() {
    let (world, _) = released(setup()).await;
    world.registry.fault("PUT /v2/*", Fault::Status(403));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    stopped(&world, asked, "CS-STEP").await;
    world.settled().await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), None);
    assert!(open(&world).await.is_empty(), "the environment is free again");
}

#[tokio::test]
async fn a_registry_that_fails_for_a_while_is_asked_again() {
    let (world, digest) = released(setup()).await;
    world.registry.fault_times(2, "PUT /v2/*", Fault::Status(503));
    let asked = staged(&world).await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(world.replies(asked).len(), 2);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_done_by_the_next_run() {
    let (world, digest) = released(setup()).await;
    // Every repetition that the connection makes by itself meets it too.
    world.registry.fault_times(3, "PUT /v2/*", Fault::Drop);
    staged(&world).await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(puts(&world, "staging"), 3, "the next run sends nothing");
}

/// Staging plays the deploy job of the release pipeline.
const PLAYS: &str = "actions = [{ action = \"play-job\", job = \"deploy_production\", variable = \"IMAGE\" }]";

/// The deploy job of a release, and whether it was started.
fn deploy_job_of(world: &World, release: &str) -> (JobId, CiStatus) {
    let gitlab = world.gitlab.world();
    let pipeline = gitlab.pipelines.values().rev().find(|held| held.git_ref == GitRef::Tag(release.into())).unwrap().id;
    let job = gitlab.job_named(pipeline, "deploy_production");
    (job, gitlab.job(job).status)
}

/// Rita asks for staging, and the deploy job is started.
async fn deploying(world: &World) -> (NoteId, JobId) {
    deploying_release(world, TAG).await
}

async fn deploying_release(world: &World, release: &str) -> (NoteId, JobId) {
    let asked = world.says_as(world.rita, &format!("/countersign promote staging {release}"));
    until("the job is started", || (deploy_job_of(world, release).1 == CiStatus::Pending).then_some(())).await;
    (asked, deploy_job_of(world, release).0)
}

/// How often something was asked of GitLab by the bot.
fn asked_of_gitlab(world: &World, method: &str, end: &str) -> usize {
    world.asked().iter().filter(|request| request.method == method && request.path.ends_with(end)).count()
}

#[tokio::test]
async fn a_deploy_job_gets_the_digest_and_its_end_ends_the_promotion() {
    let (world, digest) = released(setup_with(PLAYS, PRODUCTION)).await;
    let (asked, job) = deploying(&world).await;
    let given = format!("{:?}", world.gitlab.world().job(job).given);
    assert!(given.contains("IMAGE") && given.contains(&format!("{}/{IMAGE}@{digest}", world.registry.host())), "{given}");
    world.gitlab.world().run_job(job, None);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(open(&world).await.len(), 1, "it waits for the job");
    world.gitlab.world().finish_job(job, JobEnd::success());
    closes(&world, asked, "white_check_mark").await;
    world.replied(asked, "now runs").await;
    world.settled().await;
    assert_eq!(asked_of_gitlab(&world, "POST", "/play"), 1);
}

#[tokio::test]
async fn the_end_of_a_deploy_job_wakes_its_promotion_at_once() {
    let (world, _) = released(setup_with(PLAYS, PRODUCTION).patient()).await;
    let (asked, job) = deploying(&world).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    world.gitlab.world().finish_job(job, JobEnd::success());
    closes(&world, asked, "white_check_mark").await;
}

#[tokio::test]
async fn a_deploy_job_that_fails_is_told_as_not_converged() {
    let (world, _) = released(setup_with(PLAYS, PRODUCTION)).await;
    let (asked, job) = deploying(&world).await;
    world.gitlab.world().finish_job(job, JobEnd::failed());
    closes(&world, asked, "x").await;
    world.settled().await;
    let told = world.replies(asked).pop().unwrap().to_lowercase();
    assert!(told.contains("not converged"), "{told}");
    assert!(open(&world).await.is_empty());
    refused(&world, world.rita, "/countersign promote production v1.8.2", "CS-").await;
}

/// The tag was moved by the bot, and its thread says that it did not arrive: nobody else is to be looked for.
#[tokio::test]
async fn what_a_promotion_that_did_not_converge_left_is_no_drift() {
    let retags_and_plays = PLAYS.replace("[{", "[{ action = \"retag\", tag = \"staging\" }, {");
    let (world, _) = released(setup_with(&retags_and_plays, PRODUCTION).rechecks()).await;
    let (arrived, job) = deploying(&world).await;
    world.gitlab.world().finish_job(job, JobEnd::success());
    closes(&world, arrived, "white_check_mark").await;
    let commit = world.gitlab.world().push_commit(world.project, "main", world.rita, "Faster");
    let second = stories::release_on(&world, "v1.9.0", &commit).await;
    let (failed, job) = deploying_release(&world, "v1.9.0").await;
    world.gitlab.world().finish_job(job, JobEnd::failed());
    closes(&world, failed, "x").await;
    world.settled().await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(second));
    assert!(!world.replies(arrived).iter().any(|reply| reply.contains("CS-DRIFT")), "{:#?}", world.replies(arrived));
    // Somebody else's hand is told still.
    world.registry.push_image(IMAGE, "staging", "somebody else's");
    world.replied(arrived, "CS-DRIFT").await;
}

/// As GitLab makes the manual jobs of `rules:`.
#[tokio::test]
async fn a_deploy_job_that_may_not_fail_and_failed_can_be_tried_again() {
    let world = setup_with(PLAYS, PRODUCTION).start().await;
    let project = world.project;
    let by_rule = |job: &mut countersign::sandbox::gitlab::state::JobSpec| job.allow_failure &= !job.manual;
    world.gitlab.world().project_mut(project).ci.iter_mut().for_each(by_rule);
    let (_, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.settled().await;
    let (asked, failed) = deploying(&world).await;
    assert!(!world.gitlab.world().job(failed).spec.allow_failure);
    world.gitlab.world().finish_job(failed, JobEnd::failed());
    closes(&world, asked, "x").await;
    world.settled().await;
    let (asked, again) = deploying(&world).await;
    assert_ne!(again, failed);
    world.gitlab.world().finish_job(again, JobEnd::success());
    closes(&world, asked, "white_check_mark").await;
    assert!(world.replied(asked, "now runs").await.contains(&digest.short()));
}

#[tokio::test]
async fn a_job_that_cannot_be_played_stops_the_promotion() {
    let none = PLAYS.replace("deploy_production", "deploy_nowhere");
    let (world, _) = released(setup_with(&none, PRODUCTION)).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    stopped(&world, asked, "CS-STEP").await;
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn a_job_whose_start_was_not_answered_is_not_started_again() {
    let (world, _) = released(setup_with(PLAYS, PRODUCTION)).await;
    world.gitlab.add_fault(FaultRule {
        method: "POST".into(),
        path: "/projects/*/jobs/*/play".into(),
        fault: Ill::Unanswered,
        times: Some(1),
    });
    let (asked, job) = deploying(&world).await;
    world.gitlab.world().finish_job(job, JobEnd::success());
    closes(&world, asked, "white_check_mark").await;
    world.settled().await;
    assert_eq!(asked_of_gitlab(&world, "POST", "/play"), 1);
}

/// Two steps, the second one at GitLab.
const RETAGS_AND_RECORDS: &str = "actions = [{ action = \"retag\", tag = \"staging\" }, { action = \"deployment\" }]";

#[tokio::test]
async fn gitlab_down_after_the_retag_resumes_and_does_nothing_twice() {
    let (world, digest) = released(setup_with(RETAGS_AND_RECORDS, PRODUCTION)).await;
    let deployments = |fault, times| FaultRule { method: "POST".into(), path: "/projects/*/deployments".into(), fault, times: Some(times) };
    world.gitlab.add_fault(deployments(Ill::Status(502), 2));
    world.gitlab.add_fault(deployments(Ill::Unanswered, 1));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "white_check_mark").await;
    world.settled().await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(puts(&world, "staging"), 1);
    let gitlab = world.gitlab.world();
    assert_eq!(gitlab.project(world.project).deployments.len(), 1, "one deployment is recorded");
}

#[tokio::test]
async fn a_switch_that_is_thrown_between_two_steps_stops_the_second() {
    let setup = setup_with(RETAGS_AND_RECORDS, PRODUCTION).toml("[store]", "[promotion]\nhalt_file = \"halt\"\n\n[store]");
    let (world, digest) = released(setup).await;
    world.gitlab.fault("POST", "/projects/*/deployments", Ill::Status(502));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    until("the first step", || (world.registry.tagged(IMAGE, "staging") == Some(digest)).then_some(())).await;
    std::fs::write(world.bot_toml().with_file_name("halt"), "Stop.").unwrap();
    stopped(&world, asked, "CS-HALTED").await;
    world.gitlab.heal();
    world.settled().await;
    assert!(world.gitlab.world().project(world.project).deployments.is_empty());
}

#[tokio::test]
async fn a_tag_that_is_moved_between_two_steps_stops_the_second() {
    let (world, digest) = released(setup_with(RETAGS_AND_RECORDS, PRODUCTION)).await;
    // Moved while the first step is done.
    world.registry.fault_times(1, "PUT /v2/*/manifests/staging", Fault::Slow(std::time::Duration::from_secs(2)));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    until("the first step is begun", || (puts(&world, "staging") == 1).then_some(())).await;
    world.move_tag(TAG);
    stopped(&world, asked, "CS-").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest), "what was done stays done");
    assert!(world.gitlab.world().project(world.project).deployments.is_empty());
}

#[tokio::test]
async fn a_halt_switch_stops_everything_and_frees_the_environment() {
    let (world, _) = released(setup_with(SECOND, PRODUCTION).toml("[store]", "[promotion]\nhalt_file = \"halt\"\n\n[store]")).await;
    let halt = world.bot_toml().with_file_name("halt");
    std::fs::write(&halt, "The database is being moved.\n").unwrap();
    let reply = refused(&world, world.rita, "/countersign promote staging v1.8.2", "CS-HALTED").await;
    assert!(reply.contains("The database is being moved."), "{reply}");
    std::fs::remove_file(&halt).unwrap();
    // Accepted, and then halted before its first step.
    let mara = maintainer(&world, "mara");
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    world.settled().await;
    std::fs::write(&halt, "").unwrap();
    who::stops(&world, asked, mara, "CS-HALTED").await;
}

#[tokio::test]
async fn nothing_is_promoted_in_a_freeze() {
    let frozen = "freeze = [{ from = 2020-01-01, until = 2099-01-01, reason = \"Nobody is here.\" }]\n";
    let staging = format!("{frozen}actions = [{{ action = \"retag\", tag = \"staging\" }}]");
    let (world, _) = released(setup_with(&staging, PRODUCTION)).await;
    let reply = refused(&world, world.rita, "/countersign promote staging v1.8.2", "CS-FROZEN").await;
    assert!(reply.contains("Nobody is here."), "{reply}");
}
