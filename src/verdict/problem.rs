//! The failure catalogue: stable codes with the values their sentences need. The sentences are in `templates/problem`.

use serde::{Deserialize, Serialize};

use super::facts::Why;
use crate::model::gitlab::{CommitSha, JobId, PipelineId};
use crate::model::signer::SignerName;
use crate::model::{Digest, PinnedImage, Timestamp};

/// What is wrong, with every value its sentence and next step need. One variant a code; codes are kept for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// CS-SIG-MISSING
    SigMissing { image: PinnedImage, job: String, pipeline: Option<PipelineId> },
    /// CS-SIG-INVALID
    SigInvalid { digest: Digest, signer: String, tag: Option<String> },
    /// CS-SIG-OTHER
    SigOther { digest: Digest, found: String, expected: String },
    /// CS-SIG-ON-TAG: signatures are there, but over other bytes.
    SigOnTag { tag: String, digest: Digest, signed: Digest },
    /// CS-KEY-REVOKED, CS-KEY-RETIRED, CS-KEY-EARLY, CS-SIG-UNLOGGED: a key of ours signed, but this signature of it does not count.
    Key { key: SignerName, fault: KeyFault },
    /// CS-PLATFORM: something is wrong with the platforms of a multi-arch image.
    Platform { digest: Digest, fault: PlatformFault },
    /// CS-PROV-MISSING: nothing signed or recorded ties the digest to a commit.
    ProvMissing { digest: Digest },
    /// CS-PROV-MISSING: policy asks for provenance, and none that verifies is there.
    NoProvenance { digest: Digest, job: String },
    /// CS-PROV-DIGEST: provenance lies beside the image, and describes other bytes.
    ProvDigest { described: Digest, digest: Digest },
    /// CS-SIG-OTHER, of the provenance.
    ProvOther { digest: Digest, found: String, expected: String },
    /// CS-LATE-ATTEST: not made by the release pipeline while its job ran.
    LateAttest { digest: Digest, fault: LateFault, pipeline: Option<PipelineId> },
    /// CS-RUNNER
    Runner { runner: String, job: String },
    /// CS-BASE-UNKNOWN
    BaseUnknown { digest: Digest },
    /// CS-BASE-CHANGED
    BaseChanged { name: String, old: Digest, new: Digest, since: String },
    /// CS-COMMIT
    Commit { tag: String, expected: CommitSha, found: String },
    /// CS-PIPELINE
    Pipeline { pipeline: Option<PipelineId>, fault: PipelineFault, tag: Option<String> },
    /// CS-REF-UNPROTECTED
    RefUnprotected { git_ref: String },
    /// CS-SOURCE
    Source { pipeline: PipelineId, source: String },
    /// CS-PROJECT
    Project { found: String, expected: String },
    /// CS-REBUILT
    Rebuilt { commit: CommitSha, first: Digest, first_pipeline: Option<PipelineId>, second: Digest, second_pipeline: Option<PipelineId> },
    /// CS-TAG-MOVED
    TagMoved { tag: String, old: Digest, new: Digest },
    /// CS-TAG-MISSING: a registry tag that the release should have does not exist.
    TagMissing { tag: String, repository: String },
    /// CS-TAG-MISSING: the registry holds no image with this digest, whatever names it.
    ImageMissing { digest: Digest, repository: String },
    /// CS-TAG-SPLIT: version tag and commit tag name two digests.
    TagSplit { version_tag: String, version: Digest, commit_tag: String, commit: Digest },
    /// CS-TAG-OTHER: a registry tag names other bytes than the image that was asked about, and nothing says that it moved.
    TagOther { tag: String, names: Digest, asked: Digest },
    /// CS-DIGEST-FILE: it says another digest, or (`None`) no digest can be read from it or it is not there.
    DigestFile { file: String, says: Option<Digest>, registry: Digest },
    /// CS-GIT-TAG-MISSING: GitLab has no such Git tag.
    GitTagMissing { tag: String },
    /// CS-REG-AUTH
    RegistryAuth { repository: String },
    /// CS-UNAVAILABLE
    Unavailable { what: String, why: Why },
}

/// How an attestation was made elsewhere or too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum LateFault {
    /// By something else than a job of the release pipeline.
    OtherJob { by: String },
    /// Outside the time in which its job ran.
    OtherTime { job: String, at: Timestamp },
    /// By a key, and nothing proves when.
    NoTime { key: SignerName },
}

/// Why a key's verified signature does not count, the gravest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum KeyFault {
    /// Somebody else may have held the key from `at` on; `signed` is the latest proven time of the signature, if any.
    Revoked { at: Timestamp, signed: Option<Timestamp> },
    /// The key was replaced, or its window ended, and nothing proves that the signature is older.
    Retired { since: Timestamp, pipeline: Option<PipelineId> },
    /// The key is not yet trusted, or was not when it signed.
    Early { from: Timestamp },
    /// No trusted log holds the signature, and one must.
    Unlogged,
}

/// What is wrong with the platforms of a multi-arch image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum PlatformFault {
    /// The index names none.
    None,
    /// These have no signature of their own that counts.
    Unsigned { platforms: Vec<String> },
}

/// What is wrong with a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum PipelineFault {
    Missing,
    /// These required jobs did not succeed.
    JobsFailed {
        jobs: Vec<String>,
    },
    NotEnded {
        status: String,
    },
    OtherCommit {
        found: CommitSha,
        expected: CommitSha,
    },
    NoReleaseJob {
        job: String,
    },
    /// The job that says it asks is no running job of the release pipeline.
    NotAsking {
        job: JobId,
    },
    /// The provenance names another job, pipeline or runner than GitLab's own record.
    OtherRun {
        claimed: String,
        recorded: String,
    },
}

/// In which order reasons take the headline (words.md): rights, could not check, tampered, wrong path, missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Rights,
    CouldNotCheck,
    Tampered,
    WrongPath,
    Missing,
}

impl Problem {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SigMissing { .. } => "CS-SIG-MISSING",
            Self::SigInvalid { .. } => "CS-SIG-INVALID",
            Self::SigOther { .. } => "CS-SIG-OTHER",
            Self::SigOnTag { .. } => "CS-SIG-ON-TAG",
            Self::ProvMissing { .. } | Self::NoProvenance { .. } => "CS-PROV-MISSING",
            Self::ProvDigest { .. } => "CS-PROV-DIGEST",
            Self::ProvOther { .. } => "CS-SIG-OTHER",
            Self::LateAttest { .. } => "CS-LATE-ATTEST",
            Self::Runner { .. } => "CS-RUNNER",
            Self::BaseUnknown { .. } => "CS-BASE-UNKNOWN",
            Self::BaseChanged { .. } => "CS-BASE-CHANGED",
            Self::Key { fault: KeyFault::Revoked { .. }, .. } => "CS-KEY-REVOKED",
            Self::Key { fault: KeyFault::Retired { .. }, .. } => "CS-KEY-RETIRED",
            Self::Key { fault: KeyFault::Early { .. }, .. } => "CS-KEY-EARLY",
            Self::Key { fault: KeyFault::Unlogged, .. } => "CS-SIG-UNLOGGED",
            Self::Platform { .. } => "CS-PLATFORM",
            Self::Commit { .. } => "CS-COMMIT",
            Self::Pipeline { .. } => "CS-PIPELINE",
            Self::RefUnprotected { .. } => "CS-REF-UNPROTECTED",
            Self::Source { .. } => "CS-SOURCE",
            Self::Project { .. } => "CS-PROJECT",
            Self::Rebuilt { .. } => "CS-REBUILT",
            Self::TagMoved { .. } => "CS-TAG-MOVED",
            Self::TagMissing { .. } | Self::ImageMissing { .. } => "CS-TAG-MISSING",
            Self::TagSplit { .. } => "CS-TAG-SPLIT",
            Self::TagOther { .. } => "CS-TAG-OTHER",
            Self::DigestFile { .. } => "CS-DIGEST-FILE",
            Self::GitTagMissing { .. } => "CS-GIT-TAG-MISSING",
            Self::RegistryAuth { .. } => "CS-REG-AUTH",
            Self::Unavailable { .. } => "CS-UNAVAILABLE",
        }
    }

    pub fn rank(&self) -> Rank {
        match self {
            Self::RegistryAuth { .. } | Self::Unavailable { .. } => Rank::CouldNotCheck,
            Self::TagMoved { .. }
            | Self::TagSplit { .. }
            | Self::TagOther { .. }
            | Self::Rebuilt { .. }
            | Self::DigestFile { says: Some(_), .. }
            | Self::SigInvalid { .. }
            | Self::SigOnTag { .. }
            // The key may be in other hands.
            | Self::Key { fault: KeyFault::Revoked { .. }, .. }
            | Self::ProvDigest { .. } => Rank::Tampered,
            Self::SigOther { .. }
            | Self::Key { fault: KeyFault::Retired { .. } | KeyFault::Early { .. } | KeyFault::Unlogged, .. }
            | Self::Commit { .. }
            | Self::Pipeline { .. }
            | Self::RefUnprotected { .. }
            | Self::Source { .. }
            | Self::Project { .. }
            | Self::ProvOther { .. }
            | Self::LateAttest { .. }
            | Self::Runner { .. }
            | Self::BaseChanged { .. } => Rank::WrongPath,
            Self::SigMissing { .. }
            | Self::Platform { .. }
            | Self::ProvMissing { .. }
            | Self::NoProvenance { .. }
            | Self::BaseUnknown { .. }
            | Self::TagMissing { .. }
            | Self::ImageMissing { .. }
            | Self::GitTagMissing { .. }
            // A file that names no digest contradicts nothing.
            | Self::DigestFile { says: None, .. } => Rank::Missing,
        }
    }
}
