//! What a log entry must name: that statement, that signature and that signer, in each kind of entry that cosign 2 has written (SR-12).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::sandbox::authority::LogKind;

use super::*;

/// What to do to a good entry's body, given the certificate of another signing as the log writes it, and the word by which it is refused.
type Wrong = (&'static str, fn(&mut Value, &str), &'static str);

const OTHER_HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const INTOTO_V001: &[Wrong] = &[
    ("envelope", |b, _| b["spec"]["content"]["hash"]["value"] = OTHER_HASH.into(), "another envelope"),
    ("envelope by another hash", |b, _| b["spec"]["content"]["hash"]["algorithm"] = "sha512".into(), "another envelope"),
    ("statement", |b, _| b["spec"]["content"]["payloadHash"]["value"] = OTHER_HASH.into(), "another statement"),
    ("signer", |b, stranger| b["spec"]["publicKey"] = stranger.into(), "signature or verifier mismatch"),
];
const INTOTO_V002: &[Wrong] = &[
    ("statement", |b, _| b["spec"]["content"]["payloadHash"]["value"] = OTHER_HASH.into(), "payload hash"),
    ("statement's type", |b, _| b["spec"]["content"]["envelope"]["payloadType"] = "text/plain".into(), "payload type"),
    ("signature", |b, _| b["spec"]["content"]["envelope"]["signatures"][0]["sig"] = STANDARD.encode("AAAA").into(), "signature"),
    (
        "two signatures",
        |b, _| {
            let one = b["spec"]["content"]["envelope"]["signatures"][0].clone();
            b["spec"]["content"]["envelope"]["signatures"] = json!([one, one]);
        },
        "count",
    ),
    ("signer", |b, stranger| b["spec"]["content"]["envelope"]["signatures"][0]["publicKey"] = stranger.into(), "verifier"),
];
const DSSE_V001: &[Wrong] = &[
    ("statement", |b, _| b["spec"]["payloadHash"]["value"] = OTHER_HASH.into(), "payload hash"),
    ("signature", |b, _| b["spec"]["signatures"][0]["signature"] = STANDARD.encode("other").into(), "signature or verifier mismatch"),
    ("signer", |b, stranger| b["spec"]["signatures"][0]["verifier"] = stranger.into(), "signature or verifier mismatch"),
];

fn wrongs(kind: LogKind) -> &'static [Wrong] {
    match kind {
        LogKind::IntotoV001 => INTOTO_V001,
        LogKind::IntotoV002 => INTOTO_V002,
        LogKind::DsseV001 => DSSE_V001,
    }
}

impl World {
    fn attested(&self, kind: LogKind) -> LegacyAttestation {
        let session = Session::at(&Claims::default(), self.then);
        let mut made = self.authority.attest_legacy_keyless(&self.provenance(&self.image), &session).unwrap();
        self.authority.log_as(&mut made, kind, "", self.then).unwrap();
        made
    }

    fn attested_by_key(&self, kind: LogKind) -> LegacyAttestation {
        let mut made = self.authority.attest_legacy(&self.ours, &self.provenance(&self.image)).unwrap();
        self.authority.log_as(&mut made, kind, &self.ours.public_pem, self.then).unwrap();
        made
    }

    /// The same attestation with another body in the log, which the log promises as well as the right one.
    fn logged_otherwise(&self, made: &LegacyAttestation, change: impl FnOnce(&mut Value)) -> LegacyAttestation {
        let mut body = body_of(made);
        change(&mut body);
        let entry = self.authority.log_annotation(&body, self.then).unwrap();
        LegacyAttestation { rekor_bundle_json: Some(entry), ..made.clone() }
    }
}

fn body_of(made: &LegacyAttestation) -> Value {
    let bundle: Value = serde_json::from_str(made.rekor_bundle_json.as_ref().unwrap()).unwrap();
    serde_json::from_slice(&STANDARD.decode(bundle["Payload"]["body"].as_str().unwrap()).unwrap()).unwrap()
}

/// The same attestation with its annotation changed, which no log promised.
fn annotated(made: &LegacyAttestation, change: impl FnOnce(&mut Value)) -> LegacyAttestation {
    let entry = changed(made.rekor_bundle_json.as_ref().unwrap().as_bytes(), change);
    LegacyAttestation { rekor_bundle_json: Some(String::from_utf8(entry).unwrap()), ..made.clone() }
}

#[test]
fn an_attestation_verifies_with_a_log_entry_of_each_kind() {
    let world = World::new();
    for kind in LogKind::ALL {
        let judged = world.attestation(&world.attested(kind), &world.trust());
        let identity = identity(&judged);
        assert_eq!((identity.signed_at, judged.logged.logged), (Some(world.then), true), "{kind:?}");
        assert!(identity.log_index.is_some(), "{kind:?}");
        let by_key = world.attestation(&world.attested_by_key(kind), &world.log_demanded());
        assert_eq!((&by_key.state, by_key.logged.signed_at), (&by_our_key(), Some(world.then)), "{kind:?}");
    }
}

#[test]
fn a_log_entry_that_names_anything_else_is_invalid() {
    let world = World::new();
    for kind in LogKind::ALL {
        let other = world.attested(kind);
        let stranger = STANDARD.encode(other.certificate_pem.as_ref().unwrap());
        let good = world.attested(kind);
        for (what, change, word) in wrongs(kind) {
            println!("{kind:?}: {what}");
            is_invalid(
                &world.attestation(&world.logged_otherwise(&good, |body| change(body, &stranger)), &world.trust()),
                "pipeline",
                word,
            );
        }
        // A whole entry of another signing of the same statement.
        let swapped = LegacyAttestation { rekor_bundle_json: other.rekor_bundle_json.clone(), ..good.clone() };
        is_invalid(&world.attestation(&swapped, &world.trust()), "pipeline", "");
        // A key's attestation with an entry that names another key.
        let theirs = STANDARD.encode(&world.theirs.public_pem);
        let by_key = world.attested_by_key(kind);
        let named = world.logged_otherwise(&by_key, |body| match kind {
            LogKind::IntotoV001 => body["spec"]["publicKey"] = theirs.into(),
            LogKind::IntotoV002 => body["spec"]["content"]["envelope"]["signatures"][0]["publicKey"] = theirs.into(),
            LogKind::DsseV001 => body["spec"]["signatures"][0]["verifier"] = theirs.into(),
        });
        is_invalid(&world.attestation(&named, &world.trust()), "release-key", "");
    }
}

#[test]
fn a_log_entry_that_the_log_did_not_promise_is_invalid() {
    let world = World::new();
    for kind in LogKind::ALL {
        let good = world.attested(kind);
        let check = |change: &dyn Fn(&mut Value)| is_invalid(&world.attestation(&annotated(&good, change), &world.trust()), "pipeline", "");
        check(&|v| v["Payload"]["integratedTime"] = world.then.as_second().saturating_sub(1).into());
        check(&|v| v["Payload"]["logIndex"] = 7.into());
        check(&|v| v["SignedEntryTimestamp"] = flip(v["SignedEntryTimestamp"].as_str().unwrap()).into());
        let body = body_of(&good);
        let spaced = STANDARD.encode(format!("{body} "));
        check(&|v| v["Payload"]["body"] = spaced.as_str().into());
    }
}

#[test]
fn times_chain_and_sct_are_checked_around_each_kind_of_entry() {
    let world = World::new();
    let made = |change: fn(&mut Session), kind, at| {
        let mut session = Session::at(&Claims::default(), world.then);
        change(&mut session);
        let mut made = world.authority.attest_legacy_keyless(&world.provenance(&world.image), &session).unwrap();
        world.authority.log_as(&mut made, kind, "", at).unwrap();
        world.attestation(&made, &world.trust())
    };
    for kind in LogKind::ALL {
        is_invalid(&made(|_| (), kind, ago(-3600)), "pipeline", "");
        is_invalid(&made(|_| (), kind, ago(7200)), "pipeline", "");
        is_invalid(&made(|session| session.sct = false, kind, world.then), "pipeline", "");
        identity(&made(|_| (), kind, world.then));
        // A log key whose window ended before the entry.
        let mut root = world.authority.trusted_root();
        root["tlogs"][0]["publicKey"]["validFor"]["end"] = ago(3600).to_string().into();
        let trust = Trust::new(&world.signers(), Some(TrustRoot::parse(root.to_string().as_bytes()).unwrap()), false).unwrap();
        is_invalid(&world.attestation(&world.attested(kind), &trust), "pipeline", "");
        // Another authority's log, and another authority altogether.
        let elsewhere = Authority::new(Timestamp::now()).unwrap();
        let foreign = LegacyAttestation {
            rekor_bundle_json: Some(elsewhere.log_annotation(&body_of(&world.attested(kind)), world.then).unwrap()),
            ..world.attested(kind)
        };
        is_not_ours(&world.attestation(&foreign, &world.trust()), "logged where we do not look");
        is_not_ours(&world.attestation(&world.attested(kind), &world.keys_only()), "no trust root is configured");
    }
}

/// A signature of one's own over the same statement, beside the entry of another's: only the hash of the whole envelope tells.
#[test]
fn an_old_entry_covers_the_signature_through_the_envelopes_own_bytes() {
    let world = World::new();
    let good = world.attested_by_key(LogKind::IntotoV001);
    let again = world.authority.attest_legacy(&world.ours, &world.provenance(&world.image)).unwrap();
    let borrowed = LegacyAttestation { rekor_bundle_json: good.rekor_bundle_json.clone(), ..again };
    is_invalid(&world.attestation(&borrowed, &world.trust()), "release-key", "another envelope");
    // The same envelope, written another way, is other bytes.
    let spaced = LegacyAttestation { envelope: [good.envelope.as_slice(), b"\n"].concat(), ..good.clone() };
    is_invalid(&world.attestation(&spaced, &world.trust()), "release-key", "another envelope");
    // The oldest entries tell nothing of the statement by itself.
    let oldest = world.logged_otherwise(&good, |body| drop(body["spec"]["content"].as_object_mut().unwrap().remove("payloadHash")));
    assert_eq!(world.attestation(&oldest, &world.log_demanded()).state, by_our_key());
    // An entry whose body is none.
    let empty = world.logged_otherwise(&good, |body| body["spec"] = json!({}));
    is_unreadable(&world.attestation(&empty, &world.log_demanded()), "the log entry");
}
