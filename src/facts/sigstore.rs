//! Signatures: what cryptography says of the evidence beside an image.
//!
//! Form comes first, then the subject, then cryptography: a signature that cannot be read strictly is `Unreadable` whoever made it,
//! and one over other bytes is `OtherSubject`. The chain, SCT, log and timestamp checks are sigstore-verify's; here stands what that
//! crate leaves to its caller: statement and predicate types, one name in the certificate, an inclusion proof whatever version a
//! bundle claims, keys without a log, and no field shown that nothing signed covers.

mod bundle;
mod certificate;
mod detached;
mod dsse;
mod intoto;
pub(in crate::facts) mod json;
mod key;
mod parts;
mod proof;
mod simple;
mod statement;
mod trust;

use std::collections::BTreeMap;

pub use bundle::{MAX_BUNDLE, bundle};
pub use detached::{Expected, File, Refused, Verified, detached};
pub use dsse::{Dsse, dsse};
pub use key::{BadKey, PublicKey};
pub use proof::Logged;
pub use simple::{MAX_ANNOTATION, MAX_PAYLOAD, SimpleSigning, simple_signing};
pub use statement::COSIGN_SIGN_V1;
pub use trust::{BadTrust, Trust};

use crate::model::signer::SignatureState;

/// One piece of evidence, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub content: Content,
    pub state: SignatureState,
    /// What a log or timestamp authority proves; empty unless the signature is verified.
    pub logged: Logged,
}

/// What kind of evidence it is. What it says is proven only with [`SignatureState::Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A signature of an image.
    ImageSignature {
        /// The legacy payload's `docker-reference`; bundles name no repository, and neither cosign compares it.
        docker_reference: Option<String>,
        /// The signed `cosign sign -a` pairs.
        annotations: BTreeMap<String, String>,
    },
    /// A signed statement about the image. It never counts as a signature, as it does for cosign 3.1.1.
    Attestation {
        predicate_type: String,
        /// The signed statement's bytes.
        statement: Vec<u8>,
    },
    /// It could not be read.
    Unknown,
}

impl Judged {
    pub(crate) fn unreadable(reason: String) -> Self {
        Self { content: Content::Unknown, state: SignatureState::Unreadable { reason }, logged: Logged::default() }
    }

    /// What it says as a signature of the image; `None` for an attestation.
    pub fn signature(&self) -> Option<&SignatureState> {
        match self.content {
            Content::ImageSignature { .. } | Content::Unknown => Some(&self.state),
            Content::Attestation { .. } => None,
        }
    }
}
