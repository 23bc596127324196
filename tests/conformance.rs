//! The bundle cases of sigstore-conformance, through the same engine that judges images.

#![allow(clippy::unwrap_used)] // a test ends where a file is missing

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use countersign::facts::sigstore::{Expected, File, PublicKey, Refused, Verified, detached};
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

/// Bundles that other projects keep as test data, GitLab's own pipeline among them.
#[test]
fn real_bundles_are_decided_as_their_projects_say() {
    let (Some(real), Some(roots)) = (shared("real-bundles"), shared("sigstore-trust-roots")) else { return };
    let root = |name: &str| TrustRoot::load(&Settings { path: roots.join(name) }).unwrap();
    let (production, staging) = (root("production.json"), root("staging.json"));
    let gitlab = ("https://gitlab.com/facutuesca/gitlab-oidc-project//.gitlab-ci.yml@refs/heads/main", "https://gitlab.com");
    let python = ("william@yossarian.net", "https://github.com/login/oauth");
    let check = |artifact: &str, bundle: &str, (identity, issuer): (&str, &str), root: &TrustRoot| {
        let artifact = fs::read(real.join(artifact)).unwrap();
        let bundle = fs::read(real.join(bundle)).unwrap();
        detached(&bundle, File::Bytes(&artifact), Expected::Identity { identity, issuer }, Some(root))
    };
    let gitlab_artifact = "gitlab/gitlab_oidc_project-0.0.3.tar.gz";
    let gitlab_bundle = "gitlab/gitlab_oidc_project-0.0.3.sigstore.json";
    match check(gitlab_artifact, gitlab_bundle, gitlab, &production).unwrap() {
        Verified::Identity(identity) => {
            assert_eq!(identity.san_uri.as_deref(), Some(gitlab.0));
            assert_eq!(identity.source_repository_ref.as_deref(), Some("refs/heads/main"));
            assert!(identity.source_repository_identifier.is_some() && identity.run_invocation_uri.is_some());
            assert!(identity.signed_at.is_some());
        }
        Verified::Key(_) => panic!("verified by a key"),
    }
    for wrong in [(gitlab.0, "https://gitlab.com/"), (&gitlab.0[..gitlab.0.len() - 1], gitlab.1)] {
        assert!(matches!(check(gitlab_artifact, gitlab_bundle, wrong, &production), Err(Refused::Other(_))), "{wrong:?}");
    }
    assert!(matches!(check(gitlab_artifact, gitlab_bundle, ("", ""), &production), Err(Refused::NobodyExpected)));
    assert!(check("gitlab/gitlab-com-test-slsa-worker.cert.pem", gitlab_bundle, gitlab, &production).is_err());
    let wheel = "pypi-attestations/rfc8785-0.1.2-py3-none-any.whl";
    check(wheel, &format!("{wheel}.sigstore"), python, &staging).unwrap();
    for refused in ["bundle_cve_2022_36056", "bundle_no_checkpoint", "bundle_no_log_entry", "bundle_no_cert_v1"] {
        let artifact = format!("sigstore-python/{refused}.txt");
        assert!(check(&artifact, &format!("{artifact}.sigstore"), python, &staging).is_err(), "{refused}");
    }
}
