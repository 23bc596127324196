//! Environments: the targets of a promotion.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a GitLab environment, such as `production` ([GitLab, environments](https://docs.gitlab.com/ci/environments/)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentName(pub String);

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
