//! Keys with a window: what counts is what a trusted log or timestamp authority proves, or our own record.

use super::*;
use crate::model::Timestamp;
use crate::model::signer::{KeyWindow, Signature, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::verdict::KeyFault;
use crate::verdict::testing::{KEY, image_digest, other_digest, sighting};

const ONLY: &[Check] = &[Check::Signature];

/// Good facts, looked at 14:02, whose key has a window and whose signature has these proven times.
fn facts(window: KeyWindow, times: Option<(&str, &str)>) -> Facts {
    with(|f| {
        f.question.image.signers[0].window = window;
        inside(&mut f.signatures)[0].proven = proven(times);
    })
}

fn by(name: &str, times: Option<(&str, &str)>) -> Signature {
    Signature { proven: proven(times), ..signature(SignatureState::Verified(SignedBy::Key(SignerName(name.into())))) }
}

fn bound(change: impl FnOnce(&mut KeyWindow, Timestamp), time: &str) -> KeyWindow {
    let mut window = KeyWindow::default();
    change(&mut window, at(time));
    window
}

fn retired(time: &str) -> KeyWindow {
    bound(|w, at| w.retired = Some(at), time)
}

fn ended(time: &str) -> KeyWindow {
    bound(|w, at| w.not_after = Some(at), time)
}

fn revoked(time: &str) -> KeyWindow {
    bound(|w, at| w.revoked = Some(at), time)
}

fn begins(time: &str) -> KeyWindow {
    bound(|w, at| w.not_before = Some(at), time)
}

fn fault(verdict: &Verdict) -> &KeyFault {
    match &verdict.problem {
        Some(Problem::Key { key, fault }) if key.0 == KEY => fault,
        other => panic!("{other:?} is not about the key"),
    }
}

#[test]
fn a_retired_key_counts_for_signatures_proven_older() {
    for window in [retired("13:50"), ended("13:50")] {
        passed(&facts(window, Some(("13:41", "13:49"))));
        let verdict = blocked(&facts(window, Some(("13:51", "13:51"))), "CS-KEY-RETIRED", ONLY);
        assert!(said(&verdict, Check::Signature).2.starts_with("key release-key, trusted until 2026-05-04T13:50:00"));
    }
}

/// A log entry is there, and of a kind that cannot be checked for the key: no word for the signature, and none against it.
#[test]
fn a_proof_that_cannot_be_checked_could_not_be_checked() {
    let unread = |change: fn(&mut TrustedSigner)| {
        with(|f| {
            change(&mut f.question.image.signers[0]);
            inside(&mut f.signatures)[0].proven = Proven { unread: true, ..Proven::default() };
        })
    };
    passed(&unread(|_| ()));
    could_not(&unread(|signer| signer.require_log = true), "CS-UNAVAILABLE", &[Check::Signature, Check::Commit]);
    could_not(&unread(|signer| signer.window = retired("13:50")), "CS-UNAVAILABLE", &[Check::Signature, Check::Commit]);
    // Where somebody else may hold the key, only what is proven counts.
    blocked(&unread(|signer| signer.window = revoked("13:50")), "CS-KEY-REVOKED", ONLY);
}

/// SR-13: every proven time lies in the window; one early time does not carry a late one.
#[test]
fn one_proven_time_after_the_retirement_is_enough_to_refuse() {
    blocked(&facts(retired("13:50"), Some(("13:41", "13:51"))), "CS-KEY-RETIRED", ONLY);
    blocked(&facts(revoked("13:50"), Some(("13:41", "13:51"))), "CS-KEY-REVOKED", ONLY);
    blocked(&facts(begins("13:50"), Some(("13:41", "13:51"))), "CS-KEY-EARLY", ONLY);
}

#[test]
fn the_very_moment_of_retirement_is_too_late_and_the_last_moment_of_a_window_is_not() {
    let moment = Some(("13:50", "13:50"));
    blocked(&facts(retired("13:50"), moment), "CS-KEY-RETIRED", ONLY);
    blocked(&facts(revoked("13:50"), moment), "CS-KEY-REVOKED", ONLY);
    passed(&facts(ended("13:50"), moment));
    passed(&facts(begins("13:50"), moment));
}

/// The release job finished at 13:41, and that proves nothing: whoever holds the key may sign later.
#[test]
fn a_retired_key_without_a_proven_time_blocks_whatever_the_job_says() {
    let verdict = blocked(&facts(retired("13:50"), None), "CS-KEY-RETIRED", ONLY);
    assert!(matches!(fault(&verdict), KeyFault::Retired { since, pipeline: Some(_) } if *since == at("13:50")));
}

#[test]
fn a_retired_key_counts_where_we_passed_the_digest_before() {
    let seen = |digest, time| {
        let mut facts = facts(retired("13:50"), None);
        facts.history = Looked::Found(vec![sighting(digest, time)]);
        facts
    };
    passed(&seen(image_digest(), "13:45"));
    blocked(&seen(image_digest(), "13:50"), "CS-KEY-RETIRED", ONLY);
    // Another digest on record is worse than a retired key.
    blocked(&seen(other_digest(), "13:45"), "CS-TAG-MOVED", &[Check::VersionTag, Check::Signature, Check::BuiltOnce]);
}

#[test]
fn a_proven_later_time_is_not_healed_by_our_record() {
    let mut facts = facts(retired("13:50"), Some(("13:51", "13:51")));
    facts.history = Looked::Found(vec![sighting(image_digest(), "13:45")]);
    blocked(&facts, "CS-KEY-RETIRED", ONLY);
}

#[test]
fn an_unreachable_record_leaves_a_retired_key_could_not_check() {
    let mut facts = facts(retired("13:50"), None);
    facts.history = Looked::Unreachable(down(Service::Store));
    could_not(&facts, "CS-UNAVAILABLE", &[Check::Signature, Check::Commit, Check::BuiltOnce]);
}

#[test]
fn a_revoked_key_counts_only_for_signatures_proven_older() {
    passed(&facts(revoked("13:50"), Some(("13:41", "13:49"))));
    let verdict = blocked(&facts(revoked("13:50"), Some(("13:55", "13:56"))), "CS-KEY-REVOKED", ONLY);
    assert_eq!(fault(&verdict), &KeyFault::Revoked { at: at("13:50"), signed: Some(at("13:56")) });
    // Our record says that the bytes passed, not who could sign since.
    let mut unproven = facts(revoked("13:50"), None);
    unproven.history = Looked::Found(vec![sighting(image_digest(), "13:45")]);
    let verdict = blocked(&unproven, "CS-KEY-REVOKED", ONLY);
    assert_eq!(fault(&verdict), &KeyFault::Revoked { at: at("13:50"), signed: None });
}

#[test]
fn what_is_still_to_come_does_not_count_against_a_key() {
    for window in [retired("14:03"), ended("14:03"), revoked("14:03")] {
        passed(&facts(window, None));
    }
}

#[test]
fn a_key_does_not_count_before_its_window() {
    blocked(&facts(begins("14:03"), None), "CS-KEY-EARLY", ONLY);
    passed(&facts(begins("14:02"), None));
    let verdict = blocked(&facts(begins("13:50"), Some(("13:41", "13:41"))), "CS-KEY-EARLY", ONLY);
    assert_eq!(fault(&verdict), &KeyFault::Early { from: at("13:50") });
}

#[test]
fn a_demanded_log_entry_must_be_there() {
    let by_signer = |logged: bool| {
        let mut facts = facts(KeyWindow::default(), logged.then_some(("13:41", "13:41")));
        facts.question.image.signers[0].require_log = true;
        facts
    };
    passed(&by_signer(true));
    assert_eq!(fault(&blocked(&by_signer(false), "CS-SIG-UNLOGGED", ONLY)), &KeyFault::Unlogged);
    let policy = Policy { require_log: true, ..good_policy() };
    passed_under(&policy, &facts(KeyWindow::default(), Some(("13:41", "13:41"))));
    check_under(&policy, &good_facts(), Outcome::Blocked, "CS-SIG-UNLOGGED", ONLY);
    // A timestamp is not a log.
    let mut stamped = by_signer(true);
    inside(&mut stamped.signatures)[0].proven.logged = false;
    blocked(&stamped, "CS-SIG-UNLOGGED", ONLY);
    // A pipeline's signature is always logged; there is nothing more to demand.
    passed_under(&policy, &good_keyless_facts());
}

/// SR-12: another signature that meets the whole rule still passes, wherever it stands.
#[test]
fn a_current_key_counts_beside_a_retired_one_in_any_order() {
    let old = by(KEY, None);
    let new = by("new-key", None);
    for signatures in [[old.clone(), new.clone()], [new, old]] {
        for reversed in [false, true] {
            let mut facts = facts(retired("13:50"), None);
            let signer = TrustedSigner::new(SignerName("new-key".into()), SignerKind::Key { pem: "another".into() });
            facts.question.image.signers.push(signer);
            if reversed {
                facts.question.image.signers.reverse();
            }
            facts.signatures = Looked::Found(signatures.to_vec());
            let verdict = passed(&facts);
            assert_eq!(verdict.subject.signer, Some(SignedBy::Key(SignerName("new-key".into()))), "the one that counts is shown");
        }
    }
}

/// Two halves are not one: the time of one signature does not serve another.
#[test]
fn a_proven_time_of_another_signature_does_not_help() {
    let mut facts = facts(retired("13:50"), None);
    inside(&mut facts.signatures).push(by("stranger", Some(("13:41", "13:41"))));
    blocked(&facts, "CS-KEY-RETIRED", ONLY);
}

#[test]
fn the_gravest_reason_is_told_whatever_stands_first() {
    let (young, old) = (by(KEY, Some(("13:51", "13:51"))), by("lost-key", None));
    for signatures in [[young.clone(), old.clone()], [old, young]] {
        let mut facts = facts(retired("13:50"), None);
        let mut lost = TrustedSigner::new(SignerName("lost-key".into()), SignerKind::Key { pem: "another".into() });
        lost.window = revoked("13:00");
        facts.question.image.signers.push(lost);
        facts.signatures = Looked::Found(signatures.to_vec());
        blocked(&facts, "CS-KEY-REVOKED", ONLY);
    }
}
