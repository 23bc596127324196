//! The kinds of text in `bot.toml`. Each form checks with the parser that the reader uses afterwards.

mod promotion;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::Url;

pub use promotion::*;

use super::table::Form;
use crate::model::Repository;
use crate::model::project::{Pattern, TagTemplate};
use crate::verdict::TrustedRunner;

/// Shorter would ask GitLab for its lists more often than its rate limits bear with many projects.
const CATCH_UP_SHORTEST: Duration = Duration::from_secs(10);
/// Longer, and a lost delivery would be found only after people stopped waiting for it.
const CATCH_UP_LONGEST: Duration = Duration::from_secs(60 * 60);

/// The bot asks for a newer trust root every hour.
const AGE_SHORTEST: Duration = Duration::from_secs(60 * 60);
/// The longest time that Sigstore's own repository is worked on without a new timestamp is far below this.
const AGE_LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);

pub static NAME: Form = Form {
    accepts: "a name of 1 to 64 letters, digits, '-' and '_'",
    example: None,
    lines: false,
    check: |text| ok(is_name(text), "has other characters or is too long"),
};

pub static FREE: Form = Form { accepts: "a text", example: None, lines: false, check: |_| Ok(()) };

pub static FILE: Form = Form {
    accepts: "the path of a file, from the folder of bot.toml",
    example: Some("release.pub"),
    lines: false,
    check: |text| ok(!text.contains('\0'), "holds a zero byte"),
};

pub static FILE_NAME: Form = Form {
    accepts: "the path of a file inside the job's artifacts",
    example: Some("image-digest.txt"),
    lines: false,
    // An artifact path goes into an API address.
    check: |text| {
        ok(!text.starts_with('/') && !text.split('/').any(|part| matches!(part, "" | "." | "..")), "leaves the artifacts' folder")
    },
};

pub static VARIABLE: Form = Form {
    accepts: "the name of an environment variable: letters, digits and '_'",
    example: Some("COUNTERSIGN_GITLAB_TOKEN"),
    lines: false,
    check: |text| {
        let shape = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit());
        ok(shape && text.len() <= 128, "has other characters or is too long")
    },
};

pub static PEM: Form = Form {
    accepts: "a public key in PEM, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----",
    example: None,
    lines: true,
    // The key itself is read in `trust`, which says more about what a wrong one is.
    check: |_| Ok(()),
};

pub static GITLAB_URL: Form = Form {
    accepts: "the address of a GitLab server, with https (http only for localhost)",
    example: Some("https://gitlab.example.com"),
    lines: false,
    check: |text| {
        let url = base_url(text)?;
        // SR-19: the token goes there with every call.
        ok(url.scheme() == "https" || url.host_str().is_some_and(is_loopback), "would send the token unencrypted")
    },
};

pub static TUF_URL: Form = Form {
    accepts: "the address of a TUF repository, with https (http only for localhost)",
    example: Some("https://tuf.example.com"),
    lines: false,
    check: |text| {
        let url = base_url(text)?;
        ok(url.scheme() == "https" || url.host_str().is_some_and(is_loopback), "is not https")
    },
};

pub static TRUST: Form = Form {
    accepts: "\"public-good\" for sigstore.dev",
    example: Some(PUBLIC_GOOD),
    lines: false,
    check: |text| ok(text == PUBLIC_GOOD, "is no trust root that is known by name"),
};

/// The name of the Sigstore instance at sigstore.dev.
pub const PUBLIC_GOOD: &str = "public-good";

pub static AGE: Form = Form {
    accepts: "a time from \"1h\" to \"90d\"",
    example: Some("7d"),
    lines: false,
    check: |text| ok(age(text).is_some_and(|age| (AGE_SHORTEST..=AGE_LONGEST).contains(&age)), "is not such a time"),
};

pub static PUBLIC_URL: Form = Form {
    accepts: "the address at which people and GitLab reach the bot",
    example: Some("https://countersign.example.com"),
    lines: false,
    check: |text| base_url(text).map(drop),
};

pub static ISSUER: Form = Form {
    accepts: "the issuer as /.well-known/openid-configuration of the GitLab server says it, to the byte",
    example: Some("https://gitlab.example.com"),
    lines: false,
    check: |text| base_url(text).map(drop),
};

pub static LISTEN: Form = Form {
    accepts: "an IP address with a port",
    example: Some("127.0.0.1:8080"),
    lines: false,
    check: |text| text.parse::<SocketAddr>().map(drop).map_err(|_| "is no such address".into()),
};

pub static EVERY: Form = Form {
    accepts: "a time from \"10s\" to \"1h\"",
    example: Some("1m"),
    lines: false,
    check: |text| ok(duration(text).is_some_and(|every| (CATCH_UP_SHORTEST..=CATCH_UP_LONGEST).contains(&every)), "is not such a time"),
};

pub static HOST: Form = Form {
    accepts: "a host name with its port if it is not 443, without https:// and without a path",
    example: Some("registry.example.com"),
    lines: false,
    check: |text| {
        lower_case_host(text)?;
        let whole = !text.contains('/') && format!("{text}/image").parse::<Repository>().is_ok();
        ok(whole && Url::parse(&format!("https://{text}")).is_ok(), "is no such host")
    },
};

pub static REPOSITORY: Form = Form {
    accepts: "an image repository with its registry and without a tag; {path} stands for the project's path",
    example: Some("registry.example.com/shop/api"),
    lines: false,
    check: |text| {
        lower_case_host(text.split('/').next().unwrap_or(text))?;
        text.replace(PATH_PLACEHOLDER, "group/project").parse::<Repository>().map(drop).map_err(|why| why.to_string())
    },
};

pub static IMAGE_NAME: Form = Form {
    accepts: "a name of 1 to 64 letters, digits, '-', '_' and '.'",
    example: Some("api"),
    lines: false,
    check: |text| ok(is_name(&text.replace('.', "-")), "has other characters or is too long"),
};

pub static PROJECT: Form = Form {
    accepts: "a project's path as in its address: group/project",
    example: Some("shop/api"),
    lines: false,
    check: |text| ok(text.contains('/') && text.len() <= 255 && text.split('/').all(is_path_part), "is no such path"),
};

pub static API_PROJECT: Form = Form {
    accepts: "the path of a watched project, or \"all\"",
    example: Some("shop/api"),
    lines: false,
    // No path is one word.
    check: |text| if text == ALL_PROJECTS { Ok(()) } else { (PROJECT.check)(text) },
};

/// Stands for every project where a token's projects are listed.
pub const ALL_PROJECTS: &str = "all";

pub static TAG_PATTERN: Form = Form {
    accepts: "an exact name, or the beginning of names with '*' as its last character",
    example: Some("v*"),
    lines: false,
    check: |text| Pattern::parse(text).map(drop).map_err(|why| why.to_string()),
};

pub static TAG_TEMPLATE: Form = Form {
    accepts: "a registry tag made with {tag}, {version}, {short_sha} or {sha}",
    example: Some("{tag}"),
    lines: false,
    check: |text| TagTemplate::parse(text).map(drop).map_err(|why| why.to_string()),
};

pub static RUNNER: Form = Form {
    accepts: "a runner: '#' and its id, or its exact description, which whoever manages the runner may change",
    example: Some("#42"),
    lines: false,
    check: |text| ok(TrustedRunner::parse(text).is_some(), "has no number after the '#'"),
};

/// Stands for the project's path, in lower case as GitLab's registry writes it.
pub const PATH_PLACEHOLDER: &str = "{path}";

fn ok(fits: bool, why: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(why.into()) }
}

/// Two spellings of one host would miss each other's login.
fn lower_case_host(host: &str) -> Result<(), String> {
    ok(!host.contains(|c: char| c.is_ascii_uppercase()), "has a host with capital letters")
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// A part of a project's or a group's path.
fn is_path_part(part: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    part.starts_with(|c| word(c) || c == '.') && part.chars().all(|c| word(c) || matches!(c, '.' | '-')) && !matches!(part, "." | "..")
}

/// `12h`, `7d`: a day has 24 hours.
pub fn age(text: &str) -> Option<Duration> {
    match text.strip_suffix('d') {
        Some(days) if days.len() <= 3 && days.chars().all(|c| c.is_ascii_digit()) => {
            Some(Duration::from_secs(days.parse::<u64>().ok()? * 24 * 60 * 60))
        }
        Some(_) | None => duration(text),
    }
}

/// `10s`, `1m`, `2h`.
pub fn duration(text: &str) -> Option<Duration> {
    text.parse::<jiff::SignedDuration>().ok()?.try_into().ok()
}

/// An address to which paths are added. Errors never quote it: it could hold a password.
fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is no address")?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err("is not an https address".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or a password".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a '?' or a '#'".into());
    }
    Ok(url)
}

/// Whether a host, with or without a port, is this machine by its name alone.
pub fn is_loopback(host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}"));
    let bare = url.as_ref().ok().and_then(Url::host_str).unwrap_or(host);
    let address = bare.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    bare == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[&Form] = &[
        &NAME,
        &FREE,
        &FILE,
        &FILE_NAME,
        &VARIABLE,
        &PEM,
        &GITLAB_URL,
        &TUF_URL,
        &TRUST,
        &AGE,
        &PUBLIC_URL,
        &ISSUER,
        &LISTEN,
        &EVERY,
        &HOST,
        &REPOSITORY,
        &IMAGE_NAME,
        &PROJECT,
        &API_PROJECT,
        &TAG_PATTERN,
        &TAG_TEMPLATE,
        &RUNNER,
        &WAIT,
        &GROUP,
        &TAG,
        &COPY_TARGET,
        &BRANCH,
        &CI_VARIABLE,
    ];

    #[test]
    fn every_example_has_its_form() {
        for form in ALL {
            if let Some(example) = form.example {
                assert_eq!((form.check)(example), Ok(()), "{form:?}");
            }
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9:5000", "[::1]", "[::1]:5000", "localhost:80"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "[::2]", "0.0.0.0", "example.com", "xlocalhost"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn wrong_texts_are_refused() {
        for (form, text) in [
            (&GITLAB_URL, "http://gitlab.example.com"),
            (&GITLAB_URL, "https://me:pw@gitlab.example.com"),
            (&GITLAB_URL, "gitlab.example.com"),
            (&GITLAB_URL, "file:///etc/passwd"),
            (&GITLAB_URL, "https://gitlab.example.com?x=1"),
            (&HOST, "https://registry.example.com"),
            (&HOST, "registry.example.com/shop"),
            (&HOST, "me:pw@registry.example.com"),
            (&HOST, "Registry.example.com"),
            (&REPOSITORY, "Registry.example.com/shop/api"),
            (&PROJECT, "api"),
            (&PROJECT, "shop//api"),
            (&PROJECT, "../api"),
            (&PROJECT, "https://gitlab.example.com/shop/api"),
            (&API_PROJECT, "*"),
            (&API_PROJECT, "All"),
            (&TUF_URL, "http://tuf.example.com"),
            (&TRUST, "staging"),
            (&AGE, "0d"),
            (&AGE, "91d"),
            (&AGE, "10m"),
            (&AGE, "d"),
            (&AGE, "-1d"),
            (&AGE, "7days"),
            (&EVERY, "0s"),
            (&EVERY, "-1m"),
            (&EVERY, "2d"),
            (&EVERY, "often"),
            (&FILE_NAME, "../x"),
            (&FILE_NAME, "/etc/passwd"),
            (&VARIABLE, "glpat-secret"),
            (&REPOSITORY, "registry.example.com/shop/api:v1"),
            (&REPOSITORY, "registry.example.com/{tag}"),
            (&RUNNER, "#"),
            (&RUNNER, "#release-02"),
            (&WAIT, "30s"),
            (&WAIT, "8d"),
            (&GROUP, "/shop"),
            (&GROUP, "shop managers"),
            (&TAG, "production-{version}"),
            (&TAG, "a/b"),
            (&COPY_TARGET, "{image}.example.com/shop"),
            (&COPY_TARGET, "registry.example.com/{tag}"),
            (&COPY_TARGET, "registry.example.com/shop/api:production"),
            (&BRANCH, "refs/heads/main"),
            (&BRANCH, "a..b"),
            (&BRANCH, "a branch"),
            (&BRANCH, "-f"),
            (&CI_VARIABLE, "CI_COMMIT_SHA"),
            (&CI_VARIABLE, "1IMAGE"),
            (&CI_VARIABLE, "IMAGE-NAME"),
        ] {
            assert!((form.check)(text).is_err(), "{text}");
        }
    }
}
