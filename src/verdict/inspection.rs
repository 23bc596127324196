//! Whether what lies beside an image meets what a caller demands of it: a pure function, without GitLab and without a watched project.
//!
//! SR-12: one signature or attestation meets the whole demand of its kind; nothing is put together from two.

mod weigh;

use std::collections::BTreeMap;

pub use weigh::{inspect, not_seen};

use super::facts::{Why, WhyKind};
use super::{Outcome, Service};
use crate::model::signer::{KeylessIdentity, Layout, Shape, SignatureState, SignedBy, SignerName};
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
    /// Whether a log entry or a timestamp is there that could not be checked.
    pub unread: bool,
    /// The earliest time that a log or timestamp authority proves.
    pub signed_at: Option<Timestamp>,
    /// The latest one. Every proven time must lie in a key's window (SR-13).
    pub latest: Option<Timestamp>,
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
    /// It could not be read, and may be this.
    Unknown(Shape),
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
    Key {
        name: SignerName,
        fingerprint: Digest,
        window: Window,
        /// Whether a log must hold what this key signed, whatever is demanded of the others.
        require_log: bool,
    },
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
    Invalid {
        signer: Option<String>,
        reason: String,
    },
    /// Signed with a key outside its window; `at` is the proven time that lies outside.
    Window {
        key: String,
        window: Window,
        at: Option<Timestamp>,
    },
    /// No trusted log holds a key's signature, and one must.
    Unlogged {
        key: String,
    },
    /// It verifies, and does not say what was demanded.
    Annotation {
        key: String,
        expected: String,
        found: Option<String>,
    },
    Repository {
        expected: String,
        found: Option<String>,
    },
    /// A verified attestation whose own result is negative.
    SaysNo {
        predicate_type: String,
        result: String,
    },
    /// Somebody else's.
    Other {
        found: String,
        expected: String,
    },
    /// It speaks of other bytes.
    OnOther {
        signed: Digest,
    },
    /// All that could have met it cannot be read here.
    Unreadable {
        reason: String,
    },
    /// No key and no identity was given: everything was listed, and nothing was held against anybody.
    Nobody,
    /// A pipeline signed it whose identity this signer of ours leaves to be derived, and it was not.
    Pipeline {
        signer: String,
    },
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
            (Self::Signature, What::Signature { .. }) => true,
            (Self::Signature, What::Unknown(shape)) => *shape != Shape::Attestation,
            (Self::Provenance | Self::Type(_), What::Unknown(shape)) => *shape != Shape::Signature,
            (Self::Provenance, What::Attestation { predicate_type, .. }) => PROVENANCE.contains(&predicate_type.as_str()),
            (Self::Type(wanted), What::Attestation { predicate_type, .. }) => wanted == predicate_type,
            (Self::Signature, What::Attestation { .. }) | (Self::Provenance | Self::Type(_), What::Signature { .. }) => false,
        }
    }
}

impl Inspection {
    /// The same, but undecided for this reason. One that passed stays so: this takes only a no back.
    pub fn undecided(self, refusal: Refusal) -> Self {
        match (self.outcome, weigh::outcome(&refusal)) {
            (Outcome::Blocked, Outcome::CouldNotCheck) => Self { outcome: Outcome::CouldNotCheck, refusal: Some(refusal), ..self },
            (Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck, _) => self,
        }
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
            Self::Unlogged { .. } => "CS-SIG-UNLOGGED",
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
