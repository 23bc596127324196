//! Signers: whom we trust, and who was found.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, Timestamp};

/// The name an operator gives a trusted signer in `bot.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignerName(pub String);

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One signer whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedSigner {
    pub name: SignerName,
    pub kind: SignerKind,
    /// Who answers for it; shown to people.
    #[serde(default)]
    pub owner: Option<String>,
    /// When a key's signatures count. A keyless signer's certificates have windows of their own.
    #[serde(default)]
    pub window: KeyWindow,
    /// Whether a log of the trust root must hold a key's signature. A keyless one always must be logged.
    #[serde(default)]
    pub require_log: bool,
}

impl TrustedSigner {
    /// A signer that counts at any time, with or without a log.
    pub fn new(name: SignerName, kind: SignerKind) -> Self {
        Self { name, kind, owner: None, window: KeyWindow::default(), require_log: false }
    }
}

/// When signatures of a key count; every bound is optional.
///
/// The time of a signature is what a trusted log or timestamp authority proves, never what a job, a registry or the signature itself
/// says. Where nothing proves it, all that is known is that the signature is not younger than the look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWindow {
    /// The first moment at which signatures count.
    pub not_before: Option<Timestamp>,
    /// The last moment at which they do.
    pub not_after: Option<Timestamp>,
    /// From this moment on they do not: the key was replaced.
    pub retired: Option<Timestamp>,
    /// From this moment on somebody else may have held the key, so that only a proven time before it counts.
    pub revoked: Option<Timestamp>,
}

impl KeyWindow {
    /// The first moment at which the key is no longer trusted, revocation aside.
    pub fn end(&self) -> Option<Timestamp> {
        // The end of a window is inclusive (RFC 5280, 4.1.2.5), retirement is not: one nanosecond makes them alike.
        let after = self.not_after.map(|last| last.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(last));
        [after, self.retired].into_iter().flatten().min()
    }
}

/// What a trusted log or timestamp authority proves about the time of a signature or statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Whether a log of the trust root holds the signature.
    pub logged: bool,
    /// Whether a log entry or a timestamp is there that could not be checked.
    #[serde(default)]
    pub unread: bool,
    /// The earliest and the latest proven time. All of them must lie in the key's window (SR-13).
    pub times: Option<(Timestamp, Timestamp)>,
}

/// How a trusted signer signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignerKind {
    /// A public key: PEM, SubjectPublicKeyInfo (`cosign generate-key-pair` writes it as `cosign.pub`).
    Key { pem: String },
    /// Keyless, by the project's own pipeline: Fulcio certificates for this OIDC issuer. What the certificate must say is
    /// derived from the project and the release ref; nobody types a pattern.
    GitlabOidc { issuer: String },
}

/// Where a signature was found beside the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// [OCI 1.1 referrers API](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers).
    Referrers,
    /// The index under tag `sha256-<hex>`, for registries without that API.
    FallbackTag,
    /// Cosign's tag `sha256-<hex>.sig`
    /// ([specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).
    LegacyTag,
}

impl Layout {
    /// The word of the JSON verdict.
    pub fn word(self) -> &'static str {
        match self {
            Self::Referrers => "referrers",
            Self::FallbackTag => "fallback-tag",
            Self::LegacyTag => "legacy-tag",
        }
    }
}

/// What something that cannot be read may be, by the place and the media type that it lies under. Whoever may push chooses both: it
/// says which look brought nothing, and lets nothing pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    Signature,
    Attestation,
    Either,
}

/// One signature found beside an image, and what cryptography says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub layout: Layout,
    /// The manifest that carries it.
    pub manifest: Digest,
    pub state: SignatureState,
    /// What is proven of its time, where a key made it.
    #[serde(default)]
    pub proven: Proven,
}

/// What cryptography says of one signature. Whether the signer may sign is the verdict's matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureState {
    /// Verified, over the image that was asked for.
    Verified(SignedBy),
    /// Well-formed and over this image, but none of the keys and roots we hold verifies it.
    NotOurs { hint: Option<String> },
    /// Verified or not, it speaks of other bytes than the image that was asked for.
    OtherSubject { digest: Digest, by: Option<SignedBy> },
    /// It claims one of our signers, but cryptography says no: altered, expired, or not in the log.
    Invalid { claims: Option<SignerName>, reason: String },
    /// It could not be read as a signature.
    Unreadable { reason: String },
}

/// Who made a verified signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedBy {
    /// A key of ours, by its configured name.
    Key(SignerName),
    /// A Fulcio certificate: chain, log proof and time are verified; the claims are the certificate's.
    Keyless(Box<KeylessIdentity>),
}

/// What a verified Fulcio certificate says
/// ([OID list](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md)). An absent claim stays `None` and equals nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeylessIdentity {
    /// `.1.8`: the OIDC issuer; in old certificates `.1.1`. `None` where the two differ.
    pub issuer: Option<String>,
    /// The one Subject Alternative Name, only when it is a URI.
    pub san_uri: Option<String>,
    /// The one Subject Alternative Name, only when it is an e-mail address. A pipeline has none.
    #[serde(default)]
    pub san_email: Option<String>,
    /// `.1.9`: the CI configuration that ran, with its ref.
    pub build_signer_uri: Option<String>,
    /// `.1.10`: the commit of that configuration. GitLab takes it from the pipeline.
    #[serde(default)]
    pub build_signer_digest: Option<String>,
    /// `.1.11`
    pub runner_environment: Option<String>,
    /// `.1.12`
    pub source_repository_uri: Option<String>,
    /// `.1.13`: the commit.
    pub source_repository_digest: Option<String>,
    /// `.1.14`: `refs/heads/…` or `refs/tags/…`.
    pub source_repository_ref: Option<String>,
    /// `.1.15`: the numeric project id, as text.
    pub source_repository_identifier: Option<String>,
    /// `.1.17`: the numeric namespace id, as text.
    pub source_repository_owner_identifier: Option<String>,
    /// `.1.18`
    pub build_config_uri: Option<String>,
    /// `.1.19`: the same commit again.
    #[serde(default)]
    pub build_config_digest: Option<String>,
    /// `.1.20`: GitLab's pipeline source.
    pub build_trigger: Option<String>,
    /// `.1.21`: the job's address.
    pub run_invocation_uri: Option<String>,
    /// A time proven by the log or a timestamp authority.
    pub signed_at: Option<Timestamp>,
    /// The log entry's index, where something the log signed covers it.
    pub log_index: Option<u64>,
}
