//! The command line, one file a command.

use std::process::ExitCode;

use clap::Parser;

/// Knows what your GitLab team shipped.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about)]
struct Arguments {}

/// Runs the program.
pub fn main() -> ExitCode {
    let _ = Arguments::parse();
    ExitCode::SUCCESS
}
