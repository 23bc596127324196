//! Looks outside and reports; read credentials only. It never decides.

mod collect;
mod evidence;
pub mod gitlab;
mod halt;
mod pieces;
pub mod provenance;
pub mod registry;
pub mod sigstore;
pub mod trust_root;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub use pieces::pieces;

use crate::event::{Event, Hint, What};
use crate::model::attestation::PreviousBase;
use crate::model::gitlab::{CommitSha, InstanceName, PipelineId, Project, ProjectKey};
use crate::model::project::WatchedProject;
use crate::model::{Digest, Repository};
use crate::verdict::facts::Sighting;
use crate::verdict::{Facts, Looked, Question, Service, Why, WhyKind};

/// Everything that can be looked at.
pub struct Looks {
    gitlabs: BTreeMap<InstanceName, gitlab::Gitlab>,
    registry: registry::Registry,
    roots: trust_root::Roots,
    halt_file: Option<std::path::PathBuf>,
}

/// What was seen before. The store answers; facts does not know it.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Digests recorded for this image under this commit or this release; `Absent` when there is none.
    async fn sightings(
        &self,
        project: &ProjectKey,
        image: &Repository,
        commit: Option<&CommitSha>,
        release: Option<&str>,
    ) -> Looked<Vec<Sighting>>;

    /// The releases of this image that this digest was recorded for; `Absent` when there is none.
    async fn sightings_of_digest(&self, project: &ProjectKey, image: &Repository, digest: &Digest) -> Looked<Vec<Sighting>>;

    /// Whether this pipeline's ref was protected when it was first judged; `Absent` if it never was.
    async fn first_protection(&self, project: &ProjectKey, pipeline: PipelineId) -> Looked<bool>;

    /// The base image of the release that passed last before this one, or last of all where the question is about no release;
    /// `Absent` when there is none or it had none on record.
    async fn previous_base(&self, project: &ProjectKey, image: &Repository, release: Option<&str>) -> Looked<PreviousBase>;
}

impl Looks {
    pub fn new(gitlabs: BTreeMap<InstanceName, gitlab::Gitlab>, registry: registry::Registry, roots: impl Into<trust_root::Roots>) -> Self {
        Self { gitlabs, registry, roots: roots.into(), halt_file: None }
    }

    /// Whom each GitLab's certificates and logs are held against.
    pub fn roots(&self) -> &trust_root::Roots {
        &self.roots
    }

    /// One GitLab, by its configured name.
    pub fn gitlab(&self, instance: &InstanceName) -> Looked<&gitlab::Gitlab> {
        match self.gitlabs.get(instance) {
            Some(gitlab) => Looked::Found(gitlab),
            None => Looked::Unreachable(Why::new(Service::Gitlab, WhyKind::Unreadable, format!("no GitLab is configured as {instance}"))),
        }
    }

    pub fn registry(&self) -> &registry::Registry {
        &self.registry
    }

    /// The project as GitLab shows it now.
    pub async fn project(&self, watched: &WatchedProject) -> Looked<Project> {
        match self.gitlab(&watched.instance) {
            Looked::Found(gitlab) => gitlab.project_by_path(&watched.path).await,
            Looked::Absent => Looked::Absent,
            Looked::Unreachable(why) => Looked::Unreachable(why),
        }
    }

    /// Reads back what a hint names. `Absent`: it is gone, or never was.
    pub async fn reread(&self, hint: &Hint) -> Looked<Event> {
        let gitlab = match self.gitlab(&hint.project.instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Looked::Absent,
            Looked::Unreachable(why) => return Looked::Unreachable(why),
        };
        let project = hint.project.id;
        match &hint.what {
            What::Pipeline { id } => gitlab.pipeline(project, *id).await.map(Event::Pipeline),
            What::Job { id } => match gitlab.job(project, *id).await {
                Looked::Found(job) => gitlab.pipeline(project, job.pipeline).await.map(Event::Pipeline),
                Looked::Absent => Looked::Absent,
                Looked::Unreachable(why) => Looked::Unreachable(why),
            },
            What::Tag { name } => gitlab.tag(project, name).await.map(Event::Tag),
            What::Release { tag } => gitlab.release(project, tag).await.map(Event::Release),
            What::Note { merge_request, note } => {
                let (merge_request, note) =
                    tokio::join!(gitlab.merge_request(project, *merge_request), gitlab.note(project, *merge_request, *note));
                merge_request.and_then(|merge_request| note.map(|note| Event::Note { merge_request, note }))
            }
            What::Promotion { id } => Looked::Found(Event::Promotion(id.clone())),
            What::Environment { name } => Looked::Found(Event::Environment(name.clone())),
            What::Deployment { id } => gitlab.deployment(project, *id).await.map(Event::Deployment),
            What::MergeRequest { .. } => Looked::Found(Event::Quiet),
        }
    }

    /// Collects everything a verdict needs, as of now, looks that do not need one another at the same time.
    pub async fn collect(&self, question: &Question, as_of: jiff::Timestamp, memory: &dyn Memory) -> Facts {
        collect::collect(self, question, as_of, memory).await
    }
}
