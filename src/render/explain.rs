//! A problem as one sentence that names it and one that says what to do.

use super::phrase::Phrase;
use super::story::time;
use super::template::Values;
use super::{Words, codes};
use crate::model::Digest;
use crate::model::gitlab::PipelineId;
use crate::verdict::{About, KeyFault, LateFault, PipelineFault, PlatformFault, Problem, Service, Subject, Why, WhyKind};

/// What is wrong and what to do, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub code: &'static str,
    /// A few words without values: what completes "Blocked:".
    pub title: &'static str,
    /// One sentence with the values of this case.
    pub headline: Phrase,
    pub next_step: Phrase,
}

impl Words {
    /// Explains a problem of this subject.
    pub fn explain(&self, problem: &Problem, subject: &Subject) -> Explained {
        let release = match &subject.question.about {
            About::Release { tag } => Some(tag.as_str()),
            About::Image { tag, .. } => tag.as_deref(),
            About::Pipeline { .. } => None,
        };
        self.in_two(Case { project_url: subject.project_url.as_deref(), release }.of(problem), problem.code(), title(problem))
    }

    /// Explains a problem whose subject is not at hand: without links.
    pub(super) fn explain_alone(&self, problem: &Problem) -> Explained {
        self.in_two(Case { project_url: None, release: None }.of(problem), problem.code(), title(problem))
    }

    /// A template of two lines: what is, and what to do.
    pub(super) fn in_two(&self, (template, values): Sentence, code: &'static str, title: &'static str) -> Explained {
        let split = |text: &str| match text.split_once('\n') {
            Some((headline, next)) => (headline.to_owned(), next.to_owned()),
            None => (text.to_owned(), String::new()),
        };
        let said = self.say(template, &values);
        let (headline, next_step) = split(said.markdown());
        let (plain_headline, plain_next_step) = split(said.plain());
        Explained { code, title, headline: Phrase::new(headline, plain_headline), next_step: Phrase::new(next_step, plain_next_step) }
    }
}

/// Whether only time is missing: the pipeline has not ended.
pub(super) fn waits(problem: &Problem) -> bool {
    matches!(problem, Problem::Pipeline { fault: PipelineFault::NotEnded { .. }, .. })
}

fn title(problem: &Problem) -> &'static str {
    match problem {
        Problem::Pipeline { fault, .. } => match fault {
            PipelineFault::Missing => "no release pipeline built it",
            PipelineFault::JobsFailed { .. } => "the release pipeline failed",
            PipelineFault::NotEnded { .. } => "the release pipeline has not ended",
            PipelineFault::OtherCommit { .. } => "the release pipeline ran another commit",
            PipelineFault::NoReleaseJob { .. } => "the release pipeline holds no release job",
            PipelineFault::NotAsking { .. } => "the job that asks does not run in the release pipeline",
            PipelineFault::OtherRun { .. } => "its provenance does not agree with GitLab's records",
        },
        Problem::Unavailable { why, .. } => unavailable_title(why),
        Problem::ImageMissing { .. } => "the registry holds no such image",
        Problem::NoProvenance { .. } => "it carries no provenance",
        Problem::ProvOther { .. } => "somebody else signed its provenance",
        Problem::SigMissing { .. }
        | Problem::SigInvalid { .. }
        | Problem::SigOther { .. }
        | Problem::SigOnTag { .. }
        | Problem::Key { .. }
        | Problem::Platform { .. }
        | Problem::ProvMissing { .. }
        | Problem::Commit { .. }
        | Problem::RefUnprotected { .. }
        | Problem::Source { .. }
        | Problem::Project { .. }
        | Problem::Rebuilt { .. }
        | Problem::TagMoved { .. }
        | Problem::TagOther { .. }
        | Problem::TagMissing { .. }
        | Problem::TagSplit { .. }
        | Problem::DigestFile { .. }
        | Problem::GitTagMissing { .. }
        | Problem::ProvDigest { .. }
        | Problem::LateAttest { .. }
        | Problem::Runner { .. }
        | Problem::BaseUnknown { .. }
        | Problem::BaseChanged { .. }
        | Problem::RegistryAuth { .. } => codes::title(problem.code()),
    }
}

pub(super) fn unavailable_title(why: &Why) -> &'static str {
    match (why.service, why.kind) {
        (_, WhyKind::Stale) => "the trust root is too old",
        (_, WhyKind::Unread) => "Countersign's own record was not read",
        (Service::Gitlab, WhyKind::Down) => "GitLab did not answer",
        (Service::Gitlab, WhyKind::Refused) => "GitLab refused Countersign's login",
        (Service::Gitlab, WhyKind::Limited) => "GitLab limits Countersign's requests",
        (Service::Gitlab, WhyKind::TooLarge | WhyKind::Unreadable) => "GitLab's answer could not be read",
        (Service::Registry, WhyKind::Down) => "the registry did not answer",
        (Service::Registry, WhyKind::Refused) => "the registry refused Countersign's login",
        (Service::Registry, WhyKind::Limited) => "the registry limits Countersign's requests",
        (Service::Registry, WhyKind::TooLarge | WhyKind::Unreadable) => "the registry's answer could not be read",
        (Service::TrustRoot, _) => "the trust root could not be read",
        (Service::Store, _) => "Countersign could not read its own record",
    }
}

pub(super) fn service(service: Service) -> Phrase {
    Phrase::own(match service {
        Service::Gitlab => "GitLab",
        Service::Registry => "The registry",
        Service::TrustRoot => "The trust root",
        Service::Store => "Countersign's own store",
    })
}

/// A template and what it is filled with.
pub(super) type Sentence = (&'static str, Values);

pub(super) fn sentence<const N: usize>(template: &'static str, values: [(&'static str, Phrase); N]) -> Sentence {
    (template, Values::from(values))
}

/// A problem, and where it is from.
struct Case<'a> {
    project_url: Option<&'a str>,
    /// The tag that was asked about.
    release: Option<&'a str>,
}

impl Case<'_> {
    /// The template that says it, and its values.
    fn of(&self, problem: &Problem) -> Sentence {
        let name = Phrase::name;
        let digest = Phrase::digest;
        match problem {
            Problem::SigMissing { image, job, pipeline } => {
                let pipeline = self.pipeline_or(*pipeline, "the release pipeline");
                sentence("problem/CS-SIG-MISSING", [("image", Phrase::image(image)), ("job", name(job)), ("pipeline", pipeline)])
            }
            Problem::SigInvalid { digest: signed, signer, tag } => {
                let tag = tag.as_deref().map_or(Phrase::own("its release tag"), name);
                sentence("problem/CS-SIG-INVALID", [("digest", digest(signed)), ("signer", name(signer)), ("tag", tag)])
            }
            Problem::SigOther { digest: signed, found, expected } => {
                let (expected, found) = Phrase::values(expected, found);
                sentence("problem/CS-SIG-OTHER", [("digest", digest(signed)), ("found", found), ("expected", expected)])
            }
            Problem::SigOnTag { tag, digest: named, signed } => {
                let (named, signed) = Phrase::digests(named, signed);
                sentence("problem/CS-SIG-ON-TAG", [("tag", name(tag)), ("digest", named), ("signed", signed)])
            }
            Problem::Key { key, fault } => self.key_fault(&key.0, fault),
            Problem::Platform { digest: index, fault } => {
                let index = ("digest", digest(index));
                match fault {
                    PlatformFault::None => sentence("problem/CS-PLATFORM.none", [index]),
                    PlatformFault::Unsigned { platforms } => {
                        let platforms: Vec<_> = platforms.iter().map(|platform| name(platform)).collect();
                        sentence("problem/CS-PLATFORM.unsigned", [index, ("platforms", Phrase::list(&platforms))])
                    }
                }
            }
            Problem::ProvMissing { digest: untied } => sentence("problem/CS-PROV-MISSING", [("digest", digest(untied))]),
            Problem::NoProvenance { digest: bare, job } => {
                sentence("problem/CS-PROV-MISSING.none", [("digest", digest(bare)), ("job", name(job))])
            }
            Problem::ProvDigest { described, digest: asked } => {
                let (described, asked) = Phrase::digests(described, asked);
                sentence("problem/CS-PROV-DIGEST", [("described", described), ("digest", asked)])
            }
            Problem::ProvOther { digest: signed, found, expected } => {
                let (expected, found) = Phrase::values(expected, found);
                sentence("problem/CS-SIG-OTHER.provenance", [("digest", digest(signed)), ("found", found), ("expected", expected)])
            }
            Problem::LateAttest { digest: attested, fault, pipeline } => self.late(attested, fault, *pipeline),
            Problem::Runner { runner, job } => sentence("problem/CS-RUNNER", [("runner", name(runner)), ("job", name(job))]),
            Problem::BaseUnknown { digest: bare } => sentence("problem/CS-BASE-UNKNOWN", [("digest", digest(bare))]),
            Problem::BaseChanged { name: base, old, new, since } => {
                let (old, new) = Phrase::digests(old, new);
                let base = name(without_host(base));
                sentence("problem/CS-BASE-CHANGED", [("base", base), ("old", old), ("new", new), ("since", name(since))])
            }
            Problem::Commit { tag, expected, found } => {
                let (expected, found) = Phrase::commits(expected, found);
                sentence("problem/CS-COMMIT", [("tag", name(tag)), ("expected", expected), ("found", found)])
            }
            Problem::Pipeline { pipeline, fault, tag } => self.pipeline_fault(*pipeline, fault, tag.as_deref()),
            Problem::RefUnprotected { git_ref } => sentence("problem/CS-REF-UNPROTECTED", [("ref", name(git_ref))]),
            Problem::Source { pipeline, source } => {
                sentence("problem/CS-SOURCE", [("pipeline", self.pipeline(*pipeline)), ("source", name(source))])
            }
            Problem::Project { found, expected } => sentence("problem/CS-PROJECT", [("found", name(found)), ("expected", name(expected))]),
            Problem::Rebuilt { commit, first, first_pipeline, second, second_pipeline } => {
                let (first, second) = Phrase::digests(first, second);
                let first_origin = self.pipeline_or(*first_pipeline, "an earlier build");
                let second_origin = self.pipeline_or(*second_pipeline, "a later build");
                let values = [("first", first), ("first_origin", first_origin), ("second", second), ("second_origin", second_origin)];
                let (template, mut values) = sentence("problem/CS-REBUILT", values);
                values.insert("commit", Phrase::commit(commit));
                (template, values)
            }
            Problem::TagMoved { tag, old, new } => {
                let (old, new) = Phrase::digests(old, new);
                sentence("problem/CS-TAG-MOVED", [("tag", name(tag)), ("old", old), ("new", new)])
            }
            Problem::TagOther { tag, names, asked } => {
                let (names, asked) = Phrase::digests(names, asked);
                sentence("problem/CS-TAG-OTHER", [("tag", name(tag)), ("names", names), ("asked", asked)])
            }
            Problem::TagMissing { tag, repository } => {
                sentence("problem/CS-TAG-MISSING", [("tag", name(tag)), ("repository", name(without_registry(repository)))])
            }
            Problem::ImageMissing { digest, repository } => {
                let values = [("digest", Phrase::digest(digest)), ("repository", name(without_registry(repository)))];
                sentence("problem/CS-TAG-MISSING.image", values)
            }
            Problem::TagSplit { version_tag, version, commit_tag, commit } => {
                let (version, commit) = Phrase::digests(version, commit);
                let values =
                    [("version_tag", name(version_tag)), ("version", version), ("commit_tag", name(commit_tag)), ("commit", commit)];
                sentence("problem/CS-TAG-SPLIT", values)
            }
            Problem::DigestFile { file, says, registry } => digest_file(file, says.as_ref(), registry),
            Problem::GitTagMissing { tag } => sentence("problem/CS-GIT-TAG-MISSING", [("tag", name(tag))]),
            Problem::RegistryAuth { repository } => sentence("problem/CS-REG-AUTH", [("repository", name(without_registry(repository)))]),
            Problem::Unavailable { what, why } => unavailable(what, why),
        }
    }

    fn late(&self, attested: &Digest, fault: &LateFault, pipeline: Option<PipelineId>) -> Sentence {
        let (digest, pipeline) = (("digest", Phrase::digest(attested)), ("pipeline", self.pipeline_or(pipeline, "the release pipeline")));
        match fault {
            LateFault::OtherJob { by } => sentence("problem/CS-LATE-ATTEST.job", [digest, pipeline, ("by", Phrase::value(by))]),
            LateFault::OtherTime { job, at } => {
                sentence("problem/CS-LATE-ATTEST.time", [digest, pipeline, ("job", Phrase::name(job)), ("time", time(*at))])
            }
            LateFault::NoTime { key } => sentence("problem/CS-LATE-ATTEST.unproven", [digest, ("key", Phrase::name(&key.0))]),
        }
    }

    fn key_fault(&self, key: &str, fault: &KeyFault) -> Sentence {
        let key = ("key", Phrase::name(key));
        match fault {
            KeyFault::Revoked { at, signed: Some(signed) } => {
                sentence("problem/CS-KEY-REVOKED", [key, ("at", time(*at)), ("signed", time(*signed))])
            }
            KeyFault::Revoked { at, signed: None } => sentence("problem/CS-KEY-REVOKED.unproven", [key, ("at", time(*at))]),
            KeyFault::Retired { since, pipeline } => {
                let pipeline = self.pipeline_or(*pipeline, "the release pipeline");
                sentence("problem/CS-KEY-RETIRED", [key, ("since", time(*since)), ("pipeline", pipeline)])
            }
            KeyFault::Early { from } => sentence("problem/CS-KEY-EARLY", [key, ("from", time(*from))]),
            KeyFault::Unlogged => sentence("problem/CS-SIG-UNLOGGED", [key]),
        }
    }

    fn pipeline_fault(&self, pipeline: Option<PipelineId>, fault: &PipelineFault, tag: Option<&str>) -> Sentence {
        let release = ("release", self.release(tag));
        let this = ("pipeline", self.pipeline_or(pipeline, "the release pipeline"));
        match fault {
            PipelineFault::Missing if pipeline.is_none() => sentence("problem/CS-PIPELINE.missing", [release]),
            PipelineFault::Missing => sentence("problem/CS-PIPELINE.gone", [this, release]),
            PipelineFault::JobsFailed { jobs } => {
                let jobs: Vec<_> = jobs.iter().map(|job| Phrase::name(job)).collect();
                sentence("problem/CS-PIPELINE.jobs-failed", [this, ("jobs", Phrase::list(&jobs))])
            }
            PipelineFault::NotEnded { status } => {
                sentence("problem/CS-PIPELINE.not-ended", [this, ("status", Phrase::name(status)), ("ask", ask())])
            }
            PipelineFault::OtherCommit { found, expected } => {
                let (expected, found) = Phrase::commits(expected, found.as_str());
                sentence("problem/CS-PIPELINE.other-commit", [this, release, ("found", found), ("expected", expected)])
            }
            PipelineFault::OtherRun { claimed, recorded } => {
                let (recorded, claimed) = Phrase::values(recorded, claimed);
                sentence("problem/CS-PIPELINE.other-run", [this, ("claimed", claimed), ("recorded", recorded)])
            }
            PipelineFault::NoReleaseJob { job } => sentence("problem/CS-PIPELINE.no-release-job", [this, ("job", Phrase::name(job))]),
            PipelineFault::NotAsking { job } => sentence("problem/CS-PIPELINE.not-asking", [this, ("job", Phrase::number(job.0))]),
        }
    }

    fn pipeline(&self, id: PipelineId) -> Phrase {
        Phrase::pipeline(id, self.project_url)
    }

    fn pipeline_or(&self, id: Option<PipelineId>, otherwise: &'static str) -> Phrase {
        id.map_or(Phrase::own(otherwise), |id| self.pipeline(id))
    }

    /// What was to be released: the tag that is told, else that of the question.
    fn release(&self, tag: Option<&str>) -> Phrase {
        tag.or(self.release).map_or(Phrase::own("the commit"), Phrase::name)
    }
}

fn ask() -> Phrase {
    Phrase::typed("/countersign verify")
}

fn digest_file(file: &str, says: Option<&Digest>, registry: &Digest) -> Sentence {
    match says {
        Some(says) => {
            let (says, registry) = Phrase::digests(says, registry);
            sentence("problem/CS-DIGEST-FILE", [("file", Phrase::name(file)), ("says", says), ("registry", registry)])
        }
        None => sentence("problem/CS-DIGEST-FILE.illegible", [("file", Phrase::name(file)), ("registry", Phrase::digest(registry))]),
    }
}

fn unavailable(what: &str, why: &Why) -> Sentence {
    let told = ("what", Phrase::value(what));
    let service = ("service", service(why.service));
    match why.kind {
        WhyKind::Down => sentence("problem/CS-UNAVAILABLE.down", [service, told, ("ask", ask())]),
        WhyKind::Limited => sentence("problem/CS-UNAVAILABLE.limited", [service, told, ("ask", ask())]),
        WhyKind::Refused => sentence("problem/CS-UNAVAILABLE.refused", [service, told, ("doctor", Phrase::typed("countersign doctor"))]),
        WhyKind::TooLarge => sentence("problem/CS-UNAVAILABLE.too-large", [service, told, ("ask", ask())]),
        WhyKind::Unreadable => sentence("problem/CS-UNAVAILABLE.unreadable", [service, told]),
        WhyKind::Stale => sentence("problem/CS-UNAVAILABLE.stale", [service, told]),
        WhyKind::Unread => sentence("problem/CS-UNAVAILABLE.unread", [told, ("server", Phrase::typed("countersign verify --server"))]),
    }
}

/// A repository as it is shown in notes: registry host names stay out of them.
pub(super) fn without_registry(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, path)| path)
}

/// An image's name without a registry host, if it has one; `library/debian:12` has none.
pub(super) fn without_host(name: &str) -> &str {
    match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        Some(_) | None => name,
    }
}
