//! Runners that policy names.

use serde::{Deserialize, Serialize};

use crate::model::gitlab::{Runner, RunnerId};

/// A runner that may build releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrustedRunner {
    /// Survives a renamed runner, and nobody can take it over by renaming one.
    Id(RunnerId),
    /// Exactly this description. Whoever manages a runner may change it.
    Description(String),
}

impl TrustedRunner {
    /// `#7` is an id; everything else is a description, which therefore cannot pass for an id. `None` for an empty text and for a
    /// `#` without a number.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('#') {
            Some(id) => Some(Self::Id(RunnerId(id.parse().ok()?))),
            None if text.is_empty() => None,
            None => Some(Self::Description(text.into())),
        }
    }

    pub fn is(&self, runner: &Runner) -> bool {
        match self {
            Self::Id(id) => runner.id == *id,
            Self::Description(description) => runner.description == *description,
        }
    }
}

impl std::fmt::Display for TrustedRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "#{id}"),
            Self::Description(description) => f.write_str(description),
        }
    }
}
