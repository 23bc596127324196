//! No other digest came first for this release or this commit.
//!
//! The digest recorded first is the release's: putting a moved tag back, or going back to the first build, is the way out that
//! CS-TAG-MOVED and CS-REBUILT name, so it passes. Two digests recorded at the same instant have no first, and block.
//!
//! The record is worth what is written into it: [`crate::verdict::Verdict::sighting`] gives the one entry of a passed verdict.
//! Writing down what unproven tags name would let a push from a laptop claim a release before its pipeline ends.

use super::{could_not_check, tag_or_ref};
use crate::model::Digest;
use crate::verdict::facts::{Sighting, TagRole};
use crate::verdict::{Check, Facts, Finding, Looked, Policy, Problem};

const CHECK: Check = Check::BuiltOnce;

pub fn check(facts: &Facts, _policy: &Policy) -> Finding {
    let digest = match &facts.digest {
        Looked::Found(digest) => *digest,
        // The checks of the version tag and of the signature say so.
        Looked::Absent => return Finding::not_applicable(CHECK, "no image to compare with"),
        Looked::Unreachable(why) => return could_not_check(CHECK, "one digest", facts, why),
    };
    if let Looked::Unreachable(why) = &facts.history {
        return could_not_check(CHECK, digest.to_string(), facts, why);
    }
    if let Some(first) = first_of_release(facts)
        && let Some(other) = other_than(digest, &first)
    {
        let tag = facts.tag(TagRole::Version).map_or_else(|| tag_or_ref(facts), |look| look.name.clone());
        let problem = Problem::TagMoved { tag, old: other.digest, new: digest };
        return Finding::blocked(CHECK, told(other), digest.to_string(), problem);
    }
    if let Looked::Found(commit) = facts.expected_commit()
        && let Some(first) = first_of(facts, |sighting| sighting.commit.as_ref() == Some(commit))
        && let Some(other) = other_than(digest, &first)
    {
        let problem = Problem::Rebuilt {
            commit: commit.clone(),
            first: other.digest,
            first_pipeline: other.pipeline,
            second: digest,
            second_pipeline: facts.pipeline.found().map(|pipeline| pipeline.id),
        };
        return Finding::blocked(CHECK, told(other), digest.to_string(), problem);
    }
    Finding::passed(CHECK, "one digest", digest.to_string())
}

/// What was recorded first for the release that is asked about: one sighting, or several of the same instant.
pub fn first_of_release(facts: &Facts) -> Option<Vec<&Sighting>> {
    let release = facts.release()?;
    first_of(facts, |sighting| sighting.release.as_deref() == Some(release))
}

/// The one among the first sightings that names other bytes.
pub fn other_than<'a>(digest: Digest, first: &[&'a Sighting]) -> Option<&'a Sighting> {
    first.iter().find(|sighting| sighting.digest != digest).copied()
}

fn first_of(facts: &Facts, relevant: impl Fn(&Sighting) -> bool) -> Option<Vec<&Sighting>> {
    let relevant: Vec<_> = facts.history.found()?.iter().filter(|sighting| relevant(sighting)).collect();
    let first = relevant.iter().map(|sighting| sighting.first_seen).min()?;
    Some(relevant.into_iter().filter(|sighting| sighting.first_seen == first).collect())
}

fn told(sighting: &Sighting) -> String {
    format!("{} ({}, {})", sighting.digest, sighting.source, sighting.first_seen.strftime("%Y-%m-%d %H:%M UTC"))
}
