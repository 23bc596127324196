//! What lies beside the image: signatures, provenance, platforms, and the jobs that signed.

use futures_util::future::join_all;

use super::Look;
use crate::facts::registry::Manifest;
use crate::facts::sigstore::Trust;
use crate::facts::trust_root::TrustRoot;
use crate::model::PinnedImage;
use crate::model::attestation::{Attested, AttestedAt, BaseImage};
use crate::model::gitlab::JobId;
use crate::model::signer::{KeylessIdentity, Signature, SignatureState, SignedBy, SignerKind, TrustedSigner};
use crate::verdict::facts::{Index, SigningJob};
use crate::verdict::{Facts, Looked, Service, Why, WhyKind};

/// Signing jobs that are looked up. An honest image has one; each costs two requests.
const SIGNING_JOBS_MAX: usize = 8;
/// Platforms looked at at the same time: each look is several requests, and a self-managed registry is small.
const PLATFORMS_AT_ONCE: usize = 4;

impl Look<'_> {
    /// Signatures, provenance and base image of the digest.
    pub(super) async fn signatures(&self, facts: &mut Facts) {
        let digest = match &facts.digest {
            Looked::Found(digest) => *digest,
            Looked::Absent => return,
            Looked::Unreachable(why) => {
                let why = why.clone();
                return not_looked(facts, &why);
            }
        };
        let image = PinnedImage { repository: self.question.image.repository.clone(), digest };
        let trust = match self.trust(facts) {
            Ok(trust) => trust,
            Err(why) => return not_looked(facts, &why),
        };
        let (beside, in_gitlab) = tokio::join!(self.beside(&image, &trust), self.in_gitlab(&image, &trust));
        (facts.base_image, facts.gitlab_provenance) = (beside.base_image, in_gitlab);
        (facts.image, facts.platforms) = (beside.image, beside.platforms);
        (facts.signatures, facts.provenance) = (beside.signatures, beside.provenance);
        if let Looked::Found(index) = &mut facts.platforms
            && self.question.image.platform_signatures
        {
            self.platform_signatures(index, &trust).await;
        }
        facts.signing_jobs = self.signing_jobs(facts).await;
    }

    /// The signatures beside each platform's own manifest. One that lies beside the index is none of theirs, and the other way round.
    async fn platform_signatures(&self, index: &mut Index, trust: &Trust) {
        for platforms in index.platforms.chunks_mut(PLATFORMS_AT_ONCE) {
            let looks = platforms.iter_mut().map(|platform| async {
                let image = PinnedImage { repository: self.question.image.repository.clone(), digest: platform.digest };
                platform.signatures = Some(self.beside(&image, trust).await.signatures);
            });
            join_all(looks).await;
        }
    }

    /// The keys and the root that signatures are held against. A root that is configured and not at hand is never left out: without
    /// it, what it would have proven would read as somebody else's.
    fn trust(&self, facts: &mut Facts) -> Result<Trust, Why> {
        let root = match self.looks.roots.get(&self.question.project.instance, facts.as_of) {
            Looked::Found(root) => Some(root),
            Looked::Absent => None,
            Looked::Unreachable(why) => return Err(why),
        };
        facts.trust_root = root.as_ref().map(TrustRoot::digest);
        Trust::new(&self.question.image.signers, root, false)
            .map_err(|fault| Why::new(Service::TrustRoot, WhyKind::Unreadable, fault.to_string()))
    }

    /// What lies beside the image, and what its manifest says.
    async fn beside(&self, image: &PinnedImage, trust: &Trust) -> Beside {
        let (manifest, evidence) = tokio::join!(self.looks.registry.manifest(image), self.looks.registry.evidence(image));
        let base_image = manifest.as_ref().and_then(|manifest| manifest.base_image().map_or(Looked::Absent, Looked::Found));
        let platforms = manifest.as_ref().and_then(Manifest::platforms);
        let held = manifest.as_ref().map(|_| ());
        // An image that is not there has no signature to speak of, but that is not what is wrong with it.
        let read = manifest.and_then(|_| evidence).map(|evidence| crate::facts::evidence::read(&evidence, image, trust));
        let signatures = read.as_ref().and_then(|read| some(read.signatures.clone()));
        Beside { image: held, base_image, platforms, signatures, provenance: read.and_then(|read| some(read.provenance)) }
    }

    /// The provenance that GitLab itself signed; one or two requests, so only where policy wants provenance.
    async fn in_gitlab(&self, image: &PinnedImage, trust: &Trust) -> Looked<Vec<Attested>> {
        if !self.question.image.wants_provenance {
            return Looked::Absent;
        }
        self.gitlab.provenance_bundles(self.id(), &image.digest).await.and_then(|bundles| {
            let judged = bundles.iter().map(|bytes| crate::facts::sigstore::bundle(bytes, image, trust));
            some(judged.filter_map(|judged| crate::facts::provenance::attested(judged, AttestedAt::Gitlab)).collect())
        })
    }

    /// The jobs that keyless certificates of this project say they ran in, each looked up in it: a job of another project is not
    /// found there, whatever its address says. Certificates of other projects count for nothing whatever their job, so they do not
    /// crowd out ours; of ours, those over the limit were not looked at, which is no word against them.
    async fn signing_jobs(&self, facts: &Facts) -> Vec<SigningJob> {
        let of_platforms = facts.platforms.found().into_iter().flat_map(|index| &index.platforms);
        let beside = std::iter::once(&facts.signatures).chain(of_platforms.filter_map(|platform| platform.signatures.as_ref()));
        let signatures = beside.filter_map(Looked::found).flatten().map(|signature| &signature.state);
        let attested = [&facts.provenance, &facts.gitlab_provenance].into_iter().flat_map(Looked::found).flatten();
        // One job signs the index and all platforms.
        let mut claimed: Vec<String> = vec![];
        for state in signatures.chain(attested.map(|attested| &attested.state)) {
            let Some(uri) =
                keyless(state).filter(|identity| self.names_us(identity)).and_then(|identity| identity.run_invocation_uri.clone())
            else {
                continue;
            };
            if !claimed.contains(&uri) {
                claimed.push(uri);
            }
        }
        let over = claimed.split_off(claimed.len().min(SIGNING_JOBS_MAX));
        let looks = claimed.into_iter().map(|uri| async move {
            let job = match job_id(&uri) {
                Some(id) => self.gitlab.job(self.id(), id).await,
                None => Looked::Absent,
            };
            let pipeline = match &job {
                Looked::Found(job) => self.gitlab.pipeline(self.id(), job.pipeline).await,
                Looked::Absent => Looked::Absent,
                Looked::Unreachable(why) => Looked::Unreachable(why.clone()),
            };
            SigningJob { run_invocation_uri: uri, job, pipeline }
        });
        let mut jobs = join_all(looks).await;
        let why = Why::new(Service::Gitlab, WhyKind::TooLarge, format!("more than {SIGNING_JOBS_MAX} signing jobs of one image"));
        jobs.extend(over.into_iter().map(|run_invocation_uri| SigningJob {
            run_invocation_uri,
            job: Looked::Unreachable(why.clone()),
            pipeline: Looked::Unreachable(why.clone()),
        }));
        jobs
    }

    /// Whether a certificate says that it is of this project, by an issuer that this image trusts.
    fn names_us(&self, identity: &KeylessIdentity) -> bool {
        let trusted = |signer: &TrustedSigner| match &signer.kind {
            SignerKind::Key { .. } => false,
            SignerKind::GitlabOidc { issuer } => identity.issuer.as_ref() == Some(issuer),
        };
        identity.source_repository_identifier == Some(self.id().to_string()) && self.question.image.signers.iter().any(trusted)
    }
}

/// Nothing beside the image was looked at: none of it is absent.
fn not_looked(facts: &mut Facts, why: &Why) {
    facts.image = Looked::Unreachable(why.clone());
    facts.signatures = Looked::Unreachable(why.clone());
    facts.provenance = Looked::Unreachable(why.clone());
    facts.gitlab_provenance = Looked::Unreachable(why.clone());
    facts.base_image = Looked::Unreachable(why.clone());
    facts.platforms = Looked::Unreachable(why.clone());
}

/// What the registry holds of an image and beside it.
struct Beside {
    /// Whether it holds the image at all.
    image: Looked<()>,
    base_image: Looked<BaseImage>,
    platforms: Looked<Index>,
    signatures: Looked<Vec<Signature>>,
    provenance: Looked<Vec<Attested>>,
}

fn keyless(state: &SignatureState) -> Option<&KeylessIdentity> {
    match state {
        SignatureState::Verified(SignedBy::Keyless(identity)) => Some(identity),
        SignatureState::Verified(SignedBy::Key(_))
        | SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => None,
    }
}

/// A list that holds nothing is absence.
fn some<T>(list: Vec<T>) -> Looked<Vec<T>> {
    if list.is_empty() { Looked::Absent } else { Looked::Found(list) }
}

/// The job id of a run address: `https://gitlab.example.com/shop/api/-/jobs/21`.
fn job_id(uri: &str) -> Option<JobId> {
    uri.rsplit_once("/-/jobs/")?.1.parse().ok().map(JobId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_address_yields_its_job() {
        assert_eq!(job_id("https://gitlab.example.com/shop/api/-/jobs/21"), Some(JobId(21)));
        assert_eq!(job_id("https://gitlab.example.com/shop/api/-/jobs/21/x"), None);
        assert_eq!(job_id("https://gitlab.example.com/shop/api/-/pipelines/21"), None);
    }
}
