//! Environments: the targets of a promotion.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::project::WatchedImage;
use super::{Repository, Timestamp};

/// The name of a GitLab environment, such as `production` ([GitLab, environments](https://docs.gitlab.com/ci/environments/)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentName(pub String);

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An environment with what the operator says of it. Made by `config`; never read from the release's own ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub name: EnvironmentName,
    /// It takes only a digest that was promoted to this one before, and arrived there.
    pub after: Option<EnvironmentName>,
    /// What a promotion does, in this order. Empty: people may ask about the environment, and nothing can be promoted to it.
    pub actions: Vec<Action>,
    /// Who may promote where GitLab has no rule of its own: it protects environments on Premium and up only.
    pub allow: Allow,
    /// Whether somebody else than the requester must approve.
    pub second_person: bool,
    /// How long a promotion waits for that approval before it ends by itself.
    pub approval_age: jiff::SignedDuration,
    /// How long a promotion may run before it ends as not converged, and lets go of the environment.
    pub converge_within: jiff::SignedDuration,
    pub freezes: Vec<Freeze>,
    /// Until then what would block is said and does not block. Ends by itself, so that it never stays on silently.
    pub observe_until: Option<Timestamp>,
}

impl Environment {
    /// An environment that people may ask about, and no more.
    pub fn named(name: &str) -> Self {
        Self {
            name: EnvironmentName(name.into()),
            after: None,
            actions: vec![],
            allow: Allow::default(),
            second_person: false,
            approval_age: jiff::SignedDuration::from_hours(1),
            converge_within: jiff::SignedDuration::from_hours(1),
            freezes: vec![],
            observe_until: None,
        }
    }
}

/// Who may promote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// The lowest role, by GitLab's number ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)).
    pub role: u64,
    /// GitLab groups, by full path: only their members may, whatever their role in the project. Empty: no such limit.
    pub groups: Vec<String>,
}

/// GitLab's number of the role Maintainer.
pub const MAINTAINER: u64 = 40;

impl Default for Allow {
    fn default() -> Self {
        Self { role: MAINTAINER, groups: vec![] }
    }
}

impl Allow {
    /// Who that is, in words for somebody who may not. The names of roles are
    /// [GitLab's](https://docs.gitlab.com/api/access_requests/#valid-access-levels).
    pub fn who(&self) -> String {
        let role = match self.role {
            10 => "the role Guest".into(),
            15 => "the role Planner".into(),
            20 => "the role Reporter".into(),
            30 => "the role Developer".into(),
            MAINTAINER => "the role Maintainer".into(),
            50 => "the role Owner".into(),
            other => format!("access level {other}"),
        };
        match self.groups.as_slice() {
            [] => role,
            groups => format!("group {}", groups.join(" or group ")),
        }
    }
}

/// One thing that a promotion does. Each is idempotent, with its intent recorded before and its outcome read back after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Puts the same manifest under this tag, in the same repository.
    Retag { tag: String },
    /// Copies the image with all its evidence to another repository, and verifies it there.
    Copy { to: CopyTarget, tag: Option<String> },
    /// Starts the manual job of this name in the release pipeline; image digests go along as values.
    PlayJob { job: String, values: Values },
    /// Starts a pipeline on the release's tag, or on this branch, with image digests as values.
    StartPipeline { branch: Option<String>, values: Values },
    /// Records the promotion as a GitLab deployment. Not beside an action whose job makes one.
    Deployment,
    /// Signs a verification summary (SLSA VSA v1) with the bot's own key, and puts it beside the image.
    Attest,
}

impl Action {
    /// The word it has in `bot.toml`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Retag { .. } => "retag",
            Self::Copy { .. } => "copy",
            Self::PlayJob { .. } => "play-job",
            Self::StartPipeline { .. } => "start-pipeline",
            Self::Deployment => "deployment",
            Self::Attest => "attest",
        }
    }
}

/// How values reach a job or a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    pub carrier: Carrier,
    /// The name that carries the pinned image. In a project of several images `_` and the image's short name in capitals is added.
    pub image: String,
}

/// By what a job or a pipeline takes values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// CI/CD variables. A project may refuse them (`ci_pipeline_variables_minimum_override_role`).
    Variables,
    /// [Inputs](https://docs.gitlab.com/ci/inputs/): typed, declared by the job or pipeline; GitLab 18.1, for jobs 18.10.
    Inputs,
}

/// Where a copy goes: a repository in which `{image}` stands for the image's short name and `{path}` for the path of its repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CopyTarget(pub String);

impl CopyTarget {
    /// The repository for one image; `None` where the text makes none.
    pub fn of(&self, image: &WatchedImage) -> Option<Repository> {
        self.0.replace("{image}", &image.name).replace("{path}", &image.repository.path).parse().ok()
    }
}

/// A time in which nothing is promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Why, in the operator's words.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_is_said_by_role_or_by_group() {
        let who = |role, groups: &[&str]| Allow { role, groups: groups.iter().map(|group| (*group).into()).collect() }.who();
        assert_eq!(Allow::default().who(), "the role Maintainer");
        assert_eq!((who(30, &[]), who(45, &[])), ("the role Developer".into(), "access level 45".into()));
        assert_eq!(who(40, &["shop/release", "ops"]), "group shop/release or group ops");
    }

    #[test]
    fn a_copy_goes_where_its_target_says_or_nowhere() {
        let image = WatchedImage {
            name: "api".into(),
            repository: "registry.example.com/shop/api".parse().unwrap(),
            version_tag: crate::model::project::TagTemplate::parse("{tag}").unwrap(),
            commit_tag: None,
            release_job: "release".into(),
            digest_file: None,
            signers: vec![],
            wants_provenance: false,
            platform_signatures: false,
        };
        let of = |target: &str| CopyTarget(target.into()).of(&image).map(|repository| repository.to_string());
        assert_eq!(of("prod.example.com/{image}").as_deref(), Some("prod.example.com/api"));
        assert_eq!(of("prod.example.com/mirror/{path}").as_deref(), Some("prod.example.com/mirror/shop/api"));
        assert_eq!(of("prod.example.com/{tag}"), None);
    }

    #[test]
    fn actions_have_the_words_of_the_configuration() {
        let values = Values { carrier: Carrier::Inputs, image: "IMAGE".into() };
        let actions = [
            Action::Retag { tag: "t".into() },
            Action::Copy { to: CopyTarget("r".into()), tag: None },
            Action::PlayJob { job: "j".into(), values: values.clone() },
            Action::StartPipeline { branch: None, values },
            Action::Deployment,
            Action::Attest,
        ];
        assert_eq!(actions.map(|action| action.word()), ["retag", "copy", "play-job", "start-pipeline", "deployment", "attest"]);
    }
}
