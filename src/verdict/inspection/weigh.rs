//! Whether the pieces meet the demand.

use super::{Answer, Demand, Inspection, Piece, Refusal, Require, Wanted, What, who};
use crate::model::signer::{SignatureState, SignedBy};
use crate::model::{Digest, Timestamp};
use crate::verdict::Outcome;

/// Judges what was found beside an image; `found` is empty where the registry answered that nothing is there.
pub fn inspect(found: Vec<Piece>, demand: &Demand, root: Option<Digest>, as_of: Timestamp) -> Inspection {
    let found: Vec<(Piece, Answer)> = found
        .into_iter()
        .map(|piece| {
            let answer = weigh(&piece, demand, as_of).map_or(Answer::Accepted, Answer::Refused);
            (piece, answer)
        })
        .collect();
    let refusal = refusal(&found, demand);
    let accepted =
        found.iter().filter(|(piece, answer)| *answer == Answer::Accepted && demand.require.iter().any(|r| r.asks_for(&piece.what)));
    let mut accepted: Vec<String> = accepted.filter_map(|(piece, _)| who(&piece.state)).collect();
    accepted.sort();
    accepted.dedup();
    Inspection {
        outcome: refusal.as_ref().map_or(Outcome::Passed, outcome),
        refusal,
        found,
        require: demand.require.clone(),
        accepted,
        as_of,
        policy: demand.digest(root),
    }
}

/// What comes of it where the registry could not be read, or holds no such image.
pub fn not_seen(refusal: Refusal, demand: &Demand, root: Option<Digest>, as_of: Timestamp) -> Inspection {
    let (require, policy) = (demand.require.clone(), demand.digest(root));
    // Whatever the caller gives: this way nothing passes.
    Inspection { outcome: outcome(&refusal), refusal: Some(refusal), found: vec![], require, accepted: vec![], as_of, policy }
}

pub(super) fn outcome(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Unreadable { .. } | Refusal::Nobody | Refusal::Pipeline { .. } | Refusal::NotSeen(_) => Outcome::CouldNotCheck,
        Refusal::NoImage
        | Refusal::Missing(_)
        | Refusal::Invalid { .. }
        | Refusal::Window { .. }
        | Refusal::Unlogged { .. }
        | Refusal::Annotation { .. }
        | Refusal::Repository { .. }
        | Refusal::SaysNo { .. }
        | Refusal::Other { .. }
        | Refusal::OnOther { .. } => Outcome::Blocked,
    }
}

/// The one reason why the demand is not met; `None` if it is.
fn refusal(found: &[(Piece, Answer)], demand: &Demand) -> Option<Refusal> {
    if demand.signers.is_empty() || demand.require.is_empty() {
        // An image with nothing beside it is unsigned, whoever asks.
        return Some(if found.is_empty() { Refusal::Missing(Require::Signature) } else { Refusal::Nobody });
    }
    let unmet = demand.require.iter().filter_map(|require| why_not(found, require));
    // What blocks is certain; what could not be read might still turn out well.
    unmet.min_by_key(|refusal| (outcome(refusal) == Outcome::CouldNotCheck, weight(refusal)))
}

/// Why no piece meets this; of several reasons that of the one that came nearest.
fn why_not(found: &[(Piece, Answer)], require: &Require) -> Option<Refusal> {
    let mut nearest: Option<&Refusal> = None;
    for (_, answer) in found.iter().filter(|(piece, _)| require.asks_for(&piece.what)) {
        match answer {
            Answer::Accepted => return None,
            Answer::Refused(refusal) if nearest.is_none_or(|nearest| weight(refusal) < weight(nearest)) => nearest = Some(refusal),
            Answer::Refused(_) => {}
        }
    }
    Some(nearest.cloned().unwrap_or_else(|| Refusal::Missing(require.clone())))
}

/// Which reason is told first: tampering with what claims to be ours; what cannot be read, since it might be what is demanded, whatever
/// strangers laid beside it; then what nearly meets the demand, and what is beside it.
fn weight(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Invalid { signer: Some(_), .. } => 0,
        Refusal::Unreadable { .. } => 1,
        Refusal::Window { .. } | Refusal::Unlogged { .. } => 2,
        Refusal::Annotation { .. } | Refusal::Repository { .. } | Refusal::SaysNo { .. } => 3,
        Refusal::Other { .. } => 4,
        Refusal::OnOther { .. } => 5,
        Refusal::Invalid { signer: None, .. } => 6,
        Refusal::Missing(_) | Refusal::NoImage | Refusal::Nobody | Refusal::Pipeline { .. } | Refusal::NotSeen(_) => 7,
    }
}

/// Why one piece does not count; `None` if it does.
fn weigh(piece: &Piece, demand: &Demand, as_of: Timestamp) -> Option<Refusal> {
    let other = |found: String| Some(Refusal::Other { found, expected: demand.wanted() });
    let by = match &piece.state {
        SignatureState::Verified(by) => by,
        SignatureState::NotOurs { hint } => return other(hint.clone().unwrap_or_else(|| "an unknown key".into())),
        SignatureState::OtherSubject { digest, .. } => return Some(Refusal::OnOther { signed: *digest }),
        SignatureState::Invalid { claims, reason } => {
            return Some(Refusal::Invalid { signer: claims.as_ref().map(ToString::to_string), reason: reason.clone() });
        }
        SignatureState::Unreadable { reason } => return Some(Refusal::Unreadable { reason: reason.clone() }),
    };
    let Some(wanted) = demand.signers.iter().find(|wanted| is(wanted, by)) else { return other(who(&piece.state).unwrap_or_default()) };
    outside_window(wanted, piece, as_of).or_else(|| unlogged(wanted, piece, demand)).or_else(|| unmet_terms(piece, demand))
}

fn is(wanted: &Wanted, by: &SignedBy) -> bool {
    match (wanted, by) {
        (Wanted::Key { name, .. }, SignedBy::Key(found)) => name == found,
        (Wanted::Identity { identity, issuer }, SignedBy::Keyless(found)) => {
            // The kind of name is part of the identity: an e-mail address may spell a URI.
            let named = if identity.contains("://") { &found.san_uri } else { &found.san_email };
            !identity.is_empty() && named.as_ref() == Some(identity) && !issuer.is_empty() && found.issuer.as_ref() == Some(issuer)
        }
        (Wanted::Key { .. }, SignedBy::Keyless(_)) | (Wanted::Identity { .. }, SignedBy::Key(_)) => false,
    }
}

fn outside_window(wanted: &Wanted, piece: &Piece, as_of: Timestamp) -> Option<Refusal> {
    let Wanted::Key { name, window, .. } = wanted else { return None };
    let refused = |at| Some(Refusal::Window { key: name.to_string(), window: *window, at });
    if window.not_before.is_some_and(|first| piece.signed_at.is_none_or(|at| at < first)) {
        return refused(piece.signed_at);
    }
    if window.not_after.is_some_and(|last| piece.latest.unwrap_or(as_of) > last) {
        return refused(piece.latest);
    }
    None
}

fn unlogged(wanted: &Wanted, piece: &Piece, demand: &Demand) -> Option<Refusal> {
    let Wanted::Key { name, require_log, .. } = wanted else { return None };
    if piece.logged || !(*require_log || demand.require_log) {
        return None;
    }
    // That nobody could look is no word against it.
    let unread = || Refusal::Unreadable { reason: "whether a log holds it cannot be checked here, and a log entry is demanded".into() };
    Some(if piece.unread { unread() } else { Refusal::Unlogged { key: name.to_string() } })
}

/// What a verified piece of an accepted signer does not say.
fn unmet_terms(piece: &Piece, demand: &Demand) -> Option<Refusal> {
    match &piece.what {
        What::Signature { repository, annotations } => {
            let wanted = demand.annotations.iter().find(|(key, value)| annotations.get(*key) != Some(value));
            if let Some((key, expected)) = wanted {
                let found = annotations.get(key).cloned();
                return Some(Refusal::Annotation { key: key.clone(), expected: expected.clone(), found });
            }
            let expected = demand.repository.as_ref().filter(|expected| repository.as_ref() != Some(expected))?;
            Some(Refusal::Repository { expected: expected.clone(), found: repository.clone() })
        }
        What::Attestation { predicate_type, says_no } => {
            let result = says_no.clone()?;
            Some(Refusal::SaysNo { predicate_type: predicate_type.clone(), result })
        }
        What::Unknown(_) => Some(Refusal::Unreadable { reason: "it is neither a signature nor an attestation".into() }),
    }
}
