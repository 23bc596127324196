//! The image was made of the commit that the release names.
//!
//! A keyless certificate names the commit itself. A key does not: it says that its holder signed these bytes, not what they were
//! made of. What then ties the digest to the commit is the digest file that the release job left in that commit's pipeline, or
//! provenance that holds. Failing both, only the commit tag in the registry is left, which whoever may push there could have
//! written, to pass an older signed image off as this release. It is not enough, unless policy says so
//! ([`BuiltBy::CommitTag`]); then it warns.
//!
//! [`BuiltBy::CommitTag`]: crate::verdict::BuiltBy::CommitTag

use super::{could_not_check, tag_or_ref};
use crate::model::Digest;
use crate::model::gitlab::CommitSha;
use crate::verdict::facts::{DigestFile, TagRole};
use crate::verdict::{BuiltBy, Check, Facts, Finding, Looked, PipelineFault, Policy, Problem, Why};

use super::attested::{self, Standing};
use super::evidence::{self, Evidence};

const CHECK: Check = Check::Commit;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let expected = match facts.expected_commit() {
        Looked::Found(sha) => sha,
        Looked::Absent => return Finding::blocked(CHECK, "a commit", "none", no_commit(facts)),
        Looked::Unreachable(why) => return could_not_check(CHECK, "a commit", facts, &why),
    };
    match &facts.commit {
        Looked::Found(commit) if commit.sha == *expected => {}
        Looked::Found(commit) => return other(facts, expected, commit.sha.as_str()),
        Looked::Absent => return other(facts, expected, "no such commit"),
        Looked::Unreachable(why) => return could_not_check(CHECK, expected.as_str(), facts, why),
    }
    match evidence::weigh(facts, policy) {
        Evidence::Keyless(..) => Finding::passed(CHECK, expected.as_str(), format!("{expected} in the certificate")),
        Evidence::CouldNot(why) => could_not_check(CHECK, expected.as_str(), facts, &why),
        Evidence::Key(..) => recorded(facts, policy, expected),
        Evidence::Nothing { nearest, .. } => match nearest.and_then(|(identity, _)| identity.source_repository_digest.as_deref()) {
            Some(named) if named != expected.as_str() => other(facts, expected, named),
            Some(_) | None => recorded(facts, policy, expected),
        },
    }
}

/// No commit is there to be expected.
pub fn no_commit(facts: &Facts) -> Problem {
    match (facts.release(), facts.digest.found()) {
        (Some(tag), _) => Problem::GitTagMissing { tag: tag.into() },
        (None, Some(digest)) => Problem::ProvMissing { digest: *digest },
        (None, None) => super::pipeline_problem(facts, PipelineFault::Missing),
    }
}

fn other(facts: &Facts, expected: &CommitSha, found: &str) -> Finding {
    let problem = Problem::Commit { tag: tag_or_ref(facts), expected: expected.clone(), found: found.into() };
    Finding::blocked(CHECK, expected.as_str(), found, problem)
}

/// What ties the digest to the commit beside the signature.
fn recorded(facts: &Facts, policy: &Policy, commit: &CommitSha) -> Finding {
    let digest = match &facts.digest {
        Looked::Found(digest) => *digest,
        // The checks of the version tag and of the signature say so.
        Looked::Absent => return Finding::not_applicable(CHECK, "no image to compare with"),
        Looked::Unreachable(why) => return could_not_check(CHECK, commit.as_str(), facts, why),
    };
    match by_digest_file(facts, digest, commit) {
        Tie::Is => return Finding::passed(CHECK, commit.as_str(), format!("{commit} by the digest file of its pipeline")),
        Tie::CouldNot(why) => return could_not_check(CHECK, commit.as_str(), facts, &why),
        Tie::IsNot => {}
    }
    if let Some(made_of) = known_of_another_commit(facts, digest, commit) {
        return other(facts, commit, made_of.as_str());
    }
    // Signed by whom the image trusts, and it names this commit: stronger than a tag that anyone with push rights may write.
    let unseen = match attested::weigh(facts, policy) {
        Standing::Holds(_) => return Finding::passed(CHECK, commit.as_str(), format!("{commit} by its provenance")),
        Standing::CouldNot(why) => Some(why),
        Standing::Nothing(_) => None,
    };
    let tag = by_commit_tag(facts, digest, commit);
    let found = match tag {
        Tie::Is => format!("{commit} by the commit tag only"),
        Tie::IsNot | Tie::CouldNot(_) => "nothing names it".into(),
    };
    match (policy.built_by, tag, unseen) {
        (BuiltBy::CommitTag, Tie::Is, _) => Finding::warned(CHECK, commit.as_str(), found, Problem::ProvMissing { digest }),
        (BuiltBy::CommitTag, Tie::CouldNot(why), _) | (_, _, Some(why)) => could_not_check(CHECK, commit.as_str(), facts, &why),
        (BuiltBy::CommitTag, Tie::IsNot, None) | (BuiltBy::Proven, _, None) => {
            Finding::blocked(CHECK, commit.as_str(), found, Problem::ProvMissing { digest })
        }
    }
}

enum Tie {
    Is,
    IsNot,
    CouldNot(Why),
}

fn by_digest_file(facts: &Facts, digest: Digest, commit: &CommitSha) -> Tie {
    if facts.question.image.digest_file.is_none() {
        return Tie::IsNot;
    }
    match &facts.digest_file {
        Looked::Found(DigestFile::Says(says)) if *says == digest => match &facts.pipeline {
            Looked::Found(pipeline) if pipeline.sha == *commit => Tie::Is,
            Looked::Found(_) | Looked::Absent => Tie::IsNot,
            Looked::Unreachable(why) => Tie::CouldNot(why.clone()),
        },
        Looked::Found(DigestFile::Says(_) | DigestFile::Illegible) | Looked::Absent => Tie::IsNot,
        Looked::Unreachable(why) => Tie::CouldNot(why.clone()),
    }
}

/// The commit that our own record knows these bytes by: a tag in the registry that says otherwise was written by somebody else.
fn known_of_another_commit<'a>(facts: &'a Facts, digest: Digest, commit: &CommitSha) -> Option<&'a CommitSha> {
    let seen = facts.history.found()?.iter().filter(|sighting| sighting.digest == digest);
    seen.filter_map(|sighting| sighting.commit.as_ref()).find(|known| *known != commit)
}

fn by_commit_tag(facts: &Facts, digest: Digest, commit: &CommitSha) -> Tie {
    // A configured commit tag need not hold the commit; one that does not ties nothing.
    match facts.tag(TagRole::Commit).filter(|look| look.name.contains(commit.short())).map(|look| &look.digest) {
        Some(Looked::Found(names)) if *names == digest => Tie::Is,
        Some(Looked::Unreachable(why)) => Tie::CouldNot(why.clone()),
        Some(Looked::Found(_) | Looked::Absent) | None => Tie::IsNot,
    }
}
