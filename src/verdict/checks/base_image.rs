//! The base image is on record, and is the one of the release before.
//!
//! Provenance that holds says it best; otherwise the image's own annotations, which its digest and so its signature cover. A moved
//! base is no fault by itself: the same commit on other ground is a different build, and people should know.

use super::attested::{self, Standing};
use super::could_not_check;
use crate::model::attestation::{BaseImage, BaseSeen, BaseToldBy, ImageUsed, PreviousBase, Provenance};
use crate::verdict::{Check, Demand, Facts, Finding, Looked, Policy, Problem, Why};

const CHECK: Check = Check::BaseImage;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let Looked::Found(digest) = &facts.digest else {
        // The checks of the version tag and of the signature say so.
        return Finding::not_applicable(CHECK, "no image to compare with");
    };
    // What is not on record cannot be seen to be unchanged, so that the stricter of the two demands asks for a record.
    let demand = policy.base_image.stricter(policy.base_unchanged);
    const EXPECTED: &str = "a recorded base image";
    let base = match base(facts, policy) {
        Base::Known(base) => base,
        Base::CouldNot(_) if demand == Demand::Off => return Finding::not_applicable(CHECK, "not demanded"),
        Base::CouldNot(why) => return could_not_check(CHECK, EXPECTED, facts, &why),
        Base::Unknown(found) => {
            let problem = Problem::BaseUnknown { digest: *digest };
            return match demand {
                Demand::Required => Finding::blocked(CHECK, EXPECTED, found, problem),
                Demand::Warned => Finding::warned(CHECK, EXPECTED, found, problem),
                Demand::Off => Finding::not_applicable(CHECK, found),
            };
        }
    };
    compare(facts, policy, &base)
}

fn compare(facts: &Facts, policy: &Policy, base: &BaseImage) -> Finding {
    let here = told(base);
    let previous = match &facts.previous_base {
        Looked::Found(previous) => previous,
        Looked::Absent => return Finding::passed(CHECK, "a recorded base image", here),
        Looked::Unreachable(_) if policy.base_unchanged == Demand::Off => return Finding::passed(CHECK, "a recorded base image", here),
        Looked::Unreachable(why) => return could_not_check(CHECK, "the base image of the release before", facts, why),
    };
    let expected = format!("{} as in {}", told(&previous.base), previous.release);
    if previous.base.digest == base.digest {
        return Finding::passed(CHECK, expected, here);
    }
    let problem =
        Problem::BaseChanged { name: name(base, previous), old: previous.base.digest, new: base.digest, since: previous.release.clone() };
    match policy.base_unchanged {
        Demand::Required => Finding::blocked(CHECK, expected, here, problem),
        Demand::Warned => Finding::warned(CHECK, expected, here, problem),
        Demand::Off => Finding::passed(CHECK, "a recorded base image", format!("{here}, another than in {}", previous.release)),
    }
}

/// What a verdict shows, whatever policy makes of it.
pub fn shown(facts: &Facts, policy: &Policy) -> Option<BaseSeen> {
    match base(facts, policy) {
        Base::Known(base) => Some(BaseSeen { base, previous: facts.previous_base.found().cloned() }),
        Base::Unknown(_) | Base::CouldNot(_) => None,
    }
}

enum Base {
    Known(BaseImage),
    /// Why nobody knows.
    Unknown(&'static str),
    CouldNot(Why),
}

fn base(facts: &Facts, policy: &Policy) -> Base {
    let annotated = facts.base_image.found();
    let could_not = match attested::weigh(facts, policy) {
        Standing::Holds(held) => match chosen(held.says, annotated) {
            Some(used) => {
                let ImageUsed { name, digest } = used.clone();
                return Base::Known(BaseImage { name, digest, told_by: BaseToldBy::Provenance });
            }
            None if held.says.images.is_empty() => None,
            None if annotated.is_some() => None,
            None => return Base::Unknown("several images, and nothing says which is the base"),
        },
        Standing::CouldNot(why) => Some(why),
        Standing::Nothing(_) => None,
    };
    match (&facts.base_image, could_not) {
        (Looked::Found(base), _) => Base::Known(base.clone()),
        (Looked::Unreachable(why), _) => Base::CouldNot(why.clone()),
        (Looked::Absent, Some(why)) => Base::CouldNot(why),
        (Looked::Absent, None) => Base::Unknown("none"),
    }
}

/// Of the images that a build used, the one its annotation names, else the only one. A build in stages uses several, and a guess
/// would call one of them the base.
fn chosen<'a>(says: &'a Provenance, annotated: Option<&BaseImage>) -> Option<&'a ImageUsed> {
    let named = annotated.and_then(|base| says.images.iter().find(|used| used.digest == base.digest));
    match says.images.as_slice() {
        [only] => Some(only),
        _ => named,
    }
}

fn told(base: &BaseImage) -> String {
    match &base.name {
        Some(name) => format!("{name} at {}", base.digest),
        None => base.digest.to_string(),
    }
}

fn name(base: &BaseImage, previous: &PreviousBase) -> String {
    base.name.clone().or_else(|| previous.base.name.clone()).unwrap_or_else(|| "the base image".into())
}
