//! A verdict as JSON, with the stable keys of the API. Every key is always there; what is not known is `null`.

use serde_json::{Value, json};

use super::Words;
use crate::model::attestation::{AttestedAt, BaseSeen, BaseToldBy, ProvenanceSeen};
use crate::model::signer::SignedBy;
use crate::verdict::facts::MergeRequestFacts;
use crate::verdict::{About, Finding, Looked, Subject, Verdict};

impl Words {
    /// A verdict for programs. Values are whole and exact here, as JSON needs no making inert; sentences are plain text.
    pub fn verdict_json(&self, id: &str, verdict: &Verdict) -> Value {
        let subject = &verdict.subject;
        let (headline, next_step) = self.lead(verdict);
        let pipeline = subject.pipeline.as_ref();
        json!({
            "id": id,
            "outcome": verdict.outcome.word(),
            "code": verdict.problem.as_ref().map(|problem| problem.code()),
            "headline": headline,
            "next_step": next_step,
            "image": verdict.image.as_ref().map(ToString::to_string),
            "digest": verdict.digest(),
            "tag": tag(&subject.question.about),
            "project": subject.question.project.path,
            "environment": null,
            "as_of": verdict.as_of,
            "policy": { "digest": verdict.policy },
            "trust_root": verdict.trust_root.map(|digest| json!({ "digest": digest })),
            "checks": verdict.findings.iter().map(|finding| check(self, subject, finding)).collect::<Vec<_>>(),
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
        })
    }
}

fn tag(about: &About) -> Option<&str> {
    match about {
        About::Release { tag } => Some(tag),
        About::Image { tag, .. } => tag.as_deref(),
        About::Pipeline { .. } => None,
    }
}

fn check(words: &Words, subject: &Subject, finding: &Finding) -> Value {
    json!({
        "check": finding.check,
        "outcome": finding.outcome,
        "code": finding.problem.as_ref().map(|problem| problem.code()),
        "expected": finding.expected,
        "found": finding.found,
        "next_step": finding.problem.as_ref().map(|problem| words.explain(problem, subject).next_step.plain().to_owned()),
    })
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
