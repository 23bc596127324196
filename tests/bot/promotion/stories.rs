//! Preview, status, cancel, rollback, drift.

use countersign::model::EnvironmentName;
use countersign::model::gitlab::{CommitSha, GitRef};
use countersign::model::promotion::{PromotionEvent, PromotionId};
use countersign::sandbox::authority::{Claims, GitlabJob};

use super::*;

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (world, digest) = released(setup()).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2 --dry-run");
    closes(&world, asked, "white_check_mark").await;
    let reply = world.replied(asked, &digest.short()).await;
    assert!(reply.contains("staging"), "{reply}");
    let asked = world.says_as(world.rita, "/countersign promote production --dry-run");
    closes(&world, asked, "x").await;
    world.replied(asked, "CS-NOT-STAGED").await;
    world.settled().await;
    assert_eq!(world.registry.count("PUT /v2/*"), 0);
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn without_a_target_the_release_of_this_merge_request_is_meant() {
    let (world, digest) = released(setup()).await;
    let asked = world.says_as(world.rita, "@countersign promote staging");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    let asked = world.says_as(world.rita, "/countersign promote nowhere");
    closes(&world, asked, "x").await;
    world.replied(asked, "production").await;
    let asked = world.says_as(world.rita, "/countersign status");
    closes(&world, asked, "white_check_mark").await;
    let status = world.replied(asked, "staging").await;
    assert!(status.contains("v1.8.2") && status.contains("production"), "{status}");
}

#[tokio::test]
async fn what_waits_can_be_cancelled_and_frees_the_environment() {
    let (world, digest, asked, mara) = waiting().await;
    let developer = world.answers_as(world.dana, asked, "/countersign cancel");
    closes(&world, developer, "x").await;
    assert_eq!(open(&world).await.len(), 1);
    let no = world.answers_as(world.rita, asked, "/countersign cancel");
    closes(&world, no, "white_check_mark").await;
    closes(&world, asked, "x").await;
    world.settled().await;
    let late = world.answers_as(mara, asked, "/countersign approve");
    closes(&world, late, "x").await;
    assert!(open(&world).await.is_empty());
    assert_eq!(puts(&world, "staging"), 0);
    // The environment is free.
    let again = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, again, "hourglass").await;
    world.answers_as(mara, again, "/countersign approve");
    closes(&world, again, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
}

#[tokio::test]
async fn an_approval_that_does_not_come_ends_the_promotion() {
    let (world, _) = released(setup_with(SECOND, PRODUCTION).polls()).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    // The same, asked for two hours ago, for production.
    let mut old = open(&world).await.remove(0).promotion;
    (old.id, old.asked_in.place) = (PromotionId("0123456789abcdef".into()), 1);
    old.environment.name = EnvironmentName("production".into());
    old.requested_at -= jiff::SignedDuration::from_hours(2);
    let ledger = &world.running().bot.ledger;
    ledger.open_promotion(&old, old.requested_at).await.unwrap();
    let told = world.replied(asked, "CS-EXPIRED").await;
    assert!(told.contains("production"), "{told}");
    let standing = ledger.promotion(&old.id).await.unwrap().unwrap();
    assert!(matches!(standing.ended, Some((Ending::Stopped { .. }, _))), "{:?}", standing.ended);
    assert_eq!(open(&world).await.len(), 1, "the young one still waits");
}

#[tokio::test]
async fn who_is_in_the_way_for_too_long_is_out_of_it() {
    let (world, digest) = released(setup_with(SECOND, PRODUCTION)).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    world.settled().await;
    let no = world.answers_as(world.rita, asked, "/countersign cancel");
    closes(&world, no, "white_check_mark").await;
    world.settled().await;
    let ledger = &world.running().bot.ledger;
    let mut old = ledger.promotions_in(&key(&world), world.merge_request.iid, 1).await.unwrap().remove(0).promotion;
    (old.id, old.asked_in.place) = (PromotionId("0123456789abcdef".into()), 1);
    old.requested_at -= jiff::SignedDuration::from_hours(2);
    ledger.open_promotion(&old, old.requested_at).await.unwrap();
    let mara = maintainer(&world, "mara");
    let asked = world.says_as(mara, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    world.answers_as(world.rita, asked, "/countersign approve");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
}

#[tokio::test]
async fn a_rollback_goes_to_what_was_there_before_and_is_verified_again() {
    let (world, first) = released(setup()).await;
    staged(&world).await;
    let asked = world.says_as(world.rita, "/countersign rollback staging");
    closes(&world, asked, "x").await;
    let commit = world.gitlab.world().push_commit(world.project, "main", world.rita, "Faster");
    let second = release_on(&world, "v1.9.0", &commit).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.9.0");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(second));
    let asked = world.says_as(world.rita, "/countersign rollback staging");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(first));
    let asked = world.says_as(world.rita, "/countersign rollback staging v1.9.0");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(second));
    world.settled().await;
    let asked = world.says_as(world.rita, "/countersign rollback production v1.9.0");
    closes(&world, asked, "x").await;
    assert_eq!(puts(&world, "production"), 0, "it was never there");
}

#[tokio::test]
async fn what_runs_and_the_way_back_are_known_however_often_nothing_arrived_since() {
    let (world, first) = released(setup()).await;
    staged(&world).await;
    let commit = world.gitlab.world().push_commit(world.project, "main", world.rita, "Faster");
    release_on(&world, "v1.9.0", &commit).await;
    let asked = world.says_as(world.rita, "/countersign promote staging v1.9.0");
    closes(&world, asked, "white_check_mark").await;
    world.settled().await;
    // Stopped before their first step, in a thread of long ago.
    let ledger = &world.running().bot.ledger;
    let mut stopped = ledger.promotions_in(&key(&world), world.merge_request.iid, 1).await.unwrap().remove(0).promotion;
    stopped.asked_in.note = NoteId(1);
    for place in 1..=220 {
        stopped.asked_in.place = place;
        stopped.id = PromotionId::of(&key(&world), &stopped.asked_in);
        ledger.open_promotion(&stopped, stopped.requested_at).await.unwrap();
        let ending = Ending::Stopped { code: "CS-HALTED".into(), reason: "why".into() };
        ledger.add_to_promotion(&stopped.id, PromotionEvent::Ended { ending }, stopped.requested_at).await.unwrap();
    }
    let status = world.says_as(world.rita, "/countersign status staging");
    assert!(world.replied(status, "| `staging` |").await.contains("`v1.9.0`"), "{:?}", world.replies(status));
    let asked = world.says_as(world.rita, "/countersign promote production v1.8.2 --dry-run");
    closes(&world, asked, "white_check_mark").await;
    let asked = world.says_as(world.rita, "/countersign rollback staging");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(first));
}

#[tokio::test]
async fn a_deployment_past_the_bot_is_told_as_drift() {
    let (world, _) = released(setup()).await;
    let asked = staged(&world).await;
    world.settled().await;
    {
        let mut gitlab = world.gitlab.world();
        gitlab.push_commit(world.project, "main", world.rita, "Quick fix");
        let deployment = gitlab.deploy(world.project, "staging", &GitRef::Branch("main".into()), world.rita);
        gitlab.set_deployment(world.project, deployment, "success");
    }
    let drift = world.replied(asked, "CS-DRIFT").await;
    assert!(drift.contains("main"), "{drift}");
    world.settled().await;
    assert_eq!(world.replies(asked).iter().filter(|reply| reply.contains("CS-DRIFT")).count(), 1);
    let status = world.says_as(world.rita, "/countersign status staging");
    assert!(world.replied(status, "instead of [`v1.8.2`]").await.contains("| `main` at commit `"), "{:?}", world.replies(status));
}

/// A release of another commit.
pub async fn release_on(world: &World, tag: &str, commit: &CommitSha) -> Digest {
    let (pipeline, job) = world.push_tag_on(tag, commit);
    world.gitlab.world().run_job(job, None);
    let digest = world.registry.push_image(IMAGE, tag, tag);
    world.registry.tag(IMAGE, commit.short(), digest);
    let by = GitlabJob { sha: commit.to_string(), ..world.gitlab_job(job, tag) };
    world.sign_claiming(digest, &Claims::of(&by)).unwrap();
    world.finish(pipeline, Some(digest));
    world.status_is(tag, "success").await;
    digest
}
