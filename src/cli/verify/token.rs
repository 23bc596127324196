//! What the caller proves itself with. Never an argument: those are seen by everybody on the machine, and end up in job logs.

use std::path::Path;

use reqwest::header::HeaderValue;

use super::{Failed, usage};
use crate::cli::material::read;
use crate::model::Secret;

/// The variable that GitLab fills by `id_tokens: { COUNTERSIGN_ID_TOKEN: { aud: … } }`.
pub const ID_TOKEN: &str = "COUNTERSIGN_ID_TOKEN";
pub const API_TOKEN: &str = "COUNTERSIGN_API_TOKEN";

/// Bytes of a token.
const LONGEST: u64 = 16 * 1024;

/// A token of the caller.
pub struct Token(Secret);

impl Token {
    /// The file, if one is named; else the job's ID token, which is good for its own project and a few minutes only; else the API
    /// token. A variable that is empty is not there.
    pub fn find(file: Option<&Path>) -> Result<Self, Failed> {
        if let Some(file) = file {
            let text = read(file, LONGEST).and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{} is no text", file.display())));
            return match Secret::new(&text.or_else(|why| usage(format!("The token file cannot be used: {why}.")))?) {
                Some(secret) => Ok(Self(secret)),
                None => usage(format!("The token file {} is empty.", file.display())),
            };
        }
        let variable = |name| std::env::var(name).ok().and_then(|text| Secret::new(&text));
        match variable(ID_TOKEN).or_else(|| variable(API_TOKEN)) {
            Some(secret) => Ok(Self(secret)),
            None => usage(format!(
                "There is no token to ask with.\nNext: set {ID_TOKEN} by `id_tokens:` in .gitlab-ci.yml, or {API_TOKEN}, or use --token-file."
            )),
        }
    }

    pub fn header(&self) -> Result<HeaderValue, Failed> {
        match HeaderValue::from_str(&format!("Bearer {}", self.0.expose())) {
            Ok(mut header) if !self.0.expose().contains(|c: char| !c.is_ascii_graphic()) => {
                header.set_sensitive(true);
                Ok(header)
            }
            Ok(_) | Err(_) => usage("The token holds spaces, line breaks or letters that no token has."),
        }
    }
}
