//! Promotion on real registries, judged by real cosign.

use std::path::Path;

use countersign::effects::promote::attest::{SigningSettings, VSA_V1};
use countersign::effects::promote::registry::{Login, Settings as Way};
use countersign::effects::promote::{Place, Promoter, Settings};
use countersign::effects::{Hands, NotDone};
use countersign::model::gitlab::{InstanceName, ProjectId, ProjectKey, UserId};
use countersign::model::promotion::{Act, Left, Person, PromotionId, Summary};
use countersign::model::{Digest, EnvironmentName, PinnedImage, Secret};
use countersign::sandbox::authority::Stored;
use countersign::verdict::testing::{good_facts_about, good_policy};
use countersign::verdict::{Clearance, judge};
use serde_json::json;

use super::cosign::{Desk, KeyPair, Version, told};
use super::registry::{PASSWORD, Registry, USER, signature_tag};

const VERSIONS: [Version; 2] = [Version::Two, Version::Three];

fn production() -> EnvironmentName {
    EnvironmentName("production".into())
}

/// A clearance for an image: that of a verdict that passed.
fn cleared(image: &PinnedImage) -> Clearance {
    judge(&good_facts_about(image), &good_policy()).clear(&production()).unwrap()
}

fn way(registry: &Registry, login: Option<&str>) -> Way {
    let login = login.map(|password| Login { username: USER.into(), password: Secret::new(password).unwrap() });
    Way { host: registry.host(), login, token_hosts: registry.token_hosts(), plain_http: true, ca_pem: None }
}

fn hands(registries: Vec<Way>, key: Option<(&Path, &str)>) -> Hands {
    let signing = key.map(|(file, password)| SigningSettings {
        private_key_pem: Secret::new(&std::fs::read_to_string(file).unwrap()).unwrap(),
        password: Secret::new(password),
    });
    Hands::new([]).with_promoter(Promoter::new(Settings { registries, signing }).unwrap())
}

async fn step(hands: &Hands, image: &PinnedImage, act: &Act) -> Result<Left, NotDone> {
    let project = ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) };
    let place = Place { project: &project, promotion: &PromotionId("p1".into()), environment: &production(), step: 0 };
    hands.step(&[cleared(image)], place, act, None).await
}

fn retag(image: &PinnedImage) -> Act {
    Act::Retag { image: image.clone(), tag: "production".into() }
}

fn summary() -> Summary {
    let person = |id, name: &str| Person { id: UserId(id), username: name.into() };
    Summary {
        verifier: "https://countersign.example.com".into(),
        resource: "https://gitlab.example.com/shop/api/-/environments/production".into(),
        policy: Digest::of(b"the policy"),
        verified_at: "2026-11-24T15:10:00Z".parse().unwrap(),
        promotion: PromotionId("p1".into()),
        environment: production(),
        requested_by: person(5, "ada"),
        approved_by: vec![person(6, "grace")],
    }
}

fn attest(image: &PinnedImage) -> Act {
    Act::Attest { image: image.clone(), summary: summary() }
}

/// An image of one platform, and an index of it, both signed and attested by both versions.
async fn signed_index(registry: &Registry, desk: &Desk, key: &KeyPair) -> (PinnedImage, PinnedImage) {
    let platform = registry.push_image(&["amd64"], "one").await;
    let size = registry.manifest("amd64").await.unwrap().manifest.len();
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": size, "digest": platform.to_string(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }],
    });
    let index = Stored { media_type: "application/vnd.oci.image.index.v1+json", manifest: index.to_string().into(), blobs: vec![] };
    registry.push(&index, Some("v1")).await;
    let both = (registry.pinned(index.digest()), registry.pinned(platform));
    for version in VERSIONS {
        for image in [&both.0, &both.1] {
            desk.sign(version, key, image);
            desk.attest(version, key, image, "https://example.com/test/v1");
        }
    }
    both
}

fn passes(desk: &Desk, version: Version, arguments: &[&str]) {
    let output = desk.cosign(version, arguments);
    assert!(output.status.success(), "{version:?} {arguments:?}: {}", told(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn retag_moves_the_tag_and_tells_what_it_named() {
    let registry = Registry::with_tokens().await;
    let (old, new) = (registry.push_image(&["production"], "one").await, registry.push_image(&["v2"], "two").await);
    let image = registry.pinned(new);
    let hands = hands(vec![way(&registry, Some(PASSWORD))], None);
    assert_eq!(step(&hands, &image, &retag(&image)).await, Ok(Left::Tagged { before: Some(old) }));
    assert_eq!(step(&hands, &image, &retag(&image)).await, Ok(Left::Tagged { before: Some(new) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_that_refuses_the_write_is_a_plain_no() {
    let mut registry = Registry::open().await;
    let old = registry.push_image(&["production"], "one").await;
    let image = registry.pinned(registry.push_image(&["v2"], "two").await);
    registry.stop();
    registry.read_only();
    registry.start().await;
    let refused = step(&hands(vec![way(&registry, None)], None), &image, &retag(&image)).await;
    let Err(NotDone::Never(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("405") && reason.contains("read-only"), "{reason}");
    assert_eq!(registry.manifest("production").await.unwrap().digest(), old);

    let closed = Registry::with_passwords().await;
    let image = closed.pinned(closed.push_image(&["v2"], "two").await);
    let refused = step(&hands(vec![way(&closed, Some("wrong"))], None), &image, &retag(&image)).await;
    let Err(NotDone::Never(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("401") && !reason.contains("wrong"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copied_evidence_verifies_at_a_second_registry() {
    let (here, there) = (Registry::open().await, Registry::with_tokens().await);
    let desk = Desk::new(&there.docker_config());
    let key = desk.key_pair(Version::Three, "release");
    let (index, platform) = signed_index(&here, &desk, &key).await;
    let hands = hands(vec![way(&here, None), way(&there, Some(PASSWORD))], None);
    let act = Act::Copy { image: index.clone(), to: there.repository(), tag: Some("production".into()) };
    // Signature and attestation, of both versions, of the index and of the platform.
    assert_eq!(step(&hands, &index, &act).await, Ok(Left::Copied { evidence: 8 }));
    assert_eq!(step(&hands, &index, &act).await, Ok(Left::Copied { evidence: 8 }), "a second time");
    for version in VERSIONS {
        for image in [there.pinned(index.digest), there.pinned(platform.digest)] {
            let image = image.to_string();
            passes(&desk, version, &["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &image]);
            let attested = ["--type", "https://example.com/test/v1", "--insecure-ignore-tlog=true"];
            passes(&desk, version, &[&["verify-attestation", "--key", "release.pub"], &attested[..], &[&image]].concat());
        }
    }
    passes(
        &desk,
        Version::Two,
        &["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &format!("{}:production", there.repository())],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_at_the_destination_are_kept() {
    let (here, there) = (Registry::open().await, Registry::open().await);
    let desk = Desk::new(&here.docker_config());
    let (ours, theirs) = (desk.key_pair(Version::Two, "release"), desk.key_pair(Version::Two, "theirs"));
    let digest = here.push_image(&["v1"], "one").await;
    assert_eq!(there.push_image(&["v1"], "one").await, digest);
    desk.sign(Version::Two, &ours, &here.pinned(digest));
    for version in VERSIONS {
        desk.sign(version, &theirs, &there.pinned(digest));
    }
    let hands = hands(vec![way(&here, None), way(&there, None)], None);
    let act = Act::Copy { image: here.pinned(digest), to: there.repository(), tag: None };
    assert_eq!(step(&hands, &here.pinned(digest), &act).await, Ok(Left::Copied { evidence: 1 }));
    assert_ne!(
        there.manifest(&signature_tag(digest)).await.unwrap().digest(),
        here.manifest(&signature_tag(digest)).await.unwrap().digest()
    );
    let image = there.pinned(digest).to_string();
    for key in ["release.pub", "theirs.pub"] {
        passes(&desk, Version::Two, &["verify", "--key", key, "--insecure-ignore-tlog=true", &image]);
    }
    passes(&desk, Version::Three, &["verify", "--key", "theirs.pub", "--insecure-ignore-tlog=true", &image]);
}

#[tokio::test(flavor = "multi_thread")]
async fn summary_verifies_with_stock_cosign_beside_attestations_of_others() {
    let (registry, there) = (Registry::with_tokens().await, Registry::open().await);
    let desk = Desk::new(&registry.docker_config());
    let (bot, release) = (desk.key_pair(Version::Three, "bot"), desk.key_pair(Version::Two, "release"));
    let hands = hands(vec![way(&registry, Some(PASSWORD)), way(&there, None)], Some((&bot.private, Desk::PASSWORD)));
    let attested = async |image: &PinnedImage| match step(&hands, image, &attest(image)).await {
        Ok(Left::Attested { attestation }) => attestation,
        other => panic!("{other:?}"),
    };
    let alone = registry.pinned(registry.push_image(&["v1"], "one").await);
    let beside = registry.pinned(registry.push_image(&["v2"], "two").await);
    for version in VERSIONS {
        desk.sign(version, &release, &beside);
        desk.attest(version, &release, &beside, "https://example.com/test/v1");
    }
    for image in [&alone, &beside] {
        let first = attested(image).await;
        assert_eq!(attested(image).await, first, "found again, not signed again");
        for version in VERSIONS {
            let verify = ["verify-attestation", "--key", "bot.pub", "--type", VSA_V1, "--insecure-ignore-tlog=true"];
            passes(&desk, version, &[&verify[..], &[&image.to_string()]].concat());
            let others = ["verify-attestation", "--key", "release.pub", "--type", VSA_V1, "--insecure-ignore-tlog=true"];
            let output = desk.cosign(version, &[&others[..], &[&image.to_string()]].concat());
            assert!(!output.status.success(), "another key made it: {}", told(&output));
        }
    }
    // A copy made afterwards takes it along, in both layouts.
    for image in [&alone, &beside] {
        let act = Act::Copy { image: image.clone(), to: there.repository(), tag: None };
        step(&hands, image, &act).await.unwrap();
        for version in VERSIONS {
            let verify = ["verify-attestation", "--key", "bot.pub", "--type", VSA_V1, "--insecure-ignore-tlog=true"];
            passes(&desk, version, &[&verify[..], &[&there.pinned(image.digest).to_string()]].concat());
        }
    }
    // One attestation, whatever it was looked for with.
    let output = desk.cosign(
        Version::Two,
        &["verify-attestation", "--key", "bot.pub", "--type", VSA_V1, "--insecure-ignore-tlog=true", &alone.to_string()],
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{}", told(&output));
    // Those of others lie there as before, and more can be added with cosign itself.
    for version in VERSIONS {
        desk.attest(version, &release, &beside, "https://example.com/later/v1");
        for (key, kind) in
            [("release.pub", "https://example.com/test/v1"), ("release.pub", "https://example.com/later/v1"), ("bot.pub", VSA_V1)]
        {
            let verify = ["verify-attestation", "--key", key, "--type", kind, "--insecure-ignore-tlog=true"];
            passes(&desk, version, &[&verify[..], &[&beside.to_string()]].concat());
        }
        passes(&desk, version, &["verify", "--key", "release.pub", "--insecure-ignore-tlog=true", &beside.to_string()]);
    }
}
