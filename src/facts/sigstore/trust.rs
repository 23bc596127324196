//! Whom we trust, prepared once.

use sigstore_types::SignatureBytes;

use super::key::{BadKey, Message, PublicKey};
use crate::facts::trust_root::TrustRoot;
use crate::model::signer::{SignerKind, SignerName, TrustedSigner};

/// The keys and roots that signatures are held against.
#[derive(Debug, Clone)]
pub struct Trust {
    pub(super) keys: Vec<(SignerName, PublicKey)>,
    /// The OIDC issuers of keyless signers: only to say whom a broken certificate claims.
    pub(super) issuers: Vec<(SignerName, String)>,
    pub(super) root: Option<TrustRoot>,
    pub(super) require_log_for_keys: bool,
}

/// Why trusted signers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTrust {
    #[error("the key of signer {name} cannot be used: {error}")]
    Key { name: SignerName, error: BadKey },
    /// The verdict could not say which of the two signed.
    #[error("signers {0} and {1} have the same key")]
    SameKey(SignerName, SignerName),
    #[error("a log entry is demanded of key signatures, but no trust root is configured to check it")]
    NoRootForLog,
}

impl Trust {
    /// Reads the keys. `require_log_for_keys` demands a transparency log entry of key signatures too; without it a key alone is
    /// enough (`cosign sign --tlog-upload=false`).
    pub fn new(signers: &[TrustedSigner], root: Option<TrustRoot>, require_log_for_keys: bool) -> Result<Self, BadTrust> {
        if require_log_for_keys && root.is_none() {
            return Err(BadTrust::NoRootForLog);
        }
        let mut keys: Vec<(SignerName, PublicKey)> = vec![];
        let mut issuers = vec![];
        for signer in signers {
            match &signer.kind {
                SignerKind::Key { pem } => {
                    let key = PublicKey::from_pem(pem).map_err(|error| BadTrust::Key { name: signer.name.clone(), error })?;
                    if let Some((other, _)) = keys.iter().find(|(_, held)| *held == key) {
                        return Err(BadTrust::SameKey(other.clone(), signer.name.clone()));
                    }
                    keys.push((signer.name.clone(), key));
                }
                SignerKind::GitlabOidc { issuer } => issuers.push((signer.name.clone(), issuer.clone())),
            }
        }
        Ok(Self { keys, issuers, root, require_log_for_keys })
    }

    pub(super) fn who_signed(&self, message: &[u8], signature: &SignatureBytes) -> Option<&(SignerName, PublicKey)> {
        self.keys.iter().find(|(_, key)| key.verifies(Message::Bytes(message), signature))
    }

    pub(super) fn named_by(&self, hint: &str) -> Option<&(SignerName, PublicKey)> {
        self.keys.iter().find(|(_, key)| key.hint() == hint)
    }

    pub(super) fn signer_of_issuer(&self, issuer: Option<&str>) -> Option<SignerName> {
        self.issuers.iter().find(|(_, held)| Some(held.as_str()) == issuer).map(|(name, _)| name.clone())
    }
}
