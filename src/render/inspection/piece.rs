//! One thing that was found beside an image.

use serde_json::{Value, json};

use super::within;
use crate::model::signer::{Shape, SignatureState, SignedBy};
use crate::render::inert::one_line;
use crate::render::story::utc;
use crate::render::text::painted;
use crate::verdict::CheckOutcome;
use crate::verdict::inspection::{Answer, Piece, Refusal, What, who};

/// One thing that was found, on one line.
pub(super) fn line(piece: &Piece, answer: &Answer, colour: bool) -> String {
    let (word, painting) = match (answer, &piece.state) {
        (Answer::Accepted, _) => ("verified", CheckOutcome::Passed),
        (Answer::Refused(_), SignatureState::Verified(_)) => ("not accepted", CheckOutcome::Warned),
        (Answer::Refused(_), SignatureState::Unreadable { .. }) => ("unreadable", CheckOutcome::CouldNotCheck),
        (Answer::Refused(_), SignatureState::NotOurs { .. } | SignatureState::OtherSubject { .. } | SignatureState::Invalid { .. }) => {
            ("not verified", CheckOutcome::Blocked)
        }
    };
    let what = match &piece.what {
        What::Signature { annotations, .. } if annotations.is_empty() => "signature".to_owned(),
        What::Signature { annotations, .. } => {
            let pairs: Vec<_> = annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("signature with {}", pairs.join(", "))
        }
        What::Attestation { predicate_type, .. } => format!("attestation {predicate_type}"),
        What::Unknown(Shape::Signature) => "signature".into(),
        What::Unknown(Shape::Attestation) => "attestation".into(),
        What::Unknown(Shape::Either) => "signature or attestation".into(),
    };
    let layout = piece.layout.map_or("file", |layout| layout.word());
    let text = format!("{what}; {layout} {}; {}", piece.manifest.short(), told(piece, answer));
    format!("  {} {}", painted(painting, &format!("{word:<13}"), colour), one_line(&text))
}

/// Who made it and when, or why nothing is known of that.
fn told(piece: &Piece, answer: &Answer) -> String {
    let mut parts = vec![];
    if let Some(by) = who(&piece.state) {
        parts.push(format!("by {by}"));
    }
    parts.extend(piece.signed_at.map(|at| format!("signed {}", utc(at))));
    match (piece.logged, piece.log_index) {
        (true, Some(index)) => parts.push(format!("log entry {index}")),
        (true, None) => parts.push("in the log".into()),
        (false, _) => {}
    }
    parts.extend(reason(answer));
    parts.join(", ")
}

/// Why a piece does not count, in a few words.
fn reason(answer: &Answer) -> Option<String> {
    let Answer::Refused(refusal) = answer else { return None };
    Some(match refusal {
        Refusal::Invalid { signer: Some(signer), reason } => format!("claims {signer}: {reason}"),
        Refusal::Invalid { signer: None, reason } | Refusal::Unreadable { reason } => reason.clone(),
        Refusal::Window { window, .. } => format!("its key counts {}", within(window).plain()),
        Refusal::Unlogged { .. } => "in no trusted log".into(),
        Refusal::Annotation { key, expected, .. } => format!("does not say {key}={expected}"),
        Refusal::Repository { found, .. } => format!("names repository {}", found.as_deref().unwrap_or("none")),
        Refusal::SaysNo { result, .. } => format!("says {result}"),
        Refusal::Other { found, expected } if expected.is_empty() => format!("by {found}, and nobody was asked for"),
        Refusal::Other { found, expected } => format!("by {found}, not by {expected}"),
        Refusal::OnOther { signed } => format!("over {signed}"),
        // These are said of the whole, never of one piece.
        Refusal::NoImage | Refusal::Missing(_) | Refusal::Nobody | Refusal::Pipeline { .. } | Refusal::NotSeen(_) => return None,
    })
}

pub(super) fn found(piece: &Piece, answer: &Answer) -> Value {
    let (kind, predicate_type, repository, annotations) = match &piece.what {
        What::Signature { repository, annotations } => ("signature", None, repository.as_ref(), Some(annotations)),
        What::Attestation { predicate_type, .. } => ("attestation", Some(predicate_type), None, None),
        What::Unknown(_) => ("unknown", None, None, None),
    };
    let signer = match &piece.state {
        SignatureState::Verified(SignedBy::Key(name)) => json!({ "kind": "key", "identity": null, "issuer": null, "key": name }),
        SignatureState::Verified(SignedBy::Keyless(identity)) => {
            let named = identity.san_uri.as_ref().or(identity.san_email.as_ref());
            json!({ "kind": "keyless", "identity": named, "issuer": identity.issuer, "key": null })
        }
        SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => Value::Null,
    };
    json!({
        "kind": kind,
        "predicate_type": predicate_type,
        "layout": piece.layout.map(|layout| layout.word()),
        "manifest": piece.manifest,
        "verified": matches!(piece.state, SignatureState::Verified(_)),
        "accepted": *answer == Answer::Accepted,
        "signer": signer,
        "signed_at": piece.signed_at,
        "logged": piece.logged,
        "log_index": piece.log_index,
        "repository": repository,
        "annotations": annotations,
        "reason": reason(answer),
    })
}
