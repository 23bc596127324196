//! What could not be looked at is said as that, is never "unsigned" and never passed, and passes by itself afterwards.

use std::time::Duration;

use countersign::sandbox::gitlab::Fault as Ill;
use countersign::sandbox::registry::Fault;
use countersign::sandbox::shop::IMAGE;

use super::*;

/// Words that would be a statement about the image.
const STATEMENTS: [&str; 5] = ["No signature", "CS-SIG-", "not signed", "Image verified", "Blocked"];

/// Everything written so far says that nothing could be checked.
fn nothing_is_stated(world: &World) {
    let mut texts = world.bot_notes();
    texts.extend(world.release_text(TAG));
    texts.extend(world.status(TAG).map(|(_, text)| text));
    for text in texts {
        for words in STATEMENTS {
            assert!(!text.contains(words), "an outage is told as {words}: {text}");
        }
    }
    assert!(world.status(TAG).is_none_or(|(state, _)| state == "canceled"), "{:?}", world.status(TAG));
}

/// A release while something does not answer, and after that has passed.
async fn check(signing: Signing, break_it: impl Fn(&World), code: &str) {
    let world = World::start(signing).await;
    break_it(&world);
    world.release(TAG).unwrap();
    world.publish(TAG);
    let section = world.section_says(TAG, code).await;
    assert!(section.contains("**Not checked: "), "{section}");
    let note = world.sticky_says(code).await;
    assert!(note.contains("### Could not check: "), "{note}");
    world.status_is(TAG, "canceled").await;
    nothing_is_stated(&world);
    world.registry.heal();
    world.gitlab.heal();
    world.status_is(TAG, "success").await;
    world.sticky_says("### Image verified").await;
    let section = world.section_says(TAG, "What is new").await;
    assert!(!section.contains("Not checked"), "{section}");
}

#[tokio::test]
async fn a_registry_that_refuses_the_login_could_not_be_checked() {
    tokio::join!(
        check(Signing::Keyless, |world| world.registry.fault("* /v2/*", Fault::Status(401)), "CS-REG-AUTH"),
        check(Signing::LegacyKey, |world| world.registry.fault("* /v2/*", Fault::Status(403)), "CS-REG-AUTH"),
    );
}

#[tokio::test]
async fn a_registry_that_limits_or_fails_could_not_be_checked() {
    tokio::join!(
        check(Signing::BundleKey, |world| world.registry.fault("* /v2/*", Fault::Status(429)), "CS-UNAVAILABLE"),
        check(Signing::Keyless, |world| world.registry.fault("* /v2/*", Fault::Status(500)), "CS-UNAVAILABLE"),
    );
}

#[tokio::test]
async fn a_registry_that_answers_with_web_pages_or_breaks_off_could_not_be_checked() {
    tokio::join!(
        check(Signing::LegacyKey, |world| world.registry.fault("* /v2/*", Fault::Html(200)), "CS-UNAVAILABLE"),
        check(Signing::Keyless, |world| world.registry.fault("* /v2/*", Fault::Drop), "CS-UNAVAILABLE"),
    );
}

#[tokio::test]
async fn signatures_that_cannot_be_listed_or_read_could_not_be_checked() {
    let listing = |world: &World| {
        world.registry.fault("GET /v2/*/referrers/*", Fault::Status(503));
        world.registry.fault("* /v2/*/manifests/sha256-*", Fault::Status(503));
    };
    tokio::join!(
        check(Signing::BundleKey, listing, "CS-UNAVAILABLE"),
        check(Signing::LegacyKey, listing, "CS-UNAVAILABLE"),
        check(Signing::Keyless, |world| world.registry.fault("GET /v2/*/blobs/*", Fault::Status(502)), "CS-UNAVAILABLE"),
    );
}

#[tokio::test]
async fn a_slow_registry_is_waited_for() {
    let world = World::start(Signing::Keyless).await;
    world.registry.fault("* /v2/*", Fault::Slow(Duration::from_millis(400)));
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
}

#[tokio::test]
async fn a_registry_that_is_gone_could_not_be_checked() {
    // A port that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = Setup::new(Signing::Keyless)
        .toml("image = \"{host}/shop/api\"", &format!("image = \"{closed}/shop/api\""))
        .toml("[registry.\"{host}\"]", &format!("[registry.\"{closed}\"]"))
        .start()
        .await;
    world.release(TAG).unwrap();
    world.publish(TAG);
    world.section_says(TAG, "CS-UNAVAILABLE").await;
    world.status_is(TAG, "canceled").await;
    nothing_is_stated(&world);
}

/// The routes that a verdict hangs on, one by one. While one is ill the release is not passed and nothing is said of the image.
#[tokio::test]
async fn a_gitlab_that_fails_on_one_route_could_not_be_checked() {
    let routes = [
        ("/projects/*/repository/tags/*", Ill::Status(500)),
        ("/projects/*/pipelines/*/jobs", Ill::TooManyRequests(None)),
        ("/projects/*/jobs/*/artifacts/*", Ill::Status(502)),
        ("/projects/*/repository/commits/*", Ill::Html(200)),
        ("/projects/*/pipelines", Ill::Status(401)),
        ("/projects/*/jobs/*", Ill::Garbage),
    ];
    let each = routes.into_iter().map(|(route, ill)| async move {
        let world = World::start(Signing::Keyless).await;
        world.gitlab.fault("GET", route, ill.clone());
        world.release(TAG).unwrap();
        world.publish(TAG);
        world.section_says(TAG, "CS-UNAVAILABLE").await;
        nothing_is_stated(&world);
        world.gitlab.heal();
        until(&format!("{route} with {ill:?} passes afterwards"), || world.status(TAG).filter(|(state, _)| *state == "success")).await;
        world.sticky_says("### Image verified").await;
    });
    futures_util::future::join_all(each).await;
}

/// Without these nothing can be said at all; it is said later.
#[tokio::test]
async fn a_gitlab_that_does_not_say_who_and_what_is_asked_again() {
    let each = ["/projects/*", "/user"].into_iter().map(|route| async move {
        let world = World::start(Signing::BundleKey).await;
        world.gitlab.fault("GET", route, Ill::Status(503));
        world.release(TAG).unwrap();
        world.publish(TAG);
        until("the bot asks again", || (world.asked().iter().filter(|r| r.status == 503).count() > 6).then_some(())).await;
        assert_eq!((world.bot_notes(), world.status(TAG)), (vec![], None));
        world.gitlab.heal();
        world.status_is(TAG, "success").await;
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test]
async fn writes_that_fail_are_written_later_and_once() {
    let world = World::start(Signing::Keyless).await;
    for path in ["/projects/*/merge_requests/*/notes", "/projects/*/statuses/*"] {
        world.gitlab.fault("POST", path, Ill::Status(502));
    }
    world.gitlab.fault("PUT", "/projects/*/releases/*", Ill::TooManyRequests(None));
    world.release(TAG).unwrap();
    world.publish(TAG);
    until("the bot tries", || world.asked().iter().any(|r| r.method == "POST" && r.faulted).then_some(())).await;
    world.gitlab.heal();
    world.status_is(TAG, "success").await;
    world.sticky_says("### Image verified").await;
    world.section_says(TAG, "countersign:release:end").await;
    world.settled().await;
    assert_eq!(world.writes_since(0).iter().filter(|line| line.ends_with("/notes")).count(), world.bot_notes().len() + faulted(&world));
    assert!(world.metric("countersign_effect_failures_total{effect=\"status\"}").await > 0);
}

fn faulted(world: &World) -> usize {
    world.asked().iter().filter(|r| r.faulted && r.method == "POST" && r.path.ends_with("/notes")).count()
}

#[tokio::test]
async fn a_question_during_an_outage_is_answered_with_could_not_check() {
    let world = World::start(Signing::Keyless).await;
    world.release(TAG).unwrap();
    world.status_is(TAG, "success").await;
    world.settled().await;
    let digest = world.registry.tagged(IMAGE, TAG).unwrap();
    world.registry.fault("* /v2/*", Fault::Status(500));
    for ask in ["/verify".to_owned(), format!("/verify {digest}")] {
        let (reply, reactions) = world.answer(&ask).await;
        assert!(reply.starts_with("**Could not check: "), "{ask}: {reply}");
        assert_eq!(reactions, ["eyes", "hourglass"], "{ask}");
        for words in STATEMENTS {
            assert!(!reply.contains(words), "an outage is told as {words}: {reply}");
        }
    }
    // GitLab itself: an hourglass at once, the answer when it can be given.
    world.registry.heal();
    world.gitlab.fault("GET", "/projects/*/repository/commits/*/refs*", Ill::Status(500));
    let asked = world.says("/verify");
    until("an hourglass", || world.reactions(asked).contains(&"hourglass".to_owned()).then_some(())).await;
    assert_eq!(world.reply_to(asked), None);
    world.gitlab.heal();
    let reply = until("the answer", || world.reply_to(asked)).await;
    assert!(reply.starts_with("**Image verified"), "{reply}");
    until("the closing reaction", || world.reactions(asked).contains(&"white_check_mark".to_owned()).then_some(())).await;
}
