//! The version tag names the image, and always did.
//!
//! Two problems look alike: the tag names other bytes than the pipeline's digest file. Which one it is:
//!
//! - **The tag moved** (CS-TAG-MOVED) when our own record shows this release at another digest first; or when there is no such
//!   record, the release job recorded another digest, and nothing signed by us covers what the tag names now. A tag that was put
//!   back to the digest first recorded has not moved.
//! - **The digest file is wrong** (CS-DIGEST-FILE, [`super::digest_file`]) otherwise: the pipeline signed what the tag names, so
//!   it is the file that lies, for instance because the digest was read before the push.
//!
//! When an image by digest is asked about and the tag names another, the tag moved if the release job recorded the image asked
//! about; else the image simply is not what the tag names (CS-TAG-OTHER).

use super::evidence::{self, Evidence};
use super::{built_once, could_not_check, no_image};
use crate::model::Digest;
use crate::verdict::facts::{DigestFile, TagRole};
use crate::verdict::{Check, Facts, Finding, Looked, Policy, Problem, Why};

const CHECK: Check = Check::VersionTag;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let Some(release) = facts.release() else {
        return Finding::not_applicable(CHECK, "no release asked about");
    };
    let Some(look) = facts.tag(TagRole::Version) else {
        // The tag's name may hold the commit, which GitLab did not tell.
        return match facts.expected_commit() {
            Looked::Unreachable(why) => could_not_check(CHECK, release, facts, &why),
            Looked::Found(_) | Looked::Absent => Finding::blocked(CHECK, release, "no tag was looked at", no_image(facts)),
        };
    };
    let names = match &look.digest {
        Looked::Found(digest) => *digest,
        Looked::Absent => {
            let problem = Problem::TagMissing { tag: look.name.clone(), repository: facts.question.image.repository.to_string() };
            return Finding::blocked(CHECK, &look.name, "none", problem);
        }
        Looked::Unreachable(why) => return could_not_check(CHECK, &look.name, facts, why),
    };
    match moved_from(facts, policy, names) {
        Moved::From(old) => {
            let problem = Problem::TagMoved { tag: look.name.clone(), old, new: names };
            return Finding::blocked(CHECK, old.to_string(), names.to_string(), problem);
        }
        Moved::CouldNot(why) => return could_not_check(CHECK, names.to_string(), facts, &why),
        Moved::No => {}
    }
    match &facts.digest {
        Looked::Found(asked) if *asked == names => Finding::passed(CHECK, asked.to_string(), names.to_string()),
        Looked::Found(asked) => {
            let problem = Problem::TagOther { tag: look.name.clone(), names, asked: *asked };
            Finding::blocked(CHECK, asked.to_string(), names.to_string(), problem)
        }
        Looked::Absent => Finding::blocked(CHECK, "an image", names.to_string(), no_image(facts)),
        Looked::Unreachable(why) => could_not_check(CHECK, names.to_string(), facts, why),
    }
}

enum Moved {
    No,
    From(Digest),
    CouldNot(Why),
}

fn moved_from(facts: &Facts, policy: &Policy, names: Digest) -> Moved {
    if let Some(first) = built_once::first_of_release(facts) {
        return built_once::other_than(names, &first).map_or(Moved::No, |sighting| Moved::From(sighting.digest));
    }
    let Looked::Found(DigestFile::Says(recorded)) = &facts.digest_file else {
        return Moved::No;
    };
    if *recorded == names {
        return Moved::No;
    }
    match &facts.digest {
        Looked::Found(asked) if asked == recorded => Moved::From(*recorded),
        // What was signed is known of the digest under question only.
        Looked::Found(asked) if *asked == names => match evidence::weigh(facts, policy) {
            Evidence::Nothing { .. } => Moved::From(*recorded),
            Evidence::CouldNot(why) => Moved::CouldNot(why),
            Evidence::Key(..) | Evidence::Keyless(..) => Moved::No,
        },
        Looked::Found(_) | Looked::Absent | Looked::Unreachable(_) => Moved::No,
    }
}
