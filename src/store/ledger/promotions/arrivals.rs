//! What arrived in an environment, and so what runs there as far as we know.

use super::super::super::Space;
use super::super::{Entry, Ledger, LedgerError, index};
use crate::model::gitlab::ProjectKey;
use crate::model::promotion::{Happened, Promotion, PromotionEvent, Standing};
use crate::model::{EnvironmentName, PinnedImage};

/// How many arrivals are read at once while one is looked for, from the newest on: mostly it is the newest. Beyond the last number
/// nothing is found; those are the promotions of years, and what was refused or stopped does not count among them.
const ARRIVALS: [usize; 4] = [1, 16, 256, 4_096];

impl Ledger {
    /// The newest promotion that arrived in an environment and is wanted. What was refused, stopped or cancelled in between costs
    /// nothing and hides nothing.
    pub async fn arrival(
        &self,
        project: &ProjectKey,
        environment: &EnvironmentName,
        wanted: impl Fn(&Standing) -> bool,
    ) -> Result<Option<Standing>, LedgerError> {
        let prefix = index::arrived_in(project, environment);
        let mut read = 0;
        for limit in ARRIVALS {
            let found = self.found(Space::Promotion, &prefix, limit).await?;
            let count = found.len();
            for (_, entry) in found.into_iter().skip(read) {
                if let Some(standing) = self.arrived(entry).await?.filter(|arrived| is_to(arrived, project, environment) && wanted(arrived))
                {
                    return Ok(Some(standing));
                }
            }
            if count < limit {
                break;
            }
            read = count;
        }
        Ok(None)
    }

    /// The newest promotion by which just this image arrived in an environment, however long ago.
    pub async fn arrival_of(
        &self,
        project: &ProjectKey,
        environment: &EnvironmentName,
        image: &PinnedImage,
    ) -> Result<Option<Standing>, LedgerError> {
        let Some((_, entry)) = self.found(Space::Promotion, &index::arrived_with(project, environment, image), 1).await?.pop() else {
            return Ok(None);
        };
        let holds = |arrived: &Standing| arrived.promotion.images.iter().any(|(_, held)| held == image);
        Ok(self.arrived(entry).await?.filter(|arrived| is_to(arrived, project, environment) && holds(arrived)))
    }

    /// Whether a promotion is what arrived last in its environment. For whoever holds the head.
    pub(super) async fn is_newest(&self, standing: &Standing) -> Result<bool, LedgerError> {
        let Promotion { id, project, environment, .. } = &standing.promotion;
        let Some((_, entry)) = self.at_head(Space::Promotion, &index::arrived_in(project, &environment.name), 1).await?.pop() else {
            return Ok(false);
        };
        Ok(self.arrived(entry).await?.is_some_and(|newest| newest.promotion.id == *id))
    }

    /// The promotion whose end an entry is, if it arrived. The index only names records; what the record says counts.
    async fn arrived(&self, entry: Entry) -> Result<Option<Standing>, LedgerError> {
        let Entry::Promotion { id, happened: Happened { event: PromotionEvent::Ended { .. }, .. } } = entry else { return Ok(None) };
        Ok(self.standing(&id).await?.filter(|standing| standing.promoted_at().is_some()))
    }
}

fn is_to(standing: &Standing, project: &ProjectKey, environment: &EnvironmentName) -> bool {
    standing.promotion.project == *project && standing.promotion.environment.name == *environment
}
