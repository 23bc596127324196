//! The command line, one file a command.

#[cfg(feature = "sandbox")]
pub mod sandbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Knows what your GitLab team shipped.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Parts of the embedded world on their own, for outside checks.
    #[cfg(feature = "sandbox")]
    #[command(hide = true)]
    Sandbox(sandbox::SandboxArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        #[cfg(feature = "sandbox")]
        Some(Command::Sandbox(arguments)) => match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime.block_on(sandbox::run(arguments)),
            Err(error) => {
                eprintln!("The runtime could not start: {error}.");
                ExitCode::from(3)
            }
        },
        None => ExitCode::SUCCESS,
    }
}
