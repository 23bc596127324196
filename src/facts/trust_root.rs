//! Trust roots: whom we believe.

mod proofs;
mod restate;
mod roots;
pub mod tuf;

use std::collections::HashSet;
use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sigstore_trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_types::{DerCertificate, LogKeyId};
use sigstore_verify::Verifier;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use self::restate::Restating;
use super::sigstore::json;
use crate::model::{Digest, Timestamp};

pub(in crate::facts) use proofs::Kind;
pub use roots::{Roots, Standing};

/// Where a trust root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file that holds until the operator replaces it.
    Pinned(Settings),
    /// A TUF repository, which renews it.
    Tuf(tuf::Settings),
}

/// A trust root in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A pinned `trusted_root.json`
    /// ([protobuf-specs](https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto)).
    pub path: PathBuf,
}

/// The largest `trusted_root.json` that is read, in bytes. The public-good one has 7 KiB; this stops a mistyped path from being
/// read whole.
const MAX_BYTES: usize = 1 << 20;

/// Both published names: protobuf-specs 0.4 moved the version.
const MEDIA_TYPES: [&str; 3] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// Certificate authorities, transparency logs, CT logs and timestamp authorities that we believe, each in its window of time.
#[derive(Clone)]
pub struct TrustRoot {
    root: Arc<TrustedRoot>,
    verifier: Arc<Verifier>,
    /// Made when the first entry of an old kind comes.
    restating: Arc<OnceLock<Result<Restating, String>>>,
    digest: Digest,
    logs: HashSet<Vec<u8>>,
    /// The subject names of the certificate authorities, as DER.
    authorities: HashSet<Vec<u8>>,
    newest: Option<Timestamp>,
}

/// Why a file is no trust root.
#[derive(Debug, thiserror::Error)]
pub enum NotATrustRoot {
    #[error("cannot read the trust root {path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("the trust root is larger than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the trust root is not a trusted_root.json: {0}")]
    Format(String),
    #[error("the trust root has the media type {0:?}, which is not that of a trusted_root.json")]
    MediaType(String),
    /// It would verify nothing, ever (SR-01).
    #[error("the trust root names neither a certificate authority nor a transparency log nor a timestamp authority")]
    Empty,
    #[error("the trust root cannot be used: {0}")]
    Material(String),
}

impl TrustRoot {
    /// Reads the pinned file.
    pub fn load(settings: &Settings) -> Result<Self, NotATrustRoot> {
        let failed = |error| NotATrustRoot::File { path: settings.path.display().to_string(), error };
        let file = std::fs::File::open(&settings.path).map_err(failed)?;
        let mut bytes = vec![];
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Self::parse(&bytes)
    }

    /// Reads the bytes of a `trusted_root.json`. Every key, certificate and window in it is checked now, not at the first signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotATrustRoot> {
        if bytes.len() > MAX_BYTES {
            return Err(NotATrustRoot::TooLarge);
        }
        let root: TrustedRoot = json::read(bytes, MAX_BYTES).map_err(NotATrustRoot::Format)?;
        if !MEDIA_TYPES.contains(&root.media_type.as_str()) {
            return Err(NotATrustRoot::MediaType(json::short(&root.media_type)));
        }
        // Beside a key that is trusted, a timestamp authority alone proves times.
        if root.tlogs.is_empty() && root.certificate_authorities.is_empty() && root.timestamp_authorities.is_empty() {
            return Err(NotATrustRoot::Empty);
        }
        let verifier = Verifier::new(&root).map_err(|error| NotATrustRoot::Material(json::short(error)))?;
        let certificates = root.certificate_authorities.iter().flat_map(|authority| &authority.cert_chain.certificates);
        let authorities = certificates.map(|c| name_of(&c.raw_bytes, |tbs| &tbs.subject)).collect::<Option<_>>();
        Ok(Self {
            verifier: Arc::new(verifier),
            digest: Digest::of(bytes),
            logs: root.tlogs.iter().map(|log| log.log_id.key_id.as_bytes().to_vec()).collect(),
            newest: newest(&root),
            authorities: authorities.ok_or_else(|| NotATrustRoot::Material("a certificate cannot be read".into()))?,
            root: Arc::new(root),
            restating: Arc::default(),
        })
    }

    /// The snapshot of the public-good instance (Fulcio and Rekor of sigstore.dev) that the sigstore crate carries. It grows old:
    /// a pinned or updated file is better.
    pub fn public_good_snapshot() -> Result<Self, NotATrustRoot> {
        Self::parse(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes())
    }

    /// When its newest key or certificate came into use: the file is not older than that, and says nothing else of its age.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Whether it names a certificate authority: without one no certificate ever verifies.
    pub fn certifies(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// The digest of the file: the version of whom we believe (SR-22).
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(in crate::facts) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// For entries that [`TrustRoot::promised`] has proven, and that the verifier cannot read.
    pub(in crate::facts) fn restating(&self) -> Result<&Restating, String> {
        self.restating.get_or_init(|| Restating::new(&self.root)).as_ref().map_err(Clone::clone)
    }

    pub(in crate::facts) fn knows_log(&self, id: &LogKeyId) -> bool {
        self.logs.contains(id.as_bytes())
    }

    /// Whether the certificate says that one of our authorities issued it. A claim: only the verifier proves it.
    pub(in crate::facts) fn names_issuer_of(&self, certificate: &DerCertificate) -> bool {
        name_of(certificate, |tbs| &tbs.issuer).is_some_and(|name| self.authorities.contains(&name))
    }
}

fn newest(root: &TrustedRoot) -> Option<Timestamp> {
    let logs = root.tlogs.iter().map(|log| log.public_key.valid_for);
    let ct_logs = root.ctlogs.iter().map(|log| log.public_key.valid_for);
    let authorities = root.certificate_authorities.iter().map(|authority| authority.valid_for);
    let stamps = root.timestamp_authorities.iter().map(|authority| authority.valid_for);
    logs.chain(ct_logs).chain(authorities).chain(stamps).flatten().map(|window| window.start).max()
}

impl fmt::Debug for TrustRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoot({})", self.digest)
    }
}

fn name_of(certificate: &DerCertificate, which: fn(&x509_cert::TbsCertificate) -> &x509_cert::name::Name) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate.as_bytes()).ok()?;
    which(&certificate.tbs_certificate).to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_good_snapshot_loads_and_has_the_digest_of_its_bytes() {
        let root = TrustRoot::public_good_snapshot().unwrap();
        assert_eq!(root.digest(), Digest::of(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()));
        assert!(!root.root.timestamp_authorities.is_empty());
        assert!(root.newest().unwrap() >= "2025-09-23T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_trust_root_does_not_load_and_says_why() {
        let check = |text: &str, word: &str| {
            let error = TrustRoot::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        let good = SIGSTORE_PRODUCTION_TRUSTED_ROOT;
        check("", "not a trusted_root.json");
        check(r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#, "neither");
        check(&good.replace("trustedroot", "bundle"), "media type");
        check(&good.replacen(r#""tlogs":"#, r#""tlogs":[],"tlogs":"#, 1), "stands twice");
        check(&good.replacen("MFkw", "AAAA", 1), "cannot be used");
        check(&" ".repeat(MAX_BYTES + 1), "larger");
        let missing = TrustRoot::load(&Settings { path: "no/such/file".into() }).unwrap_err().to_string();
        assert!(missing.contains("no/such/file"), "{missing}");
    }
}
