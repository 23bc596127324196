//! What a verification summary says ([SLSA VSA v1](https://slsa.dev/spec/v1.0/verification_summary)), as an
//! [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model::promotion::{Person, PromotionId, Summary};
use crate::model::{Digest, PinnedImage};

/// The predicate type.
pub const VSA_V1: &str = "https://slsa.dev/verification_summary/v1";
const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// What passed here is our own policy. No build level was evaluated, so none is claimed; the specification has a word for that.
const LEVEL: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";
/// Our extension, named as SLSA asks: vendor, underscore, field. Readers that do not know it ignore it.
const EXTENSION: &str = "countersign_promotion";

/// The statement about one image.
pub(super) fn statement(image: &PinnedImage, summary: &Summary) -> Value {
    let person = |person: &Person| json!({"id": person.id.0, "username": person.username});
    json!({
        "_type": STATEMENT_V1,
        "subject": [{"name": image.repository.to_string(), "digest": {"sha256": image.digest.hex()}}],
        "predicateType": VSA_V1,
        "predicate": {
            "verifier": {"id": summary.verifier},
            "timeVerified": summary.verified_at.to_string(),
            "resourceUri": summary.resource,
            "policy": {"uri": format!("{}#policy", summary.verifier), "digest": {"sha256": summary.policy.hex()}},
            "verificationResult": "PASSED",
            "verifiedLevels": [LEVEL],
            "slsaVersion": "1.0",
            EXTENSION: {
                "id": summary.promotion.0,
                "environment": summary.environment.0,
                "requestedBy": person(&summary.requested_by),
                "approvedBy": summary.approved_by.iter().map(person).collect::<Vec<_>>(),
            },
        },
    })
}

/// Whether a payload, whose signature is checked elsewhere, is the summary of this promotion for this image.
pub(super) fn is_for(payload: &[u8], image: &PinnedImage, promotion: &PromotionId) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement {
        #[serde(rename = "_type")]
        kind: String,
        predicate_type: String,
        subject: Vec<Subject>,
        predicate: Predicate,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: Sha256,
    }
    #[derive(Deserialize)]
    struct Sha256 {
        sha256: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Predicate {
        verification_result: String,
        #[serde(rename = "countersign_promotion")]
        countersign_promotion: Extension,
    }
    #[derive(Deserialize)]
    struct Extension {
        id: PromotionId,
    }
    let Ok(statement) = serde_json::from_slice::<Statement>(payload) else { return false };
    let [subject] = statement.subject.as_slice() else { return false };
    let about: Option<Digest> = format!("sha256:{}", subject.digest.sha256).parse().ok();
    statement.kind == STATEMENT_V1
        && statement.predicate_type == VSA_V1
        && about == Some(image.digest)
        && statement.predicate.verification_result == "PASSED"
        && statement.predicate.countersign_promotion.id == *promotion
}
