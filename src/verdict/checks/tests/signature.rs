//! Signatures by key, and the reasons when none counts.

use super::*;
use crate::model::signer::{KeylessIdentity, Layout, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::verdict::testing::{self, ISSUER, KEY, image_digest, other_digest};

const ONLY: &[Check] = &[Check::Signature];

fn key(name: &str) -> SignatureState {
    SignatureState::Verified(SignedBy::Key(SignerName(name.into())))
}

fn keyless(identity: KeylessIdentity) -> SignatureState {
    SignatureState::Verified(SignedBy::Keyless(Box::new(identity)))
}

fn invalid(claims: Option<&str>) -> SignatureState {
    SignatureState::Invalid { claims: claims.map(|name| SignerName(name.into())), reason: "altered".into() }
}

fn not_ours(hint: &str) -> SignatureState {
    SignatureState::NotOurs { hint: Some(hint.into()) }
}

fn other_subject() -> SignatureState {
    SignatureState::OtherSubject { digest: other_digest(), by: Some(SignedBy::Key(SignerName(KEY.into()))) }
}

fn unreadable() -> SignatureState {
    SignatureState::Unreadable { reason: "not JSON".into() }
}

fn signed(states: Vec<SignatureState>) -> Facts {
    with(|f| f.signatures = Looked::Found(states.into_iter().map(signature).collect()))
}

#[test]
fn no_signature_blocks() {
    for signatures in [Looked::Absent, Looked::Found(vec![])] {
        let verdict = blocked(&with(|f| f.signatures = signatures.clone()), "CS-SIG-MISSING", ONLY);
        assert_eq!(said(&verdict, Check::Signature), (CheckOutcome::Blocked, "key release-key", "none"));
        assert!(matches!(verdict.problem, Some(Problem::SigMissing { image, job, pipeline: Some(_) })
            if image.digest == image_digest() && job == "release_image"));
    }
}

/// `verify` of a digest that nobody pushed, or that was deleted.
#[test]
fn an_image_that_the_registry_does_not_hold_is_missing_and_not_unsigned() {
    let verdict = blocked(&with(|f| (f.image, f.signatures) = (Looked::Absent, Looked::Absent)), "CS-TAG-MISSING", ONLY);
    let problem = Problem::ImageMissing { digest: image_digest(), repository: "registry.example.com/shop/api".into() };
    assert_eq!(verdict.problem, Some(problem));
    assert_eq!(said(&verdict, Check::Signature).2, "no such image");
}

#[test]
fn an_unreadable_signature_could_not_be_checked_and_is_mentioned() {
    let verdict = could_not(&signed(vec![unreadable(), unreadable()]), "CS-UNAVAILABLE", ONLY);
    assert_eq!(said(&verdict, Check::Signature).2, "2 unreadable: not JSON");
}

#[test]
fn a_signature_that_claims_our_key_and_does_not_verify_blocks() {
    let verdict = blocked(&signed(vec![not_ours("x"), invalid(Some(KEY))]), "CS-SIG-INVALID", ONLY);
    let problem = Problem::SigInvalid { digest: image_digest(), signer: KEY.into(), tag: Some(testing::TAG.into()) };
    assert_eq!(verdict.problem, Some(problem));

    // One signer among several is enough to be claimed.
    let mut facts = signed(vec![invalid(Some(KEY))]);
    facts.question.image.signers.insert(0, TrustedSigner::new(SignerName("spare".into()), SignerKind::Key { pem: "pem".into() }));
    let verdict = blocked(&facts, "CS-SIG-INVALID", ONLY);
    assert!(matches!(verdict.problem, Some(Problem::SigInvalid { signer, .. }) if signer == KEY));
}

#[test]
fn a_broken_signature_of_nobody_blocks_after_better_reasons() {
    for claims in [None, Some("stranger")] {
        let verdict = blocked(&signed(vec![invalid(claims)]), "CS-SIG-INVALID", ONLY);
        assert!(matches!(verdict.problem, Some(Problem::SigInvalid { signer, .. }) if signer == "an unknown signer"));
        blocked(&signed(vec![invalid(claims), not_ours("x")]), "CS-SIG-OTHER", ONLY);
        blocked(&signed(vec![invalid(claims), other_subject()]), "CS-SIG-ON-TAG", ONLY);
    }
}

#[test]
fn a_signature_by_somebody_else_blocks() {
    let verdict = blocked(&signed(vec![other_subject(), not_ours("key of build-7")]), "CS-SIG-OTHER", ONLY);
    let problem = Problem::SigOther { digest: image_digest(), found: "key of build-7".into(), expected: "key release-key".into() };
    assert_eq!(verdict.problem, Some(problem));
    let verdict = blocked(&signed(vec![SignatureState::NotOurs { hint: None }]), "CS-SIG-OTHER", ONLY);
    assert_eq!(said(&verdict, Check::Signature).2, "an unknown key");
}

#[test]
fn a_key_this_image_does_not_trust_does_not_count() {
    let verdict = blocked(&signed(vec![key("other-team")]), "CS-SIG-OTHER", ONLY);
    assert_eq!(said(&verdict, Check::Signature).2, "key other-team");
}

#[test]
fn a_keyless_signers_name_is_not_a_keys_name() {
    let facts = keyless_with(|f| {
        f.question.image.signers[0].name = SignerName(KEY.into());
        f.signatures = Looked::Found(vec![signature(key(KEY))]);
    });
    blocked(&facts, "CS-SIG-OTHER", ONLY);
}

#[test]
fn a_keyless_signature_does_not_count_where_only_keys_are_trusted() {
    let facts = with(|f| {
        f.signatures = Looked::Found(vec![signature(keyless(testing::identity()))]);
        f.signing_jobs = good_keyless_facts().signing_jobs;
    });
    let verdict = blocked(&facts, "CS-SIG-OTHER", ONLY);
    assert_eq!(said(&verdict, Check::Identity).0, CheckOutcome::NotApplicable);
}

#[test]
fn a_signature_over_other_bytes_blocks() {
    let verdict = blocked(&signed(vec![other_subject()]), "CS-SIG-ON-TAG", ONLY);
    let problem = Problem::SigOnTag { tag: "1.8.2".into(), digest: image_digest(), signed: other_digest() };
    assert_eq!(verdict.problem, Some(problem));
}

/// It might be the one that counts. Only a signer of ours that was abused goes before it.
#[test]
fn what_strangers_lay_beside_an_unreadable_signature_changes_nothing() {
    for strangers in [vec![not_ours("x")], vec![other_subject()], vec![invalid(None)], vec![invalid(Some("stranger"))], vec![key("x")]] {
        for order in [[vec![unreadable()], strangers.clone()], [strangers.clone(), vec![unreadable()]]] {
            could_not(&signed(order.concat()), "CS-UNAVAILABLE", ONLY);
        }
    }
    let other = KeylessIdentity { build_trigger: Some("schedule".into()), ..testing::identity() };
    let facts = keyless_with(|f| f.signatures = Looked::Found(vec![signature(keyless(other)), signature(unreadable())]));
    could_not(&facts, "CS-UNAVAILABLE", &[Check::Signature, Check::Identity]);
    blocked(&signed(vec![unreadable(), not_ours("x"), invalid(Some(KEY))]), "CS-SIG-INVALID", ONLY);
}

/// Whoever may push can make each of these: during an outage they answer nothing.
#[test]
fn what_strangers_lay_beside_an_image_overrides_no_outage() {
    let lost = |states: Vec<SignatureState>| {
        let mut facts = signed(states);
        facts.jobs = Looked::Unreachable(down(Service::Gitlab));
        facts
    };
    for strangers in [vec![], vec![not_ours("x")], vec![other_subject()], vec![invalid(None)], vec![invalid(Some("stranger"))]] {
        let verdict = judge(&lost(strangers), &good_policy());
        assert_eq!((verdict.outcome, verdict.code()), (Outcome::CouldNotCheck, Some("CS-UNAVAILABLE")), "{:#?}", verdict.findings);
    }
    let verdict = judge(&lost(vec![invalid(Some(KEY)), other_subject()]), &good_policy());
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-SIG-INVALID")));
}

#[test]
fn one_signature_that_counts_is_enough_beside_broken_ones() {
    passed(&signed(vec![unreadable(), invalid(Some(KEY)), invalid(None), not_ours("x"), other_subject(), key("x"), key(KEY)]));
}

#[test]
fn without_trusted_signers_nothing_passes() {
    let verdict = blocked(&with(|f| f.question.image.signers.clear()), "CS-SIG-OTHER", ONLY);
    assert!(said(&verdict, Check::Signature).1.contains("none is configured"));
    blocked(&keyless_with(|f| f.question.image.signers.clear()), "CS-SIG-OTHER", ONLY);
}

/// SR-12: one signature meets the whole rule.
#[test]
fn two_half_right_keyless_signatures_do_not_make_one() {
    let wrong_issuer = KeylessIdentity { issuer: Some("https://evil.example".into()), ..testing::identity() };
    let wrong_ref = KeylessIdentity { source_repository_ref: Some("refs/heads/main".into()), ..testing::identity() };
    for pair in [[wrong_issuer.clone(), wrong_ref.clone()], [wrong_ref, wrong_issuer]] {
        let facts = keyless_with(|f| f.signatures = Looked::Found(pair.map(|i| signature(keyless(i))).to_vec()));
        blocked(&facts, "CS-SIG-OTHER", &[Check::Signature, Check::Identity]);
    }
}

#[test]
fn of_several_that_do_not_count_the_nearest_gives_the_reason() {
    let far = KeylessIdentity { issuer: Some("https://evil.example".into()), build_trigger: None, ..testing::identity() };
    let near = KeylessIdentity { build_trigger: Some("schedule".into()), ..testing::identity() };
    for pair in [[far.clone(), near.clone()], [near, far]] {
        let facts = keyless_with(|f| f.signatures = Looked::Found(pair.map(|i| signature(keyless(i))).to_vec()));
        blocked(&facts, "CS-SOURCE", &[Check::Signature, Check::Identity]);
    }
}

#[test]
fn the_signature_that_counts_is_shown_keyless_before_key() {
    let facts = keyless_with(|f| {
        f.question.image.signers.push(TrustedSigner::new(SignerName(KEY.into()), SignerKind::Key { pem: "pem".into() }));
        let mut keyless = signature(keyless(testing::identity()));
        keyless.layout = Layout::FallbackTag;
        f.signatures = Looked::Found(vec![signature(key("stranger")), signature(key(KEY)), keyless]);
    });
    let subject = passed(&facts).subject;
    assert_eq!(subject.layout, Some(Layout::FallbackTag));
    assert!(matches!(subject.signer, Some(SignedBy::Keyless(_))));
}

#[test]
fn a_key_that_counts_needs_no_identity_of_the_keyless_signature_beside_it() {
    let facts = keyless_with(|f| {
        f.question.image.signers.push(TrustedSigner::new(SignerName(KEY.into()), SignerKind::Key { pem: "pem".into() }));
        let other = KeylessIdentity { issuer: Some(format!("{ISSUER}.evil")), ..testing::identity() };
        f.signatures = Looked::Found(vec![signature(keyless(other)), signature(key(KEY))]);
    });
    let verdict = passed(&facts);
    assert_eq!(said(&verdict, Check::Identity).0, CheckOutcome::NotApplicable);
    assert!(matches!(verdict.subject.signer, Some(SignedBy::Key(_))));
}

#[test]
fn a_signer_that_verified_but_does_not_count_is_shown() {
    let verdict = judge(&signed(vec![not_ours("x"), key("other-team")]), &good_policy());
    assert!(matches!(verdict.subject.signer, Some(SignedBy::Key(name)) if name.0 == "other-team"));
}

#[test]
fn a_signature_that_could_still_count_could_not_check_even_beside_a_broken_one() {
    let facts = keyless_with(|f| {
        inside(&mut f.signatures).push(signature(invalid(Some("pipeline"))));
        f.signing_jobs[0].job = Looked::Unreachable(down(Service::Gitlab));
    });
    could_not(&facts, "CS-UNAVAILABLE", &[Check::Signature, Check::Identity, Check::Commit]);
}
