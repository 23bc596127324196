//! The registry: tags, manifests, and the evidence beside an image.

use crate::model::Secret;

/// How one registry is reached. Only hosts listed here ever receive a credential (SR-19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Host with optional port, as it stands in image references.
    pub host: String,
    /// User name and password or token; `None` reads anonymously.
    pub login: Option<Login>,
    /// Hosts (with port) that may issue tokens for this registry, beside the registry itself: for GitLab's registry, GitLab's host.
    pub token_hosts: Vec<String>,
    /// Plain HTTP instead of TLS; for loopback registries only.
    pub plain_http: bool,
}

/// A registry login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}
