//! A release signed by a key pair of real cosign: from the hook to note, release section and commit status.

use super::cosign::{Desk, Version};
use super::registry::{Registry, fallback_tag, signature_tag};
use super::stage::{Stage, Trusted, check_it_yourself, checks_out};

/// Signs the release as `versions` do, one after the other with one key pair of the first, and sees it pass.
async fn passes(versions: &[Version]) {
    let registry = Registry::open().await;
    let desk = Desk::new(&registry.docker_config());
    let key = desk.key_pair(versions[0], "ours");
    let stage = Stage::open(registry, Trusted::Key(&key.public_pem)).await;
    let built = stage.build().await;
    for version in versions {
        desk.sign(*version, &key, &stage.registry.pinned(built.digest));
    }
    // Each version wrote where it should have, or the test would say less than its name.
    let legacy = stage.registry.manifest(&signature_tag(built.digest)).await.is_some();
    let bundle = stage.registry.manifest(&fallback_tag(built.digest)).await.is_some();
    assert_eq!((legacy, bundle), (versions.contains(&Version::Two), versions.contains(&Version::Three)));

    stage.publish();
    stage.finish(&built);
    let written = stage.passed(&built).await;
    assert!(written.note.contains("| Signed by | key `release-key"), "{}", written.note);

    // What the note and the release tell a person to run, with the key where they tell them to put it.
    for text in [&written.note, &written.section] {
        let line = check_it_yourself(text);
        let file = line.split_once("--key ").unwrap().1.split(' ').next().unwrap();
        assert_eq!(file, "release-key.pub");
        desk.put(file, &key.public_pem);
        checks_out(&desk, text);
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signature_of_cosign_2_passes() {
    passes(&[Version::Two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bundle_of_cosign_3_passes() {
    passes(&[Version::Three]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_at_once_pass() {
    passes(&[Version::Two, Version::Three]).await;
}
