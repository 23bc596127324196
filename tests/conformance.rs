//! The bundle cases of sigstore-conformance, through the same engine that judges images.

#![allow(clippy::unwrap_used)] // a test ends where a file is missing

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use countersign::facts::sigstore::{Expected, File, PublicKey, detached};
use countersign::facts::trust_root::{Settings, TrustRoot};
use countersign::model::Digest;

/// How many cases the suite has, so that a lost folder does not pass.
const ACCEPT: usize = 21;
const REFUSE: usize = 49;

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/\
                        extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// The folder of other projects' test data: `COUNTERSIGN_SHARED`, else `../shared`. Without it nothing can be said, loudly.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COUNTERSIGN_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing: set COUNTERSIGN_SHARED", path.display());
    // Past the test harness, which keeps what passing tests print.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {} is missing; set COUNTERSIGN_SHARED to run it", path.display());
    None
}

fn text_or(path: PathBuf, default: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| default.into(), |text| text.trim().into())
}

/// Whether our engine accepts the case, and its words if not.
fn accepts(case: &Path, artifact: &[u8], by_digest: bool) -> Result<(), String> {
    let own_root = case.join("trusted_root.json");
    let root = match own_root.is_file() {
        true => TrustRoot::load(&Settings { path: own_root }),
        false => TrustRoot::public_good_snapshot(),
    };
    let root = root.map_err(|error| error.to_string())?;
    let file = if by_digest { File::Digest(Digest::of(artifact)) } else { File::Bytes(artifact) };
    let bundle = fs::read(case.join("bundle.sigstore.json")).unwrap();
    let (identity, issuer) = (text_or(case.join("identity"), IDENTITY), text_or(case.join("issuer"), ISSUER));
    let verified = match fs::read_to_string(case.join("key.pub")) {
        Ok(pem) => {
            let key = PublicKey::from_pem(&pem).map_err(|error| error.to_string())?;
            detached(&bundle, file, Expected::Key { key: &key, require_log: true }, Some(&root))
        }
        Err(_) => detached(&bundle, file, Expected::Identity { identity: &identity, issuer: &issuer }, Some(&root)),
    };
    verified.map(drop).map_err(|refused| refused.to_string())
}

#[test]
fn every_conformance_case_is_decided_as_it_should_be() {
    let Some(cases) = shared("sigstore-conformance/assets/bundle-verify") else { return };
    let common = fs::read(cases.join("a.txt")).unwrap();
    let (mut accepted, mut refused, mut wrong) = (0, 0, vec![]);
    for case in fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let must_fail = name.ends_with("_fail");
        let artifact = fs::read(case.join("artifact")).unwrap_or_else(|_| common.clone());
        for by_digest in [false, true] {
            match (accepts(&case, &artifact, by_digest), must_fail) {
                (Ok(()), false) => accepted += 1,
                (Err(why), true) => {
                    refused += 1;
                    println!("{name}: {why}");
                }
                (Ok(()), true) => wrong.push(format!("{name} (by digest: {by_digest}) was accepted")),
                (Err(why), false) => wrong.push(format!("{name} (by digest: {by_digest}) was refused: {why}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((accepted, refused), (2 * ACCEPT, 2 * REFUSE));
}

/// Accepted on the log's promise alone by the crate: a v0.3 bundle that calls itself v0.1 and dropped its proof.
#[test]
fn a_bundle_stripped_of_its_proof_is_refused_whatever_version_it_claims() {
    let Some(case) = shared("sigstore-conformance/assets/bundle-verify/happy-path-v0.3") else { return };
    let artifact = fs::read(case.join("../a.txt")).unwrap();
    let whole = fs::read_to_string(case.join("bundle.sigstore.json")).unwrap();
    let root = TrustRoot::public_good_snapshot().unwrap();
    let check = |bundle: &serde_json::Value| {
        let expected = Expected::Identity { identity: IDENTITY, issuer: ISSUER };
        detached(&serde_json::to_vec(bundle).unwrap(), File::Bytes(&artifact), expected, Some(&root)).map(drop).map_err(|e| e.to_string())
    };
    let mut bundle: serde_json::Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(check(&bundle), Ok(()));
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
    bundle["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof");
    let refused = check(&bundle).unwrap_err();
    assert!(refused.contains("no inclusion proof"), "{refused}");
    bundle.as_object_mut().unwrap().remove("mediaType");
    let refused = check(&bundle).unwrap_err();
    assert!(refused.contains("no mediaType"), "{refused}");
}
