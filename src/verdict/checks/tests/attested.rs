//! Who may attest, and when: the window of a key, the key that signed the image, the release job, a proven time.

use super::origin::{by_key, held, refused};
use super::*;
use crate::model::signer::{KeyWindow, SignedBy, SignerKind, SignerName, TrustedSigner};
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
