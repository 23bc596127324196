//! Countersign: know what you shipped.
//!
//! The parts, in reading order. `tests/tidy.rs` holds them to this.
//!
//! | part | what it is | may import |
//! |---|---|---|
//! | [`model`] | the field's words as plain data | – |
//! | [`verdict`] | facts in, verdict out; pure | model |
//! | [`effects`] | changes outside, idempotent | model, verdict |
//! | [`commands`] | the chat language, pure | model, verdict, effects |
//! | [`render`] | every word that is said to people | model, verdict, effects, commands |
//! | [`event`] | hint, event, task | the above |
//! | [`tls`] | whose certificates a connection believes | nothing |
//! | [`gitlab_client`] | one bounded connection to a GitLab, shared by facts and effects | model, verdict, tls |
//! | [`registry_client`] | one bounded connection to a registry, shared by facts and effects | model, verdict, tls |
//! | [`facts`] | looks outside, never decides | model, verdict, event |
//! | [`store`] | queue, keyed state, ledger | model, event, verdict, effects |
//! | [`delivery`] | how work arrives | model, event, store, render |
//! | [`bot`] | the flow, on one screen | model, event, verdict, facts, effects, store, render, commands |
//! | [`config`], [`cli`] | `bot.toml`, the command line | everything |
//!
//! Invariants:
//! - A look has three answers ([`verdict::Looked`]); an outage is never absence, and nothing found never passes.
//! - A delivery yields ids only ([`event::Hint`]); what happened is read back from the configured GitLab.
//! - Only [`verdict::judge`] makes a verdict. Only a passed verdict makes a [`verdict::Clearance`], and [`verdict::promotion::clear`]
//!   where no bar is left; what an observed environment lets pass is marked in it, and never attested.
//! - Intent is in the ledger before an effect, its outcome after it.

pub mod bot;
pub mod cli;
pub mod commands;
pub mod config;
pub mod delivery;
pub mod effects;
pub mod event;
pub mod facts;
pub mod gitlab_client;
pub mod model;
pub mod registry_client;
pub mod render;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
pub mod tls;
pub mod verdict;
