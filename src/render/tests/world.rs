//! Verdicts made by hand.

use crate::model::attestation::*;
use crate::model::gitlab::*;
use crate::model::project::{Pattern, TagTemplate, WatchedImage, WatchedProject};
use crate::model::signer::{KeylessIdentity, Layout, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::model::{Digest, EnvironmentName, PinnedImage};
use crate::verdict::facts::MergeRequestFacts;
use crate::verdict::*;

pub const PROJECT_URL: &str = "https://gitlab.example.com/shop/api";
pub const ISSUER: &str = "https://gitlab.example.com";

pub fn digest() -> Digest {
    Digest::of(b"the image that was built")
}

pub fn other_digest() -> Digest {
    Digest::of(b"somebody else's image")
}

pub fn image() -> PinnedImage {
    PinnedImage { repository: "registry.example.com/shop/api".parse().unwrap(), digest: digest() }
}

pub fn sha() -> CommitSha {
    "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".parse().unwrap()
}

pub fn other_sha() -> CommitSha {
    "ffeeddccbbaa00112233445566778899aabbccdd".parse().unwrap()
}

/// Every text that comes from outside, for one world.
#[derive(Clone)]
pub struct Outside {
    pub title: String,
    pub job: String,
    pub runner: String,
    pub username: String,
    pub tag: String,
    pub found: String,
    pub signer: String,
    pub owner: String,
    pub url: String,
    pub base: String,
}

impl Outside {
    pub fn usual() -> Self {
        Self {
            title: "Retry failed payments".into(),
            job: "release_image".into(),
            runner: "release-02".into(),
            username: "kim".into(),
            tag: "v1.8.2".into(),
            found: "v1.8.2".into(),
            signer: "release-key".into(),
            owner: "release managers".into(),
            url: PROJECT_URL.into(),
            base: "registry.example.com/base/debian:12-slim".into(),
        }
    }

    /// The same text in every place.
    pub fn all(text: &str) -> Self {
        let text = || text.to_owned();
        Self {
            title: text(),
            job: text(),
            runner: text(),
            username: text(),
            tag: text(),
            found: text(),
            signer: text(),
            owner: text(),
            url: format!("{PROJECT_URL}/{}", text()),
            base: text(),
        }
    }
}

pub fn key(outside: &Outside) -> SignedBy {
    SignedBy::Key(SignerName(outside.signer.clone()))
}

/// The verdict with provenance and a base image.
pub fn attested(outside: &Outside) -> Verdict {
    let mut verdict = passed(outside);
    verdict.subject.provenance = Some(ProvenanceSeen {
        predicate_type: PredicateType::SlsaV1,
        builder: format!("{}/-/runners/2", outside.url),
        build_type: "https://slsa.example.com/gitlab-job/v1".into(),
        at: AttestedAt::Registry(Layout::FallbackTag),
        signed_by: keyless(outside),
        signed_at: Some("2026-05-04T13:41:00Z".parse().unwrap()),
    });
    verdict.subject.base_image = Some(BaseSeen {
        base: base(outside, b"base of May", BaseToldBy::Provenance),
        previous: Some(PreviousBase { release: outside.tag.clone(), base: base(outside, b"base of April", BaseToldBy::Provenance) }),
    });
    verdict
}

pub fn base(outside: &Outside, bytes: &[u8], told_by: BaseToldBy) -> BaseImage {
    BaseImage { name: Some(outside.base.clone()), digest: Digest::of(bytes), told_by }
}

pub fn keyless(outside: &Outside) -> SignedBy {
    SignedBy::Keyless(Box::new(KeylessIdentity {
        issuer: Some(ISSUER.into()),
        san_uri: Some(format!("{PROJECT_URL}//.gitlab-ci.yml@refs/tags/{}", outside.tag)),
        log_index: Some(912_345),
        ..KeylessIdentity::default()
    }))
}

fn question(outside: &Outside) -> Question {
    let image = WatchedImage {
        name: "api".into(),
        repository: image().repository,
        version_tag: TagTemplate::parse("{version}").unwrap(),
        commit_tag: None,
        release_job: outside.job.clone(),
        digest_file: Some("image-digest.txt".into()),
        signers: vec![TrustedSigner {
            owner: Some(outside.owner.clone()),
            ..TrustedSigner::new(SignerName(outside.signer.clone()), SignerKind::Key { pem: "x".into() })
        }],
        platform_signatures: false,
        wants_provenance: true,
    };
    let project = WatchedProject {
        instance: InstanceName("main".into()),
        path: ProjectPath("shop/api".into()),
        release_tags: Pattern::parse("v*").unwrap(),
        images: vec![image.clone()],
        environments: vec![EnvironmentName("production".into())],
        deploy_jobs: vec![],
    };
    Question { project, image, about: About::Release { tag: outside.tag.clone() }, asking_job: None }
}

fn merge_request(iid: u64, outside: &Outside, approved_by: Looked<Vec<User>>) -> MergeRequestFacts {
    MergeRequestFacts {
        merge_request: MergeRequest {
            iid: MergeRequestIid(iid),
            title: outside.title.clone(),
            web_url: format!("{}/-/merge_requests/{iid}", outside.url),
            state: MergeRequestState::Merged,
            source_branch: "retry".into(),
            target_branch: "main".into(),
            source_project: ProjectId(7),
            target_project: ProjectId(7),
            head_pipeline: None,
            head_sha: None,
            merged_as: vec![sha()],
        },
        approved_by,
    }
}

pub fn subject(outside: &Outside) -> Subject {
    let git_ref = GitRef::Tag(outside.tag.clone());
    let user = |name: &str| User { id: UserId(4), username: name.into(), name: name.into() };
    Subject {
        question: question(outside),
        project: Some(ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) }),
        project_url: Some(outside.url.clone()),
        commit: Some(Commit { sha: sha(), title: outside.title.clone(), web_url: format!("{}/-/commit/{}", outside.url, sha()) }),
        pipeline: Some(Pipeline {
            id: PipelineId(88_213),
            project: ProjectId(7),
            sha: sha(),
            git_ref: git_ref.clone(),
            source: "push".into(),
            status: CiStatus::Success,
            web_url: format!("{}/-/pipelines/88213", outside.url),
            created_at: None,
            finished_at: Some("2026-05-04T13:42:11Z".parse().unwrap()),
        }),
        ref_protected: Some(true),
        job: Some(Job {
            id: JobId(501),
            name: outside.job.clone(),
            stage: "release".into(),
            status: CiStatus::Success,
            pipeline: PipelineId(88_213),
            commit: sha(),
            git_ref,
            allow_failure: false,
            web_url: format!("{}/-/jobs/501", outside.url),
            started_at: None,
            finished_at: Some("2026-05-04T13:41:09Z".parse().unwrap()),
            runner: Some(Runner { id: RunnerId(2), description: outside.runner.clone(), runner_type: "project_type".into() }),
            has_artifacts: true,
        }),
        signer: Some(key(outside)),
        layout: Some(Layout::FallbackTag),
        platforms: vec![],
        merge_requests: vec![
            merge_request(412, outside, Looked::Found(vec![user(&outside.username), user("lee")])),
            merge_request(409, outside, Looked::Found(vec![])),
        ],
        tests: Some(crate::model::gitlab::TestSummary { total: 212, failed: 0 }),
        provenance: None,
        base_image: None,
    }
}

pub fn finding(check: Check, outcome: CheckOutcome, values: (&str, &str), problem: Option<Problem>) -> Finding {
    Finding { check, outcome, expected: values.0.into(), found: values.1.into(), problem }
}

fn findings(outside: &Outside) -> Vec<Finding> {
    let digest = digest().to_string();
    let passed = |check, expected: &str, found: &str| finding(check, CheckOutcome::Passed, (expected, found), None);
    vec![
        passed(Check::GitTag, &outside.tag, &outside.found),
        passed(Check::VersionTag, &digest, &digest),
        finding(Check::CommitTag, CheckOutcome::NotApplicable, ("", "the project pushes no commit tag"), None),
        passed(Check::DigestFile, &digest, &digest),
        passed(Check::Signature, &outside.signer, &outside.found),
        passed(Check::Commit, sha().as_str(), sha().as_str()),
        passed(Check::Pipeline, "every required job succeeded", "#88213: success"),
        passed(Check::ProtectedRef, &format!("refs/tags/{} protected", outside.tag), "protected"),
        passed(Check::Source, "push or web", "push"),
        passed(Check::ReleaseJob, &outside.job, &outside.found),
        passed(Check::BuiltOnce, &digest, &digest),
    ]
}

pub fn passed(outside: &Outside) -> Verdict {
    Verdict {
        outcome: Outcome::Passed,
        problem: None,
        findings: findings(outside),
        image: Some(image()),
        as_of: "2026-05-04T15:20:31Z".parse().unwrap(),
        policy: Digest::of(b"policy"),
        trust_root: Some(Digest::of(b"trust root")),
        subject: subject(outside),
    }
}

/// A verdict that one check decided.
pub fn failed(outside: &Outside, outcome: Outcome, check: Check, values: (&str, &str), problem: Problem) -> Verdict {
    let mut verdict = passed(outside);
    let its = match outcome {
        Outcome::CouldNotCheck => CheckOutcome::CouldNotCheck,
        Outcome::Passed | Outcome::Blocked => CheckOutcome::Blocked,
    };
    for found in verdict.findings.iter_mut().filter(|finding| finding.check == check) {
        *found = finding(check, its, values, Some(problem.clone()));
    }
    verdict.outcome = outcome;
    verdict.problem = Some(problem);
    verdict
}

/// A verdict about an image for several platforms.
pub fn multi_arch(outside: &Outside) -> Verdict {
    let mut verdict = passed(outside);
    let platform = |name: &str, signed| PlatformStanding { name: name.into(), digest: Digest::of(name.as_bytes()), signed };
    verdict.subject.platforms = vec![
        platform("linux/amd64", PlatformSigned::Itself),
        platform("linux/arm64/v8", PlatformSigned::No),
        platform(&outside.found, PlatformSigned::ByIndex),
        platform("windows/amd64/10.0.20348", PlatformSigned::CouldNotCheck),
    ];
    verdict
}

pub fn tag_moved(outside: &Outside) -> Verdict {
    let problem = Problem::TagMoved { tag: outside.tag.clone(), old: digest(), new: other_digest() };
    let (old, new) = (digest().to_string(), other_digest().to_string());
    let mut verdict = failed(outside, Outcome::Blocked, Check::VersionTag, (&old, &new), problem);
    let unsigned = Problem::SigMissing { image: image(), job: outside.job.clone(), pipeline: Some(PipelineId(88_213)) };
    for found in verdict.findings.iter_mut().filter(|finding| finding.check == Check::Signature) {
        *found = finding(Check::Signature, CheckOutcome::Blocked, (&outside.signer, "none"), Some(unsigned.clone()));
    }
    verdict.image = Some(PinnedImage { repository: image().repository, digest: other_digest() });
    verdict.subject.signer = None;
    verdict
}

pub fn unreachable(outside: &Outside) -> Verdict {
    let why = Why::new(Service::Registry, WhyKind::Down, "time-out after 10 s");
    let problem = Problem::Unavailable { what: outside.tag.clone(), why };
    let mut verdict = failed(outside, Outcome::CouldNotCheck, Check::VersionTag, (&outside.tag, "could not look"), problem.clone());
    for found in verdict.findings.iter_mut().filter(|f| matches!(f.check, Check::Signature | Check::DigestFile)) {
        *found = finding(found.check, CheckOutcome::CouldNotCheck, (&found.expected.clone(), "could not look"), Some(problem.clone()));
    }
    verdict.image = None;
    verdict.subject.signer = None;
    verdict
}

pub fn not_ended(outside: &Outside) -> Verdict {
    let fault = PipelineFault::NotEnded { status: "running".into() };
    let problem = Problem::Pipeline { pipeline: Some(PipelineId(88_213)), fault, tag: Some(outside.tag.clone()) };
    failed(outside, Outcome::Blocked, Check::Pipeline, ("every required job succeeded", "#88213: deploy is running"), problem)
}

/// One problem of every kind, with outside text where it can come from outside.
pub fn problems(outside: &Outside) -> Vec<Problem> {
    let pipeline = PipelineId(88_213);
    let (tag, job, found) = (outside.tag.clone(), outside.job.clone(), outside.found.clone());
    let why = |service, kind| Why::new(service, kind, "detail");
    let key = |fault| Problem::Key { key: SignerName(outside.signer.clone()), fault };
    let moment = || "2026-05-01T00:00:00Z".parse().unwrap();
    let fault = |fault| Problem::Pipeline { pipeline: Some(pipeline), fault, tag: Some(tag.clone()) };
    let mut all = vec![
        Problem::SigMissing { image: image(), job: job.clone(), pipeline: Some(pipeline) },
        Problem::SigMissing { image: image(), job: job.clone(), pipeline: None },
        Problem::SigInvalid { digest: digest(), signer: outside.signer.clone(), tag: Some(tag.clone()) },
        Problem::SigInvalid { digest: digest(), signer: outside.signer.clone(), tag: None },
        Problem::ImageMissing { digest: digest(), repository: "registry.example.com/shop/api".into() },
        Problem::SigOther { digest: digest(), found: found.clone(), expected: "release-key".into() },
        Problem::SigOnTag { tag: tag.clone(), digest: digest(), signed: other_digest() },
        key(KeyFault::Revoked { at: moment(), signed: Some(moment()) }),
        key(KeyFault::Revoked { at: moment(), signed: None }),
        key(KeyFault::Retired { since: moment(), pipeline: Some(pipeline) }),
        key(KeyFault::Early { from: moment() }),
        key(KeyFault::Unlogged),
        Problem::Platform { digest: digest(), fault: PlatformFault::None },
        Problem::Platform { digest: digest(), fault: PlatformFault::Unsigned { platforms: vec!["linux/amd64".into(), found.clone()] } },
        Problem::ProvMissing { digest: digest() },
        Problem::NoProvenance { digest: digest(), job: job.clone() },
        Problem::ProvDigest { described: other_digest(), digest: digest() },
        Problem::ProvOther { digest: digest(), found: found.clone(), expected: "release-key".into() },
        Problem::LateAttest { digest: digest(), fault: LateFault::OtherJob { by: found.clone() }, pipeline: Some(pipeline) },
        Problem::LateAttest {
            digest: digest(),
            fault: LateFault::OtherTime { job: job.clone(), at: "2026-05-05T09:00:00Z".parse().unwrap() },
            pipeline: None,
        },
        Problem::LateAttest { digest: digest(), fault: LateFault::NoTime { key: SignerName(outside.signer.clone()) }, pipeline: None },
        Problem::Runner { runner: outside.runner.clone(), job: job.clone() },
        Problem::BaseUnknown { digest: digest() },
        Problem::BaseChanged { name: outside.base.clone(), old: digest(), new: other_digest(), since: tag.clone() },
        fault(PipelineFault::OtherRun { claimed: found.clone(), recorded: "pipeline #88213".into() }),
        Problem::Commit { tag: tag.clone(), expected: sha(), found: other_sha().to_string() },
        Problem::Commit { tag: tag.clone(), expected: sha(), found: found.clone() },
        Problem::Pipeline { pipeline: None, fault: PipelineFault::Missing, tag: Some(tag.clone()) },
        fault(PipelineFault::Missing),
        fault(PipelineFault::JobsFailed { jobs: vec![job.clone(), "test".into()] }),
        fault(PipelineFault::NotEnded { status: "running".into() }),
        fault(PipelineFault::OtherCommit { found: other_sha(), expected: sha() }),
        fault(PipelineFault::NoReleaseJob { job }),
        fault(PipelineFault::NotAsking { job: JobId(23) }),
        Problem::RefUnprotected { git_ref: format!("refs/tags/{tag}") },
        Problem::Source { pipeline, source: found.clone() },
        Problem::Project { found: found.clone(), expected: "shop/api".into() },
        Problem::Rebuilt {
            commit: sha(),
            first: digest(),
            first_pipeline: Some(pipeline),
            second: other_digest(),
            second_pipeline: Some(PipelineId(88_290)),
        },
        Problem::Rebuilt { commit: sha(), first: digest(), first_pipeline: None, second: other_digest(), second_pipeline: None },
        Problem::TagMoved { tag: tag.clone(), old: digest(), new: other_digest() },
        Problem::TagOther { tag: tag.clone(), names: other_digest(), asked: digest() },
        Problem::TagMissing { tag: tag.clone(), repository: "registry.example.com/shop/api".into() },
        Problem::TagSplit { version_tag: tag.clone(), version: digest(), commit_tag: "a1b2c3d4".into(), commit: other_digest() },
        Problem::DigestFile { file: "image-digest.txt".into(), says: Some(other_digest()), registry: digest() },
        Problem::DigestFile { file: "image-digest.txt".into(), says: None, registry: digest() },
        Problem::GitTagMissing { tag },
        Problem::RegistryAuth { repository: "registry.example.com/shop/api".into() },
    ];
    for (service, kind) in [
        (Service::Registry, WhyKind::Down),
        (Service::Gitlab, WhyKind::Refused),
        (Service::Gitlab, WhyKind::Limited),
        (Service::Registry, WhyKind::TooLarge),
        (Service::Registry, WhyKind::Unreadable),
        (Service::TrustRoot, WhyKind::Stale),
        (Service::Store, WhyKind::Down),
        (Service::Store, WhyKind::Unread),
    ] {
        all.push(Problem::Unavailable { what: digest().to_string(), why: why(service, kind) });
    }
    all
}
