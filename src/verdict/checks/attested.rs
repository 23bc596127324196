//! Which provenance counts. As for signatures, one statement meets the whole rule by itself, and one that does is enough: whoever
//! may push to the registry may lay others beside it.
//!
//! A statement counts if a signer whom the image trusts signed it, within the window of its key and logged where that is demanded, the release pipeline made it while its job ran, it describes
//! these bytes, and what it says of project, commit, pipeline, job and runner is what GitLab's own records say.
//!
//! The signer is an authority that vouches for the image as well: the same key as a signature that counts, or the project's own
//! release job, if its identity is among the trusted signers. So a key says nothing of an image that it did not sign, while a
//! statement by the pipeline's identity may lie beside an image that a key signed: GitLab makes its own attestations that way.
//!
//! A key names no job, and outside a log nothing proves when it signed. Such a statement counts, and [`Held::timeless`] says so; not
//! where a log is demanded of that key.

use jiff::SignedDuration;

use super::evidence::{self, trusted_key};
use super::identity::{self, Weighed};
use super::{key, pipeline_problem, signature, tag_or_ref};
use crate::model::attestation::{Attested, AttestedAt, Provenance, ProvenanceSeen, Source};
use crate::model::gitlab::{CiStatus, CommitSha, Job, Pipeline, Project};
use crate::model::signer::{KeylessIdentity, SignatureState, SignedBy, SignerName};
use crate::model::{Digest, Timestamp};
use crate::verdict::{Facts, LateFault, Looked, PipelineFault, Policy, Problem, Service, Why, WhyKind};

/// How far a log's clock and GitLab's may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// GitLab's own attestations are made by a background job after the CI job has ended; nobody else can put one into that API.
const GITLAB_SIGNS_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What the provenance that was found amounts to.
pub enum Standing<'a> {
    Holds(Held<'a>),
    /// A look is missing that could make one count.
    CouldNot(Why),
    /// None counts, and no missing look could change that.
    Nothing(Option<Fault>),
}

/// A statement that counts.
pub struct Held<'a> {
    pub attested: &'a Attested,
    pub says: &'a Provenance,
    pub by: &'a SignedBy,
    /// A key made it, and nothing proves when: perhaps long after the build.
    pub timeless: bool,
}

/// Why the statement that came nearest does not count.
pub struct Fault {
    pub expected: String,
    pub found: String,
    /// `None`: it is there, but proves nothing, so that it is as if it were missing.
    pub problem: Option<Problem>,
    /// How far it came.
    near: Near,
}

/// The steps of a statement, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    Unverified,
    OtherBytes,
    OtherSigner,
    OtherRun,
    OtherStory,
}

enum Stop {
    Fault(Box<Fault>),
    CouldNot(Why),
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self::CouldNot(why)
    }
}

fn stop(near: Near, expected: impl Into<String>, found: impl Into<String>, problem: impl Into<Option<Problem>>) -> Stop {
    Stop::Fault(Box::new(Fault { expected: expected.into(), found: found.into(), problem: problem.into(), near }))
}

/// Weighs every statement.
pub fn weigh<'a>(facts: &'a Facts, policy: &Policy) -> Standing<'a> {
    let digest = match &facts.digest {
        Looked::Found(digest) => *digest,
        Looked::Absent => return Standing::Nothing(None),
        Looked::Unreachable(why) => return Standing::CouldNot(why.clone()),
    };
    let mut could_not = None;
    let mut nearest: Option<Fault> = None;
    for look in [&facts.provenance, &facts.gitlab_provenance] {
        let all = match look {
            Looked::Found(all) => all.as_slice(),
            Looked::Absent => &[],
            Looked::Unreachable(why) => {
                could_not = could_not.or(Some(why.clone()));
                &[]
            }
        };
        for attested in all {
            match (Weighing { facts, policy, digest, attested }).weigh() {
                Ok(held) => return Standing::Holds(held),
                Err(Stop::CouldNot(why)) => could_not = could_not.or(Some(why)),
                Err(Stop::Fault(fault)) if nearest.as_ref().is_none_or(|best| best.near < fault.near) => nearest = Some(*fault),
                Err(Stop::Fault(_)) => {}
            }
        }
    }
    could_not.map_or(Standing::Nothing(nearest), Standing::CouldNot)
}

/// The provenance to show: only one that counts.
pub fn shown(facts: &Facts, policy: &Policy) -> Option<ProvenanceSeen> {
    let Standing::Holds(held) = weigh(facts, policy) else { return None };
    Some(ProvenanceSeen {
        predicate_type: held.says.predicate_type,
        builder: held.says.builder.clone(),
        build_type: held.says.build_type.clone(),
        at: held.attested.at,
        signed_by: held.by.clone(),
        signed_at: held.attested.signed_at(),
    })
}

/// One statement being weighed.
struct Weighing<'a, 'p> {
    facts: &'a Facts,
    policy: &'p Policy,
    digest: Digest,
    attested: &'a Attested,
}

impl<'a> Weighing<'a, '_> {
    fn weigh(&self) -> Result<Held<'a>, Stop> {
        let (by, says) = self.verified()?;
        if !says.subjects.contains(&self.digest) {
            let described = says.subjects.first().map_or_else(|| "nothing".into(), ToString::to_string);
            return Err(self.other_bytes(says.subjects.first().copied(), described));
        }
        let project = self.look(self.facts.project.as_ref(), "a project", "no such project")?;
        let release = self.look(self.facts.pipeline.as_ref(), "a pipeline", "no pipeline")?;
        let attesting = match by {
            SignedBy::Key(name) => {
                self.key(name)?;
                None
            }
            SignedBy::Keyless(identity) => Some(self.attesting_job(identity, project, release)?),
        };
        let timeless = self.attested.proven.times.is_none();
        self.project(says, project)?;
        self.commit(says, project)?;
        self.run(says, release, attesting)?;
        if attesting.is_none() {
            self.in_pipeline_time(release)?;
        }
        Ok(Held { attested: self.attested, says, by, timeless })
    }

    fn look<T>(&self, look: Looked<T>, expected: &str, absent: &str) -> Result<T, Stop> {
        match look {
            Looked::Found(value) => Ok(value),
            // The checks of the project and the pipeline say so.
            Looked::Absent => Err(stop(Near::Unverified, expected, absent, None)),
            Looked::Unreachable(why) => Err(why.into()),
        }
    }

    fn verified(&self) -> Result<(&'a SignedBy, &'a Provenance), Stop> {
        let expected = "provenance that verifies";
        match (&self.attested.state, &self.attested.says) {
            (SignatureState::Verified(by), Some(says)) => Ok((by, says)),
            (SignatureState::Verified(_), None) => Err(stop(Near::Unverified, expected, "a statement that is no provenance", None)),
            (SignatureState::OtherSubject { digest, .. }, _) => Err(self.other_bytes(Some(*digest), digest.to_string())),
            (SignatureState::NotOurs { hint }, _) => Err(self.other_signer(hint.clone().unwrap_or_else(|| "an unknown key".into()))),
            (SignatureState::Invalid { reason, .. }, _) => {
                Err(stop(Near::Unverified, expected, format!("one that does not verify: {reason}"), None))
            }
            // It is there, and nobody looked into it: no word for it, and none against it (SR-02, SR-20).
            (SignatureState::Unreadable { reason }, _) => {
                let service = match self.attested.at {
                    AttestedAt::Registry(_) => Service::Registry,
                    AttestedAt::Gitlab => Service::Gitlab,
                };
                Err(Why::new(service, WhyKind::Unreadable, format!("an attestation cannot be read: {reason}")).into())
            }
        }
    }

    fn other_bytes(&self, described: Option<Digest>, found: String) -> Stop {
        let problem = described.map(|described| Problem::ProvDigest { described, digest: self.digest });
        stop(Near::OtherBytes, self.digest.to_string(), found, problem)
    }

    fn other_signer(&self, found: String) -> Stop {
        let expected = signature::trusted(self.facts);
        let problem = Problem::ProvOther { digest: self.digest, found: found.clone(), expected: expected.clone() };
        stop(Near::OtherSigner, expected, found, problem)
    }

    fn late(&self, expected: String, found: String, fault: LateFault) -> Stop {
        let pipeline = self.facts.pipeline.found().map(|pipeline| pipeline.id);
        stop(Near::OtherRun, expected, found, Problem::LateAttest { digest: self.digest, fault, pipeline })
    }

    /// Whether the key may attest, by the rule for signatures: who holds a revoked key can forge a story for an image that a good
    /// key signed.
    fn key(&self, name: &SignerName) -> Result<(), Stop> {
        let Some(signer) = trusted_key(self.facts, name) else { return Err(self.other_signer(format!("key {name}"))) };
        match key::weigh(self.attested.proven, signer, self.facts, self.policy) {
            // A log may hold a statement and prove no time of it: that is not what it is demanded for.
            key::Standing::Counts if key::needs_log(signer, self.policy) && self.attested.proven.times.is_none() => {
                let fault = LateFault::NoTime { key: name.clone() };
                Err(self.late("made at a proven time".into(), "at no proven time".into(), fault))
            }
            key::Standing::Counts => self.signed_the_image(name),
            key::Standing::CouldNot(why) => Err(why.into()),
            key::Standing::Refused(fault) => {
                let found = format!("key {name}, {}", signature::refused(&fault));
                Err(stop(Near::OtherSigner, signature::trusted(self.facts), found, Problem::Key { key: name.clone(), fault }))
            }
        }
    }

    /// Whether a signature of the same key over the image counts. Nothing is put together from the word of two: who holds one of
    /// several keys could else tell the story of what another one signed.
    fn signed_the_image(&self, name: &SignerName) -> Result<(), Stop> {
        let signers = evidence::signers(self.facts, self.policy);
        if signers.all.iter().any(|by| matches!(by, SignedBy::Key(signed) if signed == name)) {
            return Ok(());
        }
        if let Some(why) = signers.could_not {
            return Err(why.into());
        }
        let by: Vec<String> = signers.all.iter().map(|by| signature::signed_by(by)).collect();
        // Where no signature counts, that is what the check of the signature says.
        let expected = if by.is_empty() { "who signed the image".into() } else { format!("{}, who signed the image", by.join(" or ")) };
        let found = format!("key {name}");
        let problem = Problem::ProvOther { digest: self.digest, found: found.clone(), expected: expected.clone() };
        Err(stop(Near::OtherSigner, expected, found, problem))
    }

    /// The release job whose identity signed, while it ran: an attestation made later, by a job that somebody started for it or with
    /// a token that left its job, says nothing of the build. No other job of the pipeline may attest, whenever it ran: GitLab does not
    /// tell a job that somebody played, with variables of their choice, from one that ran by itself, and none but the release job saw
    /// the build. GitLab's own attestation carries the identity of the job that built, too.
    fn attesting_job(&self, identity: &KeylessIdentity, project: &Project, release: &Pipeline) -> Result<&'a Job, Stop> {
        match identity::weigh_claims(identity, self.digest, self.facts, self.policy) {
            Weighed::Holds => {}
            Weighed::CouldNot(why) => return Err(why.into()),
            Weighed::Fails(wrong) => {
                let found = signature::who(identity);
                let Some(first) = wrong.into_iter().next() else { return Err(self.other_signer(found)) };
                let expected = format!("{} {}", first.claim, first.expected);
                let found = format!("{} {} by {found}", first.claim, first.found);
                // Of another signer's word only the signer matters; of our own project's, what is wrong with it.
                let problem = match first.problem {
                    Problem::SigOther { digest, found, expected } => Problem::ProvOther { digest, found, expected },
                    other => other,
                };
                return Err(stop(Near::OtherSigner, expected, found, problem));
            }
        }
        let wanted = &self.facts.question.image.release_job;
        let expected = format!("job {wanted} of pipeline #{}", release.id);
        let uri = identity.run_invocation_uri.as_deref().unwrap_or("no job");
        let other = |by: String| self.late(expected.clone(), by.clone(), LateFault::OtherJob { by });
        let Some(look) = self.facts.signing_jobs.iter().find(|look| look.run_invocation_uri == uri) else {
            return Err(other(uri.into()));
        };
        let job = match &look.job {
            // The host is left out: it is Fulcio's own setting.
            Looked::Found(job) if uri.ends_with(&format!("/{}/-/jobs/{}", project.path, job.id)) => job,
            Looked::Found(_) | Looked::Absent => return Err(other(uri.into())),
            Looked::Unreachable(why) => return Err(why.clone().into()),
        };
        let ran = match &look.pipeline {
            Looked::Found(pipeline) => (pipeline.id, pipeline.project),
            Looked::Absent => return Err(other(format!("job {} #{} of no pipeline", job.name, job.id))),
            Looked::Unreachable(why) => return Err(why.clone().into()),
        };
        if job.pipeline != release.id || ran != (release.id, release.project) {
            return Err(other(format!("job {} #{} of pipeline #{}", job.name, job.id, job.pipeline)));
        }
        if job.name != *wanted {
            return Err(other(format!("job {} #{}", job.name, job.id)));
        }
        if job.status != CiStatus::Success {
            return Err(other(format!("job {} #{}: {}", job.name, job.id, job.status.word())));
        }
        self.in_time_of(job)?;
        Ok(job)
    }

    fn in_time_of(&self, job: &Job) -> Result<(), Stop> {
        let name = format!("job {} #{}", job.name, job.id);
        let (Some(start), Some(end)) = (job.started_at, job.finished_at) else {
            return Err(self.late(format!("made while {name} ran"), "GitLab knows no such time".into(), LateFault::OtherJob { by: name }));
        };
        // A certificate without a proven time is not verified in the first place.
        let Some(times) = self.attested.proven.times else {
            return Err(self.late(format!("made while {name} ran"), "at no proven time".into(), LateFault::OtherJob { by: name }));
        };
        let after = match self.attested.at {
            AttestedAt::Registry(_) => SKEW,
            AttestedAt::Gitlab => GITLAB_SIGNS_WITHIN,
        };
        match outside(times, start, end.checked_add(after).unwrap_or(end)) {
            Some(at) => Err(self.late(format!("between {start} and {end}"), at.to_string(), LateFault::OtherTime { job: name, at })),
            None => Ok(()),
        }
    }

    /// A key names no job. Where a log proves the time, it must be within the pipeline's.
    fn in_pipeline_time(&self, release: &Pipeline) -> Result<(), Stop> {
        let (Some(times), Some(start)) = (self.attested.proven.times, release.created_at) else { return Ok(()) };
        let end = release.finished_at.map_or(Timestamp::MAX, |end| end.checked_add(SKEW).unwrap_or(end));
        let Some(at) = outside(times, start, end) else { return Ok(()) };
        let job = format!("pipeline #{}", release.id);
        let end = release.finished_at.map_or_else(|| "now".into(), |end| end.to_string());
        Err(self.late(format!("between {start} and {end}"), at.to_string(), LateFault::OtherTime { job, at }))
    }

    /// Every address of a project that the statement gives is this project's.
    fn project(&self, says: &Provenance, project: &Project) -> Result<(), Stop> {
        let runner = says.runner.as_ref().map(|runner| runner.project.as_str());
        let other = [says.run_in.as_deref(), runner].into_iter().flatten().find(|named| !same_project(named, project));
        match other {
            None => Ok(()),
            Some(named) => {
                let problem = Problem::Project { found: named.into(), expected: project.path.to_string() };
                Err(stop(Near::OtherStory, &project.web_url, named, problem))
            }
        }
    }

    /// A statement may name several repositories; this project's must be among them, with the release's commit and no other.
    fn commit(&self, says: &Provenance, project: &Project) -> Result<(), Stop> {
        let expected = self.look(self.facts.expected_commit(), "a commit", "none")?;
        let ours: Vec<&Source> = says.sources.iter().filter(|source| same_project(&source.uri, project)).collect();
        if ours.is_empty()
            && let Some(other) = says.sources.first()
        {
            let problem = Problem::Project { found: other.uri.clone(), expected: project.path.to_string() };
            return Err(stop(Near::OtherStory, &project.web_url, &other.uri, problem));
        }
        let named: Vec<&CommitSha> = ours.iter().filter_map(|source| source.commit.as_ref()).collect();
        let wrong = match named.iter().find(|commit| **commit != expected) {
            Some(other) => other.as_str(),
            None if named.is_empty() => "no commit",
            None => return Ok(()),
        };
        let problem = Problem::Commit { tag: tag_or_ref(self.facts), expected: expected.clone(), found: wrong.into() };
        Err(stop(Near::OtherStory, expected.as_str(), wrong, problem))
    }

    /// Pipeline, job, job name and runner, where the statement names them. A key proves none of them, so that its statement must
    /// name the pipeline or a job.
    fn run(&self, says: &Provenance, release: &Pipeline, attesting: Option<&Job>) -> Result<(), Stop> {
        if let Some(named) = says.pipeline.filter(|named| *named != release.id) {
            return Err(self.other_run(format!("pipeline #{named}"), format!("pipeline #{}", release.id)));
        }
        let job = match says.job {
            Some(id) => {
                let jobs = self.look(self.facts.jobs.as_ref(), "a job", "no jobs")?;
                let found = jobs.iter().chain(attesting).find(|job| job.id == id);
                Some(found.ok_or_else(|| self.other_run(format!("job #{id}"), "no such job".into()))?)
            }
            None if attesting.is_none() && says.pipeline.is_none() => {
                return Err(self.other_run("no job and no pipeline".into(), format!("pipeline #{}", release.id)));
            }
            None => attesting.or_else(|| self.facts.release_job()),
        };
        let Some(job) = job else { return Ok(()) };
        if job.pipeline != release.id {
            return Err(self.other_run(format!("job #{} of pipeline #{}", job.id, job.pipeline), format!("pipeline #{}", release.id)));
        }
        if let Some(name) = says.job_name.as_ref().filter(|name| **name != job.name) {
            return Err(self.other_run(format!("job {name}"), format!("job {} #{}", job.name, job.id)));
        }
        match (&says.runner, &job.runner) {
            (Some(named), Some(runner)) if named.id == runner.id => Ok(()),
            (Some(named), Some(runner)) => {
                Err(self.other_run(format!("runner #{}", named.id), format!("runner #{} ({})", runner.id, runner.description)))
            }
            (Some(named), None) => Err(self.other_run(format!("runner #{}", named.id), "no runner".into())),
            (None, _) => Ok(()),
        }
    }

    fn other_run(&self, claimed: String, recorded: String) -> Stop {
        let fault = PipelineFault::OtherRun { claimed: claimed.clone(), recorded: recorded.clone() };
        stop(Near::OtherStory, recorded, claimed, pipeline_problem(self.facts, fault))
    }
}

/// The proven time that does not lie between a start and a last moment. Every one must (SR-13): an early one carries no late one.
fn outside((earliest, latest): (Timestamp, Timestamp), start: Timestamp, last: Timestamp) -> Option<Timestamp> {
    let early = (earliest.duration_since(start) < -SKEW).then_some(earliest);
    early.or((latest > last).then_some(latest))
}

/// Whether an address is this project's: the whole value, but for what Git adds to it. GitLab's paths are compared as they are
/// written; a renamed project's old statements name its old address, and no longer hold.
fn same_project(uri: &str, project: &Project) -> bool {
    let bare = uri.strip_prefix("git+").unwrap_or(uri);
    // `https://gitlab.example.com/shop/api.git@refs/tags/v1`, in the form of SLSA's examples.
    let bare = bare.split_once("@refs/").map_or(bare, |(bare, _)| bare);
    bare.strip_suffix(".git").unwrap_or(bare) == project.web_url
}
