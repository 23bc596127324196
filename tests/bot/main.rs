//! The whole bot, as `countersign serve` starts it from a `bot.toml`, against the sandbox: GitLab double, registry double and signing
//! authority, over HTTP, with the real client crates.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

mod again;
mod blocks;
mod catch_up;
mod chat;
mod crash;
mod hostile;
mod outage;
mod process;
mod promotion;
mod releases;
mod service;
mod world;

use countersign::sandbox::shop::Signing;
use world::{Setup, TAG, World, until};
