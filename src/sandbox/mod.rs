//! A small world for the demo and the tests: GitLab, an OCI registry and a signing authority in one process.

pub mod authority;
pub mod gitlab;
pub mod page;
pub mod registry;
pub mod shop;
