//! Facts that pass, for tests to change one thing in: of the judge, of what renders verdicts, of what keeps them.

#![allow(clippy::unwrap_used)] // constants, parsed in every test run; not in the release image

use super::facts::{About, DigestFile, Facts, Looked, MergeRequestFacts, Question, Sighting, SigningJob, TagLook, TagRole};
use super::promotion::{PromotionFacts, Right, RightRule};
use super::{BuiltBy, Demand, Fresh, Platforms, Policy, Service, TrustedRunner, Why, WhyKind};
use crate::model::attestation::{
    Attested, AttestedAt, BaseImage, BaseToldBy, ImageUsed, PredicateType, PreviousBase, Provenance, RunnerClaim, Source,
};
use crate::model::environment::{Action, Environment};
use crate::model::gitlab::{
    CiStatus, Commit, CommitSha, GitRef, InstanceName, Job, JobId, MergeRequest, MergeRequestIid, MergeRequestState, Pipeline, PipelineId,
    Project, ProjectId, ProjectKey, ProjectPath, Runner, RunnerId, Tag, TestSummary, User, UserId,
};
use crate::model::project::{Pattern, TagTemplate, WatchedImage, WatchedProject};
use crate::model::promotion::{Direction, Person};
use crate::model::signer::{KeylessIdentity, Layout, Proven, Signature, SignatureState, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};

/// The Git tag of the release.
pub const TAG: &str = "v1.8.2";
/// The OIDC issuer that [`good_keyless_facts`] trusts.
pub const ISSUER: &str = "https://gitlab.example.com";
/// The name of the trusted key of [`good_facts`].
pub const KEY: &str = "release-key";
/// The address of the signing job in the certificate.
pub const RUN: &str = "https://gitlab.example.com/shop/api/-/jobs/21";

const CONFIG: &str = "https://gitlab.example.com/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
const WEB: &str = "https://gitlab.example.com/shop/api";

/// The digest of the image.
pub fn image_digest() -> Digest {
    Digest::of(b"the image that the release pipeline built")
}

/// The digest of an image somebody else made.
pub fn other_digest() -> Digest {
    Digest::of(b"an image from a laptop")
}

/// The commit of the release.
pub fn commit() -> CommitSha {
    "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".parse().unwrap()
}

/// Another commit.
pub fn other_commit() -> CommitSha {
    "ffffffffffffffffffffffffffffffffffffffff".parse().unwrap()
}

/// A time on the day of the release, `HH:MM`.
pub fn at(time: &str) -> Timestamp {
    format!("2026-05-04T{time}:00Z").parse().unwrap()
}

/// A service that does not answer.
pub fn down(service: Service) -> Why {
    Why::new(service, WhyKind::Down, "connection refused")
}

/// A digest that was on record for the release and its commit at a time of that day.
pub fn sighting(digest: Digest, time: &str) -> Sighting {
    Sighting {
        digest,
        commit: Some(commit()),
        release: Some(TAG.into()),
        pipeline: Some(PipelineId(88213)),
        first_seen: at(time),
        source: "registry tag 1.8.2".into(),
    }
}

/// A signature in this state.
pub fn signature(state: SignatureState) -> Signature {
    Signature { layout: Layout::Referrers, manifest: Digest::of(b"a signature manifest"), state, proven: Proven::default() }
}

/// The strictest policy about image, signature and pipeline; provenance, base image and runner are not asked about.
pub fn good_policy() -> Policy {
    Policy {
        sources: vec!["push".into(), "web".into()],
        digest_file: Demand::Required,
        commit_tag: Demand::Required,
        provenance: Demand::Off,
        base_image: Demand::Off,
        base_unchanged: Demand::Off,
        runners: None,
        platforms: Platforms::Index,
        require_log: false,
        built_by: BuiltBy::Proven,
    }
}

/// The same, with everything asked about.
pub fn strict_policy() -> Policy {
    Policy {
        provenance: Demand::Required,
        base_image: Demand::Required,
        base_unchanged: Demand::Required,
        runners: Some(vec![TrustedRunner::Id(RunnerId(2))]),
        ..good_policy()
    }
}

/// A release that passes, signed with a key.
pub fn good_facts() -> Facts {
    let digest = image_digest();
    Facts {
        as_of: at("14:02"),
        question: Question {
            project: watched_project(),
            image: watched_image(),
            about: About::Release { tag: TAG.into() },
            asking_job: None,
        },
        project: Looked::Found(project()),
        git_tag: Looked::Found(Tag { name: TAG.into(), commit: commit(), protected: true }),
        commit: Looked::Found(Commit {
            sha: commit(),
            title: "Retry failed payments".into(),
            web_url: format!("{WEB}/-/commit/{}", commit()),
        }),
        pipeline: Looked::Found(pipeline()),
        ref_protected: Looked::Found(true),
        jobs: Looked::Found(vec![job(20, "test"), job(21, "release_image"), smoke_job()]),
        digest_file: Looked::Found(DigestFile::Says(digest)),
        tags: vec![
            TagLook { role: TagRole::Version, name: "1.8.2".into(), digest: Looked::Found(digest) },
            TagLook { role: TagRole::Commit, name: "a1b2c3d4".into(), digest: Looked::Found(digest) },
        ],
        digest: Looked::Found(digest),
        image: Looked::Found(()),
        signatures: Looked::Found(vec![signature(SignatureState::Verified(SignedBy::Key(SignerName(KEY.into()))))]),
        platforms: Looked::Absent,
        trust_root: Some(Digest::of(b"a trust root")),
        signing_jobs: vec![],
        history: Looked::Absent,
        merge_requests: Looked::Found(vec![merge_request()]),
        tests: Looked::Found(TestSummary { total: 120, failed: 0 }),
        provenance: Looked::Absent,
        gitlab_provenance: Looked::Absent,
        base_image: Looked::Absent,
        previous_base: Looked::Absent,
    }
}

/// The same release, told of this image: what a clearance for any image of a test's own is made of.
pub fn good_facts_about(image: &PinnedImage) -> Facts {
    let mut facts = good_facts();
    facts.question.image.repository = image.repository.clone();
    facts.question.project.images = vec![facts.question.image.clone()];
    facts.digest = Looked::Found(image.digest);
    facts.digest_file = Looked::Found(DigestFile::Says(image.digest));
    for tag in &mut facts.tags {
        tag.digest = Looked::Found(image.digest);
    }
    facts
}

/// A promotion to a production that is only observed, of an image that staging never saw.
pub fn observed_promotion(verdict: Fresh) -> PromotionFacts {
    let mut environment = Environment::named("production");
    environment.after = Some(EnvironmentName("staging".into()));
    environment.actions = vec![Action::Attest];
    environment.observe_until = Some(at("20:00"));
    let right = Right {
        active: true,
        access_level: 40,
        may_deploy: true,
        rule: RightRule::Configured,
        who: "the role Maintainer".into(),
        people: Some(3),
        required_approvals: 0,
        machine: false,
    };
    PromotionFacts {
        as_of: at("14:02"),
        direction: Direction::Promote,
        environment,
        requested_at: at("14:01"),
        accepted: false,
        requester: (Person { id: UserId(2), username: "rita".into() }, Looked::Found(right)),
        approvers: vec![],
        halted: Looked::Absent,
        held_by: None,
        verdicts: vec![verdict],
        staged: vec![Looked::Absent],
        changed: vec![],
    }
}

/// A release that passes, signed keyless by its own pipeline.
pub fn good_keyless_facts() -> Facts {
    let mut facts = good_facts();
    facts.question.image.signers =
        vec![TrustedSigner::new(SignerName("pipeline".into()), SignerKind::GitlabOidc { issuer: ISSUER.into() })];
    facts.signatures = Looked::Found(vec![signature(SignatureState::Verified(SignedBy::Keyless(Box::new(identity()))))]);
    facts.signing_jobs = vec![SigningJob {
        run_invocation_uri: RUN.into(),
        job: Looked::Found(job(21, "release_image")),
        pipeline: Looked::Found(pipeline()),
    }];
    facts
}

/// A release that passes under [`strict_policy`]: signed and attested with a key.
pub fn attested_facts() -> Facts {
    let mut facts = good_facts();
    let mut by_key = attested(SignedBy::Key(SignerName(KEY.into())));
    by_key.proven = Proven { logged: true, unread: false, times: Some((at("13:41"), at("13:41"))) };
    facts.provenance = Looked::Found(vec![by_key]);
    facts.previous_base = Looked::Found(PreviousBase {
        release: "v1.8.1".into(),
        base: BaseImage { name: Some("debian:12-slim".into()), digest: base_digest(), told_by: BaseToldBy::Provenance },
    });
    facts
}

/// The same, keyless.
pub fn attested_keyless_facts() -> Facts {
    let Facts { previous_base, .. } = attested_facts();
    let mut facts = good_keyless_facts();
    let mut by_pipeline = attested(SignedBy::Keyless(Box::new(identity())));
    by_pipeline.proven = Proven { logged: true, unread: false, times: Some((at("13:41"), at("13:41"))) };
    facts.provenance = Looked::Found(vec![by_pipeline]);
    facts.previous_base = previous_base;
    facts
}

/// A verified provenance by this signer.
pub fn attested(by: SignedBy) -> Attested {
    Attested {
        at: AttestedAt::Registry(Layout::Referrers),
        state: SignatureState::Verified(by),
        proven: Proven::default(),
        says: Some(provenance()),
    }
}

/// What the provenance of the good image says.
pub fn provenance() -> Provenance {
    Provenance {
        predicate_type: PredicateType::SlsaV1,
        subjects: vec![image_digest()],
        builder: format!("{WEB}/-/runners/2"),
        build_type: "https://slsa.example.com/gitlab-job/v1".into(),
        sources: vec![Source { uri: WEB.into(), commit: Some(commit()) }],
        job_name: Some("release_image".into()),
        job: Some(JobId(21)),
        run_in: Some(WEB.into()),
        pipeline: Some(PipelineId(88213)),
        runner: Some(RunnerClaim { project: WEB.into(), id: RunnerId(2) }),
        images: vec![ImageUsed { name: Some("debian:12-slim".into()), digest: base_digest() }],
    }
}

/// The digest of the base image.
pub fn base_digest() -> Digest {
    Digest::of(b"debian:12-slim of May")
}

/// The image of a branch pipeline that passes: no Git tag, no version tag.
pub fn good_pipeline_facts() -> Facts {
    let mut facts = good_facts();
    let branch = GitRef::Branch("main".into());
    facts.question.about = About::Pipeline { id: PipelineId(88213) };
    facts.git_tag = Looked::Absent;
    facts.tags.retain(|look| look.role == TagRole::Commit);
    facts.pipeline = Looked::Found(Pipeline { git_ref: branch.clone(), ..pipeline() });
    facts.jobs = facts.jobs.map(|jobs| jobs.into_iter().map(|job| Job { git_ref: branch.clone(), ..job }).collect());
    facts
}

/// What the certificate of [`good_keyless_facts`] says.
pub fn identity() -> KeylessIdentity {
    KeylessIdentity {
        issuer: Some(ISSUER.into()),
        san_uri: Some(CONFIG.into()),
        san_email: None,
        build_signer_uri: Some(CONFIG.into()),
        build_signer_digest: Some(commit().to_string()),
        runner_environment: Some("self-hosted".into()),
        source_repository_uri: Some(WEB.into()),
        source_repository_digest: Some(commit().to_string()),
        source_repository_ref: Some("refs/tags/v1.8.2".into()),
        source_repository_identifier: Some("7".into()),
        source_repository_owner_identifier: Some("3".into()),
        build_config_uri: Some(CONFIG.into()),
        build_config_digest: Some(commit().to_string()),
        build_trigger: Some("push".into()),
        run_invocation_uri: Some(RUN.into()),
        signed_at: Some(at("13:41")),
        log_index: Some(912_345),
    }
}

/// The project as GitLab shows it.
pub fn project() -> Project {
    Project {
        key: ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) },
        path: ProjectPath("shop/api".into()),
        web_url: WEB.into(),
        namespace_id: 3,
        visibility: "private".into(),
        ci_config_path: String::new(),
        default_branch: Some("main".into()),
    }
}

/// The release pipeline. Its rolled-up word says failed, as it does after a failed commit status of ours: nothing may read it.
pub fn pipeline() -> Pipeline {
    Pipeline {
        id: PipelineId(88213),
        project: ProjectId(7),
        sha: commit(),
        git_ref: GitRef::Tag(TAG.into()),
        source: "push".into(),
        status: CiStatus::Failed,
        web_url: format!("{WEB}/-/pipelines/88213"),
        created_at: Some(at("13:30")),
        finished_at: Some(at("13:44")),
    }
}

/// A job of the release pipeline that succeeded.
pub fn job(id: u64, name: &str) -> Job {
    Job {
        id: JobId(id),
        name: name.into(),
        stage: "build".into(),
        status: CiStatus::Success,
        pipeline: PipelineId(88213),
        commit: commit(),
        git_ref: GitRef::Tag(TAG.into()),
        allow_failure: false,
        web_url: format!("{WEB}/-/jobs/{id}"),
        started_at: Some(at("13:31")),
        finished_at: Some(at("13:41")),
        runner: Some(Runner { id: RunnerId(2), description: "release-02".into(), runner_type: "project_type".into() }),
        has_artifacts: true,
    }
}

/// A job that may fail, and did.
fn smoke_job() -> Job {
    Job { status: CiStatus::Failed, allow_failure: true, ..job(22, "smoke") }
}

fn watched_project() -> WatchedProject {
    WatchedProject {
        instance: InstanceName("main".into()),
        path: ProjectPath("shop/api".into()),
        release_tags: Pattern::parse("v*").unwrap(),
        images: vec![watched_image()],
        environments: vec![EnvironmentName("staging".into()), EnvironmentName("production".into())],
        deploy_jobs: vec![],
    }
}

fn watched_image() -> WatchedImage {
    WatchedImage {
        name: "api".into(),
        repository: "registry.example.com/shop/api".parse().unwrap(),
        version_tag: TagTemplate::parse("{version}").unwrap(),
        commit_tag: Some(TagTemplate::parse("{short_sha}").unwrap()),
        release_job: "release_image".into(),
        digest_file: Some("image-digest.txt".into()),
        signers: vec![TrustedSigner::new(SignerName(KEY.into()), SignerKind::Key { pem: "a public key".into() })],
        platform_signatures: false,
        wants_provenance: true,
    }
}

fn merge_request() -> MergeRequestFacts {
    let user = User { id: UserId(5), username: "kim".into(), name: "Kim".into() };
    MergeRequestFacts {
        merge_request: MergeRequest {
            iid: MergeRequestIid(412),
            title: "Retry failed payments".into(),
            web_url: format!("{WEB}/-/merge_requests/412"),
            state: MergeRequestState::Merged,
            source_branch: "retry".into(),
            target_branch: "main".into(),
            source_project: ProjectId(7),
            target_project: ProjectId(7),
            head_pipeline: Some(PipelineId(88200)),
            head_sha: Some(commit()),
            merged_as: vec![commit()],
        },
        approved_by: Looked::Found(vec![user]),
    }
}
