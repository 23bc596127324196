//! The TOML itself: syntax, duplicate keys, and each value with its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Sink};
use super::table::Key;
use crate::model::Timestamp;
use crate::model::moment::{Edge, NoMoment, moment};

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    pub place: Place,
    value: &'a DeValue<'a>,
}

/// Parses a text. Syntax errors leave nothing to read; a key that is there twice is reported, and the rest read on.
pub fn parse<'a>(text: &'a str, sink: &Sink<'_>) -> Option<Spanned<DeTable<'a>>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut readable = true;
    for error in errors {
        let span = error.span();
        if error.message() == "duplicate key" {
            let name = span.clone().and_then(|span| text.get(span)).unwrap_or_default();
            sink.syntax(span.map(|span| span.start), name, "is there twice; a key may be given once");
        } else {
            readable = false;
            // The message, not the display: that quotes the line, which could hold a secret.
            sink.syntax(span.map(|span| span.start), "", format!("is not TOML: {}", error.message()));
        }
    }
    readable.then_some(table)
}

impl<'a> Node<'a> {
    pub fn root(value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { place: Place { path: String::new(), at: value.span().start }, value: value.get_ref() }
    }

    /// What the value is, for a sentence.
    pub fn kind_name(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    pub fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    pub fn flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// A date or time, as TOML's own or as a text; `None` for values of other kinds.
    pub fn moment(&self, edge: Edge) -> Option<Result<Timestamp, NoMoment>> {
        match self.value {
            DeValue::String(text) => Some(moment(text, edge)),
            DeValue::Datetime(time) => Some(moment(&time.to_string(), edge)),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        }
    }

    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// The items of a list.
    pub fn list(&self) -> Option<Vec<Self>> {
        let items = self.value.as_array()?.iter().enumerate();
        Some(items.map(|(number, item)| self.below(format!("[{number}]"), item.span().start, item)).collect())
    }

    /// The items of a list, or the value itself as the only one.
    pub fn one_or_many(&self) -> Vec<Self> {
        self.list().unwrap_or_else(|| vec![self.clone()])
    }

    /// A table's entries in the order of the file.
    pub fn entries(&self) -> Vec<(&'a str, Self)> {
        let Some(table) = self.value.as_table() else { return vec![] };
        let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.get_ref().as_ref(), self.entry(key, value))).collect();
        entries.sort_by_key(|(_, node)| node.place.at);
        entries
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &Key) -> Option<Self> {
        note_read(key);
        self.get_named(key.name)
    }

    /// The value under a name, without the claim that somebody reads it.
    pub fn get_named(&self, name: &str) -> Option<Self> {
        self.value.as_table()?.get_key_value(name).map(|(key, value)| self.entry(key, value))
    }

    fn entry(&self, key: &'a Spanned<toml::de::DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Self {
        let dot = if self.place.path.is_empty() { "" } else { "." };
        let name = super::problem::key_name(key.get_ref());
        self.below(format!("{dot}{name}"), key.span().start, value)
    }

    fn below(&self, step: String, at: usize, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { place: Place { path: format!("{}{step}", self.place.path), at }, value: value.get_ref() }
    }
}

#[cfg(not(test))]
fn note_read(_: &Key) {}

#[cfg(test)]
thread_local! {
    /// The keys that were read, by address: a test holds them against the table.
    pub static READ: std::cell::RefCell<std::collections::BTreeSet<usize>> = const { std::cell::RefCell::new(std::collections::BTreeSet::new()) };
}

#[cfg(test)]
fn note_read(key: &Key) {
    READ.with_borrow_mut(|read| read.insert(std::ptr::from_ref(key).addr()));
}
