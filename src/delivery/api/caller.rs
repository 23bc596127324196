//! Who asks: an API token, or a CI job with an ID token.

use std::fmt;

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::id_token::IdTokens;
use super::{Answerer, ProjectName, Scope, Settings};
use crate::model::gitlab::{InstanceName, JobId, PipelineId, ProjectId, ProjectPath};

/// Somebody who proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    Token { name: String, scope: Scope },
    Job(Box<Job>),
}

/// A CI job, as its ID token tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub instance: InstanceName,
    pub project: ProjectId,
    pub path: ProjectPath,
    pub job: JobId,
    pub pipeline: PipelineId,
    /// `refs/tags/…` or `refs/heads/…`.
    pub git_ref: String,
    pub ref_protected: Option<bool>,
}

/// Why somebody is a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unproven {
    /// A word of ours, for the log.
    Refused(&'static str),
    /// It cannot be told: the keys of its GitLab could not be read.
    NoKeys(String),
}

impl Caller {
    /// Whether it may ask about this project.
    pub(super) fn covers(&self, project: &ProjectName) -> bool {
        match self {
            Self::Token { scope: Scope::All, .. } => true,
            Self::Token { scope: Scope::Only(projects), .. } => projects.contains(project),
            // GitLab's paths ignore case.
            Self::Job(job) => job.instance == project.instance && job.path.0.eq_ignore_ascii_case(&project.path.0),
        }
    }

    /// Whether the project that GitLab has at the path by now is still the one that it may ask about. One that nobody could look at
    /// has only its path.
    pub(super) fn is_of(&self, project: Option<ProjectId>) -> bool {
        match self {
            Self::Token { .. } => true,
            Self::Job(job) => project.is_none_or(|project| project == job.project),
        }
    }

    /// Whether a recorded verdict is about the project that it may ask about. One that was made while nobody could look at the project
    /// may be about another that had the path then.
    pub(super) fn was_of(&self, project: Option<ProjectId>) -> bool {
        match self {
            Self::Token { .. } => true,
            Self::Job(job) => project == Some(job.project),
        }
    }

    /// Which callers are one: all jobs of a project are.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Token { name, .. } => format!("token/{name}"),
            Self::Job(job) => format!("job/{}/{}", job.instance, job.project),
        }
    }

    /// For a label.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Job(_) => "job",
        }
    }

    /// For the answer: who asked, as it was understood.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Token { name, .. } => json!({ "kind": "token", "name": name }),
            Self::Job(job) => json!({
                "kind": "job",
                "gitlab": job.instance,
                "project": job.path,
                "job": job.job,
                "pipeline": job.pipeline,
                "ref": job.git_ref,
                "ref_protected": job.ref_protected,
            }),
        }
    }
}

impl fmt::Display for Caller {
    /// For the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { name, .. } => write!(f, "token {name}"),
            Self::Job(job) => {
                let protected = match job.ref_protected {
                    Some(true) => "protected",
                    Some(false) => "not protected",
                    None => "protection not told",
                };
                write!(f, "job {} of {}/{} on {:?}, {protected}", job.job, job.instance, job.path, job.git_ref)
            }
        }
    }
}

/// Everybody who may ask.
pub(super) struct Callers {
    /// SHA-256 of each secret, so that a comparison takes the same time for every length.
    tokens: Vec<([u8; 32], Caller)>,
    id_tokens: IdTokens,
}

impl Callers {
    pub(super) fn new(settings: &Settings) -> Self {
        let token = |token: &super::ApiToken| {
            let caller = Caller::Token { name: token.name.clone(), scope: token.scope.clone() };
            (Sha256::digest(token.secret.expose()).into(), caller)
        };
        Self { tokens: settings.tokens.iter().map(token).collect(), id_tokens: IdTokens::new(settings) }
    }

    /// Who sends this head.
    pub(super) async fn prove(&self, headers: &HeaderMap, answerer: &dyn Answerer) -> Result<Caller, Unproven> {
        let presented = bearer(headers).ok_or(Unproven::Refused("no bearer token"))?;
        if let Some(caller) = self.by_token(presented) {
            return Ok(caller);
        }
        self.id_tokens.prove(presented, answerer).await.map(|job| Caller::Job(Box::new(job)))
    }

    /// Every secret is compared, so that the time tells nothing.
    fn by_token(&self, presented: &str) -> Option<Caller> {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let mut found = None;
        for (hash, caller) in &self.tokens {
            if bool::from(hash.ct_eq(&presented)) {
                found = Some(caller);
            }
        }
        found.cloned()
    }
}

/// The one bearer token of a head ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
