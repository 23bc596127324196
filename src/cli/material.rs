//! What the commands without a `bot.toml` are told to trust: key files with their windows, an identity, a trust root.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::facts::sigstore::{PublicKey, Trust};
use crate::facts::trust_root::{Settings, TrustRoot};
use crate::model::Timestamp;
use crate::model::signer::{SignerKind, SignerName, TrustedSigner};
use crate::render::InspectedRoot;
use crate::verdict::inspection::{Wanted, Window};

/// Bytes of a key file: more is no key.
const LARGEST_KEY: u64 = 16 * 1024;

/// `FILE[,not-before=TIME][,not-after=TIME]`
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
    window: Window,
}

impl FromStr for KeyFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let path = parts.next().filter(|path| !path.is_empty()).ok_or("the file is missing")?.into();
        let mut window = Window::default();
        for part in parts {
            let (bound, value) = match part.split_once('=') {
                Some(("not-before", value)) => (&mut window.not_before, moment(value, false)?),
                Some(("not-after", value)) => (&mut window.not_after, moment(value, true)?),
                _ => return Err(format!("after the file come not-before=TIME and not-after=TIME, and not {part:?}")),
            };
            if bound.replace(value).is_some() {
                return Err(format!("{part:?} is there twice"));
            }
        }
        match (window.not_before, window.not_after) {
            (Some(first), Some(last)) if first > last => Err("not-before lies after not-after: the key would never count".into()),
            _ => Ok(Self { path, window }),
        }
    }
}

/// A time with its offset, or a day in UTC: its first or its last moment.
fn moment(text: &str, end_of_day: bool) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let wrong = || format!("{text:?} is no time; write 2026-05-04T13:00:00Z or 2026-05-04");
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-05-04".len()).ok_or_else(wrong)?;
    let time = if end_of_day { day.at(23, 59, 59, 999_999_999) } else { day.at(0, 0, 0, 0) };
    time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

/// Whom the caller accepts.
#[derive(Debug, Default, clap::Args)]
pub struct Identity {
    /// The signer's certificate identity (its one Subject Alternative Name), whole
    #[arg(long, value_name = "URI", requires = "issuer")]
    identity: Option<String>,
    /// The certificate's OIDC issuer, whole
    #[arg(long, value_name = "URL", requires = "identity")]
    issuer: Option<String>,
}

impl Identity {
    /// Both values, neither of them empty (SR-01).
    pub fn get(&self) -> Result<Option<(&str, &str)>, String> {
        match (self.identity.as_deref(), self.issuer.as_deref()) {
            (None, None) => Ok(None),
            (Some(identity), Some(issuer)) if !identity.is_empty() && !issuer.is_empty() => Ok(Some((identity, issuer))),
            _ => Err("--identity and --issuer belong together, and neither may be empty".into()),
        }
    }
}

/// Signers as the judges of signatures and of demands know them.
#[derive(Debug, Default)]
pub struct Signers {
    pub trusted: Vec<TrustedSigner>,
    pub wanted: Vec<Wanted>,
}

impl Signers {
    /// Reads the key files. A key is called what its file is called on the command line.
    pub fn read(keys: &[KeyFile], identity: &Identity) -> Result<Self, String> {
        let mut signers = Self::default();
        for file in keys {
            let name = SignerName(file.path.display().to_string());
            let (pem, key) = public_key(&file.path)?;
            signers.trusted.push(TrustedSigner::new(name.clone(), SignerKind::Key { pem }));
            signers.wanted.push(Wanted::Key { name, fingerprint: key.fingerprint(), window: file.window, require_log: false });
        }
        if let Some((identity, issuer)) = identity.get()? {
            let kind = SignerKind::GitlabOidc { issuer: issuer.into() };
            signers.trusted.push(TrustedSigner::new(SignerName(identity.into()), kind));
            signers.wanted.push(Wanted::Identity { identity: identity.into(), issuer: issuer.into() });
        }
        Ok(signers)
    }

    /// The same with a trust root.
    pub fn trust(&self, root: &TrustRoot, require_log: bool) -> Result<Trust, String> {
        Trust::new(&self.trusted, Some(root.clone()), require_log).map_err(|bad| bad.to_string())
    }
}

impl KeyFile {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A public key in PEM, and what it says.
pub fn public_key(path: &Path) -> Result<(String, PublicKey), String> {
    let named = |why: String| format!("the key {} cannot be used: {why}", path.display());
    let bytes = read(path, LARGEST_KEY)?;
    let pem = String::from_utf8(bytes).map_err(|_| named("it is no text".into()))?;
    let key = PublicKey::from_pem(&pem).map_err(|bad| named(bad.to_string()))?;
    Ok((pem, key))
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = vec![];
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit { Err(format!("{} is larger than {limit} bytes", path.display())) } else { Ok(bytes) }
}

/// The trust root of the file, else the snapshot of the public-good instance that this program carries, and what to say of it.
pub fn trust_root(file: Option<&Path>) -> Result<(TrustRoot, InspectedRoot), String> {
    let root = match file {
        Some(path) => TrustRoot::load(&Settings { path: path.into() }),
        None => TrustRoot::public_good_snapshot(),
    };
    let root = root.map_err(|bad| bad.to_string())?;
    let told = InspectedRoot { file: file.map(|path| path.display().to_string()), digest: root.digest(), newest: root.newest() };
    Ok((root, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_window_or_says_what_is_wrong() {
        let window = |text: &str| text.parse::<KeyFile>().map(|key| (key.window.not_before, key.window.not_after));
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(window("cosign.pub"), Ok((None, None)));
        assert_eq!(
            window("cosign.pub,not-before=2026-05-04,not-after=2026-05-04"),
            Ok((at("2026-05-04T00:00:00Z"), at("2026-05-04T23:59:59.999999999Z")))
        );
        assert_eq!(window("k,not-after=2026-05-04T13:00:00+02:00"), Ok((None, at("2026-05-04T11:00:00Z"))));
        for bad in [
            "",
            ",not-after=2026-05-04",
            "k,",
            "k,not-after",
            "k,not_after=2026-05-04",
            "k,not-after=tomorrow",
            "k,not-after=2026-05-04T13:00:00",
            "k,not-after=2026-05-04,not-after=2027-05-04",
            "k,not-before=2026-05-05,not-after=2026-05-04",
        ] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
