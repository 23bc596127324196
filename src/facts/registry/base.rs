//! The base image, by an image's own annotations.

use crate::model::attestation::{BaseImage, BaseToldBy};
use crate::registry_client::manifest::{Content, Manifest};

/// Characters of a base image's name that are kept: an OCI reference has fewer.
const NAME: usize = 512;

impl Manifest {
    /// What [`org.opencontainers.image.base.*`](https://github.com/opencontainers/image-spec/blob/main/annotations.md) says; `None`
    /// without a sha256 digest: a name alone may name something else tomorrow.
    pub fn base_image(&self) -> Option<BaseImage> {
        let annotations = match &self.content {
            Content::Image(image) => image.annotations.as_ref(),
            Content::Index(index) => index.annotations.as_ref(),
        }?;
        let digest = annotations.get("org.opencontainers.image.base.digest")?.parse().ok()?;
        let name = annotations.get("org.opencontainers.image.base.name");
        let name = name.filter(|name| !name.is_empty() && name.len() <= NAME && !name.contains(char::is_control)).cloned();
        Some(BaseImage { name, digest, told_by: BaseToldBy::Annotation })
    }
}
