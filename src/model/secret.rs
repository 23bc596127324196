//! Secrets: values that no log, note, metric or error may show (SR-23).

use std::fmt;

/// A secret text. `Debug` and `Display` hide it, and it is not `Serialize`; only [`Secret::expose`] gives it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret, without the newline that files end with. `None` if nothing is left: an empty secret would match an
    /// absent one.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim_end_matches(['\n', '\r']);
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The secret itself, for the one call that must send or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_hides_and_an_empty_one_is_none() {
        let secret = Secret::new("hunter2\n").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(Secret::new("\n"), None);
    }
}
