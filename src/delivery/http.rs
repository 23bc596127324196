//! The HTTP face: routes, limits, health.

use std::net::SocketAddr;

use url::Url;

use crate::model::Secret;
use crate::model::gitlab::{InstanceName, ProjectPath};

/// Where and how the service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub listen: SocketAddr,
    /// The address people and GitLab reach us at.
    pub public_url: Url,
    pub hooks: Vec<HookSecret>,
}

/// One secret that authenticates deliveries of one GitLab. During a rotation several are valid at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSecret {
    pub instance: InstanceName,
    pub kind: HookSecretKind,
    pub secret: Secret,
    /// Which projects it may speak for; `None` for every watched project of the instance (a group hook).
    pub project: Option<ProjectPath>,
}

/// How a secret authenticates ([webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSecretKind {
    /// Compared with `X-Gitlab-Token`.
    Token,
    /// `whsec_…`: a Standard Webhooks signing token (GitLab >= 19.0). While one applies, an unsigned delivery is refused.
    Signing,
}
