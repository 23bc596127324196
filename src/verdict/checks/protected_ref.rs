//! The pipeline ran on a ref that GitLab protects, and a release's Git tag is protected. SR-16: only GitLab's own `true` counts;
//! its wildcards are not matched here, and a branch's protection says nothing of a tag of the same name.

use super::{commit::no_commit, could_not_check};
use crate::verdict::{Check, Facts, Finding, Looked, PipelineFault, Policy, Problem};

const CHECK: Check = Check::ProtectedRef;

pub fn check(facts: &Facts, _policy: &Policy) -> Finding {
    let git_ref = facts.git_ref().map_or_else(|| "no ref".into(), |git_ref| git_ref.full());
    let expected = format!("{git_ref} protected");
    let tag = facts.release().map(|_| facts.git_tag.as_ref().map(|tag| tag.protected));
    let unprotected = |found: &str| Finding::blocked(CHECK, &expected, found, Problem::RefUnprotected { git_ref: git_ref.clone() });
    // A false in hand is an answer, whatever the other look brought.
    if facts.ref_protected == Looked::Found(false) || tag == Some(Looked::Found(false)) {
        return unprotected("not protected");
    }
    match (&facts.ref_protected, tag) {
        (Looked::Unreachable(why), _) => could_not_check(CHECK, expected, facts, why),
        (_, Some(Looked::Unreachable(why))) => could_not_check(CHECK, expected, facts, &why),
        (_, Some(Looked::Absent)) => Finding::blocked(CHECK, expected, "no Git tag", no_commit(facts)),
        (Looked::Found(true), Some(Looked::Found(true)) | None) => Finding::passed(CHECK, expected, "protected"),
        (Looked::Absent, _) if facts.pipeline == Looked::Absent => {
            Finding::blocked(CHECK, expected, "no pipeline", super::pipeline_problem(facts, PipelineFault::Missing))
        }
        (Looked::Found(_) | Looked::Absent, _) => unprotected("GitLab names no protection"),
    }
}
