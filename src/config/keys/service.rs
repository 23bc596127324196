//! `[server]`, `[store]`, `[log]`, `[catch_up]`.

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
