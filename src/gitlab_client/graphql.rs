//! GitLab's GraphQL, for what its REST API cannot do ([GraphQL API](https://docs.gitlab.com/api/graphql/)).

use http::{HeaderValue, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::{CallError, GitlabClient, error};

/// Where it lies, below the base address.
pub(super) const PATH: &str = "/api/graphql";

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl GitlabClient {
    /// One operation, never repeated after it may have been done. Values go along as variables, so that none is read as a part of
    /// the operation. GitLab answers 200 to a refusal and says so inside; that is a [`CallError::Rejected`] with status 200.
    pub async fn graphql<T: DeserializeOwned>(&self, operation: &'static str, variables: Value) -> Result<T, CallError> {
        let address = format!("{}{PATH}", self.inner.base.as_str().trim_end_matches('/'));
        let url = Url::parse(&address).map_err(CallError::unbuilt)?;
        let body = json!({"query": operation, "variables": variables}).to_string();
        let body = (HeaderValue::from_static("application/json"), body.into());
        let answer = self.call(Method::POST, url, Some(body)).await?;
        let odd = || CallError::Unreadable("an answer that is not what the operation asks for".into());
        let answer: Answer<T> = serde_json::from_slice(answer.body()).map_err(|_| odd())?;
        match answer.errors.first() {
            Some(problem) => Err(CallError::Rejected { status: 200, message: error::short(&problem.message) }),
            None => answer.data.ok_or_else(odd),
        }
    }
}
