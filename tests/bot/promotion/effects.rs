//! What a step meets outside: refusals, outages, and ends in the middle.

use countersign::sandbox::registry::Fault;

use super::*;

#[tokio::test]
async fn a_registry_that_refuses_the_write_ends_the_promotion_with_words() {
    let (world, _) = released(setup()).await;
    world.registry.fault("PUT /v2/*", Fault::Status(403));
    let asked = world.says_as(world.rita, "/countersign promote staging v1.8.2");
    closes(&world, asked, "x").await;
    world.replied(asked, "CS-STEP").await;
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
async fn a_write_whose_answer_was_lost_is_not_sent_again() {
    let (world, digest) = released(setup()).await;
    world.registry.fault_times(1, "PUT /v2/*", Fault::Drop);
    staged(&world).await;
    assert_eq!(world.registry.tagged(IMAGE, "staging"), Some(digest));
    assert_eq!(puts(&world, "staging"), 1, "it was found done");
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
