//! The words after a verb: a strict grammar for what people write (SR-08).

use super::Target;

/// Longest tag or environment name we look up. GitLab allows environments 255 characters; Git refs are path names.
pub(super) const MAX_NAME_CHARS: usize = 255;

/// The word that asks for a preview, and changes nothing.
const DRY_RUN: &str = "--dry-run";

/// A full digest, else a name. A shortened digest is neither: looking an image up by a part of its digest would let a second
/// image with the same part stand in for it.
pub(super) fn target(word: &str) -> Option<Target> {
    if let Ok(digest) = word.parse() {
        return Some(Target::Digest(digest));
    }
    name(word).map(Target::Name)
}

/// A Git tag or environment name as we take it from chat: a strict part of what
/// [git-check-ref-format](https://git-scm.com/docs/git-check-ref-format) and
/// [GitLab](https://docs.gitlab.com/ci/yaml/#environmentname) allow. No leading `-`, which a command line would read as an option, and
/// which here begins one that we do not know; no `..`, `//` or leading `.` or `/`, which a path would read as a way out; no bare
/// digest, which somebody meant as one.
pub(super) fn name(word: &str) -> Option<String> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || matches!(c, '.' | '-' | '+' | '/');
    let bare_digest = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_name = word.len() <= MAX_NAME_CHARS
        && word.starts_with(first)
        && word.chars().all(rest)
        && !word.ends_with(['/', '.'])
        && !word.contains("..")
        && !word.contains("//")
        && !bare_digest;
    is_name.then(|| word.into())
}

/// The words without `--dry-run`, which may stand anywhere after the verb, and whether it was there. `None` if it is there twice: whoever
/// wrote that wrote something else than they meant.
pub(super) fn dry_run<'a>(words: &[&'a str]) -> Option<(Vec<&'a str>, bool)> {
    let rest: Vec<_> = words.iter().copied().filter(|word| *word != DRY_RUN).collect();
    match words.len() - rest.len() {
        0 => Some((rest, false)),
        1 => Some((rest, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn a_target_is_a_full_digest_or_a_name() {
        let digest = Digest::of(b"x");
        assert_eq!(target(&digest.to_string()), Some(Target::Digest(digest)));
        assert_eq!(name(&digest.to_string()), None, "a digest is no name");
        let long = "v".repeat(MAX_NAME_CHARS);
        for word in ["v1.8.2", "1.8.2+build.7", "release/2026-05", "production", "review/feature_x", "_hidden", &long] {
            assert_eq!(target(word), Some(Target::Name(word.into())), "{word}");
            assert_eq!(name(word).as_deref(), Some(word));
        }
    }

    #[test]
    fn what_is_neither_does_not_fit() {
        let digest = Digest::of(b"x");
        let long = "v".repeat(MAX_NAME_CHARS + 1);
        for word in [
            "sha256:4be1",
            "sha256:",
            &digest.short(),
            &digest.hex(),
            &digest.hex().to_uppercase(),
            &digest.to_string().to_uppercase(),
            &format!("r.example/shop/api@{digest}"),
            "shop/api:v1",
            "-rf",
            "--format=json",
            DRY_RUN,
            "—dry-run",
            "../etc/passwd",
            "a..b",
            "a//b",
            "/abs",
            "v1/",
            "v1.",
            ".hidden",
            "v1;ls",
            "v1$(ls)",
            "$CI_ENVIRONMENT",
            "vé",
            "v1\u{200b}",
            "@all",
            "",
            &long,
        ] {
            assert_eq!((target(word), name(word)), (None, None), "{word}");
        }
        assert!(name(&"a".repeat(63)).is_some() && name(&"g".repeat(64)).is_some(), "only what could be a digest is taken for one");
    }

    #[test]
    fn a_dry_run_is_asked_for_once_and_anywhere() {
        assert_eq!(dry_run(&["a", "b"]), Some((vec!["a", "b"], false)));
        for words in [["--dry-run", "a", "b"], ["a", "--dry-run", "b"], ["a", "b", "--dry-run"]] {
            assert_eq!(dry_run(&words), Some((vec!["a", "b"], true)));
        }
        assert_eq!(dry_run(&["--dry-run", "--dry-run"]), None);
        assert_eq!(dry_run(&["--DRY-RUN"]), Some((vec!["--DRY-RUN"], false)), "which is no name");
    }
}
