//! Facts in, verdict out. Pure: no I/O, no clock, no async; it cannot fail.

pub mod checks;
pub mod facts;
pub mod inspection;
pub mod problem;
pub mod promotion;
mod rule;
mod runner;
#[cfg(any(test, feature = "sandbox"))]
pub mod testing;

use std::ops::Deref;

use serde::{Deserialize, Serialize};

pub use checks::{judge, judge_no_image};
pub use facts::{About, Facts, Looked, Question, Service, Why, WhyKind};
pub use problem::{KeyFault, LateFault, PipelineFault, PlatformFault, Problem, Rank};
pub use rule::policy_digest;
pub use runner::TrustedRunner;

use crate::model::attestation::{BaseSeen, ProvenanceSeen};
pub use crate::model::gitlab::AskingJob;
use crate::model::gitlab::{Commit, Job, Pipeline, ProjectKey, TestSummary};
use crate::model::signer::{Layout, SignedBy};
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};
use facts::{MergeRequestFacts, Sighting};

/// What we demand of a release image. Made by `config`; never read from the release's own ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Pipeline sources that may release ([`CI_PIPELINE_SOURCE`](https://docs.gitlab.com/ci/jobs/job_rules/#ci_pipeline_source-predefined-variable)). Never empty.
    pub sources: Vec<String>,
    /// What happens when the release job left no digest file.
    pub digest_file: Demand,
    /// What happens when the commit tag is missing. A commit tag that names other bytes always blocks.
    pub commit_tag: Demand,
    /// What happens when no provenance holds. With [`Demand::Off`], one that holds is still shown.
    pub provenance: Demand,
    /// What happens when the base image is not recorded.
    pub base_image: Demand,
    /// What happens when the base image is not the one of the release before; [`Demand::Required`] blocks. It is shown in any case.
    pub base_unchanged: Demand,
    /// The runners that the release job may run on, every attempt of it that counts; `None` lets every runner release.
    pub runners: Option<Vec<TrustedRunner>>,
    /// Whether a log of the trust root must hold the signatures of keys as well; those of pipelines it always must.
    #[serde(default)]
    pub require_log: bool,
    /// What must be signed of a multi-arch image.
    #[serde(default)]
    pub platforms: Platforms,
    /// What must tie an image to its commit.
    #[serde(default)]
    pub built_by: BuiltBy,
}

/// What must tie an image to the commit that the release names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltBy {
    /// A keyless certificate, the release job's digest file, or provenance that holds.
    #[default]
    Proven,
    /// The commit tag in the registry is enough, with a warning: whoever may push there may write it.
    CommitTag,
}

/// What must be signed of a multi-arch image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platforms {
    /// The index. It pins every platform by its digest.
    #[default]
    Index,
    /// The index and each platform's own manifest, by the same rule: for clients that pull and verify one platform by its digest.
    AllSigned,
}

/// How much a check that policy may soften counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    Required,
    Warned,
    Off,
}

impl Demand {
    /// The stricter of two.
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Required, _) | (_, Self::Required) => Self::Required,
            (Self::Warned, _) | (_, Self::Warned) => Self::Warned,
            (Self::Off, Self::Off) => Self::Off,
        }
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

impl Finding {
    pub fn passed(check: Check, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check, outcome: CheckOutcome::Passed, expected: expected.into(), found: found.into(), problem: None }
    }

    /// Not as it should be, but policy lets it pass.
    pub fn warned(check: Check, expected: impl Into<String>, found: impl Into<String>, problem: Problem) -> Self {
        Self { check, outcome: CheckOutcome::Warned, expected: expected.into(), found: found.into(), problem: Some(problem) }
    }

    /// The question does not arise; `found` says why.
    pub fn not_applicable(check: Check, found: impl Into<String>) -> Self {
        Self { check, outcome: CheckOutcome::NotApplicable, expected: String::new(), found: found.into(), problem: None }
    }

    pub fn blocked(check: Check, expected: impl Into<String>, found: impl Into<String>, problem: Problem) -> Self {
        Self { check, outcome: CheckOutcome::Blocked, expected: expected.into(), found: found.into(), problem: Some(problem) }
    }
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

impl CheckOutcome {
    /// Which of a check's outcomes says most: one that blocks is certain, whatever else could not be seen.
    fn weight(self) -> u8 {
        match self {
            Self::NotApplicable => 0,
            Self::Passed => 1,
            Self::Warned => 2,
            Self::CouldNotCheck => 3,
            Self::Blocked => 4,
        }
    }
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
    /// A multi-arch image names platforms, and each is signed on its own where policy demands it.
    Platforms,
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
    /// A signed statement of how the image was made, by a trusted signer and in the release pipeline, agrees with GitLab's records.
    Provenance,
    /// The base image is recorded, and the one of the release before.
    BaseImage,
    /// The release job ran on a trusted runner, and so did the job that signed.
    Runner,
}

impl Check {
    /// Every check, in reading order.
    pub const ALL: [Self; 16] = [
        Self::GitTag,
        Self::VersionTag,
        Self::CommitTag,
        Self::DigestFile,
        Self::Signature,
        Self::Platforms,
        Self::Identity,
        Self::Commit,
        Self::Pipeline,
        Self::ProtectedRef,
        Self::Source,
        Self::ReleaseJob,
        Self::BuiltOnce,
        Self::Provenance,
        Self::BaseImage,
        Self::Runner,
    ];
}

/// How the checks of a verdict ended. A check with several findings counts once, by its worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub warned: usize,
    pub not_applicable: usize,
    pub blocked: usize,
    pub could_not_check: usize,
}

impl Counts {
    /// The checks that applied: the second number of "11 of 12 checks passed".
    pub fn applied(&self) -> usize {
        self.passed + self.warned + self.blocked + self.could_not_check
    }
}

/// What was decided, and why: plain data, shown to people and kept in the ledger. Nothing is cleared by it, whatever it says; see
/// [`Fresh`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub outcome: Outcome,
    /// The one reason of the headline; `None` exactly when passed.
    pub problem: Option<Problem>,
    pub findings: Vec<Finding>,
    /// `None` when no digest is known.
    pub image: Option<PinnedImage>,
    pub as_of: Timestamp,
    /// [`policy_digest`]: what was demanded, and who was trusted.
    pub policy: Digest,
    /// The trust root that signatures were held against, if one was (SR-22).
    #[serde(default)]
    pub trust_root: Option<Digest>,
    pub subject: Subject,
}

/// A verdict that [`judge`] has just made, as it made it: the only thing that clearances are made of. It can be read and kept as a
/// [`Verdict`], and nothing turns that into this again; so one that was altered, or read back from the ledger, clears nothing
/// (SR-11), and whoever promotes has judged first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh(Verdict);

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
    /// The platforms of a multi-arch image; empty for an image of one platform, or where they could not be listed.
    #[serde(default)]
    pub platforms: Vec<PlatformStanding>,
    pub merge_requests: Vec<MergeRequestFacts>,
    pub tests: Option<TestSummary>,
    /// The provenance that holds.
    #[serde(default)]
    pub provenance: Option<ProvenanceSeen>,
    #[serde(default)]
    pub base_image: Option<BaseSeen>,
}

/// One platform of a multi-arch image, and how it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformStanding {
    pub name: String,
    pub digest: Digest,
    pub signed: PlatformSigned,
}

/// How a platform of a multi-arch image is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformSigned {
    /// Nobody asked whether it has a signature of its own; the index names its digest.
    ByIndex,
    /// A signature of its own counts.
    Itself,
    /// It has none that counts.
    No,
    CouldNotCheck,
}

/// Proof that an image may go to an environment. [`Fresh::clear`] makes one, only from a passed verdict, and [`promotion::clear`],
/// only where no bar is left; an environment that is observed may leave out bars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearance {
    image: PinnedImage,
    environment: EnvironmentName,
    observed: bool,
}

impl Verdict {
    pub fn digest(&self) -> Option<Digest> {
        self.image.as_ref().map(|image| image.digest)
    }

    /// The stable code of the headline; `None` exactly when passed.
    pub fn code(&self) -> Option<&'static str> {
        self.problem.as_ref().map(Problem::code)
    }

    /// The findings of one check: one, except for [`Check::Identity`], which has one for each claim that is wrong.
    pub fn findings_of(&self, check: Check) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.check == check)
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for check in Check::ALL {
            let worst = self.findings_of(check).map(|finding| finding.outcome).max_by_key(|outcome| outcome.weight());
            match worst {
                Some(CheckOutcome::Passed) => counts.passed += 1,
                Some(CheckOutcome::Warned) => counts.warned += 1,
                Some(CheckOutcome::NotApplicable) | None => counts.not_applicable += 1,
                Some(CheckOutcome::Blocked) => counts.blocked += 1,
                Some(CheckOutcome::CouldNotCheck) => counts.could_not_check += 1,
            }
        }
        counts
    }

    /// Whether another verdict says the same, at whatever time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { as_of: other.as_of, ..self.clone() } == *other
    }

    /// What a passed verdict adds to the record of digests seen ([`Facts::history`]). Nothing else may: a digest that did not pass
    /// must not become the first one of its release.
    pub fn sighting(&self) -> Option<Sighting> {
        let (Outcome::Passed, Some(digest)) = (self.outcome, self.digest()) else {
            return None;
        };
        let release = match &self.subject.question.about {
            About::Release { tag } | About::Image { tag: Some(tag), .. } => Some(tag.clone()),
            About::Pipeline { .. } | About::Image { tag: None, .. } => None,
        };
        Some(Sighting {
            digest,
            commit: self.subject.commit.as_ref().map(|commit| commit.sha.clone()),
            release,
            pipeline: self.subject.pipeline.as_ref().map(|pipeline| pipeline.id),
            first_seen: self.as_of,
            source: "a passed verdict".into(),
        })
    }
}

impl Fresh {
    /// The clearance for an environment, if this verdict passed.
    pub fn clear(&self, environment: &EnvironmentName) -> Option<Clearance> {
        match (self.outcome, &self.image) {
            (Outcome::Passed, Some(image)) => Some(Clearance { image: image.clone(), environment: environment.clone(), observed: false }),
            (Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck, _) => None,
        }
    }
}

/// To read it. There is no way to write it.
impl Deref for Fresh {
    type Target = Verdict;

    fn deref(&self) -> &Verdict {
        &self.0
    }
}

impl From<Fresh> for Verdict {
    fn from(fresh: Fresh) -> Self {
        fresh.0
    }
}

impl Clearance {
    pub fn image(&self) -> &PinnedImage {
        &self.image
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// Something would have blocked, and the environment is only observed: nobody may attest that policy is met.
    pub fn is_observed(&self) -> bool {
        self.observed
    }
}
