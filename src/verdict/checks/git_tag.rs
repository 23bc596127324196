//! The Git tag of the release exists.

use super::could_not_check;
use crate::verdict::{Check, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::GitTag;

pub fn check(facts: &Facts, _policy: &Policy) -> Finding {
    let Some(release) = facts.release() else {
        return Finding::not_applicable(CHECK, "no release asked about");
    };
    match &facts.git_tag {
        Looked::Found(tag) => Finding::passed(CHECK, release, format!("{release} at {}", tag.commit)),
        Looked::Absent => Finding::blocked(CHECK, release, "none", Problem::GitTagMissing { tag: release.into() }),
        Looked::Unreachable(why) => could_not_check(CHECK, release, facts, why),
    }
}
