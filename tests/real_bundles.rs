//! Signed data that other projects keep for their tests, GitLab's own pipeline among it: every file through our engine, and each held
//! to what its project says of it. A file without a row fails.

#![allow(clippy::unwrap_used)] // a test ends where a file is missing

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::facts::sigstore::{Content, Dsse, Expected, File, PublicKey, Trust, Verified, detached, dsse};
use countersign::facts::trust_root::{Settings, TrustRoot};
use countersign::model::signer::{SignatureState, SignedBy, SignerKind, SignerName, TrustedSigner};
use countersign::model::{Digest, PinnedImage};
use serde_json::{Value, json};

/// What a file is, and what must become of it.
enum Is {
    /// Read with another file: an artifact, a key, an origin.
    Part,
    /// A trust root, which loads.
    Root,
    /// A bundle for one file.
    Bundle(Case),
    /// The same in PyPI's form ([PEP 740](https://peps.python.org/pep-0740/)), converted first.
    Pep740(Case),
    /// The second bundle of npm's answer, by the publisher's pipeline; the first is by npm's own key, which is not here.
    Npm(Case),
}

struct Case {
    artifact: Artifact,
    root: Root,
    by: By,
    said: Said,
}

#[derive(Clone, Copy)]
enum Artifact {
    File(&'static str),
    /// It is not here; the bundle speaks of it by this digest.
    Sha256(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    Production,
    Staging,
    /// Staging with the authority of `sigstore-python/tsa` as the only one for timestamps.
    StagingTsa,
    Scaffolding,
    KeyValidity,
}

#[derive(Clone, Copy)]
enum By {
    Identity(&'static str, &'static str),
    Key { file: &'static str, require_log: bool },
}

/// Accepted, or refused with these words.
type Said = Result<(), &'static str>;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const LOGIN: &str = "https://github.com/login/oauth";
const YOSSARIAN: By = By::Identity("william@yossarian.net", LOGIN);
const STAMPED: By = By::Identity("alexis.challande@trailofbits.com", "https://accounts.google.com");
const VISOR: By =
    By::Identity("https://github.com/ramonpetgrave64/gundam-visor/.github/workflows/npm-publish.yml@refs/tags/v1.0.1", GITHUB);
const GITLAB_SAN: &str = "https://gitlab.com/facutuesca/gitlab-oidc-project//.gitlab-ci.yml@refs/heads/main";
const BEACON: By = By::Identity(
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/\
     extremely-dangerous-oidc-beacon.yml@refs/heads/main",
    GITHUB,
);

fn bundle(artifact: &'static str, root: Root, by: By, said: Said) -> Is {
    Is::Bundle(Case { artifact: Artifact::File(artifact), root, by, said })
}

fn by_digest(digest: &'static str, root: Root, by: By, said: Said) -> Is {
    Is::Bundle(Case { artifact: Artifact::Sha256(digest), root, by, said })
}

fn npm(artifact: &'static str, said: Said) -> Is {
    Is::Npm(Case { artifact: Artifact::File(artifact), root: Root::Production, by: VISOR, said })
}

fn gitlab() -> Case {
    let by = By::Identity(GITLAB_SAN, "https://gitlab.com");
    Case { artifact: Artifact::File("gitlab/gitlab_oidc_project-0.0.3.tar.gz"), root: Root::Production, by, said: Ok(()) }
}

/// Nothing: its digest stands for artifacts that are not here and that the bundle names by SHA-512 alone.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Every file but those of the OCI layouts, which [`LAYOUTS`] holds.
fn rows() -> BTreeMap<&'static str, Is> {
    use Root::{KeyValidity, Production, Scaffolding, Staging, StagingTsa};
    let key_by = |require_log| By::Key { file: "sigstore-go/public-key-validity.pem", require_log };
    let rows = [
        ("ORIGINS.md", Is::Part),
        (
            "cosign/oci-attestation.sigstore.json",
            by_digest(
                "732112270d7e59418a8c080b134b24cabd67d250d0d0147a97ed95ba5c280aa4",
                Production,
                By::Identity("cody@soyland.com", LOGIN),
                Ok(()),
            ),
        ),
        // A certificate without anything that it signed.
        ("gitlab/gitlab-com-test-slsa-worker.cert.pem", Is::Part),
        ("gitlab/gitlab_oidc_project-0.0.3.tar.gz", Is::Part),
        ("gitlab/gitlab_oidc_project-0.0.3.sigstore.json", Is::Bundle(gitlab())),
        ("gitlab/gitlab_oidc_project-0.0.3.tar.gz.publish.attestation", Is::Pep740(gitlab())),
        ("pypi-attestations/rfc8785-0.1.2-py3-none-any.whl", Is::Part),
        (
            "pypi-attestations/rfc8785-0.1.2-py3-none-any.whl.sigstore",
            bundle("pypi-attestations/rfc8785-0.1.2-py3-none-any.whl", Staging, YOSSARIAN, Ok(())),
        ),
        ("pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz", Is::Part),
        (
            "pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz.sigstore",
            bundle(
                "pypi-attestations/pypi_attestation_models-0.0.4a2.tar.gz",
                Production,
                By::Identity(
                    "https://github.com/trailofbits/pypi-attestation-models/.github/workflows/release.yml@refs/tags/v0.0.4a2",
                    GITHUB,
                ),
                Ok(()),
            ),
        ),
        // Its artifact is named by SHA-512 alone and not here, and its log entry has a promise, but no proof.
        ("sigstore-go/dsse.sigstore.json", by_digest(NOTHING, Production, By::Identity("brian@dehamer.com", LOGIN), Err("speak of"))),
        (
            "sigstore-go/dsse-2sigs.sigstore.json",
            by_digest(NOTHING, Production, By::Identity("brian@dehamer.com", LOGIN), Err("exactly one signature")),
        ),
        // Named by SHA-512 alone, and not here.
        (
            "sigstore-go/sigstore.js@2.0.0-provenance.sigstore.json",
            by_digest(
                NOTHING,
                Production,
                By::Identity("https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main", GITHUB),
                Err("speak of"),
            ),
        ),
        // Its one name is neither an address nor a URI, and so nobody that could be expected.
        (
            "sigstore-go/othername.sigstore.json",
            by_digest(
                "bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b",
                Scaffolding,
                By::Identity("foo!oidc.local", "http://oidc.local:8080"),
                Err("without one clear name"),
            ),
        ),
        ("sigstore-go/public-key-validity.pem", Is::Part),
        (
            "sigstore-go/public-key-validity.sigstore.json",
            by_digest("6ae8a75555209fd6c44157c0aed8016e763ff435a19cf186f76863140143ff72", KeyValidity, key_by(false), Ok(())),
        ),
        ("sigstore-go/trusted-roots/public-good.json", Is::Root),
        ("sigstore-go/trusted-roots/public-key-validity.json", Is::Root),
        ("sigstore-go/trusted-roots/scaffolding.json", Is::Root),
        // Its statement is about `a.txt`; the text beside it is another.
        ("sigstore-python/a.dsse.staging-rekor-v2.txt", Is::Part),
        (
            "sigstore-python/a.dsse.staging-rekor-v2.txt.sigstore.json",
            by_digest("a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf", Staging, BEACON, Ok(())),
        ),
        ("sigstore-python/bundle.txt", Is::Part),
        ("sigstore-python/bundle.txt.sigstore", bundle("sigstore-python/bundle.txt", Staging, By::Identity("a@tny.town", LOGIN), Ok(()))),
        ("sigstore-python/bundle_cve_2022_36056.txt", Is::Part),
        (
            "sigstore-python/bundle_cve_2022_36056.txt.sigstore",
            bundle("sigstore-python/bundle_cve_2022_36056.txt", Staging, YOSSARIAN, Err("does not match certificate in Rekor entry")),
        ),
        ("sigstore-python/bundle_no_cert_v1.txt", Is::Part),
        (
            "sigstore-python/bundle_no_cert_v1.txt.sigstore",
            bundle("sigstore-python/bundle_no_cert_v1.txt", Staging, YOSSARIAN, Err("no certificate")),
        ),
        ("sigstore-python/bundle_no_checkpoint.txt", Is::Part),
        (
            "sigstore-python/bundle_no_checkpoint.txt.sigstore",
            bundle("sigstore-python/bundle_no_checkpoint.txt", Staging, YOSSARIAN, Err("no checkpoint")),
        ),
        ("sigstore-python/bundle_no_log_entry.txt", Is::Part),
        (
            "sigstore-python/bundle_no_log_entry.txt.sigstore",
            bundle("sigstore-python/bundle_no_log_entry.txt", Staging, YOSSARIAN, Err("must have an inclusion promise")),
        ),
        ("sigstore-python/bundle_v3.txt", Is::Part),
        ("sigstore-python/bundle_v3.txt.sigstore", bundle("sigstore-python/bundle_v3.txt", Staging, YOSSARIAN, Ok(()))),
        ("sigstore-python/bundle_v3_alt.txt", Is::Part),
        ("sigstore-python/bundle_v3_alt.txt.sigstore", bundle("sigstore-python/bundle_v3_alt.txt", Staging, YOSSARIAN, Ok(()))),
        ("sigstore-python/bundle_v3_github.whl", Is::Part),
        (
            "sigstore-python/bundle_v3_github.whl.sigstore",
            bundle(
                "sigstore-python/bundle_v3_github.whl",
                Production,
                By::Identity("https://github.com/trailofbits/rfc8785.py/.github/workflows/release.yml@refs/tags/v0.1.2", GITHUB),
                Ok(()),
            ),
        ),
        ("sigstore-python/bundle_v3_no_signed_time.txt", Is::Part),
        (
            "sigstore-python/bundle_v3_no_signed_time.txt.sigstore.json",
            bundle("sigstore-python/bundle_v3_no_signed_time.txt", Production, YOSSARIAN, Err("no verified timestamp")),
        ),
        ("sigstore-python/staging-rekor-v2.txt", Is::Part),
        (
            "sigstore-python/staging-rekor-v2.txt.sigstore.json",
            bundle("sigstore-python/staging-rekor-v2.txt", Staging, By::Identity("jku@goto.fi", LOGIN), Ok(())),
        ),
        ("sigstore-python/tsa/ca.json", Is::Part),
        ("sigstore-python/tsa/bundle.txt", Is::Part),
        // One of its two timestamps is good. Sigstore-python takes that for enough; here every proof that is shown must hold.
        ("sigstore-python/tsa/bundle.txt.sigstore", bundle("sigstore-python/tsa/bundle.txt", StagingTsa, STAMPED, Err("RFC 3161"))),
        ("sigstore-python/tsa/bundle.duplicate.sigstore", bundle("sigstore-python/tsa/bundle.txt", StagingTsa, STAMPED, Err("RFC 3161"))),
        (
            "sigstore-python/tsa/bundle.many_timestamp.sigstore",
            bundle("sigstore-python/tsa/bundle.txt", StagingTsa, STAMPED, Err("33 timestamps")),
        ),
        (
            "sigstore-python/tsa/bundle.txt.late_timestamp.sigstore",
            bundle("sigstore-python/tsa/bundle.txt", Staging, STAMPED, Err("CertExpired")),
        ),
        // A log entry with a promise and no proof: sigstore takes it in a bundle v0.1. The tag layouts have nothing else, a bundle could.
        (
            "slsa-verifier/binary-linux-amd64-workflow_dispatch.intoto.sigstore",
            by_digest(
                NOTHING,
                Production,
                By::Identity(
                    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/\
                     builder_container-based_slsa3.yml@refs/tags/v1.7.0",
                    GITHUB,
                ),
                Err("no inclusion proof"),
            ),
        ),
        ("slsa-verifier/gundam-visor-cli-v1-tag.tgz", Is::Part),
        ("slsa-verifier/gundam-visor-cli-v1-tag.tgz.json", npm("slsa-verifier/gundam-visor-cli-v1-tag.tgz", Ok(()))),
        ("slsa-verifier/gundam-visor-cli-v1-tag-invalidsigprov.tgz", Is::Part),
        (
            "slsa-verifier/gundam-visor-cli-v1-tag-invalidsigprov.tgz.json",
            npm("slsa-verifier/gundam-visor-cli-v1-tag-invalidsigprov.tgz", Err("signature")),
        ),
    ];
    let count = rows.len();
    let rows = BTreeMap::from(rows);
    assert_eq!(rows.len(), count, "a file has two rows");
    rows
}

/// Images with an attestation of cosign 2 in the tag layout, as `cosign save` writes them: the folder, and the kind of its log entry.
const LAYOUTS: [(&str, &str); 4] = [
    ("slsa-verifier/gha_generic_container-v1.4.0", "intoto 0.0.1"),
    ("slsa-verifier/gha_generic_container-v1.9.0", "intoto 0.0.1"),
    ("slsa-verifier/gha_generic_container-v1.10.0", "dsse 0.0.1"),
    ("slsa-verifier/gha_generic_container-v2.1.0", "dsse 0.0.1"),
];
const GENERATOR: &str =
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/";

/// The folders of other projects' data: `COUNTERSIGN_SHARED`, else `../shared`. Without them nothing can be said, loudly.
fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("COUNTERSIGN_SHARED").map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let missing = ["real-bundles", "sigstore-trust-roots"].map(|folder| root.join(folder)).into_iter().find(|folder| !folder.is_dir());
    let Some(missing) = missing else { return Some(root) };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing: set COUNTERSIGN_SHARED", missing.display());
    // Past the test harness, which keeps what passing tests print.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {} is missing; set COUNTERSIGN_SHARED to run it", missing.display());
    None
}

/// The data, and the roots that it is held against.
struct World {
    real: PathBuf,
    roots: BTreeMap<Root, TrustRoot>,
}

impl World {
    fn open(shared: &Path) -> Self {
        let real = shared.join("real-bundles");
        let load = |path: PathBuf| TrustRoot::load(&Settings { path }).unwrap();
        let staging = shared.join("sigstore-trust-roots/staging.json");
        let mut stamped: Value = serde_json::from_slice(&fs::read(&staging).unwrap()).unwrap();
        let authority: Value = serde_json::from_slice(&fs::read(real.join("sigstore-python/tsa/ca.json")).unwrap()).unwrap();
        stamped["timestampAuthorities"] = json!([authority]);
        let roots = BTreeMap::from([
            (Root::Production, load(shared.join("sigstore-trust-roots/production.json"))),
            (Root::Staging, load(staging)),
            (Root::StagingTsa, TrustRoot::parse(stamped.to_string().as_bytes()).unwrap()),
            (Root::Scaffolding, load(real.join("sigstore-go/trusted-roots/scaffolding.json"))),
            (Root::KeyValidity, load(real.join("sigstore-go/trusted-roots/public-key-validity.json"))),
        ]);
        Self { real, roots }
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.real.join(file)).unwrap()).unwrap()
    }

    fn verified(&self, bundle: &[u8], case: &Case) -> Result<Verified, String> {
        let bytes;
        let file = match case.artifact {
            Artifact::File(name) => {
                bytes = fs::read(self.real.join(name)).unwrap();
                File::Bytes(&bytes)
            }
            Artifact::Sha256(hex) => File::Digest(format!("sha256:{hex}").parse().unwrap()),
        };
        let key;
        let expected = match case.by {
            By::Identity(identity, issuer) => Expected::Identity { identity, issuer },
            By::Key { file, require_log } => {
                key = PublicKey::from_pem(&fs::read_to_string(self.real.join(file)).unwrap()).unwrap();
                Expected::Key { key: &key, require_log }
            }
        };
        detached(bundle, file, expected, Some(&self.roots[&case.root])).map_err(|refused| refused.to_string())
    }

    /// What is wrong with the outcome, if anything is.
    fn wrong(&self, bundle: &[u8], case: &Case) -> Option<String> {
        match (self.verified(bundle, case), case.said) {
            (Ok(_), Ok(())) => None,
            (Err(why), Err(words)) if why.contains(words) => None,
            (Ok(_), Err(words)) => Some(format!("was accepted, and should be refused: {words}")),
            (Err(why), Ok(())) => Some(format!("was refused: {why}")),
            (Err(why), Err(words)) => Some(format!("was refused, but not for {words:?}: {why}")),
        }
    }

    fn check(&self, file: &str, is: &Is) -> Option<String> {
        let bytes = fs::read(self.real.join(file)).unwrap();
        match is {
            Is::Part => None,
            Is::Root => TrustRoot::parse(&bytes).err().map(|error| error.to_string()),
            Is::Bundle(case) => self.wrong(&bytes, case),
            Is::Pep740(case) => self.wrong(pep740(&self.json(file)).to_string().as_bytes(), case),
            Is::Npm(case) => {
                let bundle = self.json(file)["attestations"][1]["bundle"].to_string();
                self.wrong(bundle.as_bytes(), case)
            }
        }
    }
}

/// PyPI's form as a bundle: the same values under other names.
fn pep740(attestation: &Value) -> Value {
    let material = &attestation["verification_material"];
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]}, "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": attestation["envelope"]["statement"], "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": attestation["envelope"]["signature"]}],
        },
    })
}

/// Every file below, by its path from here.
fn walk(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(open) = folders.pop() {
        for path in fs::read_dir(open).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn every_real_file_is_decided_as_its_project_says() {
    let Some(shared) = shared() else { return };
    let world = World::open(&shared);
    let (rows, files) = (rows(), walk(&world.real));
    let of_a_layout = |file: &&String| LAYOUTS.iter().any(|(folder, _)| file.starts_with(&format!("{folder}/")));
    let mut wrong: Vec<_> = rows.keys().filter(|row| !files.contains(**row)).map(|row| format!("{row} is not there")).collect();
    for file in files.iter().filter(|file| !of_a_layout(file)) {
        match rows.get(file.as_str()) {
            Some(is) => wrong.extend(world.check(file, is).map(|what| format!("{file} {what}"))),
            None => wrong.push(format!("{file} has no row")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without a log entry a key is enough only where none is demanded.
#[test]
fn a_keys_bundle_with_a_timestamp_alone_passes_unless_a_log_is_demanded() {
    let Some(shared) = shared() else { return };
    let world = World::open(&shared);
    let Is::Bundle(case) = &rows()["sigstore-go/public-key-validity.sigstore.json"] else { panic!("it is a bundle") };
    let bundle = fs::read(world.real.join("sigstore-go/public-key-validity.sigstore.json")).unwrap();
    match world.verified(&bundle, case).unwrap() {
        Verified::Key(logged) => assert!(!logged.logged && logged.signed_at.is_some(), "{logged:?}"),
        Verified::Identity(_) => panic!("verified by an identity"),
    }
    let By::Key { file, .. } = case.by else { panic!("it is by a key") };
    let demanded = Case { by: By::Key { file, require_log: true }, artifact: case.artifact, root: case.root, said: Ok(()) };
    assert!(world.verified(&bundle, &demanded).unwrap_err().contains("demanded"));
}

/// GitLab's own pipeline: every claim that a verdict weighs is there, and nothing but the whole identity is enough.
#[test]
fn a_bundle_of_gitlab_com_tells_its_pipeline_and_passes_for_nobody_else() {
    let Some(shared) = shared() else { return };
    let world = World::open(&shared);
    let bundle = fs::read(world.real.join("gitlab/gitlab_oidc_project-0.0.3.sigstore.json")).unwrap();
    match world.verified(&bundle, &gitlab()).unwrap() {
        Verified::Identity(identity) => {
            assert_eq!(identity.san_uri.as_deref(), Some(GITLAB_SAN));
            assert_eq!(identity.source_repository_ref.as_deref(), Some("refs/heads/main"));
            assert!(identity.source_repository_identifier.is_some() && identity.run_invocation_uri.is_some());
            assert!(identity.signed_at.is_some());
        }
        Verified::Key(_) => panic!("verified by a key"),
    }
    let shorter = &GITLAB_SAN[..GITLAB_SAN.len() - 1];
    for (identity, issuer, words) in
        [(GITLAB_SAN, "https://gitlab.com/", "signed by"), (shorter, "https://gitlab.com", "signed by"), ("", "", "must not be empty")]
    {
        let refused = world.verified(&bundle, &Case { by: By::Identity(identity, issuer), ..gitlab() }).unwrap_err();
        assert!(refused.contains(words), "{identity} by {issuer}: {refused}");
    }
    let other = Case { artifact: Artifact::File("gitlab/gitlab-com-test-slsa-worker.cert.pem"), ..gitlab() };
    assert!(world.verified(&bundle, &other).unwrap_err().contains("does not speak of"));
}

/// An OCI layout, in which every file must be one that something names.
struct Layout {
    folder: PathBuf,
    unread: BTreeSet<String>,
}

impl Layout {
    fn open(folder: PathBuf) -> Self {
        let unread = walk(&folder);
        Self { folder, unread }
    }

    fn read(&mut self, file: &str) -> Vec<u8> {
        assert!(self.unread.remove(file), "{file} is read twice, or missing");
        fs::read(self.folder.join(file)).unwrap()
    }

    /// A blob, if it is named and here: an index has no configuration, and the image's own layers were left out.
    fn blob(&mut self, descriptor: &Value) -> Option<Vec<u8>> {
        let digest = descriptor["digest"].as_str()?;
        let file = digest.replacen("sha256:", "blobs/sha256/", 1);
        if !self.unread.contains(&file) {
            return None;
        }
        let bytes = self.read(&file);
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        Some(bytes)
    }

    /// Reads what a manifest names, and gives the layers that are here with their annotations.
    fn layers(&mut self, manifest: &Value) -> Vec<(Vec<u8>, Value)> {
        self.blob(&manifest["config"]);
        for child in manifest["manifests"].as_array().into_iter().flatten() {
            if let Some(child) = self.blob(child) {
                self.layers(&serde_json::from_slice(&child).unwrap());
            }
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        layers.filter_map(|layer| Some((self.blob(layer)?, layer["annotations"].clone()))).collect()
    }
}

fn text<'a>(annotations: &'a Value, key: &str) -> Option<&'a str> {
    annotations[key].as_str()
}

fn entry_kind(annotations: &Value) -> String {
    let bundle: Value = serde_json::from_str(text(annotations, "dev.sigstore.cosign/bundle").unwrap()).unwrap();
    let body: Value = serde_json::from_slice(&STANDARD.decode(bundle["Payload"]["body"].as_str().unwrap()).unwrap()).unwrap();
    format!("{} {}", body["kind"].as_str().unwrap(), body["apiVersion"].as_str().unwrap())
}

#[test]
fn every_real_attestation_of_the_tag_layout_verifies_and_no_byte_of_it_may_change() {
    let Some(shared) = shared() else { return };
    let world = World::open(&shared);
    let pipeline = SignerKind::GitlabOidc { issuer: GITHUB.into() };
    let signers = [TrustedSigner::new(SignerName("pipeline".into()), pipeline)];
    let trust = Trust::new(&signers, Some(world.roots[&Root::Production].clone()), false).unwrap();
    for (folder, kind) in LAYOUTS {
        let mut layout = Layout::open(world.real.join(folder));
        layout.read("oci-layout");
        let index: Value = serde_json::from_slice(&layout.read("index.json")).unwrap();
        let (mut image, mut attestations) = (None, vec![]);
        for entry in index["manifests"].as_array().unwrap() {
            let manifest: Value = serde_json::from_slice(&layout.blob(entry).unwrap()).unwrap();
            let layers = layout.layers(&manifest);
            match entry["annotations"]["kind"].as_str().unwrap() {
                "dev.cosignproject.cosign/atts" => attestations.extend(layers),
                _ => image = Some(entry["digest"].as_str().unwrap().parse::<Digest>().unwrap()),
            }
        }
        assert!(layout.unread.is_empty(), "{folder}: nothing names {:?}", layout.unread);
        let image = PinnedImage { repository: "registry.test/shop/api".parse().unwrap(), digest: image.unwrap() };
        assert_eq!(attestations.len(), 1, "{folder}");
        let (envelope, annotations) = &attestations[0];
        assert_eq!(entry_kind(annotations), kind, "{folder}");

        let judge = |envelope: &[u8], log: &str| {
            let input = Dsse {
                envelope,
                certificate_pem: text(annotations, "dev.sigstore.cosign/certificate"),
                chain_pem: text(annotations, "dev.sigstore.cosign/chain"),
                rekor_bundle_json: Some(log),
                rfc3161_json: None,
            };
            dsse(&input, &image, &trust)
        };
        let log = text(annotations, "dev.sigstore.cosign/bundle").unwrap();
        let judged = judge(envelope, log);
        match &judged.state {
            SignatureState::Verified(SignedBy::Keyless(identity)) => {
                assert!(identity.san_uri.as_ref().unwrap().starts_with(GENERATOR), "{folder}: {identity:?}");
                assert_eq!(identity.issuer.as_deref(), Some(GITHUB));
                assert!(identity.signed_at.is_some() && judged.logged.logged);
            }
            other => panic!("{folder}: {other:?}"),
        }
        assert!(
            matches!(&judged.content, Content::Attestation { predicate_type, .. } if predicate_type == "https://slsa.dev/provenance/v0.2")
        );

        // Another one's log entry, and one byte of the envelope's signature, or of the log's time.
        for (other, _) in LAYOUTS.iter().filter(|(other, _)| *other != folder) {
            let theirs = log_of(&world, other);
            assert!(matches!(judge(envelope, &theirs).state, SignatureState::Invalid { .. }), "{folder} with the log entry of {other}");
        }
        let mut altered: Value = serde_json::from_slice(envelope).unwrap();
        let signature = altered["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let flipped = if &signature[20..21] == "A" { "B" } else { "A" };
        altered["signatures"][0]["sig"] = format!("{}{flipped}{}", &signature[..20], &signature[21..]).into();
        assert!(matches!(judge(altered.to_string().as_bytes(), log).state, SignatureState::Invalid { .. }), "{folder}");
        let mut later: Value = serde_json::from_str(log).unwrap();
        later["Payload"]["integratedTime"] = (later["Payload"]["integratedTime"].as_i64().unwrap() + 1).into();
        assert!(matches!(judge(envelope, &later.to_string()).state, SignatureState::Invalid { .. }), "{folder}");
    }
}

fn log_of(world: &World, folder: &str) -> String {
    let index = world.json(&format!("{folder}/index.json"));
    let entries = index["manifests"].as_array().unwrap();
    let attestations = entries.iter().find(|entry| entry["annotations"]["kind"] == "dev.cosignproject.cosign/atts").unwrap();
    let digest = attestations["digest"].as_str().unwrap().replacen("sha256:", "blobs/sha256/", 1);
    let manifest = world.json(&format!("{folder}/{digest}"));
    manifest["layers"][0]["annotations"]["dev.sigstore.cosign/bundle"].as_str().unwrap().to_owned()
}
