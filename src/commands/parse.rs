//! From a note's Markdown to what it says to us.

use super::Said;

/// Reads a note. `username` is our own, without the at-sign.
pub fn parse(_body: &str, _username: &str) -> Vec<Said> {
    vec![]
}
