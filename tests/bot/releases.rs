//! A release that passes: what is written, and where.

use countersign::sandbox::registry::{Account, Auth, Referrers};

use super::*;

/// A good release: section, sticky note and status are there and agree.
async fn check(setup: Setup, before: impl Fn(&World), signer: &str) {
    let world = setup.start().await;
    before(&world);
    let (pipeline, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    let section = world.section_says(TAG, "countersign:release:end").await;
    let note = world.sticky_says(&digest.to_string()).await;
    let said = world.status_is(TAG, "success").await;
    assert!(section.contains(&world.pinned(digest).to_string()) && section.contains(signer), "{section}");
    assert!(section.starts_with("What is new in v1.8.2:\n\n- Failed payments are retried.\n"), "{section}");
    assert!(note.contains("### Image verified") && note.contains(signer), "{note}");
    assert!(said.contains(&digest.short()), "{said}");
    world.settled().await;
    let posted: Vec<_> = world.asked().into_iter().filter(|r| r.method == "POST" && r.path.contains("/statuses/")).collect();
    assert_eq!(posted.len(), 1, "one status: {posted:?}");
    assert!(posted[0].path.ends_with(world.commit.as_str()), "{}", posted[0].path);
    let body = posted[0].body.as_deref().unwrap();
    assert!(body.contains(&format!("pipeline_id={pipeline}")) && body.contains("ref=v1.8.2"), "{body}");
    let statuses = world.gitlab.world().pipeline(pipeline).statuses.len();
    let elsewhere = world.gitlab.world().pipelines.values().filter(|p| p.id != pipeline).map(|p| p.statuses.len()).sum::<usize>();
    assert_eq!((statuses, elsewhere), (1, 0), "the status hangs on the release pipeline only");
    assert_eq!(world.metric("countersign_effect_failures_total").await, 0);
}

#[tokio::test]
async fn a_release_signed_with_a_key_in_the_legacy_layout_passes() {
    check(Setup::new(Signing::LegacyKey), |_| {}, "release-key").await;
}

#[tokio::test]
async fn a_release_signed_with_a_key_in_a_bundle_passes() {
    check(Setup::new(Signing::BundleKey), |_| {}, "release-key").await;
}

#[tokio::test]
async fn a_release_signed_keyless_passes() {
    check(Setup::new(Signing::Keyless), |_| {}, "shop/api").await;
}

#[tokio::test]
async fn a_bundle_under_the_fallback_tag_passes_where_the_referrers_api_is_off() {
    let off = |world: &World| world.registry.change(|options| options.referrers = Referrers::Off);
    check(Setup::new(Signing::BundleKey), off, "release-key").await;
    check(Setup::new(Signing::Keyless), off, "shop/api").await;
}

#[tokio::test]
async fn a_registry_with_token_login_is_read() {
    let setup = Setup::new(Signing::Keyless)
        .toml("plain_http = true", "plain_http = true\nusername = \"bot\"\npassword = { file = \"registry-password\" }")
        .file("registry-password", "only-for-the-registry");
    let login = |world: &World| {
        let accounts = vec![Account { name: "bot".into(), password: "only-for-the-registry".into(), push: false }];
        let lifetime = std::time::Duration::from_secs(300);
        world.registry.change(|options| options.auth = Auth::Token { accounts, realm: None, lifetime, anonymous_pull: false });
    };
    check(setup, login, "shop/api").await;
}
