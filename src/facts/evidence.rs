//! From what lies beside an image to signatures: each piece is judged by the form it has.

use super::registry::{Evidence, EvidenceContent, EvidenceItem};
use super::sigstore::{self, SimpleSigning, Trust};
use crate::model::PinnedImage;
use crate::model::signer::{Signature, SignatureState};

/// Every signature found, verified or not. An attestation is not one, whatever it says (cosign 3.1.1 takes it for one); what cannot
/// be read is reported, so that it never reads as "no signature".
pub fn signatures(evidence: &Evidence, image: &PinnedImage, trust: &Trust) -> Vec<Signature> {
    let signature =
        |item: &EvidenceItem| Some(Signature { layout: item.layout, manifest: item.manifest, state: judge(item, image, trust)? });
    evidence.items.iter().filter_map(signature).collect()
}

fn judge(item: &EvidenceItem, image: &PinnedImage, trust: &Trust) -> Option<SignatureState> {
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
            sigstore::simple_signing(&input, image, trust).signature().cloned()
        }
        EvidenceContent::Bundle { bytes, .. } => sigstore::bundle(bytes, image, trust).signature().cloned(),
        // A `.att` envelope is an attestation by its place.
        EvidenceContent::Dsse { .. } => None,
        EvidenceContent::Unreadable { reason } => Some(SignatureState::Unreadable { reason: reason.clone() }),
    }
}
