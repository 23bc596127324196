//! Words with markup that we wrote ourselves: the only thing a template puts in as it is.

use std::fmt::Display;

use serde::Serialize;
use url::Url;

use super::inert::{is_shell_plain, one_line, quoted};
use crate::model::gitlab::{CommitSha, MergeRequestIid, PipelineId};
use crate::model::moment::ago;
use crate::model::{Digest, PinnedImage, Timestamp};

/// A piece of text in two forms. Outside text gets into one only through [`Phrase::name`], which makes it inert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phrase {
    markdown: String,
    plain: String,
}

/// Longer addresses are not linked.
const MAX_URL_BYTES: usize = 2048;
/// More items of a list are counted, not named.
const MAX_LISTED: usize = 6;

impl Phrase {
    pub(super) fn new(markdown: String, plain: String) -> Self {
        Self { markdown, plain }
    }

    /// For GitLab.
    pub fn markdown(&self) -> &str {
        &self.markdown
    }

    /// For a terminal, JSON or a commit status. Not Markdown, and not to be put into any.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// Words of our own source.
    pub(super) fn own(text: &'static str) -> Self {
        Self::new(text.into(), text.into())
    }

    /// A value whose grammar leaves it nothing to do harm with: letters and digits, and no more than `:./_-…@#` and space.
    fn code(text: impl Display) -> Self {
        let text = text.to_string();
        Self::new(format!("`{text}`"), text)
    }

    /// A word of a machine's language, of our own source: a code, a file name.
    pub(super) fn term(text: &'static str) -> Self {
        Self::code(text)
    }

    /// A thing to type, of our own source.
    pub(super) fn typed(text: &'static str) -> Self {
        Self::new(format!("`{text}`"), format!("'{text}'"))
    }

    /// A command to type: `/verify`, `/countersign verify`.
    pub(super) fn command(before: &'static str, words: &'static str) -> Self {
        let gap = if before == "/" { "" } else { " " };
        Self::code(format_args!("{before}{gap}{words}"))
    }

    /// A command to type after our user name, whose characters the caller has checked.
    pub(super) fn mention(username: &str, words: &'static str) -> Self {
        Self::code(format_args!("@{username} {words}"))
    }

    /// Outside text.
    pub(super) fn name(text: &str) -> Self {
        let plain = if is_shell_plain(text) { text.to_owned() } else { format!("'{}'", one_line(text)) };
        Self::new(quoted(text), plain)
    }

    /// How long ago something was.
    pub(super) fn age(then: Timestamp, now: Timestamp) -> Self {
        let age = ago(then, now);
        Self::new(age.clone(), age)
    }

    pub(super) fn number(number: u64) -> Self {
        Self::new(number.to_string(), number.to_string())
    }

    /// A digest, shortened.
    pub(super) fn digest(digest: &Digest) -> Self {
        Self::code(digest.short())
    }

    pub(super) fn full_digest(digest: &Digest) -> Self {
        Self::code(digest)
    }

    /// Two digests to be told apart: in full if their short forms are one, as somebody may have made them.
    pub(super) fn digests(one: &Digest, other: &Digest) -> (Self, Self) {
        if one != other && one.short() == other.short() {
            return (Self::full_digest(one), Self::full_digest(other));
        }
        (Self::digest(one), Self::digest(other))
    }

    /// An image without its registry, digest shortened.
    pub(super) fn image(image: &PinnedImage) -> Self {
        Self::code(format_args!("{}@{}", image.repository.path, image.digest.short()))
    }

    /// A whole reference, to be copied.
    pub(super) fn reference(image: &PinnedImage) -> Self {
        Self::code(image)
    }

    pub(super) fn commit(sha: &CommitSha) -> Self {
        Self::code(sha.short())
    }

    pub(super) fn full_commit(sha: &CommitSha) -> Self {
        Self::code(sha)
    }

    /// Two commits to be told apart; the second is outside text.
    pub(super) fn commits(one: &CommitSha, other: &str) -> (Self, Self) {
        match other.parse::<CommitSha>() {
            Ok(other) if other.short() != one.short() => (Self::commit(one), Self::commit(&other)),
            Ok(_) | Err(_) => (Self::full_commit(one), Self::name(other)),
        }
    }

    /// `pipeline #88213`, linked where its address is known.
    pub(super) fn pipeline(id: PipelineId, project_url: Option<&str>) -> Self {
        let url = project_url.map(|url| format!("{}/-/pipelines/{id}", url.trim_end_matches('/')));
        Self::numbered("pipeline", id.0, url.as_deref())
    }

    /// `job #501`, linked where its address is known. The number never stands bare: GitLab reads `#501` as an issue.
    pub(super) fn numbered(kind: &'static str, id: u64, url: Option<&str>) -> Self {
        let plain = format!("{kind} #{id}");
        url.and_then(|url| Self::new(plain.clone(), plain.clone()).linked(url))
            .unwrap_or_else(|| Self::new(format!("{kind} `#{id}`"), plain.clone()))
    }

    /// `!412`, linked if an address is given. Never bare: GitLab would link it, and tell the other merge request of it.
    pub(super) fn merge_request(iid: MergeRequestIid, url: Option<&str>) -> Self {
        let plain = format!("!{iid}");
        url.and_then(|url| Self::new(plain.clone(), plain.clone()).linked(url)).unwrap_or_else(|| Self::code(plain))
    }

    /// A certificate's identity, exact where its characters allow, so that it can be copied. In code an at-sign mentions nobody.
    pub(super) fn address(text: &str) -> Self {
        if is_shell_plain(text) { Self::code(text) } else { Self::name(text) }
    }

    /// An argument within a shell line of a code block. The caller has made sure that it is one.
    pub(super) fn argument(text: &str) -> Self {
        let text = one_line(text).replace('`', "'");
        Self::new(text.clone(), text)
    }

    /// This, leading to an address.
    pub(super) fn link(self, url: &str) -> Self {
        self.linked(url).unwrap_or(self)
    }

    fn linked(&self, url: &str) -> Option<Self> {
        let url = safe_url(url)?;
        Some(Self::new(format!("[{}]({url})", self.markdown), self.plain.clone()))
    }

    /// `a, b, c and 4 more`.
    pub(super) fn list(items: &[Self]) -> Self {
        let join = |form: fn(&Self) -> &str| {
            let named: Vec<_> = items.iter().take(MAX_LISTED).map(form).collect();
            match items.len().saturating_sub(MAX_LISTED) {
                0 => named.join(", "),
                more => format!("{} and {more} more", named.join(", ")),
            }
        };
        Self::new(join(Self::markdown), join(Self::plain))
    }

    /// This as a sentence begins: a letter of ours becomes a capital one, a name stays.
    pub(super) fn capital(self) -> Self {
        let capital = |text: &str| match text.chars().next() {
            Some(first) if first.is_ascii_lowercase() => format!("{}{}", first.to_ascii_uppercase(), &text[1..]),
            Some(_) | None => text.to_owned(),
        };
        // Decided by the Markdown, where a name begins with a mark.
        if self.markdown.starts_with('`') { self } else { Self::new(capital(&self.markdown), capital(&self.plain)) }
    }

    /// All of them, with words of ours in between.
    pub(super) fn joined(items: &[Self], between: &'static str) -> Self {
        let join = |form: fn(&Self) -> &str| items.iter().map(form).collect::<Vec<_>>().join(between);
        Self::new(join(Self::markdown), join(Self::plain))
    }

    /// A value that a check expected or found. Digests in it are shortened.
    pub(super) fn value(text: &str) -> Self {
        Self::name(&shorten(text))
    }

    /// Two values to be told apart.
    pub(super) fn values(one: &str, other: &str) -> (Self, Self) {
        let (one, other) = shorten_both(one, other);
        (Self::name(&one), Self::name(&other))
    }
}

/// Two values on one line each, digests shortened unless that makes them look the same; nothing as a dash.
pub(super) fn shorten_both(one: &str, other: &str) -> (String, String) {
    let same = one != other && shorten(one) == shorten(other);
    let shown = |text: &str| match one_line(&if same { text.to_owned() } else { shorten(text) }) {
        empty if empty.is_empty() => "–".to_owned(),
        text => text,
    };
    (shown(one), shown(other))
}

/// Shortens each whole digest in a text.
pub(super) fn shorten(text: &str) -> String {
    const WHOLE: usize = "sha256:".len() + 64;
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let whole = tail.get(..WHOLE).and_then(|whole| whole.parse::<Digest>().ok());
        let taken = match whole {
            Some(digest) => {
                out.push_str(&digest.short());
                WHOLE
            }
            None => {
                out.push_str("sha256:");
                "sha256:".len()
            }
        };
        rest = &tail[taken..];
    }
    out + rest
}

/// A web address that cannot leave the parentheses of a link, its table cell or its line; `None` if it is none.
fn safe_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // A login in an address is a secret, or makes one host look like another.
    if !url.username().is_empty() || url.password().is_some() || text.len() > MAX_URL_BYTES {
        return None;
    }
    let mut safe = String::new();
    for byte in url.as_str().bytes() {
        match byte {
            b'(' | b')' | b'[' | b']' | b'<' | b'>' | b'|' | b'`' | b'\\' | b'"' | b'\'' | b'@' | b'*' | b'!' => {
                safe.push_str(&format!("%{byte:02X}"));
            }
            byte if byte.is_ascii_graphic() => safe.push(char::from(byte)),
            // The parser leaves no other byte in an address.
            _ => return None,
        }
    }
    // An entity would be decoded by Markdown: `&` stays, what follows it must not end in `;`.
    Some(safe.replace(';', "%3B"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::inert::tests::HOSTILE;

    #[test]
    fn an_address_stays_within_its_link() {
        assert_eq!(
            safe_url("https://gitlab.example.com/shop/api/-/jobs/7").as_deref(),
            Some("https://gitlab.example.com/shop/api/-/jobs/7")
        );
        assert_eq!(safe_url("https://g.example/a(b)|c`d").as_deref(), Some("https://g.example/a%28b%29%7Cc%60d"));
        assert_eq!(safe_url("https://g.example/&lt;x").as_deref(), Some("https://g.example/&lt%3Bx"));
        for bad in ["javascript:alert(1)", "data:text/html,x", "//g.example/x", "x", "https://user:secret@g.example/", ""] {
            assert_eq!(safe_url(bad), None, "{bad}");
        }
        for text in HOSTILE {
            if let Some(url) = safe_url(&format!("https://g.example/{text}?{text}#{text}")) {
                assert!(!url.contains([' ', '\n', '\r', '(', ')', '[', ']', '<', '>', '`', '|', '\\', '@']), "{url}");
            }
        }
    }

    #[test]
    fn a_number_is_never_a_bare_reference() {
        let pipeline = |url| Phrase::pipeline(PipelineId(12), url).markdown;
        assert_eq!(pipeline(Some("https://g.example/a/b")), "[pipeline #12](https://g.example/a/b/-/pipelines/12)");
        assert_eq!(pipeline(Some("javascript:x")), "pipeline `#12`");
        assert_eq!(pipeline(None), "pipeline `#12`");
        assert_eq!(Phrase::merge_request(MergeRequestIid(4), Some("x")).markdown, "`!4`");
    }

    #[test]
    fn values_that_differ_look_different() {
        let one = Digest::of(b"one");
        let twin: Digest = {
            let hex = one.hex();
            format!("sha256:{}{}{}", &hex[..8], "0".repeat(52), &hex[60..]).parse().unwrap()
        };
        assert_eq!(one.short(), twin.short());
        let (a, b) = Phrase::digests(&one, &twin);
        assert_ne!(a, b);
        let (a, b) = Phrase::values(&format!("tag {one}"), &format!("tag {twin}"));
        assert_ne!(a, b);
        let sha: CommitSha = format!("a1b2c3d4{}", "0".repeat(32)).parse().unwrap();
        let (a, b) = Phrase::commits(&sha, &format!("a1b2c3d4{}", "1".repeat(32)));
        assert_ne!(a, b);
    }

    #[test]
    fn digests_within_a_value_are_shortened() {
        let digest = Digest::of(b"x");
        assert_eq!(shorten(&format!("é {digest} sha256:12, {digest}é")), format!("é {0} sha256:12, {0}é", digest.short()));
        assert_eq!(shorten("sha256:"), "sha256:");
    }

    #[test]
    fn a_long_list_is_counted() {
        let items: Vec<_> = (0..9).map(Phrase::number).collect();
        assert_eq!(Phrase::list(&items).plain, "0, 1, 2, 3, 4, 5 and 3 more");
        assert_eq!(Phrase::list(&items[..2]).plain, "0, 1");
    }
}
