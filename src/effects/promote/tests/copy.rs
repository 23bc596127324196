//! `copy`.
#![cfg(test)]

use serde_json::json;

use super::*;
use crate::sandbox::registry::{Fault, media};

/// Two registries and an index of two platforms with evidence of every kind.
struct Scene {
    here: RegistryDouble,
    there: RegistryDouble,
    hands: Hands,
    image: PinnedImage,
    /// Where it goes.
    to: String,
    platforms: [Digest; 2],
    /// The manifests that point at the index, and at a manifest that does.
    referrers: [Digest; 2],
}

/// A bundle of the index, a signature of that bundle's manifest, one legacy signature a platform, two attestations and an SBOM.
const EVIDENCE: usize = 7;

async fn scene_between(here: Referrers, there: Referrers) -> Scene {
    let (here, there) = (double(here).await, double(there).await);
    let platforms = ["one", "two"].map(|seed| here.push_image(REPOSITORY, seed, seed));
    let index = here.push_index(REPOSITORY, "v1", &platforms);
    let bundle = here.attach_bundle(REPOSITORY, index, b"a bundle");
    let of_bundle = here.attach_bundle(REPOSITORY, bundle, b"a bundle about the bundle");
    for platform in platforms {
        here.add_signature(REPOSITORY, platform, b"a payload", json!({"dev.cosignproject.cosign/signature": platform.to_string()}));
    }
    here.add_attestation(REPOSITORY, index, b"one envelope", json!({"predicateType": "a"}));
    here.add_attestation(REPOSITORY, index, b"another envelope", json!({"predicateType": "b"}));
    let sbom = json!({
        "schemaVersion": 2, "mediaType": media::IMAGE, "config": here.descriptor(REPOSITORY, media::CONFIG, b"{}"),
        "layers": [here.descriptor(REPOSITORY, "text/spdx+json", b"an sbom")],
    });
    here.put_manifest(REPOSITORY, Some(&format!("sha256-{}.sbom", index.hex())), media::IMAGE, sbom.to_string().as_bytes());
    let hands = hands(vec![way(&here), way(&there)], None);
    let image = pinned(&here, index);
    here.forget_requests();
    Scene { hands, image, to: "prod/api".into(), platforms, referrers: [bundle, of_bundle], here, there }
}

async fn scene() -> Scene {
    let api = Referrers::Api { page: 100 };
    scene_between(api, api).await
}

impl Scene {
    async fn copy(&self) -> Result<Left, NotDone> {
        let to = repository(&self.there, &self.to);
        step(&self.hands, &self.image, &Act::Copy { image: self.image.clone(), to, tag: Some("production".into()) }).await
    }

    fn has(&self, digest: Digest) -> bool {
        self.there.manifest(&self.to, digest).is_some()
    }

    fn writes(&self) -> usize {
        self.there.count("PUT *") + self.there.count("POST *")
    }

    fn whole(&self) {
        for digest in [self.image.digest].into_iter().chain(self.platforms).chain(self.referrers) {
            assert!(self.has(digest), "{digest}");
        }
        assert_eq!(self.there.tagged(&self.to, "production"), Some(self.image.digest));
        let tags = self.platforms.map(|platform| format!("sha256-{}.sig", platform.hex()));
        let of_index = ["att", "sbom"].map(|kind| format!("sha256-{}.{kind}", self.image.digest.hex()));
        for tag in tags.iter().chain(&of_index) {
            let named = self.there.tagged(&self.to, tag);
            assert!(named.is_some() && named == self.here.tagged(REPOSITORY, tag), "{tag}");
        }
    }
}

#[tokio::test]
async fn image_arrives_with_all_its_evidence_between_registries_of_every_kind() {
    let (api, off) = (Referrers::Api { page: 1 }, Referrers::Off);
    for (here, there) in [(api, api), (api, off), (off, api), (off, off)] {
        let scene = scene_between(here, there).await;
        assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }), "{here:?} {there:?}");
        scene.whole();
        for (subject, referrer) in [(scene.image.digest, scene.referrers[0]), (scene.referrers[0], scene.referrers[1])] {
            let index = scene.there.tagged("prod/api", &format!("sha256-{}", subject.hex()));
            assert_eq!(index.is_some(), there == off, "{here:?} {there:?}");
            let index = index.map(|digest| String::from_utf8(scene.there.manifest("prod/api", digest).unwrap()).unwrap());
            assert!(index.is_none_or(|index| index.contains(&referrer.to_string()) && index.contains(media::BUNDLE)), "{here:?} {there:?}");
        }
        let before = scene.writes();
        assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }));
        assert_eq!(scene.writes(), before, "nothing is sent twice");
    }
}

#[tokio::test]
async fn tag_is_written_last() {
    let scene = scene().await;
    scene.copy().await.unwrap();
    let last = scene.there.requests().into_iter().rfind(|seen| seen.method == "PUT").unwrap();
    assert_eq!(last.path, "/v2/prod/api/manifests/production");
}

#[tokio::test]
async fn stopped_between_blob_and_manifest_goes_on_there() {
    let scene = scene().await;
    scene.there.fault("PUT /v2/*/manifests/*", Fault::Status(500));
    later(scene.copy().await, "500");
    assert!(!scene.has(scene.image.digest) && scene.there.tagged("prod/api", "production").is_none());
    scene.there.heal();
    let uploads = scene.there.count("POST *");
    assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }));
    assert_eq!(scene.there.count("POST *"), uploads, "no blob is sent twice");
    scene.whole();
}

#[tokio::test]
async fn stopped_at_any_write_ends_whole_after_the_next_run() {
    let mut scene = scene_between(Referrers::Off, Referrers::Off).await;
    let hasty = Limits { retries: 0, ..Limits::default() };
    let settings = Settings { registries: vec![way(&scene.here), way(&scene.there)], signing: None };
    let promoter = Promoter::with_limits(settings, hasty).unwrap();
    let mut stop = 0;
    loop {
        scene.to = format!("prod/api-{stop}");
        // Those before it pass as they are.
        scene.there.fault_times(stop, "P*", Fault::Without("x-nothing"));
        scene.there.fault("P*", Fault::Status(503));
        let outcome = promoter.copy(&Pulse::start(), &scene.image, (&repository(&scene.there, &scene.to), Some("production"))).await;
        scene.there.heal();
        if outcome.is_ok() {
            break;
        }
        later(outcome, "503");
        assert_eq!(scene.there.tagged(&scene.to, "production"), None, "stopped at {stop}");
        assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }), "stopped at {stop}");
        scene.whole();
        // Every second one: each costs a whole copy, and the two writes of a blob are alike.
        stop += 2;
    }
    assert!(stop > 20, "there were only {stop} writes");
}

#[tokio::test]
async fn blobs_are_mounted_within_a_registry_and_sent_where_they_cannot_be() {
    for mounts in [true, false] {
        let here = with_api().await;
        let image = pinned(&here, here.push_image(REPOSITORY, "v1", "one"));
        let hands = hands(vec![way(&here)], None);
        if !mounts {
            here.fault("POST /v2/other/*", Fault::Status(403));
            never(copied(&hands, &image, &here, "other/api").await, "403");
            here.heal();
            // The first of each blob's two is the mount.
            here.fault_times(1, "POST *", Fault::Status(403));
        }
        assert_eq!(copied(&hands, &image, &here, "prod/api").await, Ok(Left::Copied { evidence: 0 }));
        assert_eq!(here.count("GET /v2/shop/api/blobs/*") == 0, mounts);
    }
}

async fn copied(hands: &Hands, image: &PinnedImage, to: &RegistryDouble, path: &str) -> Result<Left, NotDone> {
    step(hands, image, &Act::Copy { image: image.clone(), to: repository(to, path), tag: None }).await
}

#[tokio::test]
async fn source_that_sends_other_bytes_is_not_copied() {
    for fault in [Fault::WrongBytes, Fault::Longer(1), Fault::Shorter(1)] {
        let scene = scene().await;
        scene.here.fault("GET /v2/*/blobs/*", fault.clone());
        never(scene.copy().await, "other bytes");
        assert!(!scene.has(scene.image.digest), "{fault:?}");
        let scene = self::scene().await;
        scene.here.fault(&format!("GET /v2/*/manifests/{}", scene.platforms[1]), fault);
        never(scene.copy().await, "other bytes");
        assert_eq!(scene.writes(), 0);
    }
}

#[tokio::test]
async fn evidence_that_cannot_be_looked_at_stops_the_copy() {
    for pattern in ["GET /v2/*/referrers/*", "GET /v2/*/manifests/*.sig", "GET /v2/*/manifests/*.att", "GET /v2/*/manifests/*.sbom"] {
        let scene = scene().await;
        scene.here.fault(pattern, Fault::Status(403));
        never(scene.copy().await, "403");
        scene.here.heal();
        scene.here.fault(pattern, Fault::Status(503));
        later(scene.copy().await, "503");
        assert_eq!(scene.writes(), 0, "{pattern}");
    }
}

#[tokio::test]
async fn evidence_that_arrives_wrong_is_noticed() {
    let scene = scene().await;
    let bundle = Digest::of(b"a bundle");
    scene.there.fault(&format!("GET /v2/*/blobs/{bundle}"), Fault::WrongBytes);
    never(scene.copy().await, "other bytes");
    assert_eq!(scene.there.tagged("prod/api", "production"), None);
}

#[tokio::test]
async fn what_others_put_at_the_destination_stays() {
    for referrers in [Referrers::Off, Referrers::Api { page: 100 }] {
        let scene = scene_between(Referrers::Off, referrers).await;
        let platform = scene.platforms[0];
        assert_eq!(scene.there.push_image("prod/api", "one", "one"), platform);
        scene.there.add_signature("prod/api", platform, b"a payload", json!({"dev.cosignproject.cosign/signature": "theirs"}));
        let theirs = scene.there.attach_bundle("prod/api", platform, b"their bundle");
        scene.here.attach_bundle(REPOSITORY, platform, b"our bundle");
        assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE + 1 }));
        let under = |tag: &str| {
            let digest = scene.there.tagged("prod/api", tag)?;
            String::from_utf8(scene.there.manifest("prod/api", digest)?).ok()
        };
        let signatures = under(&format!("sha256-{}.sig", platform.hex())).unwrap();
        assert!(signatures.contains("theirs") && signatures.contains(&platform.to_string()), "{signatures}");
        assert!(scene.has(theirs));
        let index = under(&format!("sha256-{}", platform.hex()));
        assert!(index.is_none_or(|index| index.contains(&theirs.to_string()) && index.matches("\"digest\"").count() == 2));
    }
}

#[tokio::test]
async fn image_under_its_own_fallback_tag_is_no_index_of_referrers() {
    let scene = scene_between(Referrers::Off, Referrers::Off).await;
    scene.there.change(|options| options.subject_by_fallback_tag = true);
    assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }));
    assert!(scene.there.tagged("prod/api", &format!("sha256-{}", scene.image.digest.hex())).is_some());
}

#[tokio::test]
async fn upload_location_elsewhere_gets_no_login_and_a_missing_one_no_panic() {
    let (scene, other) = (scene().await, with_api().await);
    let to = Way { login: login("writer"), ..way(&scene.there) };
    let account = crate::sandbox::registry::Account { name: "writer".into(), password: "s3cret".into(), push: true };
    scene.there.change(|options| options.auth = crate::sandbox::registry::Auth::Basic(vec![account]));
    let hands = hands(vec![way(&scene.here), to], None);
    let location = format!("http://{}/v2/prod/api/blobs/uploads/1", other.host());
    scene.there.fault("POST *", Fault::With("location", location));
    never(copied(&hands, &scene.image, &scene.there, "prod/api").await, "did not take blob");
    let seen = other.requests();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    for fault in [Fault::Without("location"), Fault::With("location", "http://[".into())] {
        scene.there.heal();
        scene.there.fault("POST *", fault);
        never(copied(&hands, &scene.image, &scene.there, "prod/api").await, "does not say where");
    }
    scene.there.heal();
    scene.there.fault("POST *", Fault::With("location", "http://10.0.0.1/x".into()));
    never(copied(&hands, &scene.image, &scene.there, "prod/api").await, "not a public TLS address");
}

#[tokio::test]
async fn copy_onto_itself_and_more_than_the_limits_are_refused() {
    let scene = scene().await;
    never(copied(&scene.hands, &scene.image, &scene.here, REPOSITORY).await, "onto itself");
    for number in 0..512 {
        scene.here.attach_bundle(REPOSITORY, scene.platforms[0], format!("{number}").as_bytes());
    }
    never(scene.copy().await, "more than 512 manifests");
    let large = json!({
        "schemaVersion": 2, "mediaType": media::IMAGE, "config": scene.here.descriptor(REPOSITORY, media::CONFIG, b"{}"),
        "layers": [{"mediaType": media::LAYER, "size": 65_u64 << 30, "digest": Digest::of(b"large").to_string()}],
    });
    let large = scene.here.put_manifest(REPOSITORY, None, media::IMAGE, large.to_string().as_bytes());
    never(copied(&scene.hands, &pinned(&scene.here, large), &scene.there, "prod/api").await, "bytes");
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn manifests_have_a_budget_together() {
    let scene = scene().await;
    // Each is under the limit of one.
    for number in 0..6 {
        let large = json!({
            "schemaVersion": 2, "mediaType": media::IMAGE, "config": scene.here.descriptor(REPOSITORY, media::CONFIG, b"{}"),
            "layers": [{
                "mediaType": media::BUNDLE, "size": 1, "digest": Digest::of(b"x").to_string(),
                "annotations": {"number": format!("{number}"), "filler": "x".repeat(3 << 20)},
            }],
            "subject": {"mediaType": media::INDEX, "size": 1, "digest": scene.image.digest.to_string()},
        });
        scene.here.attach(REPOSITORY, scene.image.digest, large.to_string().as_bytes());
    }
    never(scene.copy().await, "manifests of the image and what lies beside it have more than");
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn blob_of_unknown_length_is_read_and_hashed() {
    let scene = scene().await;
    scene.copy().await.unwrap();
    // A registry behind a proxy that leaves the length out.
    scene.there.fault("HEAD /v2/*/blobs/*", Fault::Without("content-length"));
    let (before, reads) = (scene.writes(), scene.there.count("GET /v2/*/blobs/*"));
    assert_eq!(scene.copy().await, Ok(Left::Copied { evidence: EVIDENCE }));
    assert_eq!(scene.writes(), before, "it is there");
    assert!(scene.there.count("GET /v2/*/blobs/*") > 2 * reads, "each blob was read");
    for fault in [Fault::WrongBytes, Fault::Longer(1), Fault::Shorter(1)] {
        scene.there.heal();
        scene.there.fault("HEAD /v2/*/blobs/*", Fault::Without("content-length"));
        scene.there.fault("GET /v2/*/blobs/*", fault);
        never(scene.copy().await, "other bytes");
    }
}

#[tokio::test]
async fn configuration_is_hashed_at_the_destination() {
    let scene = scene().await;
    let manifest = String::from_utf8(scene.here.manifest(REPOSITORY, scene.platforms[0]).unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    scene.there.fault(&format!("GET /v2/*/blobs/{config}"), Fault::WrongBytes);
    never(scene.copy().await, "other bytes");
    assert_eq!(scene.there.tagged("prod/api", "production"), None);
}
