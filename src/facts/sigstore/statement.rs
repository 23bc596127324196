//! In-toto statements.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha512};
use sigstore_types::DsseEnvelope;

use super::json;
use crate::model::Digest;

/// The predicate type of a cosign 3 image signature.
pub const COSIGN_SIGN_V1: &str = "https://sigstore.dev/cosign/sign/v1";
/// The [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) types. Cosign writes v0.1 around
/// attestations and v1 around signatures.
const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// How many subjects a statement may have; a release of many files has some hundred.
const MAX_SUBJECTS: usize = 4096;

#[derive(Debug, Deserialize)]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
    pub(super) subject: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Value>>,
}

impl Statement {
    /// Reads the statement of an envelope strictly (SR-15).
    pub(super) fn read(envelope: &DsseEnvelope, limit: usize) -> Result<Self, String> {
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(format!("the envelope holds {:?}, not an in-toto statement", json::short(&envelope.payload_type)));
        }
        let statement: Self = json::read(envelope.payload.as_bytes(), limit).map_err(|error| format!("the statement: {error}"))?;
        let known = match statement.predicate_type.as_str() {
            COSIGN_SIGN_V1 => statement.kind == STATEMENT_V1,
            _ => [STATEMENT_V1, STATEMENT_V01].contains(&statement.kind.as_str()),
        };
        if !known {
            return Err(format!("the statement has the type {:?}", json::short(&statement.kind)));
        }
        if statement.subject.is_empty() || statement.subject.len() > MAX_SUBJECTS {
            return Err(format!("the statement has {} subjects", statement.subject.len()));
        }
        for text in statement.subject.iter().filter_map(|subject| subject.digest.get("sha256")) {
            // Upper case would make two spellings of one digest.
            format!("sha256:{text}").parse::<Digest>().map_err(|_| "a subject's sha256 is not 64 lower-case hex digits")?;
        }
        Ok(statement)
    }

    pub(super) fn names(&self, digest: &Digest) -> bool {
        self.about(digest).is_some()
    }

    /// Whether a subject is this file by its SHA-512, as npm writes it. An image has no such name.
    pub(super) fn names_by_sha512(&self, file: &[u8]) -> bool {
        let digest = hex::encode(Sha512::digest(file));
        self.subject.iter().any(|subject| subject.digest.get("sha512") == Some(&digest))
    }

    /// The first digest the statement names, for saying what it speaks of.
    pub(super) fn first(&self) -> Option<Digest> {
        self.subject.iter().find_map(Subject::sha256)
    }

    /// The signed `cosign sign -a` pairs of this subject.
    pub(super) fn annotations(&self, digest: &Digest) -> BTreeMap<String, String> {
        self.about(digest).and_then(|subject| subject.annotations.as_ref()).map(texts).unwrap_or_default()
    }

    fn about(&self, digest: &Digest) -> Option<&Subject> {
        self.subject.iter().find(|subject| subject.sha256() == Some(*digest))
    }
}

impl Subject {
    fn sha256(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.get("sha256")?).parse().ok()
    }
}

/// The pairs whose value is a text; cosign writes no others.
pub(super) fn texts(pairs: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    pairs.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
