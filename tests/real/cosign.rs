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

    /// Runs cosign.
    pub fn cosign(&self, version: Version, arguments: &[&str]) -> Output {
        self.command(version).args(arguments).output().unwrap()
    }

    /// Cosign, before its arguments.
    pub fn command(&self, version: Version) -> Command {
        self.prepared(&part(match version {
            Version::Two => "cosign2",
            Version::Three => "cosign3",
        }))
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

    /// A program in this folder, with this registry login and nothing else of the machine.
    pub fn prepared(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("COSIGN_PASSWORD", "a test's password").env("HOME", self.path()).env("DOCKER_CONFIG", &self.docker_config);
        command.current_dir(self.path());
        command
    }
}

/// How a program ended, and what it said.
pub struct Ran {
    pub code: i32,
    pub text: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self { code: output.status.code().unwrap(), text: told(&output) }
    }
}

/// What a cosign says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Accepts,
    Refuses,
    /// It does not look for this form, and is not asked.
    Blind,
}

/// How cosign says no to an image. Its exit codes do not tell that from a machine without a network.
const REFUSALS: [&str; 4] =
    ["no signatures found", "no matching signatures:", "no matching attestations:", "none of the attestations matched the predicate type"];

impl Ran {
    /// What cosign said of the image; `None` where it could not look, which agrees with nobody.
    pub fn says(&self) -> Option<Says> {
        match self.code {
            0 => Some(Says::Accepts),
            _ if REFUSALS.iter().any(|word| self.text.contains(word)) => Some(Says::Refuses),
            _ => None,
        }
    }
}

/// What a program said.
pub fn told(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
