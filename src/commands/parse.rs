//! From a note's Markdown to what it says to us.
//!
//! A CommonMark parser decides what is plain text, with the extensions GitLab renders, so that a command shown in a code
//! block, quote, table or list is not a command given.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{COMMANDS, Command, PREFIX, Row, Said};

/// A longer note holds no commands. People write commands in short notes; a million characters would only cost us time.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Further commands of one note are not read: one note must not start an unbounded amount of work.
pub const MAX_COMMANDS: usize = 5;
/// A longer unknown word is cut here before it is shown back.
pub const MAX_WORD_CHARS: usize = 40;
/// A line that mentions us, goes on with an unknown word and is longer than this is prose ("@bot thanks, that was quick").
const MAX_WORDS_OF_A_SLIP: usize = 3;
/// Edits between an unknown word and a verb that still count as a slip of the hand.
const MAX_SLIPS: usize = 2;

/// Reads a note. `username` is our own, without the at-sign.
///
/// A command is a line of a plain top-level paragraph (no markup on that line, at most three spaces before it) that begins
/// with a bare verb, with `/countersign`, or with our name; in any case, as GitLab reads names and quick actions.
pub fn parse(body: &str, username: &str) -> Vec<Said> {
    if body.len() > MAX_NOTE_BYTES {
        return vec![];
    }
    let mut said = vec![];
    for line in plain_lines(body) {
        if let Some(one) = read(line, username).filter(|one| !said.contains(one)) {
            said.push(one);
        }
        if said.len() == MAX_COMMANDS {
            break;
        }
    }
    said
}

/// What one plain line says.
fn read(line: &str, username: &str) -> Option<Said> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let rest: Vec<_> = words.collect();
    if first.eq_ignore_ascii_case(PREFIX) {
        return Some(addressed(&rest));
    }
    if let Some(name) = first.strip_prefix('@') {
        let ours = name.strip_suffix([':', ',']).unwrap_or(name).eq_ignore_ascii_case(username);
        return ours.then(|| addressed(&rest)).filter(|said| !is_prose(said, &rest));
    }
    let verb = first.strip_prefix('/')?;
    row(verb).filter(|row| row.bare).map(|row| run(row, &rest))
}

/// What the words after our name say. Our name alone asks for help.
fn addressed(words: &[&str]) -> Said {
    let Some((verb, rest)) = words.split_first() else { return Said::Command(Command::Help) };
    match row(verb) {
        Some(row) => run(row, rest),
        None => Said::Unknown { word: verb.chars().take(MAX_WORD_CHARS).collect(), nearest: nearest(verb) },
    }
}

fn is_prose(said: &Said, words: &[&str]) -> bool {
    matches!(said, Said::Unknown { nearest: None, .. }) && words.len() > MAX_WORDS_OF_A_SLIP
}

fn row(verb: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.verb.eq_ignore_ascii_case(verb))
}

fn run(row: &Row, words: &[&str]) -> Said {
    match (row.arguments)(words) {
        Some(command) => Said::Command(command),
        None => Said::Usage { verb: row.verb, usage: row.usage },
    }
}

fn nearest(word: &str) -> Option<&'static str> {
    // A long word is near nothing, and comparing it costs its length squared.
    if word.chars().count() > MAX_WORD_CHARS {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distance = |row: &Row| strsim::damerau_levenshtein(&word, row.verb);
    let near = COMMANDS.iter().min_by_key(|row| distance(row))?;
    // Two slips make nearly anything of a word of four letters.
    (distance(near) <= MAX_SLIPS.min(near.verb.len() / 2)).then_some(near.verb)
}

/// The lines of the note's top-level paragraphs that are plain text throughout.
fn plain_lines(body: &str) -> Vec<&str> {
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut lines = vec![];
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut paragraph: Option<Paragraph> = None;
    for (event, range) in Parser::new_ext(body, extensions).into_offset_iter() {
        match event {
            // Markdown inside `<details>` or `<blockquote>` looks like plain paragraphs, so nothing after HTML counts.
            Event::Start(Tag::HtmlBlock) if !is_comment(&body[range.clone()]) => break,
            Event::Start(Tag::BlockQuote(_)) if depth == 0 => quoted ^= fences(&body[range]) % 2 == 1,
            Event::Start(Tag::Paragraph) if depth == 0 && !quoted => paragraph = Some(Paragraph::new(range)),
            Event::End(TagEnd::Paragraph) if depth == 1 => lines.extend(paragraph.take().into_iter().flat_map(|p| p.lines(body))),
            Event::Text(ref text) if depth == 1 && text.as_ref() == &body[range.clone()] => {
                paragraph.iter_mut().for_each(|p| p.text.push(range.clone()))
            }
            Event::InlineHtml(ref html) if !is_comment(html) => paragraph = None,
            _ => {}
        }
        depth = match event {
            Event::Start(_) => depth + 1,
            Event::End(_) => depth.saturating_sub(1),
            _ => depth,
        };
    }
    lines
}

/// A top-level paragraph and the parts of it that are text exactly as written: no markup, no escape, no entity.
struct Paragraph {
    range: Range<usize>,
    text: Vec<Range<usize>>,
}

impl Paragraph {
    fn new(range: Range<usize>) -> Self {
        Self { range, text: vec![] }
    }

    fn lines(self, body: &str) -> Vec<&str> {
        let start = body[..self.range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let mut texts = self.text.as_slice();
        let mut at = start;
        let mut lines = vec![];
        for line in body[start..self.range.end].split_inclusive('\n') {
            let text = line.trim_start_matches(' ');
            let indent = line.len() - text.len();
            let text = text.trim_end_matches([' ', '\t', '\r', '\n']);
            let from = at + indent;
            // Texts come in order: each is passed once, however many lines there are.
            texts = &texts[texts.partition_point(|text| text.end <= from)..];
            if indent <= 3 && !text.is_empty() && covers(texts, from..from + text.len()) {
                lines.push(text);
            }
            at += line.len();
        }
        lines
    }
}

/// Whether every byte of a line is plain text; the first of the texts is the first that reaches into the line.
fn covers(texts: &[Range<usize>], line: Range<usize>) -> bool {
    let mut at = line.start;
    for text in texts {
        if at >= line.end || text.start > at {
            break;
        }
        at = text.end;
    }
    at >= line.end
}

fn is_comment(html: &str) -> bool {
    let html = html.trim();
    html.starts_with("<!--") && html.find("-->").is_some_and(|end| end + 3 == html.len())
}

/// Lines `>>>` at which GitLab's multi-line quotes begin and end; CommonMark sees empty quotes there, with plain text between.
fn fences(quote: &str) -> usize {
    quote.lines().filter(|line| line.trim_end() == ">>>").count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Target;
    use crate::model::Digest;

    fn verify(name: &str) -> Said {
        Said::Command(Command::Verify(Some(Target::Name(name.into()))))
    }

    fn check(body: &str, expected: &[Said]) {
        assert_eq!(parse(body, "project_7_bot_a1"), expected, "{body:?}");
    }

    #[test]
    fn the_forms_of_a_command_are_read() {
        let plain = Said::Command(Command::Verify(None));
        for body in [
            "/verify",
            "   /verify  ",
            "/Verify",
            "/countersign verify",
            "/Countersign VERIFY",
            "@project_7_bot_a1 verify",
            "@Project_7_Bot_A1: verify",
            "@project_7_bot_a1, verify",
            "Looks good.\n/verify\nThanks!",
            "Looks *good*.\r\n/verify\r\n",
            "<!-- template -->\n\n/verify",
            "> is it ours?\n\n/verify",
            "```\ncode\n```\n/verify",
            ">>>\nquoted\n>>>\n\n/verify",
        ] {
            check(body, std::slice::from_ref(&plain));
        }
        let digest = Digest::of(b"x");
        check(&format!("/verify {digest}"), &[Said::Command(Command::Verify(Some(Target::Digest(digest))))]);
        check("/verify v1_8_2", &[verify("v1_8_2")]);
        check("/countersign status", &[Said::Command(Command::Status(None))]);
        check("@project_7_bot_a1 approve", &[Said::Command(Command::Approve)]);
        check("@project_7_bot_a1: Cancel", &[Said::Command(Command::Cancel)]);
        check("@project_7_bot_a1", &[Said::Command(Command::Help)]);
        check("/countersign", &[Said::Command(Command::Help)]);
        check("/countersign help", &[Said::Command(Command::Help)]);
    }

    fn promote(environment: &str, tag: Option<&str>, dry_run: bool) -> Said {
        let target = tag.map(|tag| Target::Name(tag.into()));
        Said::Command(Command::Promote { environment: environment.into(), target, dry_run })
    }

    #[test]
    fn a_promotion_is_read_in_every_form() {
        for body in [
            "/promote production v1",
            " /promote production v1",
            "   /promote   production\tv1 ",
            "/countersign promote production v1",
            "   /countersign PROMOTE production v1",
            "@project_7_bot_a1 promote production v1",
            "@project_7_bot_a1: promote production v1",
        ] {
            check(body, &[promote("production", Some("v1"), false)]);
        }
        for body in [
            "/promote production v1 --dry-run",
            "/promote --dry-run production v1",
            "/promote production --dry-run v1",
            "/countersign promote --dry-run production v1",
        ] {
            check(body, &[promote("production", Some("v1"), true)]);
        }
        check("/promote production", &[promote("production", None, false)]);
        let back = Said::Command(Command::Rollback { environment: "production".into(), target: None, dry_run: false });
        check("/rollback production", std::slice::from_ref(&back));
        check("@project_7_bot_a1 rollback production", &[back]);
        for body in
            ["    /promote production", "`/promote production`", "> /promote production", "- /rollback production", "please /promote x"]
        {
            check(body, &[]);
        }
    }

    #[test]
    fn several_promotions_of_a_note_are_several_and_the_same_is_one() {
        let note = "Ship it.\n/promote staging v1\n/promote production v1\n/promote staging v1\n/countersign status";
        let status = Said::Command(Command::Status(None));
        check(note, &[promote("staging", Some("v1"), false), promote("production", Some("v1"), false), status]);
        let preview = "/promote production --dry-run\n/promote production";
        check(preview, &[promote("production", None, true), promote("production", None, false)]);
    }

    #[test]
    fn several_commands_count_once_each_and_in_bounds() {
        check("/verify a\n/verify b\n\n/verify a", &[verify("a"), verify("b")]);
        let many: String = (0..20).map(|n| format!("/verify v{n}\n")).collect();
        assert_eq!(parse(&many, "bot").len(), MAX_COMMANDS);
        check(&format!("/verify\n\n{}", "x".repeat(MAX_NOTE_BYTES)), &[]);
    }

    #[test]
    fn only_plain_paragraph_lines_count() {
        for body in [
            "`/verify`",
            "```\n/verify\n```",
            "~~~sh\n/verify\n~~~",
            "    /verify",
            "text\n    /verify",
            "text\n\t/verify",
            "> /verify",
            "> text\n/verify",
            ">>>\n/verify\n>>>",
            ">>>\n\n/verify\n\n>>>",
            "- /verify",
            "1. /verify",
            "- text\n\n  /verify",
            "# /verify",
            "/verify\n---",
            "/verify\n===",
            "---\n/verify\n---",
            "| a |\n|---|\n| /verify |",
            "/verify | b\n---|---",
            "[^1]: /verify",
            "/verify\n: meaning",
            "<div>\n/verify\n</div>",
            "<details>\n<summary>old</summary>\n\n/verify\n\n</details>",
            "<!-- x --> <details>\n\n/verify",
            "text <span>\n/verify\n</span>",
            "<!--\n/verify\n-->",
            "*/verify*",
            "~~/verify~~",
            "/verify **v1**",
            "/verify `v1`",
            "/verify [v1](x)",
            "/verify ![v1](x)",
            "/verify <b>v1</b>",
            "*text\n/verify v1\ntext*",
            "`text\n/verify\ntext`",
            "\\/verify",
            "&#47;verify",
            "/verify\\\nv1",
            "\u{a0}/verify",
            "\u{200b}/verify",
            "\u{202e}/verify",
        ] {
            check(body, &[]);
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for body in [
            "",
            "/",
            "/foo",
            "/verifyx",
            "/verify:",
            "/verify/v1",
            "/help",
            "//verify",
            "/promoted staging",
            "/rollbacks staging",
            "/approve",
            "/cancel",
            "/status",
            "/countersigned verify",
            "please /verify",
            "ask @project_7_bot_a1 verify",
            "@project_7_bot_a12 verify",
            "@project_7_bot_a1.x verify",
            "@project_7_bot_a1-x verify",
            "@project_7_bot_a1/verify",
            "@project_7_bot verify",
            "@all verify",
            "@",
            "@project_7_bot_a1 thanks, that was quick",
        ] {
            check(body, &[]);
        }
    }

    #[test]
    fn a_wrong_word_is_answered() {
        let unknown = |word: &str, nearest| Said::Unknown { word: word.into(), nearest };
        check("/countersign verfiy v1", &[unknown("verfiy", Some("verify"))]);
        check("@project_7_bot_a1 Verfy the new image please", &[unknown("Verfy", Some("verify"))]);
        for (slip, verb) in [
            ("promot", "promote"),
            ("Pormote", "promote"),
            ("promtoe", "promote"),
            ("rollbak", "rollback"),
            ("roll-back", "rollback"),
            ("stats", "status"),
            ("aprove", "approve"),
            ("cancle", "cancel"),
        ] {
            check(&format!("/countersign {slip} production"), &[unknown(slip, Some(verb))]);
        }
        // Near in meaning is not near: a guess at what somebody wants to change would be ours.
        for word in ["deploy", "release", "undo", "revert", "merge"] {
            check(&format!("/countersign {word} production"), &[unknown(word, None)]);
        }
        check("@project_7_bot_a1 thanks", &[unknown("thanks", None)]);
        check("/countersign x", &[unknown("x", None)]);
        check(&format!("/countersign {}", "é".repeat(4000)), &[unknown(&"é".repeat(MAX_WORD_CHARS), None)]);
    }

    #[test]
    fn wrong_arguments_get_the_usage() {
        for body in ["/verify a b", "/verify sha256:4be1", "/countersign verify -x", "@project_7_bot_a1 verify ../x"] {
            check(body, &[Said::Usage { verb: "verify", usage: "verify [TAG or DIGEST or ENVIRONMENT]" }]);
        }
        for (verb, usage, bodies) in [
            (
                "promote",
                "promote ENV [TAG or DIGEST] [--dry-run]",
                &[
                    "/promote",
                    "/promote a b c",
                    "/promote a --dryrun",
                    "/promote a —dry-run",
                    "@project_7_bot_a1 promote it when green please",
                ][..],
            ),
            ("rollback", "rollback ENV [TAG] [--dry-run]", &["/rollback", "/rollback a b c", "/rollback a sha256:4be1"]),
            ("status", "status [ENV]", &["/countersign status a b"]),
            ("approve", "approve", &["/countersign approve v1", "@project_7_bot_a1 approve this"]),
            ("cancel", "cancel", &["/countersign cancel all"]),
        ] {
            for body in bodies {
                check(body, &[Said::Usage { verb, usage }]);
            }
        }
        check("/countersign help me", &[Said::Usage { verb: "help", usage: "help" }]);
    }

    #[test]
    fn the_worst_note_is_read_in_good_time() {
        for piece in
            ["a\n", "/verifyx\n", "[", "![", "*a ", "`", "``a`", "<", "&", "> ", "- ", "<!--", "$", "~~", "_a_", "|", "[^1]:", "@bot\u{a0}"]
        {
            let body: String = piece.chars().cycle().take(MAX_NOTE_BYTES / piece.len() * piece.chars().count()).collect();
            let start = std::time::Instant::now();
            assert!(parse(&body, "bot").len() <= MAX_COMMANDS);
            assert!(start.elapsed().as_secs() < 5, "{piece:?} took {:?}", start.elapsed());
        }
    }

    #[test]
    fn any_text_is_read_without_panic() {
        let pieces =
            ["/verify", "@bot", "\n", "\r", " ", "`", ">", ">>>", "<!--", "-->", "<b>", "é", "*", "_", "|", "-", "[", "]", "(", "\t"];
        let mut seed = 7_usize;
        for _ in 0..20_000 {
            let mut body = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                body.push_str(pieces[(seed >> 33) % pieces.len()]);
            }
            assert!(parse(&body, "bot").len() <= MAX_COMMANDS);
        }
    }
}
