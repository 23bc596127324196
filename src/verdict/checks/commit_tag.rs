//! The commit tag names the same image. Naming another always blocks; only its absence may be softened by policy.

use super::{could_not_check, no_image};
use crate::model::Digest;
use crate::verdict::facts::{DigestFile, TagLook, TagRole};
use crate::verdict::{Check, Demand, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::CommitTag;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    if facts.question.image.commit_tag.is_none() {
        return Finding::not_applicable(CHECK, "the project pushes no commit tag");
    }
    let Some(look) = facts.tag(TagRole::Commit) else {
        // The tag's name holds the commit, which GitLab may not have told.
        return match facts.expected_commit() {
            Looked::Unreachable(why) => could_not_check(CHECK, "a commit tag", facts, &why),
            Looked::Found(_) | Looked::Absent => missing("a commit tag", "no tag was looked at", policy.commit_tag, no_image(facts)),
        };
    };
    let names = match &look.digest {
        Looked::Found(digest) => *digest,
        Looked::Absent => {
            let problem = Problem::TagMissing { tag: look.name.clone(), repository: facts.question.image.repository.to_string() };
            return missing(&look.name, "none", policy.commit_tag, problem);
        }
        Looked::Unreachable(why) => return could_not_check(CHECK, &look.name, facts, why),
    };
    match &facts.digest {
        Looked::Found(asked) if *asked == names => Finding::passed(CHECK, asked.to_string(), names.to_string()),
        Looked::Found(asked) => Finding::blocked(CHECK, asked.to_string(), names.to_string(), split(facts, look, names, *asked)),
        // The checks of the version tag and of the signature say so.
        Looked::Absent => Finding::not_applicable(CHECK, "no image to compare with"),
        Looked::Unreachable(why) => could_not_check(CHECK, names.to_string(), facts, why),
    }
}

fn missing(expected: &str, found: &str, demand: Demand, problem: Problem) -> Finding {
    match demand {
        Demand::Required => Finding::blocked(CHECK, expected, found, problem),
        Demand::Warned => Finding::warned(CHECK, expected, found, problem),
        Demand::Off => Finding::not_applicable(CHECK, found),
    }
}

/// Which two names disagree: version tag and commit tag; or, where no version tag is, digest file and commit tag; or the image
/// that was asked about and the commit tag.
fn split(facts: &Facts, look: &TagLook, names: Digest, asked: Digest) -> Problem {
    if let Some(version) = facts.tag(TagRole::Version)
        && let Looked::Found(digest) = version.digest
        && digest != names
    {
        return Problem::TagSplit { version_tag: version.name.clone(), version: digest, commit_tag: look.name.clone(), commit: names };
    }
    match (&facts.digest_file, &facts.question.image.digest_file) {
        (Looked::Found(DigestFile::Says(says)), Some(file)) if *says == asked => {
            Problem::DigestFile { file: file.clone(), says: Some(*says), registry: names }
        }
        _ => Problem::TagOther { tag: look.name.clone(), names, asked },
    }
}
