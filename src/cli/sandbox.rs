//! `countersign sandbox`: parts of the embedded world on their own, for outside checks.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Exit, complain};
use crate::sandbox::gitlab::contract;

/// Which part to serve.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Serves the GitLab double with a filled world until it is stopped.
    Gitlab {
        /// Where it listens.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Gets a JSON object with the address, the token and what is in the world.
        #[arg(long, value_name = "FILE")]
        target: PathBuf,
        /// Every API request is appended to this file as one JSON line.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
}

/// Serves until the process is stopped.
pub async fn run(arguments: Arguments) -> Exit {
    let Part::Gitlab { listen, target, log } = arguments.part;
    match contract::serve_for_contract(listen, &target, log).await {
        Ok(()) => Exit::Done,
        Err(why) => complain(&format!("the GitLab double could not start: {why}"), Exit::Usage),
    }
}
