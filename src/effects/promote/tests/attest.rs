//! `attest`.
#![cfg(test)]

use serde_json::{Value, json};

use super::*;
use crate::effects::promote::attest::VSA_V1;
use crate::facts::registry::{EvidenceContent, Registry};
use crate::facts::sigstore::{Content, Dsse, Trust, bundle, dsse};
use crate::model::attestation::AttestedAt;
use crate::model::gitlab::UserId;
use crate::model::promotion::{Person, Summary};
use crate::model::signer::{Layout, SignatureState, SignerKind, SignerName, TrustedSigner};
use crate::sandbox::registry::Fault;
use crate::verdict::Looked;

pub fn summary() -> Summary {
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

/// A fresh key, as `openssl` would write it.
fn fresh() -> SigningSettings {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    SigningSettings { private_key_pem: Secret::new(&pair.serialize_pem()).unwrap(), password: None }
}

struct Scene {
    double: RegistryDouble,
    image: PinnedImage,
    key: SigningSettings,
}

async fn scene(referrers: Referrers) -> Scene {
    let double = double(referrers).await;
    let image = pinned(&double, double.push_image(REPOSITORY, "v1", "one"));
    Scene { double, image, key: fresh() }
}

const KINDS: [Referrers; 2] = [Referrers::Off, Referrers::Api { page: 1 }];

impl Scene {
    async fn attest_with(&self, key: Option<SigningSettings>, summary: Summary) -> Result<Left, NotDone> {
        let hands = hands(vec![way(&self.double)], key);
        step(&hands, &self.image, &Act::Attest { image: self.image.clone(), summary }).await
    }

    async fn attest(&self) -> Result<Left, NotDone> {
        self.attest_with(Some(self.key.clone()), summary()).await
    }

    /// What a verifier finds beside the image.
    async fn items(&self) -> Vec<crate::facts::registry::EvidenceItem> {
        match Registry::new(vec![way(&self.double)]).unwrap().evidence(&self.image).await {
            Looked::Found(evidence) => evidence.items,
            Looked::Absent => vec![],
            Looked::Unreachable(why) => panic!("{why:?}"),
        }
    }

    /// In both layouts, once each.
    async fn lies_once(&self) {
        let layouts: Vec<_> = self.items().await.into_iter().map(|item| item.layout == Layout::LegacyTag).collect();
        assert_eq!(layouts.iter().filter(|legacy| **legacy).count(), 1, "{layouts:?}");
        assert_eq!(layouts.len(), 2);
    }
}

fn digest(outcome: Result<Left, NotDone>) -> Digest {
    match outcome {
        Ok(Left::Attested { attestation }) => attestation,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn summary_is_signed_once_and_found_again() {
    for referrers in KINDS {
        let scene = scene(referrers).await;
        let first = digest(scene.attest().await);
        assert_eq!(digest(scene.attest().await), first);
        scene.lies_once().await;
        let other = Summary { promotion: PromotionId("p2".into()), ..summary() };
        assert_ne!(digest(scene.attest_with(Some(scene.key.clone()), other).await), first);
        assert_eq!(scene.items().await.len(), 4);
    }
}

#[tokio::test]
async fn stopped_at_any_write_leaves_one_summary_after_the_next_run() {
    for referrers in KINDS {
        let mut scene = scene(referrers).await;
        let hasty = Limits { retries: 0, ..Limits::default() };
        let settings = Settings { registries: vec![way(&scene.double)], signing: Some(scene.key.clone()) };
        let promoter = Promoter::with_limits(settings, hasty).unwrap();
        let mut stop = 0;
        loop {
            scene.image = pinned(&scene.double, scene.double.push_image(REPOSITORY, "v1", &format!("stopped at {stop}")));
            scene.double.fault_times(stop, "P*", Fault::Without("x-nothing"));
            scene.double.fault("P*", Fault::Status(503));
            let outcome = promoter.attest(&Pulse::start(), &scene.image, &summary()).await;
            scene.double.heal();
            if outcome.is_ok() {
                break;
            }
            later(outcome, "503");
            digest(promoter.attest(&Pulse::start(), &scene.image, &summary()).await);
            scene.lies_once().await;
            stop += 1;
        }
        assert!(stop > 5, "a bundle, its manifest, the index, an envelope, a configuration, the tag");
    }
}

#[tokio::test]
async fn summary_says_what_was_decided_and_claims_no_level() {
    let scene = scene(Referrers::Off).await;
    digest(scene.attest().await);
    let items = scene.items().await;
    let Some(EvidenceContent::Dsse { envelope, .. }) =
        items.into_iter().map(|item| item.content).find(|content| matches!(content, EvidenceContent::Dsse { .. }))
    else {
        panic!("no legacy attestation")
    };
    let envelope: Value = serde_json::from_slice(&envelope).unwrap();
    let payload = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let expected = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": scene.image.repository.to_string(), "digest": {"sha256": scene.image.digest.hex()}}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": "https://countersign.example.com"},
            "timeVerified": "2026-11-24T15:10:00Z",
            "resourceUri": "https://gitlab.example.com/shop/api/-/environments/production",
            "policy": {"uri": "https://countersign.example.com#policy", "digest": {"sha256": Digest::of(b"the policy").hex()}},
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
            "slsaVersion": "1.0",
            "countersign_promotion": {
                "id": "p1", "environment": "production", "requestedBy": {"id": 5, "username": "ada"},
                "approvedBy": [{"id": 6, "username": "grace"}],
            },
        },
    });
    assert_eq!(statement, expected);
}

#[tokio::test]
async fn summary_is_neither_signature_nor_provenance_of_the_image() {
    let scene = scene(Referrers::Off).await;
    digest(scene.attest().await);
    let promoter = Promoter::new(Settings { registries: vec![], signing: Some(scene.key.clone()) }).unwrap();
    // Even where somebody trusts the bot's key for releases.
    let signer = TrustedSigner::new(SignerName("bot".into()), SignerKind::Key { pem: promoter.key().unwrap().public_pem() });
    let trust = Trust::new(&[signer], None, false).unwrap();
    for item in scene.items().await {
        let judged = match &item.content {
            EvidenceContent::Bundle { bytes, .. } => bundle(bytes, &scene.image, &trust),
            EvidenceContent::Dsse { envelope, .. } => dsse(&Dsse { envelope, ..Dsse::default() }, &scene.image, &trust),
            other => panic!("{other:?}"),
        };
        assert!(matches!(judged.state, SignatureState::Verified(_)), "{judged:?}");
        assert!(matches!(&judged.content, Content::Attestation { predicate_type, .. } if predicate_type == VSA_V1));
        assert_eq!(judged.signature(), None);
        assert_eq!(crate::facts::provenance::attested(judged, AttestedAt::Registry(item.layout)), None);
    }
}

#[tokio::test]
async fn summary_that_another_key_signed_is_not_taken_over() {
    for referrers in KINDS {
        let scene = scene(referrers).await;
        let theirs = digest(scene.attest_with(Some(fresh()), summary()).await);
        let ours = digest(scene.attest().await);
        assert_ne!(ours, theirs);
        assert_eq!(scene.items().await.len(), 4, "theirs stays");
    }
}

#[tokio::test]
async fn attestations_of_others_stay_also_if_they_come_meanwhile() {
    let scene = scene(Referrers::Off).await;
    scene.double.add_attestation(REPOSITORY, scene.image.digest, b"before", json!({"predicateType": "a"}));
    // The fourth upload is the configuration that belongs to the layers seen; theirs comes while it is on its way.
    scene.double.fault_times(3, "POST *", Fault::Without("x-nothing"));
    scene.double.fault("POST *", Fault::Slow(Duration::from_secs(2)));
    let add = async {
        while scene.double.count("POST *") < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        scene.double.add_attestation(REPOSITORY, scene.image.digest, b"meanwhile", json!({"predicateType": "b"}));
    };
    let (outcome, ()) = tokio::join!(scene.attest(), add);
    digest(outcome);
    let tag = scene.double.tagged(REPOSITORY, &format!("sha256-{}.att", scene.image.digest.hex())).unwrap();
    let manifest: Value = serde_json::from_slice(&scene.double.manifest(REPOSITORY, tag).unwrap()).unwrap();
    let kinds: Vec<_> = manifest["layers"].as_array().unwrap().iter().map(|layer| layer["annotations"]["predicateType"].clone()).collect();
    assert_eq!(kinds, ["a", "b", VSA_V1]);
}

#[tokio::test]
async fn nobody_signs_that_an_observed_policy_is_met() {
    let scene = scene(Referrers::Off).await;
    let hands = hands(vec![way(&scene.double)], Some(scene.key.clone()));
    let attest = Act::Attest { image: scene.image.clone(), summary: summary() };
    let observed = observed_clearance(&scene.image);
    never(run(&hands, std::slice::from_ref(&observed), &attest).await, "the policy is not met");
    // Another image that it is promoted with was let pass.
    let beside = pinned(&scene.double, scene.double.push_image(REPOSITORY, "v2", "two"));
    let both = [clearance(&scene.image, "production"), observed_clearance(&beside)];
    never(run(&hands, &both, &attest).await, "the policy is not met");
    assert_eq!(scene.double.count("P*"), 0);
    // What does not say so is done.
    let retag = Act::Retag { image: scene.image.clone(), tag: "production".into() };
    assert!(matches!(run(&hands, &[observed], &retag).await, Ok(Left::Tagged { .. })));
}

#[tokio::test]
async fn nothing_is_stored_without_a_key_or_an_image() {
    let scene = scene(Referrers::Off).await;
    never(scene.attest_with(None, summary()).await, "no key to sign with");
    scene.double.delete_manifest(REPOSITORY, scene.image.digest);
    never(scene.attest().await, "does not hold");
    assert_eq!(scene.double.count("P*"), 0);
    let foreign = Summary { environment: EnvironmentName("staging".into()), ..summary() };
    never(scene.attest_with(Some(scene.key.clone()), foreign).await, "the step is for staging");
}
