//! Registry logins that `docker login` left: the `auths` of `$DOCKER_CONFIG/config.json`, else of `~/.docker/config.json`
//! ([format](https://docs.docker.com/reference/cli/docker/login/)). Credential helpers are programs, and are not run.
//!
//! A login decides what may be read, never what verifies (SR-24).

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::material;
use crate::facts::registry::Login;
use crate::model::Secret;

/// Bytes of the file: a hundred logins.
const LARGEST: u64 = 1024 * 1024;
/// Docker Hub goes by two names.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize)]
struct Auth {
    /// `user:password` in base64.
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// The login for a registry host; `None` where there is no file, or none for this host in it.
pub fn find(host: &str) -> Result<Option<Login>, String> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = folder("DOCKER_CONFIG").or_else(|| Some(folder("HOME")?.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")).filter(|path| path.exists()) else { return Ok(None) };
    let bytes = material::read(&path, LARGEST)?;
    // Not what serde says: it quotes the file, and this one holds passwords (SR-23).
    login(&bytes, host)
        .ok_or_else(|| format!("{} is no file of `docker login`; repair it, or point DOCKER_CONFIG elsewhere", path.display()))
}

/// `None` if the text is no such file.
fn login(bytes: &[u8], host: &str) -> Option<Option<Login>> {
    let file: File = serde_json::from_slice(bytes).ok()?;
    let of_host = |key: &str| named(key) == named(host);
    // The host as it stands goes before the forms that old versions wrote.
    let exact = file.auths.iter().find(|(key, _)| *key == host);
    Some(exact.or_else(|| file.auths.iter().find(|(key, _)| of_host(key))).and_then(|(_, auth)| auth.login()))
}

/// The host of a key: without scheme and API version, Docker Hub by one name.
fn named(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key).trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare).to_ascii_lowercase();
    if DOCKER_HUB.contains(&bare.as_str()) { DOCKER_HUB[0].into() } else { bare }
}

impl Auth {
    fn login(&self) -> Option<Login> {
        let decoded = self.auth.as_ref().and_then(|auth| String::from_utf8(STANDARD.decode(auth).ok()?).ok());
        let pair = decoded.as_ref().and_then(|pair| pair.split_once(':'));
        let (username, password) = pair.or_else(|| Some((self.username.as_deref()?, self.password.as_deref()?)))?;
        let password = Secret::new(password)?;
        (!username.is_empty()).then(|| Login { username: username.into(), password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_whole_host() {
        let file = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOnB3MQ=="},"registry.example.com":{"auth":"Ym90OnB3Og=="},
            "https://registry.example.com/v2/":{"auth":"b2xkOnB3"},"plain.example.com:5000":{"username":"u","password":"p"},"empty.example.com":{}},
            "credsStore":"desktop","HttpHeaders":{}}"#;
        let found = |host: &str| login(file, host).unwrap().map(|login| (login.username, login.password.expose().to_owned()));
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(found("docker.io"), pair("hub", "pw1"));
        // Only the first colon ends the name.
        assert_eq!(found("registry.example.com"), pair("bot", "pw:"));
        assert_eq!(found("plain.example.com:5000"), pair("u", "p"));
        for host in ["empty.example.com", "example.com", "plain.example.com", "registry.example.com.evil", "evil-registry.example.com"] {
            assert_eq!(found(host), None, "{host}");
        }
        assert!(login(b"{}", "x").unwrap().is_none());
        assert!(login(b"null", "x").is_none() && login(b"", "x").is_none());
    }
}
