//! Provenance: what a signed statement says of how an image was made.
//!
//! Only the fields named here are ever taken out of a statement. Everything else is dropped where it is read, CI variables first
//! of all: GitLab writes their values into its statements, and they can hold job tokens (SR-23).

use serde::{Deserialize, Serialize};

use super::gitlab::{CommitSha, JobId, PipelineId, RunnerId};
use super::signer::{Layout, Proven, SignatureState, SignedBy};
use super::{Digest, Timestamp};

/// The versions of SLSA provenance that are read. Another predicate type is no provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PredicateType {
    /// <https://slsa.dev/provenance/v0.2>
    #[serde(rename = "https://slsa.dev/provenance/v0.2")]
    SlsaV02,
    /// <https://slsa.dev/provenance/v1>
    #[serde(rename = "https://slsa.dev/provenance/v1")]
    SlsaV1,
}

impl PredicateType {
    pub const ALL: [Self; 2] = [Self::SlsaV02, Self::SlsaV1];

    /// As it stands in a statement.
    pub fn uri(self) -> &'static str {
        match self {
            Self::SlsaV02 => "https://slsa.dev/provenance/v0.2",
            Self::SlsaV1 => "https://slsa.dev/provenance/v1",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlsaV02 => "SLSA v0.2",
            Self::SlsaV1 => "SLSA v1",
        }
    }
}

/// What a provenance statement says. Its author's word: worth what its signature is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    pub predicate_type: PredicateType,
    /// The sha256 subjects; at least one.
    pub subjects: Vec<Digest>,
    /// `builder.id`; GitLab's runner writes `<project>/-/runners/<id>`.
    pub builder: String,
    pub build_type: String,
    /// Repositories the build was made of, as addresses without login, query and fragment.
    pub sources: Vec<Source>,
    /// Name of the job (`entryPoint`).
    pub job_name: Option<String>,
    pub job: Option<JobId>,
    /// The project's address in the job's or pipeline's, where the statement gives an address.
    pub run_in: Option<String>,
    pub pipeline: Option<PipelineId>,
    /// From a builder of GitLab's form: the project's address and the runner.
    pub runner: Option<RunnerClaim>,
    /// Images the build was made of, with their digests.
    pub images: Vec<ImageUsed>,
}

/// A repository that a build was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub uri: String,
    pub commit: Option<CommitSha>,
}

/// The runner that a builder id names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerClaim {
    /// The project's address.
    pub project: String,
    pub id: RunnerId,
}

/// An image that a build used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUsed {
    /// As people write it: `debian:12-slim`. `None` where only the digest is told.
    pub name: Option<String>,
    pub digest: Digest,
}

/// Where a provenance statement was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttestedAt {
    /// Beside the image.
    Registry(Layout),
    /// GitLab's [attestations API](https://docs.gitlab.com/api/attestations/): GitLab itself signs there, after the job has ended.
    Gitlab,
}

/// One provenance statement that was found, and what cryptography says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    pub at: AttestedAt,
    pub state: SignatureState,
    /// What a log or timestamp authority proves of it, whoever signed.
    pub proven: Proven,
    /// `None` where it cannot be read as provenance; `state` says why.
    pub says: Option<Provenance>,
}

impl Attested {
    /// The earliest proven time.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.proven.times.map(|(earliest, _)| earliest)
    }
}

/// The base image, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    pub name: Option<String>,
    pub digest: Digest,
    pub told_by: BaseToldBy,
}

/// Who names a base image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseToldBy {
    Provenance,
    /// `org.opencontainers.image.base.*`
    /// ([image-spec](https://github.com/opencontainers/image-spec/blob/main/annotations.md)) of the image's own manifest: the image's
    /// digest covers it, and so does the image's signature.
    Annotation,
}

/// The base image of the release before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousBase {
    /// Its Git tag.
    pub release: String,
    pub base: BaseImage,
}

/// The provenance that a verdict counted: for people, and for the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenanceSeen {
    pub predicate_type: PredicateType,
    pub builder: String,
    pub build_type: String,
    pub at: AttestedAt,
    pub signed_by: SignedBy,
    pub signed_at: Option<Timestamp>,
}

/// The base image that a verdict shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseSeen {
    pub base: BaseImage,
    /// The base of the release before; `None` where none is on record.
    pub previous: Option<PreviousBase>,
}

impl BaseSeen {
    /// The release before, if its base was made of other bytes.
    pub fn changed_since(&self) -> Option<&PreviousBase> {
        self.previous.as_ref().filter(|previous| previous.base.digest != self.base.digest)
    }
}
