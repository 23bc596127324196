//! The command line, one file a command: each has its arguments and a `run` that prints and answers how it ended.

mod asking;
mod bundle;
mod config;
#[cfg(feature = "sandbox")]
pub mod demo;
mod docker_login;
mod inspect;
mod material;
#[cfg(feature = "sandbox")]
mod sandbox;
pub mod serve;
mod signer;
mod verify;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::verdict::Outcome;

/// Knows what your GitLab team shipped.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The commands, in the order of the help.
#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the bot
    Serve(serve::Arguments),
    /// Plays the whole story on an embedded GitLab, registry and signing authority
    #[cfg(feature = "sandbox")]
    Demo(demo::Arguments),
    /// Checks that an image may be deployed; the gate for deploy jobs
    Verify(Box<verify::Arguments>),
    /// Lists every signature and attestation of an image, and verifies them; needs no GitLab and no bot.toml
    Inspect(Box<inspect::Arguments>),
    /// Verifies a sigstore bundle, offline
    Bundle(bundle::Arguments),
    /// Shows trusted signers, and which of them signed an image
    Signer(signer::Arguments),
    /// Checks or describes bot.toml
    Config(config::Arguments),
    /// Serves parts of the embedded world on their own, for outside checks
    #[cfg(feature = "sandbox")]
    #[command(hide = true)]
    Sandbox(sandbox::Arguments),
}

/// How a command ended; the numbers are part of the outside surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Passed, or done.
    Done,
    /// A verdict that says no.
    Blocked,
    /// Wrong arguments or a wrong configuration.
    Usage,
    /// Something outside did not answer, or our own output could not be written.
    CouldNotCheck,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Blocked => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::CouldNotCheck => Self::from(3),
        }
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Done,
            Outcome::Blocked => Self::Blocked,
            Outcome::CouldNotCheck => Self::CouldNotCheck,
        }
    }
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Help and version come this way too: they go to stdout and are no error.
            let printed = usage.print().is_ok();
            return if usage.use_stderr() {
                Exit::Usage
            } else if printed {
                Exit::Done
            } else {
                Exit::CouldNotCheck
            }
            .into();
        }
    };
    match arguments.command {
        Command::Serve(arguments) => waiting(serve::run(arguments)),
        #[cfg(feature = "sandbox")]
        Command::Demo(arguments) => waiting(demo::run(arguments)),
        Command::Verify(arguments) => waiting(verify::run(*arguments)),
        Command::Inspect(arguments) => waiting(inspect::run(*arguments)),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Signer(arguments) => waiting(signer::run(arguments)),
        Command::Config(arguments) => config::run(&arguments),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => waiting(sandbox::run(arguments)),
    }
    .into()
}

/// Runs a command that waits for things outside.
fn waiting(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(why) => complain(&format!("the runtime could not start: {why}"), Exit::CouldNotCheck),
    }
}

/// Returns at SIGTERM or Ctrl-C.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Whether words may be coloured: only on a terminal, and not where [`NO_COLOR`](https://no-color.org) is set.
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints a command's answer. Zero may only follow output that arrived (SR-24): a closed pipe or full disk ends as "could not check".
fn print(answer: &str, exit: Exit) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(answer.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(why) => complain(&format!("the output could not be written: {why}"), Exit::CouldNotCheck),
    }
}

/// Says on stderr what went wrong.
fn complain(sentence: &str, exit: Exit) -> Exit {
    // With stderr closed as well, the exit code is all that is left.
    let _ = writeln!(std::io::stderr(), "{sentence}");
    exit
}
