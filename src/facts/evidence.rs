//! From what lies beside an image to signatures: each piece is judged by the form it has.

use super::registry::{Evidence, EvidenceContent, EvidenceItem};
use super::sigstore::{self, Judged, SimpleSigning, Trust};
use crate::model::PinnedImage;
use crate::model::signer::{Proven, Signature, SignatureState};

/// Every signature found, verified or not. An attestation is not one, whatever it says (cosign 3.1.1 takes it for one); what cannot
/// be read is reported, so that it never reads as "no signature".
pub fn signatures(evidence: &Evidence, image: &PinnedImage, trust: &Trust) -> Vec<Signature> {
    let signature = |item: &EvidenceItem| {
        let (state, proven) = judge(item, image, trust)?;
        Some(Signature { layout: item.layout, manifest: item.manifest, state, proven })
    };
    evidence.items.iter().filter_map(signature).collect()
}

fn judge(item: &EvidenceItem, image: &PinnedImage, trust: &Trust) -> Option<(SignatureState, Proven)> {
    let told = |judged: Judged| Some((judged.signature()?.clone(), judged.logged.proven()));
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
            told(sigstore::simple_signing(&input, image, trust))
        }
        EvidenceContent::Bundle { bytes, .. } => told(sigstore::bundle(bytes, image, trust)),
        // A `.att` envelope is an attestation by its place.
        EvidenceContent::Dsse { .. } => None,
        EvidenceContent::Unreadable { reason } => Some((SignatureState::Unreadable { reason: reason.clone() }, Proven::default())),
    }
}
