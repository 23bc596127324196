//! docker-registry on loopback, and a client that pushes to it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use countersign::model::{Digest, PinnedImage, Repository};
use countersign::sandbox::authority::Stored;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use serde_json::{Value, json};

use super::parts::{Process, free_port, part, until};
use super::token_server::TokenServer;

/// The repository path of the image.
pub const IMAGE: &str = "shop/api";

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The one login.
pub const USER: &str = "robot";
pub const PASSWORD: &str = "s3cret-read";
/// `robot:s3cret-read` with bcrypt at its lowest cost, as `htpasswd -nbB` writes it.
const HTPASSWD: &str = "robot:$2b$05$e99UjSSrPFnTU3S7eYY4R.goIEXtGh.h7UNC/cMp0PJ7KgW32ZJC2\n";

/// Who may read and write.
enum Access {
    Open,
    Passwords,
    Tokens(TokenServer),
}

/// A docker-registry with its storage in a temporary folder.
pub struct Registry {
    port: u16,
    folder: tempfile::TempDir,
    access: Access,
    process: Option<Process>,
}

impl Registry {
    /// For everyone.
    pub async fn open() -> Self {
        Self::start_with(Access::Open).await
    }

    /// With HTTP Basic.
    pub async fn with_passwords() -> Self {
        Self::start_with(Access::Passwords).await
    }

    /// With bearer tokens from a server of its own, as GitLab's registry has them from GitLab.
    pub async fn with_tokens() -> Self {
        Self::start_with(Access::Tokens(TokenServer::start().await)).await
    }

    async fn start_with(access: Access) -> Self {
        let mut registry = Self { port: free_port(), folder: tempfile::tempdir().unwrap(), access, process: None };
        std::fs::write(registry.file("htpasswd"), HTPASSWD).unwrap();
        std::fs::write(registry.file("config.yml"), registry.config()).unwrap();
        std::fs::write(registry.docker_config().join("config.json"), registry.docker_logins().to_string()).unwrap();
        registry.start().await;
        registry
    }

    /// Starts it, again after a [`Registry::stop`], on the same port and storage.
    pub async fn start(&mut self) {
        let log = std::fs::File::create(self.file("log")).unwrap();
        let mut command = Command::new(part("docker-registry"));
        command.arg("serve").arg(self.file("config.yml")).stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        let mut process = Process::start(&mut command);
        let address = format!("http://{}/v2/", self.host());
        until("docker-registry answers", async || {
            process.still_runs(&format!("docker-registry ({})", std::fs::read_to_string(self.file("log")).unwrap()));
            reqwest::get(&address).await.ok().filter(|answer| answer.status().is_success() || answer.status() == 401)
        })
        .await;
        self.process = Some(process);
    }

    /// Ends it; its port answers no more.
    pub fn stop(&mut self) {
        drop(self.process.take().unwrap());
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn repository(&self) -> Repository {
        Repository { registry: self.host(), path: IMAGE.into() }
    }

    pub fn pinned(&self, digest: Digest) -> PinnedImage {
        PinnedImage { repository: self.repository(), digest }
    }

    /// The lines of `[registry."HOST"]`; the password lies in `registry-password`.
    pub fn bot_toml(&self) -> String {
        let login = format!("username = \"{USER}\"\npassword = {{ file = \"registry-password\" }}\n");
        let more = match &self.access {
            Access::Open => String::new(),
            Access::Passwords => login,
            Access::Tokens(server) => format!("{login}token_hosts = [\"{}\"]\n", server.host()),
        };
        format!("[registry.\"{}\"]\nplain_http = true\n{more}", self.host())
    }

    /// A folder for `DOCKER_CONFIG`, with the login that cosign pushes signatures with.
    pub fn docker_config(&self) -> PathBuf {
        self.folder.path().into()
    }

    /// The host that issues its tokens.
    pub fn token_host(&self) -> Option<String> {
        match &self.access {
            Access::Open | Access::Passwords => None,
            Access::Tokens(server) => Some(server.host()),
        }
    }

    /// Pushes a small image under each tag. The same seed gives the same digest.
    pub async fn push_image(&self, tags: &[&str], seed: &str) -> Digest {
        let stored = small_image(seed);
        for tag in tags {
            self.push(&stored, Some(tag)).await;
        }
        stored.digest()
    }

    /// Pushes a manifest with its blobs, under a tag or by digest alone.
    pub async fn push(&self, stored: &Stored, tag: Option<&str>) {
        let name = self.repository().to_string();
        let reference: Reference = match tag {
            Some(tag) => format!("{name}:{tag}").parse().unwrap(),
            None => format!("{name}@{}", stored.digest()).parse().unwrap(),
        };
        let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
        client.auth(&reference, &self.login(), RegistryOperation::Push).await.unwrap();
        for blob in &stored.blobs {
            client.push_blob(&reference, blob.clone(), &Digest::of(blob).to_string()).await.unwrap();
        }
        client.push_manifest_raw(&reference, stored.manifest.clone(), stored.media_type.parse().unwrap()).await.unwrap();
    }

    /// Pushes a bundle's manifest, and the index under `sha256-<hex>` that stands for the referrers API here.
    pub async fn attach(&self, subject: Digest, referrer: &Stored) {
        self.push(referrer, None).await;
        let entry = descriptor(referrer.media_type, &referrer.manifest);
        let index = json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry],
        });
        let index = Stored { media_type: OCI_INDEX, manifest: index.to_string().into_bytes(), blobs: vec![] };
        self.push(&index, Some(&fallback_tag(subject))).await;
    }

    /// A manifest of an open registry.
    pub async fn manifest(&self, reference: &str) -> Option<Stored> {
        let request = reqwest::Client::new().get(self.manifest_url(reference)).header("accept", format!("{OCI_MANIFEST}, {OCI_INDEX}"));
        let answer = request.send().await.unwrap();
        if answer.status() == 404 {
            return None;
        }
        let answer = answer.error_for_status().unwrap();
        let media_type = if answer.headers()["content-type"] == OCI_INDEX { OCI_INDEX } else { OCI_MANIFEST };
        Some(Stored { media_type, manifest: answer.bytes().await.unwrap().into(), blobs: vec![] })
    }

    /// Lets another tag name what `from` names.
    pub async fn copy_tag(&self, from: &str, to: &str) {
        let found = self.manifest(from).await.unwrap();
        self.push(&found, Some(to)).await;
    }

    /// Removes a tag of an open registry, with its manifest and whatever that lists. False: there is no such tag.
    pub async fn remove(&self, tag: &str) -> bool {
        let Some(found) = self.manifest(tag).await else { return false };
        let manifest: Value = serde_json::from_slice(&found.manifest).unwrap();
        let listed = manifest["manifests"].as_array().into_iter().flatten().map(|entry| entry["digest"].as_str().unwrap().to_owned());
        for digest in listed.chain([found.digest().to_string()]) {
            let answer = reqwest::Client::new().delete(self.manifest_url(&digest)).send().await.unwrap();
            assert_eq!(answer.status(), 202, "{digest}");
        }
        assert!(self.manifest(tag).await.is_none(), "{tag} is still there");
        true
    }

    fn login(&self) -> RegistryAuth {
        match self.access {
            Access::Open => RegistryAuth::Anonymous,
            Access::Passwords | Access::Tokens(_) => RegistryAuth::Basic(USER.into(), PASSWORD.into()),
        }
    }

    fn manifest_url(&self, reference: &str) -> String {
        format!("http://{}/v2/{IMAGE}/manifests/{reference}", self.host())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        let storage = self.file("storage");
        if let Access::Tokens(server) = &self.access {
            std::fs::write(self.file("token.crt"), server.certificate_pem()).unwrap();
        }
        let auth = match &self.access {
            Access::Open => String::new(),
            Access::Passwords => format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", self.file("htpasswd").display()),
            Access::Tokens(server) => format!(
                "auth: {{token: {{realm: \"{}\", service: {}, issuer: {}, rootcertbundle: {}}}}}\n",
                server.realm(),
                TokenServer::SERVICE,
                TokenServer::ISSUER,
                self.file("token.crt").display()
            ),
        };
        format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: \"{}\", secret: test}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n{auth}",
            self.host(),
            storage.display()
        )
    }

    fn docker_logins(&self) -> Value {
        use base64::Engine as _;
        let auth = base64::prelude::BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        match self.access {
            Access::Open => json!({}),
            Access::Passwords | Access::Tokens(_) => json!({"auths": {self.host(): {"auth": auth}}}),
        }
    }
}

/// An image of one layer, which is its seed.
pub fn small_image(seed: &str) -> Stored {
    let layer = seed.as_bytes().to_vec();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer).to_string()]},
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    Stored { media_type: OCI_MANIFEST, manifest: manifest.to_string().into_bytes(), blobs: vec![config, layer] }
}

/// Where cosign 2 keeps the signatures of a digest.
pub fn signature_tag(subject: Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// Where the referrers of a digest are listed by a registry without the referrers API.
pub fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": bytes.len(), "digest": Digest::of(bytes).to_string()})
}
