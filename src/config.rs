//! `bot.toml`, read strictly: every problem at once, each with its line and its key (SR-17).
//!
//! `config/keys.rs` is the table of all keys. `check` holds a document against it, `schema` prints it, and the parts below
//! compose each part's own `Settings` from what is left: a value of a wrong kind reads as absent, and is reported already.

mod api;
mod check;
mod document;
mod environments;
mod forms;
mod instance;
mod keys;
mod policy;
mod problem;
mod project;
mod promotion;
mod reader;
mod registry;
mod schema;
mod service;
mod table;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

pub use problem::{Problem, Problems};
pub use project::ProjectConfig;
pub use promotion::{Promotions, SigningKey};
pub use schema::schema;
pub use trust::ConfiguredSigner;

use crate::facts::{registry as registries, trust_root};
use crate::model::Timestamp;
use crate::model::gitlab::InstanceName;
use crate::{delivery, gitlab_client, store};
use document::Node;
use environments::Needs;
use problem::Sink;
use reader::{Reader, all};

/// Bytes of a bot.toml: ten thousand projects at a hundred bytes each.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Everything an operator said, checked and completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub server: delivery::http::Settings,
    pub api: delivery::api::Settings,
    pub store: store::Settings,
    pub gitlabs: Vec<gitlab_client::Settings>,
    /// Every registry that an image lies in or that has a section; those without a section are read anonymously.
    pub registries: Vec<registries::Settings>,
    /// Whom to believe about keyless signatures, by the GitLab whose pipelines make them.
    pub trust_roots: BTreeMap<InstanceName, trust_root::Source>,
    /// Every trusted signer, used or not, by name.
    pub signers: Vec<ConfiguredSigner>,
    pub projects: Vec<ProjectConfig>,
    pub promotions: Promotions,
    pub log: Log,
    pub catch_up: CatchUp,
    /// What is likely not meant, and stops nothing.
    pub warnings: Vec<Problem>,
}

/// How often to look without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUp {
    /// For what no webhook told.
    pub every: Duration,
    /// At one of a project's newest releases again.
    pub recheck: Duration,
}

/// How events are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: tracing::Level,
}

/// One line an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads a file, the files it names (their paths start at its folder) and the environment variables it names.
    ///
    /// # Errors
    /// Every problem of the file, in the order of its lines.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let name = file.display().to_string();
        let base = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match reader::read_text(file, LARGEST_FILE) {
            Ok(text) => read((&name, &text), base, &|variable| std::env::var(variable).ok(), Timestamp::now()),
            Err(why) => {
                let sink = Sink::new("");
                sink.syntax(None, "", format!("this file {why}"));
                Err(sink.into_problems(&name))
            }
        }
    }

    /// Reads a text as if it stood in a `bot.toml` in the folder `base`, with these environment variables.
    ///
    /// # Errors
    /// Every problem of the text, in the order of its lines.
    pub fn parse(text: &str, base: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        read(("bot.toml", text), base, env, Timestamp::now())
    }
}

fn read((name, text): (&str, &str), base: &Path, env: &dyn Fn(&str) -> Option<String>, now: Timestamp) -> Result<Config, Problems> {
    let sink = Sink::new(text);
    let table = document::parse(text, &sink);
    let config = table.and_then(|table| {
        let (span, table) = (table.span(), table.into_inner());
        let root = toml::Spanned::new(span.start..span.start, toml::de::DeValue::Table(table));
        let document = Node::root(&root);
        check::section(&document, &keys::ROOT, &sink);
        compose(&Reader { sink: &sink, base, env, now }, &document)
    });
    match config {
        Some(config) if sink.is_empty() => Ok(config),
        Some(_) => Err(sink.into_problems(name)),
        None => {
            if sink.is_empty() {
                // A value got lost without a word: better no start than a start with less than the file says.
                sink.syntax(None, "", "this file could not be read as a whole; this is a fault in countersign, please report it");
            }
            Err(sink.into_problems(name))
        }
    }
}

/// Every part is read, even after one failed, so that all problems are found.
fn compose<'a>(reader: &'a Reader<'a>, document: &Node<'a>) -> Option<Config> {
    let store = service::store(reader, document);
    let caches = service::caches(reader, store.as_ref());
    let gitlab_tables = document.get(&keys::root::GITLAB);
    let mut hooks = instance::Hooks::default();
    let entries = gitlab_tables.as_ref().map(Node::entries).unwrap_or_default();
    let gitlabs = all(entries.iter().map(|(name, node)| instance::read(reader, name, node, &mut hooks, &caches)));
    let mut signers = trust::Signers::read(reader, document);
    let (projects, needs) = project::Projects::new(reader, document).read(&mut hooks, &mut signers);
    let hooks = hooks.finish(reader);
    let registries = registries(reader, document, (projects.as_deref().unwrap_or_default(), &needs));
    let promotions = push_logins(reader, document).and_then(|logins| promotion::read(reader, document, logins, &needs));
    let server = service::server(reader, document);
    let (log, catch_up) = (service::log(document), service::catch_up(document));
    let api = api::read(reader, document, projects.as_deref().unwrap_or_default());
    let signers = signers.into_list();
    let gitlabs = gitlabs?;
    let trust_roots = gitlabs.iter().filter_map(|gitlab| Some((gitlab.settings.name.clone(), gitlab.trust_root.clone()?))).collect();
    let (listen, public_url) = server?;
    Some(Config {
        api: api?.settings(public_url.clone()),
        server: delivery::http::Settings { listen, public_url, hooks: hooks? },
        store: store?,
        gitlabs: gitlabs.into_iter().map(|gitlab| gitlab.settings).collect(),
        registries: registries?,
        trust_roots,
        signers,
        projects: projects?,
        promotions: promotions?,
        log: log?,
        catch_up: catch_up?,
        warnings: reader.sink.warnings(),
    })
}

type Used<'u> = (&'u [ProjectConfig], &'u Needs);

fn registries(reader: &Reader<'_>, document: &Node<'_>, (projects, needs): Used<'_>) -> Option<Vec<registries::Settings>> {
    let gitlabs = document.get(&keys::root::GITLAB);
    let sections = document.get(&keys::root::REGISTRY).map(|node| node.entries()).unwrap_or_default();
    let mut registries = all(sections.iter().map(|(host, node)| registry::read(reader, host, node, gitlabs.as_ref())))?;
    let used: BTreeSet<&str> = projects
        .iter()
        .flat_map(|project| &project.watched.images)
        .map(|image| image.repository.registry.as_str())
        .chain(needs.hosts())
        .collect();
    for host in used {
        if !registries.iter().any(|registry| registry.host == host) {
            registries.push(registry::anonymous(host));
        }
    }
    Some(registries)
}

/// The logins that may write, by host. A broken one leaves none: what it lacks is reported already.
fn push_logins(reader: &Reader<'_>, document: &Node<'_>) -> Option<BTreeMap<String, registries::Login>> {
    let sections = document.get(&keys::root::REGISTRY).map(|node| node.entries()).unwrap_or_default();
    let logins = all(sections.iter().map(|(host, node)| Some((*host, registry::push_login(reader, node)?))))?;
    Some(logins.into_iter().filter_map(|(host, login)| Some((host.to_owned(), login?))).collect())
}

#[cfg(test)]
mod tests;
