//! One registry on the wire: every request bounded in size, time, redirects and repetitions; the login stays at home.

use std::collections::HashSet;
use std::sync::Arc;

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci_client::errors::{OciEnvelope, OciErrorCode};
use reqwest::{Client, RequestBuilder, Response, redirect};
use url::Url;

use super::away::{PublicOnly, may_call};
use super::host::{BadSettings, Host, HostPort};
use super::limits::{self, Limits};
use super::token::Tokens;
use super::{down, limited, refused, too_large, unreadable};
use crate::gitlab_client::trusting;
use crate::verdict::facts::Why;

/// One registry with its connections.
#[derive(Debug)]
pub(super) struct Wire {
    pub host: Host,
    /// For configured hosts.
    pub home: Client,
    /// For addresses that content names: resolves to public addresses only.
    pub away: Client,
    known: Arc<HashSet<HostPort>>,
    tokens: Tokens,
    limits: Limits,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// Whose token to carry.
    pub repository: &'a str,
    pub url: Url,
    pub accept: &'static str,
    /// Bytes of the body.
    pub limit: usize,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a request brought no answer, and whether to try again.
#[derive(Debug)]
pub(super) struct Failed {
    why: Why,
    again: bool,
}

impl Failed {
    pub fn last(why: Why) -> Self {
        Self { why, again: false }
    }

    fn passing(why: Why) -> Self {
        Self { why, again: true }
    }

    /// What a status says that is no answer to what was asked.
    pub fn status(status: StatusCode, who: &str) -> Self {
        let code = status.as_u16();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::last(refused(format!("{who} refuses us ({code})"))),
            StatusCode::TOO_MANY_REQUESTS => Self::passing(limited(format!("{who} limits us (429)"))),
            StatusCode::REQUEST_TIMEOUT => Self::last(down(format!("{who} gave up waiting (408)"))),
            _ if status.is_server_error() => Self::passing(down(format!("{who} fails ({code})"))),
            _ => Self::last(unreadable(format!("{who} answers {code}, which means nothing here"))),
        }
    }

    /// A connection that broke, without its address: a redirect's may hold a signed query.
    fn connection(error: &reqwest::Error, who: &str) -> Self {
        if error.is_timeout() {
            return Self::last(down(format!("{who} did not answer in time")));
        }
        let what = if error.is_connect() { "no connection to" } else { "the connection broke to" };
        Self::passing(down(format!("{what} {who}: {}", root(error))))
    }
}

/// The innermost cause, on one short line: `connection refused`, `invalid peer certificate: UnknownIssuer`.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let text = cause.map_or_else(|| "unknown cause".into(), ToString::to_string);
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

impl Wire {
    pub fn new(host: Host, known: Arc<HashSet<HostPort>>, limits: Limits) -> Result<Self, BadSettings> {
        let tls = |error: reqwest::Error| BadSettings::Tls { host: host.name.clone(), reason: root(&error) };
        let client = || {
            let builder = Client::builder()
                .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
                // Redirects are followed by hand, so that no login goes along and no private address is called.
                .redirect(redirect::Policy::none())
                .referer(false)
                // Bytes are hashed and counted as they come: nothing is ever inflated.
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .connect_timeout(limits.connect)
                .timeout(limits.request);
            // A loopback registry is never behind a proxy.
            if host.plain_http { builder.no_proxy() } else { builder }
        };
        let home = trusting(client(), host.ca_pem.as_deref()).and_then(reqwest::ClientBuilder::build).map_err(tls)?;
        let away = client().dns_resolver(PublicOnly).build().map_err(tls)?;
        Ok(Self { host, home, away, known, tokens: Tokens::default(), limits })
    }

    /// Sends a GET or HEAD, again where that may help. 200 and the statuses below 500 that are an answer come back as an
    /// [`Answer`]; 401, 403, 429, 5xx and everything that is no answer as [`Why`].
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, Why> {
        let pauses = ExponentialBuilder::default().with_min_delay(self.limits.pause).with_max_times(self.limits.retries).with_jitter();
        (|| self.once(&ask)).retry(pauses).when(|failed: &Failed| failed.again).await.map_err(|failed| failed.why)
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        let carried = self.tokens.current(ask.repository).await;
        let mut response = self.ask_home(ask, carried.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let renewed = self.tokens.renew(self, ask.repository, (carried.as_ref(), response.headers())).await?;
            response = self.ask_home(ask, Some(&renewed)).await?;
        }
        let mut hops = 0;
        while response.status().is_redirection() {
            hops += 1;
            if hops > limits::REDIRECTS {
                return Err(Failed::last(unreadable(format!("{} redirects without end", self.host.name))));
            }
            response = self.follow(ask, &response).await?;
        }
        let who = self.who(response.url());
        let status = response.status();
        let refusal = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
        if refusal || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED) {
            return Err(Failed::status(status, &who));
        }
        let limit = if status == StatusCode::OK { ask.limit } else { limits::WORDS };
        let limit = if ask.method == Method::HEAD { usize::MAX } else { limit };
        let headers = response.headers().clone();
        Ok(Answer { status, headers, body: read(response, limit, &who).await? })
    }

    async fn ask_home(&self, ask: &Ask<'_>, carried: Option<&HeaderValue>) -> Result<Response, Failed> {
        // The login goes to the registry itself and nowhere else, whoever made the address.
        if !self.host.is_self(&ask.url) {
            return Err(Failed::last(unreadable(format!("{} leads to another host", self.host.name))));
        }
        let mut request = self.home.request(ask.method.clone(), ask.url.clone()).header(header::ACCEPT, ask.accept);
        if let Some(authorization) = carried {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| Failed::connection(&error, &self.host.name))
    }

    /// Follows one redirect, always without a login.
    async fn follow(&self, ask: &Ask<'_>, response: &Response) -> Result<Response, Failed> {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| response.url().join(location).ok());
        let next = next.ok_or_else(|| Failed::last(unreadable(format!("{} redirects to nowhere", self.host.name))))?;
        self.may_call(&next)?;
        let who = self.who(&next);
        let client = if super::host::origin_of(&next).is_some_and(|at| self.known.contains(&at)) { &self.home } else { &self.away };
        let request = client.request(ask.method.clone(), next).header(header::ACCEPT, ask.accept);
        request.send().await.map_err(|error| Failed::connection(&error, &who))
    }

    /// Stops before an address that content named and that we never call.
    pub fn may_call(&self, url: &Url) -> Result<(), Failed> {
        if may_call(url, &self.known, self.host.plain_http) {
            return Ok(());
        }
        let host = url.host_str().unwrap_or_default();
        let detail = format!("{} leads to `{host}`, which is not a public TLS address nor a configured registry", self.host.name);
        Err(Failed::last(unreadable(detail)))
    }

    /// Sends a token request and reads its few words.
    pub async fn read_words(&self, request: RequestBuilder) -> Result<(StatusCode, Bytes), Failed> {
        let who = format!("the token server of {}", self.host.name);
        let response = request.send().await.map_err(|error| Failed::connection(&error, &who))?;
        let status = response.status();
        Ok((status, read(response, limits::WORDS, &who).await?))
    }

    fn who(&self, url: &Url) -> String {
        if self.host.is_self(url) {
            return self.host.name.clone();
        }
        format!("{}'s storage {}", self.host.name, url.host_str().unwrap_or_default())
    }
}

/// Reads a body up to its limit: neither the announced nor the real length may pass it.
async fn read(mut response: Response, limit: usize, who: &str) -> Result<Bytes, Failed> {
    let over = || Failed::last(too_large(format!("{who} sends more than {limit} bytes")));
    if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > limit)) {
        return Err(over());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| Failed::connection(&error, who))? {
        if body.len() + piece.len() > limit {
            return Err(over());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

impl Answer {
    pub fn is_html(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        kind.trim_start().to_ascii_lowercase().starts_with("text/html")
    }

    /// Whether this answer, which is not 200, says that there is none. A web page, a proxy's text or another status does not:
    /// whoever answers like that is no registry, or not the one asked for.
    pub fn absent(&self) -> Result<(), Why> {
        if self.status != StatusCode::NOT_FOUND {
            return Err(unreadable(format!("the registry answers {}", self.status.as_u16())));
        }
        self.refusal()?;
        // The specification lets the body be empty.
        if !self.is_html() && (self.body.is_empty() || self.codes().iter().any(says_absent)) {
            return Ok(());
        }
        Err(unreadable("404, but not in a registry's words: a proxy or another service may be answering".into()))
    }

    /// A refusal or a limit in the body, whatever the status: some registries answer 404 to those who may not know.
    pub fn refusal(&self) -> Result<(), Why> {
        for code in self.codes() {
            match code {
                OciErrorCode::Denied | OciErrorCode::Unauthorized => return Err(refused("the registry denies access".into())),
                OciErrorCode::Toomanyrequests => return Err(limited("the registry limits us".into())),
                _ => {}
            }
        }
        Ok(())
    }

    fn codes(&self) -> Vec<OciErrorCode> {
        let envelope = serde_json::from_slice::<OciEnvelope>(&self.body);
        envelope.map(|envelope| envelope.errors.into_iter().map(|error| error.code).collect()).unwrap_or_default()
    }
}

fn says_absent(code: &OciErrorCode) -> bool {
    use OciErrorCode::{BlobUnknown, ManifestBlobUnknown, ManifestUnknown, NameUnknown, NotFound};
    matches!(code, BlobUnknown | ManifestBlobUnknown | ManifestUnknown | NameUnknown | NotFound)
}
