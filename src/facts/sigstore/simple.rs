//! Cosign's legacy signatures: a simple-signing payload, and everything else in layer annotations
//! ([specification](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sigstore_types::{
    Artifact, Bundle, CanonicalizedBody, DerCertificate, DigestBytes, HashAlgorithm, InclusionPromise, KindVersion, LogId, LogIndex,
    LogKeyId, MediaType, MessageDigest, MessageSignature, PublicKeyIdentifier, Rfc3161Timestamp, SignatureBytes, SignatureContent,
    SignedTimestamp, TimestampToken, TimestampVerificationData, TransparencyLogEntry, VerificationMaterial, VerificationMaterialContent,
    X509Certificate,
};

use super::bundle::by_certificate;
use super::intoto;
use super::json;
use super::key::PublicKey;
use super::proof::{self, Fail, LogProof, Logged};
use super::statement::texts;
use super::trust::Trust;
use super::{Content, Judged};
use crate::model::signer::{SignatureState, SignedBy, SignerName};
use crate::model::{Digest, PinnedImage, Timestamp};

/// The largest payload and the largest annotation that are read, in bytes. Honest ones have 250 bytes and some KiB.
pub const MAX_PAYLOAD: usize = 64 << 10;
pub const MAX_ANNOTATION: usize = 128 << 10;
/// Certificates in a `chain` annotation; see also the bundle's limit.
const MAX_CHAIN: usize = 8;

/// What cosign writes as `critical.type`.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// One layer of a `.sig` manifest, with its annotations.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleSigning<'a> {
    /// The blob.
    pub payload: &'a [u8],
    /// `dev.cosignproject.cosign/signature`
    pub signature_b64: &'a str,
    /// `dev.sigstore.cosign/certificate`
    pub certificate_pem: Option<&'a str>,
    /// `dev.sigstore.cosign/chain`
    pub chain_pem: Option<&'a str>,
    /// `dev.sigstore.cosign/bundle`
    pub rekor_bundle_json: Option<&'a str>,
    /// `dev.sigstore.cosign/rfc3161timestamp`
    pub rfc3161_json: Option<&'a str>,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RekorBundle {
    signed_entry_timestamp: SignedTimestamp,
    payload: RekorPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorPayload {
    body: CanonicalizedBody,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
struct Stamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: TimestampToken,
}

/// Judges one legacy signature beside `image`.
pub fn simple_signing(input: &SimpleSigning<'_>, image: &PinnedImage, trust: &Trust) -> Judged {
    read(input, image, trust).unwrap_or_else(|reason| Judged::unreadable(format!("the legacy signature: {reason}")))
}

fn read(input: &SimpleSigning<'_>, image: &PinnedImage, trust: &Trust) -> Result<Judged, String> {
    bounded(input)?;
    let payload: Payload = json::read(input.payload, MAX_PAYLOAD).map_err(|error| format!("the payload: {error}"))?;
    let critical = payload.critical;
    if critical.kind != PAYLOAD_TYPE {
        return Err(format!("the payload has the type {:?}", json::short(&critical.kind)));
    }
    let signature = SignatureBytes::from_base64(input.signature_b64).map_err(|_| "the signature is not base64")?;
    let content = Content::ImageSignature {
        docker_reference: Some(critical.identity.docker_reference),
        annotations: payload.optional.as_ref().map(texts).unwrap_or_default(),
    };
    let signer = signer(input, &signature, trust);
    let digest = critical.image.digest;
    let (state, logged) = match (digest == image.digest, signer) {
        (true, Ok((by, logged))) => (SignatureState::Verified(by), logged),
        (true, Err(state)) => (state, Logged::default()),
        (false, Ok((by, logged))) => (SignatureState::OtherSubject { digest, by: Some(by) }, logged),
        (false, Err(_)) => (SignatureState::OtherSubject { digest, by: None }, Logged::default()),
    };
    Ok(Judged { content, state, logged })
}

pub(super) fn bounded(input: &SimpleSigning<'_>) -> Result<(), String> {
    let annotations = [input.certificate_pem, input.chain_pem, input.rekor_bundle_json, input.rfc3161_json, Some(input.signature_b64)];
    if annotations.iter().flatten().any(|text| text.len() > MAX_ANNOTATION) {
        return Err(format!("an annotation is larger than {MAX_ANNOTATION} bytes"));
    }
    Ok(())
}

fn signer(input: &SimpleSigning<'_>, signature: &SignatureBytes, trust: &Trust) -> Result<(SignedBy, Logged), SignatureState> {
    if let Some((name, key)) = trust.who_signed(input.payload, signature) {
        return by_key(input, signature, (name, key), trust);
    }
    let unreadable = |reason| SignatureState::Unreadable { reason };
    let entry = log_entry(input).map_err(unreadable)?;
    if input.certificate_pem.is_some() {
        let bundle = rebuild(input, signature, certificates(input).map_err(unreadable)?, entry).map_err(unreadable)?;
        return by_certificate(&bundle, Artifact::from(input.payload), trust, LogProof::Promise);
    }
    // The layout names no key. Only a log entry can: then a signature that this key did not make was altered.
    let logged = entry.and_then(|entry| logged_key(&entry));
    Err(match logged.and_then(|key| trust.named_by(&key.hint())) {
        Some((name, _)) => SignatureState::Invalid {
            claims: Some(name.clone()),
            reason: format!("its log entry names the key {name}, but that key did not make this signature"),
        },
        None => SignatureState::NotOurs { hint: None },
    })
}

fn by_key(
    input: &SimpleSigning<'_>,
    signature: &SignatureBytes,
    (name, key): (&SignerName, &PublicKey),
    trust: &Trust,
) -> Result<(SignedBy, Logged), SignatureState> {
    let invalid = |reason| SignatureState::Invalid { claims: Some(name.clone()), reason };
    let material = || VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(key.hint()));
    let checked = log_entry(input)
        .and_then(|entry| rebuild(input, signature, material(), entry))
        .map_err(Fail::Unreadable)
        .and_then(|bundle| proof::around_key(&bundle, Artifact::from(input.payload), key, trust.root.as_ref(), LogProof::Promise));
    match checked {
        Ok(logged) if logged.logged || !trust.require_log_for_keys => Ok((SignedBy::Key(name.clone()), logged)),
        Ok(logged) if logged.unread => Err(SignatureState::Unreadable { reason: proof::UNREAD.into() }),
        Ok(_) => Err(invalid("no log of the trust root holds it, and a log entry is demanded".into())),
        // Proofs that cannot be read prove nothing; the key is enough where no log entry is demanded.
        Err(Fail::Unreadable(_)) if !trust.require_log_for_keys => {
            Ok((SignedBy::Key(name.clone()), Logged { unread: true, ..Logged::default() }))
        }
        Err(Fail::Unreadable(reason)) => Err(SignatureState::Unreadable { reason }),
        Err(Fail::Invalid(reason) | Fail::NotOurs(reason)) => Err(invalid(reason)),
    }
}

/// The layer as a v0.1 bundle, so that one verifier serves both layouts.
fn rebuild(
    input: &SimpleSigning<'_>,
    signature: &SignatureBytes,
    content: VerificationMaterialContent,
    entry: Option<TransparencyLogEntry>,
) -> Result<Bundle, String> {
    let hash = DigestBytes::new(Digest::of(input.payload).bytes().to_vec());
    let message = MessageSignature::new(signature.clone()).with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, hash));
    bundle_of(input, SignatureContent::MessageSignature(message), content, entry)
}

/// What stands in a layer's annotations, around a signature, as a v0.1 bundle.
pub(super) fn bundle_of(
    input: &SimpleSigning<'_>,
    signed: SignatureContent,
    content: VerificationMaterialContent,
    entry: Option<TransparencyLogEntry>,
) -> Result<Bundle, String> {
    let stamp = input.rfc3161_json.map(|text| json::read::<Stamp>(text.as_bytes(), MAX_ANNOTATION)).transpose();
    let stamp = stamp.map_err(|error| format!("the timestamp annotation: {error}"))?;
    let stamps = stamp.into_iter().map(|stamp| Rfc3161Timestamp::new(stamp.token)).collect();
    let material = VerificationMaterial::new(content)
        .with_tlog_entries(entry.into_iter().collect())
        .with_timestamp_verification_data(TimestampVerificationData::new(stamps));
    Ok(Bundle::new(MediaType::Bundle0_1, material, signed))
}

/// Leaf first, then what the chain annotation adds.
pub(super) fn certificates(input: &SimpleSigning<'_>) -> Result<VerificationMaterialContent, String> {
    const END: &str = "-----END CERTIFICATE-----";
    let blocks = |text: &'_ str| text.split_inclusive(END).map(str::to_owned).filter(|block| block.contains(END)).collect::<Vec<_>>();
    let leaf = blocks(input.certificate_pem.unwrap_or_default());
    let chain = blocks(input.chain_pem.unwrap_or_default());
    if leaf.len() != 1 || chain.len() > MAX_CHAIN {
        return Err(format!("it has {} certificates and a chain of {}", leaf.len(), chain.len()));
    }
    let read = |pem: &String| DerCertificate::from_pem(pem).map(X509Certificate::new).map_err(json::short);
    let certificates = leaf.iter().chain(&chain).map(read).collect::<Result<_, _>>()?;
    Ok(VerificationMaterialContent::X509CertificateChain { certificates })
}

/// The entry beside a signature.
fn log_entry(input: &SimpleSigning<'_>) -> Result<Option<TransparencyLogEntry>, String> {
    match logged(input)? {
        Some((entry, Kind::Named)) => Ok(Some(entry)),
        Some((_, Kind::IntotoV001)) => Err("the log annotation: its entry is one of attestations".into()),
        None => Ok(None),
    }
}

/// Whether sigstore-types has a name for an entry's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Named,
    /// It has none. The entry is called `dsse` 0.0.1, the kind that took its place, and must be proven as what it is.
    IntotoV001,
}

/// The entry in a layer's annotation.
pub(super) fn logged(input: &SimpleSigning<'_>) -> Result<Option<(TransparencyLogEntry, Kind)>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        kind: String,
        api_version: String,
    }
    let Some(text) = input.rekor_bundle_json else { return Ok(None) };
    let wrong = |error: String| format!("the log annotation: {error}");
    let bundle: RekorBundle = json::read(text.as_bytes(), MAX_ANNOTATION).map_err(wrong)?;
    let named: Named = json::read(bundle.payload.body.as_bytes(), MAX_ANNOTATION).map_err(wrong)?;
    let (kind, version) = if (named.kind.as_str(), named.api_version.as_str()) == intoto::KIND {
        (Kind::IntotoV001, KindVersion::DsseV001)
    } else {
        let named = serde_json::json!({"kind": named.kind, "version": named.api_version});
        (Kind::Named, serde_json::from_value(named).map_err(json::short).map_err(wrong)?)
    };
    let id = hex::decode(&bundle.payload.log_id).map_err(json::short).map_err(wrong)?;
    let index = LogIndex::new(bundle.payload.log_index).map_err(json::short).map_err(wrong)?;
    let time = Timestamp::from_second(bundle.payload.integrated_time).map_err(json::short).map_err(wrong)?;
    let entry = TransparencyLogEntry::new(index, LogId::new(LogKeyId::new(id)), version, bundle.payload.body)
        .with_integrated_time(time)
        .with_inclusion_promise(InclusionPromise::new(bundle.signed_entry_timestamp));
    Ok(Some((entry, kind)))
}

/// The key that a log entry says made the signature.
fn logged_key(entry: &TransparencyLogEntry) -> Option<PublicKey> {
    use sigstore_verify::rekor::body::RekorEntryBody;
    match RekorEntryBody::parse(&entry.canonicalized_body, entry.kind_version).ok()? {
        RekorEntryBody::HashedRekordV001(body) => {
            let key = body.spec.signature.public_key.parse_public_key().ok()?;
            PublicKey::from_pem(&key.to_pem()).ok()
        }
        _ => None,
    }
}
