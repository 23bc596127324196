//! `countersign inspect` on the sandbox's registry.

use std::path::Path;
use std::process::Stdio;

use countersign::model::{Digest, PinnedImage, Timestamp};
use countersign::sandbox::authority::{Authority, Claims, SandboxKey, Session, attestation_statement, legacy_payload, sign_statement};
use countersign::sandbox::registry::{Account, Auth, Fault, Options, Referrers, RegistryDouble};
use serde_json::{Value, json};

use super::{countersign, run_beside};

const NAME: &str = "shop/api";
const SLSA1: &str = "https://slsa.dev/provenance/v1";
const IDENTITY: &str = "https://gitlab.sandbox.test/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
const ISSUER: &str = "https://gitlab.sandbox.test";

struct World {
    registry: RegistryDouble,
    authority: Authority,
    ours: SandboxKey,
    folder: tempfile::TempDir,
    digest: Digest,
    then: Timestamp,
}

impl World {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let registry = RegistryDouble::start("127.0.0.1:0", options).await.unwrap();
        let authority = Authority::new(Timestamp::now()).unwrap();
        let ours = authority.key("release").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cosign.pub"), &ours.public_pem).unwrap();
        std::fs::write(folder.path().join("other.pub"), authority.key("laptop").unwrap().public_pem).unwrap();
        std::fs::write(folder.path().join("root.json"), authority.trusted_root_json()).unwrap();
        let digest = registry.push_image(NAME, "v1", "an image");
        let then = Timestamp::from_second(Timestamp::now().as_second() - 60).unwrap();
        Self { registry, authority, ours, folder, digest, then }
    }

    fn image(&self) -> PinnedImage {
        PinnedImage { repository: format!("{}/{NAME}", self.registry.host()).parse().unwrap(), digest: self.digest }
    }

    fn by_digest(&self) -> String {
        self.image().to_string()
    }

    fn by_tag(&self) -> String {
        format!("{}/{NAME}:v1", self.registry.host())
    }

    fn sign_legacy(&self, key: &SandboxKey) {
        let signed = self.authority.sign_legacy(key, &self.image()).unwrap();
        self.registry.add_signature(NAME, self.digest, &signed.payload, signed.annotations());
    }

    fn sign_annotated(&self, pairs: &Value) {
        let mut payload: Value = serde_json::from_slice(&legacy_payload(&self.image())).unwrap();
        payload["optional"] = pairs.clone();
        let signed = self.authority.sign_payload(&self.ours, payload.to_string().into_bytes()).unwrap();
        self.registry.add_signature(NAME, self.digest, &signed.payload, signed.annotations());
    }

    fn sign_bundle(&self, key: &SandboxKey) {
        let bundle = self.authority.sign_bundle_with_key(key, &self.image()).unwrap();
        self.registry.attach_bundle(NAME, self.digest, &bundle);
    }

    fn sign_keyless(&self) {
        let bundle = self.authority.sign_bundle_keyless(&self.image(), &Claims::default(), self.then).unwrap();
        self.registry.attach_bundle(NAME, self.digest, &bundle);
    }

    fn attest_legacy(&self, kind: &str) {
        let statement = attestation_statement(&self.image(), kind, &json!({}));
        let made = self.authority.attest_legacy(&self.ours, &statement).unwrap();
        self.registry.add_attestation(NAME, self.digest, &made.envelope, made.annotations());
    }

    fn attest_bundle(&self, kind: &str, predicate: &Value) {
        let statement = attestation_statement(&self.image(), kind, predicate);
        let bundle = self.authority.attest_with_key(&self.ours, &statement).unwrap();
        self.registry.attach_bundle(NAME, self.digest, &bundle);
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn run(&self, image: &str, flags: &str) -> (i32, String, String) {
        let arguments: Vec<&str> = ["inspect", image].into_iter().chain(flags.split_whitespace()).collect();
        run_beside(self.folder(), &arguments).await
    }

    /// By digest: exit code, and words that must stand in the output.
    #[track_caller]
    fn check(&self, flags: &'static str, code: i32, words: &'static [&'static str]) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let (ended, out, err) = self.run(&self.by_digest(), flags).await;
            let all = out + &err;
            assert_eq!(ended, code, "{caller}: {flags}\n{all}");
            for word in words {
                assert!(all.contains(word), "{caller}: {flags}: no {word:?} in\n{all}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_every_form_verifies_and_another_key_does_not() {
    for sign in [World::sign_legacy, World::sign_bundle] {
        let world = World::new().await;
        sign(&world, &world.ours);
        world
            .check(
                "--key cosign.pub",
                0,
                &["passed: ", "signature by 'key cosign.pub' verified at", "under policy sha256:", "Next: Deploy it by its digest."],
            )
            .await;
        world.check("--key other.pub --key cosign.pub", 0, &["passed: "]).await;
        world.check("--key other.pub", 1, &["blocked: ", "[CS-SIG-OTHER]", "not by 'key other.pub'"]).await;
        world.check("--key cosign.pub --require-log --trusted-root root.json", 1, &["[CS-SIG-INVALID]", "a log entry is demanded"]).await;
        let (code, out, _) = world.run(&world.by_tag(), "--key cosign.pub").await;
        assert!(code == 0 && out.contains(&world.by_digest()), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyless_signature_verifies_by_whole_identity_only() {
    let world = World::new().await;
    world.sign_keyless();
    let flags = |identity: &str, issuer: &str| format!("--identity {identity} --issuer {issuer} --trusted-root root.json");
    for (identity, issuer, code) in [
        (IDENTITY, ISSUER, 0),
        (&IDENTITY[..IDENTITY.len() - 1], ISSUER, 1),
        (IDENTITY, "https://gitlab.sandbox.test/", 1),
        ("https://gitlab.sandbox.test/*", ISSUER, 1),
    ] {
        let (ended, out, err) = world.run(&world.by_digest(), &flags(identity, issuer)).await;
        assert_eq!(ended, code, "{out}{err}");
        assert!(out.contains(&format!("by {IDENTITY} by {ISSUER}")) && out.contains("log entry"), "{out}");
    }
    // Under the public-good root this is somebody's certificate.
    let (code, out, _) = world.run(&world.by_digest(), &format!("--identity {IDENTITY} --issuer {ISSUER}")).await;
    assert!(code == 1 && out.contains("certificate authority that we do not trust") && out.contains("public-good instance"), "{out}");
    let legacy = world.authority.sign_legacy_keyless(&world.image(), &Session::at(&Claims::default(), world.then)).unwrap();
    let other = World::new().await;
    std::fs::write(other.folder().join("root.json"), world.authority.trusted_root_json()).unwrap();
    other.registry.add_signature(NAME, other.digest, &legacy.payload, legacy.annotations());
    let (code, out, _) = other.run(&other.by_digest(), &flags(IDENTITY, ISSUER)).await;
    assert!(code == 0, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_there_is_unsigned_and_no_image_is_no_image() {
    let world = World::new().await;
    world.check("--key cosign.pub", 1, &["blocked: No signature exists for", "[CS-SIG-MISSING]", "Next: "]).await;
    world.check("", 1, &["[CS-SIG-MISSING]"]).await;
    let missing = format!("{}/{NAME}@{}", world.registry.host(), Digest::of(b"nowhere"));
    for image in [missing, format!("{}/{NAME}:v9", world.registry.host())] {
        let (code, out, _) = world.run(&image, "--key cosign.pub").await;
        assert!(code == 1 && out.contains("holds no image") && out.contains("[CS-TAG-MISSING]"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_key_or_identity_is_no_verification() {
    let world = World::new().await;
    world.sign_legacy(&world.ours);
    world.sign_keyless();
    world.attest_legacy(SLSA1);
    let words = &["could not check: Nothing was verified", "--key FILE", "legacy-tag", "referrers", SLSA1, "log entry"];
    world.check("--trusted-root root.json", 3, words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_cannot_be_read_could_not_check() {
    let unauthorized = Auth::Basic(vec![Account { name: "robot".into(), password: "s3cret".into(), push: true }]);
    let world = World::with(Options { auth: unauthorized, ..Options::default() }).await;
    world.sign_legacy(&world.ours);
    world
        .check("--key cosign.pub", 3, &["could not check: ", "[CS-REG-AUTH]", "'docker login'", "This says nothing about the image."])
        .await;
    world.registry.change(|options| options.auth = Auth::Open);
    for pattern in ["GET /v2/*/manifests/*.sig", "GET /v2/*/blobs/*", "GET /v2/*/referrers/*"] {
        world.registry.fault(pattern, Fault::Status(500));
        world.check("--key cosign.pub", 3, &["[CS-UNAVAILABLE]", "This says nothing about the image."]).await;
        world.registry.heal();
    }
    let host = world.registry.host();
    let image = world.by_digest();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(world.folder().join("cosign.pub"), folder.path().join("cosign.pub")).unwrap();
    drop(world);
    let (code, out, _) = run_beside(folder.path(), &["inspect", &image, "--key", "cosign.pub"]).await;
    assert!(code == 3 && out.contains(&format!("no connection to {host}")), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_docker_is_used_and_stays_at_home() {
    let accounts = vec![Account { name: "robot".into(), password: "s3cret".into(), push: false }];
    let world = World::with(Options { auth: Auth::Basic(accounts.clone()), ..Options::default() }).await;
    world.sign_legacy(&world.ours);
    std::fs::create_dir(world.folder().join(".docker")).unwrap();
    let login = |host: &str| json!({"auths": {host: {"auth": "cm9ib3Q6czNjcmV0"}}}).to_string();
    let file = world.folder().join(".docker/config.json");
    std::fs::write(&file, login(&world.registry.host())).unwrap();
    world.check("--key cosign.pub", 0, &["passed: "]).await;
    std::fs::write(&file, login("registry.example.com")).unwrap();
    world.check("--key cosign.pub", 3, &["[CS-REG-AUTH]"]).await;
    // A registry that names another token server gets no login there.
    std::fs::write(&file, login(&world.registry.host())).unwrap();
    let realm = Some("https://tokens.evil.example/".to_owned());
    let auth = Auth::Token { accounts, realm, lifetime: std::time::Duration::from_secs(60), anonymous_pull: false };
    world.registry.change(|options| options.auth = auth);
    world.check("--key cosign.pub", 3, &["nothing was sent there", "--token-host"]).await;
    std::fs::write(&file, "{\"auths\": \"s3cret").unwrap();
    let (code, out, err) = world.run(&world.by_digest(), "--key cosign.pub").await;
    assert!(code == 2 && out.is_empty() && err.contains("config.json") && !err.contains("s3cret"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_is_found_by_its_type_in_both_layouts_and_is_no_signature() {
    for attest in [|world: &World, kind: &str| world.attest_legacy(kind), |world: &World, kind: &str| world.attest_bundle(kind, &json!({}))]
    {
        let world = World::new().await;
        attest(&world, SLSA1);
        world.check("--key cosign.pub", 1, &["[CS-SIG-MISSING]", SLSA1]).await;
        for require in ["provenance", "slsaprovenance1", SLSA1] {
            let flags = format!("--key cosign.pub --require {require}");
            let (code, out, _) = world.run(&world.by_digest(), &flags).await;
            assert!(code == 0 && out.starts_with("passed: "), "{out}");
        }
        world
            .check("--key cosign.pub --require slsaprovenance", 1, &["[CS-PROV-MISSING]", "carries no https://slsa.dev/provenance/v0.2"])
            .await;
        world.check("--key other.pub --require provenance", 1, &["[CS-SIG-OTHER]"]).await;
        world.check("--key cosign.pub --require provenance --require signature", 1, &["[CS-SIG-MISSING]"]).await;
        world.sign_legacy(&world.ours);
        world.check("--key cosign.pub --require provenance --require signature", 0, &["provenance, signature by"]).await;
    }
    let world = World::new().await;
    world.attest_bundle("https://slsa.dev/verification_summary/v1", &json!({"verificationResult": "FAILED"}));
    world.check("--key cosign.pub --require vsa", 1, &["says of itself FAILED"]).await;
}

/// An SBOM of 3 MiB, in both layouts.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_sbom_verifies_and_hides_no_missing_signature() {
    let world = World::new().await;
    let predicate = json!({"packages": "an honest package of an honest distribution ".repeat(3 << 20 >> 5)});
    let statement = attestation_statement(&world.image(), "https://spdx.dev/Document", &predicate);
    let made = world.authority.attest_legacy(&world.ours, &statement).unwrap();
    assert!(made.envelope.len() > 3 << 20);
    world.registry.add_attestation(NAME, world.digest, &made.envelope, made.annotations());
    world.check("--key cosign.pub --require spdx", 0, &["passed: "]).await;
    world.check("--key cosign.pub", 1, &["[CS-SIG-MISSING]"]).await;
    world.attest_bundle("https://spdx.dev/Document", &predicate);
    world.check("--key cosign.pub", 1, &["[CS-SIG-MISSING]"]).await;
    world.check("--key other.pub --require spdx", 1, &["[CS-SIG-OTHER]"]).await;
}

/// What lies under `.att` and cannot be read is no signature, but may be any attestation.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_attestation_hides_no_missing_signature_and_is_no_missing_attestation() {
    let world = World::new().await;
    for envelope in [b"no envelope".to_vec(), vec![b' '; (8 << 20) + 1]] {
        world.registry.add_attestation(NAME, world.digest, &envelope, json!({}));
        world.check("--key cosign.pub", 1, &["[CS-SIG-MISSING]"]).await;
        world.check("--key cosign.pub --require spdx", 3, &["[CS-UNAVAILABLE]", "unreadable    attestation;"]).await;
        world.check("--key cosign.pub --require provenance", 3, &["[CS-UNAVAILABLE]"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_and_repository_stand_on_one_signature() {
    let world = World::new().await;
    world.sign_annotated(&json!({"env": "prod", "ref": "main"}));
    world.sign_annotated(&json!({"env": "staging", "ref": "v1"}));
    world.check("--key cosign.pub --annotation env=prod --annotation ref=main", 0, &["signature with env=prod, ref=main"]).await;
    world.check("--key cosign.pub --annotation env=prod --annotation ref=v1", 1, &["[CS-SIG-OTHER]", "says ref is main, not v1"]).await;
    world.check("--key cosign.pub --annotation team=a", 1, &["does not say team"]).await;
    world.check("--key cosign.pub --annotation env=prod --annotation env=x", 2, &["two values"]).await;
    world.check("--key cosign.pub --require spdx --annotation env=prod", 2, &["are about signatures"]).await;
    let named = format!("--key cosign.pub --repository {}/{NAME}", world.registry.host());
    assert_eq!(world.run(&world.by_digest(), &named).await.0, 0);
    let (code, out, _) = world.run(&world.by_digest(), "--key cosign.pub --repository registry.example.com/other/app").await;
    assert!(code == 1 && out.contains("[CS-PROJECT]"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_in_its_window_by_proven_time() {
    let world = World::new().await;
    world.sign_legacy(&world.ours);
    world.check("--key cosign.pub,not-after=2099-01-01", 0, &[]).await;
    world.check("--key cosign.pub,not-after=2020-01-01", 1, &["[CS-KEY-RETIRED]"]).await;
    world.check("--key cosign.pub,not-before=2020-01-01", 1, &["[CS-KEY-RETIRED]", "nothing proves"]).await;
    let logged = world.authority.sign_legacy_logged(&world.ours, &world.image(), world.then).unwrap();
    world.registry.add_signature(NAME, world.digest, &logged.payload, logged.annotations());
    world.check("--key cosign.pub,not-before=2020-01-01 --trusted-root root.json", 0, &["log entry"]).await;
    // Nothing proves a time to those who do not know the log.
    world.check("--key cosign.pub,not-before=2020-01-01", 1, &["nothing proves"]).await;
    world.check("--key cosign.pub --require-log --trusted-root root.json", 0, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_for_other_bytes_or_unreadable_is_told_apart() {
    let world = World::new().await;
    let other = PinnedImage { digest: Digest::of(b"other"), ..world.image() };
    let signed = world.authority.sign_legacy(&world.ours, &other).unwrap();
    world.registry.add_signature(NAME, world.digest, &signed.payload, signed.annotations());
    world.check("--key cosign.pub", 1, &["[CS-SIG-ON-TAG]", "not verified"]).await;
    let world = World::new().await;
    world.registry.add_signature(NAME, world.digest, b"{}", json!({"dev.cosignproject.cosign/signature": "AAAA"}));
    world.check("--key cosign.pub", 3, &["cannot be read here", "unreadable"]).await;
    world.sign_bundle(&world.ours);
    world.check("--key cosign.pub", 0, &["passed: ", "unreadable"]).await;
    let world = World::new().await;
    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [], "predicateType": "x", "predicate": {}});
    world.registry.attach_bundle(NAME, world.digest, &world.authority.attest_with_key(&world.ours, &statement).unwrap());
    world.check("--key cosign.pub", 3, &["0 subjects"]).await;
    world.registry.attach_bundle(NAME, world.digest, &world.authority.attest_with_key(&world.ours, &sign_statement(&other)).unwrap());
    // What cannot be read might be the one, whatever lies beside it.
    world.check("--key cosign.pub", 3, &["0 subjects", "not verified"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_end_with_two_and_nothing_on_stdout() {
    let world = World::new().await;
    world.sign_legacy(&world.ours);
    for flags in [
        "--key missing.pub",
        "--key root.json",
        "--key cosign.pub --key cosign.pub",
        "--key cosign.pub,until=2026-01-01",
        "--identity x",
        "--issuer x",
        "--identity= --issuer=x",
        "--require thing",
        "--annotation x",
        "--trusted-root cosign.pub",
        "--format xml",
    ] {
        let (code, out, err) = world.run(&world.by_digest(), flags).await;
        assert!(code == 2 && out.is_empty() && !err.is_empty(), "{flags}: {code} {out}{err}");
    }
    for image in ["shop/api:v1", "registry.example.com/shop/api", "registry.example.com/shop/api:v1@sha256:12"] {
        assert_eq!(world.run(image, "--key cosign.pub").await.0, 2, "{image}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_holds_the_same_and_broken_output_is_no_success() {
    let world = World::new().await;
    world.sign_keyless();
    world.sign_legacy(&world.ours);
    let (code, out, _) = world.run(&world.by_tag(), "--key cosign.pub --trusted-root root.json --format json").await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["outcome"], &told["code"], &told["tag"]), (0, &json!("passed"), &json!(null), &json!("v1")));
    assert_eq!((&told["image"], &told["digest"]), (&json!(world.by_digest()), &json!(world.digest)));
    for key in ["headline", "next_step", "as_of", "policy", "trust_root", "required", "found", "foreign", "file"] {
        assert!(told.get(key).is_some(), "{key}");
    }
    let found = told["found"].as_array().unwrap();
    let of = |kind: &str| found.iter().find(|piece| piece["signer"]["kind"] == kind).unwrap();
    assert_eq!((&of("key")["accepted"], &of("key")["layout"]), (&json!(true), &json!("legacy-tag")));
    assert_eq!((&of("keyless")["accepted"], &of("keyless")["verified"]), (&json!(false), &json!(true)));
    assert_eq!(of("keyless")["signer"]["identity"], IDENTITY);

    let (folder, image) = (world.folder().to_owned(), world.by_digest());
    let ended = tokio::task::spawn_blocking(move || {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let on_full =
            countersign(&folder, &["inspect", &image, "--key", "cosign.pub"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let on_closed =
            countersign(&folder, &["inspect", &image, "--key", "cosign.pub"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        [on_full, on_closed]
    });
    for output in ended.await.unwrap() {
        assert_eq!(output.status.code(), Some(3));
    }
}

/// A request more is a slower gate; one less would mean that a place was not looked at.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_the_places_need() {
    for (referrers, sign, by_digest) in [
        // Referrers API, fallback tag, `.sig`, `.att`, and the payload.
        (Referrers::Off, World::sign_legacy as fn(&World, &SandboxKey), 5),
        // The same four, the bundle's manifest and the bundle.
        (Referrers::Off, World::sign_bundle, 6),
        (Referrers::Api { page: 100 }, World::sign_bundle, 6),
    ] {
        let world = World::with(Options { referrers, ..Options::default() }).await;
        sign(&world, &world.ours);
        for (image, requests) in [(world.by_digest(), by_digest), (world.by_tag(), by_digest + 1)] {
            world.registry.forget_requests();
            assert_eq!(world.run(&image, "--key cosign.pub").await.0, 0);
            let seen: Vec<_> = world.registry.requests();
            assert_eq!(seen.len(), requests, "{seen:#?}");
        }
    }
}
