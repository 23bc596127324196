//! The words in which `bot.toml` is described: sections, keys, kinds. The reader's checks, the JSON Schema and the example's test
//! all walk the one description in [`super::keys`].

/// A table of `bot.toml`.
#[derive(Debug)]
pub struct Section {
    /// Its name in the schema.
    pub name: &'static str,
    pub doc: &'static str,
    pub keys: &'static [&'static Key],
    /// Exactly one of these keys must be there; empty where no such rule applies.
    pub exactly_one_of: &'static [&'static Key],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub doc: &'static str,
    pub kind: Kind,
    pub need: Need,
}

/// Whether a key must be there, and what holds where it is not.
#[derive(Debug)]
pub enum Need {
    Required,
    Optional,
    Text(&'static str),
    Texts(&'static [&'static str]),
    Flag(bool),
}

/// What a key accepts.
#[derive(Debug)]
pub enum Kind {
    Text(&'static Form),
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    /// A date or a time with its offset, with or without quotes.
    Moment,
    /// `{ env = … }` or `{ file = … }`; a text is refused.
    Secret,
    Table(&'static Section),
    /// `[[project]]`
    Tables(&'static Section),
    /// `[gitlab.NAME]`: tables under names of this form.
    Named(&'static Form, &'static Section),
    TextOrTable(&'static Form, &'static Section),
    List(&'static Kind),
    OneOrMany(&'static Kind),
}

/// A kind of text.
pub struct Form {
    /// What is accepted, as it stands in a sentence after "must be".
    pub accepts: &'static str,
    /// Shown after `accepts`, where one helps.
    pub example: Option<&'static str>,
    /// Whether it may have several lines.
    pub lines: bool,
    /// The parser itself, so that checking and reading cannot differ. An error says what is wrong, without the text.
    pub check: fn(&str) -> Result<(), String>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.accepts)
    }
}

impl Key {
    /// The text that holds where the key is not there.
    pub fn default_text(&self) -> Option<&'static str> {
        match self.need {
            Need::Text(text) => Some(text),
            Need::Required | Need::Optional | Need::Texts(_) | Need::Flag(_) => None,
        }
    }
}

impl Kind {
    /// What is accepted, as it stands in a sentence after "must be".
    pub fn accepts(&self) -> String {
        match self {
            Self::Text(form) => form.accepts.into(),
            Self::Word(words) => format!("one of {}", words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")),
            Self::Flag => "true or false".into(),
            Self::Moment => "a date such as 2026-05-01 (in UTC) or a time such as 2026-05-01T12:00:00Z".into(),
            Self::Secret => "{ env = \"NAME\" } or { file = \"path\" }".into(),
            Self::Table(section) => format!("a table with {}", key_names(section)),
            Self::Tables(section) => format!("a list of tables, written [[{}]]", section.name),
            Self::Named(_, section) => format!("tables with a name each, written [{}.NAME]", section.name),
            Self::TextOrTable(form, section) => format!("{}, or a table with {}", form.accepts, key_names(section)),
            Self::List(item) => format!("a list; each item must be {}", item.accepts()),
            Self::OneOrMany(item) => format!("{}, or a list of these", item.accepts()),
        }
    }
}

/// The names of a section's keys, for a sentence.
pub fn key_names(section: &Section) -> String {
    section.keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}
