//! The release job ran on a runner that may build releases, by GitLab's own record of the job; and so did the job that signed.
//!
//! A release job can be tried again, and what its earlier attempt signed stays beside the image. So where a pipeline's identity
//! signed, the runner of that very attempt must be on the list too: otherwise an attempt on any runner would sign, and one on a
//! listed runner vouch for it. A key names no job; the release job is all that is known of it.

use super::could_not_check;
use super::evidence;
use crate::model::gitlab::Job;
use crate::model::signer::SignedBy;
use crate::verdict::{Check, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::Runner;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let Some(trusted) = &policy.runners else {
        return Finding::not_applicable(CHECK, "every runner may release");
    };
    let expected = trusted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    if let Looked::Unreachable(why) = &facts.jobs {
        return could_not_check(CHECK, expected, facts, why);
    }
    let Some(release) = facts.release_job() else {
        // The check of the release job says so.
        return Finding::not_applicable(CHECK, "no release job");
    };
    let listed = |job: &Job| job.runner.as_ref().is_some_and(|runner| trusted.iter().any(|name| name.is(runner)));
    let signing = signing(facts, policy);
    // Of several attempts that signed, one on a listed runner is enough: anyone may push the others' signatures again.
    let signing = signing.iter().find(|job| listed(job)).or(signing.first()).filter(|job| job.id != release.id);
    let jobs: Vec<&Job> = [Some(release), signing.copied()].into_iter().flatten().collect();
    let Some(other) = jobs.iter().find(|job| !listed(job)) else {
        return Finding::passed(CHECK, expected, ran_on(release));
    };
    let found = if jobs.len() > 1 { format!("{}, job #{}", ran_on(other), other.id) } else { ran_on(other) };
    let problem = Problem::Runner { runner: ran_on(other), job: other.name.clone() };
    Finding::blocked(CHECK, expected, found, problem)
}

/// The jobs whose signatures count. One that could not be weighed is the check of the signature's matter.
fn signing<'a>(facts: &'a Facts, policy: &Policy) -> Vec<&'a Job> {
    let job = |by: &SignedBy| match by {
        SignedBy::Key(_) => None,
        SignedBy::Keyless(identity) => facts.signing_job(identity).found().copied(),
    };
    evidence::signers(facts, policy).all.into_iter().filter_map(job).collect()
}

fn ran_on(job: &Job) -> String {
    job.runner.as_ref().map_or_else(|| "no runner".into(), |runner| format!("{} (#{})", runner.description, runner.id))
}
