//! `help`: lists the words.

use super::{Command, READERS, Row};

pub(super) const ROW: Row = Row {
    verb: "help",
    usage: "help",
    does: "lists these words",
    who: READERS,
    // `/help` alone is left to whoever else answers in the thread.
    bare: false,
    arguments: |words| words.is_empty().then_some(Command::Help),
};
