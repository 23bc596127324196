//! The sandbox's authority against real cosign: what it signs, cosign believes, so the tests that use it alone mean something.

use countersign::model::{Digest, Timestamp};
use countersign::sandbox::authority::{
    Authority, Claims, GitlabJob, LegacySignature, SandboxKey, Session, Stored, Subject, bundle_manifest, legacy_manifest,
};

use super::cosign::{Desk, Version, told};
use super::registry::{Registry, signature_tag};
use super::stage::{Stage, TAG, Trusted, checks_out};

/// An image in a registry, an authority, and a desk with its public files.
struct Bench {
    registry: Registry,
    authority: Authority,
    key: SandboxKey,
    desk: Desk,
    digest: Digest,
    claims: Claims,
}

impl Bench {
    async fn new() -> Self {
        let registry = Registry::open().await;
        let authority = Authority::new(Timestamp::now()).unwrap();
        let key = authority.key("release").unwrap();
        let desk = Desk::new(&registry.docker_config());
        let digest = registry.push_image(&[TAG], "an image").await;
        desk.put("release.pub", &key.public_pem);
        let other = authority.key("other").unwrap();
        desk.put("other.pub", &other.public_pem);
        desk.put("trusted_root.json", authority.trusted_root_json());
        Self { registry, authority, key, desk, digest, claims: Claims::of(&GitlabJob::default()) }
    }

    async fn put_legacy(&self, signature: LegacySignature) {
        self.registry.push(&legacy_manifest(&[signature]), Some(&signature_tag(self.digest))).await;
    }

    async fn put_bundle(&self, bundle: &[u8]) {
        self.registry.attach(self.digest, &stored(bundle, &self.registry, self.digest).await).await;
    }

    /// `cosign verify` with these flags.
    fn verify(&self, version: Version, flags: &[&str]) -> std::process::Output {
        let image = self.registry.pinned(self.digest).to_string();
        self.desk.cosign(version, &[&["verify"], flags, &[&image]].concat())
    }

    fn accepted(&self, version: Version, flags: &[&str]) {
        let ran = self.verify(version, flags);
        assert!(ran.status.success(), "{version:?} {flags:?}: {}", told(&ran));
    }

    /// For reasons of the signature: anything else would make the acceptance worthless.
    fn refused(&self, version: Version, flags: &[&str], because: &str) {
        let ran = self.verify(version, flags);
        assert!(!ran.status.success() && told(&ran).contains(because), "{version:?} {flags:?}: {}", told(&ran));
    }

    fn key_accepted(&self, version: Version) {
        self.accepted(version, &["--key", "release.pub", "--insecure-ignore-tlog=true"]);
    }

    fn key_refused(&self, version: Version, because: &str) {
        self.refused(version, &["--key", "other.pub", "--insecure-ignore-tlog=true"], because);
    }

    fn identity(&self) -> [&str; 4] {
        const SAN: &str = "https://gitlab.sandbox.test/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
        ["--certificate-identity", SAN, "--certificate-oidc-issuer", "https://gitlab.sandbox.test"]
    }
}

/// A bundle as cosign stores it, with what it points at.
async fn stored(bundle: &[u8], registry: &Registry, digest: Digest) -> Stored {
    let image = registry.manifest(&digest.to_string()).await.unwrap();
    let size = u64::try_from(image.manifest.len()).unwrap();
    bundle_manifest(bundle, None, &Subject { media_type: image.media_type, size, digest })
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_accepts_legacy_signature_by_key() {
    let bench = Bench::new().await;
    bench.put_legacy(bench.authority.sign_legacy(&bench.key, &bench.registry.pinned(bench.digest)).unwrap()).await;
    for version in [Version::Two, Version::Three] {
        bench.key_accepted(version);
        bench.key_refused(version, "invalid signature");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_accepts_bundle_by_key() {
    let bench = Bench::new().await;
    bench.put_bundle(&bench.authority.sign_bundle_with_key(&bench.key, &bench.registry.pinned(bench.digest)).unwrap()).await;
    bench.key_accepted(Version::Three);
    bench.key_refused(Version::Three, "could not verify envelope");
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_accepts_keyless_bundle() {
    let bench = Bench::new().await;
    let image = bench.registry.pinned(bench.digest);
    bench.put_bundle(&bench.authority.sign_bundle_keyless(&image, &bench.claims, Timestamp::now()).unwrap()).await;
    let root = ["--trusted-root", "trusted_root.json"];
    bench.accepted(Version::Three, &[&root[..], &bench.identity()].concat());
    let mut other = bench.identity();
    other[3] = "https://gitlab.example.com";
    bench.refused(Version::Three, &[&root[..], &other].concat(), "expected issuer");
    let stranger = Authority::new(Timestamp::now()).unwrap();
    bench.desk.put("trusted_root.json", stranger.trusted_root_json());
    bench.refused(Version::Three, &[&root[..], &bench.identity()].concat(), "not enough verified log entries");
}

#[tokio::test(flavor = "multi_thread")]
async fn cosign_accepts_keyless_legacy_signature() {
    let bench = Bench::new().await;
    let session = Session::at(&bench.claims, Timestamp::now());
    bench.put_legacy(bench.authority.sign_legacy_keyless(&bench.registry.pinned(bench.digest), &session).unwrap()).await;
    bench.accepted(Version::Three, &[&["--trusted-root", "trusted_root.json"][..], &bench.identity()].concat());
}

/// A keyless release through the whole bot, and the line that its note gives, run by cosign.
#[tokio::test(flavor = "multi_thread")]
async fn keyless_release_passes_and_cosign_agrees() {
    let stage = Stage::open(Registry::open().await, Trusted::Pipeline).await;
    let desk = Desk::new(&stage.registry.docker_config());
    let built = stage.build().await;
    let claims = Claims::of(&stage.shop.gitlab_job(built.job, TAG));
    let image = stage.registry.pinned(built.digest);
    let bundle = stage.shop.authority.sign_bundle_keyless(&image, &claims, Timestamp::now()).unwrap();
    stage.registry.attach(built.digest, &stored(&bundle, &stage.registry, built.digest).await).await;
    stage.publish();
    stage.finish(&built);
    let written = stage.passed(&built).await;
    desk.put("trusted_root.json", stage.shop.authority.trusted_root_json());
    checks_out(&desk, &written.note);
    checks_out(&desk, &written.section);
    stage.stop().await;
}
