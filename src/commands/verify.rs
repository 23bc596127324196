//! `verify [TAG or DIGEST or ENVIRONMENT]`: checks an image and says whether it passes.

use super::{Command, Row, Target};

pub(super) const ROW: Row = Row {
    verb: "verify",
    usage: "verify [TAG or DIGEST or ENVIRONMENT]",
    does: "checks a release image and says whether it passes; alone, the image of this merge request",
    who: "project members, from the role Reporter up",
    bare: true,
    arguments: |words| match words {
        [] => Some(Command::Verify(None)),
        [word] => target(word).map(|target| Command::Verify(Some(target))),
        _ => None,
    },
};

/// Longest tag or environment name we look up. GitLab allows environments 255 characters; Git refs are path names.
const MAX_NAME_CHARS: usize = 255;

/// A full digest, else a name. A shortened digest is neither: looking an image up by a part of its digest would let a second
/// image with the same part stand in for it.
fn target(word: &str) -> Option<Target> {
    if let Ok(digest) = word.parse() {
        return Some(Target::Digest(digest));
    }
    let bare_digest = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    (is_name(word) && !bare_digest).then(|| Target::Name(word.into()))
}

/// A Git tag or environment name as we take it from chat: a strict part of what
/// [git-check-ref-format](https://git-scm.com/docs/git-check-ref-format) allows. No leading `-`, which a command line would
/// read as an option; no `..`, `//` or leading `.` or `/`, which a path would read as a way out.
fn is_name(word: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || matches!(c, '.' | '-' | '+' | '/');
    word.len() <= MAX_NAME_CHARS
        && word.starts_with(first)
        && word.chars().all(rest)
        && !word.ends_with(['/', '.'])
        && !word.contains("..")
        && !word.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn check(words: &[&str], expected: Option<Option<Target>>) {
        assert_eq!((ROW.arguments)(words), expected.map(Command::Verify), "{words:?}");
    }

    #[test]
    fn a_target_is_a_full_digest_or_a_name() {
        let digest = Digest::of(b"x");
        check(&[], Some(None));
        check(&[&digest.to_string()], Some(Some(Target::Digest(digest))));
        for name in ["v1.8.2", "1.8.2+build.7", "release/2026-05", "production", "review/feature_x", "_hidden"] {
            check(&[name], Some(Some(Target::Name(name.into()))));
        }
    }

    #[test]
    fn what_is_no_target_does_not_fit() {
        let digest = Digest::of(b"x");
        let long = "v".repeat(MAX_NAME_CHARS + 1);
        for word in [
            "sha256:4be1",
            "sha256:",
            &digest.short(),
            &digest.hex(),
            &digest.to_string().to_uppercase(),
            &format!("r.example/shop/api@{digest}"),
            "shop/api:v1",
            "-rf",
            "--format=json",
            "../etc/passwd",
            "a..b",
            "a//b",
            "/abs",
            "v1/",
            ".hidden",
            "v1;ls",
            "v1$(ls)",
            "vé",
            "v1\u{200b}",
            "",
            &long,
        ] {
            check(&[word], None);
        }
        check(&["v1", "v2"], None);
    }
}
