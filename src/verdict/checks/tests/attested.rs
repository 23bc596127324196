//! Who may attest, and when: the window of a key, the key that signed the image, the release job, a proven time.

use super::origin::{by_key, held, keyless, refused};
use super::*;
use crate::model::signer::{KeyWindow, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::verdict::Demand;
use crate::verdict::testing::{KEY, strict_policy};

/// The image's signature is of 13:41 and logged, so that it counts under each of these windows.
fn windowed(window: KeyWindow, attested: Option<(&str, &str)>) -> Facts {
    by_key(|f| {
        f.question.image.signers[0].window = window;
        inside(&mut f.signatures)[0].proven = proven(Some(("13:41", "13:41")));
        held(f).proven = proven(attested);
    })
}

#[test]
fn provenance_by_a_revoked_key_counts_only_if_proven_older() {
    let revoked = KeyWindow { revoked: Some(at("13:42")), ..KeyWindow::default() };
    passed_under(&strict_policy(), &windowed(revoked, Some(("13:41", "13:41"))));
    refused(&windowed(revoked, None), "CS-KEY-REVOKED", "key release-key, revoked as of 2026-05-04T13:42:00");
    refused(&windowed(revoked, Some(("13:42", "13:42"))), "CS-KEY-REVOKED", "signed 2026-05-04T13:42:00");
    // One early time does not carry a late one.
    refused(&windowed(revoked, Some(("13:41", "13:43"))), "CS-KEY-REVOKED", "signed 2026-05-04T13:43:00");
}

/// The image is signed by the current key; whoever holds the lost one tells a new story about it.
#[test]
fn a_lost_key_attests_nothing_about_an_image_that_a_good_key_signed() {
    let facts = by_key(|f| {
        let mut lost = TrustedSigner::new(SignerName("lost-key".into()), SignerKind::Key { pem: "another".into() });
        lost.window.revoked = Some(at("13:00"));
        f.question.image.signers.push(lost);
        held(f).state = SignatureState::Verified(SignedBy::Key(SignerName("lost-key".into())));
    });
    refused(&facts, "CS-KEY-REVOKED", "key lost-key");
}

#[test]
fn provenance_by_a_retired_key_counts_only_if_older() {
    for window in [
        KeyWindow { retired: Some(at("13:42")), ..KeyWindow::default() },
        KeyWindow { not_after: Some(at("13:41")), ..KeyWindow::default() },
    ] {
        passed_under(&strict_policy(), &windowed(window, Some(("13:41", "13:41"))));
        refused(&windowed(window, None), "CS-KEY-RETIRED", "key release-key, trusted until");
        refused(&windowed(window, Some(("13:43", "13:43"))), "CS-KEY-RETIRED", "trusted until");
    }
}

#[test]
fn provenance_by_a_key_that_is_not_yet_trusted_does_not_count() {
    let window = KeyWindow { not_before: Some(at("13:35")), ..KeyWindow::default() };
    passed_under(&strict_policy(), &windowed(window, Some(("13:35", "13:35"))));
    refused(&windowed(window, Some(("13:34", "13:41"))), "CS-KEY-EARLY", "key release-key, trusted from 2026-05-04T13:35:00");
}

#[test]
fn provenance_in_no_log_does_not_count_where_one_is_demanded() {
    let demanded = |attested| {
        let mut facts = windowed(KeyWindow::default(), attested);
        facts.question.image.signers[0].require_log = true;
        facts
    };
    passed_under(&strict_policy(), &demanded(Some(("13:41", "13:41"))));
    refused(&demanded(None), "CS-SIG-UNLOGGED", "key release-key, in no trusted log");
    let by_policy = Policy { require_log: true, ..strict_policy() };
    let verdict = check_under(
        &by_policy,
        &windowed(KeyWindow::default(), None),
        Outcome::Blocked,
        "CS-SIG-UNLOGGED",
        &[Check::Provenance, Check::BaseImage],
    );
    assert_eq!(verdict.subject.signer, Some(SignedBy::Key(SignerName(KEY.into()))));
}

/// Whoever has the key may have signed long after the build. Policy that demands a log is not content with that; any other is warned.
#[test]
fn provenance_of_no_proven_time_warns_and_where_a_log_is_demanded_blocks() {
    let timeless = |logged: bool| by_key(|f| held(f).proven = Proven { logged, unread: false, times: None });
    for provenance in [Demand::Required, Demand::Warned] {
        let verdict = passed_under(&Policy { provenance, ..strict_policy() }, &timeless(false));
        let (outcome, _, found) = said(&verdict, Check::Provenance);
        assert_eq!((outcome, found), (CheckOutcome::Warned, "SLSA v1 beside the image, signed by key release-key; nothing proves when"));
        let problem = verdict.findings_of(Check::Provenance).next().unwrap().problem.as_ref().unwrap();
        assert_eq!(problem.code(), "CS-LATE-ATTEST");
        assert!(verdict.subject.provenance.is_some(), "it holds, and is shown");
    }
    let off = passed_under(&Policy { provenance: Demand::Off, ..strict_policy() }, &timeless(false));
    assert_eq!(said(&off, Check::Provenance).0, CheckOutcome::Passed, "nothing is demanded, so nothing is warned of");
    assert!(said(&off, Check::Provenance).2.ends_with("nothing proves when"));
    // A log of the second version proves that it holds the statement, and no time.
    let demanded = |logged: bool| {
        let mut facts = timeless(logged);
        facts.question.image.signers[0].require_log = true;
        inside(&mut facts.signatures)[0].proven = proven(Some(("13:41", "13:41")));
        facts
    };
    refused(&demanded(true), "CS-LATE-ATTEST", "at no proven time");
    refused(&demanded(false), "CS-SIG-UNLOGGED", "in no trusted log");
}

fn signed_by(name: &str) -> SignatureState {
    SignatureState::Verified(SignedBy::Key(SignerName(name.into())))
}

fn trusting_two_keys(change: impl FnOnce(&mut Facts)) -> Facts {
    by_key(|f| {
        f.question.image.signers.push(TrustedSigner::new(SignerName("second-key".into()), SignerKind::Key { pem: "another".into() }));
        change(f);
    })
}

/// SR-12, of image and story: two trusted keys are two authorities.
#[test]
fn a_key_attests_only_what_it_signed() {
    passed_under(&strict_policy(), &trusting_two_keys(|_| {}));
    let other = trusting_two_keys(|f| held(f).state = signed_by("second-key"));
    refused(&other, "CS-SIG-OTHER", "key second-key");
    // It signed the image as well, wherever that stands.
    for first in [true, false] {
        let both = trusting_two_keys(|f| {
            held(f).state = signed_by("second-key");
            let at = if first { 0 } else { 1 };
            inside(&mut f.signatures).insert(at, signature(signed_by("second-key")));
        });
        passed_under(&strict_policy(), &both);
    }
    // Its signature does not count: then its story does not either.
    let unlogged = trusting_two_keys(|f| {
        held(f).state = signed_by("second-key");
        f.question.image.signers[1].require_log = true;
        inside(&mut f.signatures).push(signature(signed_by("second-key")));
    });
    refused(&unlogged, "CS-SIG-OTHER", "key second-key");
    // A keyless image, and a key that is trusted beside the pipeline.
    let beside = keyless(|f| {
        f.question.image.signers.push(TrustedSigner::new(SignerName(KEY.into()), SignerKind::Key { pem: "a key".into() }));
        held(f).state = signed_by(KEY);
    });
    refused(&beside, "CS-SIG-OTHER", "key release-key");
}

/// GitLab makes its own attestations with the job's identity, whatever signed the image.
#[test]
fn the_pipelines_identity_attests_a_key_signed_image_where_both_are_trusted() {
    let facts = |trusted: bool| {
        keyless(|f| {
            let key = TrustedSigner::new(SignerName(KEY.into()), SignerKind::Key { pem: "a key".into() });
            if trusted {
                f.question.image.signers.push(key);
            } else {
                f.question.image.signers = vec![key];
            }
            f.signatures = Looked::Found(vec![signature(signed_by(KEY))]);
        })
    };
    passed_under(&strict_policy(), &facts(true));
    refused(&facts(false), "CS-SIG-OTHER", "issuer");
}

#[test]
fn a_signature_that_could_not_be_weighed_leaves_the_authority_open() {
    let facts = trusting_two_keys(|f| {
        held(f).state = signed_by("second-key");
        inside(&mut f.signatures).push(signature(signed_by("second-key")));
        f.question.image.signers[1].window.retired = Some(at("13:50"));
        f.history = Looked::Unreachable(down(Service::Store));
    });
    let verdict = judge(&facts, &strict_policy());
    assert_eq!(said(&verdict, Check::Provenance).0, CheckOutcome::CouldNotCheck);
}
