//! `promote ENV [TAG or DIGEST] [--dry-run]`: takes a release to an environment.

use super::words::{dry_run, name, target};
use super::{Command, DEPLOYERS, Row};

pub(super) const ROW: Row = Row {
    verb: "promote",
    usage: "promote ENV [TAG or DIGEST] [--dry-run]",
    does: "checks the images of a release again and promotes exactly these digests; alone, the release of this merge request; --dry-run \
           only shows what would happen",
    who: DEPLOYERS,
    bare: true,
    arguments: |words| {
        let (words, dry_run) = dry_run(words)?;
        let (environment, target) = match words.as_slice() {
            [environment] => (environment, None),
            [environment, word] => (environment, Some(target(word)?)),
            _ => return None,
        };
        Some(Command::Promote { environment: name(environment)?, target, dry_run })
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Target;
    use crate::model::Digest;

    fn check(words: &[&str], expected: Option<(&str, Option<Target>, bool)>) {
        let expected = expected.map(|(environment, target, dry_run)| Command::Promote { environment: environment.into(), target, dry_run });
        assert_eq!((ROW.arguments)(words), expected, "{words:?}");
    }

    #[test]
    fn an_environment_comes_first_then_what_to_promote() {
        let digest = Digest::of(b"x");
        let tag = || Some(Target::Name("v1.8.2".into()));
        check(&["production"], Some(("production", None, false)));
        check(&["production", "v1.8.2"], Some(("production", tag(), false)));
        check(&["review/x", &digest.to_string()], Some(("review/x", Some(Target::Digest(digest)), false)));
        for words in [["--dry-run", "production", "v1.8.2"], ["production", "--dry-run", "v1.8.2"], ["production", "v1.8.2", "--dry-run"]] {
            check(&words, Some(("production", tag(), true)));
        }
        check(&["production", "--dry-run"], Some(("production", None, true)));
    }

    #[test]
    fn what_is_no_promotion_does_not_fit() {
        let digest = Digest::of(b"x").to_string();
        for words in [
            &[][..],
            &["--dry-run"],
            &[&digest],
            &[&digest, "production"],
            &["production", "sha256:4be1"],
            &["production", "v1", "v2"],
            &["production", "--dryrun"],
            &["production", "v1", "--force"],
            &["production", "--dry-run", "--dry-run"],
            &["production", "-n"],
            &["../production"],
            &["production;ls"],
        ] {
            check(words, None);
        }
    }
}
