//! A keyless signer is this project's release pipeline. SR-14: every claim is compared as a whole value with one that is derived
//! from the project as GitLab shows it now; nobody types a pattern, and nothing is matched by substring, prefix or case.
//!
//! Claims and where they come from: [Fulcio's OID list](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md). The
//! project and namespace ids are compared because the SAN of a fork's merge request pipeline, run in the parent project, names the
//! parent's CI file at the fork's branch name; ids also survive that somebody takes over an abandoned path.
//!
//! Not compared, because nothing that is known here says what they must be: the runner's kind (`.11`: the runner itself is looked up
//! by its job), the project's visibility (`.22`: that of the moment of signing; a project that was opened since is the same project),
//! the deployment environment (`.23`: a release job need not have one) and the token's subject (`.24`: each project sets its form, and
//! older authorities leave it out).

use super::evidence::{self, Evidence};
use super::{could_not_check, may_release, pipeline_problem, tag_or_ref};
use crate::model::Digest;
use crate::model::gitlab::{CiStatus, GitRef, Job, Project};
use crate::model::signer::KeylessIdentity;
use crate::verdict::facts::SigningJob;
use crate::verdict::{Check, Facts, Finding, Looked, PipelineFault, Policy, Problem, Why};

const CHECK: Check = Check::Identity;

/// Where GitLab looks for the CI configuration when the project's setting is empty.
const DEFAULT_CI_FILE: &str = ".gitlab-ci.yml";

/// One finding when the identity holds, does not apply or could not be checked; else one for each claim that is wrong.
pub fn check(facts: &Facts, policy: &Policy) -> Vec<Finding> {
    if evidence::issuers(facts).is_empty() {
        return vec![Finding::not_applicable(CHECK, "no keyless signer is trusted")];
    }
    match evidence::weigh(facts, policy) {
        Evidence::Key(_, name) => vec![Finding::not_applicable(CHECK, format!("signed by key {name}"))],
        // That it counts means that it equals what was derived.
        Evidence::Keyless(_, identity) => {
            let uri = identity.san_uri.clone().unwrap_or_default();
            vec![Finding::passed(CHECK, uri.clone(), uri)]
        }
        Evidence::CouldNot(why) => vec![could_not_check(CHECK, "this project's release pipeline", facts, &why)],
        Evidence::Nothing { nearest: None, .. } => vec![Finding::not_applicable(CHECK, "no keyless signature")],
        Evidence::Nothing { nearest: Some((_, wrong)), .. } => wrong
            .into_iter()
            .map(|w| Finding::blocked(CHECK, format!("{} {}", w.claim, w.expected), format!("{} {}", w.claim, w.found), w.problem))
            .collect(),
    }
}

/// Whether a verified certificate says what this project's release pipeline must say.
pub enum Weighed {
    Holds,
    /// These claims are wrong; at least one.
    Fails(Vec<Wrong>),
    /// Nothing seen is wrong, but not everything could be seen.
    CouldNot(Why),
}

/// A claim that is not what it must be.
pub struct Wrong {
    pub claim: &'static str,
    pub expected: String,
    pub found: String,
    pub problem: Problem,
}

/// What a claim must be.
#[derive(Clone)]
enum Expected {
    Value(String),
    /// No value would be right, for this reason.
    Nothing(String),
    Unknown(Why),
}

/// One claim, compared.
enum Compared {
    Right,
    Wrong(Box<Wrong>),
    CouldNot(Why),
}

/// Of a signature: every claim, and that the release job made it.
pub fn weigh(identity: &KeylessIdentity, digest: Digest, facts: &Facts, policy: &Policy) -> Weighed {
    let mut compared = compare_claims(identity, digest, facts, policy);
    compared.push(run(identity, digest, facts));
    sum(compared)
}

/// Of an attestation: every claim but the job's, which is looked at by itself, together with the time.
pub fn weigh_claims(identity: &KeylessIdentity, digest: Digest, facts: &Facts, policy: &Policy) -> Weighed {
    sum(compare_claims(identity, digest, facts, policy))
}

fn sum(all: Vec<Compared>) -> Weighed {
    let mut wrong = vec![];
    let mut could_not = None;
    for compared in all {
        match compared {
            Compared::Right => {}
            Compared::Wrong(claim) => wrong.push(*claim),
            Compared::CouldNot(why) => could_not = could_not.or(Some(why)),
        }
    }
    match (wrong.is_empty(), could_not) {
        (false, _) => Weighed::Fails(wrong),
        (true, Some(why)) => Weighed::CouldNot(why),
        (true, None) => Weighed::Holds,
    }
}

/// The claims. The order is that of the reasons: who, which project, which file and ref, which commit, how; then comes which job.
fn compare_claims(identity: &KeylessIdentity, digest: Digest, facts: &Facts, policy: &Policy) -> Vec<Compared> {
    let other = |expected: &str, found: &str| Problem::SigOther { digest, found: found.into(), expected: expected.into() };
    let project = |_: &str, _: &str| Problem::Project { found: project_named(identity), expected: facts.question.project.path.to_string() };
    let expected_project = |f: fn(&Project) -> String| of(facts.project.as_ref().map(f), "no such project in GitLab");
    let uri = build_config_uri(facts);
    let expected_ref = of(release_ref(facts).map(|git_ref| git_ref.full()), "no release ref");
    let expected_commit = of(facts.expected_commit().map(|sha| sha.to_string()), "no commit");
    vec![
        issuer(identity, facts, other),
        whole("project id", expected_project(|p| p.key.id.to_string()), &identity.source_repository_identifier, project),
        whole("namespace id", expected_project(|p| p.namespace_id.to_string()), &identity.source_repository_owner_identifier, project),
        whole("SAN", uri.clone(), &identity.san_uri, other),
        whole("build signer", uri.clone(), &identity.build_signer_uri, other),
        whole("build config", uri, &identity.build_config_uri, other),
        whole("ref", expected_ref, &identity.source_repository_ref, other),
        whole("commit", expected_commit.clone(), &identity.source_repository_digest, |_, found| commit_problem(facts, found)),
        if_said("build signer commit", expected_commit.clone(), &identity.build_signer_digest, |_, found| commit_problem(facts, found)),
        if_said("build config commit", expected_commit, &identity.build_config_digest, |_, found| commit_problem(facts, found)),
        trigger(identity, facts, policy, other),
    ]
}

fn of(looked: Looked<String>, nothing: &str) -> Expected {
    match looked {
        Looked::Found(value) => Expected::Value(value),
        Looked::Absent => Expected::Nothing(nothing.into()),
        Looked::Unreachable(why) => Expected::Unknown(why),
    }
}

/// An absent claim equals nothing.
fn whole(claim: &'static str, expected: Expected, found: &Option<String>, problem: impl FnOnce(&str, &str) -> Problem) -> Compared {
    let expected = match expected {
        Expected::Value(value) if found.as_ref() == Some(&value) => return Compared::Right,
        Expected::Value(value) => value,
        Expected::Nothing(reason) => reason,
        Expected::Unknown(why) => return Compared::CouldNot(why),
    };
    wrong(claim, expected, found.as_deref().unwrap_or("none"), problem)
}

/// A claim that not every authority writes: a template of one's own may leave it out, and what decides stands in another.
fn if_said(claim: &'static str, expected: Expected, found: &Option<String>, problem: impl FnOnce(&str, &str) -> Problem) -> Compared {
    if found.is_none() { Compared::Right } else { whole(claim, expected, found, problem) }
}

fn wrong(claim: &'static str, expected: String, found: &str, problem: impl FnOnce(&str, &str) -> Problem) -> Compared {
    let problem = problem(&expected, found);
    Compared::Wrong(Box::new(Wrong { claim, expected, found: found.into(), problem }))
}

/// The issuer is pinned first of all: Fulcio's shared GitLab template writes `https://gitlab.com/…` into the addresses of every
/// GitLab issuer it accepts.
fn issuer(identity: &KeylessIdentity, facts: &Facts, problem: impl FnOnce(&str, &str) -> Problem) -> Compared {
    let trusted = evidence::issuers(facts);
    match &identity.issuer {
        Some(found) if trusted.contains(&found.as_str()) => Compared::Right,
        found => wrong("issuer", trusted.join(" or "), found.as_deref().unwrap_or("none"), problem),
    }
}

fn trigger(identity: &KeylessIdentity, facts: &Facts, policy: &Policy, problem: impl FnOnce(&str, &str) -> Problem) -> Compared {
    let found = identity.build_trigger.as_deref().unwrap_or("none");
    if may_release(policy, found) {
        return Compared::Right;
    }
    wrong("trigger", policy.sources.join(" or "), found, |expected, found| match facts.pipeline.found() {
        Some(pipeline) => Problem::Source { pipeline: pipeline.id, source: found.into() },
        None => problem(expected, found),
    })
}

/// The job that signed is the release job of the release pipeline, and it succeeded. The certificate holds no pipeline id, so
/// GitLab was asked for the job of its run address; otherwise any job on the ref could sign any digest, at any later time.
fn run(identity: &KeylessIdentity, digest: Digest, facts: &Facts) -> Compared {
    let wanted = &facts.question.image.release_job;
    let other = |found: String| {
        let problem = |expected: &str, found: &str| Problem::SigOther { digest, found: found.into(), expected: expected.into() };
        wrong("run", format!("job {wanted} of the release pipeline"), &found, problem)
    };
    let Some(uri) = &identity.run_invocation_uri else {
        return other("none".into());
    };
    let Some(look) = facts.signing_jobs.iter().find(|look| look.run_invocation_uri == *uri) else {
        return other(format!("{uri}, which names no job here"));
    };
    let job = match &look.job {
        Looked::Found(job) => job,
        Looked::Absent => return other(format!("{uri}, which does not exist")),
        Looked::Unreachable(why) => return Compared::CouldNot(why.clone()),
    };
    if job.name != *wanted {
        return other(format!("job {} #{}", job.name, job.id));
    }
    if job.status != CiStatus::Success {
        let fault = if job.status.ended() {
            PipelineFault::JobsFailed { jobs: vec![job.name.clone()] }
        } else {
            PipelineFault::NotEnded { status: job.status.word().into() }
        };
        let found = format!("job {} #{}: {}", job.name, job.id, job.status.word());
        return wrong("run", "success".into(), &found, |_, _| pipeline_problem(facts, fault));
    }
    in_release_pipeline(uri, job, look, facts).unwrap_or_else(other)
}

/// Whether the job that signed ran in the release pipeline of this project; else what was found instead.
fn in_release_pipeline(uri: &str, job: &Job, look: &SigningJob, facts: &Facts) -> Result<Compared, String> {
    match &facts.project {
        // The host is left out: it is Fulcio's own setting. That GitLab was asked for the job this address names is what counts.
        Looked::Found(project) if uri.ends_with(&format!("/{}/-/jobs/{}", project.path, job.id)) => {}
        Looked::Found(_) | Looked::Absent => return Err(format!("{uri}, which names no job here")),
        Looked::Unreachable(why) => return Ok(Compared::CouldNot(why.clone())),
    }
    let (ran, release) = match (&look.pipeline, &facts.pipeline) {
        (Looked::Unreachable(why), _) | (_, Looked::Unreachable(why)) => return Ok(Compared::CouldNot(why.clone())),
        (Looked::Absent, _) | (_, Looked::Absent) => return Err(format!("job {} #{} of no pipeline", job.name, job.id)),
        (Looked::Found(ran), Looked::Found(release)) => (ran, release),
    };
    if job.pipeline != release.id || (ran.id, ran.project) != (release.id, release.project) {
        return Err(format!("job {} #{} of pipeline #{}", job.name, job.id, job.pipeline));
    }
    Ok(Compared::Right)
}

fn commit_problem(facts: &Facts, found: &str) -> Problem {
    match facts.expected_commit() {
        Looked::Found(expected) => Problem::Commit { tag: tag_or_ref(facts), expected: expected.clone(), found: found.into() },
        // Without a Git tag there is no commit to be expected: that is what is wrong.
        Looked::Absent | Looked::Unreachable(_) => super::commit::no_commit(facts),
    }
}

/// The project a certificate names, for people.
fn project_named(identity: &KeylessIdentity) -> String {
    let id = identity.source_repository_identifier.as_deref().unwrap_or("none");
    match &identity.source_repository_uri {
        Some(uri) => format!("{uri} (id {id})"),
        None => format!("id {id}"),
    }
}

fn release_ref(facts: &Facts) -> Looked<GitRef> {
    match facts.git_ref() {
        Some(git_ref) => Looked::Found(git_ref),
        None => facts.pipeline.as_ref().map(|pipeline| pipeline.git_ref.clone()),
    }
}

/// What GitLab puts into `ci_config_ref_uri`, and Fulcio with `https://` before it into SAN, build signer and build config: the
/// server's name with port and path, the project's path, `//`, the CI file, `@`, the full ref. The scheme is `https` even where
/// the server's own is not.
fn build_config_uri(facts: &Facts) -> Expected {
    let project = match &facts.project {
        Looked::Found(project) => project,
        Looked::Absent => return Expected::Nothing("no such project in GitLab".into()),
        Looked::Unreachable(why) => return Expected::Unknown(why.clone()),
    };
    let file = match project.ci_config_path.as_str() {
        "" => DEFAULT_CI_FILE,
        // `file@group/project` or an address: the configuration is another project's, and so would be the identity.
        path if path.contains('@') || path.contains("://") => {
            return Expected::Nothing(format!("a CI file of this project, and not {path}"));
        }
        path => path,
    };
    let address = project.web_url.strip_prefix("https://").or_else(|| project.web_url.strip_prefix("http://"));
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        return Expected::Nothing(format!("a project with an http address, and not {}", project.web_url));
    };
    of(release_ref(facts).map(|git_ref| format!("https://{address}//{file}@{}", git_ref.full())), "no release ref")
}
