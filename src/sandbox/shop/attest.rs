//! What the release job attests.

use serde_json::{Value, json};

use super::{IMAGE, Shop, Signing};
use crate::model::gitlab::{JobId, PipelineId};
use crate::model::{Digest, Timestamp};
use crate::sandbox::authority::{Claims, Session, attestation_statement};

/// The shop's base image.
pub const BASE: &str = "debian:12-slim";

/// The digest of the shop's base image.
pub fn base_digest() -> Digest {
    Digest::of(b"the sandbox's debian:12-slim")
}

impl Shop {
    /// What the release job says of its build, as `cosign attest --type slsaprovenance1` stores it.
    pub fn provenance(&self, digest: Digest, job: JobId, pipeline: PipelineId) -> Value {
        let world = self.gitlab.world();
        let web = world.web_url(self.project);
        let runner = world.project(self.project).runner.map_or_else(String::new, |runner| runner.to_string());
        let predicate = json!({
            "buildDefinition": {
                "buildType": "https://docs.gitlab.com/ci/jobs/",
                "externalParameters": {"source": web, "entryPoint": "release_image"},
                "internalParameters": {"pipeline": pipeline.to_string(), "job": job.to_string()},
                "resolvedDependencies": [
                    {"uri": format!("git+{web}.git"), "digest": {"gitCommit": world.pipeline(pipeline).sha}},
                    {"uri": format!("pkg:docker/{}", BASE.replace(':', "@")), "digest": {"sha256": base_digest().hex()}},
                ],
            },
            "runDetails": {
                "builder": {"id": format!("{web}/-/runners/{runner}")},
                "metadata": {"invocationId": format!("{web}/-/jobs/{job}")},
            },
        });
        attestation_statement(&self.pinned(digest), "https://slsa.dev/provenance/v1", &predicate)
    }

    /// Signs a statement as the release job would, and stores it beside the image.
    pub fn attest(&self, digest: Digest, statement: &Value, job: JobId, tag: &str) -> std::io::Result<()> {
        let bundle = match self.signing {
            Signing::Keyless => self.attest_keyless(statement, job, tag, Timestamp::now())?,
            Signing::LegacyKey | Signing::BundleKey | Signing::Nothing => {
                self.authority.attest_with_key_logged(&self.release_key, statement, Timestamp::now()).map_err(std::io::Error::other)?
            }
        };
        self.registry.attach_bundle(IMAGE, digest, &bundle);
        Ok(())
    }

    /// A bundle that a job's identity signed at this time.
    pub fn attest_keyless(&self, statement: &Value, job: JobId, tag: &str, at: Timestamp) -> std::io::Result<Vec<u8>> {
        let claims = Claims::of(&self.gitlab_job(job, tag));
        self.authority.attest_keyless(statement, &Session::at(&claims, at)).map_err(std::io::Error::other)
    }
}
