//! Answers in chat that are not verdicts.

use serde::Serialize;

use super::phrase::Phrase;
use super::template::Values;
use super::{Words, safe};
use crate::commands::{COMMANDS, EATEN, MAX_COMMANDS, PREFIX, Row};
use crate::model::Digest;

/// Why there is no image to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// No release tag and no environment of this name.
    Name(String),
    /// The registry answered, and holds no such image.
    Digest(Digest),
    /// The environment exists, and nothing was deployed to it.
    Environment(String),
    /// The open merge request has no pipeline.
    Pipeline,
    /// No release contains the merged merge request.
    Release,
}

#[derive(Serialize)]
struct Help {
    rows: Vec<HelpRow>,
    bare: Phrase,
    /// Bare words that some GitLab keeps, and what works instead.
    eaten: Vec<Eaten>,
    most: Phrase,
}

#[derive(Serialize)]
struct Eaten {
    bare: Phrase,
    prefixed: Phrase,
}

#[derive(Serialize)]
struct HelpRow {
    mention: Phrase,
    prefixed: Phrase,
    does: Phrase,
    who: Phrase,
}

impl Words {
    /// The commands, with the forms that always work first. `username` is our own, without the at-sign.
    pub fn help(&self, username: &str) -> String {
        let rows = COMMANDS.iter().map(|row| HelpRow {
            mention: mention(username, row.usage),
            prefixed: prefixed(row),
            does: Phrase::own(row.does),
            who: Phrase::own(row.who),
        });
        let bare: Vec<_> = COMMANDS.iter().filter(|row| row.bare).map(|row| Phrase::command("/", row.verb)).collect();
        let most = Phrase::number(u64::try_from(MAX_COMMANDS).unwrap_or(u64::MAX));
        let eaten = EATEN.iter().map(|verb| Eaten { bare: Phrase::command("/", verb), prefixed: Phrase::command(PREFIX, verb) });
        let help = Help { rows: rows.collect(), bare: Phrase::list(&bare), eaten: eaten.collect(), most };
        safe(self.block("chat/help", &help) + "\n")
    }

    /// The answer to a word that is no verb.
    pub fn unknown(&self, username: &str, word: &str, nearest: Option<&'static str>) -> String {
        let mut values = Values::from([("word", Phrase::name(word)), ("help", mention(username, "help"))]);
        let template = match nearest {
            Some(verb) => {
                values.insert("nearest", mention(username, verb));
                "chat/unknown-near"
            }
            None => "chat/unknown",
        };
        safe(self.block(template, &values) + "\n")
    }

    /// The answer to a verb whose arguments do not fit.
    pub fn usage(&self, verb: &'static str, usage: &'static str) -> String {
        let values = [("verb", Phrase::term(verb)), ("usage", Phrase::command(PREFIX, usage)), ("digest_form", Phrase::term("sha256:"))];
        safe(self.block("chat/usage", &Values::from(values)) + "\n")
    }

    /// The answer when there is no image to check.
    pub fn not_found(&self, missing: &NotFound) -> String {
        let (template, values) = match missing {
            NotFound::Name(name) => ("chat/not-found-name", Values::from([("name", Phrase::name(name))])),
            NotFound::Digest(digest) => ("chat/not-found-digest", Values::from([("digest", Phrase::full_digest(digest))])),
            NotFound::Environment(name) => ("chat/not-found-environment", Values::from([("name", Phrase::name(name))])),
            NotFound::Pipeline => ("chat/not-found-pipeline", Values::new()),
            NotFound::Release => ("chat/not-found-release", Values::new()),
        };
        safe(self.block(template, &values) + "\n")
    }
}

fn prefixed(row: &Row) -> Phrase {
    Phrase::command(PREFIX, row.usage)
}

/// `@bot verb`, within code, where it mentions nobody. A user name of other characters than GitLab allows is not shown.
fn mention(username: &str, usage: &'static str) -> Phrase {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if username.is_empty() || !username.chars().all(plain) {
        return Phrase::command(PREFIX, usage);
    }
    Phrase::mention(username, usage)
}
