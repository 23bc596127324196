//! Promotions, on the whole bot: the digest that moves, who may move it, and what stops it.

mod actions;
mod bound;
mod catalogue;
mod codes;
mod crash;
mod drift;
mod effects;
mod killed;
mod overdue;
mod stories;
mod who;

use countersign::model::Digest;
use countersign::model::gitlab::{InstanceName, NoteId, ProjectKey, UserId};
use countersign::model::promotion::Ending;
use countersign::sandbox::gitlab::state::{JobEnd, Level};
use countersign::sandbox::shop::IMAGE;

use super::*;

/// The table of projects begins here in the shop's `bot.toml`.
const PROJECTS: &str = "[[project]]\n";
/// The registry of the shop.
const REGISTRY: &str = "plain_http = true\n";

/// A shop with two environments, each named by a registry tag.
pub fn setup() -> Setup {
    setup_with("role = \"developer\"\nactions = [{ action = \"retag\", tag = \"staging\" }]", PRODUCTION)
}

const PRODUCTION: &str = "after = \"staging\"\nactions = [{ action = \"retag\", tag = \"production\" }]";

/// The same with other words in each environment's table.
pub fn setup_with(staging: &str, production: &str) -> Setup {
    let environments =
        format!("[defaults.environment.staging]\n{staging}\n\n[defaults.environment.production]\n{production}\n\n{PROJECTS}");
    Setup::new(Signing::Keyless)
        .toml(REGISTRY, "plain_http = true\npush_username = \"countersign\"\npush_password = { file = \"push\" }\n")
        .file("push", "push-password")
        .toml(PROJECTS, &environments)
}

/// A world with a release that passed.
pub async fn released(setup: Setup) -> (World, Digest) {
    let world = setup.start().await;
    let (_, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.settled().await;
    (world, digest)
}

/// Waits for the closing reactions on a note.
pub async fn closes(world: &World, note: NoteId, with: &str) {
    until(&format!("{with} on the command"), || world.reactions(note).iter().any(|name| name == with).then_some(())).await;
}

/// Rita promotes to staging, and it arrives.
pub async fn staged(world: &World) -> NoteId {
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(world, asked, "white_check_mark").await;
    asked
}

#[tokio::test]
async fn a_digest_moves_from_staging_to_production_and_the_end_is_told() {
    let (world, digest) = released(setup()).await;
    let asked = staged(&world).await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(world.reactions(asked), ["eyes", "hourglass", "white_check_mark"]);
    let end = world.replied(asked, "now runs").await;
    assert!(end.contains(&digest.short()), "{end}");
    assert_eq!(world.replies(asked).len(), 2, "the preview and the end: {:#?}", world.replies(asked));

    let asked = world.says_as(world.rita, "/countersign promote production v1.8.2");
    closes(&world, asked, "white_check_mark").await;
    assert_eq!(world.registry.tagged(IMAGE, "production"), Some(digest));
    world.settled().await;
    assert!(world.redeliver().await > 0);
    world.settled().await;
    assert_eq!(world.replies(asked).len(), 2, "{:#?}", world.replies(asked));
    assert_eq!(world.registry.count("PUT /v2/shop/api/manifests/production"), 1);
    world.records().await;
}

/// Another Maintainer.
fn maintainer(world: &World, name: &str) -> UserId {
    let mut gitlab = world.gitlab.world();
    let user = gitlab.add_user(name);
    gitlab.add_member(world.project, user, Level::Maintainer);
    user
}

/// Asks, and gets the answer that refuses with this code; nothing was written to the registry by it.
async fn refused(world: &World, who: UserId, ask: &str, code: &str) -> String {
    let before = world.registry.count("PUT /v2/*");
    let asked = world.says_as(who, ask);
    let reply = world.replied(asked, code).await;
    closes(world, asked, "x").await;
    world.settled().await;
    assert_eq!(world.replies(asked).len(), 1, "{:#?}", world.replies(asked));
    assert_eq!(world.registry.count("PUT /v2/*"), before, "{ask}: {code}");
    assert!(open(world).await.is_empty(), "{ask}: nothing was opened");
    reply
}

/// The promotion that a note asked for ended, stopped with this code; its thread tells of it once.
async fn stopped(world: &World, asked: NoteId, code: &str) {
    closes(world, asked, "x").await;
    world.settled().await;
    let found = world.running().bot.ledger.promotions_in(&key(world), world.merge_request.iid, 50).await.unwrap();
    let of_note = found.iter().find(|standing| standing.promotion.asked_in.note == asked).unwrap();
    let told = matches!(&of_note.ended, Some((Ending::Stopped { code: with, .. }, _)) if with.starts_with(code));
    assert!(told, "{code}: {:?}", of_note.ended);
    assert_eq!(world.replies(asked).iter().filter(|reply| reply.contains("Stopped")).count(), 1, "{:#?}", world.replies(asked));
    assert!(open(world).await.is_empty(), "the environment is free again");
}

fn key(world: &World) -> ProjectKey {
    ProjectKey { instance: InstanceName("main".into()), id: world.project }
}

/// The open promotions.
async fn open(world: &World) -> Vec<countersign::model::promotion::Standing> {
    world.running().bot.ledger.open_promotions().await.unwrap()
}

/// Waits until no promotion is open.
async fn ended(world: &World) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(25);
    while !open(world).await.is_empty() {
        assert!(std::time::Instant::now() < end, "still open: {:#?}", open(world).await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.settled().await;
}

/// How often the tag of an environment was written.
fn puts(world: &World, tag: &str) -> usize {
    world.registry.count(&format!("PUT /v2/{IMAGE}/manifests/{tag}"))
}

/// The rule that asks for a second person.
const SECOND: &str = "second_person = true\nactions = [{ action = \"retag\", tag = \"staging\" }]";

/// A world in which Rita asked for staging, which waits for somebody else's approval; and who may give it.
async fn waiting() -> (World, Digest, NoteId, UserId) {
    let (world, digest) = released(setup_with(SECOND, PRODUCTION)).await;
    let mara = maintainer(&world, "mara");
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "hourglass").await;
    world.settled().await;
    assert_eq!(puts(&world, "staging"), 0, "nothing happens before the approval");
    (world, digest, asked, mara)
}
