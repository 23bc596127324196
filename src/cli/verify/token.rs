//! What the caller proves itself with. Never an argument: those are seen by everybody on the machine, and end up in job logs.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use reqwest::header::HeaderValue;

use super::{Failed, usage};
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
            return match Secret::new(&read(file)?) {
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

fn read(file: &Path) -> Result<String, Failed> {
    let wrong = |why: &dyn std::fmt::Display| format!("The token file {} cannot be read: {why}.", file.display());
    let mut text = String::new();
    match File::open(file).and_then(|open| open.take(LONGEST + 1).read_to_string(&mut text)) {
        Ok(length) if length as u64 > LONGEST => usage(wrong(&format!("it is larger than {LONGEST} bytes"))),
        Ok(_) => Ok(text),
        Err(why) => usage(wrong(&why.kind())),
    }
}
