//! What the parts of the reader share: files and variables beside `bot.toml`, secrets, references, layers of settings.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::document::Node;
use super::keys;
use super::problem::{Place, Sink, key_name, nearest, quoted};
use super::table::{Key, Need};
use crate::model::{Secret, Timestamp};
use crate::tls::check_bundle;

/// Bytes of a secret: GitLab's tokens have under 300, a registry's token may be a JWT of some KiB.
const LONGEST_SECRET: u64 = 16 * 1024;

/// Bytes of a file of certificate authorities: all that browsers believe fit into 250 KiB.
const LARGEST_CA_FILE: u64 = 1024 * 1024;

/// A document that the table of keys was held against, and the world beside it. Values of a wrong kind read as absent: they are
/// reported already.
pub struct Reader<'a> {
    pub sink: &'a Sink<'a>,
    /// The folder of bot.toml: paths start here, never at the working directory (SR-24).
    pub base: &'a Path,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Against which dates that must lie ahead are held.
    pub now: Timestamp,
}

impl Reader<'_> {
    pub fn path(&self, node: &Node<'_>) -> Option<PathBuf> {
        node.text().map(|text| self.base.join(text))
    }

    /// The certificates of a `ca_file`: `None` where they cannot be used, which is reported; `Some(None)` where none is named.
    pub fn ca_bundle(&self, node: &Node<'_>, key: &Key) -> Option<Option<String>> {
        let Some(file) = node.get(key) else { return Some(None) };
        let path = self.path(&file)?;
        match read_text(&path, LARGEST_CA_FILE).and_then(|pem| check_bundle(&pem).map(|()| pem)) {
            Ok(pem) => Some(Some(pem)),
            Err(why) => {
                self.sink.add(&file.place, format!("{} {why}; paths start at the folder of bot.toml", path.display()));
                None
            }
        }
    }

    /// A secret, looked up. Nothing of it, and no name that could be a secret in the wrong place, gets into a problem.
    /// A secret of one line, looked up. Nothing of it, and no name that could be a secret in the wrong place, gets into a problem.
    pub fn secret(&self, node: &Node<'_>) -> Option<Secret> {
        let (place, secret) = self.look_up(node)?;
        // A line break inside would end a header; it is a sign of the wrong file.
        if secret.expose().contains(char::is_control) {
            self.sink.add(&place, "the secret holds control characters or several lines");
            return None;
        }
        Some(secret)
    }

    /// A secret that may have lines: a key.
    pub fn secret_text(&self, node: &Node<'_>) -> Option<Secret> {
        self.look_up(node).map(|(_, secret)| secret)
    }

    fn look_up(&self, node: &Node<'_>) -> Option<(Place, Secret)> {
        let (place, found) = match (node.get(&keys::secret::ENV), node.get(&keys::secret::FILE)) {
            (Some(env), None) => {
                let name = env.text()?;
                let shown = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                let shown = if shown { format!("the environment variable {name}") } else { "this environment variable".into() };
                (env.place, (self.env)(name).ok_or_else(|| format!("{shown} is not set")))
            }
            (None, Some(file)) => {
                let path = self.path(&file)?;
                let read =
                    read_text(&path, LONGEST_SECRET).map_err(|why| format!("this file {why}; paths start at the folder of bot.toml"));
                (file.place, read)
            }
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let secret = found.and_then(|text| Secret::new(&text).filter(|_| !text.trim().is_empty()).ok_or("the secret is empty".into()));
        match secret {
            Ok(secret) => Some((place, secret)),
            Err(says) => {
                self.sink.add(&place, says);
                None
            }
        }
    }

    /// The entry of `tables` (`[signer.NAME]`) that a text names.
    pub fn named<'n>(&self, node: &Node<'_>, tables: Option<&Node<'n>>, section: &str) -> Option<(&'n str, Node<'n>)> {
        let name = node.text()?;
        let entries = tables.map(Node::entries).unwrap_or_default();
        let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        if let Some(found) = entries.into_iter().find(|(known, _)| *known == name) {
            return Some(found);
        }
        let hint = match (nearest(name, names.iter().copied()), names.is_empty()) {
            (Some(near), _) => format!("did you mean {}?", quoted(near)),
            (None, true) => format!("there is no [{section}.NAME] at all"),
            (None, false) => format!("there are {}", names.iter().take(20).map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
        };
        self.sink.add(&node.place, format!("no [{section}.{}] is defined; {hint}", key_name(name)));
        None
    }
}

/// Reads a small text file. The error says what is wrong, as it stands after "this file".
pub fn read_text(path: &Path, most: u64) -> Result<String, String> {
    let wrong = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => "does not exist".into(),
        ErrorKind::PermissionDenied => "may not be read by this user".into(),
        other => format!("cannot be read ({other})"),
    };
    // A pipe or device could block start-up for ever.
    if !std::fs::metadata(path).map_err(wrong)?.is_file() {
        return Err("is not a regular file".into());
    }
    let mut bytes = vec![];
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(wrong)?;
    if bytes.len() as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".into())
}

/// Places where a setting can stand, the most specific first.
#[derive(Debug, Clone)]
pub struct Layers<'a>(pub Vec<Node<'a>>);

impl<'a> Layers<'a> {
    /// The most specific value of a key.
    pub fn get(&self, key: &Key) -> Option<Node<'a>> {
        self.0.iter().find_map(|node| node.get(key))
    }

    /// The same as text, or the key's default.
    pub fn text(&self, key: &Key) -> Option<&'a str> {
        match self.get(key) {
            Some(node) => node.text(),
            None => key.default_text(),
        }
    }

    /// A text, parsed by `parse`, which accepts what the key's form accepts.
    pub fn parsed<T>(&self, key: &Key, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        parse(self.text(key)?)
    }

    /// A flag, or the key's default.
    pub fn flag(&self, key: &Key) -> Option<bool> {
        match (self.get(key), &key.need) {
            (Some(node), _) => node.flag(),
            (None, Need::Flag(default)) => Some(*default),
            (None, Need::Required | Need::Optional | Need::Text(_) | Need::Texts(_)) => None,
        }
    }

    /// These layers below one that is more specific.
    pub fn below(&self, node: Node<'a>) -> Self {
        Self(std::iter::once(node).chain(self.0.iter().cloned()).collect())
    }
}

/// All of them, or nothing: a list with a hole in it would silently watch less than the file says.
pub fn all<T>(items: impl IntoIterator<Item = Option<T>>) -> Option<Vec<T>> {
    // Every item is looked at even after a bad one, so that all problems are found.
    let items: Vec<Option<T>> = items.into_iter().collect();
    items.into_iter().collect()
}
