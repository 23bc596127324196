//! Who may promote, whose words count, and who gets nothing.

use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::gitlab::state::{Level, MergeRequestKey, NewNote};

use super::*;

#[tokio::test]
async fn a_developer_may_not_promote_where_a_maintainer_must() {
    let (world, _) = released(setup()).await;
    staged(&world).await;
    let reply = refused(&world, world.dana, "/countersign promote production v1.8.2", "CS-RIGHTS").await;
    assert!(reply.contains("Maintainer"), "who may is said: {reply}");
}

#[tokio::test]
async fn rights_that_cannot_be_read_are_no_rights() {
    let (world, _) = released(setup()).await;
    world.gitlab.fault("GET", "/projects/*/protected_environments/*", Fault::Status(403));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    world.replied(asked, "CS-UNAVAILABLE").await;
    closes(&world, asked, "x").await;
    world.settled().await;
    assert_eq!(puts(&world, "staging"), 0);
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn strangers_forks_code_and_the_bot_itself_promote_nothing() {
    let (world, _) = released(setup()).await;
    let ask = "/countersign promote staging v1.8.2";
    // In code, in a quote, and by the bot: no command.
    let code = world.says_as(world.rita, &format!("Like this:\n\n```\n{ask}\n```\n\n> {ask}\n\nand `{ask}`"));
    let own = world.says_as(world.bot, ask);
    // The author of a fork's merge request, who is no member: a reaction, and no word.
    let (fork, stranger) = {
        let mut gitlab = world.gitlab.world();
        let stranger = gitlab.add_user("stranger");
        let key = gitlab.open_merge_request(world.project, "retry-payments", stranger, "From a fork");
        let new = NewNote { body: ask.into(), ..NewNote::default() };
        gitlab.add_note(key, stranger, new).unwrap();
        (key, stranger)
    };
    let reacted = |key: MergeRequestKey| {
        let gitlab = world.gitlab.world();
        let notes = gitlab.merge_request(key).notes();
        notes.flat_map(|(_, note)| note.emojis.iter()).any(|emoji| emoji.by == world.bot && emoji.name == "x")
    };
    until("a cross on the stranger's command", || reacted(fork).then_some(())).await;
    world.settled().await;
    {
        let gitlab = world.gitlab.world();
        let said = gitlab.merge_request(fork).notes().filter(|(_, note)| note.author != stranger && !note.system).count();
        assert_eq!(said, 0, "a stranger gets no words");
    }
    assert!(world.reactions(code).is_empty() && world.reactions(own).is_empty());
    assert_eq!(puts(&world, "staging"), 0);
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn an_approval_must_come_from_somebody_else_who_may_deploy() {
    let (world, digest, asked, mara) = waiting().await;
    let own = world.answers_as(world.rita, asked, "/countersign approve");
    closes(&world, own, "x").await;
    world.replied(asked, "Not approved").await;
    let developer = world.answers_as(world.dana, asked, "/countersign approve");
    closes(&world, developer, "x").await;
    // A reaction is no approval, nor is one in another thread.
    world.gitlab.world().react(world.merge_request, asked, mara, "thumbsup").unwrap();
    let elsewhere = world.says_as(mara, "/countersign approve");
    closes(&world, elsewhere, "x").await;
    world.settled().await;
    assert_eq!(puts(&world, "staging"), 0);
    let yes = world.answers_as(mara, asked, "/countersign approve");
    closes(&world, yes, "white_check_mark").await;
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(puts(&world, "staging"), 1);
}

#[tokio::test]
async fn a_requester_who_lost_the_right_before_the_effect_promotes_nothing() {
    let (world, _, asked, mara) = waiting().await;
    world.gitlab.world().add_member(world.project, world.rita, Level::Developer);
    stops(&world, asked, mara, "CS-RIGHTS").await;
}

#[tokio::test]
async fn an_approver_who_left_does_not_count() {
    let (world, _, asked, mara) = waiting().await;
    // GitLab does not say who may while the approval is taken; then the approver is gone.
    world.gitlab.world().block(mara);
    let yes = world.answers_as(mara, asked, "/countersign approve");
    closes(&world, yes, "x").await;
    world.settled().await;
    assert_eq!(puts(&world, "staging"), 0);
    assert_eq!(open(&world).await.len(), 1, "it still waits");
}

/// Mara approves, and it stops before anything was done.
pub async fn stops(world: &World, asked: NoteId, mara: UserId, code: &str) {
    world.answers_as(mara, asked, "/countersign approve");
    stopped(world, asked, code).await;
    assert_eq!(puts(world, "staging"), 0);
}
