//! A timestamp authority: [RFC 3161](https://www.rfc-editor.org/rfc/rfc3161) answers over signatures.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyUsagePurpose};
use sigstore_crypto::KeyPair;
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::der::asn1::{Any, GeneralizedTime, Int, ObjectIdentifier, OctetString, SetOfVec};
use x509_cert::der::{self, Decode as _, Encode as _, EncodeValue, Tagged};
use x509_cert::spki::AlgorithmIdentifierOwned;

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos};
use x509_tsp::{MessageImprint, TimeStampResp, TspVersion, TstInfo};

use super::Failed;
use super::ca::{self, YEARS, valid};
use crate::model::{Digest, Timestamp};

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// The policy that sigstore's own timestamp authority names.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");
/// `PKIStatusInfo` of a granted request.
const GRANTED: [u8; 5] = [0x30, 3, 2, 1, 0];

pub(super) struct Tsa {
    leaf: Certificate,
    /// The authority's own certificate, then its root.
    chain: [Vec<u8>; 2],
    pair: KeyPair,
}

impl Tsa {
    pub(super) fn new(since: Timestamp) -> Result<Self, Failed> {
        let (root_params, root_key, root) = ca::root("sandbox-tsa-root", since)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "sandbox.test");
        params.distinguished_name.push(DnType::CommonName, "sandbox-tsa");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // RFC 3161, 2.3: this one usage, and critical, which rcgen's own list is not.
        let usages = vec![TIME_STAMPING].to_der().map_err(Failed::because)?;
        let mut usages = CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, usages);
        usages.set_criticality(true);
        params.custom_extensions.push(usages);
        valid(&mut params, since, YEARS)?;
        let key = rcgen::KeyPair::generate().map_err(Failed::because)?;
        let leaf = params.signed_by(&key, &Issuer::from_params(&root_params, &root_key)).map_err(Failed::because)?;
        Ok(Self {
            leaf: Certificate::from_der(leaf.der()).map_err(Failed::because)?,
            chain: [leaf.der().to_vec(), root],
            pair: KeyPair::from_pkcs8_der(key.serialized_der()).map_err(Failed::because)?,
        })
    }

    /// The authority's own certificate, then its root.
    pub(super) fn chain(&self) -> [&[u8]; 2] {
        [&self.chain[0], &self.chain[1]]
    }

    /// The answer that says: this signature was there at this time, in whole seconds.
    pub(super) fn stamp(&self, signature: &[u8], at: Timestamp) -> Result<Vec<u8>, Failed> {
        self.answer(signature, at).map_err(Failed::because)?.map_err(Failed::because)
    }

    fn answer(&self, signature: &[u8], at: Timestamp) -> der::Result<Result<Vec<u8>, String>> {
        let Ok(seconds) = u64::try_from(at.as_second()) else { return Ok(Err("the time lies before 1970".into())) };
        let info = TstInfo {
            version: TspVersion::V1,
            policy: POLICY,
            message_imprint: MessageImprint { hash_algorithm: sha256(), hashed_message: hash(signature)? },
            serial_number: Int::new(&[1])?,
            gen_time: GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))?,
            accuracy: None,
            ordering: false,
            nonce: None,
            tsa: None,
            extensions: None,
        };
        let info = info.to_der()?;
        let attributes = SetOfVec::try_from(vec![
            attribute(CONTENT_TYPE, &TST_INFO)?,
            attribute(MESSAGE_DIGEST, &hash(&info)?)?,
            // ESSCertIDv2 with its default hash (RFC 5035, 4): SEQUENCE { SEQUENCE OF SEQUENCE { hash } }.
            attribute(SIGNING_CERTIFICATE_V2, &vec![vec![vec![hash(&self.chain[0])?]]])?,
        ])?;
        let Ok(made) = self.pair.sign(&attributes.to_der()?) else { return Ok(Err("the key did not sign".into())) };
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: self.leaf.tbs_certificate.issuer.clone(),
                serial_number: self.leaf.tbs_certificate.serial_number.clone(),
            }),
            digest_alg: sha256(),
            signed_attrs: Some(attributes),
            signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
            signature: OctetString::new(made.into_bytes())?,
            unsigned_attrs: None,
        };
        let signed = SignedData {
            // RFC 5652, 5.1: version 3, because the content is no plain data.
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![sha256()])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: TST_INFO, econtent: Some(any(&OctetString::new(info)?)?) },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        let token = ContentInfo { content_type: SIGNED_DATA, content: any(&signed)? };
        let answer = TimeStampResp { status: der::Decode::from_der(&GRANTED)?, time_stamp_token: Some(token) };
        answer.to_der().map(Ok)
    }
}

fn sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: SHA256, parameters: None }
}

fn hash(bytes: &[u8]) -> der::Result<OctetString> {
    OctetString::new(Digest::of(bytes).bytes().to_vec())
}

fn any(value: &(impl EncodeValue + Tagged)) -> der::Result<Any> {
    Any::encode_from(value)
}

fn attribute(oid: ObjectIdentifier, value: &(impl EncodeValue + Tagged)) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![any(value)?])? })
}
