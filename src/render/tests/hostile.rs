//! Outside text changes nothing but the text of code spans: the structure that a Markdown parser sees stays the same.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::world::*;
use crate::model::gitlab::MergeRequestIid;
use crate::render::inert::tests::HOSTILE;
use crate::render::*;
use crate::verdict::Verdict;

/// What a parser sees, with the text of code spans and the addresses of our links left out.
pub(super) fn structure(markdown: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH;
    let mut seen = vec![];
    let mut fenced = false;
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Code(_) => seen.push("code".into()),
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with("https://gitlab.example.com/"), "a link leads away: {dest_url}");
                seen.push("link".into());
            }
            Event::Start(Tag::CodeBlock(_)) => {
                fenced = true;
                seen.push("block".into());
            }
            Event::End(TagEnd::CodeBlock) => fenced = false,
            Event::Text(_) if fenced => {}
            event => seen.push(format!("{event:?}")),
        }
    }
    seen
}

fn outputs(words: &Words, outside: &Outside) -> Vec<String> {
    let mr = MergeRequestIid(412);
    let mut all = vec![words.unknown("bot", &outside.title, None), words.not_found(&NotFound::Name(outside.title.clone()))];
    for verdict in [passed(outside), multi_arch(outside), tag_moved(outside), unreachable(outside), not_ended(outside)] {
        let one = std::slice::from_ref(&verdict);
        all.push(words.sticky_note(mr, one, Audience::Members, &[]));
        all.push(words.reply(mr, one, Audience::Everyone));
        all.push(words.release_section(one, &[]));
    }
    for problem in problems(outside) {
        let said = words.explain(&problem, &subject(outside));
        all.push(format!("### x {}\n\n{}\n", said.headline.markdown(), said.next_step.markdown()));
    }
    all
}

#[test]
fn hostile_text_changes_no_structure() {
    let words = Words::new().unwrap();
    // Text that is no shell word, so that both sides leave out the line for the shell.
    let calm: Vec<_> = outputs(&words, &Outside::all("calm text")).iter().map(|text| structure(text)).collect();
    for text in HOSTILE {
        for (output, calm) in outputs(&words, &Outside::all(&format!("{text} x"))).iter().zip(&calm) {
            assert_eq!(&structure(output), calm, "{text:?} in\n{output}");
        }
        for (output, calm) in outputs(&words, &Outside::all(&format!("a b{text}"))).iter().zip(&calm) {
            assert_eq!(&structure(output), calm, "{text:?} in\n{output}");
        }
    }
}

#[test]
fn no_line_is_a_quick_action_and_no_marker_is_forged() {
    let words = Words::new().unwrap();
    let calm = outputs(&words, &Outside::all("calm text"));
    for text in HOSTILE {
        let both = [format!("a {text}"), format!("{text} x")].map(|text| outputs(&words, &Outside::all(&text)));
        for (output, calm) in both.iter().flat_map(|outputs| outputs.iter().zip(&calm)) {
            assert!(!output.lines().any(|line| line.trim_start().starts_with('/')), "{text:?} in\n{output}");
            for ours in ["<", ">", "<!--", "countersign:release:end -->", "countersign:mr:", "<details>", "</details>"] {
                assert_eq!(output.matches(ours).count(), calm.matches(ours).count(), "{text:?} adds {ours} in\n{output}");
            }
            assert!(!output.contains("@all"), "{text:?} in\n{output}");
            assert!(!output.chars().any(|c| c.is_control() && c != '\n'), "{output:?}");
        }
    }
}

#[test]
fn terminal_texts_and_statuses_hold_no_control_characters() {
    let words = Words::new().unwrap();
    for text in HOSTILE {
        let verdict: Verdict = tag_moved(&Outside::all(text));
        let shown = words.verdict_text(&verdict, false) + &words.status_description(std::slice::from_ref(&verdict));
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert_eq!(words.status_description(&[verdict]).lines().count(), 1);
    }
}

#[test]
fn the_last_look_stops_a_slash_at_the_start_of_a_line() {
    let result = std::panic::catch_unwind(|| safe("fine\n /close\n".into()));
    assert!(result.is_err(), "debug builds must fail on it");
    assert_eq!(safe("a\r\nb/c\n".into()), "a\nb/c\n");
}
