//! The checks, one file each, and the judge that runs them all.
//!
//! A check is a function of the facts and the policy alone. It blocks only on what was seen: where its answer hangs on a look
//! that brought nothing, it could not check. Checks do not read one another's findings; what several need is in [`evidence`].

mod attested;
mod base_image;
mod built_once;
mod commit;
mod commit_tag;
mod digest_file;
mod evidence;
mod git_tag;
mod identity;
mod key;
mod pipeline;
mod platforms;
mod protected_ref;
mod provenance;
mod release_job;
mod runner;
mod signature;
mod source;
mod version_tag;

#[cfg(test)]
mod tests;

use super::facts::TagRole;
use super::{
    About, Check, CheckOutcome, Facts, Finding, Fresh, Looked, Outcome, PipelineFault, Policy, Problem, Question, Rank, Service, Subject,
    Verdict, Why, WhyKind, policy_digest,
};
use crate::model::signer::{Layout, SignatureState, SignedBy};
use crate::model::{Digest, PinnedImage, Timestamp};
use evidence::Evidence;

/// The pipeline sources that never release, whatever the policy says: GitLab makes `external` pipelines of commit statuses, and
/// a `merge_request_event` pipeline runs code that nobody merged, with certificates that may name the target project.
const NEVER_SOURCES: [&str; 2] = ["external", "merge_request_event"];

/// Judges facts under a policy. It cannot fail.
///
/// The outcome, in this order:
/// 1. **blocked**, if a check that blocks proves tampering ([`Rank::Tampered`]): digests that disagree are in hand, and no later
///    answer makes them agree. What anybody who may push can lay beside an image proves none;
/// 2. **could not check**, if any check could not look: the story is incomplete, and what else is wrong may be an effect of the
///    outage;
/// 3. **blocked**, if any check blocks;
/// 4. **passed**, only if a digest is known and the checks of the signature, the pipeline and the protected ref passed outright.
///
/// The headline is the problem of the first rank among those of that outcome, at equal rank the one of the first check.
pub fn judge(facts: &Facts, policy: &Policy) -> Fresh {
    let findings = look_at_everything(facts, policy);
    let (outcome, problem) = conclude(facts, &findings);
    Fresh(Verdict {
        outcome,
        problem,
        findings,
        image: facts.digest.found().map(|digest| pinned(facts, *digest)),
        as_of: facts.as_of,
        policy: policy_digest(policy, &facts.question),
        trust_root: facts.trust_root,
        subject: subject(facts, policy),
    })
}

/// The verdict about a registry tag that led to no image, and to no release either: nothing could be judged, and nothing passes.
/// `why` is `None` where the registry answered that there is no such tag.
pub fn judge_no_image(question: &Question, tag: &str, why: Option<&Why>, policy: &Policy, as_of: Timestamp) -> Verdict {
    let repository = question.image.repository.to_string();
    let problem = match why {
        None => Problem::TagMissing { tag: tag.into(), repository },
        Some(why) if why.service == Service::Registry && why.kind == WhyKind::Refused => Problem::RegistryAuth { repository },
        Some(why) => Problem::Unavailable { what: tag.into(), why: why.clone() },
    };
    let (outcome, check, found) = match why {
        None => (Outcome::Blocked, CheckOutcome::Blocked, "no such tag"),
        Some(_) => (Outcome::CouldNotCheck, CheckOutcome::CouldNotCheck, "could not look"),
    };
    let finding =
        Finding { check: Check::VersionTag, outcome: check, expected: tag.into(), found: found.into(), problem: Some(problem.clone()) };
    let subject = Subject {
        question: question.clone(),
        project: None,
        project_url: None,
        commit: None,
        pipeline: None,
        ref_protected: None,
        job: None,
        signer: None,
        layout: None,
        merge_requests: vec![],
        tests: None,
        provenance: None,
        base_image: None,
        platforms: vec![],
    };
    Verdict {
        outcome,
        problem: Some(problem),
        findings: vec![finding],
        image: None,
        as_of,
        policy: policy_digest(policy, question),
        trust_root: None,
        subject,
    }
}

/// Every check, in the order of [`Check`].
fn look_at_everything(facts: &Facts, policy: &Policy) -> Vec<Finding> {
    let mut findings = vec![
        git_tag::check(facts, policy),
        version_tag::check(facts, policy),
        commit_tag::check(facts, policy),
        digest_file::check(facts, policy),
        signature::check(facts, policy),
        platforms::check(facts, policy),
    ];
    findings.extend(identity::check(facts, policy));
    findings.extend([
        commit::check(facts, policy),
        pipeline::check(facts, policy),
        protected_ref::check(facts, policy),
        source::check(facts, policy),
        release_job::check(facts, policy),
        built_once::check(facts, policy),
        provenance::check(facts, policy),
        base_image::check(facts, policy),
        runner::check(facts, policy),
    ]);
    findings
}

/// The outcome and its one reason; see [`judge`].
fn conclude(facts: &Facts, findings: &[Finding]) -> (Outcome, Option<Problem>) {
    let first = |outcome: CheckOutcome, tampered_only: bool| {
        findings
            .iter()
            .filter(|finding| finding.outcome == outcome)
            .filter_map(|finding| finding.problem.as_ref())
            .filter(|problem| !tampered_only || problem.rank() == Rank::Tampered && !signature::is_anybodys(facts, problem))
            .min_by_key(|problem| problem.rank())
            .cloned()
    };
    let any = |outcome: CheckOutcome| findings.iter().any(|finding| finding.outcome == outcome);
    if let Some(tampered) = first(CheckOutcome::Blocked, true) {
        return (Outcome::Blocked, Some(tampered));
    }
    if any(CheckOutcome::CouldNotCheck) {
        let problem = first(CheckOutcome::CouldNotCheck, false);
        return (Outcome::CouldNotCheck, problem.or_else(|| Some(unexplained(facts))));
    }
    let missing = what_no_pass_is_without(facts, findings);
    if any(CheckOutcome::Blocked) || missing.is_some() {
        let problem = first(CheckOutcome::Blocked, false).or(missing);
        return (Outcome::Blocked, problem.or_else(|| Some(unexplained(facts))));
    }
    (Outcome::Passed, None)
}

/// SR-01: a list of checks that is empty, or in which a core check did not apply, never passes.
fn what_no_pass_is_without(facts: &Facts, findings: &[Finding]) -> Option<Problem> {
    let passed = |check: Check| {
        let mut its = findings.iter().filter(|finding| finding.check == check).peekable();
        its.peek().is_some() && its.all(|finding| finding.outcome == CheckOutcome::Passed)
    };
    let Some(digest) = facts.digest.found() else {
        return Some(no_image(facts));
    };
    if !passed(Check::Signature) {
        return Some(sig_missing(facts, *digest));
    }
    if !passed(Check::Pipeline) {
        return Some(pipeline_problem(facts, PipelineFault::Missing));
    }
    if !passed(Check::ProtectedRef) {
        return Some(Problem::RefUnprotected { git_ref: facts.git_ref().map_or_else(|| "no ref".into(), |r| r.full()) });
    }
    None
}

/// What a finding without a reason is reported as. No check makes one.
fn unexplained(facts: &Facts) -> Problem {
    could_not(facts, &Why::new(Service::Store, WhyKind::Unreadable, "a check gave no reason"))
}

fn subject(facts: &Facts, policy: &Policy) -> Subject {
    let project = facts.project.found();
    let signer = shown_signer(facts, policy);
    Subject {
        question: facts.question.clone(),
        project: project.map(|project| project.key.clone()),
        project_url: project.map(|project| project.web_url.clone()),
        commit: facts.commit.found().cloned(),
        pipeline: facts.pipeline.found().cloned(),
        ref_protected: facts.ref_protected.found().copied(),
        job: facts.release_job().cloned(),
        signer: signer.as_ref().map(|(by, _)| by.clone()),
        layout: signer.map(|(_, layout)| layout),
        platforms: platforms::standings(facts, policy),
        merge_requests: facts.merge_requests.found().cloned().unwrap_or_default(),
        tests: facts.tests.found().copied(),
        provenance: attested::shown(facts, policy),
        base_image: base_image::shown(facts, policy),
    }
}

/// The signer to show: of the signature that counted, else of another that verifies.
fn shown_signer(facts: &Facts, policy: &Policy) -> Option<(SignedBy, Layout)> {
    match evidence::weigh(facts, policy) {
        Evidence::Key(signature, name) => return Some((SignedBy::Key(name.clone()), signature.layout)),
        Evidence::Keyless(signature, identity) => return Some((SignedBy::Keyless(Box::new(identity.clone())), signature.layout)),
        Evidence::CouldNot(_) | Evidence::Nothing { .. } => {}
    }
    facts.signatures.found()?.iter().find_map(|signature| match &signature.state {
        SignatureState::Verified(by) => Some((by.clone(), signature.layout)),
        SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => None,
    })
}

fn pinned(facts: &Facts, digest: Digest) -> PinnedImage {
    PinnedImage { repository: facts.question.image.repository.clone(), digest }
}

/// The finding of a check whose answer hangs on a look that brought nothing.
fn could_not_check(check: Check, expected: impl Into<String>, facts: &Facts, why: &Why) -> Finding {
    Finding {
        check,
        outcome: CheckOutcome::CouldNotCheck,
        expected: expected.into(),
        found: "could not look".into(),
        problem: Some(could_not(facts, why)),
    }
}

fn could_not(facts: &Facts, why: &Why) -> Problem {
    match (why.service, why.kind) {
        (Service::Registry, WhyKind::Refused) => Problem::RegistryAuth { repository: facts.question.image.repository.to_string() },
        (Service::Registry | Service::Gitlab | Service::TrustRoot | Service::Store, _) => {
            Problem::Unavailable { what: what(facts), why: why.clone() }
        }
    }
}

/// What could not be checked: the digest, or what was asked about while no digest is known.
fn what(facts: &Facts) -> String {
    match (&facts.question.about, facts.digest.found()) {
        (About::Release { .. } | About::Pipeline { .. }, Some(digest)) | (About::Image { digest, .. }, _) => digest.to_string(),
        (About::Release { tag }, None) => tag.clone(),
        (About::Pipeline { id }, None) => format!("pipeline #{id}"),
    }
}

/// No registry tag and no digest file names an image.
fn no_image(facts: &Facts) -> Problem {
    let look = facts.tag(TagRole::Version).or_else(|| facts.tag(TagRole::Commit));
    let tag = look.map(|look| look.name.as_str()).or(facts.release()).unwrap_or("no tag");
    Problem::TagMissing { tag: tag.into(), repository: facts.question.image.repository.to_string() }
}

fn sig_missing(facts: &Facts, digest: Digest) -> Problem {
    Problem::SigMissing {
        image: pinned(facts, digest),
        job: facts.question.image.release_job.clone(),
        pipeline: facts.pipeline.found().map(|pipeline| pipeline.id),
    }
}

fn pipeline_problem(facts: &Facts, fault: PipelineFault) -> Problem {
    // Nothing can have run for a Git tag that there is not: that is the one reason to tell.
    if let (Some(tag), Looked::Absent, Looked::Absent) = (facts.release(), &facts.git_tag, &facts.pipeline) {
        return Problem::GitTagMissing { tag: tag.into() };
    }
    Problem::Pipeline { pipeline: facts.pipeline.found().map(|pipeline| pipeline.id), fault, tag: facts.release().map(str::to_owned) }
}

/// What the sentences about a commit call its tag: the release, else the ref.
fn tag_or_ref(facts: &Facts) -> String {
    facts.git_ref().map_or_else(|| "no ref".into(), |git_ref| git_ref.name().to_owned())
}

/// Whether a pipeline started this way may release (SR-14: whole values).
fn may_release(policy: &Policy, source: &str) -> bool {
    !NEVER_SOURCES.contains(&source) && policy.sources.iter().any(|allowed| allowed == source)
}
