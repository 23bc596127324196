//! One bounded connection to a GitLab: login, time, size and retry limits. Shared by `facts` (read) and `effects` (write).

use url::Url;

use crate::model::Secret;
use crate::model::gitlab::InstanceName;

/// How one GitLab server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: InstanceName,
    /// Base address, such as `https://gitlab.example.com`, with a path where GitLab lives under one.
    pub url: Url,
    /// A project, group or personal access token with scope `api`.
    pub token: Secret,
}
