//! The pipeline was started in a way that may release.

use super::{could_not_check, may_release};
use crate::verdict::{Check, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::Source;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let expected = policy.sources.join(" or ");
    match &facts.pipeline {
        Looked::Found(pipeline) if may_release(policy, &pipeline.source) => Finding::passed(CHECK, expected, &pipeline.source),
        Looked::Found(pipeline) => {
            let problem = Problem::Source { pipeline: pipeline.id, source: pipeline.source.clone() };
            Finding::blocked(CHECK, expected, &pipeline.source, problem)
        }
        // The check of the pipeline says so.
        Looked::Absent => Finding::not_applicable(CHECK, "no pipeline"),
        Looked::Unreachable(why) => could_not_check(CHECK, expected, facts, why),
    }
}
