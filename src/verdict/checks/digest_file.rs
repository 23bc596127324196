//! The digest file of the release job agrees with the registry. Another digest, or none that can be read, always blocks; only
//! the file's absence may be softened by policy.

use super::could_not_check;
use crate::model::Digest;
use crate::verdict::facts::DigestFile;
use crate::verdict::{Check, Demand, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::DigestFile;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let Some(file) = &facts.question.image.digest_file else {
        return Finding::not_applicable(CHECK, "the project keeps no digest file");
    };
    let digest = match &facts.digest {
        Looked::Found(digest) => *digest,
        // The checks of the version tag and of the signature say so.
        Looked::Absent => return Finding::not_applicable(CHECK, "no image to compare with"),
        Looked::Unreachable(why) => return could_not_check(CHECK, file, facts, why),
    };
    let problem = |says: Option<Digest>| Problem::DigestFile { file: file.clone(), says, registry: digest };
    match &facts.digest_file {
        Looked::Found(DigestFile::Says(says)) if *says == digest => Finding::passed(CHECK, digest.to_string(), says.to_string()),
        Looked::Found(DigestFile::Says(says)) => Finding::blocked(CHECK, digest.to_string(), says.to_string(), problem(Some(*says))),
        Looked::Found(DigestFile::Illegible) => Finding::blocked(CHECK, digest.to_string(), "no digest in the file", problem(None)),
        Looked::Absent => match policy.digest_file {
            Demand::Required => Finding::blocked(CHECK, digest.to_string(), "no file", problem(None)),
            Demand::Warned => Finding::warned(CHECK, digest.to_string(), "no file", problem(None)),
            Demand::Off => Finding::not_applicable(CHECK, "no file"),
        },
        Looked::Unreachable(why) => could_not_check(CHECK, digest.to_string(), facts, why),
    }
}
