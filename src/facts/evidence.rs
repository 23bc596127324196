//! From what lies beside an image to signatures and provenance: each piece is judged once, by the form it has.

use super::provenance;
use super::registry::{Evidence, EvidenceContent, EvidenceItem};
use super::sigstore::{self, Content, Dsse, Judged, SimpleSigning, Trust};
use crate::model::PinnedImage;
use crate::model::attestation::{Attested, AttestedAt};
use crate::model::signer::{Shape, Signature};

/// What the evidence amounts to.
#[derive(Debug, Default)]
pub struct Read {
    /// Every signature found, verified or not. An attestation is not one, whatever it says (cosign 3.1.1 takes it for one); what
    /// cannot be read is reported, so that it never reads as "no signature".
    pub signatures: Vec<Signature>,
    /// Every SLSA provenance found, verified or not, and what may be one and cannot be read: neither does that read as "no provenance".
    pub provenance: Vec<Attested>,
}

/// Judges every piece.
pub fn read(evidence: &Evidence, image: &PinnedImage, trust: &Trust) -> Read {
    let mut read = Read::default();
    for item in &evidence.items {
        let (judged, shape) = (judge(item, image, trust), item.content.shape());
        // What lies under `.att` is an attestation by its place: one that cannot be read hides no signature.
        if let (Shape::Signature | Shape::Either, Some(state)) = (shape, judged.signature()) {
            read.signatures.push(Signature {
                layout: item.layout,
                manifest: item.manifest,
                state: state.clone(),
                proven: judged.logged.proven(),
            });
        }
        if shape != Shape::Signature || judged.content != Content::Unknown {
            read.provenance.extend(provenance::attested(judged, AttestedAt::Registry(item.layout)));
        }
    }
    read
}

/// One piece, by the form it has.
pub(super) fn judge(item: &EvidenceItem, image: &PinnedImage, trust: &Trust) -> Judged {
    match &item.content {
        EvidenceContent::SimpleSigning { payload, signature_b64, certificate_pem, chain_pem, rekor_bundle_json, rfc3161_json } => {
            let input = SimpleSigning {
                payload,
                signature_b64,
                certificate_pem: certificate_pem.as_deref(),
                chain_pem: chain_pem.as_deref(),
                rekor_bundle_json: rekor_bundle_json.as_deref(),
                rfc3161_json: rfc3161_json.as_deref(),
            };
            sigstore::simple_signing(&input, image, trust)
        }
        EvidenceContent::Bundle { bytes, .. } => sigstore::bundle(bytes, image, trust),
        EvidenceContent::Dsse { envelope, certificate_pem, chain_pem, rekor_bundle_json, rfc3161_json } => {
            let input = Dsse {
                envelope,
                certificate_pem: certificate_pem.as_deref(),
                chain_pem: chain_pem.as_deref(),
                rekor_bundle_json: rekor_bundle_json.as_deref(),
                rfc3161_json: rfc3161_json.as_deref(),
            };
            sigstore::dsse(&input, image, trust)
        }
        EvidenceContent::Unreadable { reason, .. } => Judged::unreadable(reason.clone()),
    }
}
