//! The proofs around a signature: certificate chain, log entries, timestamps.

use sigstore_types::{Artifact, Bundle, KindVersion, MediaType, SignatureContent, TransparencyLogEntry, VerificationMaterialContent};
use sigstore_verify::{CertificateError, Error, PublicKeyVerificationPolicy, TimestampError, VerificationPolicy, VerificationResult};

use super::certificate::{Leaf, San};
use super::json::short;
use super::key::PublicKey;
use super::{intoto, parts};
use crate::facts::trust_root::{Kind, TrustRoot};
use crate::model::Timestamp;
use crate::model::signer::{KeylessIdentity, Proven};

/// Certificates in a chain; log entries, timestamps, hashes and witnesses of one bundle. Honest bundles have at most 3, 2, 2, 40
/// and 10; each one more costs a signature check or two.
const MAX_CERTIFICATES: usize = 10;
const MAX_ENTRIES: usize = 8;
const MAX_TIMESTAMPS: usize = 8;
const MAX_HASHES: usize = 64;
const MAX_WITNESSES: usize = 64;

/// How far a proven time may lie ahead of our clock, in seconds; the rest is not yet believed (SR-13).
const CLOCK_SKEW: i64 = 60;

/// Why a signature is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fail {
    /// Made under keys and roots that we do not hold.
    NotOurs(String),
    /// Held against what we trust, and wrong.
    Invalid(String),
    /// Not something that can be checked here.
    Unreadable(String),
}

/// How the log entries of a signature must be proven; a key's may have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogProof<'a> {
    /// By an inclusion proof, whatever version the bundle says it has: a v0.3 bundle that is relabelled v0.1 and stripped of its
    /// proof would otherwise pass on the log's promise alone.
    Inclusion,
    /// By the log's promise (SET): cosign's legacy layouts have nothing else.
    Promise,
    /// The same, and the one entry is of a kind that sigstore-types cannot name; it is held against the envelope's own bytes.
    IntotoV001 { envelope: &'a [u8] },
}

/// A verified keyless signer.
#[derive(Debug)]
pub(super) struct Keyless {
    pub(super) san: Option<San>,
    pub(super) identity: KeylessIdentity,
    /// The latest proven time; the identity has the earliest.
    pub(super) latest: Timestamp,
}

/// A log entry is demanded, and the one that is there is of a kind that cannot be checked for the key.
pub(super) const UNREAD: &str = "its log entry cannot be checked for a key of this curve, and a log entry is demanded";

/// What is proven around a key's signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// Whether a log of the trust root holds the signature.
    pub logged: bool,
    /// Whether something is there that would prove the log or the time, and cannot be checked here.
    pub unread: bool,
    /// The earliest time proven by a log or timestamp authority.
    pub signed_at: Option<Timestamp>,
    /// The latest one.
    pub latest: Option<Timestamp>,
    pub log_index: Option<u64>,
}

impl Logged {
    /// The part of it that a verdict weighs.
    pub fn proven(&self) -> Proven {
        Proven { logged: self.logged, unread: self.unread, times: self.signed_at.zip(self.latest) }
    }
}

/// Verifies a certificate's signature over `artifact`: chain, SCT, log, times, log entry against bundle, signature. Whether the
/// identity may sign is the verdict's matter.
pub(super) fn keyless(bundle: &Bundle, artifact: Artifact<'_>, root: &TrustRoot, proof: LogProof<'_>) -> Result<Keyless, Fail> {
    limits(bundle).map_err(Fail::Unreadable)?;
    let certificate = bundle.signing_certificate().ok_or_else(|| Fail::Unreadable("it has no certificate".into()))?;
    let leaf = Leaf::read(certificate).map_err(Fail::Unreadable)?;
    if !is_issued_by(bundle, root) {
        return Err(Fail::NotOurs(format!("a certificate for {} from a certificate authority that we do not trust", leaf.names())));
    }
    let entries = &bundle.verification_material.tlog_entries;
    if !entries.is_empty() && !entries.iter().any(|entry| root.knows_log(&entry.log_id.key_id)) {
        return Err(Fail::NotOurs(format!("a certificate for {}, logged where we do not look", leaf.names())));
    }
    if proof == LogProof::Inclusion && entries.iter().any(|entry| entry.inclusion_proof.is_none()) {
        return Err(Fail::Invalid("a log entry has no inclusion proof".into()));
    }
    is_in_a_logs_time(entries, root)?;
    let policy = VerificationPolicy::any_identity();
    let result = match proof {
        LogProof::Inclusion | LogProof::Promise => root.verifier().verify(artifact, bundle, &policy),
        LogProof::IntotoV001 { envelope } => {
            let (bundle, verifier) = intoto::restate(bundle, envelope, root)?;
            verifier.verify(artifact, &bundle, &policy)
        }
    };
    let result = result.map_err(|error| failure(error, root))?;
    if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
        return Err(Fail::Invalid("not every proof was checked".into()));
    }
    let (signed_at, latest) = proven_times(&result)?.ok_or_else(|| Fail::Invalid("no time is proven".into()))?;
    let identity = KeylessIdentity { signed_at: Some(signed_at), log_index: proven_index(entries), ..leaf.identity };
    Ok(Keyless { san: leaf.san, identity, latest })
}

/// Checks the log entries and timestamps around a key's signature that verifies by itself, as far as the trust root can: what it
/// does not know is left aside, since a key alone may be enough; what it knows must hold.
pub(super) fn around_key(
    bundle: &Bundle,
    artifact: Artifact<'_>,
    key: &PublicKey,
    root: Option<&TrustRoot>,
    proof: LogProof<'_>,
) -> Result<Logged, Fail> {
    limits(bundle).map_err(Fail::Unreadable)?;
    let Some(root) = root else { return Ok(Logged::default()) };
    let mut known = bundle.clone();
    let material = &mut known.verification_material;
    material.tlog_entries.retain(|entry| root.knows_log(&entry.log_id.key_id));
    material.timestamp_verification_data.rfc3161_timestamps.retain(|stamp| root.knows_signer_of(&stamp.signed_timestamp));
    // The crate lets a bundle that calls itself older pass without.
    if proof == LogProof::Inclusion && material.tlog_entries.iter().any(|entry| entry.inclusion_proof.is_none()) {
        return Err(Fail::Invalid("a log entry has no inclusion proof".into()));
    }
    is_in_a_logs_time(&material.tlog_entries, root)?;
    if !is_checked_whole(bundle, key) {
        return parts::around_key(&known, &artifact, key, root, proof);
    }
    let logged = !material.tlog_entries.is_empty();
    if !logged && material.timestamp_verification_data.rfc3161_timestamps.is_empty() {
        return Ok(Logged::default());
    }
    let mut policy = PublicKeyVerificationPolicy::new(key.der().clone());
    if !logged {
        // Without an entry there is no log to check; the timestamps still are. A v0.1 bundle, as which the legacy layout is read, would
        // demand a log's promise whatever the policy says.
        policy = policy.skip_tlog_unsafe();
        known.media_type = MediaType::Bundle0_3;
    }
    let result = match proof {
        LogProof::IntotoV001 { envelope } if logged => {
            let (restated, verifier) = intoto::restate(&known, envelope, root)?;
            verifier.verify(artifact, &restated, &policy)
        }
        LogProof::Inclusion | LogProof::Promise | LogProof::IntotoV001 { .. } => root.verifier().verify(artifact, &known, &policy),
    };
    let result = result.map_err(|error| failure(error, root))?;
    let log_index = proven_index(&known.verification_material.tlog_entries);
    let (signed_at, latest) = proven_times(&result)?.unzip();
    Ok(Logged { logged, unread: false, signed_at, latest, log_index })
}

/// Whether sigstore-verify takes this key, and the hash that it signed with: for envelopes it knows only the curve's own.
fn is_checked_whole(bundle: &Bundle, key: &PublicKey) -> bool {
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => key.verifies_by_default_hash(&envelope.pae(), &envelope.signature.sig),
        _ => key.is_sigstores(),
    }
}

/// Where the root names no log that was valid at an entry's time, nobody can say whether the entry holds.
fn is_in_a_logs_time(entries: &[TransparencyLogEntry], root: &TrustRoot) -> Result<(), Fail> {
    let times = entries.iter().filter_map(|entry| entry.integrated_time);
    times.filter_map(|time| root.is_too_old_for(Kind::Logs, time)).next().map_or(Ok(()), |reason| Err(Fail::Unreadable(reason)))
}

fn is_issued_by(bundle: &Bundle, root: &TrustRoot) -> bool {
    match &bundle.verification_material.content {
        VerificationMaterialContent::Certificate(leaf) => root.names_issuer_of(&leaf.raw_bytes),
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.iter().any(|certificate| root.names_issuer_of(&certificate.raw_bytes))
        }
        _ => false,
    }
}

/// Bounds what one bundle can make us compute (SR-20).
fn limits(bundle: &Bundle) -> Result<(), String> {
    let material = &bundle.verification_material;
    let certificates = match &material.content {
        VerificationMaterialContent::X509CertificateChain { certificates } => certificates.len(),
        _ => 1,
    };
    let proofs = || material.tlog_entries.iter().filter_map(|entry| entry.inclusion_proof.as_ref());
    let witnesses = |proof: &sigstore_types::InclusionProof| proof.checkpoint.checkpoint().map_or(0, |c| c.signatures().len());
    let counts = [
        ("certificates", certificates, MAX_CERTIFICATES),
        ("log entries", material.tlog_entries.len(), MAX_ENTRIES),
        ("timestamps", material.timestamp_verification_data.rfc3161_timestamps.len(), MAX_TIMESTAMPS),
        ("hashes in a proof", proofs().map(|proof| proof.hashes.len()).max().unwrap_or(0), MAX_HASHES),
        ("signatures on a checkpoint", proofs().map(witnesses).max().unwrap_or(0), MAX_WITNESSES),
    ];
    if let Some((what, count, most)) = counts.iter().find(|(_, count, most)| count > most) {
        return Err(format!("it has {count} {what}, more than {most}"));
    }
    // The crate asks for a proof of one entry, and checks of the others only what is there.
    match material.tlog_entries.iter().any(|entry| entry.inclusion_proof.is_none() && entry.inclusion_promise.is_none()) {
        true => Err("a log entry has neither proof nor promise".into()),
        false => Ok(()),
    }
}

/// The earliest and the latest proven time; none may lie in the future.
fn proven_times(result: &VerificationResult) -> Result<Option<(Timestamp, Timestamp)>, Fail> {
    let times = result.verified_timestamps();
    not_ahead(times)?;
    Ok(times.iter().min().copied().zip(times.iter().max().copied()))
}

pub(super) fn not_ahead(times: &[Timestamp]) -> Result<(), Fail> {
    let latest = Timestamp::now().as_second() + CLOCK_SKEW;
    match times.iter().find(|time| time.as_second() > latest) {
        Some(ahead) => Err(Fail::Invalid(format!("its time {ahead} lies in the future"))),
        None => Ok(()),
    }
}

/// The first entry's index, if something signed covers it: the promise of a Rekor v1 log, or the proof of a v2 log.
pub(super) fn proven_index(entries: &[TransparencyLogEntry]) -> Option<u64> {
    let covered = |entry: &&TransparencyLogEntry| match entry.kind_version {
        KindVersion::HashedRekordV002 => entry.inclusion_proof.is_some(),
        _ => entry.inclusion_promise.is_some(),
    };
    entries.first().filter(covered).map(|entry| entry.log_index.get())
}

fn failure(error: Error, root: &TrustRoot) -> Fail {
    let too_old = match &error {
        Error::Certificate(CertificateError::NoValidAuthority { time }) => root.is_too_old_for(Kind::Certificates, *time),
        Error::Timestamp(TimestampError::OutsideAuthorityValidity { time }) => root.is_too_old_for(Kind::Timestamps, *time),
        _ => None,
    };
    match &error {
        _ if too_old.is_some() => Fail::Unreadable(too_old.unwrap_or_default()),
        Error::UnsupportedBundle(_) | Error::UnsupportedArtifact(_) => Fail::Unreadable(short(error)),
        _ => Fail::Invalid(short(error)),
    }
}
