//! Images: where they lie and which bytes they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Digest;

/// A repository in a registry: `registry.example.com/shop/api`
/// ([OCI distribution-spec](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    /// Host with optional port.
    pub registry: String,
    /// Path below the host, without a leading slash.
    pub path: String,
}

/// What a reference points with: a tag may move, a digest cannot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Pointer {
    Tag(String),
    Digest(Digest),
}

/// An image as people write it: `repo:tag` or `repo@sha256:…`. It may move.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageReference {
    pub repository: Repository,
    pub pointer: Pointer,
}

/// An image by digest. It cannot move.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PinnedImage {
    pub repository: Repository,
    pub digest: Digest,
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    #[error("a repository is written registry.example.com/path, with its registry")]
    NoRegistry,
    #[error("the repository path has characters outside a-z, 0-9, '.', '_', '-' and '/'")]
    Path,
    #[error("the tag is not 1 to 128 letters, digits, '.', '_' or '-'")]
    Tag,
    #[error("the digest is not sha256:<64 lower-case hex digits>")]
    Digest,
    #[error("an image is written repository:tag or repository@sha256:…")]
    NoPointer,
}

/// Whether a text is an OCI tag (distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
pub fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(word) && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

impl FromStr for Repository {
    type Err = NotAnImage;

    fn from_str(text: &str) -> Result<Self, NotAnImage> {
        let (registry, path) = text.split_once('/').ok_or(NotAnImage::NoRegistry)?;
        let host = registry.contains('.') || registry.contains(':') || registry == "localhost";
        let host_chars = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if !host || !registry.chars().all(host_chars) {
            return Err(NotAnImage::NoRegistry);
        }
        let part = |p: &str| {
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            p.starts_with(edge) && p.ends_with(edge) && p.chars().all(|c| edge(c) || matches!(c, '.' | '_' | '-'))
        };
        if path.len() > 255 || !path.split('/').all(part) {
            return Err(NotAnImage::Path);
        }
        Ok(Self { registry: registry.into(), path: path.into() })
    }
}

impl FromStr for ImageReference {
    type Err = NotAnImage;

    fn from_str(text: &str) -> Result<Self, NotAnImage> {
        if let Some((repository, digest)) = text.split_once('@') {
            // `repo:tag@digest` is refused: two pointers could disagree.
            let pointer = Pointer::Digest(digest.parse().map_err(|_| NotAnImage::Digest)?);
            return Ok(Self { repository: repository.parse()?, pointer });
        }
        let slash = text.rfind('/').ok_or(NotAnImage::NoRegistry)?;
        let colon = text.rfind(':').filter(|colon| *colon > slash).ok_or(NotAnImage::NoPointer)?;
        let tag = &text[colon + 1..];
        if !is_tag(tag) {
            return Err(NotAnImage::Tag);
        }
        Ok(Self { repository: text[..colon].parse()?, pointer: Pointer::Tag(tag.into()) })
    }
}

impl TryFrom<String> for Repository {
    type Error = NotAnImage;

    fn try_from(text: String) -> Result<Self, NotAnImage> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Pointer::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Pointer::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_written() {
        let digest = Digest::of(b"x");
        for text in
            ["127.0.0.1:5000/shop/api:v1.8.2".to_string(), format!("registry.example.com/shop/api@{digest}"), "localhost/a:b".into()]
        {
            assert_eq!(text.parse::<ImageReference>().map(|r| r.to_string()), Ok(text));
        }
    }

    #[test]
    fn wrong_references_say_what_is_wrong() {
        for (text, why) in [
            ("shop/api:v1", NotAnImage::NoRegistry),
            ("r.example/Shop:v1", NotAnImage::Path),
            ("r.example/shop//api:v1", NotAnImage::Path),
            ("r.example/../api:v1", NotAnImage::Path),
            ("r.example/shop", NotAnImage::NoPointer),
            ("r.example:5000/shop", NotAnImage::NoPointer),
            ("r.example/shop:-x", NotAnImage::Tag),
            ("r.example/shop@sha256:12", NotAnImage::Digest),
        ] {
            assert_eq!(text.parse::<ImageReference>(), Err(why), "{text}");
        }
    }
}
