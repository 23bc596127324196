//! `[defaults]`, `[profile.NAME]`, `[[project]]` and its images.

use super::*;

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
