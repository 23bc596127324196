//! One registry, both cosigns and the built `countersign`, side by side.

use std::process::Output;

use countersign::model::{Digest, PinnedImage, Repository, Timestamp};
use countersign::sandbox::authority::{Authority, SandboxKey, Stored, Subject, bundle_manifest, legacy_manifest, sign_statement};
use countersign::sandbox::registry::{Options, RegistryDouble};
use serde_json::{Value, json};

use super::super::cosign::{Desk, Ran, Says, Version, told};
use super::super::registry::{IMAGE, Registry, signature_tag, small_image};
use super::{By, Of, Row, Then};

/// Whom the registry lets in, and how it lists referrers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Open,
    Passwords,
    Tokens,
    /// Debian's docker-registry has no referrers API: this one is the sandbox's.
    Referrers,
}

impl Access {
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Passwords => "htpasswd",
            Self::Tokens => "token",
            Self::Referrers => "OCI 1.1",
        }
    }
}

enum Place {
    Real(Registry),
    Sandbox(RegistryDouble),
}

pub struct Bench {
    place: Place,
    desk: Desk,
    authority: Authority,
    /// Its public half is `logged.pub`.
    logged: SandboxKey,
    _no_login: tempfile::TempDir,
}

/// How all three ended; a cosign that does not look for the form was not asked.
pub struct Run {
    pub ours: Ran,
    pub two: Option<Ran>,
    pub three: Option<Ran>,
}

const V02: &str = r#"{"builder":{"id":"https://gitlab.test/shop/api/-/runners/7"},"buildType":"https://gitlab.test/job","invocation":{}}"#;
const V1: &str = r#"{"buildDefinition":{"buildType":"https://docs.gitlab.com/ci/jobs/","externalParameters":{"source":"https://gitlab.test/shop/api"}},
    "runDetails":{"builder":{"id":"https://gitlab.test/shop/api/-/runners/7"}}}"#;

impl Bench {
    pub async fn open(access: Access) -> Self {
        let place = match access {
            Access::Open => Place::Real(Registry::open().await),
            Access::Passwords => Place::Real(Registry::with_passwords().await),
            Access::Tokens => Place::Real(Registry::with_tokens().await),
            Access::Referrers => Place::Sandbox(RegistryDouble::start("127.0.0.1:0", Options::default()).await.unwrap()),
        };
        let no_login = tempfile::tempdir().unwrap();
        let desk = Desk::new(&match &place {
            Place::Real(registry) => registry.docker_config(),
            Place::Sandbox(_) => no_login.path().into(),
        });
        for name in ["ours", "theirs"] {
            desk.key_pair(Version::Two, name);
        }
        let made = desk.cosign(Version::Three, &["signing-config", "create", "--out", "signing-config.json"]);
        assert!(made.status.success(), "{}", told(&made));
        desk.put("v02.json", V02);
        desk.put("v1.json", V1);
        let authority = Authority::new(Timestamp::now()).unwrap();
        let logged = authority.key("logged").unwrap();
        desk.put("logged.pub", &logged.public_pem);
        desk.put("trusted_root.json", authority.trusted_root_json());
        Self { place, desk, authority, logged, _no_login: no_login }
    }

    /// Keys of other kinds than cosign makes.
    pub fn import_keys(&self) {
        let kinds: [(&str, &'static rcgen::SignatureAlgorithm); 4] = [
            ("p384", &rcgen::PKCS_ECDSA_P384_SHA384),
            ("p521", &rcgen::PKCS_ECDSA_P521_SHA512),
            ("ed25519", &rcgen::PKCS_ED25519),
            ("rsa", &rcgen::PKCS_RSA_SHA256),
        ];
        for (name, kind) in kinds {
            let file = format!("{name}.pem");
            self.desk.put(&file, rcgen::KeyPair::generate_for(kind).unwrap().serialize_pem());
            // Version 2 imports no P-521 key, but signs with one that version 3 imported.
            let made = self.desk.cosign(Version::Three, &["import-key-pair", "-y", "--key", &file, "--output-key-prefix", name]);
            assert!(made.status.success(), "{name}: {}", told(&made));
        }
    }

    /// Makes the row's image, signs it, does what is done to it, and asks all three.
    pub async fn run(&self, row: &Row, number: usize) -> Run {
        let (whole, part) = self.image(row.of, &format!("row {number} of {}", row.form)).await;
        for line in row.signs {
            match row.by {
                By::Two => self.signs(Version::Two, line, whole),
                By::Three => self.signs(Version::Three, line, whole),
                By::Authority => self.authority_signs(line, whole).await,
            }
        }
        let asked = match row.then {
            Then::Nothing => part,
            Then::Remove(suffix) => {
                assert!(self.real().remove(&tag(whole, suffix)).await, "{} left nothing under {suffix:?}", row.form);
                part
            }
            Then::Copy(suffix) => {
                let (other, _) = self.image(Of::Image, &format!("another than row {number}")).await;
                self.real().copy_tag(&tag(whole, suffix), &tag(other, suffix)).await;
                other
            }
        };
        let image = self.pinned(asked);
        let (line, two, three) = row.theirs;
        let ask = |version, says| (says != Says::Blind).then(|| self.cosign(version, line, &image).into());
        Run { ours: self.inspect(row.ours.0, &image), two: ask(Version::Two, two), three: ask(Version::Three, three) }
    }

    fn signs(&self, version: Version, line: &str, digest: Digest) {
        let ran = self.cosign(version, line, &self.pinned(digest));
        assert!(ran.status.success(), "{line}: {}", told(&ran));
    }

    /// Lays beside the image what the authority makes, in the form of cosign 2 (`sig`) or 3 (`bundle`).
    async fn authority_signs(&self, what: &str, digest: Digest) {
        let (authority, key, image, now) = (&self.authority, &self.logged, self.pinned(digest), Timestamp::now());
        let statement = sign_statement(&image);
        let bundle = match what {
            "sig" | "sig with another's entry" => {
                let mut signature = authority.sign_legacy_logged(key, &image, now).unwrap();
                if what != "sig" {
                    let other = self.pinned(Digest::of(b"another image"));
                    signature.rekor_bundle_json = authority.sign_legacy_logged(key, &other, now).unwrap().rekor_bundle_json;
                }
                return self.real().push(&legacy_manifest(&[signature]), Some(&signature_tag(digest))).await;
            }
            "bundle" => authority.attest_with_key_logged(key, &statement, now),
            "bundle in another log" => Authority::new(now).unwrap().attest_with_key_logged(key, &statement, now),
            "bundle without a log" => authority.attest_with_key(key, &statement),
            other => panic!("the authority makes no {other:?}"),
        };
        let image = self.real().manifest(&digest.to_string()).await.unwrap();
        let subject = Subject { media_type: image.media_type, size: image.manifest.len() as u64, digest };
        self.real().attach(digest, &bundle_manifest(&bundle.unwrap(), None, &subject)).await;
    }

    /// The image that is signed, and the part that is asked about.
    async fn image(&self, of: Of, seed: &str) -> (Digest, Digest) {
        let registry = match &self.place {
            Place::Real(registry) => registry,
            Place::Sandbox(registry) => {
                let digest = registry.push_image(IMAGE, "latest", seed);
                return (digest, digest);
            }
        };
        let platforms = [("amd64", seed.to_owned()), ("arm64", format!("{seed}, arm64"))];
        let mut entries = vec![];
        for (architecture, seed) in &platforms {
            let image = small_image(seed);
            registry.push(&image, Some(architecture)).await;
            entries.push(json!({
                "mediaType": image.media_type, "size": image.manifest.len(), "digest": image.digest().to_string(),
                "platform": {"os": "linux", "architecture": architecture},
            }));
        }
        let first = small_image(seed).digest();
        if matches!(of, Of::Image) {
            return (first, first);
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index: Value = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries});
        let index = Stored { media_type, manifest: index.to_string().into_bytes(), blobs: vec![] };
        registry.push(&index, Some("index")).await;
        let part = if matches!(of, Of::Platform) { first } else { index.digest() };
        (index.digest(), part)
    }

    fn cosign(&self, version: Version, line: &str, image: &PinnedImage) -> Output {
        let image = image.to_string();
        let mut words: Vec<&str> = line.split(' ').map(|word| if word == "{image}" { &image } else { word }).collect();
        if !line.contains("{image}") {
            words.push(&image);
        }
        self.desk.cosign(version, &words)
    }

    fn inspect(&self, flags: &str, image: &PinnedImage) -> Ran {
        let token_host = match &self.place {
            Place::Real(registry) => registry.token_host(),
            Place::Sandbox(_) => None,
        };
        let mut command = self.desk.prepared(std::path::Path::new(env!("CARGO_BIN_EXE_countersign")));
        command.arg("inspect").arg(image.to_string()).args(flags.split(' '));
        if let Some(host) = token_host {
            command.args(["--token-host", &host]);
        }
        command.output().unwrap().into()
    }

    fn pinned(&self, digest: Digest) -> PinnedImage {
        let registry = match &self.place {
            Place::Real(registry) => registry.host(),
            Place::Sandbox(registry) => registry.host(),
        };
        PinnedImage { repository: Repository { registry, path: IMAGE.into() }, digest }
    }

    /// Rows that remove and copy run on an open docker-registry.
    fn real(&self) -> &Registry {
        match &self.place {
            Place::Real(registry) => registry,
            Place::Sandbox(_) => panic!("this row needs docker-registry"),
        }
    }
}

fn tag(subject: Digest, suffix: &str) -> String {
    format!("sha256-{}{suffix}", subject.hex())
}
