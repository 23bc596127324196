//! GitLab's wildcards of protected tags and branches.

/// Whether `name` fits `pattern`, in which `*` stands for any text, also none and also with slashes.
pub fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name) in
            [("v*", "v1.8.2"), ("v*", "v"), ("*", ""), ("v1", "v1"), ("release/*-rc*", "release/a/b-rc2"), ("*a*a", "aa")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("v*", "1.8.2"), ("v1", "v12"), ("*-rc", "1-rc2"), ("*a*a", "a"), ("a*b*c", "ac")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
