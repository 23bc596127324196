//! `cancel`: calls a promotion off.

use super::{Command, Row};

pub(super) const ROW: Row = Row {
    verb: "cancel",
    usage: "cancel",
    does: "calls off the promotion of this thread, until its first step has begun",
    who: "whoever asked for it, and whoever may deploy there",
    // `/cancel` alone is left to whoever else answers in the thread.
    bare: false,
    arguments: |words| words.is_empty().then_some(Command::Cancel),
};
