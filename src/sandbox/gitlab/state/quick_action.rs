//! Which lines of a note GitLab would run as quick actions and cut out.
//!
//! GitLab looks only at paragraphs on the top level of the rendered Markdown; a line counts when it starts with `/`, a
//! registered name, and then a space or its end. The list is that of 19.x for merge requests and issues: the parser knows all
//! names, whatever the note is on ([quick actions](https://docs.gitlab.com/user/project/quick_actions/)).

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

const NAMES: &[&str] = &[
    "add_child",
    "add_contacts",
    "add_email",
    "approve",
    "assign",
    "assign_reviewer",
    "award",
    "blocked_by",
    "blocks",
    "checkin_reminder",
    "child_of",
    "clear_health_status",
    "clear_weight",
    "clone",
    "close",
    "confidential",
    "convert_to_ticket",
    "copy_metadata",
    "copy_metadata_from",
    "create_merge_request",
    "done",
    "draft",
    "due",
    "duplicate",
    "epic",
    "estimate",
    "estimate_time",
    "health_status",
    "internal_note",
    "invite_email",
    "iteration",
    "label",
    "labels",
    "link",
    "lock",
    "merge",
    "milestone",
    "move",
    "page",
    "parent",
    "parent_epic",
    "promote_to",
    "promote_to_incident",
    "publish",
    "react",
    "ready",
    "reassign",
    "reassign_reviewer",
    "rebase",
    "relabel",
    "relate",
    "remove_child",
    "remove_child_epic",
    "remove_contacts",
    "remove_due_date",
    "remove_email",
    "remove_epic",
    "remove_estimate",
    "remove_iteration",
    "remove_milestone",
    "remove_parent",
    "remove_parent_epic",
    "remove_time_estimate",
    "remove_time_spent",
    "remove_zoom",
    "reopen",
    "request_changes",
    "request_review",
    "reviewer",
    "run_pipeline",
    "set_parent",
    "severity",
    "shrug",
    "spend",
    "spend_time",
    "spent",
    "ship",
    "submit_review",
    "subscribe",
    "tableflip",
    "tag",
    "target_branch",
    "timeline",
    "title",
    "todo",
    "type",
    "unapprove",
    "unassign",
    "unassign_reviewer",
    "unlabel",
    "unlink",
    "unlock",
    "unrelate",
    "unsubscribe",
    "weight",
    "wip",
    "zoom",
];

/// A note's text after GitLab took its quick actions out.
#[derive(Debug, PartialEq, Eq)]
pub struct Extracted {
    pub rest: String,
    /// The names of the actions, in order and in lower case.
    pub actions: Vec<String>,
}

/// Takes the quick actions out of a note. `with_promote`: the Enterprise Edition up to 18, which knows `/promote`.
pub fn extract(body: &str, with_promote: bool) -> Extracted {
    let body = body.replace("\r\n", "\n");
    let plain = plain_paragraphs(&body);
    let (mut rest, mut actions, mut at) = (String::new(), vec![], 0);
    for line in body.split_inclusive('\n') {
        let name = name_of(line).filter(|name| NAMES.contains(&name.as_str()) || (with_promote && name == "promote"));
        match name.filter(|_| plain.iter().any(|range| range.contains(&at))) {
            Some(name) => actions.push(name),
            None => rest.push_str(line),
        }
        at += line.len();
    }
    let rest = if actions.is_empty() { body } else { rest.trim().to_owned() };
    Extracted { rest, actions }
}

fn name_of(line: &str) -> Option<String> {
    let word: String = line.strip_prefix('/')?.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let after = line[1 + word.len()..].chars().next();
    after.is_none_or(char::is_whitespace).then(|| word.to_ascii_lowercase())
}

/// The byte ranges of top-level paragraphs, without the inline code in them.
fn plain_paragraphs(body: &str) -> Vec<Range<usize>> {
    let (mut found, mut depth) = (vec![], 0_usize);
    let mut codes = vec![];
    for (event, range) in Parser::new(body).into_offset_iter() {
        match event {
            Event::Start(Tag::Paragraph) if depth == 0 => {
                found.push(range);
                depth += 1;
            }
            Event::Start(_) => depth += 1,
            Event::End(TagEnd::Paragraph) | Event::End(_) => depth = depth.saturating_sub(1),
            Event::Code(_) => codes.push(range),
            _ => {}
        }
    }
    found.into_iter().flat_map(|paragraph| without(paragraph, &codes)).collect()
}

fn without(whole: Range<usize>, holes: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut parts, mut start) = (vec![], whole.start);
    for hole in holes.iter().filter(|hole| whole.contains(&hole.start)) {
        parts.push(start..hole.start);
        start = hole.end;
    }
    parts.push(start..whole.end);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, rest: &str, actions: &[&str]) {
        let actions = actions.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(extract(body, false), Extracted { rest: rest.into(), actions }, "{body:?}");
    }

    #[test]
    fn a_quick_action_line_is_cut_out() {
        check("/close", "", &["close"]);
        check("Looks good\n/approve\n/label ~ready\n\nThanks", "Looks good\n\nThanks", &["approve", "label"]);
        check("/CLOSE now\r\n", "", &["close"]);
    }

    #[test]
    fn other_words_and_other_places_stay() {
        for body in [
            "/verify",
            "/promote staging",
            "/countersign verify",
            " /close",
            "see /close",
            "/closed",
            "```\n/close\n```",
            "> /close",
            "`code\n/close`",
            "- item\n\n  /close",
            "<div>\n/close\n</div>",
        ] {
            check(body, body, &[]);
        }
    }

    #[test]
    fn an_old_enterprise_edition_eats_promote() {
        assert_eq!(extract("/promote staging", true).actions, ["promote"]);
        assert_eq!(extract("/promotes staging", true).actions, [""; 0]);
    }
}
