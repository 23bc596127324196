//! `[promotion]`: the halt switch, and the bot's own signing key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::document::Node;
use super::environments::Needs;
use super::keys::{promotion as key, root};
use super::reader::Reader;
use crate::facts::registry::Login;
use crate::model::Secret;

/// What promotions need beside the environments' rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promotions {
    /// While this file exists, nothing is begun.
    pub halt_file: Option<PathBuf>,
    pub signing_key: Option<SigningKey>,
    /// Logins that may write, by registry host. A host without one is never written to.
    pub push_logins: BTreeMap<String, Login>,
}

/// The bot's own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// A private key in PEM.
    pub pem: Secret,
    pub password: Option<Secret>,
}

/// Reads `[promotion]`, and says what promotions need and do not have.
pub fn read(reader: &Reader<'_>, document: &Node<'_>, push_logins: BTreeMap<String, Login>, needs: &Needs) -> Option<Promotions> {
    let table = document.get(&root::PROMOTION);
    let said = |key| table.as_ref().and_then(|table| table.get(key));
    let (key_said, password_said) = (said(&key::SIGNING_KEY), said(&key::SIGNING_KEY_PASSWORD));
    needs.check(reader, |host| push_logins.contains_key(host), key_said.is_some());
    let halt_file = match said(&key::HALT_FILE) {
        Some(node) => halt_file(reader, &node).map(Some),
        None => Some(None),
    };
    let signing_key = match (key_said, password_said) {
        (Some(node), password) => signing_key(reader, &node, password.as_ref()).map(Some),
        (None, Some(alone)) => {
            reader.sink.add(&alone.place, "needs `signing_key` beside it");
            None
        }
        (None, None) => Some(None),
    };
    Some(Promotions { halt_file: halt_file?, signing_key: signing_key?, push_logins })
}

/// The file itself need not be there: that is its meaning. A folder that is not there is a misspelt path, and a switch that nobody
/// could ever find.
fn halt_file(reader: &Reader<'_>, node: &Node<'_>) -> Option<PathBuf> {
    let path = reader.path(node)?;
    match path.parent().map(|folder| if folder.as_os_str().is_empty() { ".".as_ref() } else { folder }) {
        Some(folder) if folder.is_dir() && !path.is_dir() => Some(path),
        Some(_) | None => {
            let says = "must be a file in a folder that exists; where the folder is missing, nobody could ever halt anything";
            reader.sink.add(&node.place, says);
            None
        }
    }
}

fn signing_key(reader: &Reader<'_>, node: &Node<'_>, password: Option<&Node<'_>>) -> Option<SigningKey> {
    let pem = reader.secret_text(node);
    let password = match password {
        Some(node) => reader.secret(node).map(Some),
        None => Some(None),
    };
    let (pem, password) = (pem?, password?);
    let text = pem.expose();
    let wrong = if text.contains("-----BEGIN PUBLIC KEY") {
        Some("is a public key; the bot signs with a private one")
    } else if !text.contains("-----BEGIN ") || !text.contains("PRIVATE KEY-----") {
        Some("is no private key in PEM, as `cosign generate-key-pair` writes it")
    } else if text.contains("-----BEGIN ENCRYPTED ") && password.is_none() {
        Some("has a password; give `signing_key_password` beside it")
    } else {
        None
    };
    match wrong {
        None => Some(SigningKey { pem, password }),
        Some(says) => {
            reader.sink.add(&node.place, says);
            None
        }
    }
}
