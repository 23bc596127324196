//! Every code that only promotion makes, produced once on the whole bot, with the words that people read. The test prints them as a
//! table; a code without a row fails.

use std::collections::BTreeSet;

use countersign::model::promotion::PromotionId;
use countersign::model::{EnvironmentName, Timestamp};
use countersign::render::CODES;
use countersign::sandbox::registry::Fault;
use jiff::SignedDuration;

use super::catalogue::CODES_OF_PROMOTION;
use super::*;

const ASK: &str = "/countersign promote staging v1.8.2";
const HALT: &str = "[promotion]\nhalt_file = \"halt\"\n\n[store]";

/// What the bot answered in the thread.
async fn answer(world: &World, who: UserId, ask: &str, code: &str) -> String {
    let asked = world.says_as(who, ask);
    world.replied(asked, code).await
}

async fn rights() -> String {
    let (world, _) = released(setup()).await;
    staged(&world).await;
    answer(&world, world.dana, "/countersign promote production v1.8.2", "CS-RIGHTS").await
}

async fn not_staged() -> String {
    let (world, _) = released(setup()).await;
    answer(&world, world.rita, "/countersign promote production v1.8.2", "CS-NOT-STAGED").await
}

async fn second_person() -> String {
    let (world, _, asked, _) = waiting().await;
    world.answers_as(world.rita, asked, "/countersign approve");
    world.replied(asked, "CS-SECOND-PERSON").await
}

async fn halted() -> String {
    let (world, _) = released(setup().toml("[store]", HALT)).await;
    std::fs::write(world.bot_toml().with_file_name("halt"), "The database is being moved.\n").unwrap();
    answer(&world, world.rita, ASK, "CS-HALTED").await
}

async fn frozen() -> String {
    let staging = "freeze = [{ from = 2020-01-01, until = 2099-01-01, reason = \"Nobody is here.\" }]\n\
                   actions = [{ action = \"retag\", tag = \"staging\" }]";
    let (world, _) = released(setup_with(staging, PRODUCTION)).await;
    answer(&world, world.rita, ASK, "CS-FROZEN").await
}

async fn locked() -> String {
    let (world, _, _, mara) = waiting().await;
    answer(&world, mara, ASK, "CS-LOCKED").await
}

async fn expired() -> String {
    let (world, _) = released(setup_with(SECOND, PRODUCTION).polls()).await;
    let asked = world.says_as(world.rita, ASK);
    closes(&world, asked, "hourglass").await;
    // The same, asked for two hours ago, for production.
    let mut old = open(&world).await.remove(0).promotion;
    (old.id, old.asked_in.place) = (PromotionId("0123456789abcdef".into()), 1);
    old.environment.name = EnvironmentName("production".into());
    old.requested_at = Timestamp::now() - SignedDuration::from_hours(2);
    world.running().bot.ledger.open_promotion(&old, old.requested_at).await.unwrap();
    world.replied(asked, "CS-EXPIRED").await
}

async fn changed() -> String {
    let (world, _, asked, mara) = waiting().await;
    world.gitlab.world().edit_note(world.merge_request, asked, world.rita, "/countersign promote staging v9").unwrap();
    world.answers_as(mara, asked, "/countersign approve");
    world.replied(asked, "CS-CHANGED").await
}

async fn no_action() -> String {
    // An environment without a table can be asked about only.
    let setup = setup().toml("environments = [\"staging\", \"production\"]", "environments = [\"staging\", \"production\", \"canary\"]");
    let (world, _) = released(setup).await;
    answer(&world, world.rita, "/countersign promote canary v1.8.2", "CS-NO-ACTION").await
}

async fn step() -> String {
    let (world, _) = released(setup()).await;
    world.registry.fault("PUT /v2/*", Fault::Status(403));
    answer(&world, world.rita, ASK, "CS-STEP").await
}

async fn drift() -> String {
    let (world, _) = released(setup().rechecks()).await;
    let asked = staged(&world).await;
    world.registry.push_image(IMAGE, "staging", "somebody else's");
    world.replied(asked, "CS-DRIFT").await
}

#[tokio::test]
async fn every_code_of_promotion_is_produced_once_and_says_what_is_wrong_and_what_to_do() {
    let said = [
        ("CS-RIGHTS", rights().await),
        ("CS-NOT-STAGED", not_staged().await),
        ("CS-SECOND-PERSON", second_person().await),
        ("CS-HALTED", halted().await),
        ("CS-FROZEN", frozen().await),
        ("CS-LOCKED", locked().await),
        ("CS-EXPIRED", expired().await),
        ("CS-CHANGED", changed().await),
        ("CS-NO-ACTION", no_action().await),
        ("CS-STEP", step().await),
        ("CS-DRIFT", drift().await),
    ];
    let rows: BTreeSet<_> = said.iter().map(|(code, _)| *code).collect();
    assert_eq!(rows, BTreeSet::from(CODES_OF_PROMOTION));
    println!("| code | headline | next step |\n|---|---|---|");
    let mut wrong = vec![];
    for (code, text) in &said {
        assert!(CODES.iter().any(|known| known.code == *code), "{code} is in no catalogue");
        let headline = text.lines().next().filter(|line| line.starts_with("**")).and_then(|_| text.lines().nth(2)).unwrap_or_default();
        let next = text.lines().find_map(|line| line.strip_prefix("**What to do:** ")).unwrap_or_default();
        println!("| {code} | {headline} | {next} |");
        if !headline.ends_with(['.', ')']) || !next.ends_with('.') {
            wrong.push(format!("{code} says\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
