//! Speed, side by side with what a user would pick instead; every ratio comes from one run on one machine.
//!
//! `benches/run` installs the other programs and starts this. It prints Markdown: what a warm verdict costs, `inspect` beside
//! `cosign verify`, and the webhook's answer beside adnanh/webhook's.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a measurement ends where a value is missing
#![allow(dead_code)] // the stage that the tests share has more than is measured here

#[path = "../../tests/real/cosign.rs"]
mod cosign;
mod gate;
mod hooks;
#[path = "../../tests/real/parts.rs"]
mod parts;
#[path = "../../tests/real/registry.rs"]
mod registry;
#[path = "../../tests/real/token_server.rs"]
mod token_server;
mod verdict;

use std::path::PathBuf;

/// The program as a user has it.
fn countersign() -> PathBuf {
    env!("CARGO_BIN_EXE_countersign").into()
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("# Countersign {}, side by side ({cores} cores)\n", env!("CARGO_PKG_VERSION"));
    verdict::run();
    gate::run();
    hooks::run();
}
