//! ID tokens of CI jobs ([GitLab, OIDC in CI/CD](https://docs.gitlab.com/ci/secrets/id_token_authentication/)): RS256 only, made by a
//! configured GitLab, for us alone, and for a job of the project itself.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, dangerous, decode, decode_header};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;
use url::Url;

use super::caller::{Job, Unproven};
use super::signing_keys::{Found, SigningKeys};
use super::{Answerer, Issuer, Settings};
use crate::model::Timestamp;
use crate::model::gitlab::{JobId, PipelineId, ProjectId, ProjectPath};

/// How far a token's times may lie from ours.
const LEEWAY_SECONDS: u64 = 30;
/// Bytes of a token: GitLab's have about 2 KiB, and several more where it lists groups and identities.
const LONGEST: usize = 12 * 1024;

/// The issuers, and the name under which they know us.
pub(super) struct IdTokens {
    /// Our address, as people write it: with or without a slash at the end.
    audience: [String; 2],
    issuers: Vec<(Issuer, SigningKeys)>,
}

/// What is read before a signature is checked: it tells only where to look for the key.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// [The payload](https://docs.gitlab.com/ci/secrets/id_token_authentication/#token-payload).
#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    iat: u64,
    #[serde(deserialize_with = "number")]
    project_id: u64,
    project_path: String,
    /// GitLab 18.4 and later: the project that runs the job. In a merge request's pipeline `project_id` is the source's.
    #[serde(default)]
    job_project_id: Option<Number>,
    #[serde(deserialize_with = "number")]
    job_id: u64,
    #[serde(deserialize_with = "number")]
    pipeline_id: u64,
    #[serde(rename = "ref")]
    git_ref: String,
    ref_type: RefType,
    /// The text `true` or `false`.
    #[serde(default)]
    ref_protected: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefType {
    Branch,
    Tag,
}

/// GitLab writes ids as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Number::deserialize(deserializer)?.value().ok_or_else(|| serde::de::Error::custom("no number"))
}

impl IdTokens {
    pub(super) fn new(settings: &Settings) -> Self {
        let issuers = settings.issuers.iter().map(|issuer| (issuer.clone(), SigningKeys::default())).collect();
        Self { audience: audience(&settings.public_url), issuers }
    }

    /// The job that a token was made for.
    pub(super) async fn prove(&self, token: &str, answerer: &dyn Answerer) -> Result<Job, Unproven> {
        let refused = |why| Err(Unproven::Refused(why));
        if token.len() > LONGEST {
            return refused("a token that is too long");
        }
        // "none" is no algorithm here, and the others are refused before any key is looked for.
        let Ok(header) = decode_header(token) else { return refused("no known token") };
        if header.alg != Algorithm::RS256 {
            return refused("another algorithm than RS256");
        }
        let Some(kid) = header.kid else { return refused("no key id") };
        // RFC 7515, section 4.1.11: what must be understood and is not, is refused.
        if header.crit.is_some() {
            return refused("critical headers");
        }
        let Ok(Claimed { iss }) = dangerous::insecure_decode_claims(token) else { return refused("no issuer") };
        let Some((issuer, keys)) = self.issuers.iter().find(|(issuer, _)| issuer.issuer == iss) else {
            return refused("an unknown issuer");
        };
        let key = match keys.find(&kid, Instant::now(), answerer.signing_keys(&issuer.instance)).await {
            Found::Key(key) => key,
            Found::None => return refused("an unknown key"),
            Found::Unreachable(why) => return Err(Unproven::NoKeys(why)),
        };
        let claims = decode::<Claims>(token, &key, &self.validation(issuer)).map_err(|why| Unproven::Refused(word(why.kind())))?.claims;
        self.job(issuer, claims)
    }

    fn validation(&self, issuer: &Issuer) -> Validation {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&self.audience);
        validation.set_issuer(&[&issuer.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        validation
    }

    /// What is left to check once signature, issuer, audience and end are right.
    fn job(&self, issuer: &Issuer, claims: Claims) -> Result<Job, Unproven> {
        let refused = |why| Err(Unproven::Refused(why));
        // Another service that is named beside us could use the token with us.
        let ours = |name: &String| self.audience.contains(name);
        let for_us_alone = match &claims.aud {
            Audience::One(name) => ours(name),
            Audience::Several(names) => names.len() == 1 && names.iter().all(ours),
        };
        if !for_us_alone {
            return refused("another audience");
        }
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        if claims.iat > now + LEEWAY_SECONDS {
            return refused("made in the future");
        }
        // A merge request's pipeline may run in a project other than the one whose code it runs.
        if claims.job_project_id.is_some_and(|id| id.value() != Some(claims.project_id)) {
            return refused("a job of another project");
        }
        let kind = match claims.ref_type {
            RefType::Branch => "heads",
            RefType::Tag => "tags",
        };
        Ok(Job {
            instance: issuer.instance.clone(),
            project: ProjectId(claims.project_id),
            path: ProjectPath(claims.project_path),
            job: JobId(claims.job_id),
            pipeline: PipelineId(claims.pipeline_id),
            git_ref: format!("refs/{kind}/{}", claims.git_ref),
            ref_protected: match claims.ref_protected.as_deref() {
                Some("true") => Some(true),
                Some("false") => Some(false),
                Some(_) | None => None,
            },
        })
    }
}

fn audience(public_url: &Url) -> [String; 2] {
    let bare = public_url.as_str().trim_end_matches('/');
    [bare.to_owned(), format!("{bare}/")]
}

/// The library's reasons in words of ours: its own could quote the token.
fn word(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "a wrong signature",
        ErrorKind::ExpiredSignature => "an expired token",
        ErrorKind::ImmatureSignature => "a token that is not valid yet",
        ErrorKind::InvalidIssuer => "another issuer",
        ErrorKind::InvalidAudience => "another audience",
        ErrorKind::InvalidAlgorithm => "another algorithm than RS256",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "no ID token of a job",
    }
}
