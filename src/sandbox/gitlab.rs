//! A GitLab double: it calls itself GitLab 19.5 Enterprise Edition and behaves like one as far as Countersign can tell.
//!
//! - [`state`]: plain data with verbs (push, comment, merge, finish a job, …); no HTTP, no waiting.
//! - `payload`, `present`: the state as webhook bodies and as API answers; pure.
//! - `http`: routes, tokens, refusals, pages, faults, the access log.
//! - `courier`: sends the webhooks.
//! - [`id_token`]: the ID tokens of jobs, and the keys that sign them.
//! - [`contract`]: a filled world for outside checks of the double.
//!
//! ```no_run
//! # async fn story() -> std::io::Result<()> {
//! use countersign::sandbox::gitlab::{Gitlab, Options, state::Level};
//! let gitlab = Gitlab::start(Options::default()).await?;
//! let project = gitlab.world().add_project("shop/api");
//! let (bot, token) = gitlab.world().add_bot(project, "countersign", Level::Developer);
//! # Ok(()) }
//! ```

pub mod contract;
mod courier;
mod http;
pub mod id_token;
mod payload;
mod present;
pub mod state;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use self::http::{Fault, FaultRule, Logged, WorldGuard};
use self::http::{Log, Shared, held};
use self::state::World;

/// How a double is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `None`: a free port of 127.0.0.1.
    pub listen: Option<SocketAddr>,
    /// The address it tells in links and `X-Gitlab-Instance`, where that is not where it listens.
    pub external_url: Option<String>,
    /// Every API request is appended to this file as one JSON line.
    pub log: Option<PathBuf>,
}

/// A running double. It ends when this is dropped.
#[derive(Debug)]
pub struct Gitlab {
    shared: Arc<Shared>,
    url: String,
    tasks: Vec<AbortHandle>,
}

impl Gitlab {
    /// Starts an empty GitLab.
    ///
    /// # Errors
    /// The address or the log file cannot be opened.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = World::new(options.external_url.as_deref().unwrap_or(&url));
        let (sender, parcels) = tokio::sync::mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(world, Log::to_file(options.log.as_deref())?, sender));
        let client = courier::client().map_err(std::io::Error::other)?;
        let courier = tokio::spawn(courier::run(shared.clone(), client, parcels));
        let router = http::router(shared.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the GitLab double stopped");
            }
        });
        Ok(Self { shared, url, tasks: vec![courier.abort_handle(), server.abort_handle()] })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The world, locked. Let go of it before waiting for anything: webhooks leave then, and the HTTP face needs it.
    ///
    /// # Panics
    /// This thread holds it already.
    pub fn world(&self) -> WorldGuard<'_> {
        self.shared.world()
    }

    /// Makes requests go wrong: `("GET", "/projects/*/repository/tags/*", Fault::Status(500))`. The path is what follows `/api/v4`
    /// on the wire; `*` stands for any text.
    pub fn fault(&self, method: &str, path: &str, fault: Fault) {
        self.add_fault(FaultRule { method: method.into(), path: path.into(), fault, times: None });
    }

    /// The same for a number of requests only.
    pub fn add_fault(&self, rule: FaultRule) {
        held(&self.shared.faults).push(rule);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        held(&self.shared.faults).clear();
    }

    /// Waits until no webhook is on its way.
    pub async fn hooks_settled(&self) {
        let mut under_way = self.shared.under_way.subscribe();
        // The sender lives in `shared`, so this cannot fail.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// The API requests so far, with whose token they were made.
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.log.requests()
    }

    /// # Panics
    /// A request was made to a route that the double does not have; the message lists them.
    pub fn assert_no_unknown_routes(&self) {
        let routes = held(&self.shared.unknown_routes);
        assert!(routes.is_empty(), "the GitLab double has no route for:\n{}", routes.join("\n"));
    }
}

impl Drop for Gitlab {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
