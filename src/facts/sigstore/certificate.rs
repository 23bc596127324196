//! What a Fulcio certificate says.

use std::collections::HashSet;

use sigstore_crypto::parse_certificate_info;
use sigstore_types::DerCertificate;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::json::short;
use crate::model::signer::KeylessIdentity;

/// The OIDC issuer, as bare text and as UTF8String
/// ([OID list](https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md)).
const ISSUER_V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// The one Subject Alternative Name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum San {
    Uri(String),
    Email(String),
}

/// A certificate, read. Its words are claims until the chain is verified.
#[derive(Debug)]
pub(super) struct Leaf {
    /// `None` where there is no name, more than one, or one of another kind (SR-14).
    pub(super) san: Option<San>,
    /// Without time and log index, which are not the certificate's to say.
    pub(super) identity: KeylessIdentity,
}

impl Leaf {
    pub(super) fn read(der: &DerCertificate) -> Result<Self, String> {
        let certificate = Certificate::from_der(der.as_bytes()).map_err(short)?;
        let info = parse_certificate_info(der).map_err(short)?;
        let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
        // RFC 5280, 4.2: a second one could be read by others, and not by us.
        let mut seen = HashSet::new();
        if let Some(twice) = extensions.iter().find(|extension| !seen.insert(extension.extn_id)) {
            return Err(format!("the certificate has the extension {} twice", twice.extn_id));
        }
        let san = one_name(&certificate)?;
        let value = |oid| extensions.iter().find(|extension| extension.extn_id == oid).map(|extension| extension.extn_value.as_bytes());
        let claims = info.ci_claims;
        let identity = KeylessIdentity {
            issuer: info.issuer.filter(|issuer| value(ISSUER_V2).is_none() || value(ISSUER_V1).is_none_or(|v1| says(v1, issuer))),
            san_uri: match &san {
                Some(San::Uri(uri)) => Some(uri.clone()),
                Some(San::Email(_)) | None => None,
            },
            san_email: match &san {
                Some(San::Email(address)) => Some(address.clone()),
                Some(San::Uri(_)) | None => None,
            },
            build_signer_uri: claims.build_signer_uri,
            build_signer_digest: claims.build_signer_digest,
            runner_environment: claims.runner_environment,
            source_repository_uri: claims.source_repository_uri,
            source_repository_digest: claims.source_repository_digest,
            source_repository_ref: claims.source_repository_ref,
            source_repository_identifier: claims.source_repository_identifier,
            source_repository_owner_identifier: claims.source_repository_owner_identifier,
            build_config_uri: claims.build_config_uri,
            build_config_digest: claims.build_config_digest,
            build_trigger: claims.build_trigger,
            run_invocation_uri: claims.run_invocation_uri,
            signed_at: None,
            log_index: None,
        };
        Ok(Self { san, identity })
    }

    /// For a message: whom the certificate names, unproven.
    pub(super) fn names(&self) -> String {
        let san = match &self.san {
            Some(San::Uri(name) | San::Email(name)) => short(name),
            None => "nobody in particular".into(),
        };
        let issuer = self.identity.issuer.as_deref().map_or_else(|| "an unnamed issuer".into(), short);
        format!("{san} by {issuer}")
    }
}

/// The Subject Alternative Name, if there is exactly one and it is a URI or an e-mail address.
fn one_name(certificate: &Certificate) -> Result<Option<San>, String> {
    let found = certificate.tbs_certificate.get::<SubjectAltName>().map_err(short)?;
    Ok(match found.as_ref().map(|(_, san)| san.0.as_slice()) {
        Some([GeneralName::UniformResourceIdentifier(uri)]) => Some(San::Uri(uri.to_string())),
        Some([GeneralName::Rfc822Name(address)]) => Some(San::Email(address.to_string())),
        Some(_) | None => None,
    })
}

/// Whether the legacy issuer extension says the same: bare text, or a UTF8String as some authorities wrote it.
fn says(value: &[u8], issuer: &str) -> bool {
    value == issuer.as_bytes() || Utf8StringRef::from_der(value).is_ok_and(|text| text.as_str() == issuer)
}
