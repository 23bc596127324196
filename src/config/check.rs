//! Holds a document against the table of keys: unknown and missing keys, wrong kinds, empty and oversized values.

use super::document::Node;
use super::problem::{Sink, nearest, quoted};
use super::table::{Form, Key, Kind, Need, Section, key_names};
use crate::model::moment::Edge;

/// Projects one file may watch: each costs a few requests at every poll, and GitLab.com allows 2 000 a minute.
const MOST_TABLES: usize = 10_000;
/// Items of any other list: each signer and each image costs requests at every check, each secret a comparison a delivery.
const MOST_ITEMS: usize = 100;
/// Bytes of a text: an RSA public key of 8192 bits has 1.4 KiB in PEM, every other text is a name.
const LONGEST_TEXT: usize = 4096;

/// Checks a table and everything below it.
pub fn section(node: &Node<'_>, section: &Section, sink: &Sink<'_>) {
    for (name, value) in node.entries() {
        match section.keys.iter().find(|key| key.name == name) {
            Some(key) => kind(&value, &key.kind, sink),
            None => sink.add(&value.place, unknown_key(name, section)),
        }
    }
    for key in section.keys {
        if matches!(key.need, Need::Required) && node.get_named(key.name).is_none() {
            sink.add(&node.place, format!("`{}` is missing: {}", key.name, lower_first(key.doc)));
        }
    }
    let given = section.exactly_one_of.iter().filter(|key| node.get_named(key.name).is_some()).count();
    if !section.exactly_one_of.is_empty() && given != 1 {
        let words = section.exactly_one_of.iter().map(|key: &&Key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ");
        sink.add(&node.place, format!("must have exactly one of {words}, but has {}", if given == 0 { "none" } else { "several" }));
    }
}

fn unknown_key(name: &str, section: &Section) -> String {
    match nearest(name, section.keys.iter().map(|key| key.name)) {
        Some(near) => format!("is no key that is known here; did you mean `{near}`?"),
        None => format!("is no key that is known here; known are {}", key_names(section)),
    }
}

fn kind(node: &Node<'_>, kind: &Kind, sink: &Sink<'_>) {
    match kind {
        Kind::Text(form) => match node.text() {
            Some(value) => text(node, value, form, sink),
            None => wrong_kind(node, kind, sink),
        },
        Kind::Word(words) => match node.text() {
            Some(value) if words.contains(&value) => {}
            Some(value) => sink.add(&node.place, format!("must be {}, but is {}", kind.accepts(), quoted(value))),
            None => wrong_kind(node, kind, sink),
        },
        Kind::Flag if node.flag().is_some() => {}
        Kind::Moment => match node.moment(Edge::Start) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => wrong_kind(node, kind, sink),
        },
        Kind::Secret if node.is_table() => section(node, &super::keys::SECRET, sink),
        // SR-23: the value is not quoted, it may be a real secret.
        Kind::Secret if node.text().is_some() => {
            sink.add(&node.place, format!("a secret never stands in this file; write {}", kind.accepts()));
        }
        Kind::Table(below) if node.is_table() => section(node, below, sink),
        Kind::TextOrTable(form, below) => match node.text() {
            Some(value) => text(node, value, form, sink),
            None if node.is_table() => section(node, below, sink),
            None => wrong_kind(node, kind, sink),
        },
        Kind::Tables(below) => match node.list() {
            Some(items) => list(node, &items, MOST_TABLES, &Kind::Table(below), sink),
            None => wrong_kind(node, kind, sink),
        },
        Kind::Named(form, below) if node.is_table() => named(node, form, below, sink),
        Kind::List(item) => match node.list() {
            Some(items) => list(node, &items, MOST_ITEMS, item, sink),
            None => wrong_kind(node, kind, sink),
        },
        Kind::OneOrMany(item) => match node.list() {
            Some(items) => list(node, &items, MOST_ITEMS, item, sink),
            None => self::kind(node, item, sink),
        },
        Kind::Flag | Kind::Secret | Kind::Table(_) | Kind::Named(..) => wrong_kind(node, kind, sink),
    }
}

fn wrong_kind(node: &Node<'_>, kind: &Kind, sink: &Sink<'_>) {
    sink.add(&node.place, format!("must be {}, but is {}", kind.accepts(), node.kind_name()));
}

/// Values are not quoted here: a text may be a secret that came under the wrong key.
fn text(node: &Node<'_>, value: &str, form: &Form, sink: &Sink<'_>) {
    let odd = |c: char| c.is_control() && !(form.lines && matches!(c, '\n' | '\r' | '\t'));
    let wrong = if value.trim().is_empty() {
        Err("is empty".to_owned())
    } else if value.len() > LONGEST_TEXT {
        Err(format!("is longer than {LONGEST_TEXT} bytes"))
    } else if value.contains(odd) {
        Err("holds control characters".to_owned())
    } else if value.trim() != value && !form.lines {
        Err("begins or ends with a space".to_owned())
    } else {
        (form.check)(value)
    };
    if let Err(why) = wrong {
        let example = form.example.map(|example| format!(", such as {example:?}")).unwrap_or_default();
        sink.add(&node.place, format!("{why}; it must be {}{example}", form.accepts));
    }
}

fn list(node: &Node<'_>, items: &[Node<'_>], most: usize, item: &Kind, sink: &Sink<'_>) {
    if items.is_empty() {
        sink.add(&node.place, "is an empty list; give at least one item, or leave the key out");
    }
    if items.len() > most {
        sink.add(&node.place, format!("has {} items; at most {most} are accepted", items.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    for node in items.iter().take(most) {
        kind(node, item, sink);
        if node.text().is_some_and(|text| !seen.insert(text)) {
            sink.add(&node.place, "is in the list twice");
        }
    }
}

fn named(node: &Node<'_>, form: &Form, below: &Section, sink: &Sink<'_>) {
    let entries = node.entries();
    if entries.is_empty() {
        sink.add(&node.place, format!("is empty; write [{}.NAME]", below.name));
    }
    if entries.len() > MOST_ITEMS {
        sink.add(&node.place, format!("has {} tables; at most {MOST_ITEMS} are accepted", entries.len()));
    }
    for (name, value) in entries.into_iter().take(MOST_ITEMS) {
        if !value.is_table() {
            let known = below.keys.iter().any(|key| key.name == name);
            let place = if known { format!(", with `{name}` below it") } else { String::new() };
            sink.add(&value.place, format!("must be a table with a name of your choice, written [{}.NAME]{place}", below.name));
            continue;
        }
        if name.is_empty() || (form.check)(name).is_err() {
            sink.add(&value.place, format!("the name must be {}", form.accepts));
        }
        section(&value, below, sink);
    }
}

/// `Address of the server.` as it goes on after a colon.
fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
