//! What a GitLab publishes for everybody.

use bytes::Bytes;
use http::header;

use super::transport::{no_answer, read_body};
use super::{CallError, GitlabClient};

/// Bytes of a set of public keys: GitLab's three have under 3 KiB.
const KEYS_MAX: usize = 64 * 1024;

impl GitlabClient {
    /// The public keys of its ID tokens, as it publishes them ([JWKS](https://docs.gitlab.com/integration/openid_connect_provider/),
    /// `jwks_uri`). The address is made of the configured one: what a discovery document says could lead anywhere. Our token stays
    /// here, and a redirect is no answer.
    pub async fn signing_keys(&self) -> Result<Bytes, CallError> {
        let mut url = self.inner.base.clone();
        url.set_path(&format!("{}/oauth/discovery/keys", self.inner.base.path().trim_end_matches('/')));
        self.repeat(true, || async {
            let request = self.inner.api.get(url.clone()).header(header::ACCEPT, "application/json");
            let response = request.send().await.map_err(no_answer)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let bytes = read_body(response, KEYS_MAX).await?;
            if status.as_u16() == 200 { Ok(bytes) } else { Err(CallError::of(status, &headers, &bytes)) }
        })
        .await
    }
}
