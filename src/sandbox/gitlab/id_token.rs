//! ID tokens of CI jobs, as GitLab makes them ([OIDC in CI/CD](https://docs.gitlab.com/ci/secrets/id_token_authentication/)).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::state::World;
use crate::model::gitlab::{GitRef, JobId};

/// How long a token lives in a job without a time-out of its own.
const LIFE_SECONDS: i64 = 5 * 60;

/// A key that signs ID tokens.
#[derive(Debug)]
pub struct IssuerKey {
    id: String,
    pair: KeyPair,
}

impl IssuerKey {
    /// # Panics
    /// The crypto library makes no key.
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap_or_else(|_| panic!("no RSA key could be made"));
        let id = hex::encode(Sha256::digest(pair.public_key().as_ref()));
        Self { id, pair }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    fn public(&self) -> &PublicKey {
        self.pair.public_key()
    }

    /// The modulus, as its JWK has it.
    pub fn modulus(&self) -> &[u8] {
        self.public().modulus().big_endian_without_leading_zero()
    }

    fn jwk(&self) -> Value {
        let exponent = self.public().exponent().big_endian_without_leading_zero();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "RSA", "kid": self.id, "e": text(exponent), "n": text(self.modulus()), "use": "sig", "alg": "RS256"})
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with_head(&json!({"kid": self.id, "typ": "JWT", "alg": "RS256"}), claims)
    }

    /// The same with any head; the signature is an RS256 one.
    ///
    /// # Panics
    /// The crypto library does not sign.
    pub fn sign_with_head(&self, head: &Value, claims: &Value) -> String {
        let message = unsigned(head, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
        assert!(signed.is_ok(), "the RSA key does not sign");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Head and claims of a token, without a signature.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

impl World {
    /// The key that signs ID tokens now. Made when it is first wanted.
    pub fn issuer_key(&mut self) -> &IssuerKey {
        if self.issuer_keys.is_empty() {
            self.issuer_keys.push(IssuerKey::new());
        }
        &self.issuer_keys[self.issuer_keys.len() - 1]
    }

    /// A new key signs from now on; the ones before are still published.
    pub fn rotate_issuer_key(&mut self) {
        self.issuer_keys.push(IssuerKey::new());
    }

    /// What `/oauth/discovery/keys` tells.
    pub fn published_keys(&mut self) -> Value {
        self.issuer_key();
        json!({ "keys": self.issuer_keys.iter().map(IssuerKey::jwk).collect::<Vec<_>>() })
    }

    /// The payload of a job's ID token for this audience; ids are texts, as GitLab writes them.
    pub fn id_token_claims(&self, job: JobId, audience: &str) -> Value {
        let (job, now) = (self.job(job), self.now().as_second());
        let (pipeline, project) = (self.pipeline(job.pipeline), self.project(job.project));
        let (kind, name) = match &pipeline.git_ref {
            GitRef::Tag(name) => ("tag", name),
            GitRef::Branch(name) => ("branch", name),
        };
        let (namespace, _) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        let user = self.user(job.user);
        json!({
            "iss": self.url,
            "sub": format!("project_path:{}:ref_type:{kind}:ref:{name}", project.path),
            "aud": audience,
            "exp": now + LIFE_SECONDS,
            "nbf": now - 5,
            "iat": now,
            "jti": format!("{}-{audience}", job.id),
            "namespace_id": project.group.to_string(),
            "namespace_path": namespace,
            "project_id": project.id.to_string(),
            "project_path": project.path,
            "job_project_id": project.id.to_string(),
            "job_project_path": project.path,
            "user_id": user.id.to_string(),
            "user_login": user.username,
            "pipeline_id": job.pipeline.to_string(),
            "pipeline_source": pipeline.source,
            "job_id": job.id.to_string(),
            "ref": name,
            "ref_type": kind,
            "ref_path": pipeline.git_ref.full(),
            "ref_protected": pipeline.protected.to_string(),
            "runner_id": job.runner.map(|runner| runner.0),
            "runner_environment": "self-hosted",
            "sha": pipeline.sha,
        })
    }

    /// A job's ID token for this audience.
    pub fn id_token(&mut self, job: JobId, audience: &str) -> String {
        let claims = self.id_token_claims(job, audience);
        self.issuer_key().sign(&claims)
    }
}
