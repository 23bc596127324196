//! `countersign bundle verify`.

use std::path::Path;

use countersign::model::{Digest, Timestamp};
use countersign::sandbox::authority::{Authority, Claims, Session};
use serde_json::{Value, json};

use super::run;

const IDENTITY: &str = "https://gitlab.sandbox.test/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
const ISSUER: &str = "https://gitlab.sandbox.test";

/// A folder with `file`, two bundles for it, keys and a trust root.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(Timestamp::now()).unwrap();
    let (ours, theirs) = (authority.key("release").unwrap(), authority.key("laptop").unwrap());
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "file", "digest": {"sha256": Digest::of(b"words").hex()}}],
        "predicateType": "https://slsa.dev/provenance/v1", "predicate": {},
    });
    let session = Session::at(&Claims::default(), Timestamp::from_second(Timestamp::now().as_second() - 60).unwrap());
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("file", b"words");
    write("other", b"other words");
    write("key.pub", ours.public_pem.as_bytes());
    write("other.pub", theirs.public_pem.as_bytes());
    write("root.json", &authority.trusted_root_json());
    write("key.sigstore.json", &authority.attest_with_key(&ours, &statement).unwrap());
    write("keyless.sigstore.json", &authority.attest_keyless(&statement, &session).unwrap());
    write("broken.sigstore.json", b"{}");
    folder
}

#[track_caller]
fn check(folder: &Path, flags: &str, code: i32, words: &[&str]) {
    let arguments: Vec<&str> = ["bundle", "verify"].into_iter().chain(flags.split_whitespace()).collect();
    let (ended, out, err) = run(folder, &arguments);
    let all = out + &err;
    assert_eq!(ended, code, "{flags}\n{all}");
    for word in words {
        assert!(all.contains(word), "{flags}: no {word:?} in\n{all}");
    }
}

#[test]
fn a_bundle_verifies_for_its_file_and_signer_only() {
    let folder = folder();
    let check = |flags: &str, code, words: &[&str]| check(folder.path(), flags, code, words);
    let digest = Digest::of(b"words");
    let by_key = "--bundle key.sigstore.json --key key.pub";
    check(
        &format!("{by_key} --artifact file"),
        0,
        &["passed: file sha256:", "key.pub", "Next: Use the file with this digest.", "public-good"],
    );
    check(&format!("{by_key} --digest {digest}"), 0, &["passed: "]);
    check(&format!("{by_key} --artifact other"), 1, &["[CS-SIG-INVALID]", "does not speak of"]);
    check(&format!("{by_key} --digest {}", Digest::of(b"x")), 1, &["[CS-SIG-INVALID]"]);
    check("--bundle key.sigstore.json --key other.pub --artifact file", 1, &["[CS-SIG-INVALID]", "did not make"]);
    check("--bundle keyless.sigstore.json --key key.pub --artifact file", 1, &["[CS-SIG-OTHER]", "a certificate, not a key"]);
    check("--bundle key.sigstore.json --key key.pub,not-after=2020-01-01 --artifact file", 1, &["[CS-KEY-RETIRED]"]);

    let keyless = |identity: &str, root: &str| {
        format!("--bundle keyless.sigstore.json --artifact file --identity {identity} --issuer {ISSUER} {root}")
    };
    check(&keyless(IDENTITY, "--trusted-root root.json"), 0, &["passed: ", "Trust root: root.json", "log entry"]);
    check(&keyless("https://gitlab.sandbox.test/shop/api", "--trusted-root root.json"), 1, &["[CS-SIG-OTHER]"]);
    check(&keyless(IDENTITY, ""), 1, &["that we do not trust", "public-good instance"]);
}

#[test]
fn an_unreadable_bundle_could_not_be_checked_and_wrong_arguments_are_told() {
    let folder = folder();
    let check = |flags: &str, code, words: &[&str]| check(folder.path(), flags, code, words);
    check("--bundle broken.sigstore.json --key key.pub --artifact file", 3, &["could not check: ", "no mediaType"]);
    for (flags, word) in [
        ("--bundle missing --key key.pub --artifact file", "cannot read missing"),
        ("--bundle key.sigstore.json --key missing.pub --artifact file", "cannot read missing.pub"),
        ("--bundle key.sigstore.json --key key.pub --artifact missing", "cannot read missing"),
        ("--bundle key.sigstore.json --key key.pub", "--artifact"),
        ("--bundle key.sigstore.json --artifact file", "--key"),
        ("--bundle key.sigstore.json --artifact file --identity x", "--issuer"),
        ("--bundle key.sigstore.json --artifact file --key key.pub --identity x --issuer y", "cannot be used with"),
        ("--bundle key.sigstore.json --artifact file --digest sha256:12 --key key.pub", "--digest"),
        ("--bundle key.sigstore.json --artifact file --key key.pub --trusted-root file", "trusted_root.json"),
    ] {
        check(flags, 2, &[word]);
    }
}

#[test]
fn json_tells_the_same() {
    let folder = folder();
    let flags = "bundle verify --bundle key.sigstore.json --key key.pub --artifact file --format json";
    let (code, out, _) = run(folder.path(), &flags.split_whitespace().collect::<Vec<_>>());
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["outcome"], &told["file"], &told["image"]), (0, &json!("passed"), &json!("file"), &json!(null)));
    assert_eq!((&told["digest"], &told["found"][0]["signer"]["key"]), (&json!(Digest::of(b"words")), &json!("key.pub")));
}
