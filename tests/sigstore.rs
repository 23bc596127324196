//! Signatures made by the sandbox authority, right and wrong, judged by the facts.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

#[path = "sigstore/curves.rs"]
mod curves;
#[path = "sigstore/entries.rs"]
mod entries;
#[path = "sigstore/stamps.rs"]
mod stamps;

use countersign::facts::sigstore::{Content, Dsse, Judged, SimpleSigning, Trust, bundle, dsse, simple_signing};
use countersign::facts::trust_root::TrustRoot;
use countersign::model::signer::{KeylessIdentity, SignatureState, SignedBy, SignerKind, SignerName, TrustedSigner};
use countersign::model::{Digest, PinnedImage, Timestamp};
use countersign::sandbox::authority::{
    Authority, Claims, GitlabJob, LegacyAttestation, LegacySignature, San, SandboxKey, Session, attestation_statement, legacy_payload,
    sign_statement,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

const SLSA: &str = "https://slsa.dev/provenance/v1";
const ISSUER: &str = "https://gitlab.sandbox.test";

struct World {
    authority: Authority,
    ours: SandboxKey,
    theirs: SandboxKey,
    image: PinnedImage,
    other: PinnedImage,
    /// A minute ago: the log may not be ahead of our clock.
    then: Timestamp,
}

fn ago(seconds: i64) -> Timestamp {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

fn name(name: &str) -> SignerName {
    SignerName(name.into())
}

impl World {
    fn new() -> Self {
        let authority = Authority::new(Timestamp::now()).unwrap();
        let image = |bytes| PinnedImage { repository: "registry.test/shop/api".parse().unwrap(), digest: Digest::of(bytes) };
        Self {
            ours: authority.key("release").unwrap(),
            theirs: authority.key("laptop").unwrap(),
            image: image(b"image"),
            other: image(b"other"),
            then: ago(60),
            authority,
        }
    }

    fn signers(&self) -> Vec<TrustedSigner> {
        vec![
            TrustedSigner::new(name("release-key"), SignerKind::Key { pem: self.ours.public_pem.clone() }),
            TrustedSigner::new(name("pipeline"), SignerKind::GitlabOidc { issuer: ISSUER.into() }),
        ]
    }

    fn root(&self) -> TrustRoot {
        TrustRoot::parse(&self.authority.trusted_root_json()).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::new(&self.signers(), Some(self.root()), false).unwrap()
    }

    /// Trust in the key alone.
    fn keys_only(&self) -> Trust {
        Trust::new(&self.signers(), None, false).unwrap()
    }

    fn log_demanded(&self) -> Trust {
        Trust::new(&self.signers(), Some(self.root()), true).unwrap()
    }

    fn legacy(&self, signed: &LegacySignature, trust: &Trust) -> Judged {
        let input = SimpleSigning {
            payload: &signed.payload,
            signature_b64: &signed.signature_b64,
            certificate_pem: signed.certificate_pem.as_deref(),
            chain_pem: signed.chain_pem.as_deref(),
            rekor_bundle_json: signed.rekor_bundle_json.as_deref(),
            rfc3161_json: signed.rfc3161_json.as_deref(),
        };
        simple_signing(&input, &self.image, trust)
    }

    fn attestation(&self, made: &LegacyAttestation, trust: &Trust) -> Judged {
        let input = Dsse {
            envelope: &made.envelope,
            certificate_pem: made.certificate_pem.as_deref(),
            chain_pem: made.chain_pem.as_deref(),
            rekor_bundle_json: made.rekor_bundle_json.as_deref(),
            rfc3161_json: None,
        };
        dsse(&input, &self.image, trust)
    }

    fn provenance(&self, image: &PinnedImage) -> Value {
        attestation_statement(image, SLSA, &json!({"buildDefinition": {}}))
    }

    fn bundle(&self, bytes: &[u8]) -> Judged {
        bundle(bytes, &self.image, &self.trust())
    }

    fn keyless(&self, change: impl FnOnce(&mut Session)) -> Vec<u8> {
        let mut session = Session::at(&Claims::default(), self.then);
        change(&mut session);
        self.authority.attest_keyless(&sign_statement(&self.image), &session).unwrap()
    }
}

fn by_our_key() -> SignatureState {
    SignatureState::Verified(SignedBy::Key(name("release-key")))
}

fn identity(judged: &Judged) -> &KeylessIdentity {
    match &judged.state {
        SignatureState::Verified(SignedBy::Keyless(identity)) => identity,
        other => panic!("not a verified certificate: {other:?}"),
    }
}

#[track_caller]
fn is_invalid(judged: &Judged, claims: &str, word: &str) {
    match &judged.state {
        SignatureState::Invalid { claims: Some(by), reason } if by.0 == claims && reason.contains(word) => {}
        other => panic!("not invalid for {word:?} in the name of {claims}: {other:?}"),
    }
}

#[track_caller]
fn is_unreadable(judged: &Judged, word: &str) {
    match &judged.state {
        SignatureState::Unreadable { reason } if reason.contains(word) => {}
        other => panic!("not unreadable for {word:?}: {other:?}"),
    }
}

#[track_caller]
fn is_not_ours(judged: &Judged, word: &str) {
    match &judged.state {
        SignatureState::NotOurs { hint } if hint.as_deref().unwrap_or_default().contains(word) => {}
        other => panic!("not somebody else's with {word:?}: {other:?}"),
    }
}

/// A bundle with one value of its JSON changed.
fn changed(bundle: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bundle).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

/// Another signature of the same length and base64 shape.
fn flip(text: &str) -> String {
    let at = text.len() / 2;
    let flipped = if &text[at..=at] == "A" { "B" } else { "A" };
    format!("{}{flipped}{}", &text[..at], &text[at + 1..])
}

/// Workers judge, and the sandbox signs, on several threads.
#[test]
fn trust_and_authority_are_shared_by_threads() {
    fn check<T: Send + Sync>() {}
    check::<Trust>();
    check::<Authority>();
    check::<SandboxKey>();
}

#[test]
fn a_legacy_key_signature_verifies_with_and_without_a_log() {
    let world = World::new();
    let judged = world.legacy(&world.authority.sign_legacy(&world.ours, &world.image).unwrap(), &world.keys_only());
    assert_eq!(judged.state, by_our_key());
    assert_eq!(judged.logged.signed_at, None);
    match judged.content {
        Content::ImageSignature { docker_reference, .. } => assert_eq!(docker_reference.unwrap(), "registry.test/shop/api"),
        other => panic!("{other:?}"),
    }
    let logged = world.authority.sign_legacy_logged(&world.ours, &world.image, world.then).unwrap();
    let judged = world.legacy(&logged, &world.log_demanded());
    assert_eq!(judged.state, by_our_key());
    assert_eq!((judged.logged.logged, judged.logged.signed_at), (true, Some(world.then)));
    assert!(judged.logged.log_index.is_some());
}

#[test]
fn a_log_entry_that_is_demanded_and_missing_is_invalid() {
    let world = World::new();
    let legacy = world.authority.sign_legacy(&world.ours, &world.image).unwrap();
    is_invalid(&world.legacy(&legacy, &world.log_demanded()), "release-key", "demanded");
    let bytes = world.authority.sign_bundle_with_key(&world.ours, &world.image).unwrap();
    is_invalid(&bundle(&bytes, &world.image, &world.log_demanded()), "release-key", "demanded");
    assert!(Trust::new(&world.signers(), None, true).is_err());
}

#[test]
fn a_log_entry_of_another_signature_is_invalid_and_of_an_unknown_log_left_aside() {
    let world = World::new();
    let first = world.authority.sign_legacy_logged(&world.ours, &world.image, world.then).unwrap();
    let mut second = world.authority.sign_legacy(&world.ours, &world.image).unwrap();
    second.rekor_bundle_json = first.rekor_bundle_json.clone();
    is_invalid(&world.legacy(&second, &world.trust()), "release-key", "log entry");
    let elsewhere = Authority::new(Timestamp::now()).unwrap();
    let signed = elsewhere.sign_legacy_logged(&world.ours, &world.image, world.then).unwrap();
    let judged = world.legacy(&signed, &world.trust());
    assert_eq!((judged.state, judged.logged.logged), (by_our_key(), false));
    is_invalid(&world.legacy(&signed, &world.log_demanded()), "release-key", "demanded");
}

#[test]
fn a_legacy_signature_by_another_key_is_not_ours() {
    let world = World::new();
    let signed = world.authority.sign_legacy(&world.theirs, &world.image).unwrap();
    is_not_ours(&world.legacy(&signed, &world.trust()), "");
    // The layout names no key, so that an altered signature looks the same, unless its log entry names ours.
    let mut altered = world.authority.sign_legacy_logged(&world.ours, &world.image, world.then).unwrap();
    altered.signature_b64 = flip(&altered.signature_b64);
    is_invalid(&world.legacy(&altered, &world.trust()), "release-key", "did not make");
    altered.rekor_bundle_json = None;
    is_not_ours(&world.legacy(&altered, &world.trust()), "");
}

#[test]
fn a_legacy_signature_of_another_image_says_of_which() {
    let world = World::new();
    for (key, by) in [(&world.ours, Some(SignedBy::Key(name("release-key")))), (&world.theirs, None)] {
        let judged = world.legacy(&world.authority.sign_legacy(key, &world.other).unwrap(), &world.trust());
        assert_eq!(judged.state, SignatureState::OtherSubject { digest: world.other.digest, by });
    }
}

#[test]
fn a_legacy_payload_is_read_strictly_whoever_signed_it() {
    let world = World::new();
    let good = String::from_utf8(legacy_payload(&world.image)).unwrap();
    let check = |payload: String, word: &str| {
        let signed = world.authority.sign_payload(&world.ours, payload.into_bytes()).unwrap();
        is_unreadable(&world.legacy(&signed, &world.trust()), word);
    };
    check(good.replace("container image", "container"), "type");
    check(good.replacen(r#""image":"#, r#""image":{"docker-manifest-digest":"x"},"image":"#, 1), "stands twice");
    check(good.replace(&world.image.digest.hex(), &world.image.digest.hex().to_uppercase()), "payload");
    check(good.replace("optional", &" ".repeat(1 << 17)), "larger");
    check(String::new(), "payload");
    let mut signed = world.authority.sign_legacy(&world.ours, &world.image).unwrap();
    signed.signature_b64 = "no base64!".into();
    is_unreadable(&world.legacy(&signed, &world.trust()), "base64");
}

#[test]
fn a_legacy_keyless_signature_verifies_with_all_its_proofs_only() {
    let world = World::new();
    let session = Session::at(&Claims::default(), world.then);
    let good = world.authority.sign_legacy_keyless(&world.image, &session).unwrap();
    let judged = world.legacy(&good, &world.trust());
    assert_eq!(identity(&judged).signed_at, Some(world.then));
    is_not_ours(&world.legacy(&good, &world.keys_only()), "no trust root is configured");
    let mut unlogged = good.clone();
    unlogged.rekor_bundle_json = None;
    is_invalid(&world.legacy(&unlogged, &world.trust()), "pipeline", "");
    // The forgery that needs no key: another image's public certificate and log entry, and a signature of one's own.
    let mut forged = world.authority.sign_legacy(&world.theirs, &world.image).unwrap();
    let victim = world.authority.sign_legacy_keyless(&world.other, &session).unwrap();
    forged.certificate_pem = victim.certificate_pem;
    forged.chain_pem = victim.chain_pem;
    forged.rekor_bundle_json = victim.rekor_bundle_json;
    is_invalid(&world.legacy(&forged, &world.trust()), "pipeline", "");
}

#[test]
fn a_key_bundle_verifies_without_a_log_and_with_one() {
    let world = World::new();
    let bytes = world.authority.sign_bundle_with_key(&world.ours, &world.image).unwrap();
    assert_eq!(world.bundle(&bytes).state, by_our_key());
    assert_eq!(bundle(&bytes, &world.image, &world.keys_only()).state, by_our_key());
    let logged = world.authority.attest_with_key_logged(&world.ours, &sign_statement(&world.image), world.then).unwrap();
    let judged = bundle(&logged, &world.image, &world.log_demanded());
    assert_eq!((judged.state, judged.logged.signed_at), (by_our_key(), Some(world.then)));
    let backdated = changed(&logged, |b| b["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = "1600000000".into());
    is_invalid(&world.bundle(&backdated), "release-key", "");
}

#[test]
fn another_keys_bundle_is_not_ours_and_an_altered_one_is_invalid() {
    let world = World::new();
    let theirs = world.authority.sign_bundle_with_key(&world.theirs, &world.image).unwrap();
    is_not_ours(&world.bundle(&theirs), "fingerprint");
    let ours = world.authority.sign_bundle_with_key(&world.ours, &world.image).unwrap();
    let altered = changed(&ours, |b| {
        let signature = &mut b["dsseEnvelope"]["signatures"][0]["sig"];
        *signature = flip(signature.as_str().unwrap()).into();
    });
    is_invalid(&world.bundle(&altered), "release-key", "did not make");
    // The envelope of one with the hint of the other: the hint is no proof.
    let hint = serde_json::from_slice::<Value>(&ours).unwrap()["verificationMaterial"].clone();
    let borrowed = changed(&theirs, |b| b["verificationMaterial"] = hint);
    is_invalid(&world.bundle(&borrowed), "release-key", "did not make");
}

#[test]
fn a_bundle_about_another_image_says_of_which() {
    let world = World::new();
    let by_key = world.authority.sign_bundle_with_key(&world.ours, &world.other).unwrap();
    let by = Some(SignedBy::Key(name("release-key")));
    assert_eq!(world.bundle(&by_key).state, SignatureState::OtherSubject { digest: world.other.digest, by });
    let keyless = world.authority.sign_bundle_keyless(&world.other, &Claims::default(), world.then).unwrap();
    assert!(matches!(world.bundle(&keyless).state, SignatureState::OtherSubject { by: Some(SignedBy::Keyless(_)), .. }));
}

#[test]
fn an_attestation_never_counts_as_a_signature() {
    let world = World::new();
    let statement = attestation_statement(&world.image, "https://slsa.dev/provenance/v1", &json!({}));
    let judged = world.bundle(&world.authority.attest_with_key(&world.ours, &statement).unwrap());
    assert_eq!(judged.state, by_our_key());
    assert_eq!(judged.signature(), None);
    match judged.content {
        Content::Attestation { predicate_type, statement } => {
            assert_eq!(predicate_type, "https://slsa.dev/provenance/v1");
            assert!(!statement.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_statement_is_read_strictly_whoever_signed_it() {
    let world = World::new();
    let check = |change: fn(&mut Value), word: &str| {
        let mut statement = sign_statement(&world.image);
        change(&mut statement);
        is_unreadable(&world.bundle(&world.authority.attest_with_key(&world.ours, &statement).unwrap()), word);
    };
    check(|s| s["_type"] = "https://in-toto.io/Statement/v0.1".into(), "type");
    check(|s| s["subject"] = json!([]), "0 subjects");
    check(|s| s["subject"] = json!([{"digest": {"sha512": "00"}}]), "sha256");
    check(
        |s| s["subject"][0]["digest"]["sha256"] = s["subject"][0]["digest"]["sha256"].as_str().unwrap().to_uppercase().into(),
        "lower-case",
    );
    check(|s| s["predicateType"] = json!(1), "statement");
    check(|s| *s = json!("words"), "statement");
}

#[test]
fn a_bundle_is_read_strictly() {
    let world = World::new();
    let good = world.authority.sign_bundle_with_key(&world.ours, &world.image).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let check = |bytes: &[u8], word: &str| is_unreadable(&world.bundle(bytes), word);
    check(text.replacen("\"dsseEnvelope\"", "\"dsseEnvelope\":{},\"dsseEnvelope\"", 1).as_bytes(), "stands twice");
    check(&changed(&good, |b| drop(b.as_object_mut().unwrap().remove("mediaType"))), "no mediaType");
    check(&changed(&good, |b| b["dsseEnvelope"]["payloadType"] = "text/plain".into()), "not an in-toto statement");
    check(
        &changed(&good, |b| {
            let signature = b["dsseEnvelope"]["signatures"][0].clone();
            b["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(signature);
        }),
        "exactly one signature",
    );
    check(&text.as_bytes()[..text.len() / 2], "bundle");
    check(b"\x1f\x8b\x08\x00", "bundle");
    check(&vec![b' '; (8 << 20) + 1], "larger");
}

/// Older versions do not ask for the proof; here each log entry must have it, whatever a bundle calls itself.
#[test]
fn bundles_of_older_versions_count_with_an_inclusion_proof_only() {
    let world = World::new();
    let statement = sign_statement(&world.image);
    let by_key = world.authority.attest_with_key_logged(&world.ours, &statement, world.then).unwrap();
    for version in ["0.1", "0.2"] {
        let older = |b: &mut Value| b["mediaType"] = format!("application/vnd.dev.sigstore.bundle+json;version={version}").into();
        let stripped = |b: &mut Value| {
            older(b);
            let entry = b.pointer_mut("/verificationMaterial/tlogEntries/0").unwrap();
            entry.as_object_mut().unwrap().remove("inclusionProof");
        };
        let keyless = world.keyless(|_| ());
        assert_eq!(identity(&world.bundle(&changed(&keyless, older))).signed_at, Some(world.then));
        is_invalid(&world.bundle(&changed(&keyless, stripped)), "pipeline", "no inclusion proof");
        let judged = bundle(&changed(&by_key, older), &world.image, &world.log_demanded());
        assert_eq!((judged.state, judged.logged.logged), (by_our_key(), true));
        is_invalid(&world.bundle(&changed(&by_key, stripped)), "release-key", "no inclusion proof");
        let unlogged = world.authority.sign_bundle_with_key(&world.ours, &world.image).unwrap();
        assert_eq!(world.bundle(&changed(&unlogged, older)).state, by_our_key());
    }
}

/// A pinned root is never renewed by itself: once its authorities' time is over, what they sign is not wrong for it.
#[test]
fn a_trust_root_whose_authorities_time_is_over_could_not_check() {
    let world = World::new();
    let ended = ago(3600).to_string();
    let under = |change: &dyn Fn(&mut Value)| {
        let mut root = world.authority.trusted_root();
        change(&mut root);
        let root = TrustRoot::parse(root.to_string().as_bytes()).unwrap();
        Trust::new(&world.signers(), Some(root), true).unwrap()
    };
    let end_all = |root: &mut Value, kind: &str, window: &str| {
        root[kind].as_array_mut().unwrap().iter_mut().for_each(|one| one.pointer_mut(window).unwrap()["end"] = json!(ended));
    };
    let no_ca = |root: &mut Value| end_all(root, "certificateAuthorities", "/validFor");
    let no_log = |root: &mut Value| end_all(root, "tlogs", "/publicKey/validFor");
    let keyless = world.keyless(|_| ());
    for (change, word) in
        [(&no_ca as &dyn Fn(&mut Value), "no certificate authority whose time had not ended at"), (&no_log, "no transparency log whose")]
    {
        let judged = bundle(&keyless, &world.image, &under(change));
        is_unreadable(&judged, word);
        is_unreadable(&judged, "its newest key is 24 hours old");
    }
    let logged = world.authority.sign_legacy_logged(&world.ours, &world.image, world.then).unwrap();
    is_unreadable(&world.legacy(&logged, &under(&no_log)), "no transparency log whose");
    // What was signed before is as good as ever.
    let before = Session { certified_at: ago(7200), logged_at: ago(7200), ..Session::at(&Claims::default(), ago(7200)) };
    let old = world.authority.attest_keyless(&sign_statement(&world.image), &before).unwrap();
    assert_eq!(identity(&bundle(&old, &world.image, &under(&no_ca))).signed_at, Some(ago(7200)));
    // Beside an authority whose time is not over, one whose time is was ended on purpose.
    let other = Authority::new(Timestamp::now()).unwrap().trusted_root()["certificateAuthorities"][0].clone();
    let replaced = |root: &mut Value| {
        no_ca(root);
        root["certificateAuthorities"].as_array_mut().unwrap().push(other.clone());
    };
    assert!(matches!(bundle(&keyless, &world.image, &under(&replaced)).state, SignatureState::Invalid { .. }));
}

#[test]
fn a_keyless_bundle_verifies_and_tells_every_claim() {
    let world = World::new();
    let job = GitlabJob::default();
    let bytes = world.authority.sign_bundle_keyless(&world.image, &Claims::of(&job), world.then).unwrap();
    let judged = world.bundle(&bytes);
    let config = "https://gitlab.sandbox.test/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
    let expected = KeylessIdentity {
        issuer: Some(ISSUER.into()),
        san_uri: Some(config.into()),
        san_email: None,
        build_signer_uri: Some(config.into()),
        build_signer_digest: Some(job.sha.clone()),
        runner_environment: Some("self-hosted".into()),
        source_repository_uri: Some("https://gitlab.sandbox.test/shop/api".into()),
        source_repository_digest: Some(job.sha.clone()),
        source_repository_ref: Some(job.git_ref),
        source_repository_identifier: Some("42".into()),
        source_repository_owner_identifier: Some("7".into()),
        build_config_uri: Some(config.into()),
        build_config_digest: Some(job.sha),
        build_trigger: Some("push".into()),
        run_invocation_uri: Some("https://gitlab.sandbox.test/shop/api/-/jobs/21".into()),
        signed_at: Some(world.then),
        log_index: Some(4_163_431),
    };
    assert_eq!(identity(&judged), &expected);
    assert!(judged.signature().is_some());
}

#[test]
fn many_entries_in_the_log_keep_their_proofs() {
    let world = World::new();
    for _ in 0..9 {
        identity(&world.bundle(&world.keyless(|_| ())));
    }
}

#[test]
fn a_certificate_with_two_names_or_an_email_has_no_uri() {
    let world = World::new();
    let uri = Claims::default().sans[0].clone();
    let spelt = San::Email("release@gitlab.sandbox.test".into());
    for sans in [vec![uri.clone(), San::Uri("https://gitlab.sandbox.test/evil".into())], vec![uri, spelt.clone()], vec![spelt]] {
        let judged = world.bundle(&world.keyless(|session| session.claims.sans = sans));
        assert_eq!(identity(&judged).san_uri, None);
    }
}

#[test]
fn two_issuers_that_differ_are_no_issuer_and_absent_claims_stay_absent() {
    let world = World::new();
    let judged = world.bundle(&world.keyless(|session| session.claims.legacy_issuer = Some("https://gitlab.com".into())));
    assert_eq!(identity(&judged).issuer, None);
    let judged = world.bundle(&world.keyless(|session| session.claims.build_trigger = None));
    assert_eq!(identity(&judged).build_trigger, None);
    assert_eq!(identity(&judged).issuer.as_deref(), Some(ISSUER));
}

#[test]
fn a_keyless_bundle_with_one_proof_missing_or_wrong_is_invalid() {
    let world = World::new();
    let good = world.keyless(|_| ());
    let ahead = SignedDuration::from_secs(3600);
    is_invalid(&world.bundle(&world.keyless(|session| session.sct = false)), "pipeline", "signed certificate timestamp");
    is_invalid(&world.bundle(&world.keyless(|session| session.certified_at = ago(3600))), "pipeline", "Expired");
    is_invalid(
        &world.bundle(&world.keyless(|session| {
            session.certified_at = Timestamp::now().checked_add(ahead).unwrap();
            session.logged_at = session.certified_at;
        })),
        "pipeline",
        "future",
    );
    let entry = |change: fn(&mut Value)| changed(&good, |b| change(&mut b["verificationMaterial"]["tlogEntries"][0]));
    let proofless = entry(|e| drop(e.as_object_mut().unwrap().remove("inclusionProof")));
    is_invalid(&world.bundle(&proofless), "pipeline", "no inclusion proof");
    is_invalid(&world.bundle(&entry(|e| e["logIndex"] = "7".into())), "pipeline", "promise");
    is_invalid(&world.bundle(&entry(|e| e["inclusionProof"]["treeSize"] = "77".into())), "pipeline", "proof");
    let unlogged = changed(&good, |b| b["verificationMaterial"]["tlogEntries"] = json!([]));
    is_invalid(&world.bundle(&unlogged), "pipeline", "");
    let altered = changed(&good, |b| {
        let signature = &mut b["dsseEnvelope"]["signatures"][0]["sig"];
        *signature = flip(signature.as_str().unwrap()).into();
    });
    is_invalid(&world.bundle(&altered), "pipeline", "");
    // A log entry of another signature, with its own valid promise and proof.
    let other: Value = serde_json::from_slice(&world.keyless(|_| ())).unwrap();
    let swapped = changed(&good, |b| b["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"].clone());
    is_invalid(&world.bundle(&swapped), "pipeline", "does not match");
}

#[test]
fn a_keyless_bundle_of_another_authority_or_without_a_trust_root_is_not_ours() {
    let world = World::new();
    let elsewhere = Authority::new(Timestamp::now()).unwrap();
    let signed = elsewhere.sign_bundle_keyless(&world.image, &Claims::default(), world.then).unwrap();
    // The sandbox authorities share their names: what differs are the log and the keys.
    is_not_ours(&world.bundle(&signed), "logged where we do not look");
    let ours = world.keyless(|_| ());
    is_not_ours(&bundle(&ours, &world.image, &world.keys_only()), "no trust root is configured");
    let production = Trust::new(&[], Some(TrustRoot::public_good_snapshot().unwrap()), false).unwrap();
    is_not_ours(&bundle(&ours, &world.image, &production), "authority that we do not trust");
}

#[test]
fn more_log_entries_than_allowed_are_not_worked_through() {
    let world = World::new();
    let many = changed(&world.keyless(|_| ()), |b| {
        let entry = b["verificationMaterial"]["tlogEntries"][0].clone();
        b["verificationMaterial"]["tlogEntries"] = vec![entry; 9].into();
    });
    is_unreadable(&world.bundle(&many), "more than");
}

/// Every leaf of the JSON removed, emptied or replaced: nothing panics, and nothing that is signed may change unnoticed.
#[test]
fn no_mutation_of_a_bundle_changes_who_signed_what() {
    let world = World::new();
    let good = world.keyless(|_| ());
    let honest = world.bundle(&good);
    let value: Value = serde_json::from_slice(&good).unwrap();
    let mut paths = vec![];
    leaves(&value, String::new(), &mut paths);
    assert!(paths.len() > 15, "{paths:?}");
    let mut accepted = vec![];
    for path in paths {
        for replacement in [Value::Null, json!(""), json!("AAAA"), json!(-1), json!([[]]), json!({"a": "b"})] {
            let mutated = changed(&good, |b| *b.pointer_mut(&path).unwrap() = replacement.clone());
            let judged = world.bundle(&mutated);
            if matches!(judged.state, SignatureState::Verified(_)) {
                assert_eq!(judged, honest, "{path} = {replacement}");
                accepted.push(path.clone());
            }
        }
    }
    accepted.dedup();
    assert!(accepted.is_empty(), "left unchecked: {accepted:?}");
}

fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| leaves(value, format!("{path}/{key}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| leaves(value, format!("{path}/{at}"), found)),
        _ => found.push(path),
    }
}

#[test]
fn a_legacy_attestation_verifies_by_key_and_is_no_signature() {
    let world = World::new();
    let made = world.authority.attest_legacy(&world.ours, &world.provenance(&world.image)).unwrap();
    for trust in [world.trust(), world.keys_only()] {
        let judged = world.attestation(&made, &trust);
        assert_eq!((&judged.state, judged.signature()), (&by_our_key(), None));
        assert!(matches!(judged.content, Content::Attestation { predicate_type, .. } if predicate_type == SLSA));
    }
    is_invalid(&world.attestation(&made, &world.log_demanded()), "release-key", "demanded");
    // Not even one that calls itself a signature.
    let signing = world.authority.attest_legacy(&world.ours, &sign_statement(&world.image)).unwrap();
    let judged = world.attestation(&signing, &world.trust());
    assert_eq!((&judged.state, judged.signature()), (&by_our_key(), None));
    let theirs = world.authority.attest_legacy(&world.theirs, &world.provenance(&world.image)).unwrap();
    is_not_ours(&world.attestation(&theirs, &world.trust()), "");
    let other = world.authority.attest_legacy(&world.ours, &world.provenance(&world.other)).unwrap();
    let by = Some(SignedBy::Key(name("release-key")));
    assert_eq!(world.attestation(&other, &world.trust()).state, SignatureState::OtherSubject { digest: world.other.digest, by });
}

#[test]
fn a_legacy_attestation_verifies_keyless_with_all_its_proofs_only() {
    let world = World::new();
    let session = Session::at(&Claims::default(), world.then);
    let good = world.authority.attest_legacy_keyless(&world.provenance(&world.image), &session).unwrap();
    let judged = world.attestation(&good, &world.trust());
    assert_eq!(identity(&judged).signed_at, Some(world.then));
    assert!(judged.logged.logged);
    let mut unlogged = good.clone();
    unlogged.rekor_bundle_json = None;
    is_invalid(&world.attestation(&unlogged, &world.trust()), "pipeline", "");
    // Another attestation's log entry, and another's certificate with its entry.
    let second = world.authority.attest_legacy_keyless(&world.provenance(&world.other), &session).unwrap();
    let swapped = LegacyAttestation { rekor_bundle_json: second.rekor_bundle_json.clone(), ..good.clone() };
    is_invalid(&world.attestation(&swapped, &world.trust()), "pipeline", "");
    let mut forged = world.authority.attest_legacy(&world.theirs, &world.provenance(&world.image)).unwrap();
    (forged.certificate_pem, forged.chain_pem) = (good.certificate_pem.clone(), good.chain_pem.clone());
    forged.rekor_bundle_json = good.rekor_bundle_json.clone();
    is_invalid(&world.attestation(&forged, &world.trust()), "pipeline", "");
}

#[test]
fn a_legacy_attestation_is_read_strictly() {
    let world = World::new();
    let good = world.authority.attest_legacy(&world.ours, &world.provenance(&world.image)).unwrap();
    let check = |change: &dyn Fn(&mut Value), word: &str| {
        let made = LegacyAttestation { envelope: changed(&good.envelope, change), ..good.clone() };
        is_unreadable(&world.attestation(&made, &world.trust()), word);
    };
    check(&|v| v["payloadType"] = "text/plain".into(), "not an in-toto statement");
    check(&|v| v["signatures"] = json!([]), "exactly one signature");
    check(&|v| v["signatures"] = json!([v["signatures"][0], v["signatures"][0]]), "exactly one signature");
    let mut twice = good.clone();
    twice.envelope = String::from_utf8(good.envelope.clone()).unwrap().replacen('{', "{\"payloadType\":\"x\",", 1).into_bytes();
    is_unreadable(&world.attestation(&twice, &world.trust()), "stands twice");
    // An entry of a kind that there is not: with a certificate nothing can be said, a key needs none.
    let session = Session::at(&Claims::default(), world.then);
    let keyless = world.authority.attest_legacy_keyless(&world.provenance(&world.image), &session).unwrap();
    let old = |made: &LegacyAttestation| {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let body = STANDARD.encode(json!({"apiVersion": "0.0.3", "kind": "intoto", "spec": {}}).to_string());
        let entry = changed(keyless.rekor_bundle_json.as_ref().unwrap().as_bytes(), |v| v["Payload"]["body"] = body.into());
        LegacyAttestation { rekor_bundle_json: Some(String::from_utf8(entry).unwrap()), ..made.clone() }
    };
    is_unreadable(&world.attestation(&old(&keyless), &world.trust()), "intoto");
    assert_eq!(world.attestation(&old(&good), &world.trust()).state, by_our_key());
    is_unreadable(&world.attestation(&old(&good), &world.log_demanded()), "intoto");
}
