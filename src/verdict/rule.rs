//! The version of the rule that a verdict was made under.

use crate::model::Digest;
use crate::model::project::WatchedImage;
use crate::model::signer::TrustedSigner;
use crate::verdict::{Policy, Question};

/// A digest over everything that is demanded of the image in question (SR-22, SR-24): the policy; who is trusted, down to the bytes
/// and the window of each key; the project, from which a keyless identity is derived; and the image's release job, digest file and tags.
/// Revoking a key makes another version, as does any other change that can turn a verdict.
///
/// Order means nothing in sources, runners and signers, and a signer's owner is words for people: neither makes another version.
/// Over JSON of plain data in a fixed order, under a name that is raised when the form changes, so the same rule has the same digest
/// in every build; a test holds it to that.
pub fn policy_digest(policy: &Policy, question: &Question) -> Digest {
    let mut policy = policy.clone();
    policy.sources.sort();
    if let Some(runners) = &mut policy.runners {
        runners.sort();
    }
    let mut signers = question.image.signers.iter().map(|signer| TrustedSigner { owner: None, ..signer.clone() }).collect::<Vec<_>>();
    signers.sort_by(|one, other| one.name.cmp(&other.name));
    let image = WatchedImage { signers, ..question.image.clone() };
    let project = &question.project;
    let rule = ("countersign policy v4", &policy, (&project.instance, &project.path, &project.release_tags, &project.deploy_jobs), &image);
    // Plain data without maps always serialises. Its debug text tells rules apart as well.
    let bytes = serde_json::to_vec(&rule).unwrap_or_else(|_| format!("{rule:?}").into_bytes());
    Digest::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gitlab::{InstanceName, ProjectPath, RunnerId};
    use crate::model::project::{Pattern, TagTemplate, WatchedProject};
    use crate::model::signer::{KeyWindow, SignerKind, SignerName};
    use crate::verdict::testing::{ISSUER, at, good_facts, strict_policy};
    use crate::verdict::{BuiltBy, Demand, Platforms, TrustedRunner};

    type Rule = (Policy, Question);

    fn rule() -> Rule {
        (strict_policy(), good_facts().question)
    }

    fn digest((policy, question): &Rule) -> Digest {
        policy_digest(policy, question)
    }

    /// Each change makes a version of its own.
    #[track_caller]
    fn all_differ(changes: &[fn(&mut Rule)]) {
        let mut seen = vec![digest(&rule())];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = rule();
            change(&mut changed);
            let digest = digest(&changed);
            assert!(!seen.contains(&digest), "change {at} makes no version of its own");
            seen.push(digest);
        }
    }

    #[test]
    fn each_demand_makes_another_version() {
        // Whoever adds a field adds a change below.
        let Policy {
            sources: _,
            digest_file: _,
            commit_tag: _,
            provenance: _,
            base_image: _,
            base_unchanged: _,
            runners: _,
            require_log: _,
            platforms: _,
            built_by: _,
        } = rule().0;
        all_differ(&[
            |rule| rule.0.sources = vec!["push".into()],
            |rule| rule.0.sources = vec!["push,web".into()],
            |rule| rule.0.digest_file = Demand::Warned,
            |rule| rule.0.commit_tag = Demand::Warned,
            |rule| rule.0.provenance = Demand::Warned,
            |rule| rule.0.base_image = Demand::Warned,
            |rule| rule.0.base_unchanged = Demand::Warned,
            |rule| rule.0.runners = None,
            |rule| rule.0.runners = Some(vec![]),
            |rule| rule.0.runners = Some(vec![TrustedRunner::Id(RunnerId(3))]),
            |rule| rule.0.runners = Some(vec![TrustedRunner::Description("2".into())]),
            |rule| rule.0.require_log = true,
            |rule| rule.0.platforms = Platforms::AllSigned,
            |rule| rule.0.built_by = BuiltBy::CommitTag,
        ]);
    }

    /// SR-22: a verdict from before a key was revoked is not one under the rule of today.
    #[test]
    fn whom_we_trust_makes_another_version() {
        let TrustedSigner { name: _, kind: _, owner: _, window, require_log: _ } = rule().1.image.signers.remove(0);
        let KeyWindow { not_before: _, not_after: _, retired: _, revoked: _ } = window;
        all_differ(&[
            |rule| rule.1.image.signers.clear(),
            |rule| rule.1.image.signers[0].name = SignerName("other".into()),
            |rule| rule.1.image.signers[0].kind = SignerKind::Key { pem: "another key".into() },
            |rule| rule.1.image.signers[0].kind = SignerKind::GitlabOidc { issuer: ISSUER.into() },
            |rule| rule.1.image.signers[0].window.not_before = Some(at("13:00")),
            |rule| rule.1.image.signers[0].window.not_after = Some(at("13:00")),
            |rule| rule.1.image.signers[0].window.retired = Some(at("13:00")),
            |rule| rule.1.image.signers[0].window.revoked = Some(at("13:00")),
            |rule| rule.1.image.signers[0].window.revoked = Some(at("13:01")),
            |rule| rule.1.image.signers[0].require_log = true,
            |rule| rule.1.image.signers.push(second()),
        ]);
    }

    #[test]
    fn what_is_looked_at_makes_another_version() {
        let WatchedProject { instance: _, path: _, release_tags: _, images: _, environments: _, deploy_jobs: _ } = rule().1.project;
        let WatchedImage {
            name: _,
            repository: _,
            version_tag: _,
            commit_tag: _,
            release_job: _,
            digest_file: _,
            signers: _,
            wants_provenance: _,
            platform_signatures: _,
        } = rule().1.image;
        all_differ(&[
            |rule| rule.1.project.instance = InstanceName("other".into()),
            |rule| rule.1.project.path = ProjectPath("shop/web".into()),
            |rule| rule.1.project.deploy_jobs = vec!["deploy".into()],
            |rule| rule.1.project.release_tags = Pattern::parse("release-*").unwrap(),
            |rule| rule.1.image.repository = "registry.example.com/shop/web".parse().unwrap(),
            |rule| rule.1.image.version_tag = TagTemplate::parse("{tag}").unwrap(),
            |rule| rule.1.image.commit_tag = None,
            |rule| rule.1.image.release_job = "sign".into(),
            |rule| rule.1.image.digest_file = None,
        ]);
    }

    fn second() -> TrustedSigner {
        TrustedSigner::new(SignerName("a-second".into()), SignerKind::Key { pem: "another key".into() })
    }

    #[test]
    fn order_and_words_for_people_make_none() {
        let mut one = rule();
        one.1.image.signers.push(second());
        one.0.runners = Some(["a", "b"].map(|name| TrustedRunner::Description(name.into())).to_vec());
        let mut other = one.clone();
        other.1.image.signers.reverse();
        other.1.image.signers[0].owner = Some("release managers".into());
        other.0.sources.reverse();
        other.0.runners.as_mut().unwrap().reverse();
        // The other images and environments of the project are not in question.
        other.1.project.images.clear();
        other.1.project.environments.clear();
        assert_eq!(digest(&one), digest(&other));
    }

    /// Kept verdicts name it: it changes only together with the name of the form.
    #[test]
    fn the_same_rule_has_the_same_digest_in_every_build() {
        assert_eq!(digest(&rule()).to_string(), "sha256:8c2c2c7a62f4fe9b28b2b36224743ff1595cfc10bcf7d9c9af1ea6a56e32db04");
    }
}
