//! Requests on the wire: one address, one token, every limit, and the retries.

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use gitlab::api::{ApiError, AsyncClient, RestClient};
use http::{Method, Response, header, request};
use url::Url;

use super::{CallError, GitlabClient, Limits};

/// What a request sends: its content type and its bytes.
pub(super) type Body = Option<(http::HeaderValue, Bytes)>;

impl GitlabClient {
    /// One call: several tries where a try may be repeated, under one deadline. The answer is 200, 201 or 204.
    pub(super) async fn call(&self, method: Method, url: Url, body: Body) -> Result<Response<Bytes>, CallError> {
        let limit = self.inner.limits.body;
        let read = method == Method::GET;
        self.repeat(read, || async {
            let response = self.send(method.clone(), url.clone(), body.clone()).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let bytes = read_body(response, limit).await?;
            // 202 is no success for us: GitLab took a note as commands and stored none.
            if !matches!(status.as_u16(), 200 | 201 | 204) {
                return Err(CallError::of(status, &headers, &bytes));
            }
            let mut answer = Response::new(bytes);
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        })
        .await
    }

    /// Runs a try again while that is harmless and in time. A write is repeated only if it certainly was not done: after a 5xx or a
    /// time-out it may have been, and the caller must look first.
    pub(super) async fn repeat<T, F>(&self, read: bool, attempt: impl FnMut() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let Limits { retries, pause, retry_after: longest, call, .. } = self.inner.limits;
        let pauses = ExponentialBuilder::default().with_min_delay(pause).with_max_times(retries).with_jitter();
        let tries = attempt
            .retry(pauses)
            .when(|error| match error {
                CallError::Limited { .. } | CallError::Down { sent: false, .. } => true,
                CallError::Down { sent: true, .. } => read,
                CallError::Refused(_)
                | CallError::NotFound
                | CallError::Hidden
                | CallError::TooLarge(_)
                | CallError::Unreadable(_)
                | CallError::Rejected { .. } => false,
            })
            .adjust(|error, pause| match error {
                CallError::Limited { retry_after: Some(asked) } if *asked > longest => None,
                CallError::Limited { retry_after: Some(asked) } => pause.map(|pause| pause.max(*asked)),
                _ => pause,
            });
        match tokio::time::timeout(call, tries).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Down { what: "time-out".into(), sent: true }),
        }
    }

    /// One try. The token goes to the configured address and nowhere else (SR-19).
    pub(super) async fn send(&self, method: Method, mut url: Url, body: Body) -> Result<reqwest::Response, CallError> {
        if url.query() == Some("") {
            // The crate leaves a lone `?` behind an endpoint without parameters.
            url.set_query(None);
        }
        if !self.is_ours(&url) {
            return Err(CallError::Unreadable("an address outside the configured GitLab".into()));
        }
        let mut request = self
            .inner
            .api
            .request(method, url)
            .header("PRIVATE-TOKEN", self.inner.token.clone())
            .header(header::ACCEPT, "application/json");
        if let Some((kind, bytes)) = body {
            request = request.header(header::CONTENT_TYPE, kind).body(bytes);
        }
        request.send().await.map_err(no_answer)
    }

    /// Whether an address lies under the configured one.
    fn is_ours(&self, url: &Url) -> bool {
        let base = &self.inner.base;
        let same =
            url.scheme() == base.scheme() && url.host() == base.host() && url.port_or_known_default() == base.port_or_known_default();
        let below = url.path().strip_prefix(base.path().trim_end_matches('/'));
        same && below.is_some_and(|path| path.starts_with("/api/v4/") || path == super::graphql::PATH)
    }
}

impl RestClient for GitlabClient {
    type Error = CallError;

    /// The address of an endpoint. A name that would climb (`..`) or vanish (`.`, nothing) is refused: `tags/.` is a listing.
    fn rest_endpoint(&self, endpoint: &str) -> Result<Url, ApiError<CallError>> {
        let odd = endpoint.contains('\\') || endpoint.split('/').any(|part| matches!(part, "" | "." | ".."));
        let url = Url::parse(&format!("{}/api/v4/{endpoint}", self.inner.base.as_str().trim_end_matches('/')))?;
        if odd || url.query().is_some() || url.fragment().is_some() {
            return Err(ApiError::client(CallError::Rejected { status: 0, message: "a name that cannot stand in an address".into() }));
        }
        Ok(url)
    }
}

#[async_trait]
impl AsyncClient for GitlabClient {
    async fn rest_async(&self, request: request::Builder, body: Vec<u8>) -> Result<Response<Bytes>, ApiError<CallError>> {
        let unbuilt = |_| ApiError::client(CallError::Unreadable("a request that is no HTTP request".into()));
        let (parts, ()) = request.body(()).map_err(unbuilt)?.into_parts();
        let url = Url::parse(&parts.uri.to_string())?;
        let body = parts.headers.get(header::CONTENT_TYPE).map(|kind| (kind.clone(), Bytes::from(body)));
        self.call(parts.method, url, body).await.map_err(ApiError::client)
    }
}

/// Reads a body up to a limit, whatever its `Content-Length` claims.
pub(super) async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Bytes, CallError> {
    let too_large = || CallError::TooLarge(format!("more than {limit} bytes"));
    let declared = response.content_length().unwrap_or(0);
    if declared > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// A failed exchange, without the address that reqwest would name.
pub(super) fn no_answer(error: reqwest::Error) -> CallError {
    if error.is_connect() {
        return CallError::Down { what: "no connection".into(), sent: false };
    }
    let what = if error.is_timeout() { "time-out" } else { "the connection broke" };
    CallError::Down { what: what.into(), sent: true }
}
