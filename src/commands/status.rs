//! `status [ENV]`: says what runs where.

use super::words::name;
use super::{Command, READERS, Row};

pub(super) const ROW: Row = Row {
    verb: "status",
    usage: "status [ENV]",
    does: "says what runs in each environment, since when and by whom, and what is under way",
    who: READERS,
    // `/status` alone is left to whoever else answers in the thread.
    bare: false,
    arguments: |words| match words {
        [] => Some(Command::Status(None)),
        [word] => name(word).map(|environment| Command::Status(Some(environment))),
        _ => None,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_environment_or_all() {
        let check = |words: &[&str], expected: Option<Option<&str>>| {
            let expected = expected.map(|environment| Command::Status(environment.map(Into::into)));
            assert_eq!((ROW.arguments)(words), expected, "{words:?}");
        };
        check(&[], Some(None));
        check(&["production"], Some(Some("production")));
        check(&["production", "staging"], None);
        check(&["--all"], None);
    }
}
