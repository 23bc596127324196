//! What was seen before, as the ledger tells it to whoever collects facts.

use async_trait::async_trait;

use super::{Bot, Record};
use crate::facts::Memory;
use crate::model::attestation::PreviousBase;
use crate::model::gitlab::{CommitSha, PipelineId, ProjectKey};
use crate::model::{Digest, Repository};
use crate::store::ledger::LedgerError;
use crate::verdict::facts::Sighting;
use crate::verdict::{Looked, Service, Why, WhyKind};

#[async_trait]
impl Memory for Bot {
    async fn sightings(
        &self,
        project: &ProjectKey,
        image: &Repository,
        commit: Option<&CommitSha>,
        release: Option<&str>,
    ) -> Looked<Vec<Sighting>> {
        remembered(self.ledger.sightings(project, image, commit, release).await.map(some))
    }

    async fn sightings_of_digest(&self, project: &ProjectKey, image: &Repository, digest: &Digest) -> Looked<Vec<Sighting>> {
        remembered(self.ledger.sightings_of_digest(project, image, digest).await.map(some))
    }

    async fn first_protection(&self, project: &ProjectKey, pipeline: PipelineId) -> Looked<bool> {
        remembered(self.ledger.first_protection(project, pipeline).await)
    }

    async fn previous_base(&self, project: &ProjectKey, image: &Repository, release: Option<&str>) -> Looked<PreviousBase> {
        match self.record {
            Record::Kept => remembered(self.ledger.previous_base(project, image, release).await),
            Record::Unread => Looked::Unreachable(Why::new(Service::Store, WhyKind::Unread, "the record was not read")),
        }
    }
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn remembered<T>(asked: Result<Option<T>, LedgerError>) -> Looked<T> {
    match asked {
        Ok(Some(value)) => Looked::Found(value),
        Ok(None) => Looked::Absent,
        Err(fault) => Looked::Unreachable(Why::new(Service::Store, WhyKind::Down, fault.to_string())),
    }
}
