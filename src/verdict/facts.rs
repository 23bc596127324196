//! What was seen, before anything is decided. Filled by `facts`, judged by [`super::judge`].

use serde::{Deserialize, Serialize};

use crate::model::attestation::{Attested, BaseImage, PreviousBase};
use crate::model::gitlab::{
    AskingJob, Commit, CommitSha, GitRef, Job, MergeRequest, Pipeline, PipelineId, Project, Tag, TestSummary, User,
};
use crate::model::project::{WatchedImage, WatchedProject};
use crate::model::signer::{KeylessIdentity, Signature};
use crate::model::{Digest, Timestamp};

/// A look has three answers. An outage is never absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Looked<T> {
    Found(T),
    /// The service answered, and there is none.
    Absent,
    /// The service did not answer, refused us, or answered what cannot be read or is over a limit.
    Unreachable(Why),
}

/// Which outside service a look went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Service {
    Gitlab,
    Registry,
    TrustRoot,
    Store,
}

/// Why a look brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    pub service: Service,
    pub kind: WhyKind,
    /// One line for the log and the operator: never a secret, a body or a header.
    pub detail: String,
}

/// The kinds of failure that ask for different next steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyKind {
    /// 401 or 403: our login is refused.
    Refused,
    /// No connection, a time-out, or 5xx.
    Down,
    /// 429.
    Limited,
    /// An answer over a size, count or depth limit.
    TooLarge,
    /// An answer that is not what the protocol says.
    Unreadable,
    /// The trust root is too old to be believed.
    Stale,
    /// It was not looked at, because this run has no access to it.
    Unread,
}

impl Why {
    pub fn new(service: Service, kind: WhyKind, detail: impl Into<String>) -> Self {
        Self { service, kind, detail: detail.into() }
    }
}

impl<T> Looked<T> {
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Absent | Self::Unreachable(_) => None,
        }
    }

    pub fn unreachable(&self) -> Option<&Why> {
        match self {
            Self::Unreachable(why) => Some(why),
            Self::Found(_) | Self::Absent => None,
        }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Looked<U> {
        match self {
            Self::Found(value) => Looked::Found(f(value)),
            Self::Absent => Looked::Absent,
            Self::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// Goes on with a found value; absence and outage stay what they are.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Looked<U>) -> Looked<U> {
        match self {
            Self::Found(value) => f(value),
            Self::Absent => Looked::Absent,
            Self::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    pub fn as_ref(&self) -> Looked<&T> {
        match self {
            Self::Found(value) => Looked::Found(value),
            Self::Absent => Looked::Absent,
            Self::Unreachable(why) => Looked::Unreachable(why.clone()),
        }
    }
}

/// What a verdict is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// The image of a release: a Git tag.
    Release { tag: String },
    /// The image a pipeline built, for instance a merge request's head pipeline.
    Pipeline { id: PipelineId },
    /// These bytes. `tag` is the release the store knows them by, or the caller claims; without one the commit must come from
    /// signed evidence.
    Image { digest: Digest, tag: Option<String> },
}

/// One question: one image of one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub project: WatchedProject,
    pub image: WatchedImage,
    pub about: About,
    /// The job that asks, where it is one of the release pipeline itself: a deploy job that will not go on without an answer. It is
    /// the asker's word until the pipeline's own list of jobs bears it out.
    #[serde(default)]
    pub asking_job: Option<AskingJob>,
}

/// Everything a verdict is made of. The clock is one of the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub as_of: Timestamp,
    pub question: Question,
    /// The project as GitLab shows it now.
    pub project: Looked<Project>,
    /// The Git tag of the release; `Absent` where the question is not about a release.
    pub git_tag: Looked<Tag>,
    /// The commit the answer hangs on: the tag's, or the pipeline's.
    pub commit: Looked<Commit>,
    /// The release pipeline: newest pipeline of the commit on the release ref that is not `external`.
    pub pipeline: Looked<Pipeline>,
    /// Whether GitLab protects the pipeline's ref now.
    pub ref_protected: Looked<bool>,
    /// The pipeline's CI jobs, newest attempt of each; external commit statuses are not among them.
    pub jobs: Looked<Vec<Job>>,
    /// The text of the release job's digest file.
    pub digest_file: Looked<DigestFile>,
    /// The registry tags that should name the image.
    pub tags: Vec<TagLook>,
    /// The digest everything below is about: the one asked for, else the version tag's, else the digest file's.
    pub digest: Looked<Digest>,
    /// Whether the registry holds an image with that digest.
    pub image: Looked<()>,
    /// Every signature found beside that digest, with what cryptography says; `Found(vec![])` is written `Absent`.
    pub signatures: Looked<Vec<Signature>>,
    /// The platforms of the image, where that digest is an index; `Absent` for an image of one platform.
    pub platforms: Looked<Index>,
    /// The digest of the trust root that signatures were held against: the version of whom we believed.
    pub trust_root: Option<Digest>,
    /// For each keyless signature and attestation with a run address, the job it names, as GitLab records it.
    pub signing_jobs: Vec<SigningJob>,
    /// Digests recorded before for this commit or this release; from the store. `Absent` means the record is there and empty.
    pub history: Looked<Vec<Sighting>>,
    pub merge_requests: Looked<Vec<MergeRequestFacts>>,
    pub tests: Looked<TestSummary>,
    /// Every provenance statement found beside the digest, with what cryptography says; `Found(vec![])` is written `Absent`.
    pub provenance: Looked<Vec<Attested>>,
    /// The same out of GitLab's attestations API; `Absent` also where policy does not ask for provenance.
    pub gitlab_provenance: Looked<Vec<Attested>>,
    /// The base image by the image's own annotations.
    pub base_image: Looked<BaseImage>,
    /// The base image of the release before; from the store.
    pub previous_base: Looked<PreviousBase>,
}

/// What the digest file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestFile {
    /// The digest it names.
    Says(Digest),
    /// It was read, but its first line holds no digest.
    Illegible,
}

/// A registry tag and what it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagLook {
    pub role: TagRole,
    pub name: String,
    pub digest: Looked<Digest>,
}

/// Why a registry tag is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagRole {
    Version,
    Commit,
}

/// What the index of a multi-arch image lists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub platforms: Vec<Platform>,
    /// Entries that nothing runs: BuildKit's attestations.
    pub left_out: usize,
}

/// One platform of a multi-arch image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux/arm64/v8`
    pub name: String,
    /// Its own manifest.
    pub digest: Digest,
    /// Every signature beside its own manifest; `None` where nobody asked for them.
    pub signatures: Option<Looked<Vec<Signature>>>,
}

/// The job that a certificate's run address names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningJob {
    /// The address as the certificate has it.
    pub run_invocation_uri: String,
    pub job: Looked<Job>,
    /// That job's pipeline.
    pub pipeline: Looked<Pipeline>,
}

/// One digest that was seen for a commit or a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub digest: Digest,
    pub commit: Option<CommitSha>,
    /// The Git tag.
    pub release: Option<String>,
    pub pipeline: Option<PipelineId>,
    pub first_seen: Timestamp,
    /// Where we read the digest, in words: `registry tag v1.8.2`, `image-digest.txt of job 21`.
    pub source: String,
}

/// A merge request that brought the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeRequestFacts {
    pub merge_request: MergeRequest,
    pub approved_by: Looked<Vec<User>>,
}

impl Facts {
    /// The Git tag of the release that is asked about, if the question names one.
    pub fn release(&self) -> Option<&str> {
        match &self.question.about {
            About::Release { tag } | About::Image { tag: Some(tag), .. } => Some(tag),
            About::Pipeline { .. } | About::Image { tag: None, .. } => None,
        }
    }

    /// The commit that everything must name: where a release is asked about, the one its Git tag points to now.
    pub fn expected_commit(&self) -> Looked<&CommitSha> {
        match self.release() {
            Some(_) => self.git_tag.as_ref().map(|tag| &tag.commit),
            None => self.commit.as_ref().map(|commit| &commit.sha),
        }
    }

    /// The look at the registry tag of this role.
    pub fn tag(&self, role: TagRole) -> Option<&TagLook> {
        self.tags.iter().find(|look| look.role == role)
    }

    /// The ref that the answer hangs on: the tag of a release, else the pipeline's.
    pub fn git_ref(&self) -> Option<GitRef> {
        match &self.question.about {
            About::Release { tag } | About::Image { tag: Some(tag), .. } => Some(GitRef::Tag(tag.clone())),
            About::Pipeline { .. } | About::Image { tag: None, .. } => self.pipeline.found().map(|p| p.git_ref.clone()),
        }
    }

    /// The job that a certificate's run address names, as GitLab records it.
    pub fn signing_job(&self, identity: &KeylessIdentity) -> Looked<&Job> {
        let uri = identity.run_invocation_uri.as_deref();
        self.signing_jobs.iter().find(|look| Some(look.run_invocation_uri.as_str()) == uri).map_or(Looked::Absent, |look| look.job.as_ref())
    }

    /// The release job: the newest attempt of the job with the configured name.
    pub fn release_job(&self) -> Option<&Job> {
        self.jobs.found()?.iter().filter(|job| job.name == self.question.image.release_job).max_by_key(|job| job.id)
    }
}
