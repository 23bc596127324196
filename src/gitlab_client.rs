//! One bounded connection to a GitLab: login, time, size and retry limits. Shared by `facts` (read) and `effects` (write).
//!
//! The `gitlab` crate gives the endpoints and the query building; the connection below them is ours, because the crate's own has
//! no time-out, no size limit and no answer to 429, and would send the token wherever a redirect points (SR-19, SR-20).

pub mod endpoints;
mod error;
mod graphql;
mod public;
mod storage;
pub(crate) mod testing;
mod tests;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use gitlab::api::{ApiError, AsyncQuery, Endpoint, RestClient};
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::model::Secret;
use crate::model::gitlab::InstanceName;

pub use error::{CallError, look};

/// How one GitLab server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub name: InstanceName,
    /// Base address, such as `https://gitlab.example.com`, with a path where GitLab lives under one.
    pub url: Url,
    /// A project, group or personal access token with scope `api`.
    pub token: Secret,
    /// Certificate authorities that are believed beside the machine's own, as PEM.
    pub ca_pem: Option<String>,
}

/// How many pages of a listing are read, [`PER_PAGE`] rows each. More is "too large": a listing is never cut in silence.
pub const PAGES_MAX: usize = 10;

/// Rows asked for in one page; GitLab gives no more
/// ([REST API, pagination](https://docs.gitlab.com/api/rest/#offset-based-pagination)).
pub const PER_PAGE: usize = 100;

/// The limits of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To get a connection: a live server accepts within a second or two, a filtered port never.
    pub connect: Duration,
    /// One try, from the first byte sent to the last byte read.
    pub attempt: Duration,
    /// One call with all its tries and pauses; the queue tries again later anyway.
    pub call: Duration,
    /// Tries after the first.
    pub retries: usize,
    /// The pause before the second try; it doubles.
    pub pause: Duration,
    /// The longest `Retry-After` that is waited for; GitLab's rate windows are a minute, which is the queue's business.
    pub retry_after: Duration,
    /// The largest JSON answer: a page of 100 notes with room to spare, and small enough to hold a few at once.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(20),
            call: Duration::from_secs(45),
            retries: 2,
            pause: Duration::from_millis(250),
            retry_after: Duration::from_secs(10),
            body: 8 * 1024 * 1024,
        }
    }
}

/// Why a connection cannot be set up from its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClient {
    #[error("a GitLab address is written https://host, with a path where GitLab lives under one, and nothing else")]
    Address,
    #[error("plain http would show the token to the network; it is allowed only for this machine itself (127.0.0.1, ::1, localhost)")]
    PlainHttp,
    #[error("the token holds characters that no GitLab token has")]
    Token,
    #[error("the TLS client cannot be set up: {0}")]
    Tls(String),
}

/// One bounded connection to one GitLab. Cheap to clone.
#[derive(Clone)]
pub struct GitlabClient {
    inner: Arc<Inner>,
}

struct Inner {
    name: InstanceName,
    /// Base address without a trailing slash.
    base: Url,
    token: http::HeaderValue,
    limits: Limits,
    /// Carries the token, follows no redirect.
    api: reqwest::Client,
    /// For object storage: no token, public addresses only.
    storage: reqwest::Client,
}

impl GitlabClient {
    /// Sets the connection up. No network.
    pub fn new(settings: &Settings) -> Result<Self, NoClient> {
        Self::with_limits(settings, Limits::default())
    }

    /// As [`GitlabClient::new`], with other limits.
    pub fn with_limits(settings: &Settings, limits: Limits) -> Result<Self, NoClient> {
        let base = base(&settings.url)?;
        let mut token = http::HeaderValue::from_str(settings.token.expose()).map_err(|_| NoClient::Token)?;
        token.set_sensitive(true);
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .https_only(base.scheme() == "https")
                .connect_timeout(limits.connect)
                .timeout(limits.attempt);
            // A proxy in between would have to be asked for an address that only this machine knows.
            let builder = if is_loopback(&base) { builder.no_proxy() } else { builder };
            crate::tls::trusting(builder, settings.ca_pem.as_deref())
        };
        let tls = |e: reqwest::Error| NoClient::Tls(e.without_url().to_string());
        let api = builder().and_then(reqwest::ClientBuilder::build).map_err(tls)?;
        let host = base.host_str().unwrap_or_default();
        let storage = builder().map(|builder| builder.dns_resolver(storage::PublicOnly::except(host)));
        let storage = storage.and_then(reqwest::ClientBuilder::build).map_err(tls)?;
        Ok(Self { inner: Arc::new(Inner { name: settings.name.clone(), base, token, limits, api, storage }) })
    }

    /// The operator's name for this GitLab.
    pub fn instance(&self) -> &InstanceName {
        &self.inner.name
    }

    /// One object. Takes what an endpoint builder's `build()` returns.
    pub async fn one<T, E, B>(&self, endpoint: Result<E, B>) -> Result<T, CallError>
    where
        T: DeserializeOwned + 'static,
        E: Endpoint + Sync,
        B: std::error::Error,
    {
        let endpoint = endpoint.map_err(CallError::unbuilt)?;
        endpoint.query_async(self).await.map_err(CallError::from)
    }

    /// The first `count` rows (at most [`PER_PAGE`]) of a listing: for those that ask for "the newest".
    pub async fn first<T, E, B>(&self, endpoint: Result<E, B>, count: usize) -> Result<Vec<T>, CallError>
    where
        T: DeserializeOwned,
        E: Endpoint,
        B: std::error::Error,
    {
        let endpoint = endpoint.map_err(CallError::unbuilt)?;
        let (mut rows, _) = self.page(&endpoint, 1, count.clamp(1, PER_PAGE)).await?;
        rows.truncate(count);
        Ok(rows)
    }

    /// Every row of a listing, at most [`PAGES_MAX`] pages.
    pub async fn all<T, E, B>(&self, endpoint: Result<E, B>) -> Result<Vec<T>, CallError>
    where
        T: DeserializeOwned,
        E: Endpoint,
        B: std::error::Error,
    {
        self.until(endpoint, |_| false).await
    }

    /// The rows of a listing up to the page that holds a row of which `enough` is true, at most [`PAGES_MAX`] pages.
    ///
    /// The crate's own paging stops at the first page that is not full. GitLab removes the notes a caller may not see *after*
    /// it has cut the page, so that would lose the rest.
    pub async fn until<T, E, B>(&self, endpoint: Result<E, B>, enough: impl Fn(&T) -> bool) -> Result<Vec<T>, CallError>
    where
        T: DeserializeOwned,
        E: Endpoint,
        B: std::error::Error,
    {
        let endpoint = endpoint.map_err(CallError::unbuilt)?;
        let mut rows: Vec<T> = vec![];
        for number in 1..=PAGES_MAX {
            let (page, more) = self.page(&endpoint, number, PER_PAGE).await?;
            let done = !more || page.iter().any(&enough);
            rows.extend(page);
            if done {
                return Ok(rows);
            }
        }
        Err(CallError::TooLarge(format!("a listing of more than {PAGES_MAX} pages of {PER_PAGE}")))
    }

    /// One page, and whether another follows.
    async fn page<T: DeserializeOwned>(&self, endpoint: &impl Endpoint, number: usize, rows: usize) -> Result<(Vec<T>, bool), CallError> {
        let mut url = self.rest_endpoint(&endpoint.endpoint())?;
        endpoint.parameters().add_to_url(&mut url);
        url.query_pairs_mut().append_pair("per_page", &rows.to_string()).append_pair("page", &number.to_string());
        let answer = self.call(endpoint.method(), url, None).await?;
        let page: Vec<T> = serde_json::from_slice(answer.body())
            .map_err(|_| CallError::Unreadable("an answer that is not the list we asked for".into()))?;
        let next = answer.headers().get("x-next-page").map(|next| next.to_str().unwrap_or_default().trim().to_owned());
        let more = match next.as_deref() {
            Some("") => false,
            Some(next) if next == (number + 1).to_string() => true,
            Some(_) => return Err(CallError::Unreadable("a listing's next page does not follow this one".into())),
            // Left out above 10,000 rows and by some proxies; a full page may have a successor.
            None => page.len() >= rows,
        };
        Ok((page, more))
    }

    /// The bytes behind an endpoint, which GitLab may keep in object storage: one redirect is followed there, without the token.
    pub async fn download<E, B>(&self, endpoint: Result<E, B>, limit: usize) -> Result<Vec<u8>, CallError>
    where
        E: Endpoint,
        B: std::error::Error,
    {
        let endpoint = endpoint.map_err(CallError::unbuilt)?;
        let mut url = self.rest_endpoint(&endpoint.endpoint())?;
        endpoint.parameters().add_to_url(&mut url);
        self.fetch(url, limit).await
    }
}

/// The base address without trailing slashes, if it may be used.
fn base(url: &Url) -> Result<Url, NoClient> {
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return Err(NoClient::PlainHttp),
        _ => return Err(NoClient::Address),
    }
    if !plain || url.host().is_none() {
        return Err(NoClient::Address);
    }
    let mut base = url.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    base.set_path(&path);
    Ok(base)
}

/// Whether an address is this machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

impl From<ApiError<CallError>> for CallError {
    fn from(error: ApiError<CallError>) -> Self {
        match error {
            ApiError::Client { source } => source,
            ApiError::DataType { .. } => Self::Unreadable("an answer that lacks a field or holds one of another type".into()),
            // Non-exhaustive in the crate. Statuses never get here: the connection turns them into its own errors.
            _ => Self::Unreadable("an answer that is not JSON".into()),
        }
    }
}
