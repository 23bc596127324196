//! One registry on the wire: every request bounded in size, time, redirects and repetitions; the login stays at home.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

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
use crate::tls::trusting;
use crate::verdict::facts::Why;

/// One registry with its connections.
#[derive(Debug)]
pub(crate) struct Wire {
    pub host: Host,
    /// For configured hosts.
    pub home: Client,
    /// For addresses that content names: resolves to public addresses only.
    pub away: Client,
    known: Arc<HashSet<HostPort>>,
    tokens: Tokens,
    pub limits: Limits,
}

/// What a request's token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope<'a> {
    repository: &'a str,
    push: bool,
    /// A second repository of the same registry, to pull from: a blob is mounted from there.
    from: Option<&'a str>,
}

impl<'a> Scope<'a> {
    pub fn pull(repository: &'a str) -> Self {
        Self { repository, push: false, from: None }
    }

    pub fn push(repository: &'a str) -> Self {
        Self { repository, push: true, from: None }
    }

    /// The same, and to pull from another repository.
    pub fn and_pull(self, from: &'a str) -> Self {
        Self { from: Some(from), ..self }
    }

    /// In the token server's words ([scope](https://distribution.github.io/distribution/spec/auth/scope/)).
    pub fn words(&self) -> Vec<String> {
        let own = format!("repository:{}:{}", self.repository, if self.push { "pull,push" } else { "pull" });
        std::iter::once(own).chain(self.from.map(|from| format!("repository:{from}:pull"))).collect()
    }
}

/// One request that reads.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub scope: Scope<'a>,
    pub url: Url,
    pub accept: &'static str,
    /// Bytes of the body.
    pub limit: usize,
}

/// One request that writes.
#[derive(Debug, Clone)]
pub(crate) struct Write<'a> {
    pub method: Method,
    pub scope: Scope<'a>,
    pub url: Url,
    pub content_type: &'a str,
    pub body: Bytes,
}

/// A body that is read while it is sent, so that no layer lies in memory.
pub(crate) struct Streamed {
    pub body: reqwest::Body,
    /// Bytes.
    pub length: u64,
    /// For the whole of it.
    pub time: Duration,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a request brought no answer, and whether to try again.
#[derive(Debug)]
pub(crate) struct Failed {
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
        let once = || async { self.read_whole(self.exchange(&ask, None).await?, ask.limit, &ask.method).await };
        once.retry(self.pauses()).when(|failed: &Failed| failed.again).await.map_err(|failed| failed.why)
    }

    /// Opens a body to be read piece by piece. Not tried again: whoever has read half of it must begin anew.
    pub async fn open(&self, ask: Ask<'_>, time: Duration) -> Result<Response, Why> {
        self.exchange(&ask, Some(time)).await.map_err(|failed| failed.why)
    }

    /// Sends a request that writes, again where that may help: doing it twice must be doing it once. Statuses as in [`Wire::send`].
    /// A redirect is no answer: what we write goes where we sent it or nowhere.
    pub async fn write(&self, write: Write<'_>) -> Result<Answer, Why> {
        let once = || async {
            let request = || {
                let request = self.home.request(write.method.clone(), write.url.clone()).body(write.body.clone());
                request.header(header::CONTENT_TYPE, write.content_type)
            };
            let response = self.with_login(write.scope, &write.url, request).await?;
            self.read_whole(self.answered(response)?, limits::WORDS, &write.method).await
        };
        once.retry(self.pauses()).when(|failed: &Failed| failed.again).await.map_err(|failed| failed.why)
    }

    /// Sends a body to an upload location that the registry named, once. A location elsewhere gets no login (SR-19).
    pub async fn upload(&self, scope: Scope<'_>, url: Url, streamed: Streamed) -> Result<Answer, Why> {
        let once = async {
            self.may_call(&url)?;
            let mut request = self.client_for(&url).put(url.clone()).timeout(streamed.time);
            if self.host.is_self(&url)
                && let Some(authorization) = self.tokens.current(scope).await
            {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
            let request = request.header(header::CONTENT_LENGTH, streamed.length).body(streamed.body);
            let response = request.send().await.map_err(|error| Failed::connection(&error, &self.who(&url)))?;
            self.read_whole(self.answered(response)?, limits::WORDS, &Method::PUT).await
        };
        once.await.map_err(|failed: Failed| failed.why)
    }

    fn pauses(&self) -> ExponentialBuilder {
        ExponentialBuilder::default().with_min_delay(self.limits.pause).with_max_times(self.limits.retries).with_jitter()
    }

    /// Asks, and follows redirects.
    async fn exchange(&self, ask: &Ask<'_>, time: Option<Duration>) -> Result<Response, Failed> {
        let request = || {
            let request = self.home.request(ask.method.clone(), ask.url.clone()).header(header::ACCEPT, ask.accept);
            time.into_iter().fold(request, RequestBuilder::timeout)
        };
        let mut response = self.with_login(ask.scope, &ask.url, request).await?;
        let mut hops = 0;
        while response.status().is_redirection() {
            hops += 1;
            if hops > limits::REDIRECTS {
                return Err(Failed::last(unreadable(format!("{} redirects without end", self.host.name))));
            }
            response = self.follow((ask, time), &response).await?;
        }
        self.answered(response)
    }

    /// Sends with the login that the registry asks for.
    async fn with_login(&self, scope: Scope<'_>, url: &Url, request: impl Fn() -> RequestBuilder) -> Result<Response, Failed> {
        // The login goes to the registry itself and nowhere else, whoever made the address.
        if !self.host.is_self(url) {
            return Err(Failed::last(unreadable(format!("{} leads to another host", self.host.name))));
        }
        let send = async |carried: Option<&HeaderValue>| {
            let mut request = request();
            if let Some(authorization) = carried {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            request.send().await.map_err(|error| Failed::connection(&error, &self.host.name))
        };
        let carried = self.tokens.current(scope).await;
        let response = send(carried.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let renewed = self.tokens.renew(self, scope, (carried.as_ref(), response.headers())).await?;
        send(Some(&renewed)).await
    }

    /// Stops at the statuses that are no answer.
    fn answered(&self, response: Response) -> Result<Response, Failed> {
        let status = response.status();
        let refusal = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
        if refusal || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED) {
            return Err(Failed::status(status, &self.who(response.url())));
        }
        Ok(response)
    }

    async fn read_whole(&self, response: Response, limit: usize, method: &Method) -> Result<Answer, Failed> {
        let (status, headers, who) = (response.status(), response.headers().clone(), self.who(response.url()));
        let limit = if status == StatusCode::OK { limit } else { limits::WORDS };
        let limit = if *method == Method::HEAD { usize::MAX } else { limit };
        Ok(Answer { status, headers, body: read(response, limit, &who).await? })
    }

    /// Follows one redirect, always without a login.
    async fn follow(&self, (ask, time): (&Ask<'_>, Option<Duration>), response: &Response) -> Result<Response, Failed> {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| response.url().join(location).ok());
        let next = next.ok_or_else(|| Failed::last(unreadable(format!("{} redirects to nowhere", self.host.name))))?;
        self.may_call(&next)?;
        let who = self.who(&next);
        let request = self.client_for(&next).request(ask.method.clone(), next).header(header::ACCEPT, ask.accept);
        let request = time.into_iter().fold(request, RequestBuilder::timeout);
        request.send().await.map_err(|error| Failed::connection(&error, &who))
    }

    fn client_for(&self, url: &Url) -> &Client {
        if super::host::origin_of(url).is_some_and(|at| self.known.contains(&at)) { &self.home } else { &self.away }
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

    /// The status and the registry's own code for it, such as `405 UNSUPPORTED`; of its other words none.
    pub fn reason(&self) -> String {
        let code = self.codes().first().and_then(|code| serde_json::to_value(code).ok()?.as_str().map(str::to_owned));
        [Some(self.status.as_u16().to_string()), code].into_iter().flatten().collect::<Vec<_>>().join(" ")
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
