//! A signature over this digest by a trusted signer. The core of a verdict: no policy softens it.
//!
//! One that counts is enough: whoever may push to the registry may add broken signatures beside good ones. Where none counts,
//! the reason is the first of: one by a key of ours that does not count any more, or not yet; one that claims a signer of ours and
//! does not verify; one that verifies but is not by whom we trust, or not from this release's pipeline; one over other bytes; one
//! that does not verify and claims nobody of ours; none.
//!
//! What is there and cannot be read might be the one that counts: then the check could not look, whatever strangers laid beside it.
//! Only what says that a signer of ours was abused goes before that: a revoked key, or a signature in our name that does not verify.

use super::evidence::{self, Evidence};
use super::identity::Wrong;
use super::{could_not_check, no_image, sig_missing};
use crate::model::Digest;
use crate::model::signer::{KeylessIdentity, Signature, SignatureState, SignedBy, SignerKind, SignerName};
use crate::verdict::facts::TagRole;
use crate::verdict::{Check, Facts, Finding, KeyFault, Looked, Policy, Problem, Service, Why, WhyKind};

const CHECK: Check = Check::Signature;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let expected = trusted(facts);
    match (&facts.digest, &facts.image) {
        // No signature lies beside what is not there: another reason, and another next step, than an unsigned image.
        (Looked::Found(digest), Looked::Absent) => {
            let repository = facts.question.image.repository.to_string();
            return Finding::blocked(CHECK, expected, "no such image", Problem::ImageMissing { digest: *digest, repository });
        }
        (Looked::Found(_), Looked::Unreachable(why)) => return could_not_check(CHECK, expected, facts, why),
        (Looked::Found(_), Looked::Found(())) | (Looked::Absent | Looked::Unreachable(_), _) => {}
    }
    match evidence::weigh(facts, policy) {
        Evidence::Key(_, name) => Finding::passed(CHECK, expected, format!("key {name}")),
        Evidence::Keyless(_, identity) => Finding::passed(CHECK, expected, who(identity)),
        Evidence::CouldNot(why) => could_not_check(CHECK, expected, facts, &why),
        Evidence::Nothing { nearest, refused } => match &facts.digest {
            Looked::Found(digest) => none_counts(facts, *digest, (nearest, refused), expected),
            Looked::Absent => Finding::blocked(CHECK, expected, "no image", no_image(facts)),
            Looked::Unreachable(why) => could_not_check(CHECK, expected, facts, why),
        },
    }
}

/// The certificate that came nearest, and the key of ours that does not count.
type Near<'a> = (Option<(&'a KeylessIdentity, Vec<Wrong>)>, Option<(KeyFault, &'a SignerName)>);

fn none_counts(facts: &Facts, digest: Digest, (nearest, refused): Near<'_>, expected: String) -> Finding {
    let signatures: &[Signature] = facts.signatures.found().map_or(&[], Vec::as_slice);
    let unread = unread(signatures);
    if let Some((fault, key)) = refused
        && (unread.is_none() || matches!(fault, KeyFault::Revoked { .. }))
    {
        let found = format!("key {key}, {}", self::refused(&fault));
        return Finding::blocked(CHECK, expected, found, Problem::Key { key: key.clone(), fault });
    }
    let invalid = |signer: String| Problem::SigInvalid { digest, signer, tag: facts.release().map(str::to_owned) };
    if let Some((signer, reason)) = signatures.iter().find_map(|s| claims_ours(facts, s)) {
        return Finding::blocked(CHECK, expected, format!("does not verify: {reason}"), invalid(signer));
    }
    if let Some((found, why)) = unread {
        return Finding { found, ..could_not_check(CHECK, expected, facts, &why) };
    }
    let wrong = nearest.as_ref().and_then(|(_, wrong)| wrong.first());
    if let Some(other) = signatures.iter().find_map(somebody_else) {
        // A certificate that came near says best what is wrong: another project, another commit, another source.
        let problem = wrong.map(|wrong| wrong.problem.clone()).unwrap_or_else(|| Problem::SigOther {
            digest,
            found: other.clone(),
            expected: expected.clone(),
        });
        return Finding::blocked(CHECK, expected, nearest.map_or(other, |(identity, _)| who(identity)), problem);
    }
    if let Some(signed) = signatures.iter().find_map(other_bytes) {
        let tag = facts.tag(TagRole::Version).or_else(|| facts.tag(TagRole::Commit)).map(|look| look.name.clone());
        let tag = tag.or_else(|| facts.release().map(str::to_owned)).unwrap_or_else(|| "no tag".into());
        return Finding::blocked(CHECK, digest.to_string(), signed.to_string(), Problem::SigOnTag { tag, digest, signed });
    }
    if let Some(reason) = signatures.iter().find_map(claims_nobody) {
        return Finding::blocked(CHECK, expected, format!("does not verify: {reason}"), invalid("an unknown signer".into()));
    }
    Finding::blocked(CHECK, expected, "none", sig_missing(facts, digest))
}

/// Whether what is wrong with the signatures is anybody's doing who may push to the registry: signatures of no signer of ours, and
/// copies of those of another image. Such a thing is no proof of tampering, and nothing of it answers for a look that failed.
pub fn is_anybodys(facts: &Facts, problem: &Problem) -> bool {
    let signatures: &[Signature] = facts.signatures.found().map_or(&[], Vec::as_slice);
    match problem {
        Problem::SigInvalid { .. } => !signatures.iter().any(|signature| claims_ours(facts, signature).is_some()),
        other => matches!(other, Problem::SigOnTag { .. }),
    }
}

/// Whom this image trusts, in words.
pub fn trusted(facts: &Facts) -> String {
    let signers = facts.question.image.signers.iter();
    let names: Vec<_> = signers
        .map(|signer| match &signer.kind {
            SignerKind::Key { .. } => format!("key {}", signer.name),
            SignerKind::GitlabOidc { issuer } => format!("GitLab OIDC {issuer}"),
        })
        .collect();
    if names.is_empty() { "a trusted signer, and none is configured".into() } else { names.join(" or ") }
}

/// A verified signer.
pub fn signed_by(by: &SignedBy) -> String {
    match by {
        SignedBy::Key(name) => format!("key {name}"),
        SignedBy::Keyless(identity) => who(identity),
    }
}

/// Why what a key signed does not count.
pub fn refused(fault: &KeyFault) -> String {
    match fault {
        KeyFault::Revoked { at, signed: Some(signed) } => format!("revoked as of {at}, signed {signed}"),
        KeyFault::Revoked { at, signed: None } => format!("revoked as of {at}, and no time is proven"),
        KeyFault::Retired { since, .. } => format!("trusted until {since}"),
        KeyFault::Early { from } => format!("trusted from {from}"),
        KeyFault::Unlogged => "in no trusted log".into(),
    }
}

/// A keyless signer: its identity and, where the certificate has none, its issuer.
pub fn who(identity: &KeylessIdentity) -> String {
    let named = identity.san_uri.as_ref().or(identity.issuer.as_ref());
    named.cloned().unwrap_or_else(|| "a certificate without identity".into())
}

fn claims_ours(facts: &Facts, signature: &Signature) -> Option<(String, String)> {
    match &signature.state {
        SignatureState::Invalid { claims: Some(name), reason } if facts.question.image.signers.iter().any(|s| s.name == *name) => {
            Some((name.to_string(), reason.clone()))
        }
        SignatureState::Invalid { .. }
        | SignatureState::Verified(_)
        | SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Unreadable { .. } => None,
    }
}

fn claims_nobody(signature: &Signature) -> Option<&str> {
    match &signature.state {
        SignatureState::Invalid { reason, .. } => Some(reason),
        SignatureState::Verified(_)
        | SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Unreadable { .. } => None,
    }
}

fn somebody_else(signature: &Signature) -> Option<String> {
    match &signature.state {
        SignatureState::Verified(by) => Some(signed_by(by)),
        SignatureState::NotOurs { hint } => Some(hint.clone().unwrap_or_else(|| "an unknown key".into())),
        SignatureState::OtherSubject { .. } | SignatureState::Invalid { .. } | SignatureState::Unreadable { .. } => None,
    }
}

fn other_bytes(signature: &Signature) -> Option<Digest> {
    match &signature.state {
        SignatureState::OtherSubject { digest, .. } => Some(*digest),
        SignatureState::Verified(_)
        | SignatureState::NotOurs { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => None,
    }
}

/// What cannot be read of them, for people and as a look that brought nothing. Over a limit or of a kind that we do not know is no word
/// against an image: something is there, and we could not look (SR-02, SR-20).
pub fn unread(signatures: &[Signature]) -> Option<(String, Why)> {
    let reasons: Vec<_> = signatures.iter().filter_map(unreadable).collect();
    let (count, reason) = (reasons.len(), reasons.first()?);
    let why = Why::new(Service::Registry, WhyKind::Unreadable, format!("{count} signatures cannot be read: {reason}"));
    Some((format!("{count} unreadable: {reason}"), why))
}

fn unreadable(signature: &Signature) -> Option<&str> {
    match &signature.state {
        SignatureState::Unreadable { reason } => Some(reason),
        SignatureState::Verified(_)
        | SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. } => None,
    }
}
