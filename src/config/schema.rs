//! A [JSON Schema 2020-12](https://json-schema.org/draft/2020-12/schema) of `bot.toml`, made of the table of keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{ROOT, SECRET};
use super::table::{Form, Key, Kind, Need, Section};

/// The schema, for editors and for review tools.
pub fn schema() -> Value {
    let mut definitions = Definitions::default();
    let mut schema = definitions.section(&ROOT);
    let head = [
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("title", json!("bot.toml of Countersign")),
        ("$defs", json!(definitions.0.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect::<Map<_, _>>())),
    ];
    if let Some(schema) = schema.as_object_mut() {
        schema.extend(head.map(|(name, value)| (name.to_owned(), value)));
    }
    schema
}

/// Sections by name, each said once.
#[derive(Default)]
struct Definitions(BTreeMap<&'static str, Value>);

impl Definitions {
    fn section(&mut self, section: &'static Section) -> Value {
        let properties: Map<_, _> = section.keys.iter().map(|key| (key.name.to_owned(), self.key(key))).collect();
        let required: Vec<_> = section.keys.iter().filter(|key| matches!(key.need, Need::Required)).map(|key| key.name).collect();
        let mut schema = json!({
            "type": "object",
            "description": section.doc,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        if !section.exactly_one_of.is_empty() {
            schema["oneOf"] = section.exactly_one_of.iter().map(|key| json!({ "required": [key.name] })).collect();
        }
        schema
    }

    fn key(&mut self, key: &'static Key) -> Value {
        let mut schema = self.kind(&key.kind);
        schema["description"] = json!(key.doc);
        match key.need {
            Need::Text(text) => schema["default"] = json!(text),
            Need::Texts(texts) => schema["default"] = json!(texts),
            Need::Flag(flag) => schema["default"] = json!(flag),
            Need::Required | Need::Optional => {}
        }
        schema
    }

    fn kind(&mut self, kind: &'static Kind) -> Value {
        match kind {
            Kind::Text(form) => text(form),
            Kind::Word(words) => json!({ "enum": words }),
            Kind::Flag => json!({ "type": "boolean" }),
            // TOML's own dates have no type of their own in JSON Schema.
            Kind::Moment => json!({ "type": "string", "title": kind.accepts() }),
            Kind::Secret => self.refer(&SECRET),
            Kind::Table(section) => self.refer(section),
            Kind::Tables(section) => json!({ "type": "array", "items": self.refer(section), "minItems": 1 }),
            Kind::Named(form, section) => {
                json!({ "type": "object", "propertyNames": text(form), "additionalProperties": self.refer(section), "minProperties": 1 })
            }
            Kind::TextOrTable(form, section) => json!({ "anyOf": [text(form), self.refer(section)] }),
            Kind::List(item) => json!({ "type": "array", "items": self.kind(item), "minItems": 1, "uniqueItems": true }),
            Kind::OneOrMany(item) => {
                let item = self.kind(item);
                json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1, "uniqueItems": true }] })
            }
        }
    }

    fn refer(&mut self, section: &'static Section) -> Value {
        if !self.0.contains_key(section.name) {
            // Entered before its keys are walked, so that a section within itself would end.
            self.0.insert(section.name, Value::Null);
            let schema = self.section(section);
            self.0.insert(section.name, schema);
        }
        json!({ "$ref": format!("#/$defs/{}", section.name) })
    }
}

fn text(form: &Form) -> Value {
    json!({ "type": "string", "minLength": 1, "title": form.accepts })
}
