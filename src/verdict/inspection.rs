//! Whether what lies beside an image meets what a caller demands of it: a pure function, without GitLab and without a watched project.
//!
//! SR-12: one signature or attestation meets the whole demand of its kind; nothing is put together from two.

use std::collections::BTreeMap;

use super::facts::{Why, WhyKind};
use super::{Outcome, Service};
use crate::model::signer::{KeylessIdentity, Layout, SignatureState, SignedBy, SignerName};
use crate::model::{Digest, Timestamp};

/// The predicate types that [`Require::Provenance`] takes ([SLSA](https://slsa.dev/spec/v1.1/provenance)).
pub const PROVENANCE: [&str; 2] = ["https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"];

/// One thing that lies beside the image, with what cryptography says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// `None` for a bundle that was given as a file.
    pub layout: Option<Layout>,
    /// The manifest that carries it, or that file.
    pub manifest: Digest,
    pub what: What,
    pub state: SignatureState,
    /// Whether a log of the trust root holds it.
    pub logged: bool,
    /// The earliest time that a log or timestamp authority proves.
    pub signed_at: Option<Timestamp>,
    /// The log entry, where something signed covers its number.
    pub log_index: Option<u64>,
}

/// What it is. What it says is proven only with [`SignatureState::Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Signature {
        /// The repository that a legacy payload names; bundles name none.
        repository: Option<String>,
        /// The signed pairs of `cosign sign -a`.
        annotations: BTreeMap<String, String>,
    },
    Attestation {
        predicate_type: String,
        /// What the predicate itself says, where it says that something failed (SR-15).
        says_no: Option<String>,
    },
    /// It could not be read, and may be anything.
    Unknown,
}

/// What the caller demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Any one of them is enough; their order means nothing. Without one, nothing is ever accepted (SR-01).
    pub signers: Vec<Wanted>,
    /// Each must be met; without one nothing is ever accepted either.
    pub require: Vec<Require>,
    /// All of them, on the signature that counts.
    pub annotations: BTreeMap<String, String>,
    /// The repository that the signature must name.
    pub repository: Option<String>,
    /// Whether a log must hold what a key signed.
    pub require_log: bool,
}

/// A signer that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Key { name: SignerName, fingerprint: Digest, window: Window },
    /// The certificate's one Subject Alternative Name and its OIDC issuer, whole values (SR-14).
    Identity { identity: String, issuer: String },
}

/// When a key's signatures count, both ends included.
///
/// The time of a signature is what a log or a timestamp authority proves. Where nothing does, it is known only to be older than the
/// look at it: that is enough for an end that is still to come, and for no beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
}

/// A kind of evidence that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Require {
    Signature,
    /// Any of [`PROVENANCE`].
    Provenance,
    /// An attestation of exactly this predicate type.
    Type(String),
}

/// Why a demand is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The registry holds no such image.
    NoImage,
    /// Nothing of this kind lies beside it.
    Missing(Require),
    /// It claims a signer of ours, or nobody, and does not verify.
    Invalid { signer: Option<String>, reason: String },
    /// Signed with a key outside its window; `at` is the proven time.
    Window { key: String, window: Window, at: Option<Timestamp> },
    /// It verifies, and does not say what was demanded.
    Annotation { key: String, expected: String, found: Option<String> },
    Repository { expected: String, found: Option<String> },
    /// A verified attestation whose own result is negative.
    SaysNo { predicate_type: String, result: String },
    /// Somebody else's.
    Other { found: String, expected: String },
    /// It speaks of other bytes.
    OnOther { signed: Digest },
    /// All that could have met it cannot be read here.
    Unreadable { reason: String },
    /// No key and no identity was given: everything was listed, and nothing was held against anybody.
    Nobody,
    /// A pipeline signed it whose identity this signer of ours leaves to be derived, and it was not.
    Pipeline { signer: String },
    /// A look brought nothing.
    NotSeen(Why),
}

/// What came of it. Only [`inspect`] and [`not_seen`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub outcome: Outcome,
    /// `None` exactly when passed.
    pub refusal: Option<Refusal>,
    pub found: Vec<(Piece, Answer)>,
    /// What was demanded and met.
    pub require: Vec<Require>,
    /// Who made what was accepted, as they were given.
    pub accepted: Vec<String>,
    pub as_of: Timestamp,
    /// A digest over the whole demand: the policy that this was decided under.
    pub policy: Digest,
}

/// What one piece is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Verified, and it meets the demand of its kind.
    Accepted,
    /// It does not, for this reason.
    Refused(Refusal),
}

impl Demand {
    /// The version of what is demanded. `root` is the digest of the trust root.
    pub fn digest(&self, root: Option<Digest>) -> Digest {
        let mut parts = vec![format!("inspect v1 log={} root={root:?} repository={:?}", self.require_log, self.repository)];
        // Order means nothing, so it must not make another policy.
        let mut signers: Vec<_> = self.signers.iter().map(|signer| format!("{signer:?}")).collect();
        signers.sort();
        parts.extend(signers);
        let mut require: Vec<_> = self.require.iter().map(|require| format!("{require:?}")).collect();
        require.sort();
        parts.extend(require);
        parts.extend(self.annotations.iter().map(|pair| format!("{pair:?}")));
        // Debug quotes every text, so that no two lists make one line.
        Digest::of(parts.join("\n").as_bytes())
    }

    /// Whom the caller accepts, in words.
    fn wanted(&self) -> String {
        self.signers.iter().map(Wanted::to_string).collect::<Vec<_>>().join(" or ")
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key { name, .. } => write!(f, "key {name}"),
            Self::Identity { identity, issuer } if identity.is_empty() => write!(f, "a pipeline of {issuer}"),
            Self::Identity { identity, issuer } => write!(f, "{identity} by {issuer}"),
        }
    }
}

impl Require {
    /// Whether a piece is of this kind, or could be.
    fn asks_for(&self, what: &What) -> bool {
        match (self, what) {
            (_, What::Unknown) | (Self::Signature, What::Signature { .. }) => true,
            (Self::Provenance, What::Attestation { predicate_type, .. }) => PROVENANCE.contains(&predicate_type.as_str()),
            (Self::Type(wanted), What::Attestation { predicate_type, .. }) => wanted == predicate_type,
            (Self::Signature, What::Attestation { .. }) | (Self::Provenance | Self::Type(_), What::Signature { .. }) => false,
        }
    }
}

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
    let accepted = found.iter().filter(|(piece, answer)| *answer == Answer::Accepted && demand.require.iter().any(|r| r.asks_for(&piece.what)));
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

impl Inspection {
    /// The same, but undecided for this reason. One that passed stays so: this takes only a no back.
    pub fn undecided(self, refusal: Refusal) -> Self {
        match (self.outcome, outcome(&refusal)) {
            (Outcome::Blocked, Outcome::CouldNotCheck) => Self { outcome: Outcome::CouldNotCheck, refusal: Some(refusal), ..self },
            (Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck, _) => self,
        }
    }
}

/// What comes of it where the registry could not be read, or holds no such image.
pub fn not_seen(refusal: Refusal, demand: &Demand, root: Option<Digest>, as_of: Timestamp) -> Inspection {
    let (require, policy) = (demand.require.clone(), demand.digest(root));
    // Whatever the caller gives: this way nothing passes.
    Inspection { outcome: outcome(&refusal), refusal: Some(refusal), found: vec![], require, accepted: vec![], as_of, policy }
}

fn outcome(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Unreadable { .. } | Refusal::Nobody | Refusal::Pipeline { .. } | Refusal::NotSeen(_) => Outcome::CouldNotCheck,
        Refusal::NoImage
        | Refusal::Missing(_)
        | Refusal::Invalid { .. }
        | Refusal::Window { .. }
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

/// Which reason is told first: tampering with what claims to be ours, then what nearly meets the demand, then what is beside it.
fn weight(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Invalid { signer: Some(_), .. } => 0,
        Refusal::Window { .. } => 1,
        Refusal::Annotation { .. } | Refusal::Repository { .. } | Refusal::SaysNo { .. } => 2,
        Refusal::Other { .. } => 3,
        Refusal::OnOther { .. } => 4,
        Refusal::Invalid { signer: None, .. } => 5,
        Refusal::Unreadable { .. } => 6,
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
    outside_window(wanted, piece, as_of).or_else(|| unmet_terms(piece, demand))
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
    let began = window.not_before.is_none_or(|first| piece.signed_at.is_some_and(|at| at >= first));
    let ended = window.not_after.is_some_and(|last| piece.signed_at.unwrap_or(as_of) > last);
    let refused = || Refusal::Window { key: name.to_string(), window: *window, at: piece.signed_at };
    (!began || ended).then(refused)
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
        What::Unknown => Some(Refusal::Unreadable { reason: "it is neither a signature nor an attestation".into() }),
    }
}

/// Who made a verified piece.
pub fn who(state: &SignatureState) -> Option<String> {
    match state {
        SignatureState::Verified(SignedBy::Key(name)) => Some(format!("key {name}")),
        SignatureState::Verified(SignedBy::Keyless(identity)) => Some(named(identity)),
        SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => None,
    }
}

fn named(identity: &KeylessIdentity) -> String {
    let san = identity.san_uri.as_ref().or(identity.san_email.as_ref()).map_or("a certificate without one clear name", String::as_str);
    format!("{san} by {}", identity.issuer.as_deref().unwrap_or("an unnamed issuer"))
}

impl Refusal {
    /// The stable code; none where it is no statement about the image but about how it was asked.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoImage => "CS-TAG-MISSING",
            Self::Missing(Require::Signature) => "CS-SIG-MISSING",
            Self::Missing(Require::Provenance | Require::Type(_)) | Self::SaysNo { .. } => "CS-PROV-MISSING",
            Self::Invalid { .. } => "CS-SIG-INVALID",
            Self::Window { .. } => "CS-KEY-RETIRED",
            Self::Annotation { .. } | Self::Other { .. } => "CS-SIG-OTHER",
            Self::Repository { .. } => "CS-PROJECT",
            Self::OnOther { .. } => "CS-SIG-ON-TAG",
            Self::Unreadable { .. } => "CS-UNAVAILABLE",
            Self::NotSeen(why) if why.service == Service::Registry && why.kind == WhyKind::Refused => "CS-REG-AUTH",
            Self::NotSeen(_) => "CS-UNAVAILABLE",
            Self::Nobody | Self::Pipeline { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests;
