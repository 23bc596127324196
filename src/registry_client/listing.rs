//! Which manifests point at an image: the referrers API with its pages, and the index under tag `sha256-<hex>`.

use http::{Method, StatusCode, header};
use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use serde::Deserialize;
use url::Url;

use super::manifest::{Content, Manifest, brief};
use super::wire::{Answer, Ask, Scope, Wire};
use super::{limits, too_large, unreadable};
use crate::model::{Digest, PinnedImage};
use crate::verdict::facts::Why;

/// What a place lists.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub manifests: Vec<Digest>,
    /// Entries whose digest is not sha256: they can be neither fetched nor checked.
    pub odd: usize,
    /// Why it is not known whether there is a list: no registry answers like that.
    pub unclear: Option<String>,
}

impl Listing {
    fn add(&mut self, digest: &str) -> Result<(), Why> {
        match digest.parse() {
            Ok(digest) => self.manifests.push(digest),
            Err(_) => self.odd += 1,
        }
        if self.manifests.len() + self.odd > limits::LISTED {
            return Err(too_large(format!("more than {} manifests point at the image", limits::LISTED)));
        }
        Ok(())
    }
}

/// What lies under the fallback tag.
#[derive(Debug)]
pub(crate) enum Fallback {
    Nothing,
    Lists(Listing),
    /// Something that is no index of referrers.
    Unreadable(Digest, String),
}

/// One page of the API. Lenient where registries differ: an empty list may be `null`, and the media type may stand in the header alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<Vec<Entry>>,
}

impl Page {
    /// Whether this is an index of manifests, and not some other service's JSON: an empty list says that there is nothing.
    fn is_index(&self, answer: &Answer) -> bool {
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        self.schema_version == Some(2) || [kind, self.media_type.as_deref().unwrap_or_default()].contains(&OCI_IMAGE_INDEX_MEDIA_TYPE)
    }
}

/// `artifactType` is not read: the lists of old clients have it wrong, so every entry is fetched.
#[derive(Deserialize)]
struct Entry {
    digest: String,
}

/// Lists by the API; `None` where the registry has none.
pub(crate) async fn by_api(wire: &Wire, image: &PinnedImage) -> Result<Option<Listing>, Why> {
    let repository = &image.repository.path;
    let mut listing = Listing::default();
    let mut next = Some(wire.host.url(repository, &["referrers", &image.digest.to_string()]));
    let mut pages = 0;
    while let Some(url) = next {
        pages += 1;
        if pages > limits::PAGES {
            return Err(too_large(format!("the referrers of {image} take more than {} pages", limits::PAGES)));
        }
        let ask = Ask {
            method: Method::GET,
            scope: Scope::pull(repository),
            url: url.clone(),
            accept: OCI_IMAGE_INDEX_MEDIA_TYPE,
            limit: limits::MANIFEST,
        };
        let answer = wire.send(ask).await?;
        if pages == 1 {
            match served(&answer)? {
                Served::Yes => {}
                Served::No => return Ok(None),
                Served::Unclear(reason) => return Ok(Some(Listing { unclear: Some(reason), ..Listing::default() })),
            }
        }
        if answer.status != StatusCode::OK {
            return Err(unreadable(format!("page {pages} of the referrers: the registry answers {}", answer.status.as_u16())));
        }
        let page: Page = serde_json::from_slice(&answer.body).map_err(|e| unreadable(format!("the list of referrers: {}", brief(&e))))?;
        if !page.is_index(&answer) {
            return Err(unreadable("the list of referrers: it is JSON, but no index of manifests".into()));
        }
        for entry in page.manifests.unwrap_or_default() {
            listing.add(&entry.digest)?;
        }
        next = next_page(wire, &answer, &url)?;
    }
    Ok(Some(listing))
}

/// Whether the API is there.
enum Served {
    Yes,
    No,
    Unclear(String),
}

/// A registry without the API answers 404 (distribution-spec), 405, 406 or 501. This is no absence yet: the fallback tag is looked at in
/// any case. A web page or 400 comes from registries without it as well, but also from whatever stands before one that has it: then
/// what lies elsewhere may be enough, and nothing elsewhere is not "nothing there".
fn served(answer: &Answer) -> Result<Served, Why> {
    answer.refusal()?;
    let lacking = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_ACCEPTABLE, StatusCode::NOT_IMPLEMENTED];
    Ok(match answer.status {
        status if answer.is_html() => Served::Unclear(format!("the list of referrers: a web page, with status {}", status.as_u16())),
        StatusCode::BAD_REQUEST => Served::Unclear("the list of referrers: the registry answers 400".into()),
        status if lacking.contains(&status) => Served::No,
        _ => Served::Yes,
    })
}

/// The address of the next page, which must be this registry: the login goes along.
fn next_page(wire: &Wire, answer: &Answer, url: &Url) -> Result<Option<Url>, Why> {
    let odd = || unreadable("the list of referrers goes on at an address that cannot be followed".into());
    for value in answer.headers.get_all(header::LINK) {
        let text = value.to_str().ok().filter(|text| text.len() <= limits::LINK).ok_or_else(odd)?;
        let links = http_link::parse_link_header(text, url).map_err(|_| odd())?;
        if let Some(next) = links.into_iter().find(|link| link.rel.eq_ignore_ascii_case("next")) {
            return if wire.host.is_self(&next.target) { Ok(Some(next.target)) } else { Err(odd()) };
        }
    }
    Ok(None)
}

/// Lists by the tag `sha256-<hex>`
/// ([referrers tag schema](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema)).
pub(crate) async fn by_fallback_tag(wire: &Wire, image: &PinnedImage) -> Result<Fallback, Why> {
    let tag = format!("sha256-{}", image.digest.hex());
    let Some((digest, manifest)) = wire.tagged(&image.repository.path, &tag).await? else { return Ok(Fallback::Nothing) };
    // GitLab's registry answers with the image itself; the platforms of an index are not its referrers.
    if digest == image.digest {
        return Ok(Fallback::Nothing);
    }
    match manifest {
        Ok(Manifest { content: Content::Index(index), .. }) => {
            let mut listing = Listing::default();
            for entry in &index.manifests {
                listing.add(&entry.digest)?;
            }
            Ok(Fallback::Lists(listing))
        }
        Ok(_) => Ok(Fallback::Unreadable(digest, format!("tag {tag} is no index"))),
        Err(reason) => Ok(Fallback::Unreadable(digest, format!("tag {tag}: {reason}"))),
    }
}
