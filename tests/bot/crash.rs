//! Whatever ends in the middle of a write ends in "done once".

use std::time::Duration;

use countersign::sandbox::gitlab::{Fault, FaultRule};
use futures_util::StreamExt as _;

use super::process::Process;
use super::*;

/// The double stores what it is sent, and the connection breaks before it says so.
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_written_twice() {
    let places = [
        ("POST", "/projects/*/merge_requests/*/notes"),
        ("PUT", "/projects/*/merge_requests/*/notes/*"),
        ("PUT", "/projects/*/releases/*"),
        ("POST", "/projects/*/statuses/*"),
        ("POST", "/projects/*/merge_requests/*/discussions/*/notes"),
        ("POST", "/projects/*/merge_requests/*/notes/*/award_emoji"),
    ];
    let mut world = Setup::new(Signing::Keyless).start().await;
    for (method, path) in places {
        for times in [Some(1), Some(2)] {
            world.gitlab.add_fault(FaultRule { method: method.into(), path: path.into(), fault: Fault::Unanswered, times });
        }
    }
    let (_, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    let asked = world.says("/verify v1.8.2");
    once(&world, digest, asked).await;
    world.restart().await;
    once(&world, digest, asked).await;
}

/// In the end there is one sticky note, one reply, one of each reaction, one section, and a status that says success.
async fn once(world: &World, digest: countersign::model::Digest, asked: countersign::model::gitlab::NoteId) {
    world.status_is(TAG, "success").await;
    let section = world.section_says(TAG, &digest.to_string()).await;
    assert_eq!(section.matches("countersign:release:start").count(), 1, "{section}");
    assert!(section.starts_with("What is new in v1.8.2:"), "{section}");
    world.sticky_says("### Image verified").await;
    until("the reply", || world.reply_to(asked)).await;
    let closed = || world.reactions(asked).iter().any(|name| ["white_check_mark", "x"].contains(&name.as_str()));
    until("the closing reaction", || closed().then_some(())).await;
    let gitlab = world.gitlab.world();
    let notes: Vec<_> = gitlab.merge_request(world.merge_request).notes().filter(|(_, note)| note.author == world.bot).collect();
    assert_eq!(notes.len(), 2, "a sticky note and a reply: {notes:#?}");
    let pipeline = gitlab.pipelines.values().rev().find(|held| held.tag()).unwrap();
    assert_eq!(pipeline.statuses.iter().filter(|status| !status.retried).count(), 1, "{:#?}", pipeline.statuses);
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_moment_leaves_everything_done_once() {
    let rounds = futures_util::stream::iter(0..10_u64).map(|round| async move {
        let (mut world, process) = Process::in_world(Setup::new(Signing::Keyless)).await;
        let (_, digest) = world.release(TAG).unwrap();
        world.publish(TAG);
        let asked = world.says("/verify v1.8.2");
        // From before the first look to after the last write.
        tokio::time::sleep(Duration::from_millis(15 + 60 * round)).await;
        process.kill();
        let written = world.writes_since(0).len();
        let process = Process::start(&world).await;
        world.hook_to(&process.address);
        once(&world, digest, asked).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        once(&world, digest, asked).await;
        process.kill();
        written
    });
    let mut written: Vec<usize> = rounds.buffer_unordered(3).collect().await;
    written.sort_unstable();
    println!("writes before the kill: {written:?}");
    written.dedup();
    assert!(written.len() > 2, "the kills came at different moments: {written:?}");
}
