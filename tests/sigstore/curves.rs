//! Keys of larger curves, beside a log and a timestamp authority: sigstore-verify does not take them whole.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::facts::sigstore::{Expected, File, PublicKey, Refused, Verified, detached};
use countersign::sandbox::authority::LogKind;
use sigstore_types::{DerPublicKey, pae};
use x509_cert::der::Encode as _;
use x509_cert::der::asn1::{AnyRef, BitStringRef, ObjectIdentifier};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::*;

const P384: &str = "1.3.132.0.34";
const P521: &str = "1.3.132.0.35";
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// Made by openssl: cosign 2 signs envelopes with SHA-256 whatever the curve, and no library here signs so with P-384.
const P384_SHA256_KEY: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE3E5+Wm0HVMXnVzykHxIBWbSoFy6IPujV
6fEbc4hPQCDr+nDLr04qlzZ1J9NmZ5IqcdYxOi308WTFegpz/pTOXBIjAwscPuZF
/JSqdz6sv4+/9xNPZsEnX2PgZIT50Qp/
-----END PUBLIC KEY-----
";
const P384_SHA256_ENVELOPE: &str = concat!(
    r#"{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjAuMSIsInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3Nsc2EuZGV2L3Byb3Zlb"#,
    r#"mFuY2UvdjEiLCJzdWJqZWN0IjpbeyJuYW1lIjoicmVnaXN0cnkudGVzdC9zaG9wL2FwaSIsImRpZ2VzdCI6eyJzaGEyNTYiOiI2MTA1ZDZjYzc2YWY0MDAzMjVlOTR"#,
    r#"kNTg4Y2U1MTFiZTViZmRiYjczYjQzN2RjNTFlY2E0MzkxN2Q3YTQzZTNkIn19XSwicHJlZGljYXRlIjp7ImJ1aWxkRGVmaW5pdGlvbiI6e319fQ==","payloadType"#,
    r#"":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":"MGQCMExU44lSXo0zASS3poT73/mJ0zhD2v+NLs/eTh5aOzqq2S1+347bEYjBp"#,
    r#"yEv03i6DQIwCA2Shec6LL9GxKfIh+DKZuJZ1p152lEYdDtWvmIMWmlvw/qqSwuKqFSCUd8oE/PO"}]}"#
);

/// A key pair of a larger curve.
struct Large {
    pair: EcdsaKeyPair,
    pem: String,
}

impl Large {
    fn new(curve: &str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let curve = ObjectIdentifier::new_unwrap(curve);
        let oid = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        let spki = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid, parameters: Some(AnyRef::from(&curve)) },
            subject_public_key: BitStringRef::from_bytes(pair.public_key().as_ref()).unwrap(),
        };
        let pem = DerPublicKey::new(spki.to_der().unwrap()).to_pem();
        Self { pair, pem }
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref())
    }

    fn envelope(&self, statement: &Value) -> Vec<u8> {
        let payload = statement.to_string().into_bytes();
        let sig = self.sign(&pae(IN_TOTO, &payload));
        let envelope = json!({"payload": STANDARD.encode(&payload), "payloadType": IN_TOTO, "signatures": [{"keyid": "", "sig": sig}]});
        envelope.to_string().into_bytes()
    }
}

impl World {
    fn trust_in(&self, pem: &str, require_log: bool) -> Trust {
        let signer = TrustedSigner::new(name("release-key"), SignerKind::Key { pem: pem.into() });
        Trust::new(&[signer], Some(self.root()), require_log).unwrap()
    }

    /// `cosign sign --key` of cosign 2, with an entry in the log.
    fn signed_by(&self, key: &Large, change: impl FnOnce(&mut Value)) -> LegacySignature {
        let payload = legacy_payload(&self.image);
        let signature_b64 = key.sign(&payload);
        let mut body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": Digest::of(&payload).hex()}},
            "signature": {"content": signature_b64, "publicKey": {"content": STANDARD.encode(&key.pem)}},
        }});
        change(&mut body);
        let entry = self.authority.log_annotation(&body, self.then).unwrap();
        let unproven = (None, None);
        let (certificate_pem, chain_pem) = unproven;
        LegacySignature { payload, signature_b64, certificate_pem, chain_pem, rekor_bundle_json: Some(entry), rfc3161_json: None }
    }

    fn logged_as(&self, envelope: &[u8], pem: &str, kind: LogKind) -> LegacyAttestation {
        let mut made = LegacyAttestation {
            envelope: envelope.to_vec(),
            predicate_type: SLSA.into(),
            certificate_pem: None,
            chain_pem: None,
            rekor_bundle_json: None,
        };
        self.authority.log_as(&mut made, kind, pem, self.then).unwrap();
        made
    }
}

#[track_caller]
fn is_logged(judged: &Judged, at: Timestamp) {
    assert_eq!(judged.state, by_our_key());
    assert_eq!((judged.logged.logged, judged.logged.unread), (true, false));
    assert_eq!(judged.logged.proven().times, Some((at, at)));
    assert!(judged.logged.log_index.is_some());
}

#[test]
fn a_logged_signature_of_p521_verifies_and_its_entry_must_be_its_own() {
    let world = World::new();
    let key = Large::new(P521, &ECDSA_P521_SHA256_ASN1_SIGNING);
    let (any, demanded) = (world.trust_in(&key.pem, false), world.trust_in(&key.pem, true));
    let good = world.signed_by(&key, |_| ());
    for trust in [&any, &demanded] {
        is_logged(&world.legacy(&good, trust), world.then);
    }
    let another = key.sign(&good.payload);
    type Wrong<'a> = (&'a dyn Fn(&mut Value), &'a str);
    let wrong: [Wrong<'_>; 3] = [
        (&|b| b["spec"]["data"]["hash"]["value"] = Digest::of(b"x").hex().into(), "other bytes"),
        (&|b| b["spec"]["signature"]["content"] = another.clone().into(), "another signature"),
        (&|b| b["spec"]["signature"]["publicKey"]["content"] = STANDARD.encode(&world.ours.public_pem).into(), "another key"),
    ];
    for (change, word) in wrong {
        is_invalid(&world.legacy(&world.signed_by(&key, change), &any), "release-key", word);
    }
    // The promise is the log's, over this time.
    let mut bundle: Value = serde_json::from_str(good.rekor_bundle_json.as_ref().unwrap()).unwrap();
    bundle["Payload"]["integratedTime"] = (world.then.as_second() - 1).into();
    let backdated = LegacySignature { rekor_bundle_json: Some(bundle.to_string()), ..good };
    is_invalid(&world.legacy(&backdated, &any), "release-key", "promise");
    // A log that nobody knows proves nothing, and takes nothing.
    let elsewhere = World { image: world.image.clone(), ..World::new() };
    let judged = world.legacy(&elsewhere.signed_by(&key, |_| ()), &any);
    assert_eq!((judged.state, judged.logged.logged), (by_our_key(), false));
}

#[test]
fn a_timestamp_of_a_larger_curve_proves_its_time() {
    let world = World::new();
    let key = Large::new(P521, &ECDSA_P521_SHA256_ASN1_SIGNING);
    let trust = world.trust_in(&key.pem, false);
    let mut signed = LegacySignature { rekor_bundle_json: None, ..world.signed_by(&key, |_| ()) };
    world.authority.stamp_legacy(&mut signed, ago(1800)).unwrap();
    let judged = world.legacy(&signed, &trust);
    assert_eq!((judged.logged.logged, judged.logged.proven().times), (false, Some((ago(1800), ago(1800)))));
    assert_eq!(judged.state, by_our_key());
    let mut other = world.signed_by(&key, |_| ());
    other.rfc3161_json = signed.rfc3161_json;
    is_invalid(&world.legacy(&other, &trust), "release-key", "hash mismatch");
}

#[test]
fn logged_attestations_of_larger_curves_verify_in_every_kind_of_entry() {
    let world = World::new();
    let of = |curve, algorithm| {
        let key = Large::new(curve, algorithm);
        (key.envelope(&world.provenance(&world.image)), key.pem)
    };
    for (envelope, pem) in [
        of(P384, &ECDSA_P384_SHA384_ASN1_SIGNING),
        of(P521, &ECDSA_P521_SHA256_ASN1_SIGNING),
        of(P521, &ECDSA_P521_SHA512_ASN1_SIGNING),
        (P384_SHA256_ENVELOPE.as_bytes().to_vec(), P384_SHA256_KEY.to_owned()),
    ] {
        let trust = world.trust_in(&pem, true);
        for kind in LogKind::ALL {
            is_logged(&world.attestation(&world.logged_as(&envelope, &pem, kind), &trust), world.then);
            // An entry that the log promises, of another key or of another signature over the same statement.
            let of_other_key = world.logged_as(&envelope, &world.ours.public_pem, kind);
            assert!(matches!(world.attestation(&of_other_key, &trust).state, SignatureState::Invalid { .. }), "{kind:?}");
            let again = Large::new(P521, &ECDSA_P521_SHA512_ASN1_SIGNING);
            let entry = world.logged_as(&again.envelope(&world.provenance(&world.image)), &pem, kind).rekor_bundle_json;
            let swapped = LegacyAttestation { rekor_bundle_json: entry, ..of_other_key };
            assert!(matches!(world.attestation(&swapped, &trust).state, SignatureState::Invalid { .. }), "{kind:?}");
        }
    }
}

#[test]
fn a_logged_bundle_of_a_larger_curve_needs_its_inclusion_proof() {
    let world = World::new();
    let key = Large::new(P521, &ECDSA_P521_SHA512_ASN1_SIGNING);
    let (any, demanded) = (world.trust_in(&key.pem, false), world.trust_in(&key.pem, true));
    // Not the only leaf of the tree, so that there is a path to check.
    world.signed_by(&key, |_| ());
    let good = world.authority.bundle_of(&key.envelope(&sign_statement(&world.image)), &key.pem, Some(world.then)).unwrap();
    is_logged(&bundle(&good, &world.image, &demanded), world.then);
    let entry = "/verificationMaterial/tlogEntries/0";
    let proof = |path: &str| format!("{entry}/inclusionProof{path}");
    let changed_at = |path: String, value: Value| changed(&good, |b| *b.pointer_mut(&path).unwrap() = value);
    for (bytes, word) in [
        (changed(&good, |b| drop(b.pointer_mut(entry).unwrap().as_object_mut().unwrap().remove("inclusionProof"))), "no inclusion proof"),
        (changed_at(proof("/hashes/0"), STANDARD.encode([7; 32]).into()), "inclusion proof"),
        (changed_at(proof("/treeSize"), "3".into()), "inclusion proof"),
        (changed_at(proof("/logIndex"), "0".into()), "inclusion proof"),
        (changed_at(proof("/rootHash"), STANDARD.encode([7; 32]).into()), "inclusion proof"),
        (changed_at(format!("{entry}/integratedTime"), (world.then.as_second() - 1).to_string().into()), "promise"),
    ] {
        is_invalid(&bundle(&bytes, &world.image, &any), "release-key", word);
    }
    // A checkpoint of another log over the same tree.
    let stranger = World { image: world.image.clone(), ..World::new() };
    stranger.signed_by(&key, |_| ());
    let theirs = stranger.authority.bundle_of(&key.envelope(&sign_statement(&world.image)), &key.pem, Some(world.then)).unwrap();
    let theirs: Value = serde_json::from_slice(&theirs).unwrap();
    let checkpoint = theirs.pointer(&proof("/checkpoint")).unwrap().clone();
    is_invalid(&bundle(&changed_at(proof("/checkpoint"), checkpoint), &world.image, &any), "release-key", "checkpoint");
}

/// Nobody has written down what a Rekor v2 log records of such keys: that is no word against the signature, and not "in no log".
#[test]
fn an_entry_that_cannot_be_checked_for_a_curve_is_said_to_be_so() {
    let world = World::new();
    let key = Large::new(P521, &ECDSA_P521_SHA512_ASN1_SIGNING);
    let bytes = world.authority.bundle_of(&key.envelope(&sign_statement(&world.image)), &key.pem, None).unwrap();
    let judged = bundle(&bytes, &world.image, &world.trust_in(&key.pem, false));
    assert_eq!((judged.logged.proven().unread, judged.logged.logged), (true, false));
    assert_eq!(judged.state, by_our_key());
    is_unreadable(&bundle(&bytes, &world.image, &world.trust_in(&key.pem, true)), "cannot be checked for a key of this curve");
    let (public, root) = (PublicKey::from_pem(&key.pem).unwrap(), world.root());
    let verify = |require_log| {
        let expected = Expected::Key { key: &public, require_log };
        detached(&bytes, File::Digest(world.image.digest), expected, Some(&root))
    };
    assert!(matches!(verify(false), Ok(Verified::Key(logged)) if logged.unread));
    assert!(matches!(verify(true), Err(Refused::Unreadable(reason)) if reason.contains("this curve")));
}
