//! `approve`: the second person's yes.

use super::{Command, Row};

pub(super) const ROW: Row = Row {
    verb: "approve",
    usage: "approve",
    does: "agrees to the promotion that waits in this thread; void once its digests or the rules change",
    who: "whoever may deploy there, other than the person who asked",
    // `/approve` alone is GitLab's own.
    bare: false,
    arguments: |words| words.is_empty().then_some(Command::Approve),
};
