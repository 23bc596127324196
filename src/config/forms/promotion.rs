//! The kinds of text that say how an environment is promoted to.

use std::time::Duration;

use super::{age, lower_case_host, ok};
use crate::config::table::Form;
use crate::model::Repository;
use crate::model::image::is_tag;

/// Shorter, and nobody could read the question, nor a job end.
const WAIT_SHORTEST: Duration = Duration::from_secs(60);
/// The environment is held meanwhile, and what was verified gets old.
const WAIT_LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// GitLab takes longer ones; nobody has them, and each is sent with every promotion.
const LONGEST_VARIABLE: usize = 128;

pub static WAIT: Form = Form {
    accepts: "a time from \"1m\" to \"7d\"",
    example: Some("1h"),
    lines: false,
    check: |text| ok(age(text).is_some_and(|wait| (WAIT_SHORTEST..=WAIT_LONGEST).contains(&wait)), "is not such a time"),
};

pub static GROUP: Form = Form {
    accepts: "a group's full path as in its address",
    example: Some("shop/release-managers"),
    lines: false,
    check: |text| ok(text.len() <= 255 && text.split('/').all(super::is_path_part), "is no such path"),
};

pub static TAG: Form = Form {
    accepts: "a registry tag that is the same for every release: letters, digits, '.', '_' and '-'",
    example: Some("production"),
    lines: false,
    check: |text| {
        ok(!text.contains(['{', '}']), "holds braces, and nothing is filled in here").and_then(|()| ok(is_tag(text), "is no tag"))
    },
};

pub static COPY_TARGET: Form = Form {
    accepts: "an image repository with its registry and without a tag; {image} stands for the image's short name, {path} for the path of \
              its repository",
    example: Some("registry.example.com/production/{image}"),
    lines: false,
    check: |text| {
        let host = text.split('/').next().unwrap_or(text);
        // SR-19: the push login is found by the host, which nothing that varies may choose.
        ok(!host.contains(['{', '}']), "has a registry with a placeholder in it")?;
        lower_case_host(host)?;
        text.replace("{image}", "image").replace("{path}", "group/project").parse::<Repository>().map(drop).map_err(|why| why.to_string())
    },
};

/// As Git takes them ([git check-ref-format](https://git-scm.com/docs/git-check-ref-format)), less what nobody needs.
pub static BRANCH: Form = Form {
    accepts: "the name of a branch",
    example: Some("main"),
    lines: false,
    check: |text| {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | '#' | '@');
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock");
        let whole = text.chars().all(word) && text.split('/').all(part) && !text.starts_with('-') && !text.contains("..");
        ok(whole && !text.starts_with("refs/") && text.len() <= 255, "is no such name")
    },
};

pub static CI_VARIABLE: Form = Form {
    accepts: "the name of a CI/CD variable: letters, digits and '_', not beginning with CI_ or GITLAB_",
    example: Some("IMAGE"),
    lines: false,
    check: |text| {
        let shape = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit());
        ok(shape && text.len() <= LONGEST_VARIABLE, "has other characters or is too long")?;
        // A job trusts what GitLab sets; we do not stand in for it.
        ok(!text.starts_with("CI_") && !text.starts_with("GITLAB_"), "belongs to GitLab")
    },
};
