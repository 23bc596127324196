//! Registries that want a login.

use super::cosign::{Desk, Version};
use super::registry::Registry;
use super::stage::{Stage, Trusted};

async fn signed(registry: Registry, password: Option<&str>) -> (Stage, super::stage::Built) {
    let desk = Desk::new(&registry.docker_config());
    let key = desk.key_pair(Version::Three, "ours");
    let stage = match password {
        Some(password) => Stage::open_with_password(registry, Trusted::Key(&key.public_pem), password).await,
        None => Stage::open(registry, Trusted::Key(&key.public_pem)).await,
    };
    let built = stage.build().await;
    for version in [Version::Two, Version::Three] {
        desk.sign(version, &key, &stage.registry.pinned(built.digest));
    }
    stage.publish();
    stage.finish(&built);
    (stage, built)
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_with_passwords_passes() {
    let (stage, built) = signed(Registry::with_passwords().await, None).await;
    stage.passed(&built).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_with_tokens_passes() {
    let (stage, built) = signed(Registry::with_tokens().await, None).await;
    stage.passed(&built).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_login_could_not_check() {
    for registry in [Registry::with_passwords().await, Registry::with_tokens().await] {
        let (stage, _) = signed(registry, Some("not-the-password")).await;
        let written = stage.could_not_check("CS-REG-AUTH").await;
        let all = format!("{written:?}");
        assert!(!all.contains("not-the-password"), "{all}");
        stage.stop().await;
    }
}
