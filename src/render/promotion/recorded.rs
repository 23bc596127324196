//! Sentences that come back from the record, or from another part of the program: our own words, with names from outside in them.

use std::collections::BTreeSet;

use super::super::explain::without_host;
use super::super::inert::{one_line, quoted};
use super::super::phrase::{Phrase, shorten};

/// A sentence with its code spans as they were; each other word that could do something in GitLab, or that is more than a word,
/// becomes a code span as well. Which do is decided here, and not where the sentence was made.
pub(super) fn recorded(text: &str) -> Phrase {
    let text = one_line(text.trim().trim_end_matches('.'));
    if text.is_empty() {
        return Phrase::name("");
    }
    let pieces: Vec<&str> = text.split('`').collect();
    // An even number of pieces leaves a mark open: then none of them counts as one.
    let said: Vec<String> = match pieces.len() % 2 {
        1 => pieces.iter().enumerate().map(|(at, piece)| if at % 2 == 0 { words(piece) } else { quoted(&shown(piece)) }).collect(),
        _ => vec![words(&text)],
    };
    Phrase::new(said.concat(), text.replace('`', ""))
}

/// The same where even the bare names of these registries stay out.
pub(super) fn recorded_without(text: &str, hosts: &BTreeSet<String>) -> Phrase {
    let bare =
        hosts.iter().fold(text.to_owned(), |text, host| text.replace(&format!("{host}/"), "").replace(host.as_str(), "the registry"));
    recorded(&bare)
}

fn words(piece: &str) -> String {
    piece.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &str) -> String {
    let core = word.trim_start_matches('(').trim_end_matches([')', ',', ';', ':', '.', '?']);
    if core.is_empty() || does_nothing(core) {
        return if core.is_empty() && !word.chars().all(|c| matches!(c, '(' | ')' | ',' | ';' | ':' | '.')) {
            quoted(word)
        } else {
            word.into()
        };
    }
    match word.split_once(core) {
        Some((before, after)) => format!("{before}{}{after}", quoted(&shown(core))),
        None => quoted(word),
    }
}

/// A name as notes show it: registries are not named in them.
fn shown(name: &str) -> String {
    shorten(without_host(name))
}

/// A word without markup, reference, address or emoji.
fn does_nothing(word: &str) -> bool {
    let chars: Vec<char> = word.chars().collect();
    let letter = |index: Option<usize>| index.and_then(|index| chars.get(index)).is_some_and(|c| c.is_alphabetic());
    chars.iter().enumerate().all(|(index, c)| match c {
        '\'' => true,
        // `ABC-12` is a reference where a tracker is connected.
        '-' => letter(index.checked_sub(1)) && letter(Some(index + 1)),
        c if c.is_ascii_digit() => !is_long_hex(&chars, index),
        c => c.is_alphabetic(),
    })
}

/// Whether a digit stands in a word of seven or more hex digits, which GitLab may take for a commit
/// ([references](https://docs.gitlab.com/user/markdown/#gitlab-specific-references)).
fn is_long_hex(chars: &[char], index: usize) -> bool {
    let around = |c: &&char| c.is_ascii_hexdigit();
    let before = chars[..index].iter().rev().take_while(around).count();
    let after = chars[index..].iter().take_while(around).count();
    before + after >= 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::inert::tests::HOSTILE;

    #[test]
    fn our_own_sentences_stay_as_they_are() {
        for text in [
            "nobody approved it within 1h",
            "the job `deploy` (23) ended as failed; nothing else was started",
            "The step `retag` of the promotion to `production` was refused: the registry's answer was 403",
            "The registry did not answer, so what was promoted to staging could not be checked",
        ] {
            assert_eq!(recorded(text).markdown(), text);
        }
        assert_eq!(recorded("`a@b` stays.").markdown(), "`a＠b` stays");
        assert_eq!(recorded("`a` stays").plain(), "a stays");
    }

    #[test]
    fn words_that_could_do_something_become_code() {
        let digest = crate::model::Digest::of(b"x");
        for (text, expected) in [
            ("pipeline #12 is gone", "pipeline `#12` is gone"),
            ("ask @all, now", "ask `＠all`, now"),
            ("(see https://evil.example)", "(see `/evil.example`)"),
            ("see www.evil.example", "see `www.evil.example`"),
            ("the job deploy_production (23)", "the job `deploy_production` (23)"),
            ("a :tada: *b* ABC-12 _x_", "a `:tada`: `*b*` `ABC-12` `_x_`"),
            ("commit a1b2c3d4: gone", "commit `a1b2c3d4`: gone"),
            ("a `b", "a `'b`"),
            ("/close", "`/close`"),
            (&format!("r.example/a@{digest} is gone"), &format!("`a＠{}` is gone", digest.short())),
        ] {
            assert_eq!(recorded(text).markdown(), expected);
        }
        for text in HOSTILE {
            let said = recorded(text);
            assert!(!said.markdown().contains('\n') && !said.markdown().starts_with('/'), "{said:?}");
            assert!(said.markdown().matches('`').count().is_multiple_of(2), "{said:?}");
            let outside: String = said.markdown().split('`').step_by(2).collect();
            assert!(!outside.contains(['@', '<', '[', '#', '!', '~', '*', '_', '&', '$', '\\', '|', '{', '/']), "{text:?} -> {said:?}");
        }
    }

    #[test]
    fn a_registry_is_not_named_to_everyone() {
        let hosts = BTreeSet::from(["registry.example.com:5000".to_owned()]);
        let said = recorded_without("`registry.example.com:5000/shop/api:live` is no index at registry.example.com:5000", &hosts);
        assert_eq!(said.markdown(), "`shop/api:live` is no index at the registry");
    }
}
