//! Everything beside an image, signatures and attestations alike, each judged by the form it has.

use serde::Deserialize;

use super::evidence::judge;
use super::registry::{Evidence, EvidenceItem};
use super::sigstore::{self, Content, Judged, Trust, json};
use crate::model::PinnedImage;
use crate::model::signer::Shape;
use crate::verdict::inspection::{Piece, What};

/// Predicates that hold a result of their own: [VSA](https://slsa.dev/spec/v1.1/verification_summary) and
/// [test result](https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md).
const SUMMARIES: [&str; 2] = ["https://slsa.dev/verification_summary/v1", "https://slsa.dev/verification_summary/v0.2"];
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// Judges each piece. What cannot be read is one too, so that it never reads as "nothing there".
pub fn pieces(evidence: &Evidence, image: &PinnedImage, trust: &Trust) -> Vec<Piece> {
    let piece = |item: &EvidenceItem| {
        let Judged { content, state, logged } = judge(item, image, trust);
        let (layout, manifest) = (Some(item.layout), item.manifest);
        Piece {
            layout,
            manifest,
            what: what(content, item.content.shape()),
            state,
            logged: logged.logged,
            unread: logged.unread,
            signed_at: logged.signed_at,
            latest: logged.latest,
            log_index: logged.log_index,
        }
    };
    evidence.items.iter().map(piece).collect()
}

fn what(content: Content, shape: Shape) -> What {
    match content {
        Content::ImageSignature { docker_reference, annotations } => What::Signature { repository: docker_reference, annotations },
        Content::Attestation { predicate_type, statement } => {
            let says_no = says_no(&predicate_type, &statement);
            What::Attestation { predicate_type, says_no }
        }
        Content::Unknown => What::Unknown(shape),
    }
}

/// What a predicate with a result says, unless it is "passed".
fn says_no(predicate_type: &str, statement: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Results {
        verification_result: Option<String>,
        result: Option<String>,
    }
    #[derive(Deserialize)]
    struct Statement {
        predicate: Results,
    }
    let of_summary = SUMMARIES.contains(&predicate_type);
    if !of_summary && predicate_type != TEST_RESULT {
        return None;
    }
    let results = match json::read::<Statement>(statement, sigstore::MAX_BUNDLE) {
        Ok(statement) => statement.predicate,
        Err(_) => return Some("unreadable".into()),
    };
    let result = if of_summary { results.verification_result } else { results.result };
    match result.as_deref() {
        Some("PASSED") => None,
        // A test that passed with warnings passed.
        Some("WARNED") if !of_summary => None,
        Some(other) => Some(json::short(other)),
        None => Some("missing".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_with_a_result_must_say_passed() {
        let check = |kind: &str, predicate: &str, expected: Option<&str>| {
            let statement = format!(r#"{{"_type":"x","predicate":{predicate}}}"#);
            assert_eq!(says_no(kind, statement.as_bytes()).as_deref(), expected, "{statement}");
        };
        for kind in SUMMARIES {
            check(kind, r#"{"verificationResult":"PASSED"}"#, None);
            check(kind, r#"{"verificationResult":"FAILED"}"#, Some("FAILED"));
            check(kind, r#"{"verificationResult":"passed"}"#, Some("passed"));
            check(kind, r#"{"verificationResult":"WARNED"}"#, Some("WARNED"));
            check(kind, r#"{"result":"PASSED"}"#, Some("missing"));
            check(kind, "null", Some("unreadable"));
        }
        check(TEST_RESULT, r#"{"result":"PASSED"}"#, None);
        check(TEST_RESULT, r#"{"result":"WARNED"}"#, None);
        check(TEST_RESULT, r#"{"result":"FAILED"}"#, Some("FAILED"));
        check("https://slsa.dev/provenance/v1", r#"{"result":"FAILED"}"#, None);
    }
}
