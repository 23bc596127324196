//! `rollback ENV [TAG] [--dry-run]`: takes an environment back to a release that ran there before.

use super::words::{dry_run, name};
use super::{Command, DEPLOYERS, Row, Target};

pub(super) const ROW: Row = Row {
    verb: "rollback",
    usage: "rollback ENV [TAG] [--dry-run]",
    does: "takes the environment back to the release that ran there before, or to an older one by its tag; its images are checked again \
           today",
    who: DEPLOYERS,
    bare: true,
    arguments: |words| {
        let (words, dry_run) = dry_run(words)?;
        let (environment, target) = match words.as_slice() {
            [environment] => (environment, None),
            [environment, tag] => (environment, Some(Target::Name(name(tag)?))),
            _ => return None,
        };
        Some(Command::Rollback { environment: name(environment)?, target, dry_run })
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn check(words: &[&str], expected: Option<(&str, Option<&str>, bool)>) {
        let expected = expected.map(|(environment, tag, dry_run)| Command::Rollback {
            environment: environment.into(),
            target: tag.map(|tag| Target::Name(tag.into())),
            dry_run,
        });
        assert_eq!((ROW.arguments)(words), expected, "{words:?}");
    }

    #[test]
    fn an_environment_and_a_tag_or_none() {
        check(&["production"], Some(("production", None, false)));
        check(&["production", "v1.8.1"], Some(("production", Some("v1.8.1"), false)));
        check(&["production", "--dry-run"], Some(("production", None, true)));
        check(&["--dry-run", "production", "v1.8.1"], Some(("production", Some("v1.8.1"), true)));
        let digest = Digest::of(b"x").to_string();
        for words in [
            &[][..],
            &["--dry-run"],
            &["production", &digest],
            &["production", "v1", "v2"],
            &["production", "--now"],
            &["-x"],
            &["production", "--dry-run", "--dry-run"],
        ] {
            check(words, None);
        }
    }
}
