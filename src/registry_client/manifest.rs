//! Manifests, read strictly: one meaning or none (SR-18).

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageIndex,
    OciImageManifest,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::model::Digest;

/// What we ask for: the four types that are read.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// What a manifest is ([image-spec media types](https://github.com/opencontainers/image-spec/blob/main/media-types.md)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    OciImage,
    OciIndex,
    /// Docker schema 2 image.
    DockerImage,
    /// Docker schema 2 manifest list.
    DockerList,
}

impl MediaType {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OciImage => OCI_IMAGE_MEDIA_TYPE,
            Self::OciIndex => OCI_IMAGE_INDEX_MEDIA_TYPE,
            Self::DockerImage => IMAGE_MANIFEST_MEDIA_TYPE,
            Self::DockerList => IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        }
    }

    /// Whether it lists other manifests instead of layers.
    pub fn is_index(self) -> bool {
        match self {
            Self::OciIndex | Self::DockerList => true,
            Self::OciImage | Self::DockerImage => false,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::OciImage, Self::OciIndex, Self::DockerImage, Self::DockerList].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A manifest whose bytes are what its digest says.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub digest: Digest,
    /// As the registry sent them: the bytes that are signed.
    pub bytes: Vec<u8>,
    pub media_type: MediaType,
    pub(crate) content: Content,
}

/// What stands in a manifest.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Image(Box<OciImageManifest>),
    Index(OciImageIndex),
}

/// What kind of manifest it is. Fields are `Option` to see which are there; one that is there twice is an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    manifests: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

impl Manifest {
    /// Reads bytes. `header` is the registry's `Content-Type`; where the bytes name their type themselves, both must agree.
    ///
    /// A document that is image and index at once is refused, since two clients may read two images from it
    /// ([CVE-2021-41190](https://github.com/opencontainers/image-spec/security/advisories/GHSA-77vh-xpmg-72qh)).
    pub(crate) fn read(bytes: &[u8], header: Option<&str>) -> Result<Self, String> {
        let shape: Shape = serde_json::from_slice(bytes).map_err(|error| format!("not a manifest: {}", brief(&error)))?;
        let media_type = media_type(&shape, header)?;
        let image = shape.config.is_some() || shape.layers.is_some();
        let index = shape.manifests.is_some();
        if shape.schema_version != 2 || shape.fs_layers.is_some() || image == index || index != media_type.is_index() {
            return Err(format!("not one {} and nothing else", media_type.as_str()));
        }
        let content = if media_type.is_index() {
            serde_json::from_slice(bytes).map(Content::Index)
        } else {
            serde_json::from_slice(bytes).map(Content::Image)
        };
        let content = content.map_err(|error| format!("not a {}: {}", media_type.as_str(), brief(&error)))?;
        Ok(Self { digest: Digest::of(bytes), bytes: bytes.to_vec(), media_type, content })
    }
}

/// The one media type that header and document agree on.
fn media_type(shape: &Shape, header: Option<&str>) -> Result<MediaType, String> {
    let known = |text: &str| MediaType::parse(text).ok_or_else(|| format!("the media type {} is neither image nor index", one_line(text)));
    let header = header.map(|text| text.split(';').next().unwrap_or_default().trim());
    match (shape.media_type.as_deref(), header) {
        (Some(own), Some(header)) if own != header => {
            Err(format!("the registry calls it {}, the document calls itself {}", one_line(header), one_line(own)))
        }
        (Some(own), _) => known(own),
        // umoci writes no mediaType; then the registry knows what was pushed.
        (None, Some(header)) => known(header),
        (None, None) => Err("nothing says what it is".into()),
    }
}

/// Where reading failed, without the foreign text that serde quotes.
pub(crate) fn brief(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column()).to_lowercase()
}

/// Foreign text, made short and plain.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(100).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    fn check(document: &str, header: Option<&str>, expected: Option<MediaType>) {
        let document = document.replace("EMPTY", EMPTY);
        assert_eq!(Manifest::read(document.as_bytes(), header).map(|m| m.media_type).ok(), expected, "{document}");
    }

    #[test]
    fn a_manifest_says_one_thing_or_is_refused() {
        use MediaType::{DockerImage, DockerList, OciImage, OciIndex};
        let [image, index, docker, list] = [OciImage, OciIndex, DockerImage, DockerList].map(MediaType::as_str);
        let typed = |kind: &str, rest: &str| format!(r#"{{"schemaVersion":2,"mediaType":"{kind}",{rest}}}"#);
        let body = r#""config":EMPTY,"layers":[]"#;
        check(&typed(image, body), Some(image), Some(OciImage));
        check(&typed(docker, body), Some(docker), Some(DockerImage));
        check(&typed(index, r#""manifests":[]"#), Some(index), Some(OciIndex));
        check(&typed(list, r#""manifests":[]"#), Some(list), Some(DockerList));
        check(&typed(image, body), None, Some(OciImage));
        // umoci
        check(&format!(r#"{{"schemaVersion":2,{body}}}"#), Some(&format!("{image}; charset=utf-8")), Some(OciImage));

        check(&format!(r#"{{"schemaVersion":2,{body}}}"#), None, None);
        check(&format!(r#"{{"schemaVersion":2,{body}}}"#), Some("application/json"), None);
        check(&format!(r#"{{"schemaVersion":2,{body}}}"#), Some(index), None);
        check(&typed(image, body), Some(docker), None);
        check(&typed(image, body), Some("text/html"), None);
        check(&typed(image, &format!(r#"{body},"manifests":[]"#)), Some(image), None);
        check(&typed(index, &format!(r#"{body},"manifests":[]"#)), Some(index), None);
        check(&typed(image, r#""manifests":[]"#), Some(image), None);
        check(&typed(image, r#""config":EMPTY,"layers":[],"layers":[]"#), Some(image), None);
        check(&typed(image, r#""layers":[]"#), Some(image), None);
        check(&typed(image, body).replace(":2,\"media", ":1,\"media"), Some(image), None);
        check(r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#, Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), None);
        check("[]", Some(image), None);
        check("", Some(image), None);
    }

    #[test]
    fn a_reason_repeats_no_foreign_text() {
        let error = Manifest::read(br#"{"schemaVersion":"<b>@all</b>"}"#, None).unwrap_err();
        assert!(!error.contains("@all"), "{error}");
    }
}
