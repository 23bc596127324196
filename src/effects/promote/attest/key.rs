//! The bot's own signing key, as `cosign generate-key-pair` makes it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use serde::Deserialize;
use serde_json::Value;
use sigstore_crypto::{KeyPair, VerificationKey};
use sigstore_types::{DerPublicKey, DsseEnvelope, DsseSignature, KeyId, PayloadBytes, pae};

use crate::model::{Digest, Secret};

/// What an envelope around a statement says it holds.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The labels of cosign's encrypted keys, new and old.
const ENCRYPTED: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// The longest PEM that is read; cosign's has 700 bytes.
const MAX_PEM: usize = 16 << 10;
/// The most that unlocking a key may cost: four times what cosign asks for (N 65536, r 8, p 1: 64 MiB).
const MAX_COST: u64 = 4 * 65_536 * 8;

/// Where the key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningSettings {
    /// `cosign.key`, or an unencrypted PKCS#8 PEM. ECDSA on P-256.
    pub private_key_pem: Secret,
    /// What `cosign.key` is encrypted with.
    pub password: Option<Secret>,
}

/// Why that is no key. Repeats nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSigningKey {
    #[error("a signing key is one PEM block, as `cosign generate-key-pair` writes to cosign.key")]
    Pem,
    #[error("a signing key is an `ENCRYPTED SIGSTORE PRIVATE KEY` or an unencrypted PKCS#8 `PRIVATE KEY`")]
    Label,
    #[error("the signing key is encrypted, and no password is configured")]
    NoPassword,
    #[error("the signing key is not encrypted in cosign's way (scrypt and nacl/secretbox)")]
    Encryption,
    #[error("the password does not open the signing key")]
    WrongPassword,
    #[error("the signing key is not ECDSA on P-256, which is what `cosign generate-key-pair` makes")]
    NotP256,
    #[error("signing failed")]
    Failed,
}

/// The key, ready to sign.
#[derive(Debug)]
pub struct SigningKey {
    pair: KeyPair,
    public: DerPublicKey,
}

impl SigningKey {
    /// Reads and unlocks a key. Takes a noticeable moment and some memory for an encrypted one: that is what scrypt is for.
    pub fn read(settings: &SigningSettings) -> Result<Self, BadSigningKey> {
        let text = settings.private_key_pem.expose();
        if text.len() > MAX_PEM || text.matches("-----BEGIN").count() != 1 {
            return Err(BadSigningKey::Pem);
        }
        let block = pem::parse(text).map_err(|_| BadSigningKey::Pem)?;
        let pkcs8 = match block.tag() {
            "PRIVATE KEY" => block.contents().to_vec(),
            tag if ENCRYPTED.contains(&tag) => {
                let password = settings.password.as_ref().ok_or(BadSigningKey::NoPassword)?;
                unlock(block.contents(), password)?
            }
            _ => return Err(BadSigningKey::Label),
        };
        let pair = KeyPair::from_pkcs8_der(&pkcs8).map_err(|_| BadSigningKey::NotP256)?;
        let public = pair.public_key_der().map_err(|_| BadSigningKey::NotP256)?;
        Ok(Self { pair, public })
    }

    /// What `cosign.pub` holds.
    pub fn public_pem(&self) -> String {
        self.public.to_pem()
    }

    /// The SHA-256 of the DER public key, which people compare.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.public.as_bytes())
    }

    /// What cosign writes into a bundle to name a key.
    pub(super) fn hint(&self) -> String {
        BASE64_STANDARD.encode(self.fingerprint().bytes())
    }

    /// Signs a statement.
    pub(super) fn sign(&self, statement: &Value) -> Result<DsseEnvelope, BadSigningKey> {
        let payload = statement.to_string().into_bytes();
        let signature = self.pair.sign(&pae(IN_TOTO, &payload)).map_err(|_| BadSigningKey::Failed)?;
        let signature = DsseSignature::new(signature, KeyId::new(String::new()));
        Ok(DsseEnvelope::new(IN_TOTO, PayloadBytes::new(payload), signature))
    }

    /// Whether this very key signed this.
    pub(super) fn made(&self, envelope: &DsseEnvelope) -> bool {
        let key = VerificationKey::from_spki(&self.public);
        envelope.payload_type == IN_TOTO && key.is_ok_and(|key| key.verify(envelope.pae(), &envelope.signature.sig).is_ok())
    }
}

/// Cosign's envelope around a key
/// ([go-securesystemslib/encrypted](https://github.com/secure-systems-lab/go-securesystemslib/blob/main/encrypted/encrypted.go)).
#[derive(Deserialize)]
struct Locked {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Cost,
    salt: String,
}

#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn unlock(bytes: &[u8], password: &Secret) -> Result<Vec<u8>, BadSigningKey> {
    let odd = || BadSigningKey::Encryption;
    let locked: Locked = serde_json::from_slice(bytes).map_err(|_| odd())?;
    let Cost { n, r, p } = locked.kdf.params;
    let cost = n.checked_mul(r.into()).and_then(|cost| cost.checked_mul(p.into())).ok_or_else(odd)?;
    if locked.kdf.name != "scrypt" || locked.cipher.name != "nacl/secretbox" || !n.is_power_of_two() || cost > MAX_COST {
        return Err(odd());
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| odd())?;
    let params = scrypt::Params::new(log_n, r, p, 32).map_err(|_| odd())?;
    let decoded = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| odd());
    let mut key = [0; 32];
    scrypt::scrypt(password.expose().as_bytes(), &decoded(&locked.kdf.salt)?, &params, &mut key).map_err(|_| odd())?;
    let nonce: [u8; 24] = decoded(&locked.cipher.nonce)?.try_into().map_err(|_| odd())?;
    let cipher = XSalsa20Poly1305::new(&key.into());
    cipher.decrypt(&nonce.into(), decoded(&locked.ciphertext)?.as_slice()).map_err(|_| BadSigningKey::WrongPassword)
}
