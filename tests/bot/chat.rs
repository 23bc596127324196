//! What people may ask, what they get, and who gets nothing.

use std::time::Duration;

use countersign::model::gitlab::{GitRef, NoteId, UserId};
use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::gitlab::state::{JobEnd, Level, MergeRequestKey, NewNote, RunsOn, Visibility};
use countersign::sandbox::shop::{IMAGE, WEBHOOK_TOKEN};
use jiff::SignedDuration;

use super::*;

/// A world with a release that passed.
async fn released() -> World {
    let world = World::start(Signing::Keyless).await;
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.settled().await;
    world
}

/// Asks, and compares the start of the answer and the closing reaction; `eyes` come first.
async fn check(world: &World, ask: &str, starts: &str, closes: &str) -> String {
    let (reply, reactions) = world.answer(ask).await;
    assert!(reply.starts_with(starts), "{ask}: {reply}");
    assert_eq!(reactions, ["eyes", closes], "{ask}");
    reply
}

#[tokio::test]
async fn a_release_is_answered_by_tag_by_merge_request_and_by_digest() {
    let world = released().await;
    let digest = world.registry.tagged(IMAGE, TAG).unwrap();
    for ask in ["/verify", "/verify v1.8.2", "/countersign verify", "@countersign verify v1.8.2", &format!("/verify {digest}")] {
        let reply = check(&world, ask, "**Image verified", "white_check_mark").await;
        assert!(reply.contains(&digest.short()) && reply.contains("v1.8.2"), "{ask}: {reply}");
    }
    let unknown = countersign::model::Digest::of(b"nobody's");
    check(&world, &format!("/verify {unknown}"), "None of this project's image repositories holds", "x").await;
    check(&world, "/verify v9.9.9", "**Blocked: ", "x").await;
    check(&world, "/verify nonsense", "This project has no release tag and no environment", "x").await;
    check(&world, "/verify sha256:4be1", "That does not fit", "x").await;
    check(&world, "/verify v1 v2", "That does not fit", "x").await;
    let reply = check(&world, "/countersign verfiy", "There is no command", "x").await;
    assert!(reply.contains("verify"), "the nearest word is told: {reply}");
    let reply = check(&world, "@countersign help", "Countersign checks that a release image", "white_check_mark").await;
    assert!(reply.contains("`@countersign verify") && reply.contains("`/countersign verify"), "{reply}");
    // One note, several commands: one reply; the sternest reaction.
    let reply = check(&world, "/verify v1.8.2\n\nand\n\n/verify v9.9.9", "**Image verified", "x").await;
    assert!(reply.contains("\n\n---\n\n**Blocked: "), "{reply}");
    assert_eq!(world.bot_notes().len(), 1, "answers are replies: the only note of its own is the sticky one");
}

#[tokio::test]
async fn an_environment_is_answered_with_what_was_deployed_there() {
    let world = released().await;
    check(&world, "/verify production", "Nothing was deployed to", "x").await;
    {
        let mut gitlab = world.gitlab.world();
        let deployment = gitlab.deploy(world.project, "production", &GitRef::Tag(TAG.into()), world.rita);
        gitlab.set_deployment(world.project, deployment, "success");
    }
    let reply = check(&world, "/verify production", "**Image verified", "white_check_mark").await;
    assert!(reply.contains("v1.8.2"), "{reply}");
}

/// An open merge request whose branch is protected and whose pipeline built and signed an image, named by its commit.
fn open_merge_request(world: &World) -> (MergeRequestKey, countersign::model::Digest) {
    let (key, pipeline, job, sha) = {
        let mut gitlab = world.gitlab.world();
        let held = gitlab.project_mut(world.project);
        held.ci.iter_mut().filter(|job| job.name == "release_image").for_each(|job| job.runs_on = RunsOn::Both);
        gitlab.protect_branches(world.project, "feature", Level::Developer);
        let sha = gitlab.push_commit(world.project, "feature", world.dana, "A feature");
        let key = gitlab.open_merge_request(world.project, "feature", world.dana, "A feature");
        let pipeline = gitlab.head_pipeline(key).unwrap();
        let test = gitlab.job_named(pipeline, "test");
        gitlab.finish_job(test, JobEnd::success());
        (key, pipeline, gitlab.job_named(pipeline, "release_image"), sha)
    };
    let digest = world.registry.push_image(IMAGE, sha.short(), "a feature");
    world.sign(digest, job, "").unwrap();
    world.finish(pipeline, Some(digest));
    (key, digest)
}

#[tokio::test]
async fn an_open_merge_request_is_answered_with_the_image_of_its_head_pipeline() {
    let world = World::start(Signing::BundleKey).await;
    let (key, digest) = open_merge_request(&world);
    let asked = world.gitlab.world().comment(key, world.dana, "/verify").unwrap();
    let reply = until("a reply", || reply_in(&world, key, asked)).await;
    assert!(reply.starts_with("**Image verified") && reply.contains(&digest.short()), "{reply}");

    let bare = {
        let mut gitlab = world.gitlab.world();
        gitlab.project_mut(world.project).ci.clear();
        gitlab.push_commit(world.project, "bare", world.dana, "No pipeline");
        gitlab.open_merge_request(world.project, "bare", world.dana, "No pipeline")
    };
    let asked = world.gitlab.world().comment(bare, world.dana, "/verify").unwrap();
    let reply = until("a reply", || reply_in(&world, bare, asked)).await;
    assert!(reply.starts_with("This merge request has no pipeline yet"), "{reply}");
}

#[tokio::test]
async fn a_merged_merge_request_without_a_release_is_told_so() {
    let world = World::start(Signing::Keyless).await;
    check(&world, "/verify", "No release contains this merge request yet", "x").await;
}

fn reply_in(world: &World, key: MergeRequestKey, asked: NoteId) -> Option<String> {
    let gitlab = world.gitlab.world();
    let (discussion, _) = gitlab.merge_request(key).note(asked)?;
    discussion.notes.iter().find(|note| note.author == world.bot).map(|note| note.body.clone())
}

#[tokio::test]
async fn eyes_come_within_a_second_and_before_anything_is_looked_up_also_while_a_release_waits() {
    let world = released().await;
    // A release that is being checked waits for the registry.
    world.registry.fault("* /v2/*", countersign::sandbox::registry::Fault::Slow(Duration::from_millis(1500)));
    world.gitlab.world().update_release(world.project, TAG, None, Some("Edited.\n"));
    until("the release check waits", || world.registry.requests().last().map(drop)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (from, began) = (world.registry.requests().len(), std::time::Instant::now());
    let asked = world.says("/verify");
    until("eyes", || world.reactions(asked).contains(&"eyes".into()).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(1), "eyes after {:?}", began.elapsed());
    let all = world.asked();
    let eyes = all.iter().position(|r| r.path.contains(&format!("/notes/{asked}/award_emoji"))).unwrap();
    let note = all.iter().position(|r| r.path.ends_with(&format!("/notes/{asked}"))).unwrap();
    let between: Vec<_> = all[note..eyes].iter().filter(|r| r.path.contains("/repository/") || r.path.contains("/pipelines/")).collect();
    assert!(between.len() <= 2, "only the other work looks meanwhile: {between:#?}");
    world.registry.heal();
    until("the reply", || world.reply_to(asked)).await;
    assert!(world.registry.requests().len() > from);
}

/// Nothing comes of a note: no reaction, no reply.
async fn nothing(world: &World, notes: &[NoteId]) {
    // A command that is given after them is answered, so they were read.
    check(world, "/countersign help", "Countersign checks", "white_check_mark").await;
    world.settled().await;
    for note in notes {
        assert_eq!((world.reply_to(*note), world.reactions(*note)), (None, vec![]), "note {note}");
    }
}

#[tokio::test]
async fn words_in_code_quotes_lists_and_html_are_no_commands() {
    let world = World::start(Signing::Keyless).await;
    let notes = [
        "```\n/verify\n```",
        "    /verify",
        "> /verify",
        "- /verify",
        "<div>\n/verify\n</div>",
        "`/verify`",
        "please /verify this",
        "/verifying is good",
        "~~~\n@countersign verify\n~~~",
        "| a |\n|---|\n| /verify |",
        "<!--\n/verify\n-->",
        "@countersign2 verify",
    ]
    .map(|body| world.says(body));
    nothing(&world, &notes).await;
}

#[tokio::test]
async fn edited_system_own_deleted_and_old_notes_are_no_commands() {
    let mut world = World::start(Signing::Keyless).await;
    // Everything is written while the bot is down, so that it finds it only afterwards.
    world.down().await;
    let (key, dana, bot) = (world.merge_request, world.dana, world.bot);
    let notes = {
        let mut gitlab = world.gitlab.world();
        gitlab.clock.advance(SignedDuration::from_mins(-16));
        let old = gitlab.comment(key, dana, "/verify").unwrap();
        gitlab.clock.advance(SignedDuration::from_mins(12));
        let edited = gitlab.comment(key, dana, "hello").unwrap();
        let system = gitlab.system_note(key, dana, "/verify");
        gitlab.clock.advance(SignedDuration::from_mins(4));
        gitlab.edit_note(key, edited, world.rita, "/verify").unwrap();
        let own = gitlab.comment(key, bot, "/verify").unwrap();
        let deleted = gitlab.comment(key, dana, "/verify").unwrap();
        gitlab.delete_note(key, deleted);
        [old, edited, system, own, deleted]
    };
    world.up().await;
    world.redeliver().await;
    for note in notes {
        let body = serde_json::json!({
            "object_kind": "note", "project": {"id": world.project.0, "path_with_namespace": "shop/api"},
            "object_attributes": {"id": note.0, "noteable_type": "MergeRequest"}, "merge_request": {"iid": key.iid.0},
        });
        assert!((200..300).contains(&world.deliver(WEBHOOK_TOKEN, &body).await));
    }
    nothing(&world, &notes).await;
}

#[tokio::test]
async fn a_replayed_hook_is_answered_once() {
    let mut world = World::start(Signing::Keyless).await;
    check(&world, "/countersign help", "Countersign checks", "white_check_mark").await;
    world.settled().await;
    let from = world.asked().len();
    world.redeliver().await;
    world.settled().await;
    world.restart().await;
    world.redeliver().await;
    world.settled().await;
    assert_eq!(world.writes_since(from), Vec::<String>::new());
}

#[tokio::test]
async fn an_edit_after_the_eyes_is_no_command_but_our_own_reaction_is_no_edit() {
    let world = World::start(Signing::Keyless).await;
    world.gitlab.fault("POST", "/projects/*/discussions/*/notes", Fault::Status(500));
    let (first, second) = (world.says("/countersign help"), world.says("/countersign help"));
    for note in [first, second] {
        until("both are seen", || world.reactions(note).contains(&"eyes".into()).then_some(())).await;
    }
    // GitLab counts a reaction as an update: the note looks edited from now on.
    world.gitlab.world().edit_note(world.merge_request, second, world.rita, "/verify v1.8.2").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.gitlab.heal();
    until("the reply to the first", || world.reply_to(first)).await;
    world.settled().await;
    assert_eq!(world.reply_to(second), None, "somebody put other words into Dana's mouth");
}

#[tokio::test]
async fn guests_strangers_and_machines_get_a_reaction_and_no_words() {
    let world = released().await;
    let asks: Vec<(UserId, &str)> = {
        let mut gitlab = world.gitlab.world();
        gitlab.project_mut(world.project).visibility = Visibility::Public;
        let (guest, stranger, reporter) = (gitlab.add_user("gwen"), gitlab.add_user("stranger"), gitlab.add_user("rosa"));
        gitlab.add_member(world.project, guest, Level::Guest);
        gitlab.add_member(world.project, reporter, Level::Reporter);
        gitlab.fork(world.project, stranger);
        let (machine, _) = gitlab.add_bot(world.project, "renovate", Level::Maintainer);
        vec![(guest, "x"), (stranger, "x"), (machine, "x"), (reporter, "white_check_mark")]
    };
    for (who, closing) in asks {
        let asked = world.gitlab.world().comment(world.merge_request, who, "/verify").unwrap();
        until("a closing reaction", || world.reactions(asked).contains(&closing.to_owned()).then_some(())).await;
        world.settled().await;
        assert_eq!(world.reactions(asked), ["eyes", closing]);
        assert_eq!(world.reply_to(asked).is_some(), closing != "x", "{who}");
    }
}

#[tokio::test]
async fn an_internal_note_is_answered_in_its_own_thread() {
    let world = released().await;
    let new = NewNote { body: "/verify".into(), internal: true, ..NewNote::default() };
    let noted = world.gitlab.world().add_note(world.merge_request, world.dana, new).unwrap();
    let countersign::sandbox::gitlab::state::Noted::Stored(asked) = noted else { panic!("{noted:?}") };
    until("the reply", || world.reply_to(asked)).await;
    let gitlab = world.gitlab.world();
    let (discussion, _) = gitlab.merge_request(world.merge_request).note(asked).unwrap();
    assert!(discussion.notes.iter().all(|note| note.internal), "what was asked in confidence is answered in confidence");
}
