//! Killed at any moment, a promotion ends in "done once".

use std::time::Duration;

use futures_util::StreamExt as _;

use super::super::process::Process;
use super::*;

const STEPS: &str = "role = \"developer\"\nactions = [{ action = \"retag\", tag = \"staging\" }, { action = \"deployment\" }, \
                     { action = \"play-job\", job = \"deploy_production\", variable = \"IMAGE\" }]";

/// Everything that one promotion does was done exactly once.
async fn once(world: &World, asked: NoteId, digest: Digest) {
    let play = || {
        let gitlab = world.gitlab.world();
        let job = gitlab.jobs.values().rfind(|job| job.spec.name == "deploy_production").unwrap();
        (job.user == world.bot && !job.status.ended()).then_some(job.id)
    };
    if !world.reactions(asked).iter().any(|name| name == "white_check_mark") {
        let job = until("the job is started", play).await;
        world.gitlab.world().finish_job(job, countersign::sandbox::gitlab::state::JobEnd::success());
    }
    closes(world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(puts(world, "staging"), 1, "one PUT");
    let plays = world.asked().iter().filter(|request| request.method == "POST" && request.path.ends_with("/play")).count();
    assert_eq!(plays, 1, "one play");
    let recorded = world.asked().iter().filter(|request| request.method == "POST" && request.path.ends_with("/deployments")).count();
    assert_eq!(recorded, 1, "one deployment");
    until("preview and end", || (world.replies(asked).len() == 2).then_some(())).await;
    assert!(world.replies(asked)[1].contains("now runs"), "{:#?}", world.replies(asked));
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_step_promotes_once() {
    let rounds = futures_util::stream::iter(0..12_u64).map(|round| async move {
        let (mut world, process) = Process::in_world(setup_with(STEPS, PRODUCTION)).await;
        let (_, digest) = world.release(TAG).unwrap();
        world.publish(TAG);
        world.status_is(TAG, "success").await;
        world.sticky_says("### Image verified").await;
        let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
        tokio::time::sleep(Duration::from_millis(30 + 90 * round)).await;
        process.kill();
        let written = world.writes_since(0).len() + puts(&world, "staging");
        let process = Process::start(&world).await;
        world.hook_to(&process.address);
        once(&world, asked, digest).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        once(&world, asked, digest).await;
        process.kill();
        written
    });
    let mut written: Vec<usize> = rounds.buffer_unordered(3).collect().await;
    written.sort_unstable();
    println!("writes before the kill: {written:?}");
    written.dedup();
    assert!(written.len() > 2, "the kills came at different moments: {written:?}");
}
