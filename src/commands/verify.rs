//! `verify [TAG or DIGEST or ENVIRONMENT]`: checks an image and says whether it passes.

use super::words::target;
use super::{Command, READERS, Row};

pub(super) const ROW: Row = Row {
    verb: "verify",
    usage: "verify [TAG or DIGEST or ENVIRONMENT]",
    does: "checks a release image and says whether it passes; alone, the image of this merge request",
    who: READERS,
    bare: true,
    arguments: |words| match words {
        [] => Some(Command::Verify(None)),
        [word] => target(word).map(|target| Command::Verify(Some(target))),
        _ => None,
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Target;
    use crate::model::Digest;

    fn check(words: &[&str], expected: Option<Option<Target>>) {
        assert_eq!((ROW.arguments)(words), expected.map(Command::Verify), "{words:?}");
    }

    #[test]
    fn one_target_or_none() {
        let digest = Digest::of(b"x");
        check(&[], Some(None));
        check(&[&digest.to_string()], Some(Some(Target::Digest(digest))));
        check(&["v1.8.2"], Some(Some(Target::Name("v1.8.2".into()))));
        check(&["sha256:4be1"], None);
        check(&["v1", "v2"], None);
        check(&["v1", "--dry-run"], None);
    }
}
