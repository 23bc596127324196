use super::*;

const IDENTITY: &str = "https://gitlab.example.com/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
const ISSUER: &str = "https://gitlab.example.com";
const SPDX: &str = "https://spdx.dev/Document";

fn at(time: &str) -> Timestamp {
    format!("2026-05-04T{time}:00Z").parse().unwrap()
}

fn key(name: &str) -> Wanted {
    Wanted::Key { name: SignerName(name.into()), fingerprint: Digest::of(name.as_bytes()), window: Window::default(), require_log: false }
}

fn demand() -> Demand {
    Demand {
        signers: vec![key("release.pub")],
        require: vec![Require::Signature],
        annotations: BTreeMap::new(),
        repository: None,
        require_log: false,
    }
}

fn by_key(name: &str) -> SignatureState {
    SignatureState::Verified(SignedBy::Key(SignerName(name.into())))
}

fn keyless(change: impl FnOnce(&mut KeylessIdentity)) -> SignatureState {
    let mut identity = KeylessIdentity { issuer: Some(ISSUER.into()), san_uri: Some(IDENTITY.into()), ..KeylessIdentity::default() };
    change(&mut identity);
    SignatureState::Verified(SignedBy::Keyless(Box::new(identity)))
}

fn signature(state: SignatureState) -> Piece {
    let what = What::Signature { repository: Some("registry.example.com/shop/api".into()), annotations: BTreeMap::new() };
    Piece {
        layout: Some(Layout::LegacyTag),
        manifest: Digest::of(b"m"),
        what,
        state,
        logged: false,
        unread: false,
        signed_at: None,
        latest: None,
        log_index: None,
    }
}

fn attestation(predicate_type: &str, state: SignatureState) -> Piece {
    Piece { what: What::Attestation { predicate_type: predicate_type.into(), says_no: None }, ..signature(state) }
}

fn annotated(pairs: &[(&str, &str)]) -> Piece {
    let annotations = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Piece { what: What::Signature { repository: None, annotations }, ..signature(by_key("release.pub")) }
}

fn judged(found: &[Piece], demand: &Demand) -> Inspection {
    inspect(found.to_vec(), demand, None, at("14:02"))
}

#[track_caller]
fn passes(found: &[Piece], demand: &Demand) {
    let inspection = judged(found, demand);
    assert_eq!((inspection.outcome, &inspection.refusal), (Outcome::Passed, &None), "{inspection:#?}");
    assert!(!inspection.accepted.is_empty());
}

#[track_caller]
fn stops(found: &[Piece], demand: &Demand, outcome: Outcome, code: Option<&str>) {
    let inspection = judged(found, demand);
    assert_eq!((inspection.outcome, inspection.refusal.as_ref().unwrap().code()), (outcome, code), "{inspection:#?}");
}

fn blocked(found: &[Piece], demand: &Demand, code: &str) {
    stops(found, demand, Outcome::Blocked, Some(code));
}

#[test]
fn nothing_found_or_demanded_never_passes() {
    blocked(&[], &demand(), "CS-SIG-MISSING");
    let nobody = Demand { signers: vec![], ..demand() };
    blocked(&[], &nobody, "CS-SIG-MISSING");
    stops(&[signature(by_key("release.pub"))], &nobody, Outcome::CouldNotCheck, None);
    stops(&[signature(by_key("release.pub"))], &Demand { require: vec![], ..demand() }, Outcome::CouldNotCheck, None);
    // An empty name equals nothing, not even an empty one.
    let empty = Wanted::Identity { identity: String::new(), issuer: ISSUER.into() };
    let found = [signature(keyless(|i| i.san_email = Some(String::new())))];
    blocked(&found, &Demand { signers: vec![empty], ..demand() }, "CS-SIG-OTHER");
}

#[test]
fn one_accepted_signature_is_enough_beside_broken_ones() {
    let broken = SignatureState::Invalid { claims: Some(SignerName("release.pub".into())), reason: "altered".into() };
    let found = [signature(broken.clone()), signature(SignatureState::NotOurs { hint: None }), signature(by_key("release.pub"))];
    passes(&found, &demand());
    blocked(&found[..2], &demand(), "CS-SIG-INVALID");
    blocked(&found[1..2], &demand(), "CS-SIG-OTHER");
    blocked(&[signature(by_key("laptop.pub"))], &demand(), "CS-SIG-OTHER");
    let elsewhere =
        SignatureState::OtherSubject { digest: Digest::of(b"other"), by: Some(SignedBy::Key(SignerName("release.pub".into()))) };
    blocked(&[signature(elsewhere)], &demand(), "CS-SIG-ON-TAG");
    let unreadable = Piece { what: What::Unknown(Shape::Either), ..signature(SignatureState::Unreadable { reason: "too large".into() }) };
    stops(std::slice::from_ref(&unreadable), &demand(), Outcome::CouldNotCheck, Some("CS-UNAVAILABLE"));
    passes(&[unreadable.clone(), signature(by_key("release.pub"))], &demand());
    // A stranger's beside it, of whatever kind, makes no answer of it; one in our name that does not verify does.
    let nobodys = SignatureState::Invalid { claims: None, reason: "altered".into() };
    let over_other = SignatureState::OtherSubject { digest: Digest::of(b"other"), by: None };
    for stranger in [SignatureState::NotOurs { hint: None }, over_other, nobodys, by_key("laptop.pub")] {
        stops(&[signature(stranger.clone()), unreadable.clone()], &demand(), Outcome::CouldNotCheck, Some("CS-UNAVAILABLE"));
        blocked(&[signature(stranger), unreadable.clone(), signature(broken.clone())], &demand(), "CS-SIG-INVALID");
    }
}

#[test]
fn the_order_of_keys_means_nothing() {
    let (one, two) = (vec![key("old.pub"), key("release.pub")], vec![key("release.pub"), key("old.pub")]);
    let digest = |signers: Vec<Wanted>| Demand { signers, ..demand() }.digest(None);
    for signers in [&one, &two] {
        passes(&[signature(by_key("old.pub"))], &Demand { signers: signers.clone(), ..demand() });
    }
    assert_eq!(digest(one), digest(two));
    assert_ne!(digest(vec![key("old.pub")]), digest(vec![key("release.pub")]));
}

#[test]
fn an_attestation_is_no_signature_and_a_signature_no_attestation() {
    blocked(&[attestation(PROVENANCE[0], by_key("release.pub"))], &demand(), "CS-SIG-MISSING");
    for (require, kind) in [(Require::Provenance, PROVENANCE[0]), (Require::Provenance, PROVENANCE[1]), (Require::Type(SPDX.into()), SPDX)]
    {
        let demand = Demand { require: vec![require.clone()], ..demand() };
        passes(&[attestation(kind, by_key("release.pub"))], &demand);
        blocked(
            &[signature(by_key("release.pub")), attestation("https://slsa.dev/provenance/v1.1", by_key("release.pub"))],
            &demand,
            "CS-PROV-MISSING",
        );
        let both = Demand { require: vec![require, Require::Signature], ..demand };
        passes(&[signature(by_key("release.pub")), attestation(kind, by_key("release.pub"))], &both);
        blocked(&[attestation(kind, by_key("release.pub"))], &both, "CS-SIG-MISSING");
        blocked(&[signature(by_key("release.pub"))], &both, "CS-PROV-MISSING");
    }
}

#[test]
fn a_predicate_that_says_no_is_not_accepted() {
    let mut piece = attestation("https://slsa.dev/verification_summary/v1", by_key("release.pub"));
    let demand = Demand { require: vec![Require::Type("https://slsa.dev/verification_summary/v1".into())], ..demand() };
    passes(std::slice::from_ref(&piece), &demand);
    piece.what = What::Attestation { predicate_type: "https://slsa.dev/verification_summary/v1".into(), says_no: Some("FAILED".into()) };
    blocked(&[piece], &demand, "CS-PROV-MISSING");
}

#[test]
fn all_annotations_stand_on_the_one_signature() {
    let wanted = [("env", "prod"), ("ref", "main")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let demand = Demand { annotations: wanted.into(), ..demand() };
    passes(&[annotated(&[("env", "prod"), ("ref", "main"), ("more", "x")])], &demand);
    for found in [
        vec![annotated(&[])],
        vec![annotated(&[("env", "prod"), ("ref", "Main")])],
        // Each has one of them.
        vec![annotated(&[("env", "prod")]), annotated(&[("ref", "main")])],
    ] {
        blocked(&found, &demand, "CS-SIG-OTHER");
    }
}

#[test]
fn a_demanded_repository_must_be_named() {
    let demand = |name: &str| Demand { repository: Some(name.into()), ..demand() };
    passes(&[signature(by_key("release.pub"))], &demand("registry.example.com/shop/api"));
    blocked(&[signature(by_key("release.pub"))], &demand("registry.example.com/shop"), "CS-PROJECT");
    // A bundle names none.
    blocked(&[annotated(&[])], &demand("registry.example.com/shop/api"), "CS-PROJECT");
}

#[test]
fn identity_and_issuer_are_whole_values_of_one_certificate() {
    let demand = |identity: &str, issuer: &str| {
        let wanted = Wanted::Identity { identity: identity.into(), issuer: issuer.into() };
        Demand { signers: vec![wanted], ..demand() }
    };
    passes(&[signature(keyless(|_| ()))], &demand(IDENTITY, ISSUER));
    for (identity, issuer) in [(&IDENTITY[..IDENTITY.len() - 1], ISSUER), (IDENTITY, "https://gitlab.example.com/"), (IDENTITY, "")] {
        blocked(&[signature(keyless(|_| ()))], &demand(identity, issuer), "CS-SIG-OTHER");
    }
    blocked(&[signature(keyless(|i| i.issuer = None))], &demand(IDENTITY, ISSUER), "CS-SIG-OTHER");
    blocked(&[signature(by_key(IDENTITY))], &demand(IDENTITY, ISSUER), "CS-SIG-OTHER");
    let mail = |i: &mut KeylessIdentity| (i.san_uri, i.san_email) = (None, Some("dana@example.com".into()));
    passes(&[signature(keyless(mail))], &demand("dana@example.com", ISSUER));
    // An e-mail address that spells a URI is no URI.
    blocked(&[signature(keyless(|i| (i.san_uri, i.san_email) = (None, Some(IDENTITY.into()))))], &demand(IDENTITY, ISSUER), "CS-SIG-OTHER");
}

#[test]
fn a_key_counts_inside_its_window_only() {
    let demand = |not_before: Option<&str>, not_after: Option<&str>| {
        let window = Window { not_before: not_before.map(at), not_after: not_after.map(at) };
        let wanted = Wanted::Key { name: SignerName("release.pub".into()), fingerprint: Digest::of(b"k"), window, require_log: false };
        Demand { signers: vec![wanted], ..demand() }
    };
    let signed = |time: Option<&str>| [Piece { signed_at: time.map(at), latest: time.map(at), ..signature(by_key("release.pub")) }];
    for (time, before, after) in [
        (Some("13:00"), Some("13:00"), Some("13:00")),
        (Some("13:00"), Some("12:00"), None),
        (Some("13:00"), None, Some("13:30")),
        // It is 14:02: whatever is here now was made before the end.
        (None, None, Some("15:00")),
    ] {
        passes(&signed(time), &demand(before, after));
    }
    for (time, before, after) in [
        (Some("12:59"), Some("13:00"), None),
        (Some("13:01"), None, Some("13:00")),
        (None, Some("13:00"), None),
        (None, None, Some("14:00")),
        (None, Some("15:00"), Some("16:00")),
    ] {
        blocked(&signed(time), &demand(before, after), "CS-KEY-RETIRED");
    }
}

/// SR-13: a log and a timestamp authority may prove two times.
#[test]
fn every_proven_time_lies_in_the_window() {
    let demand = |not_before: &str, not_after: &str| {
        let window = Window { not_before: Some(at(not_before)), not_after: Some(at(not_after)) };
        let wanted = Wanted::Key { name: SignerName("release.pub".into()), fingerprint: Digest::of(b"k"), window, require_log: false };
        Demand { signers: vec![wanted], ..demand() }
    };
    let signed = [Piece { signed_at: Some(at("12:00")), latest: Some(at("13:00")), ..signature(by_key("release.pub")) }];
    passes(&signed, &demand("12:00", "13:00"));
    blocked(&signed, &demand("12:01", "13:00"), "CS-KEY-RETIRED");
    blocked(&signed, &demand("12:00", "12:59"), "CS-KEY-RETIRED");
    let refusal = judged(&signed, &demand("12:00", "12:59")).refusal;
    assert!(
        matches!(refusal, Some(Refusal::Window { at: Some(told), .. }) if told == at("13:00")),
        "the time outside is told: {refusal:?}"
    );
}

#[test]
fn a_log_that_is_demanded_of_one_key_or_of_all_must_hold_the_signature() {
    let of_one = |require_log| Wanted::Key {
        name: SignerName("release.pub".into()),
        fingerprint: Digest::of(b"k"),
        window: Window::default(),
        require_log,
    };
    for demand in [Demand { signers: vec![of_one(true)], ..demand() }, Demand { require_log: true, ..demand() }] {
        let piece = signature(by_key("release.pub"));
        blocked(std::slice::from_ref(&piece), &demand, "CS-SIG-UNLOGGED");
        let unread = Piece { unread: true, ..piece.clone() };
        stops(&[unread], &demand, Outcome::CouldNotCheck, Some("CS-UNAVAILABLE"));
        passes(&[Piece { logged: true, ..piece }], &demand);
    }
}

#[test]
fn an_outage_could_not_check_and_no_image_blocks() {
    let why = |kind| Refusal::NotSeen(Why::new(Service::Registry, kind, "detail"));
    let outcome = |refusal: Refusal| {
        let inspection = not_seen(refusal, &demand(), None, at("14:02"));
        (inspection.outcome, inspection.refusal.unwrap().code().unwrap())
    };
    assert_eq!(outcome(why(WhyKind::Down)), (Outcome::CouldNotCheck, "CS-UNAVAILABLE"));
    assert_eq!(outcome(why(WhyKind::Refused)), (Outcome::CouldNotCheck, "CS-REG-AUTH"));
    assert_eq!(outcome(Refusal::NoImage), (Outcome::Blocked, "CS-TAG-MISSING"));
}
