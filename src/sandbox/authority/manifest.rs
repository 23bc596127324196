//! What cosign stores in a registry: the manifest of each layout, and its blobs.

use serde_json::{Map, Value, json};

use super::{COSIGN_SIGN_V1, LegacyAttestation, LegacySignature};
use crate::model::Digest;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A manifest and the blobs it names, ready to be put into a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub media_type: &'static str,
    pub manifest: Vec<u8>,
    pub blobs: Vec<Vec<u8>>,
}

impl Stored {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

/// The image manifest that a bundle's manifest points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    pub media_type: &'a str,
    pub size: u64,
    pub digest: Digest,
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": bytes.len(), "digest": Digest::of(bytes).to_string()})
}

/// The manifest under `sha256-<hex>.sig`: one layer for each signature, everything else in its annotations.
pub fn legacy_manifest(signatures: &[LegacySignature]) -> Stored {
    let diff_ids: Vec<_> = signatures.iter().map(|signature| Digest::of(&signature.payload).to_string()).collect();
    let config = json!({
        "architecture": "", "created": "0001-01-01T00:00:00Z", "history": [{"created": "0001-01-01T00:00:00Z"}], "os": "",
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {},
    });
    let config = config.to_string().into_bytes();
    let layers: Vec<_> = signatures.iter().map(layer).collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, &config), "layers": layers,
    });
    let mut blobs = vec![config];
    blobs.extend(signatures.iter().map(|signature| signature.payload.clone()));
    Stored { media_type: OCI_MANIFEST, manifest: manifest.to_string().into_bytes(), blobs }
}

impl LegacySignature {
    /// The annotations of its layer.
    pub fn annotations(&self) -> Value {
        let all = [
            ("dev.cosignproject.cosign/signature", Some(&self.signature_b64)),
            ("dev.sigstore.cosign/certificate", self.certificate_pem.as_ref()),
            ("dev.sigstore.cosign/chain", self.chain_pem.as_ref()),
            ("dev.sigstore.cosign/bundle", self.rekor_bundle_json.as_ref()),
            ("dev.sigstore.cosign/rfc3161timestamp", self.rfc3161_json.as_ref()),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect::<Map<_, _>>().into()
    }
}

impl LegacyAttestation {
    /// The annotations of its layer; the envelope holds the signature itself.
    pub fn annotations(&self) -> Value {
        let all = [
            ("dev.cosignproject.cosign/signature", Some(String::new())),
            ("predicateType", Some(self.predicate_type.clone())),
            ("dev.sigstore.cosign/certificate", self.certificate_pem.clone()),
            ("dev.sigstore.cosign/chain", self.chain_pem.clone()),
            ("dev.sigstore.cosign/bundle", self.rekor_bundle_json.clone()),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect::<Map<_, _>>().into()
    }
}

fn layer(signature: &LegacySignature) -> Value {
    let mut layer = descriptor(SIMPLE_SIGNING, &signature.payload);
    layer["annotations"] = signature.annotations();
    layer
}

/// The manifest of one bundle, found by its `subject` through the referrers API or the index under `sha256-<hex>`.
pub fn bundle_manifest(bundle: &[u8], predicate_type: Option<&str>, subject: &Subject<'_>) -> Stored {
    let config = b"{}".to_vec();
    let mut config_descriptor = descriptor(OCI_EMPTY, &config);
    config_descriptor["artifactType"] = BUNDLE.into();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_descriptor, "layers": [descriptor(BUNDLE, bundle)],
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate_type.unwrap_or(COSIGN_SIGN_V1),
            "org.opencontainers.image.created": "2026-11-22T12:00:46Z",
        },
        "subject": {"mediaType": subject.media_type, "size": subject.size, "digest": subject.digest.to_string()},
        "artifactType": BUNDLE,
    });
    Stored { media_type: OCI_MANIFEST, manifest: manifest.to_string().into_bytes(), blobs: vec![config, bundle.to_vec()] }
}
