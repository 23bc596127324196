//! The table of `bot.toml`: every section and key with its kind, default and meaning. Said once, here.

mod demands;
mod projects;
mod servers;
mod service;
mod signers;

use super::forms;
use super::table::{Key, Kind, Need, Section};

pub use demands::*;
pub use projects::*;
pub use servers::*;
pub use service::*;
pub use signers::*;

const fn key(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Key {
    Key { name, doc, kind, need }
}

const fn section(name: &'static str, doc: &'static str, keys: &'static [&'static Key]) -> Section {
    Section { name, doc, keys, exactly_one_of: &[] }
}

/// One secret, or several during a rotation.
const SECRETS: Kind = Kind::OneOrMany(&Kind::Secret);
const SIGNERS: Kind = Kind::OneOrMany(&Kind::TextOrTable(&forms::NAME, &SIGNER));
const TAG: Kind = Kind::Text(&forms::TAG_TEMPLATE);
const NAME: Kind = Kind::Text(&forms::NAME);
const REPOSITORY: Kind = Kind::Text(&forms::REPOSITORY);
const DEMAND: Kind = Kind::Word(&["required", "warned", "off"]);

/// Sources that may be allowed to release. `merge_request_event` and `external_pull_request_event` run what nobody has merged, and
/// commit statuses make `external` pipelines: none of the three can be allowed.
const MAY_RELEASE: Kind = Kind::List(&Kind::Word(&[
    "push",
    "web",
    "api",
    "schedule",
    "trigger",
    "pipeline",
    "parent_pipeline",
    "chat",
    "webide",
    "security_orchestration_policy",
]));

pub mod root {
    use super::*;
    pub static SERVER: Key = key("server", Kind::Table(&super::SERVER), Need::Optional, "Where the service listens.");
    pub static STORE: Key = key("store", Kind::Table(&super::STORE), Need::Optional, "What survives a restart.");
    pub static LOG: Key = key("log", Kind::Table(&super::LOG), Need::Optional, "How events are logged.");
    pub static CATCH_UP: Key = key("catch_up", Kind::Table(&super::CATCH_UP), Need::Optional, "The poll that finds what no webhook told.");
    pub static API: Key = key("api", Kind::Table(&super::API), Need::Optional, "Who may ask over the API.");
    pub static GITLAB: Key =
        key("gitlab", Kind::Named(&forms::NAME, &super::GITLAB), Need::Required, "The GitLab servers, each under a name of your choice.");
    pub static REGISTRY: Key = key(
        "registry",
        Kind::Named(&forms::HOST, &super::REGISTRY),
        Need::Optional,
        "Logins of registries, each under its host as it stands in image names. A registry without a section is read anonymously.",
    );
    pub static SIGNER: Key =
        key("signer", Kind::Named(&forms::NAME, &super::SIGNER), Need::Optional, "Trusted signers that projects pick by name.");
    pub static POLICY: Key = key(
        "policy",
        Kind::Table(&super::POLICY),
        Need::Optional,
        "What is demanded of every project. Profiles and projects can only tighten what stands here.",
    );
    pub static DEFAULTS: Key =
        key("defaults", Kind::Table(&super::DEFAULTS), Need::Optional, "What holds for every project that does not say otherwise.");
    pub static PROFILE: Key =
        key("profile", Kind::Named(&forms::NAME, &super::PROFILE), Need::Optional, "Named settings that projects pick with one line.");
    pub static PROJECT: Key = key("project", Kind::Tables(&super::PROJECT), Need::Required, "The projects whose releases are checked.");
}

pub static ROOT: Section = section(
    "bot.toml",
    "The configuration of Countersign.",
    &[
        &root::SERVER,
        &root::STORE,
        &root::LOG,
        &root::CATCH_UP,
        &root::API,
        &root::GITLAB,
        &root::REGISTRY,
        &root::SIGNER,
        &root::POLICY,
        &root::DEFAULTS,
        &root::PROFILE,
        &root::PROJECT,
    ],
);
