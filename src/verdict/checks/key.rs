//! Whether what a key signed counts, a signature or a statement alike: the key's window, and the log where one is demanded.
//!
//! Only a trusted log or timestamp authority proves when a signature was made (SR-13). The end of the job that should have made it
//! proves nothing: whoever holds the key may sign later, and push beside the image. So, in this order:
//! 1. **revoked**: every proven time must lie before the cut-off; without one the signature is refused, whatever we saw earlier,
//!    since somebody else may have made it;
//! 2. **not yet**: no proven time may lie before the window; without one it counts once the window is open;
//! 3. **retired** or past its window: every proven time must lie before that moment; without one, our own record of having passed
//!    this digest before that moment counts, because the bytes were as good then as they are now;
//! 4. **log**: where one is demanded, a log of the trust root must hold the signature.
//!
//! Before a bound is reached by our own clock, no signature can be past it.

use crate::model::Timestamp;
use crate::model::signer::{Proven, TrustedSigner};
use crate::verdict::{Facts, KeyFault, Looked, Policy, Service, Why, WhyKind};

/// What a key's verified signature is worth.
pub enum Standing {
    Counts,
    /// It does not count, for this reason.
    Refused(KeyFault),
    /// A look is missing that could make it count.
    CouldNot(Why),
}

/// Of a signature over the image, or of a statement about it: a key that may not sign the one may not sign the other.
pub fn weigh(proven: Proven, signer: &TrustedSigner, facts: &Facts, policy: &Policy) -> Standing {
    let (window, times) = (&signer.window, proven.times);
    if let Some(at) = window.revoked
        && !is_older(times, at, facts)
    {
        return Standing::Refused(KeyFault::Revoked { at, signed: times.map(|(_, latest)| latest) });
    }
    if let Some(from) = window.not_before
        && times.map_or(facts.as_of, |(earliest, _)| earliest) < from
    {
        return Standing::Refused(KeyFault::Early { from });
    }
    if let Some(since) = window.end()
        && !is_older(times, since, facts)
    {
        match (times, passed_before(since, facts)) {
            (None, Looked::Found(())) => {}
            (None, Looked::Unreachable(why)) => return Standing::CouldNot(why),
            (None, Looked::Absent) if proven.unread => return Standing::CouldNot(unread()),
            (None, Looked::Absent) | (Some(_), _) => {
                let pipeline = facts.pipeline.found().map(|pipeline| pipeline.id);
                return Standing::Refused(KeyFault::Retired { since, pipeline });
            }
        }
    }
    if needs_log(signer, policy) && !proven.logged {
        if proven.unread {
            return Standing::CouldNot(unread());
        }
        return Standing::Refused(KeyFault::Unlogged);
    }
    Standing::Counts
}

/// Whether a log must hold what this key signs.
pub fn needs_log(signer: &TrustedSigner, policy: &Policy) -> bool {
    signer.require_log || policy.require_log
}

/// A log entry or a timestamp is there, and nobody could check it: no word for the signature, and none against it.
fn unread() -> Why {
    Why::new(Service::Registry, WhyKind::Unreadable, "the log entry or the timestamp of a key's signature cannot be checked here")
}

/// Whether the signature was certainly made before a moment: by every proven time, or because that moment has not come.
fn is_older(times: Option<(Timestamp, Timestamp)>, moment: Timestamp, facts: &Facts) -> bool {
    facts.as_of < moment || times.is_some_and(|(_, latest)| latest < moment)
}

/// Our own record of having passed these bytes before a moment.
fn passed_before(moment: Timestamp, facts: &Facts) -> Looked<()> {
    let digest = facts.digest.found();
    match &facts.history {
        Looked::Found(seen) if seen.iter().any(|s| Some(&s.digest) == digest && s.first_seen < moment) => Looked::Found(()),
        Looked::Found(_) | Looked::Absent => Looked::Absent,
        Looked::Unreachable(why) => Looked::Unreachable(why.clone()),
    }
}
