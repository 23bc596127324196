//! The bounds on what a registry may make us read, wait for and repeat (SR-20).

use std::time::Duration;

/// Bytes of a manifest or a page of a listing: the size that the distribution-spec asks every registry to take.
pub(crate) const MANIFEST: usize = 4 * 1024 * 1024;
/// Bytes of one signature, bundle or envelope. A signature or a provenance stays below 100 KiB, an SBOM may have some MiB. Cosign
/// reads 128 MiB and inflates gzip, which lets anyone with push rights fill the memory of whoever verifies.
pub(crate) const BLOB: usize = 8 * 1024 * 1024;
/// Bytes of all evidence of one look together, so that many blobs under [`BLOB`] do not fill the memory either.
pub(crate) const EVIDENCE: usize = 64 * 1024 * 1024;
/// Referrers and fallback entries of one image.
pub(crate) const LISTED: usize = 512;
/// Signatures and attestations of one image.
pub(crate) const ITEMS: usize = 512;
/// Platforms of one image: the official images of Debian have nine. Where each must be signed, each costs a look of its own.
pub(crate) const PLATFORMS: usize = 32;
/// Pages of the referrers listing: a registry may answer one entry a page, or the same page for ever.
pub(crate) const PAGES: usize = 64;
/// Bytes of a `Link` header: parsing copies the address once a relation, so a long one would multiply.
pub(crate) const LINK: usize = 4 * 1024;
/// Requests of one look at the same time: a self-managed registry is small.
pub(crate) const AT_ONCE: usize = 8;
/// Bytes of an error body or a token answer.
pub(crate) const WORDS: usize = 64 * 1024;
/// Redirects of one request.
pub(crate) const REDIRECTS: usize = 5;
/// Bytes of a token: more does not fit the header that servers accept.
pub(crate) const TOKEN: usize = 16 * 1024;
/// Scopes whose tokens are kept.
pub(crate) const SCOPES: usize = 1024;

/// The bounds on time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub connect: Duration,
    /// One request with its body.
    pub request: Duration,
    /// One look with all its requests.
    pub look: Duration,
    /// How often a request is repeated after a broken connection, 5xx or 429.
    pub retries: usize,
    /// The pause before the first repetition; doubled each time, with jitter.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), request: seconds(15), look: seconds(45), retries: 2, pause: Duration::from_millis(300) }
    }
}
