//! `[policy]`.

use super::*;

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
    pub static BUILT_BY: Key = key(
        "built_by",
        Kind::Word(&["proven", "commit-tag"]),
        Need::Text("proven"),
        "What must tie an image to its commit where a key signed it: the digest file of the release job or provenance, or no more than \
         the registry tag named after the commit, which anybody who may push can write; that warns.",
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
        &policy::BUILT_BY,
    ],
);
