//! The table of `bot.toml`: every section and key with its kind, default and meaning. Said once, here.

use super::forms;
use super::table::{Key, Kind, Need, Section};

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

pub mod server {
    use super::*;
    pub static LISTEN: Key =
        key("listen", Kind::Text(&forms::LISTEN), Need::Text("127.0.0.1:8080"), "Address and port to listen on; TLS is the proxy's work.");
    pub static PUBLIC_URL: Key = key(
        "public_url",
        Kind::Text(&forms::PUBLIC_URL),
        Need::Optional,
        "Address at which people and GitLab reach the bot. Without it, http:// and the listen address, if that is a loopback one.",
    );
}

pub static SERVER: Section = section("server", "Where the service listens.", &[&server::LISTEN, &server::PUBLIC_URL]);

pub mod store {
    use super::*;
    pub static PATH: Key = key("path", Kind::Text(&forms::FILE), Need::Text("countersign.sled"), "Folder of the embedded store.");
}

pub static STORE: Section = section("store", "What survives a restart.", &[&store::PATH]);

pub mod log {
    use super::*;
    pub static FORMAT: Key =
        key("format", Kind::Word(&["text", "json"]), Need::Text("text"), "One line an event: for people, or for machines.");
    pub static LEVEL: Key =
        key("level", Kind::Word(&["error", "warn", "info", "debug", "trace"]), Need::Text("info"), "The least important events to log.");
}

pub static LOG: Section = section("log", "How events are logged.", &[&log::FORMAT, &log::LEVEL]);

pub mod catch_up {
    use super::*;
    pub static EVERY: Key = key(
        "every",
        Kind::Text(&forms::EVERY),
        Need::Text("1m"),
        "How often to look for tags, pipelines and notes that no webhook told: GitLab does not send a lost delivery again.",
    );
    pub static RECHECK: Key = key(
        "recheck",
        Kind::Text(&forms::EVERY),
        Need::Text("10m"),
        "How often one of a project's newest releases is looked at again, in turn: a registry tells nobody when somebody moves a tag.",
    );
}

pub static CATCH_UP: Section = section("catch_up", "The poll that finds what no webhook told.", &[&catch_up::EVERY, &catch_up::RECHECK]);

pub mod api {
    use super::*;
    pub static ID_TOKENS: Key = key(
        "id_tokens",
        Kind::Flag,
        Need::Flag(true),
        "Whether a CI job of a watched project may ask about its own project with an ID token (`id_tokens` in .gitlab-ci.yml) whose `aud` is \
         `public_url`, to the letter and alone.",
    );
    pub static TOKEN: Key = key(
        "token",
        Kind::Named(&forms::NAME, &super::API_TOKEN),
        Need::Optional,
        "Tokens for programs that have no ID token, each under a name that the log and the answers show.",
    );
}

pub static API: Section = section("api", "Who may ask over the API, and with `verify --server`.", &[&api::ID_TOKENS, &api::TOKEN]);

pub mod api_token {
    use super::*;
    pub static SECRET: Key = key(
        "secret",
        SECRETS,
        Need::Required,
        "What the caller sends as `Authorization: Bearer`; at least 20 characters, no spaces. Several are valid at once during a rotation.",
    );
    pub static PROJECTS: Key = key(
        "projects",
        Kind::OneOrMany(&Kind::Text(&forms::API_PROJECT)),
        Need::Required,
        "Which projects it may ask about: their paths, or \"all\".",
    );
    pub static GITLAB: Key = key(
        "gitlab",
        NAME,
        Need::Optional,
        "The GitLab server of these projects. Needed where two servers have a project of the same path.",
    );
}

pub static API_TOKEN: Section =
    section("api.token", "A token of the API.", &[&api_token::SECRET, &api_token::PROJECTS, &api_token::GITLAB]);

pub mod instance {
    use super::*;
    pub static URL: Key = key("url", Kind::Text(&forms::GITLAB_URL), Need::Required, "Address of the server.");
    pub static TOKEN: Key =
        key("token", Kind::Secret, Need::Required, "A project, group or personal access token with scope `api`, shown as a bot.");
    pub static CA_FILE: Key = key(
        "ca_file",
        Kind::Text(&forms::FILE),
        Need::Optional,
        "PEM file of certificate authorities that are believed beside the machine's own, for a server with a private one.",
    );
    pub static WEBHOOK_TOKEN: Key = key(
        "webhook_token",
        SECRETS,
        Need::Optional,
        "Secret token of a group webhook, good for every project of this server. Several are valid at once during a rotation. Without \
         any secret, here or at the project, no delivery is accepted and only the poll finds work.",
    );
    pub static WEBHOOK_SIGNING_TOKEN: Key = key(
        "webhook_signing_token",
        SECRETS,
        Need::Optional,
        "Signing token (`whsec_…`, GitLab 19.0 and later) of a group webhook. While one is set, unsigned deliveries are refused.",
    );
    pub static ISSUER: Key = key(
        "issuer",
        Kind::Text(&forms::ISSUER),
        Need::Optional,
        "Issuer of the server's ID tokens, byte for byte as its /.well-known/openid-configuration says. Without it, `url`.",
    );
    pub static TRUSTED_ROOT: Key = key(
        "trusted_root",
        Kind::Text(&forms::FILE),
        Need::Optional,
        "The Sigstore trusted_root.json with the authority, logs and timestamp authorities that this server's pipelines sign with. Needed \
         by signers with `oidc`, here or as `trust`.",
    );
    pub static TRUST: Key = key(
        "trust",
        Kind::TextOrTable(&forms::TRUST, &super::TRUST),
        Need::Optional,
        "The same, fetched and renewed from a TUF repository while the bot runs and kept beside the store: \"public-good\" for sigstore.dev, \
         or a repository of your own. Instead of `trusted_root`.",
    );
    pub static TRUST_MAX_AGE: Key = key(
        "trust_max_age",
        Kind::Text(&forms::AGE),
        Need::Text("7d"),
        "How old the last refresh of `trust` may be before nothing is verified with it any more. What the repository signed may expire sooner.",
    );
}

pub static GITLAB: Section = section(
    "gitlab",
    "A GitLab server. Its webhooks go to <public_url>/hooks/gitlab/NAME.",
    &[
        &instance::URL,
        &instance::TOKEN,
        &instance::CA_FILE,
        &instance::WEBHOOK_TOKEN,
        &instance::WEBHOOK_SIGNING_TOKEN,
        &instance::ISSUER,
        &instance::TRUSTED_ROOT,
        &instance::TRUST,
        &instance::TRUST_MAX_AGE,
    ],
);

pub mod trust {
    use super::*;
    pub static TUF_URL: Key = key(
        "tuf_url",
        Kind::Text(&forms::TUF_URL),
        Need::Required,
        "Address of the repository: metadata lies there, `trusted_root.json` below `targets/`.",
    );
    pub static TUF_ROOT: Key =
        key("tuf_root", Kind::Text(&forms::FILE), Need::Required, "The repository's root.json in which trust begins, checked by hand.");
}

pub static TRUST: Section = section("trust", "A TUF repository that publishes a trusted_root.json.", &[&trust::TUF_URL, &trust::TUF_ROOT]);

pub mod registry {
    use super::*;
    pub static GITLAB: Key = key(
        "gitlab",
        NAME,
        Need::Optional,
        "The registry belongs to this GitLab server: log in with its token, at its address. Instead of `username` and `password`.",
    );
    pub static USERNAME: Key = key("username", Kind::Text(&forms::FREE), Need::Optional, "User name; goes with `password`.");
    pub static PASSWORD: Key = key("password", Kind::Secret, Need::Optional, "Password or token; read access is enough.");
    pub static TOKEN_HOSTS: Key = key(
        "token_hosts",
        Kind::List(&Kind::Text(&forms::HOST)),
        Need::Optional,
        "Hosts beside the registry that may receive the login to issue tokens. No other host ever does.",
    );
    pub static CA_FILE: Key = key(
        "ca_file",
        Kind::Text(&forms::FILE),
        Need::Optional,
        "PEM file of certificate authorities that are believed beside the machine's own, for the registry, its token hosts and its storage. \
         A registry with `gitlab` believes that server's too.",
    );
    pub static PLAIN_HTTP: Key =
        key("plain_http", Kind::Flag, Need::Flag(false), "Talk to the registry without TLS; for registries on this machine only.");
}

pub static REGISTRY: Section = section(
    "registry",
    "How a registry is read.",
    &[&registry::GITLAB, &registry::USERNAME, &registry::PASSWORD, &registry::TOKEN_HOSTS, &registry::CA_FILE, &registry::PLAIN_HTTP],
);

pub mod signer {
    use super::*;
    pub static KEY_FILE: Key =
        key("key_file", Kind::Text(&forms::FILE), Need::Optional, "File with the public key in PEM, as `cosign public-key` writes it.");
    pub static KEY: Key = key("key", Kind::Text(&forms::PEM), Need::Optional, "The public key itself, in PEM.");
    pub static OIDC: Key = key(
        "oidc",
        NAME,
        Need::Optional,
        "Keyless: the project's own pipelines on this GitLab server. What their certificates must say is derived from project and tag.",
    );
    pub static OWNER: Key = key("owner", Kind::Text(&forms::FREE), Need::Optional, "Who answers for this signer; shown to people.");
    pub static NOT_BEFORE: Key =
        key("not_before", Kind::Moment, Need::Optional, "Keys only: from when its signatures count. A date means its first moment.");
    pub static NOT_AFTER: Key =
        key("not_after", Kind::Moment, Need::Optional, "Keys only: until when its signatures count. A date means its last moment.");
    pub static RETIRED: Key = key(
        "retired",
        Kind::Moment,
        Need::Optional,
        "Keys only: since when it is replaced. Older signatures still count where a log or timestamp authority of the trust root proves \
         their time, or where Countersign has passed the image before.",
    );
    pub static REVOKED: Key = key(
        "revoked",
        Kind::Moment,
        Need::Optional,
        "Keys only: since when somebody else may hold it. Only signatures that a log or timestamp authority of the trust root proves to be \
         older still count.",
    );
    pub static REQUIRE_LOG: Key = key(
        "require_log",
        Kind::Flag,
        Need::Flag(false),
        "Keys only: a log of the trust root must hold each signature. For pipelines (`oidc`) one always must.",
    );
}

pub static SIGNER: Section = Section {
    name: "signer",
    doc: "A signer whose signature counts.",
    keys: &[
        &signer::KEY_FILE,
        &signer::KEY,
        &signer::OIDC,
        &signer::OWNER,
        &signer::NOT_BEFORE,
        &signer::NOT_AFTER,
        &signer::RETIRED,
        &signer::REVOKED,
        &signer::REQUIRE_LOG,
    ],
    exactly_one_of: &[&signer::KEY_FILE, &signer::KEY, &signer::OIDC],
};

pub mod secret {
    use super::*;
    pub static ENV: Key = key("env", Kind::Text(&forms::VARIABLE), Need::Optional, "Environment variable that holds the secret.");
    pub static FILE: Key =
        key("file", Kind::Text(&forms::FILE), Need::Optional, "File that holds the secret; a newline at its end does not count.");
}

pub static SECRET: Section = Section {
    name: "secret",
    doc: "Where a secret is found. The secret itself never stands in this file.",
    keys: &[&secret::ENV, &secret::FILE],
    exactly_one_of: &[&secret::ENV, &secret::FILE],
};

pub mod policy {
    use super::*;
    pub static SOURCES: Key = key(
        "sources",
        MAY_RELEASE,
        Need::Texts(&["push"]),
        "Pipeline sources that may release. Pushing a tag makes a `push` pipeline; others run with variables that their caller chose. Said \
         in several places, only what all of them list is allowed.",
    );
    pub static DIGEST_FILE: Key = key(
        "digest_file",
        DEMAND,
        Need::Text("required"),
        "When the release job left no digest file: block, warn, or do not look. A file that names another digest always blocks.",
    );
    pub static COMMIT_TAG: Key = key(
        "commit_tag",
        DEMAND,
        Need::Text("required"),
        "When the registry has no tag named after the commit: block, warn, or do not look. One that names another digest always blocks.",
    );
    pub static PROVENANCE: Key = key(
        "provenance",
        DEMAND,
        Need::Text("off"),
        "When no SLSA provenance by a trusted signer, made in the release pipeline and true to GitLab's records, is there: block, warn, or \
         say nothing. One that is there is shown in any case; GitLab's own attestations are looked for only if this is not off.",
    );
    pub static BASE_IMAGE: Key = key(
        "base_image",
        DEMAND,
        Need::Text("off"),
        "When neither provenance nor the image's annotations tell the base image's digest: block, warn, or say nothing.",
    );
    pub static BASE_UNCHANGED: Key = key(
        "base_unchanged",
        DEMAND,
        Need::Text("off"),
        "When the base image is another one than in the release before, or nobody can tell: block, warn, or only show it.",
    );
    pub static RUNNERS: Key = key(
        "runners",
        Kind::List(&Kind::Text(&forms::RUNNER)),
        Need::Optional,
        "The only runners that the release job may run on. Without it, any. Said in several places, only what all of them list is \
         allowed.",
    );
    pub static REQUIRE_LOG: Key = key(
        "require_log",
        Kind::Flag,
        Need::Flag(false),
        "Whether a log of the trust root must hold the signatures of keys as well. Those of pipelines it always must.",
    );
    pub static PLATFORMS: Key = key(
        "platforms",
        Kind::Word(&["index", "all-signed"]),
        Need::Text("index"),
        "What must be signed of a multi-arch image: its index, or its index and each platform on its own (`cosign sign --recursive`).",
    );
}

pub static POLICY: Section = section(
    "policy",
    "What is demanded of a release. Said in several places, the strictest counts.",
    &[
        &policy::SOURCES,
        &policy::DIGEST_FILE,
        &policy::COMMIT_TAG,
        &policy::PROVENANCE,
        &policy::BASE_IMAGE,
        &policy::BASE_UNCHANGED,
        &policy::RUNNERS,
        &policy::REQUIRE_LOG,
        &policy::PLATFORMS,
    ],
);

/// What defaults, profiles, projects and, in part, images can say; the most specific counts, as a whole.
pub mod shared {
    use super::*;
    pub static GITLAB: Key = key("gitlab", NAME, Need::Optional, "The project's GitLab server. Not needed where there is only one.");
    pub static IMAGE: Key = key(
        "image",
        Kind::OneOrMany(&Kind::TextOrTable(&forms::REPOSITORY, &super::IMAGE)),
        Need::Optional,
        "Image repository that the project releases, or several, each as [[project.image]] where it needs settings of its own; {path} \
         stands for the project's path in lower case.",
    );
    pub static SIGNER: Key = key(
        "signer",
        SIGNERS,
        Need::Optional,
        "Whose signature counts: the name of a [signer.NAME], or a table with `key_file`, `key` or `oidc`; of several, any one is enough.",
    );
    pub static RELEASE_TAGS: Key = key("release_tags", Kind::Text(&forms::TAG_PATTERN), Need::Text("v*"), "Which Git tags are releases.");
    pub static RELEASE_JOB: Key =
        key("release_job", Kind::Text(&forms::FREE), Need::Text("release_image"), "The CI job that builds, pushes and signs the image.");
    pub static DIGEST_FILE: Key = key(
        "digest_file",
        Kind::Text(&forms::FILE_NAME),
        Need::Text("image-digest.txt"),
        "The artifact of that job which holds the digest it pushed.",
    );
    pub static VERSION_TAG: Key = key(
        "version_tag",
        TAG,
        Need::Text("{tag}"),
        "The registry tag of a release: {tag} is the Git tag, {version} the same without a leading v.",
    );
    pub static COMMIT_TAG: Key = key(
        "commit_tag",
        TAG,
        Need::Text("{short_sha}"),
        "The registry tag named after the commit: {short_sha} is GitLab's CI_COMMIT_SHORT_SHA, {sha} the whole name.",
    );
    pub static ENVIRONMENTS: Key = key(
        "environments",
        Kind::List(&Kind::Text(&forms::FREE)),
        Need::Optional,
        "GitLab environments that people may ask about, in the order of promotion.",
    );
    pub static POLICY: Key =
        key("policy", Kind::Table(&super::POLICY), Need::Optional, "What is demanded beyond what the wider places demand already.");
}

pub static DEFAULTS: Section = section(
    "defaults",
    "What holds for every project that does not say otherwise.",
    &[
        &shared::GITLAB,
        &shared::IMAGE,
        &shared::SIGNER,
        &shared::RELEASE_TAGS,
        &shared::RELEASE_JOB,
        &shared::DIGEST_FILE,
        &shared::VERSION_TAG,
        &shared::COMMIT_TAG,
        &shared::ENVIRONMENTS,
    ],
);

pub static PROFILE: Section = section(
    "profile",
    "Named settings that projects pick with one line; they stand between [defaults] and the project.",
    &[
        &shared::GITLAB,
        &shared::IMAGE,
        &shared::SIGNER,
        &shared::RELEASE_TAGS,
        &shared::RELEASE_JOB,
        &shared::DIGEST_FILE,
        &shared::VERSION_TAG,
        &shared::COMMIT_TAG,
        &shared::ENVIRONMENTS,
        &shared::POLICY,
    ],
);

pub mod project {
    use super::*;
    pub static PATH: Key = key("path", Kind::Text(&forms::PROJECT), Need::Required, "The project's path on its GitLab server.");
    pub static PROFILE: Key = key("profile", NAME, Need::Optional, "Takes the settings of this [profile.NAME].");
    pub static WEBHOOK_TOKEN: Key = key(
        "webhook_token",
        SECRETS,
        Need::Optional,
        "Secret token of this project's own webhook; no other project's. Several are valid at once during a rotation.",
    );
    pub static WEBHOOK_SIGNING_TOKEN: Key =
        key("webhook_signing_token", SECRETS, Need::Optional, "Signing token (`whsec_…`) of this project's own webhook.");
}

pub static PROJECT: Section = section(
    "project",
    "A project whose releases are checked.",
    &[
        &project::PATH,
        &project::PROFILE,
        &shared::IMAGE,
        &project::WEBHOOK_TOKEN,
        &project::WEBHOOK_SIGNING_TOKEN,
        &shared::GITLAB,
        &shared::SIGNER,
        &shared::RELEASE_TAGS,
        &shared::RELEASE_JOB,
        &shared::DIGEST_FILE,
        &shared::VERSION_TAG,
        &shared::COMMIT_TAG,
        &shared::ENVIRONMENTS,
        &shared::POLICY,
    ],
);

pub mod image {
    use super::*;
    pub static REPOSITORY: Key =
        key("repository", super::REPOSITORY, Need::Required, "The image repository; {path} stands for the project's path in lower case.");
    pub static NAME: Key = key(
        "name",
        Kind::Text(&forms::IMAGE_NAME),
        Need::Optional,
        "Short name, unique in the project. Without it, the last part of the repository.",
    );
}

pub static IMAGE: Section = section(
    "project.image",
    "One image of a project that releases several.",
    &[
        &image::REPOSITORY,
        &image::NAME,
        &shared::SIGNER,
        &shared::RELEASE_JOB,
        &shared::DIGEST_FILE,
        &shared::VERSION_TAG,
        &shared::COMMIT_TAG,
    ],
);
