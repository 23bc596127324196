//! `countersign demo`: the whole story in one process, to look at in a browser or, with `--once`, to read in a terminal.

mod story;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::serve::{self, CannotStart, Running};
use super::{Exit, complain, print};
use crate::config::Config;
use crate::delivery::log;
use crate::sandbox::page;
use crate::sandbox::shop::{Shop, Signing};

/// The demo looks for itself this often, so that a person sees a moved tag noticed while they watch.
const LOOKS_EVERY: Duration = Duration::from_secs(2);
/// How long a deploy job takes: long enough to be seen running.
const DEPLOY_TAKES: jiff::SignedDuration = jiff::SignedDuration::from_millis(1000);

/// Plays the story on an embedded sandbox.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the page is served
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8088")]
    listen: SocketAddr,
    /// Plays the story, prints it, and exits 0 only if every step ended as told
    #[arg(long)]
    once: bool,
}

/// A shop and the bot that watches it.
pub struct Demo {
    pub shop: Arc<Shop>,
    running: Running,
    /// The runner of the deploy jobs.
    runner: tokio::task::AbortHandle,
    /// `bot.toml`, its secrets and the store; removed at the end.
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Opens the shop, writes its `bot.toml` into a temporary folder and starts the bot from it.
    pub async fn start(signing: Signing) -> Result<Self, CannotStart> {
        let cannot = |fault: &dyn std::fmt::Display| CannotStart(format!("the sandbox cannot start: {fault}"));
        let folder = tempfile::tempdir().map_err(|fault| cannot(&fault))?;
        let shop = Shop::open(signing, None).await.and_then(|shop| shop.attesting().promoting()).map_err(|fault| cannot(&fault))?;
        let file = shop.write_configuration(folder.path()).map_err(|fault| cannot(&fault))?;
        let mut config = Config::load(&file).map_err(|problems| cannot(&problems))?;
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        (config.catch_up.every, config.catch_up.recheck) = (LOOKS_EVERY, LOOKS_EVERY);
        let running = serve::start(config).await?;
        shop.hook(&format!("http://{}", running.address));
        let shop = Arc::new(shop);
        let runner = shop.run_deploy_jobs(DEPLOY_TAKES);
        Ok(Self { shop, running, runner, _folder: folder })
    }

    /// Ends the bot and the sandbox.
    pub async fn stop(self) {
        self.runner.abort();
        self.running.stop().await;
    }
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Exit {
    // What an operator is warned of, such as a drift, is what the story plays: between its lines only what fails has a place.
    let level = if arguments.once { tracing::Level::ERROR } else { tracing::Level::WARN };
    if let Err(fault) = log::init(log::Format::Text, level) {
        return complain(&format!("the log could not be opened: {fault}"), Exit::CouldNotCheck);
    }
    let demo = match Demo::start(Signing::Keyless).await {
        Ok(demo) => demo,
        Err(fault) => return complain(&fault.to_string(), Exit::CouldNotCheck),
    };
    let exit = if arguments.once { story::play(&demo.shop).await } else { show(&arguments, &demo).await };
    demo.stop().await;
    exit
}

async fn show(arguments: &Arguments, demo: &Demo) -> Exit {
    let listener = match tokio::net::TcpListener::bind(arguments.listen).await {
        Ok(listener) => listener,
        Err(fault) => {
            let sentence = format!("cannot listen on {}: {fault}; choose another address with --listen", arguments.listen);
            return complain(&sentence, Exit::Usage);
        }
    };
    let told = match listener.local_addr() {
        Ok(address) => print(
            &format!("The demo is at http://{address}/ and ends with Ctrl-C. GitLab, the registry and the bot run inside this process.\n"),
            Exit::Done,
        ),
        Err(fault) => complain(&fault.to_string(), Exit::CouldNotCheck),
    };
    if told != Exit::Done {
        return told;
    }
    tokio::select! {
        () = super::told_to_stop() => Exit::Done,
        ended = page::serve(listener, demo.shop.clone()) => match ended {
            Ok(()) => Exit::Done,
            Err(fault) => complain(&format!("the page stopped: {fault}"), Exit::CouldNotCheck),
        }
    }
}
