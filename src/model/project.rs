//! What an operator asks us to watch: plain data, made by `config`.

use serde::{Deserialize, Serialize};

use super::gitlab::{CommitSha, InstanceName, ProjectPath};
use super::signer::TrustedSigner;
use super::{EnvironmentName, Repository};

/// One project we watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedProject {
    pub instance: InstanceName,
    pub path: ProjectPath,
    /// Which Git tags are releases.
    pub release_tags: Pattern,
    /// At least one; a monorepo has several.
    pub images: Vec<WatchedImage>,
    pub environments: Vec<EnvironmentName>,
    /// The manual jobs of the release pipeline that promotions start (`play-job`). They deploy what others built.
    #[serde(default)]
    pub deploy_jobs: Vec<String>,
}

impl WatchedProject {
    /// Whether a job of the release pipeline only deploys. One that releases an image never does, whatever else it is named for.
    pub fn only_deploys(&self, job: &str) -> bool {
        self.deploy_jobs.iter().any(|name| name == job) && self.images.iter().all(|image| image.release_job != job)
    }
}

/// One image that a project releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedImage {
    /// Short name, unique in the project: the last part of the repository path unless configured.
    pub name: String,
    pub repository: Repository,
    /// The registry tag of a release.
    pub version_tag: TagTemplate,
    /// The registry tag made of the commit; `None` where the project pushes none.
    pub commit_tag: Option<TagTemplate>,
    /// The job that builds, pushes and signs.
    pub release_job: String,
    /// The artifact of that job which holds the digest; `None` where the project keeps none.
    pub digest_file: Option<String>,
    /// At least one.
    pub signers: Vec<TrustedSigner>,
    /// Whether policy asks for provenance: then GitLab's own attestations are looked for too.
    #[serde(default)]
    pub wants_provenance: bool,
    /// Whether the signatures beside each platform's own manifest are looked for as well: policy demands them.
    #[serde(default)]
    pub platform_signatures: bool,
}

/// `exact` or `prefix*`, matched against the whole value. Never a regular expression, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPattern {
    #[error("a pattern may not be empty")]
    Empty,
    #[error("'*' may stand only at the end of a pattern")]
    Star,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, NotAPattern> {
        if text.is_empty() {
            return Err(NotAPattern::Empty);
        }
        if text[..text.len() - usize::from(text.ends_with('*'))].contains('*') {
            return Err(NotAPattern::Star);
        }
        Ok(Self(text.into()))
    }

    pub fn matches(&self, value: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => value.starts_with(prefix),
            None => value == self.0,
        }
    }

    /// How every value that matches begins.
    pub fn prefix(&self) -> &str {
        self.0.strip_suffix('*').unwrap_or(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

/// How a registry tag is made: text with `{tag}` (the Git tag), `{version}` (the Git tag without a leading `v`), `{short_sha}`
/// (GitLab's `CI_COMMIT_SHORT_SHA`) or `{sha}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagTemplate(String);

/// Why a text is no tag template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotATemplate {
    #[error(
        "a tag template names at least one of {{tag}}, {{version}}, {{short_sha}}, {{sha}}; a fixed tag would be the same for every release"
    )]
    Fixed,
    #[error(
        "a tag template knows {{tag}}, {{version}}, {{short_sha}} and {{sha}}, and holds only letters, digits, '.', '_' and '-' beside them"
    )]
    Unknown,
}

impl TagTemplate {
    pub fn parse(text: &str) -> Result<Self, NotATemplate> {
        let mut rest = text.to_owned();
        let mut placeholders = 0;
        for placeholder in ["{tag}", "{version}", "{short_sha}", "{sha}"] {
            placeholders += rest.matches(placeholder).count();
            rest = rest.replace(placeholder, "x");
        }
        if !super::image::is_tag(&rest) {
            return Err(NotATemplate::Unknown);
        }
        if placeholders == 0 { Err(NotATemplate::Fixed) } else { Ok(Self(text.into())) }
    }

    /// Whether a Git tag is needed to fill it.
    pub fn needs_git_tag(&self) -> bool {
        self.0.contains("{tag}") || self.0.contains("{version}")
    }

    /// The Git tags that fill this so that it becomes `registry_tag`; none where the commit is needed to tell, or more than one
    /// placeholder would leave it open.
    pub fn git_tags(&self, registry_tag: &str) -> Vec<String> {
        let around = |placeholder| {
            let (before, after) = self.0.split_once(placeholder)?;
            let alone = !before.contains('{') && !after.contains('{');
            registry_tag.strip_prefix(before)?.strip_suffix(after).filter(|inner| alone && !inner.is_empty())
        };
        let of_tag = around("{tag}").map(str::to_owned);
        // `{version}` is made of `1.2` and of `v1.2` alike, and of `vnext` as it is.
        let plain = around("{version}").map(str::to_owned);
        let with_v =
            plain.as_ref().filter(|version| version.starts_with(|c: char| c.is_ascii_digit())).map(|version| format!("v{version}"));
        let unchanged = plain.filter(|version| !version.strip_prefix('v').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit())));
        of_tag.into_iter().chain(with_v).chain(unchanged).collect()
    }

    /// The registry tag, or `None` if a Git tag is needed and there is none.
    pub fn fill(&self, git_tag: Option<&str>, commit: &CommitSha) -> Option<String> {
        if self.needs_git_tag() && git_tag.is_none() {
            return None;
        }
        let git_tag = git_tag.unwrap_or_default();
        let version = git_tag.strip_prefix('v').filter(|v| v.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(git_tag);
        Some(
            self.0
                .replace("{tag}", git_tag)
                .replace("{version}", version)
                .replace("{short_sha}", commit.short())
                .replace("{sha}", commit.as_str()),
        )
    }
}

impl TryFrom<String> for TagTemplate {
    type Error = NotATemplate;

    fn try_from(text: String) -> Result<Self, NotATemplate> {
        Self::parse(&text)
    }
}

impl From<TagTemplate> for String {
    fn from(template: TagTemplate) -> Self {
        template.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_values_only() {
        let release = Pattern::parse("v*").unwrap();
        assert!(release.matches("v1.0.0") && !release.matches("xv1.0.0"));
        let exact = Pattern::parse("main").unwrap();
        assert!(exact.matches("main") && !exact.matches("main2") && !exact.matches("amain"));
        assert_eq!(Pattern::parse(""), Err(NotAPattern::Empty));
        assert_eq!(Pattern::parse("*v"), Err(NotAPattern::Star));
        assert_eq!(Pattern::parse("v**"), Err(NotAPattern::Star));
    }

    #[test]
    fn a_template_fills_or_says_it_cannot() {
        let sha = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".parse().unwrap();
        let fill = |t: &str, tag| TagTemplate::parse(t).unwrap().fill(tag, &sha);
        assert_eq!(fill("{version}", Some("v1.8.2")).as_deref(), Some("1.8.2"));
        assert_eq!(fill("{version}", Some("verdi")).as_deref(), Some("verdi"));
        assert_eq!(fill("{tag}-x", Some("v1.8.2")).as_deref(), Some("v1.8.2-x"));
        assert_eq!(fill("{short_sha}", None).as_deref(), Some("a1b2c3d4"));
        assert_eq!(fill("{tag}", None), None);
        assert_eq!(TagTemplate::parse("latest"), Err(NotATemplate::Fixed));
        assert_eq!(TagTemplate::parse("{branch}"), Err(NotATemplate::Unknown));
    }

    #[test]
    fn a_registry_tag_leads_back_to_the_git_tags_that_make_it() {
        let sha = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".parse().unwrap();
        let check = |template: &str, registry_tag: &str, expected: &[&str]| {
            let template = TagTemplate::parse(template).unwrap();
            let found = template.git_tags(registry_tag);
            assert_eq!(found, expected, "{registry_tag}");
            for git_tag in found {
                assert_eq!(template.fill(Some(&git_tag), &sha).as_deref(), Some(registry_tag));
            }
        };
        check("{tag}", "v1.8.2", &["v1.8.2"]);
        check("{version}", "1.8.2", &["v1.8.2", "1.8.2"]);
        check("{version}", "v1.8.2", &[]);
        check("{version}", "vnext", &["vnext"]);
        check("rel-{tag}-x", "rel-v1-x", &["v1"]);
        check("rel-{tag}-x", "rel-x", &[]);
        check("{tag}-{sha}", "v1-a1b2", &[]);
        check("{short_sha}", "a1b2c3d4", &[]);
    }
}
