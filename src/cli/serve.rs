//! `countersign serve`: the bot.

mod api;
mod trust;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Exit, complain};
use crate::bot::{Bot, CaughtUp, Handled, Inbox, Record, Rule, Turns, Watch};
use crate::config::{Config, LogFormat};
use crate::delivery::metrics::Metrics;
use crate::delivery::{self, http, log, queue, schedule};
use crate::effects::Hands;
use crate::effects::promote::{self, Promoter, attest::SigningSettings};
use crate::event::Hint;
use crate::facts::Looks;
use crate::facts::gitlab::Gitlab;
use crate::facts::registry::Registry;
use crate::facts::trust_root::Roots;
use crate::gitlab_client::GitlabClient;
use crate::model::Timestamp;
use crate::render::Words;
use crate::store::{self, ledger::Ledger};

/// Runs the bot until it is told to stop.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration file; none is ever picked up from the working directory
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Why the bot could not start; one sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CannotStart(pub String);

/// A bot that runs.
pub struct Running {
    /// Where it listens: the configured address, with the port that port 0 became.
    pub address: SocketAddr,
    /// The same bot, for callers in this process.
    pub bot: Arc<Bot>,
    stop: CancellationToken,
    parts: tokio::task::JoinSet<()>,
}

impl Running {
    /// Ends gracefully: no new deliveries, the work in hand is finished.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.parts.join_next().await.is_some() {}
    }
}

/// Builds the parts of the bot from its configuration. No network is needed for it.
pub fn assemble(config: &Config, ledger: Ledger, metrics: &Arc<Metrics>) -> Result<Bot, CannotStart> {
    let cannot = |fault: &dyn std::fmt::Display| CannotStart(fault.to_string());
    let mut readers = BTreeMap::new();
    let mut writers = vec![];
    for settings in &config.gitlabs {
        let client = GitlabClient::new(settings).map_err(|fault| cannot(&fault))?;
        readers.insert(settings.name.clone(), Gitlab::new(client.clone()));
        writers.push(client);
    }
    let roots = Roots::open(&config.trust_roots, Timestamp::now()).map_err(|fault| cannot(&fault))?;
    let registry = Registry::new(config.registries.clone()).map_err(|fault| cannot(&fault))?;
    let rules = config
        .projects
        .iter()
        .map(|project| Rule {
            watched: project.watched.clone(),
            policy: project.policy.clone(),
            environments: project.environments.clone(),
            stricter: project.stricter.clone(),
        })
        .collect();
    let (judged, failed) = (metrics.clone(), metrics.clone());
    Ok(Bot {
        looks: Looks::new(readers, registry, roots).with_halt_file(config.promotions.halt_file.clone()),
        hands: Hands::new(writers).with_promoter(promoter(config)?),
        ledger,
        record: Record::Kept,
        words: Words::new().map_err(|fault| cannot(&fault))?,
        rules,
        turns: Turns::new(config.catch_up.recheck),
        watch: Watch {
            judged: Box::new(move |outcome| judged.verdict(outcome.word())),
            effect_failed: Box::new(move |effect| failed.effect_failure(effect)),
        },
        inbox: Box::new(Nobody),
        public_url: config.server.public_url.to_string(),
    })
}

/// The hand for registries. One that promotions write to has a login of its own for that; the others are only copied from.
fn promoter(config: &Config) -> Result<Promoter, CannotStart> {
    let mut registries = config.registries.clone();
    for registry in &mut registries {
        if let Some(login) = config.promotions.push_logins.get(&registry.host) {
            registry.login = Some(login.clone());
        }
    }
    let signing = config.promotions.signing_key.clone();
    let signing = signing.map(|key| SigningSettings { private_key_pem: key.pem, password: key.password });
    Promoter::new(promote::Settings { registries, signing }).map_err(|fault| CannotStart(fault.to_string()))
}

/// The inbox of a bot without a queue: the command line's, which promotes nothing.
struct Nobody;

#[async_trait]
impl Inbox for Nobody {
    async fn push(&self, hint: &Hint) -> Result<(), String> {
        Err(format!("nobody works on {} here", hint.key()))
    }
}

#[async_trait]
impl Inbox for queue::Queue {
    async fn push(&self, hint: &Hint) -> Result<(), String> {
        queue::Queue::push(self, hint).await.map_err(|fault| fault.to_string())
    }
}

/// Starts the bot: store, workers, catch-up poll and HTTP.
pub async fn start(config: Config) -> Result<Running, CannotStart> {
    start_at(config, queue::Pace::default()).await
}

/// The same with workers of another pace: for tests, which cannot wait for pauses made for outages.
pub async fn start_at(config: Config, pace: queue::Pace) -> Result<Running, CannotStart> {
    let cannot = |fault: &dyn std::fmt::Display| CannotStart(fault.to_string());
    let store = store::open(&config.store).await.map_err(|fault| cannot(&fault))?;
    let ledger = Ledger::open(store.clone()).await.map_err(|fault| cannot(&fault))?;
    let metrics = Arc::new(Metrics::default());
    let queue = queue::Queue::new(store, metrics.clone());
    let bot = Arc::new(Bot { inbox: Box::new(queue.clone()), ..assemble(&config, ledger, &metrics)? });
    let face = http::Face::new(&config.server, queue.clone())
        .map_err(|unusable| CannotStart(unusable.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let listener = tokio::net::TcpListener::bind(config.server.listen)
        .await
        .map_err(|fault| CannotStart(format!("cannot listen on {}: {fault}", config.server.listen)))?;
    let address = listener.local_addr().map_err(|fault| cannot(&fault))?;
    let stop = CancellationToken::new();
    let api = delivery::api::Api::new(&config.api, Arc::new(api::FromBot(bot.clone())), metrics.clone());
    let router = http::router(face).merge(delivery::api::router(api));
    let work = Arc::new(Work { bot: bot.clone(), found: Mutex::default() });
    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(trust::keep_fresh(bot.clone(), metrics, stop.clone()));
    parts.spawn(queue::run(queue.clone(), work.clone(), pace, stop.clone()));
    parts.spawn(schedule::run(work, queue, config.catch_up.every, stop.clone()));
    parts.spawn(http::serve(listener, router, stop.clone()));
    for warning in &config.warnings {
        tracing::warn!(line = warning.line, key = warning.path, "bot.toml: {}", warning.says);
    }
    tracing::info!(%address, projects = bot.rules.len(), "countersign listens");
    Ok(Running { address, bot, stop, parts })
}

/// The bot as delivery knows it.
struct Work {
    bot: Arc<Bot>,
    /// What the last catch-up found; its cursors move once the queue has taken it.
    found: Mutex<Vec<CaughtUp>>,
}

#[async_trait]
impl queue::Handler for Work {
    async fn handle(&self, hint: &Hint, _attempt: u32) -> queue::Handled {
        match self.bot.handle(hint).await {
            Handled::Done => queue::Handled::Done,
            Handled::Later(why) => queue::Handled::Later(why),
            Handled::Waits(what) => queue::Handled::Waits(what),
        }
    }
}

#[async_trait]
impl schedule::Finder for Work {
    async fn find(&self) -> Vec<Hint> {
        let found = self.bot.catch_up().await;
        let hints = found.iter().flat_map(|round| round.hints.clone()).collect();
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        hints
    }

    async fn taken(&self) {
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        self.bot.caught_up(&found).await;
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Exit {
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => return complain(&problems.to_string(), Exit::Usage),
    };
    let format = match config.log.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    if let Err(fault) = log::init(format, config.log.level) {
        return complain(&format!("the log could not be opened: {fault}"), Exit::CouldNotCheck);
    }
    let running = match start(config).await {
        Ok(running) => running,
        Err(fault) => return complain(&fault.to_string(), Exit::CouldNotCheck),
    };
    super::told_to_stop().await;
    tracing::info!("stopping: the work in hand is finished first");
    running.stop().await;
    Exit::Done
}
