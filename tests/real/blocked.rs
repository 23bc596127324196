//! The same release when something is wrong with it, or with the registry.

use super::cosign::{Desk, KeyPair, Version};
use super::registry::{Registry, fallback_tag, signature_tag};
use super::stage::{Built, Stage, TAG, Trusted};

const BOTH: [Version; 2] = [Version::Two, Version::Three];

/// A release that is built, not yet signed, and its trusted key.
struct Release {
    stage: Stage,
    desk: Desk,
    key: KeyPair,
    built: Built,
}

impl Release {
    async fn built(version: Version) -> Self {
        let registry = Registry::open().await;
        let desk = Desk::new(&registry.docker_config());
        let key = desk.key_pair(version, "ours");
        let stage = Stage::open(registry, Trusted::Key(&key.public_pem)).await;
        let built = stage.build().await;
        Self { stage, desk, key, built }
    }

    async fn signed(version: Version) -> Self {
        let release = Self::built(version).await;
        release.sign(version, &release.key);
        release
    }

    fn sign(&self, version: Version, key: &KeyPair) {
        self.desk.sign(version, key, &self.stage.registry.pinned(self.built.digest));
    }

    /// The pipeline ends and the release passes; its section waits until there is a release.
    async fn passes(&self) {
        self.stage.finish(&self.built);
        self.stage.written("success", "### Image verified", "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_tag_is_blocked() {
    for version in BOTH {
        let release = Release::signed(version).await;
        release.passes().await;
        let other = release.stage.registry.push_image(&[TAG], "not built by this project").await;
        release.stage.publish();
        let written = release.stage.blocked("CS-TAG-MOVED").await;
        for digest in [release.built.digest, other] {
            assert!(written.note.contains(&digest.short()), "{}", written.note);
        }
        release.stage.stop().await;
    }
}

/// Moving the tag is no better when the other image carries a good signature of the same key.
#[tokio::test(flavor = "multi_thread")]
async fn tag_moved_to_another_signed_image_is_blocked() {
    let release = Release::signed(Version::Three).await;
    release.passes().await;
    let other = release.stage.registry.push_image(&[TAG], "signed for another purpose").await;
    release.desk.sign(Version::Three, &release.key, &release.stage.registry.pinned(other));
    release.stage.publish();
    release.stage.blocked("CS-TAG-MOVED").await;
    release.stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_signature_is_blocked() {
    for (version, tag) in [(Version::Two, signature_tag as fn(_) -> _), (Version::Three, fallback_tag)] {
        let release = Release::signed(version).await;
        release.passes().await;
        assert!(release.stage.registry.remove(&tag(release.built.digest)).await, "{version:?} left no signature to remove");
        release.stage.publish();
        release.stage.blocked("CS-SIG-MISSING").await;
        release.stage.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn image_that_nobody_signed_is_blocked() {
    let release = Release::built(Version::Two).await;
    release.stage.publish();
    release.stage.finish(&release.built);
    release.stage.blocked("CS-SIG-MISSING").await;
    release.stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signature_by_another_key_is_blocked() {
    for version in BOTH {
        let release = Release::built(version).await;
        let theirs = release.desk.key_pair(version, "theirs");
        release.sign(version, &theirs);
        release.stage.publish();
        release.stage.finish(&release.built);
        release.stage.blocked("CS-SIG-OTHER").await;
        release.stage.stop().await;
    }
}

/// A second signature by somebody else takes nothing away.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_beside_ours_passes() {
    for version in BOTH {
        let release = Release::built(version).await;
        let theirs = release.desk.key_pair(version, "theirs");
        release.sign(version, &theirs);
        release.sign(version, &release.key);
        release.stage.publish();
        release.stage.finish(&release.built);
        release.stage.passed(&release.built).await;
        release.stage.stop().await;
    }
}

/// A signature over another image does not count for this one, wherever it lies.
#[tokio::test(flavor = "multi_thread")]
async fn signature_of_another_image_is_blocked() {
    let release = Release::built(Version::Two).await;
    let other = release.stage.registry.push_image(&["other"], "another image").await;
    release.desk.sign(Version::Two, &release.key, &release.stage.registry.pinned(other));
    release.stage.registry.copy_tag(&signature_tag(other), &signature_tag(release.built.digest)).await;
    release.stage.publish();
    release.stage.finish(&release.built);
    release.stage.blocked("CS-SIG-ON-TAG").await;
    release.stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_registry_could_not_check_and_passes_when_it_is_back() {
    for version in BOTH {
        let mut release = Release::signed(version).await;
        release.stage.registry.stop();
        release.stage.publish();
        release.stage.finish(&release.built);
        release.stage.could_not_check("CS-UNAVAILABLE").await;
        release.stage.registry.start().await;
        // Nobody tells the bot.
        release.stage.passed(&release.built).await;
        release.stage.stop().await;
    }
}
