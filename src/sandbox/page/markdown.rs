//! Notes and release texts as HTML.

/// Markdown as GitLab shows it, as far as the demo needs: CommonMark with tables; of raw HTML only `<details>` and `<summary>`.
pub fn markdown(text: &str) -> String {
    use pulldown_cmark::{Event, Options, Parser, html};
    let events = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).map(|event| match event {
        Event::Html(raw) => Event::Html(only_known_tags(&raw).into()),
        Event::InlineHtml(raw) => Event::InlineHtml(only_known_tags(&raw).into()),
        other => other,
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Keeps the four tags that a note may use, drops comments, and shows every other bracket as text.
fn only_known_tags(raw: &str) -> String {
    const KNOWN: [&str; 4] = ["<details>", "</details>", "<summary>", "</summary>"];
    let (mut out, mut rest) = (String::new(), raw);
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at].replace('>', "&gt;"));
        rest = &rest[at..];
        if let Some(tag) = KNOWN.iter().find(|tag| rest.starts_with(**tag)) {
            out.push_str(tag);
            rest = &rest[tag.len()..];
        } else if rest.starts_with("<!--") {
            rest = rest.split_once("-->").map_or("", |(_, after)| after);
        } else {
            out.push_str("&lt;");
            rest = &rest[1..];
        }
    }
    out + &rest.replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_tables_and_details_and_nothing_else_of_html() {
        let shown = markdown(
            "<!-- x -->\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<details><summary>More</summary>\n\ntext\n\n</details>\n\n<img src=x onerror=alert(1)>\n",
        );
        assert!(shown.contains("<td>1</td>") && shown.contains("<details><summary>More</summary>"), "{shown}");
        assert!(!shown.contains("<img") && !shown.contains("<!--"), "{shown}");
        let shown = markdown("<details><script>alert(1)</script></details>");
        assert!(!shown.contains("<script"), "{shown}");
    }
}
