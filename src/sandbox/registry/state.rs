//! What the registry holds: plain data with verbs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;

use super::fault::Faults;
use super::{Account, Options};
use crate::model::Digest;

/// How many requests the log keeps: a demo may run for days.
const MAX_SEEN: usize = 10_000;

/// One request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    /// The whole `Authorization` header; everything here is made up.
    pub authorization: Option<String>,
}

impl Seen {
    /// `METHOD /path`, what patterns are matched against.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A manifest with the type it was pushed with.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub media_type: String,
    pub bytes: Bytes,
}

#[derive(Debug, Default)]
pub(super) struct Repository {
    pub blobs: HashMap<Digest, Bytes>,
    pub manifests: BTreeMap<Digest, Stored>,
    pub tags: BTreeMap<String, Digest>,
}

impl Repository {
    pub fn put_blob(&mut self, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    pub fn put_manifest(&mut self, tag: Option<&str>, media_type: &str, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        self.manifests.insert(digest, Stored { media_type: media_type.into(), bytes });
        if let Some(tag) = tag {
            self.tags.insert(tag.into(), digest);
        }
        digest
    }

    pub fn delete_manifest(&mut self, digest: Digest) -> bool {
        self.tags.retain(|_, named| *named != digest);
        self.manifests.remove(&digest).is_some()
    }
}

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub repository: String,
    pub push: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub options: Options,
    pub repositories: BTreeMap<String, Repository>,
    pub uploads: HashMap<String, Vec<u8>>,
    pub tokens: HashMap<String, (Vec<Grant>, Timestamp)>,
    pub faults: Faults,
    pub seen: VecDeque<Seen>,
}

impl State {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            repositories: BTreeMap::new(),
            uploads: HashMap::new(),
            tokens: HashMap::new(),
            faults: Faults::default(),
            seen: VecDeque::new(),
        }
    }

    /// A repository; it begins to exist when something is put into it.
    pub fn repository(&mut self, path: &str) -> &mut Repository {
        self.repositories.entry(path.into()).or_default()
    }

    pub fn log(&mut self, seen: Seen) {
        if self.seen.len() >= MAX_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(seen);
    }

    /// A token in the shape of GitLab's: a JWT that says when it ends. Nobody checks its signature; this table is the truth.
    pub fn issue(&mut self, grants: Vec<Grant>, lifetime: Duration) -> String {
        let now = Timestamp::now();
        let until = now + lifetime;
        let access: Vec<_> = grants
            .iter()
            .map(|g| json!({"type": "repository", "name": g.repository, "actions": if g.push { vec!["pull", "push"] } else { vec!["pull"] }}))
            .collect();
        let claims = json!({"iat": now.as_second(), "exp": until.as_second(), "access": access}).to_string();
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part(r#"{"alg":"none","typ":"JWT"}"#), part(&claims), part(&uuid::Uuid::now_v7().to_string()));
        self.tokens.insert(token.clone(), (grants, until));
        token
    }

    /// Whether a token opens a repository now.
    pub fn opens(&self, token: &str, repository: Option<&str>, push: bool) -> bool {
        let Some((grants, until)) = self.tokens.get(token) else { return false };
        let covers = |g: &Grant| repository.is_none_or(|r| r == g.repository) && (g.push || !push);
        *until > Timestamp::now() && (grants.iter().any(covers) || repository.is_none())
    }

    /// Stores what an upload brought, if it is what it says it is.
    pub fn finish_upload(&mut self, id: &str, repository: &str, digest: &str, last: &[u8]) -> Option<Digest> {
        let mut bytes = self.uploads.remove(id)?;
        bytes.extend_from_slice(last);
        let digest: Digest = digest.parse().ok()?;
        (Digest::of(&bytes) == digest).then(|| self.repository(repository).put_blob(bytes.into()))
    }
}

/// The account of a Basic login.
pub(super) fn account<'a>(accounts: &'a [Account], name: &str, password: &str) -> Option<&'a Account> {
    accounts.iter().find(|account| account.name == name && account.password == password)
}

/// A tar archive with one file (POSIX ustar), so that images pull and unpack anywhere.
pub(super) fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut field = |at: usize, text: &str| {
        let end = (at + text.len()).min(512);
        header[at..end].copy_from_slice(&text.as_bytes()[..end - at]);
    };
    field(0, &name[..name.len().min(100)]);
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", content.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
