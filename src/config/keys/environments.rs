//! `[promotion]`, and `[defaults.environment.NAME]` with its actions and freezes.

use super::*;

pub mod promotion {
    use super::*;
    pub static HALT_FILE: Key = key(
        "halt_file",
        Kind::Text(&forms::FILE),
        Need::Optional,
        "While this file is there, no promotion is begun and none takes another step. Its first line is the reason that people are told.",
    );
    pub static SIGNING_KEY: Key = key(
        "signing_key",
        Kind::Secret,
        Need::Optional,
        "The bot's own private key in PEM, with which `attest` signs what was promoted: as `cosign generate-key-pair` writes it, or PKCS #8.",
    );
    pub static SIGNING_KEY_PASSWORD: Key =
        key("signing_key_password", Kind::Secret, Need::Optional, "The password of that key, where it has one.");
}

pub static PROMOTION: Section = section(
    "promotion",
    "What holds for every promotion.",
    &[&promotion::HALT_FILE, &promotion::SIGNING_KEY, &promotion::SIGNING_KEY_PASSWORD],
);

pub mod environment {
    use super::*;
    pub static AFTER: Key = key(
        "after",
        Kind::Text(&forms::FREE),
        Need::Optional,
        "The environment that comes before: only a digest that was promoted there, and arrived, is taken.",
    );
    pub static ACTIONS: Key = key(
        "actions",
        Kind::List(&Kind::Table(&super::ACTION)),
        Need::Optional,
        "What a promotion does, in this order. Without it the environment can be asked about, and nothing can be promoted to it.",
    );
    pub static ROLE: Key = key(
        "role",
        Kind::Word(&["developer", "maintainer", "owner"]),
        Need::Text("maintainer"),
        "The lowest role that may promote. Where GitLab protects the environment, in the project or by its tier in a group above, its own rules decide instead of `role` and `groups`.",
    );
    pub static GROUPS: Key = key(
        "groups",
        Kind::List(&Kind::Text(&forms::GROUP)),
        Need::Optional,
        "GitLab groups by full path: only their members may promote. Without it, everybody with the role.",
    );
    pub static SECOND_PERSON: Key = key(
        "second_person",
        Kind::Flag,
        Need::Flag(false),
        "Whether somebody else than the requester, who may promote as well, must approve in the thread.",
    );
    pub static APPROVAL_AGE: Key =
        key("approval_age", Kind::Text(&forms::WAIT), Need::Text("1h"), "How long a promotion waits for that approval.");
    pub static CONVERGE_WITHIN: Key = key(
        "converge_within",
        Kind::Text(&forms::WAIT),
        Need::Text("1h"),
        "How long what the actions started may run before the promotion ends as not converged.",
    );
    pub static FREEZE: Key =
        key("freeze", Kind::List(&Kind::Table(&super::FREEZE)), Need::Optional, "Times in which nothing is promoted here.");
    pub static OBSERVE_UNTIL: Key = key(
        "observe_until",
        Kind::Moment,
        Need::Optional,
        "Until then, at most 90 days ahead, a freeze, `after`, and what is wrong or missing in the image's own way here are said and stop \
         nothing. Rights, approvals, the halt switch, tampering and what could not be checked stop a promotion in any case. A date means \
         its first moment.",
    );
    pub static POLICY: Key =
        key("policy", Kind::Table(&super::POLICY), Need::Optional, "What is demanded here beyond what the wider places demand already.");
}

pub static ENVIRONMENT: Section = section(
    "environment",
    "How an environment is promoted to. Of the places that speak of one environment, the most specific counts for each key; of `policy`, the strictest.",
    &[
        &environment::AFTER,
        &environment::ACTIONS,
        &environment::ROLE,
        &environment::GROUPS,
        &environment::SECOND_PERSON,
        &environment::APPROVAL_AGE,
        &environment::CONVERGE_WITHIN,
        &environment::FREEZE,
        &environment::OBSERVE_UNTIL,
        &environment::POLICY,
    ],
);

pub mod action {
    use super::*;
    pub static ACTION: Key = key(
        "action",
        Kind::Word(&["retag", "copy", "play-job", "start-pipeline", "deployment", "attest"]),
        Need::Required,
        "What is done: put the image under a `tag` in its repository; `copy` it with all evidence; play a manual `job` of the release \
         pipeline; start a pipeline; record a GitLab deployment (not where a job of `environment:` makes one already); sign a verification \
         summary (SLSA VSA) beside the image, before any `copy`, which takes it along.",
    );
    pub static TAG: Key = key(
        "tag",
        Kind::Text(&forms::TAG),
        Need::Optional,
        "For `retag`: the tag that names what the environment runs. For `copy`: a tag for the copy; without it, it lies there by digest.",
    );
    pub static TO: Key = key(
        "to",
        Kind::Text(&forms::COPY_TARGET),
        Need::Optional,
        "For `copy`: the repository; {image} stands for the image's short name, {path} for the path of its repository.",
    );
    pub static JOB: Key = key("job", Kind::Text(&forms::FREE), Need::Optional, "For `play-job`: the name of the manual job.");
    pub static BRANCH: Key = key(
        "branch",
        Kind::Text(&forms::BRANCH),
        Need::Optional,
        "For `start-pipeline`: the branch to run on, which must be protected: whoever may push there chooses what runs with the bot's rights. \
         Without it, the release's own Git tag, at the commit that was judged.",
    );
    pub static VARIABLE: Key = key(
        "variable",
        Kind::Text(&forms::CI_VARIABLE),
        Need::Optional,
        "For `play-job` and `start-pipeline`: the CI/CD variable that carries the image by digest. With several images, one each: `_` and \
         the short name in capitals are added.",
    );
    pub static INPUT: Key = key(
        "input",
        Kind::Text(&forms::NAME),
        Need::Optional,
        "The same as an input (GitLab 18.1 for pipelines, 18.10 for jobs). Instead of `variable`.",
    );
}

pub static ACTION: Section = section(
    "action",
    "One thing that a promotion does.",
    &[&action::ACTION, &action::TAG, &action::TO, &action::JOB, &action::BRANCH, &action::VARIABLE, &action::INPUT],
);

pub mod freeze {
    use super::*;
    pub static FROM: Key = key("from", Kind::Moment, Need::Required, "When it begins. A date means its first moment, in UTC.");
    pub static UNTIL: Key = key("until", Kind::Moment, Need::Required, "When it ends. A date means its last moment, in UTC.");
    pub static REASON: Key = key("reason", Kind::Text(&forms::FREE), Need::Required, "Why, as people are told.");
}

pub static FREEZE: Section = section("freeze", "A time in which nothing is promoted.", &[&freeze::FROM, &freeze::UNTIL, &freeze::REASON]);
