//! How work arrives: webhooks, the clock, the API.

pub mod api;
pub mod gitlab_hook;
pub mod http;
pub mod log;
pub mod metrics;
pub mod queue;
pub mod schedule;
