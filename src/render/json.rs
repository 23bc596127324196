//! A verdict as JSON, with the stable keys of the API. Every key is always there; what is not known is `null`.

use serde_json::{Value, json};

use super::{Told, Words};
use crate::model::attestation::{AttestedAt, BaseSeen, BaseToldBy, ProvenanceSeen};
use crate::model::signer::SignedBy;
use crate::verdict::facts::MergeRequestFacts;
use crate::verdict::{Looked, Verdict};

impl Words {
    /// A verdict for programs. Values are whole and exact here, as JSON needs no making inert; sentences are plain text.
    pub fn verdict_json(&self, id: &str, verdict: &Verdict) -> Value {
        let subject = &verdict.subject;
        let pipeline = subject.pipeline.as_ref();
        let rest = json!({
            "trust_root": verdict.trust_root.map(|digest| json!({ "digest": digest })),
            "commit": subject.commit.as_ref().map(|commit| &commit.sha),
            "pipeline": pipeline.map(|pipeline| json!({
                "id": pipeline.id,
                "url": pipeline.web_url,
                "source": pipeline.source,
                "ref": pipeline.git_ref.full(),
                "protected": subject.ref_protected,
                "status": pipeline.status.word(),
            })),
            "job": subject.job.as_ref().map(|job| json!({ "id": job.id, "name": job.name, "url": job.web_url })),
            "runner": subject.job.as_ref().and_then(|job| job.runner.as_ref()).map(|runner| json!({
                "id": runner.id,
                "description": runner.description,
            })),
            "signer": subject.signer.as_ref().map(signer),
            "signature_layout": subject.layout.map(|layout| layout.word()),
            "provenance": subject.provenance.as_ref().map(provenance),
            "base_image": subject.base_image.as_ref().map(base_image),
            "platforms": subject.platforms.iter().map(|platform| json!({
                "platform": platform.name,
                "digest": platform.digest,
                "signed": platform.signed,
            })).collect::<Vec<_>>(),
            "merge_requests": subject.merge_requests.iter().map(merge_request).collect::<Vec<_>>(),
            "tests": subject.tests.map(|tests| json!({ "total": tests.total, "failed": tests.failed })),
            "promotions": [],
        });
        whole(&self.told(id, verdict), rest)
    }
}

/// What is told, and the rest, as one object.
fn whole(told: &Told, rest: Value) -> Value {
    let mut whole = json!(told);
    if let (Some(whole), Value::Object(rest)) = (whole.as_object_mut(), rest) {
        whole.extend(rest);
    }
    whole
}

fn signer(by: &SignedBy) -> Value {
    match by {
        SignedBy::Key(name) => json!({ "kind": "key", "identity": null, "issuer": null, "key": name }),
        SignedBy::Keyless(identity) => {
            json!({ "kind": "keyless", "identity": identity.san_uri, "issuer": identity.issuer, "key": null })
        }
    }
}

fn provenance(seen: &ProvenanceSeen) -> Value {
    let (source, layout) = match seen.at {
        AttestedAt::Registry(layout) => ("registry", Some(layout.word())),
        AttestedAt::Gitlab => ("gitlab", None),
    };
    json!({
        "predicate_type": seen.predicate_type.uri(),
        "builder": seen.builder,
        "build_type": seen.build_type,
        "source": source,
        "layout": layout,
        "signer": signer(&seen.signed_by),
        "signed_at": seen.signed_at,
    })
}

/// `changed_since` names the release before if its base was another one, `unchanged_since` if it was the same.
fn base_image(seen: &BaseSeen) -> Value {
    let changed = seen.changed_since().map(|previous| &previous.release);
    let previous = seen.previous.as_ref().map(|previous| &previous.release);
    json!({
        "name": seen.base.name,
        "digest": seen.base.digest,
        "source": match seen.base.told_by {
            BaseToldBy::Provenance => "provenance",
            BaseToldBy::Annotation => "annotation",
        },
        "changed_since": changed,
        "unchanged_since": previous.filter(|_| changed.is_none()),
        "previous_digest": seen.changed_since().map(|previous| previous.base.digest),
    })
}

fn merge_request(facts: &MergeRequestFacts) -> Value {
    let approved_by: Option<Vec<_>> = match &facts.approved_by {
        Looked::Found(people) => Some(people.iter().map(|user| user.username.as_str()).collect()),
        Looked::Absent => Some(vec![]),
        // Not known is not "nobody".
        Looked::Unreachable(_) => None,
    };
    json!({
        "iid": facts.merge_request.iid,
        "title": facts.merge_request.title,
        "url": facts.merge_request.web_url,
        "approved_by": approved_by,
    })
}
