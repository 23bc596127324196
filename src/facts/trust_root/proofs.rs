//! Single proofs held against a trust root, for keys that sigstore-verify does not take; and what a root cannot say any more.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier};
use sigstore_crypto::{Checkpoint, Keyring};
use sigstore_types::{KindVersion, SignatureBytes, TimeRange, TimestampToken, TransparencyLogEntry};
use sigstore_verify::tsa::{Error as StampError, verify_timestamp_for_authority};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;
use x509_tsp::TimeStampResp;

use super::{TrustRoot, restate};
use crate::facts::sigstore::json::short;
use crate::model::Timestamp;
use crate::model::moment::span;

impl TrustRoot {
    /// Verifies a Rekor v1 log's promise (SET) over an entry of any kind, by a key of this root that was valid at the entry's time.
    pub(in crate::facts) fn promised(&self, entry: &TransparencyLogEntry) -> Result<(), String> {
        let promise = entry.inclusion_promise.as_ref().ok_or("it has none")?;
        let time = entry.integrated_time.ok_or("the entry has no time")?;
        let id = entry.log_id.key_id.as_bytes().try_into().map_err(short)?;
        let signature = SignatureBytes::new(promise.signed_entry_timestamp.as_bytes().to_vec());
        self.log_keys()?.verify_with_key_id_at(&id, time, restate::promised(entry)?, &signature).map_err(short)
    }

    /// Verifies a Rekor v1 entry's inclusion proof: its hashes lead from the body to a root that a log of ours signed.
    pub(in crate::facts) fn included(&self, entry: &TransparencyLogEntry) -> Result<(), String> {
        let proof = entry.inclusion_proof.as_ref().ok_or("it has no inclusion proof")?;
        // There the index is the entry's own, and the size the checkpoint's.
        if entry.kind_version == KindVersion::HashedRekordV002 {
            return Err("its inclusion proof is one of Rekor v2".into());
        }
        let leaf = sigstore_merkle::hash_leaf(entry.canonicalized_body.as_bytes());
        sigstore_merkle::verify_inclusion_proof(&leaf, proof.log_index.get(), proof.tree_size, &proof.hashes, &proof.root_hash)
            .map_err(|error| format!("its inclusion proof does not hold: {}", short(error)))?;
        let checkpoint = Checkpoint::from_text(proof.checkpoint.envelope()).map_err(|error| format!("its checkpoint: {}", short(error)))?;
        if checkpoint.root_hash() != &proof.root_hash || checkpoint.tree_size() != proof.tree_size {
            return Err("its checkpoint is of another tree".into());
        }
        let (keys, now) = (self.log_keys()?, Timestamp::now());
        let signed = checkpoint.signatures().iter().any(|signature| {
            keys.keys_by_hint(&signature.key_id, now).any(|key| key.verify(checkpoint.signed_data(), &signature.signature).is_ok())
        });
        if signed { Ok(()) } else { Err("no log of the trust root signed its checkpoint".into()) }
    }

    fn log_keys(&self) -> Result<Keyring, String> {
        self.root.rekor_keys().map_err(short)
    }

    /// Verifies a timestamp over a signature by one of this root's authorities, in that authority's window.
    pub(in crate::facts) fn stamped(&self, token: &TimestampToken, signature: &SignatureBytes) -> Result<Timestamp, String> {
        let mut refused = None;
        for authority in self.root.tsa_authorities() {
            match verify_timestamp_for_authority(token, signature, &authority) {
                Ok(time) => return Ok(time),
                // Its own authority says more than those that did not make it.
                Err(error @ StampError::TimestampOutsideValidity { .. }) => return Err(short(error)),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or_else(|| "no timestamp authority is known".into(), |error| format!("the timestamp: {}", short(error))))
    }

    /// Whether one of this root's authorities is named as the signer of a timestamp. One that cannot be read is by nobody else either,
    /// so that it is not left aside as a stranger's.
    pub(in crate::facts) fn knows_signer_of(&self, token: &TimestampToken) -> bool {
        let chains = self.root.timestamp_authorities.iter().filter_map(|authority| authority.cert_chain.certificates.first());
        let mut leaves = chains.filter_map(|leaf| Certificate::from_der(leaf.raw_bytes.as_bytes()).ok()).peekable();
        if leaves.peek().is_none() {
            return false;
        }
        signer_of(token.as_bytes()).is_none_or(|signer| leaves.any(|leaf| is(&signer, &leaf)))
    }

    /// What to say of a time after that of every authority of a kind that this root names, as one does that was not renewed; `None` where
    /// the time of one goes on: then what does not verify is wrong.
    pub(in crate::facts) fn is_too_old_for(&self, kind: Kind, time: Timestamp) -> Option<String> {
        let (what, windows): (_, Vec<Option<TimeRange>>) = match kind {
            Kind::Certificates => ("certificate authority", self.root.certificate_authorities.iter().map(|a| a.valid_for).collect()),
            Kind::Logs => ("transparency log", self.root.tlogs.iter().map(|log| log.public_key.valid_for).collect()),
            Kind::Timestamps => ("timestamp authority", self.root.timestamp_authorities.iter().map(|a| a.valid_for).collect()),
        };
        // A time before they began was never theirs to prove, whatever the age of the file.
        let ended = |window: &Option<TimeRange>| window.and_then(|window| window.end).is_some_and(|end| end < time);
        if windows.is_empty() || !windows.iter().all(ended) {
            return None;
        }
        let age = self.newest().map(|newest| format!("; its newest key is {} old", span(Timestamp::now().duration_since(newest))));
        Some(format!("the trust root names no {what} whose time had not ended at {time}{}", age.unwrap_or_default()))
    }
}

/// The authorities that a root names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::facts) enum Kind {
    Certificates,
    Logs,
    Timestamps,
}

/// Who says to have signed an answer of a timestamp authority, or the token in it
/// ([RFC 3161](https://www.rfc-editor.org/rfc/rfc3161#section-2.4.2)).
fn signer_of(bytes: &[u8]) -> Option<SignerIdentifier> {
    let content = match TimeStampResp::from_der(bytes) {
        Ok(answer) => ContentInfo::from_der(&answer.time_stamp_token?.to_der().ok()?).ok()?,
        Err(_) => ContentInfo::from_der(bytes).ok()?,
    };
    let signed = SignedData::from_der(&content.content.to_der().ok()?).ok()?;
    Some(signed.signer_infos.0.get(0)?.sid.clone())
}

fn is(signer: &SignerIdentifier, leaf: &Certificate) -> bool {
    let certificate = &leaf.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            certificate.issuer == named.issuer && certificate.serial_number == named.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => {
            matches!(certificate.get::<SubjectKeyIdentifier>(), Ok(Some((_, held))) if held == *named)
        }
    }
}
