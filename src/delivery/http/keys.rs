//! Who may deliver: plain tokens and Standard Webhooks signatures
//! ([GitLab, webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/),
//! [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)).

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use subtle::{Choice, ConstantTimeEq};

use super::{HookSecret, HookSecretKind};
use crate::model::Timestamp;
use crate::model::gitlab::{InstanceName, ProjectPath};

/// How far a signature's time may lie from ours: what `standardwebhooks` enforces too, asked before the body is read.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// GitLab makes signing keys of 32 bytes; the specification allows no fewer than 24.
const SHORTEST_KEY: usize = 24;
/// Keys tried on a body that names no project. Each costs a hash over the body, before anybody is authenticated.
const TRIED_WITHOUT_PROJECT: usize = 8;

/// A secret that cannot be used. Never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signing token of {instance}{} is not whsec_ and the base64 of at least 24 bytes", project.as_ref().map(|p| format!(" for {p}")).unwrap_or_default())]
pub struct UnusableSecret {
    pub instance: InstanceName,
    pub project: Option<ProjectPath>,
}

/// For whom a secret speaks.
struct Scope {
    instance: String,
    project: Option<String>,
}

/// The secrets, ready to compare.
pub(super) struct Keys {
    /// SHA-256 of each token, so that a comparison takes the same time for every length.
    tokens: Vec<(Scope, [u8; 32])>,
    signing: Vec<(Scope, Webhook)>,
}

/// What the head of a request proves.
pub(super) struct Head<'a> {
    keys: &'a Keys,
    instance: &'a str,
    tokens: Vec<&'a Scope>,
    /// A complete and fresh set of signature headers came: its body may prove the rest.
    signed: bool,
}

/// How much of a body may be read on the strength of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Nothing: the answer is no already.
    Nothing,
    /// What any stranger may cost.
    Little,
    /// All of it, in one of few places for senders that only their body can prove.
    Unproven,
    /// All of it: the token is right.
    Proven,
}

/// Whether a delivery is authentic, and whether it may bring hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Refused,
    /// Authentic, but it does not say which project it speaks for, and its secret is good for one only.
    WithoutHints,
    Admitted,
}

impl Scope {
    fn of(secret: &HookSecret) -> Self {
        Self { instance: secret.instance.0.clone(), project: secret.project.as_ref().map(|path| path.0.clone()) }
    }

    /// Whether it speaks for this project: for its own only, or for all of its instance. Paths are compared as whole values.
    fn covers(&self, instance: &str, project: &str) -> bool {
        self.instance == instance && self.project.as_deref().is_none_or(|own| own == project)
    }
}

impl Keys {
    pub(super) fn new(secrets: &[HookSecret]) -> Result<Self, Vec<UnusableSecret>> {
        let (mut keys, mut unusable) = (Self { tokens: vec![], signing: vec![] }, vec![]);
        for secret in secrets {
            match secret.kind {
                HookSecretKind::Token => keys.tokens.push((Scope::of(secret), Sha256::digest(secret.secret.expose()).into())),
                HookSecretKind::Signing => match signing_key(secret.secret.expose()) {
                    Some(webhook) => keys.signing.push((Scope::of(secret), webhook)),
                    None => unusable.push(UnusableSecret { instance: secret.instance.clone(), project: secret.project.clone() }),
                },
            }
        }
        if unusable.is_empty() { Ok(keys) } else { Err(unusable) }
    }

    /// Looks at the head. Every token is compared, also those of other instances, so that the time tells nothing.
    pub(super) fn head<'a>(&'a self, instance: &'a str, headers: &HeaderMap, now: Timestamp) -> Head<'a> {
        let presented = headers.get("x-gitlab-token").map(|value| value.as_bytes()).unwrap_or_default();
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let mut tokens = vec![];
        for (scope, hash) in &self.tokens {
            let right = hash.ct_eq(&presented) & Choice::from(u8::from(scope.instance == instance));
            if bool::from(right) {
                tokens.push(scope);
            }
        }
        Head { keys: self, instance, tokens, signed: looks_signed(headers, now) }
    }

    fn signing_for<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = &'a (Scope, Webhook)> {
        self.signing.iter().filter(move |(scope, _)| scope.instance == instance)
    }

    /// Whether nothing that this token speaks for may come without a signature.
    fn signing_applies_to(&self, token: &Scope) -> bool {
        self.signing_for(&token.instance).any(|(scope, _)| scope.project.is_none() || scope.project == token.project)
    }
}

impl Head<'_> {
    /// How much may be read.
    ///
    /// A signature covers the body, so a sender known by signature alone is a stranger until all of it has been read. Where a token
    /// is configured too (GitLab sends both), it must be right for a body over the stranger's bound. Only where a hook has nothing
    /// but a signing token are larger bodies read on trust: otherwise a pipeline of some sixty jobs would be refused for ever and
    /// GitLab would pause the hook. Those have few places for the whole service, the memory of which is thus bounded whatever the
    /// number of strangers; while strangers fill them, such deliveries are late or lost, and the catch-up poll finds them.
    pub(super) fn allowance(&self) -> Allowance {
        if !self.tokens.is_empty() {
            let enough = |token: &&Scope| !self.keys.signing_applies_to(token);
            return if self.signed || self.tokens.iter().any(enough) { Allowance::Proven } else { Allowance::Nothing };
        }
        let mut signing = self.keys.signing_for(self.instance).map(|(scope, _)| scope).peekable();
        if !self.signed || signing.peek().is_none() {
            return Allowance::Nothing;
        }
        let has_token = |signing: &Scope| {
            let mut tokens = self.keys.tokens.iter().filter(|(token, _)| token.instance == self.instance);
            tokens.any(|(token, _)| token.project.is_none() || token.project == signing.project)
        };
        if signing.all(has_token) { Allowance::Little } else { Allowance::Unproven }
    }

    /// Decides, with the body and the project it claims to be about.
    pub(super) fn admit(&self, headers: &HeaderMap, body: &[u8], project: Option<&str>) -> Admission {
        match project {
            Some(project) => self.admit_for(headers, body, project),
            None => self.admit_unnamed(headers, body),
        }
    }

    fn admit_for(&self, headers: &HeaderMap, body: &[u8], project: &str) -> Admission {
        let mut signing = self.keys.signing_for(self.instance).filter(|(scope, _)| scope.covers(self.instance, project)).peekable();
        let proven = if signing.peek().is_some() {
            // Where a signing token applies, the plain one is not enough.
            self.signed && signing.any(|(_, key)| key.verify(body, headers).is_ok())
        } else {
            self.tokens.iter().any(|scope| scope.covers(self.instance, project))
        };
        if proven { Admission::Admitted } else { Admission::Refused }
    }

    /// A body that names no project: of a group or system hook, of a custom template, or not readable at all.
    fn admit_unnamed(&self, headers: &HeaderMap, body: &[u8]) -> Admission {
        let mut candidates: Vec<_> = self.keys.signing_for(self.instance).collect();
        candidates.sort_by_key(|(scope, _)| scope.project.is_some());
        let bound_signing = candidates.iter().any(|(scope, _)| scope.project.is_some());
        let tried = candidates.iter().take(if self.signed { TRIED_WITHOUT_PROJECT } else { 0 });
        if let Some((scope, _)) = tried.into_iter().find(|(_, key)| key.verify(body, headers).is_ok()) {
            return if scope.project.is_none() { Admission::Admitted } else { Admission::WithoutHints };
        }
        match self.tokens.iter().find(|token| !self.keys.signing_applies_to(token)) {
            None => Admission::Refused,
            // It could be about a project whose own secrets ask for more.
            Some(token) if token.project.is_some() || bound_signing => Admission::WithoutHints,
            Some(_) => Admission::Admitted,
        }
    }
}

fn signing_key(secret: &str) -> Option<Webhook> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    if key.len() < SHORTEST_KEY { None } else { Webhook::from_bytes(key).ok() }
}

/// Whether the headers could belong to a valid signature of now.
fn looks_signed(headers: &HeaderMap, now: Timestamp) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let fresh = text(HEADER_WEBHOOK_TIMESTAMP)
        .and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok())
        .is_some_and(|sent| now.duration_since(sent).abs() <= WINDOW);
    fresh && text(HEADER_WEBHOOK_ID).is_some() && text(HEADER_WEBHOOK_SIGNATURE).is_some_and(|value| value.contains("v1,"))
}
