//! Facts in, verdict out. Pure: no I/O, no clock, no async; it cannot fail.

pub mod checks;
pub mod facts;
pub mod problem;

use serde::{Deserialize, Serialize};

pub use checks::judge;
pub use facts::{About, Facts, Looked, Question, Service, Why, WhyKind};
pub use problem::{PipelineFault, Problem, Rank};

use crate::model::gitlab::{Commit, Job, Pipeline, ProjectKey, TestSummary};
use crate::model::signer::{Layout, SignedBy};
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};
use facts::MergeRequestFacts;

/// What we demand of a release image. Made by `config`; never read from the release's own ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Pipeline sources that may release ([`CI_PIPELINE_SOURCE`](https://docs.gitlab.com/ci/jobs/job_rules/#ci_pipeline_source-predefined-variable)). Never empty.
    pub sources: Vec<String>,
    /// What happens when the release job left no digest file.
    pub digest_file: Demand,
    /// What happens when the commit tag is missing. A commit tag that names other bytes always blocks.
    pub commit_tag: Demand,
}

/// How much a check that policy may soften counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    Required,
    Warned,
    Off,
}

impl Policy {
    /// A digest over the whole policy: a verdict names the policy it was made under.
    pub fn digest(&self) -> Digest {
        let mut text = format!("v1 digest_file={:?} commit_tag={:?} sources=", self.digest_file, self.commit_tag);
        let mut sources = self.sources.clone();
        sources.sort();
        for source in sources {
            // Length-prefixed, so that no two lists make the same text.
            text.push_str(&format!("{}:{source},", source.len()));
        }
        Digest::of(text.as_bytes())
    }
}

/// The word of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Passed,
    Blocked,
    CouldNotCheck,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Blocked => "blocked",
            Self::CouldNotCheck => "could-not-check",
        }
    }
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub check: Check,
    pub outcome: CheckOutcome,
    /// Values, not sentences: a digest, a ref, a name.
    pub expected: String,
    pub found: String,
    pub problem: Option<Problem>,
}

/// A check's own outcome: beside a verdict's three words, a check may warn, or not apply to this question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    Passed,
    Warned,
    NotApplicable,
    Blocked,
    CouldNotCheck,
}

/// The checks, in reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The Git tag exists.
    GitTag,
    /// The version tag names the image.
    VersionTag,
    /// The commit tag names the same image.
    CommitTag,
    /// The digest file agrees with the registry.
    DigestFile,
    /// A signature over this digest by a trusted signer.
    Signature,
    /// A keyless signer is this project's pipeline: issuer, SAN, project id, ref, trigger as whole values.
    Identity,
    /// Signature and tag name one commit.
    Commit,
    /// The pipeline exists, its jobs succeeded, and it ran this commit.
    Pipeline,
    /// It ran on a protected ref.
    ProtectedRef,
    /// Its source may release.
    Source,
    /// It holds the release job.
    ReleaseJob,
    /// No second digest was seen for this commit or release.
    BuiltOnce,
}

/// What was decided, and why. Only [`judge`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub outcome: Outcome,
    /// The one reason of the headline; `None` exactly when passed.
    pub problem: Option<Problem>,
    pub findings: Vec<Finding>,
    /// `None` when no digest is known.
    pub image: Option<PinnedImage>,
    pub as_of: Timestamp,
    pub policy: Digest,
    pub subject: Subject,
}

/// What a verdict is about, as far as the facts tell: shown to people, kept in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub question: Question,
    pub project: Option<ProjectKey>,
    pub project_url: Option<String>,
    pub commit: Option<Commit>,
    pub pipeline: Option<Pipeline>,
    pub ref_protected: Option<bool>,
    pub job: Option<Job>,
    pub signer: Option<SignedBy>,
    pub layout: Option<Layout>,
    pub merge_requests: Vec<MergeRequestFacts>,
    pub tests: Option<TestSummary>,
}

/// Proof that an image passed for an environment. Only [`Verdict::clear`] makes one, and only from a passed verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearance {
    image: PinnedImage,
    environment: EnvironmentName,
}

impl Verdict {
    pub fn digest(&self) -> Option<Digest> {
        self.image.as_ref().map(|image| image.digest)
    }

    /// The clearance for an environment, if this verdict passed.
    pub fn clear(&self, environment: &EnvironmentName) -> Option<Clearance> {
        match (self.outcome, &self.image) {
            (Outcome::Passed, Some(image)) => Some(Clearance { image: image.clone(), environment: environment.clone() }),
            (Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck, _) => None,
        }
    }
}

impl Clearance {
    pub fn image(&self) -> &PinnedImage {
        &self.image
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }
}
