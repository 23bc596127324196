//! Faults: what a registry, or something between us and it, does wrong.

use std::time::Duration;

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status with an OCI error body instead of the answer.
    Status(u16),
    /// This status with a web page instead of the answer.
    Html(u16),
    /// This status with this content type and text instead of the answer.
    Text(u16, &'static str, String),
    /// The answer comes after this time.
    Slow(Duration),
    /// The answer's first byte is another one.
    WrongBytes,
    /// The answer is followed by this many bytes more.
    Longer(usize),
    /// The answer ends this many bytes early.
    Shorter(usize),
    /// An endless-looking answer of this many bytes, without a length.
    Oversized(usize),
    /// 307 to this address.
    RedirectTo(String),
    /// The answer lacks this header, such as `location` or `docker-content-digest`.
    Without(&'static str),
    /// The answer has this header.
    With(&'static str, String),
    /// The connection breaks in the middle of the body.
    Drop,
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    fault: Fault,
    left: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Rule>);

impl Faults {
    pub fn add(&mut self, pattern: &str, fault: Fault, times: Option<u32>) {
        self.0.push(Rule { pattern: pattern.into(), fault, left: times });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that this request meets.
    pub fn meet(&mut self, line: &str) -> Option<Fault> {
        let rule = self.0.iter_mut().find(|rule| rule.left != Some(0) && matches(&rule.pattern, line))?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.fault.clone())
    }
}

/// Whether a pattern matches the whole line; `*` stands for anything.
pub(super) fn matches(pattern: &str, line: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == line };
    let Some(line) = line.strip_prefix(head) else { return false };
    let bounds = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
    bounds.into_iter().any(|at| matches(rest, &line[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_line() {
        assert!(matches("GET /v2/*/manifests/*.sig", "GET /v2/a/b/manifests/sha256-1.sig"));
        assert!(matches("*", ""));
        assert!(!matches("GET /v2/*/manifests/*.sig", "GET /v2/a/b/manifests/sha256-1"));
        assert!(!matches("GET /v2/", "GET /v2/a"));
    }

    #[test]
    fn a_counted_fault_ends() {
        let mut faults = Faults::default();
        faults.add("GET *", Fault::Drop, Some(1));
        assert_eq!(faults.meet("GET /"), Some(Fault::Drop));
        assert_eq!(faults.meet("GET /"), None);
    }
}
