//! How GitLab says no.

/// A refusal, by the status it is answered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// 400 from the parameters: `{"error": …}`, before anything was looked up.
    #[error("{0}")]
    Parameters(String),
    /// 400 from the object: `{"message": …}`.
    #[error("{0}")]
    Bad(String),
    /// 400 from a field of the object: `{"message": {field: [text]}}`.
    #[error("{0} {1}")]
    Field(&'static str, String),
    #[error("401 Unauthorized")]
    Unauthorized,
    /// 401 `{"error": "invalid_token", …}`: a token that was revoked or expired.
    #[error("{0}")]
    DeadToken(&'static str),
    /// 403, with the part after "403 Forbidden".
    #[error("403 Forbidden{0}")]
    Forbidden(&'static str),
    /// 403 `{"error": "insufficient_scope", …}`, with the scopes that would do.
    #[error("insufficient_scope")]
    Scope(&'static str),
    /// 404, with the name of what is not there: `404 Project Not Found`. An empty name is GitLab's plain `404 Not found`.
    #[error("404 {0} Not Found")]
    NotFound(&'static str),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Unprocessable(String),
    /// 429 of an application limit: without headers, as GitLab answers it for notes.
    #[error("This endpoint has been requested too many times. Try again later.")]
    TooMany,
}

/// GitLab's answer for an object that is not there and has no name of its own in the answer.
pub const NOTHING: Refused = Refused::NotFound("");
