//! What a command and an approval are bound to.

use crate::model::project::WatchedProject;
use crate::model::{Digest, Environment};
use crate::verdict::Policy;

/// SHA-256 over everything that is demanded of a promotion: the policy, the project with its images and trusted signers, and the
/// environment. A command and an approval are bound to it.
///
/// Over JSON of plain data: lists, and structures in the order of their fields, so equal rules give equal bytes and different ones
/// different bytes. Another release of this program may write other bytes; what was accepted before then counts as changed, and
/// is asked for again.
pub fn rule_digest(policy: &Policy, project: &WatchedProject, environment: &Environment) -> Digest {
    let rule = ("countersign promotion rule v1", policy, project, environment);
    // Plain data without maps always serialises. Its debug text tells rules apart as well.
    let bytes = serde_json::to_vec(&rule).unwrap_or_else(|_| format!("{rule:?}").into_bytes());
    Digest::of(&bytes)
}
