//! Whatever is demanded differently is another rule.

use crate::model::environment::{Action, Allow, Carrier, CopyTarget, Environment, Freeze, Values};
use crate::model::gitlab::{InstanceName, ProjectPath, RunnerId};
use crate::model::project::{Pattern, TagTemplate, WatchedImage, WatchedProject};
use crate::model::signer::{KeyWindow, SignerKind, SignerName, TrustedSigner};
use crate::model::{Digest, EnvironmentName};
use crate::verdict::promotion::rule_digest;
use crate::verdict::testing::{at, good_facts, strict_policy};
use crate::verdict::{BuiltBy, Demand, Platforms, Policy, TrustedRunner};

type Rule = (Policy, WatchedProject, Environment);

fn rule() -> Rule {
    let mut environment = Environment::named("production");
    environment.after = Some(EnvironmentName("staging".into()));
    let values = Values { carrier: Carrier::Variables, image: "IMAGE".into() };
    environment.actions = vec![
        Action::Retag { tag: "production".into() },
        Action::Copy { to: CopyTarget("registry.example.com/prod/{image}".into()), tag: None },
        Action::PlayJob { job: "deploy".into(), values: values.clone() },
        Action::StartPipeline { branch: None, values },
        Action::Deployment,
    ];
    environment.freezes = vec![Freeze { from: at("10:00"), until: at("11:00"), reason: "lunch".into() }];
    (strict_policy(), good_facts().question.project, environment)
}

/// Holds that each change gives a digest of its own, different from the others and from that of the rule as it is.
fn all_differ(changes: &[fn(&mut Rule)]) {
    let mut seen = vec![digest(&rule())];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = rule();
        change(&mut changed);
        let digest = digest(&changed);
        assert!(!seen.contains(&digest), "change {number} is not seen");
        seen.push(digest);
    }
}

fn digest((policy, project, environment): &Rule) -> Digest {
    rule_digest(policy, project, environment)
}

#[test]
fn the_same_rule_has_the_same_digest() {
    assert_eq!(digest(&rule()), digest(&rule()));
}

#[test]
fn each_field_of_the_policy_counts() {
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
        |rule| rule.0.runners = Some(vec![TrustedRunner::Description("#2".into())]),
        |rule| rule.0.require_log = true,
        |rule| rule.0.platforms = Platforms::AllSigned,
        |rule| rule.0.built_by = BuiltBy::CommitTag,
    ]);
}

#[test]
fn each_field_of_the_project_and_its_images_counts() {
    let WatchedProject { instance: _, path: _, release_tags: _, images, environments: _, deploy_jobs: _ } = rule().1;
    let Some(WatchedImage {
        name: _,
        repository: _,
        version_tag: _,
        commit_tag: _,
        release_job: _,
        digest_file: _,
        signers: _,
        wants_provenance: _,
        platform_signatures: _,
    }) = images.first()
    else {
        panic!("an image");
    };
    all_differ(&[
        |rule| rule.1.instance = InstanceName("other".into()),
        |rule| rule.1.path = ProjectPath("shop/other".into()),
        |rule| rule.1.release_tags = Pattern::parse("release-*").unwrap(),
        |rule| rule.1.images.clear(),
        |rule| rule.1.images.push(rule.1.images[0].clone()),
        |rule| rule.1.environments.clear(),
        |rule| rule.1.deploy_jobs.push("deploy".into()),
        |rule| rule.1.images[0].name = "web".into(),
        |rule| rule.1.images[0].repository = "registry.example.com/shop/web".parse().unwrap(),
        |rule| rule.1.images[0].version_tag = TagTemplate::parse("{tag}").unwrap(),
        |rule| rule.1.images[0].commit_tag = None,
        |rule| rule.1.images[0].release_job = "other".into(),
        |rule| rule.1.images[0].digest_file = None,
        |rule| rule.1.images[0].wants_provenance ^= true,
        |rule| rule.1.images[0].platform_signatures ^= true,
        |rule| rule.1.images[0].signers.clear(),
    ]);
}

#[test]
fn each_field_of_a_signer_counts_down_to_the_bytes_of_its_key() {
    let (_, project, _) = rule();
    let TrustedSigner { name: _, kind: _, owner: _, window, require_log: _ } = &project.images[0].signers[0];
    let KeyWindow { not_before: _, not_after: _, retired: _, revoked: _ } = window;
    all_differ(&[
        |rule| rule.1.images[0].signers[0].name = SignerName("other".into()),
        |rule| rule.1.images[0].signers[0].kind = SignerKind::Key { pem: "a public kez".into() },
        |rule| rule.1.images[0].signers[0].kind = SignerKind::GitlabOidc { issuer: "a public key".into() },
        |rule| rule.1.images[0].signers[0].owner = Some("ops".into()),
        |rule| rule.1.images[0].signers[0].require_log = true,
        |rule| rule.1.images[0].signers[0].window.not_before = Some(at("10:00")),
        |rule| rule.1.images[0].signers[0].window.not_after = Some(at("10:00")),
        |rule| rule.1.images[0].signers[0].window.retired = Some(at("10:00")),
        |rule| rule.1.images[0].signers[0].window.revoked = Some(at("10:00")),
        |rule| {
            let second = rule.1.images[0].signers[0].clone();
            rule.1.images[0].signers.push(second);
        },
    ]);
}

#[test]
fn each_field_of_the_environment_counts() {
    let Environment {
        name: _,
        after: _,
        actions: _,
        allow,
        second_person: _,
        approval_age: _,
        converge_within: _,
        freezes,
        observe_until: _,
    } = rule().2;
    let Allow { role: _, groups: _ } = allow;
    let Some(Freeze { from: _, until: _, reason: _ }) = freezes.first() else { panic!("a freeze") };
    all_differ(&[
        |rule| rule.2.name = EnvironmentName("other".into()),
        |rule| rule.2.after = None,
        |rule| rule.2.after = Some(EnvironmentName("test".into())),
        |rule| rule.2.actions.swap(0, 1),
        |rule| rule.2.actions.truncate(4),
        |rule| rule.2.actions[4] = Action::Attest,
        |rule| rule.2.actions[0] = Action::Retag { tag: "prod".into() },
        |rule| rule.2.actions[1] = Action::Copy { to: CopyTarget("registry.example.com/prod/{path}".into()), tag: None },
        |rule| rule.2.actions[1] = Action::Copy { to: CopyTarget("registry.example.com/prod/{image}".into()), tag: Some("x".into()) },
        |rule| {
            let values = Values { carrier: Carrier::Inputs, image: "IMAGE".into() };
            rule.2.actions[2] = Action::PlayJob { job: "deploy".into(), values };
        },
        |rule| {
            let values = Values { carrier: Carrier::Variables, image: "OTHER".into() };
            rule.2.actions[2] = Action::PlayJob { job: "deploy".into(), values };
        },
        |rule| {
            let values = Values { carrier: Carrier::Variables, image: "IMAGE".into() };
            rule.2.actions[2] = Action::PlayJob { job: "other".into(), values };
        },
        |rule| {
            let values = Values { carrier: Carrier::Variables, image: "IMAGE".into() };
            rule.2.actions[3] = Action::StartPipeline { branch: Some("main".into()), values };
        },
        |rule| rule.2.allow.role = 30,
        |rule| rule.2.allow.groups = vec!["shop/release".into()],
        |rule| rule.2.second_person = true,
        |rule| rule.2.approval_age = jiff::SignedDuration::from_mins(1),
        |rule| rule.2.converge_within = jiff::SignedDuration::from_mins(1),
        |rule| rule.2.freezes.clear(),
        |rule| rule.2.freezes[0].from = at("09:00"),
        |rule| rule.2.freezes[0].until = at("12:00"),
        |rule| rule.2.freezes[0].reason = "dinner".into(),
        |rule| rule.2.observe_until = Some(at("12:00")),
    ]);
}
