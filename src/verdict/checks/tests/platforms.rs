//! Images for several platforms: the index is what is signed, and each platform where policy says so.

use super::*;
use crate::model::Digest;
use crate::model::signer::{KeylessIdentity, Signature, SignedBy, SignerName};
use crate::verdict::facts::{Index, Platform};
use crate::verdict::testing::{KEY, identity, image_digest};
use crate::verdict::{PlatformFault, PlatformSigned, Platforms, Why, WhyKind};

const ONLY: &[Check] = &[Check::Platforms];

fn strict() -> Policy {
    Policy { platforms: Platforms::AllSigned, ..good_policy() }
}

fn by_key(name: &str) -> Looked<Vec<Signature>> {
    Looked::Found(vec![signature(SignatureState::Verified(SignedBy::Key(SignerName(name.into()))))])
}

fn platform(name: &str, signatures: Option<Looked<Vec<Signature>>>) -> Platform {
    Platform { name: name.into(), digest: Digest::of(name.as_bytes()), signatures }
}

/// Good facts about an index with two platforms, each with these signatures of its own.
fn multi_arch(amd64: Option<Looked<Vec<Signature>>>, arm64: Option<Looked<Vec<Signature>>>) -> Facts {
    let platforms = vec![platform("linux/amd64", amd64), platform("linux/arm64", arm64)];
    with(|f| f.platforms = Looked::Found(Index { platforms, left_out: 2 }))
}

fn standing(verdict: &Verdict) -> Vec<PlatformSigned> {
    verdict.subject.platforms.iter().map(|platform| platform.signed).collect()
}

#[test]
fn the_signature_over_the_index_is_enough_unless_policy_says_otherwise() {
    let verdict = passed(&multi_arch(None, None));
    assert_eq!(said(&verdict, Check::Platforms).2, "linux/amd64, linux/arm64; 2 attestations beside them");
    assert_eq!(standing(&verdict), [PlatformSigned::ByIndex, PlatformSigned::ByIndex]);
    // Nobody looked: that is no signature.
    check_under(&strict(), &multi_arch(None, None), Outcome::Blocked, "CS-PLATFORM", ONLY);
}

#[test]
fn each_platform_signed_passes_the_strict_policy() {
    let verdict = passed_under(&strict(), &multi_arch(Some(by_key(KEY)), Some(by_key(KEY))));
    assert_eq!(standing(&verdict), [PlatformSigned::Itself, PlatformSigned::Itself]);
}

#[test]
fn one_platform_unsigned_or_signed_by_somebody_else_blocks_under_the_strict_policy() {
    let other = SignatureState::OtherSubject { digest: image_digest(), by: Some(SignedBy::Key(SignerName(KEY.into()))) };
    // The last is the index's signature, copied beside the platform.
    for arm64 in [Looked::Absent, by_key("stranger"), Looked::Found(vec![signature(other)])] {
        let facts = multi_arch(Some(by_key(KEY)), Some(arm64));
        let verdict = check_under(&strict(), &facts, Outcome::Blocked, "CS-PLATFORM", ONLY);
        let fault = PlatformFault::Unsigned { platforms: vec!["linux/arm64".into()] };
        assert_eq!(verdict.problem, Some(Problem::Platform { digest: image_digest(), fault }));
        assert_eq!(standing(&verdict), [PlatformSigned::Itself, PlatformSigned::No]);
        passed(&facts);
    }
}

#[test]
fn a_platform_whose_signature_cannot_be_read_could_not_be_checked() {
    let unreadable = Looked::Found(vec![signature(SignatureState::Unreadable { reason: "too large".into() })]);
    let facts = multi_arch(Some(by_key(KEY)), Some(unreadable));
    let verdict = check_under(&strict(), &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", ONLY);
    assert_eq!(standing(&verdict), [PlatformSigned::Itself, PlatformSigned::CouldNotCheck]);
}

/// Signed platforms do not make a signed index.
#[test]
fn a_signature_on_every_platform_is_none_on_the_index() {
    let mut facts = multi_arch(Some(by_key(KEY)), Some(by_key(KEY)));
    facts.signatures = Looked::Absent;
    check_under(&strict(), &facts, Outcome::Blocked, "CS-SIG-MISSING", &[Check::Signature]);
    let amd64 = Digest::of(b"linux/amd64");
    let copied = SignatureState::OtherSubject { digest: amd64, by: Some(SignedBy::Key(SignerName(KEY.into()))) };
    facts.signatures = Looked::Found(vec![signature(copied)]);
    check_under(&strict(), &facts, Outcome::Blocked, "CS-SIG-ON-TAG", &[Check::Signature]);
}

#[test]
fn a_platform_follows_the_whole_rule_of_the_index() {
    let keyless =
        |identity: KeylessIdentity| Looked::Found(vec![signature(SignatureState::Verified(SignedBy::Keyless(Box::new(identity))))]);
    let facts = |arm64: KeylessIdentity| {
        let platforms = multi_arch(Some(keyless(identity())), Some(keyless(arm64))).platforms;
        keyless_with(|f| f.platforms = platforms)
    };
    passed_under(&strict(), &facts(identity()));
    let other_ref = KeylessIdentity { source_repository_ref: Some("refs/heads/main".into()), ..identity() };
    check_under(&strict(), &facts(other_ref), Outcome::Blocked, "CS-PLATFORM", ONLY);
    // A key outside its window signs no platform either.
    let mut retired = multi_arch(Some(by_key(KEY)), Some(by_key(KEY)));
    retired.question.image.signers[0].window.revoked = Some(at("13:00"));
    check_under(&strict(), &retired, Outcome::Blocked, "CS-KEY-REVOKED", &[Check::Signature, Check::Platforms]);
}

#[test]
fn a_platform_out_of_reach_could_not_be_checked() {
    let gone = || Looked::Unreachable(down(Service::Registry));
    let facts = multi_arch(Some(by_key(KEY)), Some(gone()));
    let verdict = check_under(&strict(), &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", ONLY);
    assert_eq!(standing(&verdict), [PlatformSigned::Itself, PlatformSigned::CouldNotCheck]);
    let unlisted = with(|f| f.platforms = Looked::Unreachable(down(Service::Registry)));
    check_under(&strict(), &unlisted, Outcome::CouldNotCheck, "CS-UNAVAILABLE", ONLY);
}

/// SR-18, SR-20: an index in the index, more platforms than are read, or a type that nobody knows.
#[test]
fn an_index_that_cannot_be_listed_could_not_be_checked_under_any_policy() {
    for kind in [WhyKind::TooLarge, WhyKind::Unreadable, WhyKind::Down] {
        let facts = with(|f| f.platforms = Looked::Unreachable(Why::new(Service::Registry, kind, "an index again")));
        for policy in [good_policy(), strict()] {
            check_under(&policy, &facts, Outcome::CouldNotCheck, "CS-UNAVAILABLE", ONLY);
        }
    }
}

/// SR-01: an empty index is never good.
#[test]
fn an_index_without_platforms_blocks() {
    for policy in [good_policy(), strict()] {
        for left_out in [0, 3] {
            let facts = with(|f| f.platforms = Looked::Found(Index { platforms: vec![], left_out }));
            let verdict = check_under(&policy, &facts, Outcome::Blocked, "CS-PLATFORM", ONLY);
            assert_eq!(verdict.problem, Some(Problem::Platform { digest: image_digest(), fault: PlatformFault::None }));
        }
    }
}

#[test]
fn an_image_of_one_platform_is_not_asked_for_more() {
    assert_eq!(said(&passed_under(&strict(), &good_facts()), Check::Platforms).2, "one platform");
}
