//! Real cosign, offline ([cosign](https://docs.sigstore.dev/cosign/)).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign::model::PinnedImage;

use super::parts::part;

/// A version of cosign. They differ in format and in the flags that keep them offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Signs into the tag `sha256-<hex>.sig`.
    Two,
    /// Signs into a bundle that points at the image.
    Three,
}

/// A folder in which cosign runs: its keys, and nothing of the machine's own configuration.
pub struct Desk {
    folder: tempfile::TempDir,
    docker_config: PathBuf,
}

/// A key pair that cosign made.
pub struct KeyPair {
    pub private: PathBuf,
    pub public_pem: String,
}

impl Desk {
    /// What its keys are encrypted with.
    pub const PASSWORD: &str = "a test's password";

    /// `docker_config` holds the registry's login.
    pub fn new(docker_config: &Path) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), docker_config: docker_config.into() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn put(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(file), content).unwrap();
    }

    /// `cosign generate-key-pair`
    pub fn key_pair(&self, version: Version, name: &str) -> KeyPair {
        let made = self.cosign(version, &["generate-key-pair", "--output-key-prefix", name]);
        assert!(made.status.success(), "{}", told(&made));
        let public_pem = std::fs::read_to_string(self.path().join(format!("{name}.pub"))).unwrap();
        KeyPair { private: self.path().join(format!("{name}.key")), public_pem }
    }

    /// `cosign sign`
    pub fn sign(&self, version: Version, key: &KeyPair, image: &PinnedImage) {
        let (key, image) = (key.private.to_str().unwrap(), image.to_string());
        let signed = match version {
            Version::Two => self.cosign(version, &["sign", "-y", "--key", key, "--tlog-upload=false", &image]),
            Version::Three => {
                // An empty one: no authority, no log, no timestamp.
                let made = self.cosign(version, &["signing-config", "create", "--out", "signing-config.json"]);
                assert!(made.status.success(), "{}", told(&made));
                self.cosign(version, &["sign", "-y", "--key", key, "--signing-config", "signing-config.json", &image])
            }
        };
        assert!(signed.status.success(), "{}", told(&signed));
    }

    /// `cosign attest`, with an empty predicate of this type.
    pub fn attest(&self, version: Version, key: &KeyPair, image: &PinnedImage, kind: &str) {
        self.put("predicate.json", "{}");
        let (key, image) = (key.private.to_str().unwrap(), image.to_string());
        let offline: &[&str] = match version {
            Version::Two => &["--tlog-upload=false"],
            Version::Three => {
                let made = self.cosign(version, &["signing-config", "create", "--out", "signing-config.json"]);
                assert!(made.status.success(), "{}", told(&made));
                &["--signing-config", "signing-config.json"]
            }
        };
        let attested = self.cosign(
            version,
            &[&["attest", "-y", "--key", key, "--type", kind, "--predicate", "predicate.json"], offline, &[&image]].concat(),
        );
        assert!(attested.status.success(), "{}", told(&attested));
    }

    /// Runs cosign.
    pub fn cosign(&self, version: Version, arguments: &[&str]) -> Output {
        let program = part(match version {
            Version::Two => "cosign2",
            Version::Three => "cosign3",
        });
        self.prepared(&program).args(arguments).output().unwrap()
    }

    /// Runs a line for a shell as a person would, with `cosign` being version 3.
    pub fn shell(&self, line: &str) -> Output {
        let programs = self.path().join("bin");
        std::fs::create_dir_all(&programs).unwrap();
        let cosign = programs.join("cosign");
        if !cosign.exists() {
            std::os::unix::fs::symlink(part("cosign3").canonicalize().unwrap(), cosign).unwrap();
        }
        self.prepared(Path::new("/bin/sh")).env("PATH", programs).args(["-c", line]).output().unwrap()
    }

    fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("COSIGN_PASSWORD", Self::PASSWORD).env("HOME", self.path()).env("DOCKER_CONFIG", &self.docker_config);
        command.current_dir(self.path());
        command
    }
}

/// What a program said.
pub fn told(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
