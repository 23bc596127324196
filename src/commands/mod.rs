//! The chat language, pure. One table is parser and help at once.

mod parse;

pub use parse::parse;

use crate::model::Digest;

/// What one line of a note says to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Command(Command),
    /// A word after our name that is no verb, with the nearest verb if one is near.
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
    Help,
}

/// What `verify` is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Digest(Digest),
    /// A release tag or an environment; which one, the project's configuration tells.
    Name(String),
}

/// One row of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub verb: &'static str,
    /// Shown after `/countersign` in help and usage.
    pub usage: &'static str,
    pub does: &'static str,
    pub who: &'static str,
    /// Whether `/verb` alone works too.
    pub bare: bool,
}

/// The language: parser and help read this table.
pub const COMMANDS: &[Row] = &[
    Row {
        verb: "verify",
        usage: "verify [TAG | DIGEST | ENVIRONMENT]",
        does: "checks an image and says whether it is ours",
        who: "everyone who can comment",
        bare: true,
    },
    Row { verb: "help", usage: "help", does: "lists these words", who: "everyone who can comment", bare: false },
];
