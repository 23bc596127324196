//! `[gitlab.NAME]` and `[registry.HOST]`: whom the bot talks to.

use super::*;

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
    pub static CA_FILE: Key = key(
        "ca_file",
        Kind::Text(&forms::FILE),
        Need::Optional,
        "PEM file of certificate authorities that are believed beside the machine's own when it is fetched. Those of the GitLab server's \
         `ca_file` are believed too.",
    );
}

pub static TRUST: Section =
    section("trust", "A TUF repository that publishes a trusted_root.json.", &[&trust::TUF_URL, &trust::TUF_ROOT, &trust::CA_FILE]);

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
    pub static PUSH_USERNAME: Key = key("push_username", Kind::Text(&forms::FREE), Need::Optional, "User name; goes with `push_password`.");
    pub static PUSH_PASSWORD: Key = key(
        "push_password",
        Kind::Secret,
        Need::Optional,
        "Password or token that may write: needed where promotions retag, copy or attest. Nothing else uses it.",
    );
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
    "How a registry is read, and written by promotions.",
    &[
        &registry::GITLAB,
        &registry::USERNAME,
        &registry::PASSWORD,
        &registry::PUSH_USERNAME,
        &registry::PUSH_PASSWORD,
        &registry::TOKEN_HOSTS,
        &registry::CA_FILE,
        &registry::PLAIN_HTTP,
    ],
);
