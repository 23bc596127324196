//! Times from a timestamp authority, where the log tells none: Rekor v2, and keys without a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

impl World {
    /// An honest bundle with a log in the shape of Rekor v2 and a timestamp, with one change to how it is made.
    fn stamped(&self, change: impl FnOnce(&mut Session)) -> Vec<u8> {
        let mut session = Session::stamped(&Claims::default(), self.then);
        change(&mut session);
        self.authority.attest_keyless(&sign_statement(&self.image), &session).unwrap()
    }

    /// The trust root without its timestamp authorities, or with others.
    fn trust_with_authorities(&self, authorities: Value) -> Trust {
        let mut root = self.authority.trusted_root();
        root["timestampAuthorities"] = authorities;
        let root = TrustRoot::parse(root.to_string().as_bytes()).unwrap();
        Trust::new(&self.signers(), Some(root), false).unwrap()
    }
}

const UNKNOWN_AUTHORITY: &str = "does not match any trusted TSA";
const STAMPS: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";

/// The bundle with this answer as its only timestamp.
fn with_stamp(bundle: &[u8], answer: &[u8]) -> Vec<u8> {
    changed(bundle, |b| *b.pointer_mut(STAMPS).unwrap() = json!([{"signedTimestamp": STANDARD.encode(answer)}]))
}

fn signature_of(bundle: &[u8]) -> Vec<u8> {
    let bundle: Value = serde_json::from_slice(bundle).unwrap();
    STANDARD.decode(bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap()
}

#[test]
fn a_keyless_bundle_with_a_timestamp_instead_of_the_logs_time_verifies() {
    let world = World::new();
    let judged = world.bundle(&world.stamped(|_| ()));
    assert_eq!(identity(&judged).signed_at, Some(world.then));
    assert_eq!(judged.logged.proven().times, Some((world.then, world.then)));
    assert!(judged.logged.logged);
    // A second entry: its place in the tree is covered by the proof.
    let judged = world.bundle(&world.stamped(|_| ()));
    assert_eq!(identity(&judged).log_index, Some(1));
}

#[test]
fn without_a_timestamp_a_timeless_log_proves_no_time() {
    let world = World::new();
    is_invalid(&world.bundle(&world.stamped(|session| session.stamped_at = None)), "pipeline", "no verified timestamp");
    // A time that somebody wrote into the entry is signed by nobody.
    let written = changed(&world.stamped(|session| session.stamped_at = None), |b| {
        b["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = world.then.as_second().to_string().into();
    });
    is_invalid(&world.bundle(&written), "pipeline", "no verified timestamp");
}

#[test]
fn a_timestamp_by_another_authority_is_worth_nothing() {
    let world = World::new();
    let good = world.stamped(|_| ());
    let stranger = Authority::new(Timestamp::now()).unwrap();
    let stamp = stranger.stamp(&signature_of(&good), world.then).unwrap();
    is_invalid(&world.bundle(&with_stamp(&good, &stamp)), "pipeline", UNKNOWN_AUTHORITY);
    // The same bundle under a root that names another authority, or none.
    let others = stranger.trusted_root()["timestampAuthorities"].clone();
    for (authorities, word) in [(others, UNKNOWN_AUTHORITY), (json!([]), "no timestamp authorities")] {
        is_invalid(&bundle(&good, &world.image, &world.trust_with_authorities(authorities)), "pipeline", word);
    }
    // One bad stamp is not healed by a good one beside it.
    let both = changed(&good, |b| {
        let stamps = b.pointer_mut(STAMPS).unwrap().as_array_mut().unwrap();
        stamps.push(json!({"signedTimestamp": STANDARD.encode(&stamp)}));
    });
    is_invalid(&world.bundle(&both), "pipeline", UNKNOWN_AUTHORITY);
}

#[test]
fn a_timestamp_must_lie_in_the_certificates_and_its_authoritys_window_and_not_ahead() {
    let world = World::new();
    let before = world.then.checked_sub(SignedDuration::from_secs(1)).unwrap();
    let after = world.then.checked_add(SignedDuration::from_secs(601)).unwrap();
    is_invalid(&world.bundle(&world.stamped(|session| session.stamped_at = Some(after))), "pipeline", "Expired");
    is_invalid(&world.bundle(&world.stamped(|session| session.stamped_at = Some(before))), "pipeline", "NotValidYet");
    is_invalid(
        &world.bundle(&world.stamped(|session| {
            session.certified_at = Timestamp::now().checked_add(SignedDuration::from_secs(3600)).unwrap();
            session.stamped_at = Some(session.certified_at);
        })),
        "pipeline",
        "future",
    );
    let mut authorities = world.authority.trusted_root()["timestampAuthorities"].clone();
    authorities[0]["validFor"]["end"] = ago(120).to_string().into();
    let stamped = world.stamped(|_| ());
    let under = |authorities: &Value| bundle(&stamped, &world.image, &world.trust_with_authorities(authorities.clone()));
    // It is the only one: then the root is too old to say. Beside one whose time is not over, its time was ended on purpose.
    is_unreadable(&under(&authorities), "no timestamp authority whose time");
    let other = Authority::new(Timestamp::now()).unwrap().trusted_root()["timestampAuthorities"][0].clone();
    authorities.as_array_mut().unwrap().push(other);
    is_invalid(&under(&authorities), "pipeline", "validity period of the authority");
}

#[test]
fn a_timestamp_of_another_signature_is_worth_nothing() {
    let world = World::new();
    let (good, other) = (world.stamped(|_| ()), world.stamped(|_| ()));
    let stamp = world.authority.stamp(&signature_of(&other), world.then).unwrap();
    is_invalid(&world.bundle(&with_stamp(&good, &stamp)), "pipeline", "hash mismatch");
    let mut altered = world.authority.stamp(&signature_of(&good), world.then).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    is_invalid(&world.bundle(&with_stamp(&good, &altered)), "pipeline", "signature invalid");
}

/// The log entry must be this signature's in the new shape as well.
#[test]
fn a_timeless_log_entry_of_another_signature_is_invalid() {
    let world = World::new();
    let good = world.stamped(|_| ());
    let other: Value = serde_json::from_slice(&world.stamped(|_| ())).unwrap();
    let swapped = changed(&good, |b| b["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"].clone());
    is_invalid(&world.bundle(&swapped), "pipeline", "does not match");
    let unlogged = changed(&good, |b| b["verificationMaterial"]["tlogEntries"] = json!([]));
    is_invalid(&world.bundle(&unlogged), "pipeline", "inclusion proof");
}

/// What a window of a key asks for: a time, and nothing of a log.
#[test]
fn a_timestamp_proves_the_time_of_a_key_without_a_log() {
    let world = World::new();
    let then = ago(3600);
    let stamped = world.authority.attest_with_key_stamped(&world.ours, &sign_statement(&world.image), then).unwrap();
    let judged = world.bundle(&stamped);
    assert_eq!(judged.state, by_our_key());
    assert_eq!((judged.logged.logged, judged.logged.proven().times), (false, Some((then, then))));
    // A root without timestamp authorities proves nothing by it, and the key is still the key.
    let judged = bundle(&stamped, &world.image, &world.trust_with_authorities(json!([])));
    assert_eq!((judged.logged.proven().times, judged.state), (None, by_our_key()));
    // One by an authority that the root does not know is left aside, also beside a good one.
    let stranger = Authority::new(Timestamp::now()).unwrap();
    let stamp = stranger.stamp(&signature_of(&stamped), then).unwrap();
    let judged = world.bundle(&with_stamp(&stamped, &stamp));
    assert_eq!((judged.logged.proven().times, judged.state), (None, by_our_key()));
    let both = changed(&stamped, |b| {
        b.pointer_mut(STAMPS).unwrap().as_array_mut().unwrap().push(json!({"signedTimestamp": STANDARD.encode(&stamp)}));
    });
    let judged = world.bundle(&both);
    assert_eq!((judged.logged.proven().times, judged.state), (Some((then, then)), by_our_key()));
    // One that the root knows how to check must hold, and so must one by nobody.
    let mut altered = world.authority.stamp(&signature_of(&stamped), then).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    is_invalid(&world.bundle(&with_stamp(&stamped, &altered)), "release-key", "signature invalid");
    is_invalid(&world.bundle(&with_stamp(&stamped, b"no timestamp")), "release-key", "timestamp");
    is_invalid(&bundle(&stamped, &world.image, &world.log_demanded()), "release-key", "demanded");
}

#[test]
fn log_and_timestamp_both_tell_when_a_legacy_signature_was_made() {
    let world = World::new();
    let (logged, stamped) = (ago(3600), ago(1800));
    let mut signed = world.authority.sign_legacy_logged(&world.ours, &world.image, logged).unwrap();
    world.authority.stamp_legacy(&mut signed, stamped).unwrap();
    let judged = world.legacy(&signed, &world.trust());
    assert_eq!(judged.state, by_our_key());
    assert_eq!(judged.logged.proven().times, Some((logged, stamped)), "the earliest and the latest");
    let mut alone = world.authority.sign_legacy(&world.ours, &world.image).unwrap();
    world.authority.stamp_legacy(&mut alone, stamped).unwrap();
    let judged = world.legacy(&alone, &world.trust());
    let times = judged.logged.proven().times;
    assert_eq!((judged.state, judged.logged.logged, times), (by_our_key(), false, Some((stamped, stamped))));
}
