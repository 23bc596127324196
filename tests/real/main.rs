//! The whole bot against real parts: docker-registry, cosign 2, cosign 3 and Chromium, which `tests/parts` fetches from Debian. GitLab alone is the
//! sandbox's double. A missing part fails its test.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

mod authority;
mod blocked;
mod browser;
mod cosign;
mod demo_page;
mod key_pairs;
mod keyless;
mod logins;
mod matrix;
mod parts;
mod registry;
mod stage;
mod token_server;
