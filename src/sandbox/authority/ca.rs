//! A Fulcio-shaped certificate authority with its own CT log
//! ([certificate specification](https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md)).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PublicKeyData as _, SanType, date_time_ymd,
};
use sigstore_crypto::KeyPair;
use sigstore_types::DerCertificate;
use x509_cert::Certificate;
use x509_cert::der::asn1::{OctetStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};

use super::claims::San;
use super::log::LogKey;
use super::{Failed, Session};
use crate::model::{Digest, Timestamp};

/// Fulcio's arc, and the SCT list ([RFC 6962, 3.3](https://www.rfc-editor.org/rfc/rfc6962#section-3.3)).
const FULCIO: [u64; 8] = [1, 3, 6, 1, 4, 1, 57264, 1];
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

pub(super) const YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
const LEAF_LIFE: Duration = Duration::from_secs(600);

pub(super) struct Ca {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    issuer: Issuer<'static, rcgen::KeyPair>,
    pub(super) ct_log: LogKey,
}

impl Ca {
    pub(super) fn new(since: Timestamp) -> Result<Self, Failed> {
        let (root_params, root_key, root) = root("sandbox-root", since)?;
        let mut params = authority("sandbox-intermediate", BasicConstraints::Constrained(0), since)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let key = rcgen::KeyPair::generate().map_err(Failed::because)?;
        let intermediate = params.signed_by(&key, &Issuer::from_params(&root_params, &root_key)).map_err(Failed::because)?;
        Ok(Self { root, intermediate: intermediate.der().to_vec(), issuer: Issuer::new(params, key), ct_log: LogKey::new()? })
    }

    /// Intermediate, then root.
    pub(super) fn chain(&self) -> [&[u8]; 2] {
        [&self.intermediate, &self.root]
    }

    pub(super) fn chain_pem(&self) -> String {
        self.chain().map(|der| DerCertificate::from_bytes(der).to_pem()).concat()
    }

    /// A new key and a certificate for it.
    pub(super) fn certify(&self, session: &Session) -> Result<(KeyPair, DerCertificate), Failed> {
        let key = rcgen::KeyPair::generate().map_err(Failed::because)?;
        let mut params = params(session)?;
        let mut certificate = params.signed_by(&key, &self.issuer).map_err(Failed::because)?;
        if session.sct {
            let timestamp = session.certified_at;
            let extension = self.sct(certificate.der(), timestamp)?;
            params.custom_extensions.push(extension);
            // The same certificate again: without the list, it is byte for byte what the CT log promised to publish.
            certificate = params.signed_by(&key, &self.issuer).map_err(Failed::because)?;
        }
        let pair = KeyPair::from_pkcs8_der(key.serialized_der()).map_err(Failed::because)?;
        Ok((pair, DerCertificate::from_bytes(certificate.der())))
    }

    /// The CT log's promise for a certificate that has none yet (RFC 6962, 3.2 and 3.3).
    fn sct(&self, certificate: &[u8], at: Timestamp) -> Result<CustomExtension, Failed> {
        let certificate = Certificate::from_der(certificate).map_err(Failed::because)?;
        let tbs = certificate.tbs_certificate.to_der().map_err(Failed::because)?;
        let millis = u64::try_from(at.as_millisecond()).map_err(Failed::because)?;
        let issuer = Digest::of(&self.issuer.key().subject_public_key_info());
        let mut signed = vec![0, 0]; // version 1, certificate_timestamp
        signed.extend(millis.to_be_bytes());
        signed.extend([0, 1]); // precert_entry
        signed.extend(issuer.bytes());
        signed.extend(length::<3>(tbs.len())?);
        signed.extend(&tbs);
        signed.extend([0, 0]); // no extensions
        let signature = self.ct_log.sign(&signed)?;
        let mut sct = vec![0]; // version 1
        sct.extend(self.ct_log.id);
        sct.extend(millis.to_be_bytes());
        sct.extend([0, 0, 4, 3]); // no extensions; SHA-256, ECDSA
        sct.extend(length::<2>(signature.len())?);
        sct.extend(signature);
        let list = [&length::<2>(sct.len() + 2)?[..], &length::<2>(sct.len())?, &sct].concat();
        let value = OctetStringRef::new(&list).and_then(|list| list.to_der()).map_err(Failed::because)?;
        Ok(CustomExtension::from_oid_content(&SCT_LIST, value))
    }
}

/// A root of its own name and key.
pub(super) fn root(name: &str, since: Timestamp) -> Result<(CertificateParams, rcgen::KeyPair, Vec<u8>), Failed> {
    let key = rcgen::KeyPair::generate().map_err(Failed::because)?;
    let params = authority(name, BasicConstraints::Unconstrained, since)?;
    let root = params.self_signed(&key).map_err(Failed::because)?.der().to_vec();
    Ok((params, key, root))
}

fn authority(name: &str, constraint: BasicConstraints, since: Timestamp) -> Result<CertificateParams, Failed> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "sandbox.test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, since, YEARS)?;
    Ok(params)
}

fn params(session: &Session) -> Result<CertificateParams, Failed> {
    let claims = &session.claims;
    let mut params = CertificateParams::default();
    // An empty subject makes the alternative names critical.
    params.distinguished_name = DistinguishedName::new();
    valid(&mut params, session.certified_at, LEAF_LIFE)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.use_authority_key_identifier_extension = true;
    let name = |san: &San| match san {
        San::Uri(uri) => uri.as_str().try_into().map(SanType::URI),
        San::Email(address) => address.as_str().try_into().map(SanType::Rfc822Name),
    };
    params.subject_alt_names = claims.sans.iter().map(name).collect::<Result<_, _>>().map_err(Failed::because)?;
    let extension = |number, value| CustomExtension::from_oid_content(&[&FULCIO[..], &[number]].concat(), value);
    if let Some(issuer) = &claims.legacy_issuer {
        params.custom_extensions.push(extension(1, issuer.as_bytes().to_vec()));
    }
    for (number, value) in claims.numbered() {
        let value = Utf8StringRef::new(value).and_then(|text| text.to_der()).map_err(Failed::because)?;
        params.custom_extensions.push(extension(number, value));
    }
    Ok(params)
}

/// Sets a validity window; rcgen's time type is another crate's, reached through its own constructor.
pub(super) fn valid(params: &mut CertificateParams, start: Timestamp, life: Duration) -> Result<(), Failed> {
    let seconds = u64::try_from(start.as_second()).map_err(Failed::because)?;
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_after = params.not_before + life;
    Ok(())
}

/// A big-endian length of `N` bytes.
fn length<const N: usize>(value: usize) -> Result<[u8; N], Failed> {
    let bytes = u64::try_from(value).map_err(Failed::because)?.to_be_bytes();
    let (zeros, rest) = bytes.split_at(8 - N);
    match zeros.iter().all(|byte| *byte == 0) {
        true => rest.try_into().map_err(Failed::because),
        false => Err(Failed::because("too long for TLS")),
    }
}
