//! The platforms of a multi-arch image, read from its index.

use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_MEDIA_TYPE};

use super::Manifest;
use crate::model::Digest;
use crate::registry_client::manifest::{Content, MediaType, one_line};
use crate::registry_client::{limits, too_large, unreadable};
use crate::verdict::facts::{Index, Looked, Platform};

/// What BuildKit puts as platform on manifests that hold attestations, so that nothing runs them
/// ([storage](https://docs.docker.com/build/metadata/attestations/attestation-storage/)).
const NOWHERE: &str = "unknown/unknown";

impl Manifest {
    /// What an index lists; `Absent` for the manifest of one image.
    ///
    /// An entry for the platform `unknown/unknown` is counted and left out, whatever its annotations say: those are not what a
    /// client chooses by, so that an annotation alone must hide nothing.
    pub fn platforms(&self) -> Looked<Index> {
        let Content::Index(index) = &self.content else { return Looked::Absent };
        let mut found = Index::default();
        for entry in &index.manifests {
            let name = name(entry);
            if name == NOWHERE {
                found.left_out += 1;
                continue;
            }
            if found.platforms.len() == limits::PLATFORMS {
                return Looked::Unreachable(too_large(format!("{} lists more than {} platforms", self.digest, limits::PLATFORMS)));
            }
            match platform(entry, name) {
                Ok(platform) => found.platforms.push(platform),
                Err(reason) => return Looked::Unreachable(unreadable(format!("{}: {reason}", self.digest))),
            }
        }
        Looked::Found(found)
    }
}

fn platform(entry: &ImageIndexEntry, name: String) -> Result<Platform, String> {
    let digest: Digest = entry.digest.parse().map_err(|_| format!("the entry for {name} has no sha256 digest"))?;
    // Older tools leave the type out; an image is what an index lists unless it says otherwise.
    let kind = if entry.media_type.is_empty() { OCI_IMAGE_MEDIA_TYPE } else { &entry.media_type };
    match MediaType::parse(kind) {
        Some(MediaType::OciImage | MediaType::DockerImage) => Ok(Platform { name, digest, signatures: None }),
        // What an index in an index lists would stay unseen.
        Some(MediaType::OciIndex | MediaType::DockerList) => Err(format!("the entry for {name} is an index again")),
        None => Err(format!("the entry for {name} is of the type {}", one_line(kind))),
    }
}

/// `linux/arm64/v8`, as people and `docker pull --platform` write it. The registry's words, made plain.
fn name(entry: &ImageIndexEntry) -> String {
    let Some(platform) = &entry.platform else { return "no platform named".into() };
    let mut name = format!("{}/{}", platform.os, platform.architecture);
    for more in [&platform.variant, &platform.os_version].into_iter().flatten() {
        name.push('/');
        name.push_str(more);
    }
    one_line(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry(os: &str, arch: &str) -> Value {
        let digest = Digest::of(format!("{os}/{arch}").as_bytes());
        json!({
            "mediaType": OCI_IMAGE_MEDIA_TYPE, "size": 7, "digest": digest.to_string(),
            "platform": {"os": os, "architecture": arch},
        })
    }

    fn read(entries: Vec<Value>) -> Looked<Index> {
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::OciIndex.as_str(), "manifests": entries});
        Manifest::read(index.to_string().as_bytes(), None).unwrap().platforms()
    }

    fn names(index: &Looked<Index>) -> Vec<&str> {
        index.found().unwrap().platforms.iter().map(|platform| platform.name.as_str()).collect()
    }

    #[test]
    fn an_index_names_its_platforms_and_counts_what_nothing_runs() {
        let mut variant = entry("linux", "arm");
        variant["platform"]["variant"] = "v7".into();
        let mut attestation = entry("unknown", "unknown");
        attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        let index = read(vec![entry("linux", "amd64"), variant, attestation]);
        assert_eq!(names(&index), ["linux/amd64", "linux/arm/v7"]);
        assert_eq!(index.found().unwrap().left_out, 1);
        assert_eq!(read(vec![]).found().unwrap(), &Index::default());
    }

    #[test]
    fn an_annotation_hides_no_platform() {
        let mut hidden = entry("linux", "amd64");
        hidden["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        assert_eq!(names(&read(vec![hidden])), ["linux/amd64"]);
        let mut nameless = entry("linux", "amd64");
        nameless.as_object_mut().unwrap().remove("platform");
        assert_eq!(names(&read(vec![nameless])), ["no platform named"]);
    }

    #[test]
    fn what_cannot_be_listed_whole_is_not_listed_at_all() {
        let mut nested = entry("linux", "amd64");
        nested["mediaType"] = MediaType::OciIndex.as_str().into();
        let mut strange = entry("linux", "amd64");
        strange["mediaType"] = "application/x".into();
        let mut sha512 = entry("linux", "amd64");
        sha512["digest"] = format!("sha512:{}", "a".repeat(128)).into();
        for entries in [vec![nested], vec![strange], vec![sha512], vec![entry("linux", "amd64"); limits::PLATFORMS + 1]] {
            assert!(read(entries).unreachable().is_some());
        }
        assert!(read(vec![entry("linux", "amd64"); limits::PLATFORMS]).found().is_some());
    }

    #[test]
    fn a_platforms_name_is_one_plain_line() {
        let index = read(vec![entry("linux\n/verify", "<b>")]);
        assert_eq!(names(&index), ["linux?/verify/<b>"]);
    }
}
