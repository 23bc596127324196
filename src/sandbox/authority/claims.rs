//! What a Fulcio certificate says of a GitLab job.

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum San {
    Uri(String),
    Email(String),
}

/// The claims of one certificate: every field may be made wrong by itself. The numbers are those of the
/// [OID list](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md); an absent value leaves the extension out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Fulcio writes exactly one.
    pub sans: Vec<San>,
    /// `.1`, bare text
    pub legacy_issuer: Option<String>,
    /// `.8`
    pub issuer: Option<String>,
    /// `.9`
    pub build_signer_uri: Option<String>,
    /// `.10`
    pub build_signer_digest: Option<String>,
    /// `.11`
    pub runner_environment: Option<String>,
    /// `.12`
    pub source_repository_uri: Option<String>,
    /// `.13`
    pub source_repository_digest: Option<String>,
    /// `.14`
    pub source_repository_ref: Option<String>,
    /// `.15`
    pub source_repository_identifier: Option<String>,
    /// `.16`
    pub source_repository_owner_uri: Option<String>,
    /// `.17`
    pub source_repository_owner_identifier: Option<String>,
    /// `.18`
    pub build_config_uri: Option<String>,
    /// `.19`
    pub build_config_digest: Option<String>,
    /// `.20`
    pub build_trigger: Option<String>,
    /// `.21`
    pub run_invocation_uri: Option<String>,
    /// `.22`
    pub source_repository_visibility: Option<String>,
    /// `.23`
    pub deployment_environment: Option<String>,
    /// `.24`
    pub token_subject: Option<String>,
}

/// The GitLab job that signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitlabJob {
    /// The instance's address and OIDC issuer, without a slash at the end.
    pub server: String,
    /// Full path, such as `shop/api`.
    pub project: String,
    pub project_id: u64,
    pub namespace_id: u64,
    /// `refs/heads/…` or `refs/tags/…`.
    pub git_ref: String,
    pub sha: String,
    pub job_id: u64,
    /// GitLab's `CI_PIPELINE_SOURCE`.
    pub pipeline_source: String,
}

impl Default for GitlabJob {
    fn default() -> Self {
        Self {
            server: "https://gitlab.sandbox.test".into(),
            project: "shop/api".into(),
            project_id: 42,
            namespace_id: 7,
            git_ref: "refs/tags/v1.8.2".into(),
            sha: "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".into(),
            job_id: 21,
            pipeline_source: "push".into(),
        }
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self::of(&GitlabJob::default())
    }
}

impl Claims {
    /// What Fulcio writes for this job ([issuer configuration](https://github.com/sigstore/fulcio/blob/main/config/identity/config.yaml)):
    /// the scheme of the SAN is always https.
    pub fn of(job: &GitlabJob) -> Self {
        let host = job.server.split_once("://").map_or(job.server.as_str(), |(_, host)| host);
        let config = format!("https://{host}/{}//.gitlab-ci.yml@{}", job.project, job.git_ref);
        let (namespace, _) = job.project.rsplit_once('/').unwrap_or(("", &job.project));
        let (kind, name) = match job.git_ref.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", tag),
            None => ("branch", job.git_ref.trim_start_matches("refs/heads/")),
        };
        Self {
            sans: vec![San::Uri(config.clone())],
            legacy_issuer: Some(job.server.clone()),
            issuer: Some(job.server.clone()),
            build_signer_uri: Some(config.clone()),
            build_signer_digest: Some(job.sha.clone()),
            runner_environment: Some("self-hosted".into()),
            source_repository_uri: Some(format!("{}/{}", job.server, job.project)),
            source_repository_digest: Some(job.sha.clone()),
            source_repository_ref: Some(job.git_ref.clone()),
            source_repository_identifier: Some(job.project_id.to_string()),
            source_repository_owner_uri: Some(format!("{}/{namespace}", job.server)),
            source_repository_owner_identifier: Some(job.namespace_id.to_string()),
            build_config_uri: Some(config),
            build_config_digest: Some(job.sha.clone()),
            build_trigger: Some(job.pipeline_source.clone()),
            run_invocation_uri: Some(format!("{}/{}/-/jobs/{}", job.server, job.project, job.job_id)),
            source_repository_visibility: Some("private".into()),
            deployment_environment: None,
            token_subject: Some(format!("project_path:{}:ref_type:{kind}:ref:{name}", job.project)),
        }
    }

    /// The extensions under 1.3.6.1.4.1.57264.1 whose value is a UTF8String, by number.
    pub(super) fn numbered(&self) -> Vec<(u64, &str)> {
        let all = [
            (8, &self.issuer),
            (9, &self.build_signer_uri),
            (10, &self.build_signer_digest),
            (11, &self.runner_environment),
            (12, &self.source_repository_uri),
            (13, &self.source_repository_digest),
            (14, &self.source_repository_ref),
            (15, &self.source_repository_identifier),
            (16, &self.source_repository_owner_uri),
            (17, &self.source_repository_owner_identifier),
            (18, &self.build_config_uri),
            (19, &self.build_config_digest),
            (20, &self.build_trigger),
            (21, &self.run_invocation_uri),
            (22, &self.source_repository_visibility),
            (23, &self.deployment_environment),
            (24, &self.token_subject),
        ];
        all.into_iter().filter_map(|(number, value)| Some((number, value.as_deref()?))).collect()
    }
}
