//! Provenance that holds is there. What "holds" means is in [`super::attested`]; here stands what policy makes of it.

use super::attested::{self, Held, Standing};
use super::could_not_check;
use crate::model::Digest;
use crate::model::attestation::AttestedAt;
use crate::model::signer::SignedBy;
use crate::verdict::{Check, Demand, Facts, Finding, LateFault, Looked, Policy, Problem};

const CHECK: Check = Check::Provenance;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    const EXPECTED: &str = "provenance by the release pipeline";
    let Looked::Found(digest) = &facts.digest else {
        // The checks of the version tag and of the signature say so.
        return Finding::not_applicable(CHECK, "no image to compare with");
    };
    let (expected, found, problem) = match attested::weigh(facts, policy) {
        Standing::Holds(held) => return holds(facts, policy, &held, *digest, EXPECTED),
        Standing::CouldNot(_) if policy.provenance == Demand::Off => return Finding::not_applicable(CHECK, "not demanded"),
        Standing::CouldNot(why) => return could_not_check(CHECK, EXPECTED, facts, &why),
        Standing::Nothing(Some(fault)) => (fault.expected, fault.found, fault.problem),
        Standing::Nothing(None) => (EXPECTED.into(), "none".into(), None),
    };
    let missing = || Problem::NoProvenance { digest: *digest, job: facts.question.image.release_job.clone() };
    match policy.provenance {
        Demand::Required => Finding::blocked(CHECK, expected, found, problem.unwrap_or_else(missing)),
        Demand::Warned => Finding::warned(CHECK, expected, found, problem.unwrap_or_else(missing)),
        Demand::Off => Finding::not_applicable(CHECK, format!("not demanded; found {found}")),
    }
}

/// One that holds, but of which nobody knows when it was made, may have been made after the release by whoever has the key.
fn holds(facts: &Facts, policy: &Policy, held: &Held<'_>, digest: Digest, expected: &str) -> Finding {
    let (SignedBy::Key(key), true) = (held.by, held.timeless) else {
        return Finding::passed(CHECK, expected, told(held));
    };
    let found = format!("{}; nothing proves when", told(held));
    match policy.provenance {
        Demand::Required | Demand::Warned => {
            let pipeline = facts.pipeline.found().map(|pipeline| pipeline.id);
            let fault = LateFault::NoTime { key: key.clone() };
            Finding::warned(CHECK, expected, found, Problem::LateAttest { digest, fault, pipeline })
        }
        Demand::Off => Finding::passed(CHECK, expected, found),
    }
}

fn told(held: &Held<'_>) -> String {
    let by = match held.by {
        SignedBy::Key(name) => format!("key {name}"),
        SignedBy::Keyless(_) => "the pipeline's identity".into(),
    };
    let place = match held.attested.at {
        AttestedAt::Registry(_) => "beside the image",
        AttestedAt::Gitlab => "in GitLab",
    };
    format!("{} {place}, signed by {by}", held.says.predicate_type.name())
}
