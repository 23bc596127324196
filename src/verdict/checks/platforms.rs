//! The platforms of a multi-arch image.
//!
//! The signature is one over the index, which pins each platform by its digest; so is what was asked about. A signature over one
//! platform is none over the index (CS-SIG-ON-TAG), and one over the index none over a platform that is asked about by its own
//! digest: whoever pulls by that digest never sees the index. Where policy wants such pulls to verify, each platform must be signed
//! by the same rule as the index. An index without platforms is no image (SR-01).

use super::evidence::{self, Evidence};
use super::{could_not_check, signature};
use crate::verdict::facts::{Index, Platform};
use crate::verdict::{Check, Facts, Finding, Looked, PlatformFault, PlatformSigned, PlatformStanding, Platforms, Policy, Problem, Why};

const CHECK: Check = Check::Platforms;

pub fn check(facts: &Facts, policy: &Policy) -> Finding {
    let index = match (&facts.platforms, policy.platforms) {
        (Looked::Found(index), _) => index,
        (Looked::Absent, _) => return Finding::not_applicable(CHECK, "one platform"),
        (Looked::Unreachable(why), Platforms::AllSigned) => return could_not_check(CHECK, "each platform signed", facts, why),
        // SR-18, SR-20: the signature covers them, but nobody can say what they are. An index in an index would be pulled unseen.
        (Looked::Unreachable(why), Platforms::Index) => return could_not_check(CHECK, "platforms that can be listed", facts, why),
    };
    let Some(digest) = facts.digest.found().copied() else {
        return Finding::not_applicable(CHECK, "no image to look at");
    };
    if index.platforms.is_empty() {
        return Finding::blocked(CHECK, "a platform", "none", Problem::Platform { digest, fault: PlatformFault::None });
    }
    match policy.platforms {
        Platforms::Index => Finding::passed(CHECK, "a platform", told(index)),
        Platforms::AllSigned => each(index, facts, policy),
    }
}

fn each(index: &Index, facts: &Facts, policy: &Policy) -> Finding {
    let expected = "each platform signed";
    let (mut unsigned, mut could_not) = (vec![], None);
    for platform in &index.platforms {
        match weigh(platform, facts, policy) {
            Signed::Itself => {}
            Signed::No => unsigned.push(platform.name.clone()),
            Signed::CouldNot(why) => could_not = could_not.or(Some(why)),
        }
    }
    if let (Some(digest), false) = (facts.digest.found(), unsigned.is_empty()) {
        let found = format!("not signed: {}", unsigned.join(", "));
        let problem = Problem::Platform { digest: *digest, fault: PlatformFault::Unsigned { platforms: unsigned } };
        return Finding::blocked(CHECK, expected, found, problem);
    }
    match could_not {
        Some(why) => could_not_check(CHECK, expected, facts, &why),
        None => Finding::passed(CHECK, expected, told(index)),
    }
}

enum Signed {
    Itself,
    No,
    CouldNot(Why),
}

/// Whether a signature beside the platform's own manifest counts. One that nobody looked for is none.
fn weigh(platform: &Platform, facts: &Facts, policy: &Policy) -> Signed {
    let Some(beside) = &platform.signatures else { return Signed::No };
    match evidence::weigh_of(platform.digest, beside, facts, policy) {
        Evidence::Key(..) | Evidence::Keyless(..) => Signed::Itself,
        Evidence::CouldNot(why) => Signed::CouldNot(why),
        Evidence::Nothing { .. } => {
            let unread = beside.found().and_then(|signatures| signature::unread(signatures));
            unread.map_or(Signed::No, |(_, why)| Signed::CouldNot(why))
        }
    }
}

/// The platforms as they are shown.
pub fn standings(facts: &Facts, policy: &Policy) -> Vec<PlatformStanding> {
    let platforms = facts.platforms.found().into_iter().flat_map(|index| &index.platforms);
    platforms
        .map(|platform| {
            let signed = match (&platform.signatures, weigh(platform, facts, policy)) {
                (None, _) => PlatformSigned::ByIndex,
                (Some(_), Signed::Itself) => PlatformSigned::Itself,
                (Some(_), Signed::No) => PlatformSigned::No,
                (Some(_), Signed::CouldNot(_)) => PlatformSigned::CouldNotCheck,
            };
            PlatformStanding { name: platform.name.clone(), digest: platform.digest, signed }
        })
        .collect()
}

fn told(index: &Index) -> String {
    let names = index.platforms.iter().map(|platform| platform.name.as_str()).collect::<Vec<_>>().join(", ");
    match index.left_out {
        0 => names,
        count => format!("{names}; {count} attestations beside them"),
    }
}
