//! What no hook told.

use countersign::model::gitlab::CommitSha;

use super::*;

#[tokio::test]
async fn a_section_waits_for_its_release() {
    let world = World::start(Signing::Keyless).await;
    let (_, digest) = world.release(TAG).unwrap();
    world.status_is(TAG, "success").await;
    world.settled().await;
    assert_eq!(world.release_text(TAG), None);
    world.publish(TAG);
    world.section_says(TAG, &digest.to_string()).await;
}

#[tokio::test]
async fn a_release_made_later_is_found_although_its_hook_was_lost() {
    // No release is looked at again for its own sake: it is the open section that brings it back.
    let world = Setup::new(Signing::Keyless).polls().start().await;
    let (_, digest) = world.release(TAG).unwrap();
    world.status_is(TAG, "success").await;
    // The one recheck of this hour is over, and the pipeline is no news any more.
    world.settled().await;
    world.gitlab.world().switches.loses_hooks = true;
    world.publish(TAG);
    world.section_says(TAG, &digest.to_string()).await;
    world.settled().await;
    let from = world.asked().len();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    world.settled().await;
    assert_eq!(world.writes_since(from), Vec::<String>::new());
}

#[tokio::test]
async fn without_any_hook_tag_pipeline_and_note_are_found() {
    let world = Setup::new(Signing::BundleKey).polls().without_hooks().start().await;
    let (pipeline, job) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    world.sign(digest, job, TAG).unwrap();
    let before = world.metric("countersign_catch_up_finds_total").await;
    world.settled().await;
    world.finish(pipeline, Some(digest));
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.section_says(TAG, &digest.to_string()).await;
    world.sticky_says(&digest.to_string()).await;
    let (reply, reactions) = world.answer("/verify").await;
    assert!(reply.contains("Image verified") && reactions.contains(&"white_check_mark".to_owned()), "{reply}");
    assert!(world.metric("countersign_catch_up_finds_total").await > before);
    assert_eq!(world.metric("countersign_hints_total{object=\"pipeline\",origin=\"hook\"}").await, 0);
}

#[tokio::test]
async fn all_tags_of_a_push_without_hooks_are_judged() {
    let world = Setup::new(Signing::LegacyKey).polls().start().await;
    let commit: CommitSha = world.commit.clone();
    let tags = ["v2.0.1", "v2.0.2", "v2.0.3", "v2.0.4", "v2.0.5"];
    {
        let mut gitlab = world.gitlab.world();
        gitlab.switches.loses_hooks = true;
        let pipelines = gitlab.push_tags(world.project, &tags.map(|tag| (tag, commit.clone())), world.rita);
        assert!(pipelines.len() < tags.len(), "GitLab makes no pipeline for the last ones either");
        pipelines.into_iter().for_each(|pipeline| gitlab.pass_pipeline(pipeline));
    }
    for tag in tags {
        world.publish(tag);
        world.section_says(tag, "countersign:release:end").await;
    }
}
