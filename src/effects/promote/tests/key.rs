//! The signing key.
#![cfg(test)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use serde_json::{Value, json};

use super::*;

fn read(pem: &str, password: Option<&str>) -> Result<SigningKey, BadSigningKey> {
    SigningKey::read(&SigningSettings { private_key_pem: Secret::new(pem).unwrap(), password: password.and_then(Secret::new) })
}

/// A key locked as cosign locks it, at the lowest cost. `change` spoils the envelope.
fn locked(pkcs8: &[u8], change: impl FnOnce(&mut Value)) -> String {
    let mut key = [0; 32];
    scrypt::scrypt(b"hunter2", b"salt", &scrypt::Params::new(4, 8, 1, 32).unwrap(), &mut key).unwrap();
    let ciphertext = XSalsa20Poly1305::new(&key.into()).encrypt(&[7; 24].into(), pkcs8).unwrap();
    let mut envelope = json!({
        "kdf": {"name": "scrypt", "params": {"N": 16, "r": 8, "p": 1}, "salt": BASE64_STANDARD.encode("salt")},
        "cipher": {"name": "nacl/secretbox", "nonce": BASE64_STANDARD.encode([7; 24])},
        "ciphertext": BASE64_STANDARD.encode(ciphertext),
    });
    change(&mut envelope);
    pem::encode(&pem::Pem::new("ENCRYPTED SIGSTORE PRIVATE KEY", envelope.to_string()))
}

#[test]
fn key_opens_with_its_password_only() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let plain = read(&pair.serialize_pem(), None).unwrap();
    let pem = locked(&pair.serialize_der(), |_| {});
    assert_eq!(read(&pem, Some("hunter2")).unwrap().public_pem(), plain.public_pem());
    assert_eq!(read(&pem.replace("SIGSTORE", "COSIGN"), Some("hunter2\n")).unwrap().fingerprint(), plain.fingerprint());
    assert_eq!(read(&pem, Some("hunter3")).err(), Some(BadSigningKey::WrongPassword));
    assert_eq!(read(&pem, None).err(), Some(BadSigningKey::NoPassword));
    assert!(!format!("{plain:?}").contains(&BASE64_STANDARD.encode(&pair.serialize_der()[..24])));
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let bad = |change: fn(&mut Value)| locked(&pair.serialize_der(), change);
    for (pem, expected) in [
        ("not a key".into(), BadSigningKey::Pem),
        (pair.serialize_pem().repeat(2), BadSigningKey::Pem),
        (pair.public_key_pem(), BadSigningKey::Label),
        (p384.serialize_pem(), BadSigningKey::NotP256),
        (locked(b"garbage", |_| {}), BadSigningKey::NotP256),
        (bad(|key| key["kdf"]["name"] = json!("argon2")), BadSigningKey::Encryption),
        (bad(|key| key["cipher"]["name"] = json!("aes")), BadSigningKey::Encryption),
        (bad(|key| key["kdf"]["params"]["N"] = json!(17)), BadSigningKey::Encryption),
        (bad(|key| key["kdf"]["params"]["N"] = json!(0)), BadSigningKey::Encryption),
        (bad(|key| key["kdf"]["params"]["N"] = json!(1_u64 << 40)), BadSigningKey::Encryption),
        (bad(|key| key["kdf"]["params"]["r"] = json!(u32::MAX)), BadSigningKey::Encryption),
        (bad(|key| key["cipher"]["nonce"] = json!("AAAA")), BadSigningKey::Encryption),
        (bad(|key| key["ciphertext"] = json!("AAAA")), BadSigningKey::WrongPassword),
    ] {
        assert_eq!(read(&pem, Some("hunter2")).err(), Some(expected), "{pem}");
    }
}
