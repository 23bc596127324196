//! Which signature counts. SR-12: one signature meets the whole rule; nothing is put together from two.

use super::identity::{self, Weighed, Wrong};
use super::key::{self, Standing};
use crate::model::Digest;
use crate::model::signer::{KeylessIdentity, Signature, SignatureState, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::verdict::{Facts, KeyFault, Looked, Policy, Why};

/// What the signatures beside the image amount to.
pub enum Evidence<'a> {
    /// Verified by a key that this image trusts, within the key's window.
    Key(&'a Signature, &'a SignerName),
    /// Verified, and the certificate says what this project's release pipeline must say.
    Keyless(&'a Signature, &'a KeylessIdentity),
    /// A look is missing that could make one count.
    CouldNot(Why),
    /// None counts, and no missing look could change that.
    Nothing {
        /// The verified keyless signature that came nearest, and what is wrong with it.
        nearest: Option<(&'a KeylessIdentity, Vec<Wrong>)>,
        /// The key of ours whose signature does not count for the gravest reason. Which one stands first says nothing.
        refused: Option<(KeyFault, &'a SignerName)>,
    },
}

/// Weighs every signature beside the image that is asked about. A keyless one that counts goes before a key: it names the commit itself.
pub fn weigh<'a>(facts: &'a Facts, policy: &Policy) -> Evidence<'a> {
    let digest = match &facts.digest {
        Looked::Found(digest) => *digest,
        Looked::Absent => return Evidence::Nothing { nearest: None, refused: None },
        Looked::Unreachable(why) => return Evidence::CouldNot(why.clone()),
    };
    weigh_of(digest, &facts.signatures, facts, policy)
}

/// The same of the signatures beside one platform of it: the rule is one.
pub fn weigh_of<'a>(digest: Digest, beside: &'a Looked<Vec<Signature>>, facts: &'a Facts, policy: &Policy) -> Evidence<'a> {
    let signatures = match beside {
        Looked::Found(signatures) => signatures,
        Looked::Absent => return Evidence::Nothing { nearest: None, refused: None },
        Looked::Unreachable(why) => return Evidence::CouldNot(why.clone()),
    };
    let mut by_key = None;
    let mut could_not = None;
    let mut refused: Option<(KeyFault, &SignerName)> = None;
    let mut nearest: Option<(&KeylessIdentity, Vec<Wrong>)> = None;
    for signature in signatures {
        match &signature.state {
            SignatureState::Verified(SignedBy::Key(name)) => {
                match trusted_key(facts, name).map(|signer| key::weigh(signature.proven, signer, facts, policy)) {
                    Some(Standing::Counts) => by_key = by_key.or(Some((signature, name))),
                    Some(Standing::Refused(fault)) => refused = refused.into_iter().chain([(fault, name)]).min(),
                    Some(Standing::CouldNot(why)) => could_not = could_not.or(Some(why)),
                    None => {}
                }
            }
            SignatureState::Verified(SignedBy::Keyless(identity)) => match identity::weigh(identity, digest, facts, policy) {
                Weighed::Holds => return Evidence::Keyless(signature, identity),
                Weighed::CouldNot(why) => could_not = could_not.or(Some(why)),
                Weighed::Fails(wrong) => {
                    if nearest.as_ref().is_none_or(|(_, fewest)| wrong.len() < fewest.len()) {
                        nearest = Some((identity, wrong));
                    }
                }
            },
            SignatureState::NotOurs { .. }
            | SignatureState::OtherSubject { .. }
            | SignatureState::Invalid { .. }
            | SignatureState::Unreadable { .. } => {}
        }
    }
    match (by_key, could_not) {
        (Some((signature, name)), _) => Evidence::Key(signature, name),
        (None, Some(why)) => Evidence::CouldNot(why),
        (None, None) => Evidence::Nothing { nearest, refused },
    }
}

/// Everybody whose signature over the image counts by itself, and why another could not be weighed.
pub struct Signers<'a> {
    pub all: Vec<&'a SignedBy>,
    pub could_not: Option<Why>,
}

/// Where [`weigh`] names the one signature to show, this names all: what else must be true of a signer, or agree with one, may be
/// true of another than the first.
pub fn signers<'a>(facts: &'a Facts, policy: &Policy) -> Signers<'a> {
    let mut signers = Signers { all: vec![], could_not: facts.digest.unreachable().or(facts.signatures.unreachable()).cloned() };
    let (Some(digest), Some(signatures)) = (facts.digest.found(), facts.signatures.found()) else { return signers };
    for signature in signatures {
        let SignatureState::Verified(by) = &signature.state else { continue };
        let worth = match by {
            SignedBy::Key(name) => match trusted_key(facts, name).map(|signer| key::weigh(signature.proven, signer, facts, policy)) {
                Some(Standing::Counts) => Looked::Found(()),
                Some(Standing::CouldNot(why)) => Looked::Unreachable(why),
                Some(Standing::Refused(_)) | None => Looked::Absent,
            },
            SignedBy::Keyless(identity) => match identity::weigh(identity, *digest, facts, policy) {
                Weighed::Holds => Looked::Found(()),
                Weighed::CouldNot(why) => Looked::Unreachable(why),
                Weighed::Fails(_) => Looked::Absent,
            },
        };
        match worth {
            Looked::Found(()) => signers.all.push(by),
            Looked::Absent => {}
            Looked::Unreachable(why) => signers.could_not = signers.could_not.or(Some(why)),
        }
    }
    signers
}

/// The key of that name, if this image trusts it. A name is not enough: it must be a key's, not a keyless signer's.
pub fn trusted_key<'a>(facts: &'a Facts, name: &SignerName) -> Option<&'a TrustedSigner> {
    facts.question.image.signers.iter().find(|signer| match &signer.kind {
        SignerKind::Key { .. } => signer.name == *name,
        SignerKind::GitlabOidc { .. } => false,
    })
}

/// The OIDC issuers of the keyless signers that this image trusts.
pub fn issuers(facts: &Facts) -> Vec<&str> {
    let signers = facts.question.image.signers.iter();
    signers
        .filter_map(|signer| match &signer.kind {
            SignerKind::Key { .. } => None,
            SignerKind::GitlabOidc { issuer } => Some(issuer.as_str()),
        })
        .collect()
}
