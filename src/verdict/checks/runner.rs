//! The release job ran on a runner that may build releases, by GitLab's own record of the job.

use super::could_not_check;
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
    let Some(job) = facts.release_job() else {
        // The check of the release job says so.
        return Finding::not_applicable(CHECK, "no release job");
    };
    let (found, trusted) = match &job.runner {
        Some(runner) => (format!("{} (#{})", runner.description, runner.id), trusted.iter().any(|name| name.is(runner))),
        None => ("no runner".into(), false),
    };
    if trusted {
        return Finding::passed(CHECK, expected, found);
    }
    let problem = Problem::Runner { runner: found.clone(), job: job.name.clone() };
    Finding::blocked(CHECK, expected, found, problem)
}
