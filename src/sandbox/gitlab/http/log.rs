//! The access log: every request of the API in memory, and as one JSON line in a file if one is named.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};

use super::held;
use crate::model::Timestamp;
use crate::model::gitlab::UserId;
use crate::sandbox::gitlab::state::World;

/// Headers whose values are secrets.
const SECRET: &[&str] = &["private-token", "authorization", "job-token", "cookie"];

/// One request and how it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    pub at: Timestamp,
    /// User name of the token's owner.
    pub user: Option<String>,
    pub method: String,
    /// As on the wire, with the query.
    pub path: String,
    /// The text as it came; `null` for none.
    pub body: Option<String>,
    /// Secret values are hidden.
    pub headers: Map<String, Value>,
    pub status: u16,
    /// A fault was played: neither the status nor a repetition says anything about the client.
    pub faulted: bool,
}

/// A request before it is answered.
#[derive(Debug)]
pub struct Entry(Logged);

impl Entry {
    pub fn new(world: &World, parts: &Parts, body: &[u8], (user, faulted): (Option<UserId>, bool)) -> Self {
        let value = |name: &str, value: &http::HeaderValue| match SECRET.contains(&name) {
            true => Value::from("[hidden]"),
            false => String::from_utf8_lossy(value.as_bytes()).into_owned().into(),
        };
        Self(Logged {
            at: world.now(),
            user: user.map(|user| world.user(user).username.clone()),
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            body: (!body.is_empty()).then(|| String::from_utf8_lossy(body).into_owned()),
            headers: parts.headers.iter().map(|(name, held)| (name.to_string(), value(name.as_str(), held))).collect(),
            status: 0,
            faulted,
        })
    }
}

/// Where requests are kept.
#[derive(Debug, Default)]
pub struct Log {
    kept: Mutex<Vec<Logged>>,
    file: Option<Mutex<File>>,
}

impl Log {
    /// Appends to this file as well.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn to_file(path: Option<&Path>) -> std::io::Result<Self> {
        let open = |path| File::options().create(true).append(true).open(path).map(Mutex::new);
        Ok(Self { kept: Mutex::default(), file: path.map(open).transpose()? })
    }

    pub fn keep(&self, Entry(mut logged): Entry, status: u16) {
        logged.status = status;
        if let Some(file) = &self.file
            && let Ok(mut line) = serde_json::to_string(&logged)
        {
            line.push('\n');
            if let Err(error) = held(file).write_all(line.as_bytes()) {
                tracing::error!(%error, "the sandbox's access log cannot be written");
            }
        }
        held(&self.kept).push(logged);
    }

    pub fn requests(&self) -> Vec<Logged> {
        held(&self.kept).clone()
    }
}
