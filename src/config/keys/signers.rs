//! `[signer.NAME]`, and where secrets are found.

use super::*;

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
