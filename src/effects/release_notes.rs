//! Our section of a release's description.
//!
//! It lies between two marker lines. Whatever stands outside, damaged or doubled markers too, stays byte for byte: nothing a person
//! wrote is ever deleted, and running again gives the same bytes.

use std::ops::Range;

use serde::Deserialize;

use super::hands::{Hand, TEXT_MAX};
use super::{Done, NotDone};
use crate::gitlab_client::{CallError, endpoints};
use crate::model::gitlab::ProjectId;

/// The line before our section.
pub const START: &str = "<!-- countersign:release:start -->";

/// The line after our section.
pub const END: &str = "<!-- countersign:release:end -->";

#[derive(Debug, Deserialize)]
struct Release {
    tag_name: String,
    description: Option<String>,
}

/// Writes the section into the release of a tag; waits where there is no release yet.
///
/// GitLab has no conditional update, so an edit by a person between our read and our write is lost; the two are one request apart.
pub(super) async fn write(hand: &Hand, project: ProjectId, tag: &str, section: &str) -> Result<Done, NotDone> {
    let section = inner(section)?;
    let before = match read(hand, project, tag).await {
        Err(CallError::NotFound) => return Ok(Done::Waiting),
        description => description?,
    };
    let after = splice(&before, &section);
    if after == before {
        return Ok(Done::Unchanged { note: None });
    }
    if after.chars().count() > TEXT_MAX {
        return Err(NotDone::Never("the release notes leave no room for our section".into()));
    }
    let written: Result<Release, CallError> = hand.client.one(endpoints::describe_release(project, tag, &after)).await;
    match written {
        // Deleted between our look and our write.
        Err(CallError::NotFound) => return Ok(Done::Waiting),
        written => written?,
    };
    let now = read(hand, project, tag).await?;
    // A person may have edited their part meanwhile; ours must stand.
    if splice(&now, &section) == now {
        Ok(Done::Wrote { note: None })
    } else {
        Err(NotDone::Later("our section reads back otherwise".into()))
    }
}

/// What [`write`] would answer without writing; `None` where it would write.
pub(super) async fn stands(hand: &Hand, project: ProjectId, tag: &str, section: &str) -> Result<Option<Done>, NotDone> {
    let section = inner(section)?;
    match read(hand, project, tag).await {
        Err(CallError::NotFound) => Ok(Some(Done::Waiting)),
        Ok(now) if splice(&now, &section) == now => Ok(Some(Done::Unchanged { note: None })),
        Ok(_) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(hand: &Hand, project: ProjectId, tag: &str) -> Result<String, CallError> {
    let release: Release = hand.client.one(endpoints::release(project, tag)).await?;
    let asked = release.tag_name == tag;
    if asked {
        Ok(release.description.unwrap_or_default())
    } else {
        Err(CallError::Unreadable("another release than the one asked for".into()))
    }
}

/// The text between the markers: with `\n` ends, and without the markers if it came with them.
fn inner(section: &str) -> Result<String, NotDone> {
    let text = section.replace('\r', "");
    let text = text.trim();
    let text = text.strip_prefix(START).unwrap_or(text);
    let text = text.strip_suffix(END).unwrap_or(text);
    let text = text.trim_matches('\n');
    if text.lines().any(|line| is(line, START) || is(line, END)) {
        return Err(NotDone::Never("our section holds its own marker; nothing was sent".into()));
    }
    Ok(text.into())
}

/// The description with our section in place: in the stead of the old one, or after the text and one blank line.
fn splice(description: &str, section: &str) -> String {
    let block = format!("{START}\n{section}\n{END}");
    if let Some(old) = ours(description) {
        return format!("{}{block}{}", &description[..old.start], &description[old.end..]);
    }
    let gap = match description {
        "" => "",
        text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{description}{gap}{block}")
}

/// Where our section lies: from the last start line before the first end line that has one, to that end line. A marker without its
/// partner is no section and is left where it is, because what follows it may be a person's; so is a second pair.
fn ours(description: &str) -> Option<Range<usize>> {
    let (mut start, mut at) = (None, 0);
    for line in description.split_inclusive('\n') {
        if is(line, START) {
            start = Some(at);
        }
        if let (true, Some(start)) = (is(line, END), start) {
            return Some(start..at + END.len());
        }
        at += line.len();
    }
    None
}

/// Whether a line is a marker and nothing else: a marker quoted in a sentence is a person's.
fn is(line: &str, marker: &str) -> bool {
    line.trim_end() == marker
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(section: &str) -> String {
        format!("{START}\n{section}\n{END}")
    }

    #[test]
    fn the_section_is_appended_then_replaced() {
        let a = block("a");
        for (before, after) in [
            ("", a.clone()),
            ("Fixes.", format!("Fixes.\n\n{a}")),
            ("Fixes.\r\n", format!("Fixes.\r\n\n{a}")),
            ("Fixes.\r\n\r\n", format!("Fixes.\r\n\r\n{a}")),
            (&format!("Fixes.\n\n{}\n\nThanks.\r\n", block("old")), format!("Fixes.\n\n{a}\n\nThanks.\r\n")),
            (&format!("{START}  \r\nold\r\n{END}\r\nThanks."), format!("{a}\r\nThanks.")),
        ] {
            assert_eq!(splice(before, "a"), after);
        }
    }

    #[test]
    fn damaged_markers_are_left_and_do_not_grow() {
        for damaged in [
            format!("{START}\nmine"),
            format!("mine\n{END}"),
            format!("{END}\nmine\n{START}\n"),
            format!("write {START} before\nmine\nand {END} after"),
            format!("> {START}\n> mine\n> {END}"),
        ] {
            assert_eq!(splice(&damaged, "a"), format!("{}\n\n{}", damaged.trim_end(), block("a")), "{damaged}");
        }
        let doubled = format!("{}\nmine\n{}", block("old"), block("older"));
        assert_eq!(splice(&doubled, "a"), format!("{}\nmine\n{}", block("a"), block("older")));
        let nested = format!("{START}\nmine\n{}\nmine\n{END}", block("old"));
        assert_eq!(splice(&nested, "a"), format!("{START}\nmine\n{}\nmine\n{END}", block("a")));
    }

    /// Every description of up to six of these pieces: what is outside stays, and a second run changes nothing.
    #[test]
    fn outside_bytes_stay_and_a_second_run_gives_the_same_bytes() {
        let pieces = [format!("{START}\n"), format!("{END}\r\n"), START.into(), END.into(), "text\r\n".into(), "t".into(), "\n".into()];
        let mut texts = vec![String::new()];
        let mut checked = 0;
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}"))).collect();
            for text in &texts {
                let once = splice(text, "a");
                match ours(text) {
                    Some(old) => {
                        assert_eq!(once, format!("{}{}{}", &text[..old.start], block("a"), &text[old.end..]));
                        let cut = &text[old];
                        assert!(cut.starts_with(START) && cut.ends_with(END) && cut.matches(START).count() >= 1, "{cut:?}");
                    }
                    None => assert!(once.starts_with(text.as_str()) && once.ends_with(&block("a")), "{text:?}"),
                }
                assert_eq!(splice(&once, "a"), once, "{text:?}");
                assert_eq!(splice(&splice(text, "longer\nb"), "a"), once, "{text:?}");
                checked += 1;
            }
        }
        assert_eq!(checked, 7 + 49 + 343 + 2401 + 16807 + 117_649);
    }

    #[test]
    fn a_section_may_come_with_its_markers_but_not_hold_them() {
        assert_eq!(inner(&format!("{}\n", block("a\r\nb"))).as_deref(), Ok("a\nb"));
        assert_eq!(inner("a\n").as_deref(), Ok("a"));
        assert!(matches!(inner(&format!("a\n{END}\nb")), Err(NotDone::Never(_))));
        assert!(matches!(inner(&block(&block("a"))), Err(NotDone::Never(_))));
    }
}
