//! Doing it twice is doing it once; and what the bot writes does not come back to it as work.

use countersign::model::gitlab::CiStatus;
use countersign::sandbox::gitlab::state::JobEnd;

use super::*;

/// A release whose people wrote with Windows line ends, and after our section too.
const PEOPLE: &str = "First line\r\n\r\n* a list\r\n\r\n<!-- countersign:release:start -->\r\nold words\r\n<!-- countersign:release:end -->\r\n\r\nThanks to all.\r\n  ";

#[tokio::test]
async fn everything_delivered_again_writes_nothing() {
    let mut world = Setup::new(Signing::Keyless).rechecks().start().await;
    let (_, digest) = world.release(TAG).unwrap();
    world.gitlab.world().create_release(world.project, TAG, world.rita, PEOPLE);
    let section = world.section_says(TAG, &digest.to_string()).await;
    let (before, after) = PEOPLE.split_once("<!-- countersign:release:start -->\r\nold words\r\n<!-- countersign:release:end -->").unwrap();
    assert!(section.starts_with(before) && section.ends_with(after), "what people wrote stays byte for byte: {section:?}");
    world.status_is(TAG, "success").await;
    let (reply, _) = world.answer("/verify").await;
    assert!(reply.contains("Image verified"), "{reply}");
    world.settled().await;
    let note = world.sticky().unwrap();

    let (from, records) = (world.asked().len(), world.records().await);
    assert!(world.redeliver().await > 10);
    world.settled().await;
    let polls = world.metric("countersign_catch_up_finds_total").await;
    world.restart().await;
    let tags = || world.asked()[from..].iter().filter(|r| r.path.contains("/repository/tags?")).count();
    until("three more polls", || (tags() > 3).then_some(())).await;
    world.settled().await;
    assert!(polls > 0, "the poll looked at the release again");
    assert_eq!(world.writes_since(from), Vec::<String>::new());
    assert_eq!(world.records().await, records, "what stands already is no news for the ledger");
    assert_eq!((world.release_text(TAG).unwrap(), world.sticky().unwrap()), (section, note));
}

#[tokio::test]
async fn a_failed_status_and_the_hooks_of_our_own_writes_make_no_endless_work() {
    let world = World::start(Signing::Nothing).await;
    let (pipeline, _) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "failed").await;
    world.section_says(TAG, "CS-SIG-MISSING").await;
    world.settled().await;
    assert_eq!(world.gitlab.world().pipeline(pipeline).status, CiStatus::Failed, "our status made the pipeline red");
    let (verdicts, writes) = (world.metric("countersign_verdicts_total{outcome=\"blocked\"}").await, world.writes_since(0));
    // One status, one note, one section. A section that was written and hooks that told of it bring no second one.
    assert_eq!(writes.len(), 3, "{writes:#?}");
    // Every hook of a release is a look; a loop would have made hundreds.
    assert!((1..25).contains(&verdicts), "{verdicts} verdicts");
    let from = world.asked().len();
    world.redeliver().await;
    world.settled().await;
    assert_eq!(world.writes_since(from), Vec::<String>::new());
}

#[tokio::test]
async fn a_blocked_release_that_is_mended_passes_although_our_status_made_its_pipeline_red() {
    let world = World::start(Signing::Nothing).await;
    let (pipeline, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "failed").await;
    world.sticky_says("CS-SIG-MISSING").await;
    world.settled().await;
    assert_eq!(world.gitlab.world().pipeline(pipeline).status, CiStatus::Failed);

    world.sign_legacy(&world.release_key, digest).unwrap();
    {
        let mut gitlab = world.gitlab.world();
        let job = gitlab.job_named(pipeline, "release_image");
        let retried = gitlab.retry_job(job, world.rita);
        gitlab.finish_job(retried, JobEnd::success().artifact("image-digest.txt", format!("{digest}\n")));
    }
    world.status_is(TAG, "success").await;
    world.sticky_says("### Image verified").await;
    let section = world.section_says(TAG, &format!("{}\n", world.pinned(digest))).await;
    assert!(!section.contains("CS-SIG-MISSING"), "{section}");
    world.settled().await;
    assert_eq!(world.gitlab.world().pipeline(pipeline).status, CiStatus::Success);
}

#[tokio::test]
async fn a_section_that_a_person_damages_is_put_back_by_the_next_look() {
    let world = Setup::new(Signing::BundleKey).rechecks().start().await;
    let (_, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.section_says(TAG, &digest.to_string()).await;
    world.settled().await;
    world.gitlab.world().switches.loses_hooks = true;
    world.gitlab.world().update_release(world.project, TAG, None, Some("Only my words.\r\n"));
    let section = world.section_says(TAG, &digest.to_string()).await;
    assert!(section.starts_with("Only my words.\r\n"), "{section:?}");
}
