//! What the API tells of container images and attestations. Plain settable data: the registry itself is another part of the
//! sandbox.

use std::collections::BTreeMap;

use serde_json::Value;

use super::World;
use crate::model::Timestamp;
use crate::model::gitlab::{JobId, ProjectId};

/// A repository of the container registry.
#[derive(Debug, Clone)]
pub struct RegistryRepository {
    pub id: u64,
    /// `shop/api` or `shop/api/worker`
    pub path: String,
    pub created_at: Timestamp,
    pub tags: BTreeMap<String, RegistryTag>,
}

/// A tag in it.
#[derive(Debug, Clone)]
pub struct RegistryTag {
    /// `sha256:…`
    pub digest: String,
    /// The image config's digest, without `sha256:`.
    pub revision: String,
    pub total_size: u64,
    pub created_at: Timestamp,
}

/// GitLab's own attestation of a build.
#[derive(Debug, Clone)]
pub struct Attestation {
    pub id: u64,
    pub iid: u64,
    /// 64 hex digits.
    pub subject_digest: String,
    pub predicate_type: String,
    pub build: Option<JobId>,
    pub bundle: Value,
    pub created_at: Timestamp,
}

impl World {
    /// Sets what a tag of a registry repository names. The repository is made if it is not there; its id is the answer.
    pub fn set_registry_tag(&mut self, project: ProjectId, path: &str, tag: &str, digest: &str) -> u64 {
        let (fresh, revision, now) = (self.next_id(), self.next_hex("image config"), self.now());
        let repositories = &mut self.project_mut(project).registry;
        let id = repositories.values().find(|held| held.path == path).map_or(fresh, |held| held.id);
        let made = || RegistryRepository { id, path: path.into(), created_at: now, tags: BTreeMap::new() };
        let held = repositories.entry(id).or_insert_with(made);
        held.tags.insert(tag.into(), RegistryTag { digest: digest.into(), revision, total_size: 31_457_280, created_at: now });
        id
    }

    /// Adds an attestation; its `iid` is the answer.
    pub fn add_attestation(&mut self, project: ProjectId, subject_digest: &str, build: Option<JobId>, bundle: Value) -> u64 {
        let (id, created_at) = (self.next_id(), self.now());
        let held = &mut self.project_mut(project).attestations;
        let iid = held.len() as u64 + 1;
        held.push(Attestation {
            id,
            iid,
            subject_digest: subject_digest.into(),
            predicate_type: "https://slsa.dev/provenance/v1".into(),
            build,
            bundle,
            created_at,
        });
        iid
    }
}
