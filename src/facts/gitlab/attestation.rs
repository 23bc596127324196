//! GitLab's own attestations of what its jobs built
//! ([SLSA level 3](https://docs.gitlab.com/ci/pipeline_security/slsa/)): an experiment behind a flag, mostly not there.

use futures_util::future::try_join_all;

use super::{Gitlab, wire};
use crate::gitlab_client::{CallError, endpoints, look};
use crate::model::Digest;
use crate::model::attestation::PredicateType;
use crate::model::gitlab::ProjectId;
use crate::verdict::Looked;

/// Attestations of one digest that are read. An image is built once; only jobs of the project can add to this list.
const ATTESTATIONS_MAX: usize = 8;
/// Bytes of one bundle: those of one beside an image. Real ones stay below 100 KiB.
const BUNDLE_MAX: usize = crate::facts::sigstore::MAX_BUNDLE;

impl Gitlab {
    /// The bundles of the provenance that GitLab holds for a digest. `Absent` where there is none, the feature is off or this GitLab
    /// does not know it: it answers 404 for all three.
    pub async fn provenance_bundles(&self, project: ProjectId, subject: &Digest) -> Looked<Vec<Vec<u8>>> {
        look(self.read_provenance_bundles(project, subject).await)
    }

    async fn read_provenance_bundles(&self, project: ProjectId, subject: &Digest) -> Result<Vec<Vec<u8>>, CallError> {
        let mut listed: Vec<wire::Attestation> = self.client.one(endpoints::attestations(project, subject)).await?;
        if listed.iter().any(|held| held.subject_digest != subject.hex()) {
            return Err(wire::odd("an attestation of another subject than the one asked for"));
        }
        listed.retain(|held| held.status == "success" && PredicateType::ALL.iter().any(|kind| kind.uri() == held.predicate_type));
        if listed.is_empty() {
            return Err(CallError::NotFound);
        }
        if listed.len() > ATTESTATIONS_MAX {
            return Err(CallError::TooLarge(format!("more than {ATTESTATIONS_MAX} attestations of one digest")));
        }
        // Never by the address in the answer: the token goes along (SR-19).
        let bundles = listed.iter().map(|held| async {
            match self.client.download(endpoints::attestation(project, held.iid), BUNDLE_MAX).await {
                // Removed since it was listed, or a GitLab that lists but does not hand out (18.5, 18.6).
                Err(CallError::NotFound) => Ok(None),
                bundle => bundle.map(Some),
            }
        });
        let bundles: Vec<_> = try_join_all(bundles).await?.into_iter().flatten().collect();
        if bundles.is_empty() { Err(CallError::NotFound) } else { Ok(bundles) }
    }
}
