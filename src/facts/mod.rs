//! Looks outside and reports; read credentials only. It never decides.

pub mod gitlab;
pub mod registry;
pub mod sigstore;
pub mod trust_root;
