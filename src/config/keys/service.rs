//! `[server]`, `[store]`, `[log]`, `[catch_up]`, `[api]`.

use super::*;

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
