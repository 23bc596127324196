//! The chat language, pure. One table is parser and help at once; one file a command.

mod approve;
mod cancel;
mod help;
mod parse;
mod promote;
mod rollback;
mod status;
mod verify;
mod words;

pub use parse::{MAX_COMMANDS, MAX_NOTE_BYTES, MAX_WORD_CHARS, parse};

use crate::model::Digest;

/// What one line of a note says to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Command(Command),
    /// A word after our name that is no verb, with the nearest verb if one is near. The word is as it was written, cut to
    /// [`MAX_WORD_CHARS`]: it is still a stranger's text.
    Unknown {
        word: String,
        nearest: Option<&'static str>,
    },
    /// A verb with arguments that do not fit.
    Usage {
        verb: &'static str,
        usage: &'static str,
    },
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Verify(Option<Target>),
    Promote {
        environment: String,
        target: Option<Target>,
        dry_run: bool,
    },
    Rollback {
        environment: String,
        target: Option<Target>,
        dry_run: bool,
    },
    /// Of one environment, or of all.
    Status(Option<String>),
    /// The promotion of this thread.
    Approve,
    Cancel,
    Help,
}

/// What `verify` or `promote` is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Digest(Digest),
    /// A release tag; for `verify` also an environment: which one, the project's configuration tells.
    Name(String),
}

/// One row of the language.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub verb: &'static str,
    /// Shown after `/countersign` in help and usage. Without a vertical bar: help is a Markdown table.
    pub usage: &'static str,
    pub does: &'static str,
    pub who: &'static str,
    /// Whether `/verb` alone works too. Only for words that no edition of GitLab takes as a quick action, and those of [`EATEN`].
    pub bare: bool,
    /// Reads the words after the verb; `None` if they do not fit.
    pub arguments: fn(&[&str]) -> Option<Command>,
}

/// The language: parser and help read this table.
pub const COMMANDS: &[Row] = &[verify::ROW, promote::ROW, rollback::ROW, status::ROW, approve::ROW, cancel::ROW, help::ROW];

/// Bare words that some versions of GitLab Enterprise take as a quick action of their own: such a line never reaches us there. A
/// space before it gets past GitLab, and [`PREFIX`] always works; help says so. `/promote` makes an epic of an issue: the
/// [quick actions](https://docs.gitlab.com/user/project/quick_actions/) of 18.x list it, those of 19.x no more. It stays for being the
/// word that people write first.
pub const EATEN: &[&str] = &["promote"];

/// Who may ask what is only read.
const READERS: &str = "project members, from the role Reporter up";
/// Who may change an environment. The rule is GitLab's where it has one.
const DEPLOYERS: &str = "whoever may deploy to the environment: by its protection in GitLab, else by the configured role and groups";

/// Our own prefix, in front of any verb: `/countersign verify`. GitLab has no quick action of that name.
pub const PREFIX: &str = "/countersign";

#[cfg(test)]
mod tests {
    use super::*;

    /// GitLab's quick actions, of every edition and kind of item: the docs of 19.x, and words that older editions still take, such
    /// as `promote`. GitLab cuts such a line out of a note before it is stored, so we would never see it.
    const QUICK_ACTIONS: &[&str] = &[
        "add_child",
        "add_contacts",
        "add_email",
        "approve",
        "assign",
        "assign_reviewer",
        "award",
        "blocked_by",
        "blocks",
        "board_move",
        "child_epic",
        "clear_health_status",
        "clear_weight",
        "clone",
        "close",
        "confidential",
        "convert_to_ticket",
        "copy_metadata",
        "create_merge_request",
        "done",
        "draft",
        "due",
        "duplicate",
        "epic",
        "estimate",
        "health_status",
        "internal_note",
        "invite_email",
        "iteration",
        "label",
        "link",
        "lock",
        "merge",
        "milestone",
        "move",
        "page",
        "promote",
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
        "remove_contacts",
        "remove_due_date",
        "remove_email",
        "remove_epic",
        "remove_estimate",
        "remove_iteration",
        "remove_milestone",
        "remove_parent",
        "remove_parent_epic",
        "remove_time_spent",
        "remove_zoom",
        "reopen",
        "request_review",
        "reviewer",
        "run_pipeline",
        "set_parent",
        "severity",
        "ship",
        "shrug",
        "spend",
        "spend_time",
        "spent",
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
        "unsubscribe",
        "weight",
        "zoom",
    ];

    #[test]
    fn no_bare_word_is_a_quick_action_of_gitlab() {
        let taken = |word: &str| QUICK_ACTIONS.iter().any(|action| action.eq_ignore_ascii_case(word));
        let eaten: Vec<_> = COMMANDS.iter().filter(|row| row.bare && taken(row.verb)).map(|row| row.verb).collect();
        // The one exception that is known, and said wherever the word is: older Enterprise editions keep it for themselves.
        assert_eq!(eaten, EATEN, "GitLab eats these");
        assert_eq!(EATEN, ["promote"]);
        assert!(!taken(PREFIX.trim_start_matches('/')));
    }

    #[test]
    fn every_row_can_be_found_and_shown() {
        for (number, row) in COMMANDS.iter().enumerate() {
            let earlier = &COMMANDS[..number];
            assert!(earlier.iter().all(|other| other.verb != row.verb), "{} is there twice", row.verb);
            assert!(!row.verb.is_empty() && row.verb.bytes().all(|b| b.is_ascii_lowercase()), "{}", row.verb);
            assert!(row.usage.starts_with(row.verb), "{}", row.usage);
            assert!(!format!("{}{}{}", row.usage, row.does, row.who).contains('|'), "{}: help is a table", row.verb);
        }
    }
}
