//! Makes outside text do nothing (SR-10).

/// Longer outside text is cut. GitLab allows titles 255 characters; identities and refs may be longer, and what tells two of
/// them apart often stands at the end.
pub const MAX_INERT_CHARS: usize = 300;

/// Outside text that renders as itself and does nothing, inside a code span.
///
/// One line; no backtick, angle bracket, at-sign, bracket, bar, backslash or control character; nothing invisible or
/// direction-changing; at most [`MAX_INERT_CHARS`]. Characters with a meaning become look-alikes without one, the rest a space.
///
/// What may still stand in it (`#123`, `!12`, `~label`, `%milestone`, `:emoji:`, `&amp;`, `https://…`, `ABC-12`, a commit's
/// hex digits, `*`, `_`, `$`) does nothing inside code, where GitLab resolves no references, entities, links or markup. So
/// outside text is shown only inside code spans that we write ourselves, which it cannot leave: [`quoted`].
pub fn inert(text: &str) -> String {
    bounded(text.chars().map(|c| match c {
        '`' => '\'',
        '<' => '‹',
        '>' => '›',
        '@' => '＠',
        '[' => '(',
        ']' => ')',
        '|' => '¦',
        '\\' => '＼',
        c => c,
    }))
}

/// Outside text as a code span that it cannot leave. Never empty: two backticks would open a longer span.
pub fn quoted(text: &str) -> String {
    match inert(text).as_str() {
        "" => "`(empty)`".into(),
        inert => format!("`{inert}`"),
    }
}

/// Outside text for a terminal, a log or JSON: one line, nothing invisible, bounded; otherwise as it is.
pub fn one_line(text: &str) -> String {
    bounded(text.chars())
}

/// A sentence of ours that came back to us, for a terminal: as long as it is, with nothing in it that is not seen.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect()
}

/// Spaces for everything that is not seen, runs of them as one, and a bound.
fn bounded(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    let mut count = 0;
    let mut gap = false;
    for c in chars {
        if is_unseen(c) {
            gap = true;
            continue;
        }
        if count + usize::from(gap) >= MAX_INERT_CHARS - 1 {
            out.push('…');
            break;
        }
        if gap && !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        gap = false;
        out.push(c);
        count += 1;
    }
    out
}

/// Whitespace, control characters, and what Unicode draws as nothing or uses to turn the direction of text, which would let a
/// name look like another ([Unicode TR 36](https://www.unicode.org/reports/tr36/)).
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}')
}

/// Text that may stand unquoted in a shell command we show: an address or a name, none of whose characters a shell, Markdown
/// or GitLab reads.
pub(super) fn is_shell_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '_' | '+' | '@' | '-');
    !text.is_empty() && text.len() <= 512 && !text.starts_with(['-', '@']) && text.chars().all(plain)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Outside text that tries to do something.
    pub(in crate::render) const HOSTILE: &[&str] = &[
        "@all",
        "`@all`",
        "``` @all",
        "</details>",
        "| pipe | more |",
        "two\nlines",
        "two\r\n\r\n/close",
        "/close",
        "\r/close",
        "<!-- countersign:release:end -->",
        "<img src=x onerror=alert(1)>",
        "[text](https://evil.example)",
        "![image](https://evil.example/x.png)",
        "[x]: https://evil.example",
        "https://evil.example/?a=1&b=2",
        "www.evil.example",
        "#123 !12 ~label %milestone &7 $5 ABC-12 GL-3",
        "&#64;all &commat;all &lt;b&gt;",
        ":tada: :100:",
        "*bold* _slanted_ ~~gone~~ $x$",
        "\\",
        "\\`",
        "a\\|b",
        "\u{202e}gnp.exe",
        "a\u{200b}b\u{feff}c\u{2066}d",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{0}",
        "",
        " ",
        "```\n/close\n```",
        "- [ ] task",
        "# heading",
        "{{md x}} {{{x}}}",
        "Grüße, 世界 🎉",
    ];

    fn hold(text: &str) {
        let out = inert(text);
        assert!(out.chars().count() <= MAX_INERT_CHARS, "{text:?}");
        assert!(!out.contains(['`', '<', '>', '@', '[', ']', '|', '\\']), "{text:?} -> {out:?}");
        assert!(out.chars().all(|c| c == ' ' || !is_unseen(c)), "{text:?} -> {out:?}");
        assert_eq!(out.trim(), out);
        assert_eq!(inert(&out), out, "making it inert twice changes it");
        let span = quoted(text);
        assert_eq!(span.matches('`').count(), 2, "{span}");
        assert!(!span.contains("``"), "{span}");
    }

    #[test]
    fn outside_text_cannot_leave_its_code_span() {
        HOSTILE.iter().for_each(|text| hold(text));
        let pieces: Vec<char> = HOSTILE.iter().flat_map(|text| text.chars()).chain(['\u{85}', '\u{2029}', '\u{e0041}']).collect();
        let mut seed = 11_usize;
        for round in 0..20_000 {
            let mut text = String::new();
            for _ in 0..round % 40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(pieces[(seed >> 33) % pieces.len()]);
            }
            hold(&text);
        }
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        for text in ["Retry failed payments", "release/v1.8.2+build_7", "Grüße, 世界 🎉", "it's 50% done & (more)"] {
            assert_eq!(inert(text), text);
            assert_eq!(one_line(text), text);
        }
        assert_eq!(inert("a \n\t b"), "a b");
        assert_eq!(one_line("a@b <c>\u{1b}[1m"), "a@b <c> [1m");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        let long = inert(&"é".repeat(5000));
        assert_eq!(long.chars().count(), MAX_INERT_CHARS);
        assert!(long.ends_with('…'));
        assert_eq!(inert(&"é".repeat(MAX_INERT_CHARS - 1)).chars().count(), MAX_INERT_CHARS - 1);
    }

    #[test]
    fn a_shell_sees_no_command_in_plain_text() {
        assert!(is_shell_plain("https://gitlab.example.com/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2"));
        for text in ["", "-x", "a b", "$(x)", "a;b", "a'b", "a\"b", "a`b", "a\nb", "é", "a|b", "@x", "a%2Fb", "a*"] {
            assert!(!is_shell_plain(text), "{text}");
        }
    }
}
