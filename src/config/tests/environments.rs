//! Environments: what the layers come to, and every way in which their rules can be wrong.

use super::*;
use crate::model::Environment;
use crate::model::environment::{Action, Carrier, CopyTarget, Values};
use crate::verdict::Demand;

const HEAD: &str = "[gitlab.main]
url = \"https://gitlab.example.com\"
token = { env = \"TOKEN\" }
[registry.\"r.example\"]
push_username = \"pusher\"
push_password = { env = \"PUSH\" }
[[project]]
path = \"shop/api\"
image = [\"r.example/shop/api\", \"r.example/shop/web\"]
signer = { key_file = \"release.pub\" }
environments = [\"staging\", \"production\"]
";
/// The line of the first one after [`HEAD`].
const NEXT: usize = 12;

/// A file whose only project has these lines in the table of production.
fn production(lines: &str) -> String {
    format!("{HEAD}[project.environment.production]\n{lines}\n")
}

#[test]
fn an_environment_can_only_demand_more_and_is_looked_at_for_that() {
    let text = production(
        "policy = { provenance = \"required\", digest_file = \"off\" }
[project.policy]
provenance = \"off\"
commit_tag = \"off\"
[defaults.environment.production.policy]
runners = [\"#7\"]
commit_tag = \"required\"",
    );
    let project = parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).projects.remove(0);
    let [(name, (watched, policy))] = &project.stricter.iter().collect::<Vec<_>>()[..] else { panic!("{:?}", project.stricter) };
    assert_eq!(name.0, "production");
    assert_eq!((policy.provenance, policy.commit_tag, policy.digest_file), (Demand::Required, Demand::Required, Demand::Required));
    assert_eq!((project.policy.provenance, project.policy.commit_tag), (Demand::Off, Demand::Off));
    assert!(policy.runners.is_some() && project.policy.runners.is_none());
    for (there, anywhere) in watched.images.iter().zip(&project.watched.images) {
        assert!(there.wants_provenance && there.commit_tag.is_some());
        assert!(!anywhere.wants_provenance && anywhere.commit_tag.is_none());
    }
}

#[test]
fn an_environment_cannot_let_other_pipelines_release() {
    let text = production("policy = { sources = [\"schedule\"] }");
    let problems = parse(&text).unwrap_err().to_string();
    assert!(problems.contains("nothing may be promoted"), "{problems}");
}

fn read_back(text: &str) -> Vec<Environment> {
    parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).projects.remove(0).environments
}

#[test]
fn an_environment_without_a_table_can_be_asked_about_only() {
    assert_eq!(read_back(HEAD), [Environment::named("staging"), Environment::named("production")]);
}

#[test]
fn the_most_specific_place_counts_for_each_key() {
    let text = production(
        "after = \"staging\"
second_person = true
actions = [{ action = \"copy\", to = \"r.example/{path}/{image}-live\" }, { action = \"play-job\", job = \"deploy\", input = \"image\" }]
[defaults.environment.production]
role = \"owner\"
second_person = false
approval_age = \"2d\"
groups = [\"shop/managers\"]
actions = [{ action = \"retag\", tag = \"production\" }]
freeze = [{ from = 2026-12-24, until = 2026-12-26, reason = \"Holidays\" }]",
    );
    let production = read_back(&text).remove(1);
    assert_eq!((production.allow.role, production.allow.groups.as_slice()), (50, &["shop/managers".to_owned()][..]));
    assert!(production.second_person);
    assert_eq!((production.approval_age.as_hours(), production.converge_within.as_hours()), (48, 1));
    let deploy = Action::PlayJob { job: "deploy".into(), values: Values { carrier: Carrier::Inputs, image: "image".into() } };
    let copy = Action::Copy { to: CopyTarget("r.example/{path}/{image}-live".into()), tag: None };
    assert_eq!(production.actions, [copy, deploy], "a list is not merged");
    let freeze = &production.freezes[0];
    assert_eq!(freeze.until.to_string(), "2026-12-26T23:59:59.999999999Z", "that day included");
}

#[test]
fn an_order_that_nothing_could_follow_is_refused() {
    let path = "project[0].environment.production.after";
    check(&production("after = \"production\""), &[(NEXT + 1, path, &["itself"])]);
    check(&production("after = \"stagin\""), &[(NEXT + 1, path, &["no environment of project[0]", "did you mean \"staging\"?"])]);
    check(
        &production("after = \"staging\"\n[project.environment.staging]\nafter = \"production\""),
        &[(NEXT + 1, path, &["circle"]), (NEXT + 3, "project[0].environment.staging.after", &["circle"])],
    );
}

#[test]
fn a_table_for_no_environment_is_refused() {
    let lost = |section: &str| format!("{HEAD}[{section}]\nrole = \"owner\"\n");
    check(&lost("project.environment.prodution"), &[(NEXT, "project[0].environment.prodution", &["did you mean \"production\"?"])]);
    check(&lost("defaults.environment.test"), &[(NEXT, "defaults.environment.test", &["any project", "\"production\", \"staging\""])]);
    let profile = lost("profile.services.environment.test");
    read_back(&profile);
    let taken = profile.replace("path = \"shop/api\"", "path = \"shop/api\"\nprofile = \"services\"");
    check(&taken, &[(NEXT + 1, "profile.services.environment.test", &["with this profile"])]);
    let none = lost("project.environment.test").replace("environments = [\"staging\", \"production\"]\n", "");
    check(&none, &[(NEXT - 1, "project[0].environment.test", &["names none at all"])]);
}

#[test]
fn actions_that_cannot_be_meant_are_refused() {
    let job = "action = \"play-job\", job = \"deploy\"";
    for (action, path, words) in [
        ("", "", ["`action` is missing"].as_slice()),
        ("action = \"retag\"", "", &["`retag` needs `tag`"]),
        ("action = \"retag\", tag = \"live-{version}\"", ".tag", &["braces", "same for every release"]),
        ("action = \"retag\", tag = \"v1.8\"", "", &["version tag of a release"]),
        ("action = \"retag\", tag = \"deadbeef\"", "", &["tag of a commit"]),
        ("action = \"retag\", tag = \"live\", job = \"x\"", ".job", &["is not for `retag`"]),
        ("action = \"copy\"", "", &["`copy` needs `to`"]),
        ("action = \"copy\", to = \"r.example/{image}/{tag}\"", ".to", &["outside a-z"]),
        ("action = \"copy\", to = \"{path}/live\"", ".to", &["placeholder"]),
        ("action = \"copy\", to = \"r.example/shop/{image}\"", "", &["where the project itself pushes"]),
        ("action = \"copy\", to = \"r.example/{path}\"", "", &["where the project itself pushes"]),
        ("action = \"copy\", to = \"r.example/live\"", "", &["several images"]),
        ("action = \"copy\", to = \"other.example/{image}\"", "", &["other.example", "`push_username`"]),
        (&format!("{job}, variable = \"IMAGE\", input = \"image\""), "", &["not both"]),
        (job, "", &["`variable` or `input`"]),
        (&format!("{job}, variable = \"CI_IMAGE\""), ".variable", &["belongs to GitLab"]),
        ("action = \"play-job\", variable = \"IMAGE\"", "", &["`play-job` needs `job`"]),
        ("action = \"play-job\", job = \"release_image\", variable = \"IMAGE\"", "", &["is the job that releases \"api\""]),
        ("action = \"start-pipeline\"", "", &["`start-pipeline` needs `variable` or `input`"]),
        ("action = \"start-pipeline\", branch = \"refs/heads/x\", input = \"image\"", ".branch", &["no such name"]),
        ("action = \"deployment\", tag = \"x\"", ".tag", &["is not for `deployment`"]),
        ("action = \"attest\"", "", &["own key", "`signing_key`"]),
        ("action = \"helm\"", ".action", &["one of \"retag\", "]),
    ] {
        let path = format!("project[0].environment.production.actions[0]{path}");
        check(&production(&format!("actions = [{{ {action} }}]")), &[(NEXT + 1, &path, words)]);
    }
    check(&production("actions = []"), &[(NEXT + 1, "project[0].environment.production.actions", &["empty list"])]);
}

/// What one action writes no other may write: the second would undo the first.
#[test]
fn each_target_has_one_action() {
    let retag = "{ action = \"retag\", tag = \"live\" }";
    let copy = "{ action = \"copy\", to = \"r.example/live/{image}\", tag = \"live\" }";
    for action in [retag, copy, "{ action = \"deployment\" }", "{ action = \"play-job\", job = \"deploy\", variable = \"IMAGE\" }"] {
        let path = "project[0].environment.production.actions[1]";
        check(&production(&format!("actions = [{action}, {action}]")), &[(NEXT + 1, path, &["second", "same target"])]);
    }
    let staging = |action: &str| production(&format!("actions = [{action}]\n[project.environment.staging]\nactions = [{action}]"));
    for action in [retag, copy] {
        let path = "project[0].environment.production.actions[0]";
        check(&staging(action), &[(NEXT + 1, path, &["target that \"staging\" has at line 15"])]);
    }
    read_back(&staging("{ action = \"deployment\" }"));
}

#[test]
fn times_that_cannot_be_meant_are_refused() {
    let path = |key: &str| format!("project[0].environment.production.{key}");
    for (lines, key, words) in [
        ("freeze = [{ from = 2026-12-24, until = 2026-12-23, reason = \"x\" }]", "freeze[0]", ["never holds"].as_slice()),
        ("freeze = [{ from = 2026-12-24, until = 2026-12-26 }]", "freeze[0]", &["`reason` is missing"]),
        ("freeze = []", "freeze", &["empty list"]),
        ("observe_until = 2026-04-16", "observe_until", &["more than 90 days ahead"]),
        ("approval_age = \"30s\"", "approval_age", &["\"1m\" to \"7d\""]),
        ("converge_within = \"8d\"", "converge_within", &["\"1m\" to \"7d\""]),
        ("role = \"reporter\"", "role", &["\"developer\", \"maintainer\", \"owner\""]),
        ("groups = [\"/shop\"]", "groups[0]", &["no such path"]),
    ] {
        check(&production(lines), &[(NEXT + 1, &path(key), words)]);
    }
}

#[test]
fn observing_that_is_over_is_a_warning_with_its_line() {
    let over = parse(&production("observe_until = 2026-01-15")).unwrap();
    let [warning] = over.warnings.as_slice() else { panic!("{:?}", over.warnings) };
    assert_eq!((warning.line, warning.path.as_str()), (Some(NEXT + 1), "project[0].environment.production.observe_until"));
    assert!(warning.says.contains("is over since 2026-01-15"), "{warning:?}");
    assert_eq!(parse(&production("observe_until = 2026-01-16")).unwrap().warnings, []);
}

#[test]
fn the_signing_key_is_a_private_key_with_the_password_it_needs() {
    let with = |lines: &str| format!("{HEAD}[promotion]\n{lines}\n");
    for (lines, key, words) in [
        ("signing_key = { file = \"release.pub\" }", "signing_key", ["is a public key"].as_slice()),
        ("signing_key = { file = \"secret\" }", "signing_key", &["no private key in PEM"]),
        ("signing_key = { file = \"cosign.key\" }", "signing_key", &["`signing_key_password`"]),
        ("signing_key = { file = \"gone.key\" }", "signing_key.file", &["does not exist"]),
        ("signing_key_password = { env = \"PASSWORD\" }", "signing_key_password", &["needs `signing_key`"]),
        ("halt_file = \"nowhere/halt\"", "halt_file", &["folder that exists"]),
        ("halt_file = \"keys\"", "halt_file", &["must be a file"]),
    ] {
        check(&with(lines), &[(NEXT + 1, &format!("promotion.{key}"), words)]);
    }
    let folder = folder();
    let config = parse_in(folder.path(), &with("halt_file = \"halt\"\nsigning_key = { file = \"private.pem\" }")).unwrap();
    assert_eq!(config.promotions.halt_file, Some(folder.path().join("halt")));
    assert!(config.promotions.signing_key.unwrap().pem.expose().contains('\n'), "a key has lines");
}

#[test]
fn half_a_push_login_is_refused_and_a_new_registry_is_read_too() {
    let half = HEAD.replace("push_password = { env = \"PUSH\" }\n", "");
    check(&half, &[(5, "registry.\"r.example\".push_username", &["needs `push_password`"])]);
    let copied = production("actions = [{ action = \"copy\", to = \"other.example/{image}\" }]")
        + "[registry.\"other.example\"]\npush_username = \"a\"\npush_password = { env = \"B\" }\n";
    let config = parse(&copied).unwrap();
    assert!(config.registries.iter().any(|registry| registry.host == "other.example"), "what is copied there is read back");
    assert_eq!(config.promotions.push_logins["other.example"].username, "a");
}

#[test]
fn a_pipeline_on_the_tag_builds_again_and_that_is_a_warning() {
    let with =
        |branch: &str| parse(&production(&format!("actions = [{{ action = \"start-pipeline\"{branch}, variable = \"IMAGE\" }}]"))).unwrap();
    let on_tag = with("");
    let [warning] = on_tag.warnings.as_slice() else { panic!("{:?}", on_tag.warnings) };
    assert_eq!((warning.line, warning.path.as_str()), (Some(NEXT + 1), "project[0].environment.production.actions[0]"));
    assert!(warning.says.contains("$CI_PIPELINE_SOURCE == \"api\"") && warning.says.contains("release_image"), "{warning:?}");
    assert_eq!(with(", branch = \"deploy\"").warnings, []);
}

#[test]
fn a_summary_is_signed_before_the_copies_that_take_it_along() {
    let key = "\n[promotion]\nsigning_key = { file = \"private.pem\" }";
    let copy = "{ action = \"copy\", to = \"r.example/live/{image}\" }";
    let attest = "{ action = \"attest\" }";
    check(
        &production(&format!("actions = [{copy}, {attest}]{key}")),
        &[(NEXT + 1, "project[0].environment.production.actions[1]", &["put `attest` before the first `copy`"])],
    );
    let text = production(&format!("actions = [{attest}, {copy}]{key}"));
    parse_in(folder().path(), &text).unwrap_or_else(|problems| panic!("{problems}"));
}

#[test]
fn the_jobs_that_promotions_start_are_known_to_the_judge() {
    let plays = |job: &str| format!("actions = [{{ action = \"play-job\", job = \"{job}\", variable = \"IMAGE\" }}]");
    let text = production(&format!("{}\n[project.environment.staging]\n{}", plays("live"), plays("rehearse")));
    assert_eq!(parse(&text).unwrap().projects[0].watched.deploy_jobs, ["live", "rehearse"]);
}

/// What two projects write under one tag, one of them undoes.
#[test]
fn each_tag_is_written_by_one_project() {
    let other = |image: &str, actions: &str| {
        format!(
            "[[project]]\npath = \"bank/api\"\nimage = \"{image}\"\nsigner = {{ key_file = \"release.pub\" }}\n\
             environments = [\"live\"]\n[project.environment.live]\nactions = [{actions}]\n"
        )
    };
    let copy = |to: &str, tag: &str| format!("{{ action = \"copy\", to = \"r.example/{to}\"{tag} }}");
    let tagged = |to: &str| copy(to, ", tag = \"live\"");
    let both = |ours: &str, image: &str, theirs: &str| production(&format!("actions = [{ours}]")) + &other(image, theirs);
    let path = "project[1].environment.live.actions[0]";
    // The same short name.
    let names = ["bank/api", "shop/api", "r.example/live/api:live", "line 13"];
    check(&both(&tagged("live/{image}"), "r.example/bank/api", &tagged("live/{image}")), &[(NEXT + 8, path, &names)]);
    parse(&both(&tagged("live/{path}"), "r.example/bank/api", &tagged("live/{path}"))).unwrap();
    // By digest only, nothing is undone.
    parse(&both(&copy("live/{image}", ""), "r.example/bank/api", &copy("live/{image}", ""))).unwrap();
    // One repository in two projects.
    let retag = |tag: &str| format!("{{ action = \"retag\", tag = \"{tag}\" }}");
    let names = ["bank/api", "shop/api", "r.example/shop/api:live"];
    check(&both(&retag("live"), "r.example/shop/api", &retag("live")), &[(NEXT + 8, path, &names)]);
    parse(&both(&retag("live"), "r.example/shop/api", &retag("other"))).unwrap();
    // Where another project pushes.
    let names = ["bank/api", "r.example/shop/web", "shop/api"];
    check(&both(&retag("other"), "r.example/bank/web", &tagged("shop/{image}")), &[(NEXT + 8, path, &names)]);
    // Another text, and the same target, within one project.
    let staging = format!("\n[project.environment.staging]\nactions = [{}]", tagged("{image}-live"));
    let one = HEAD.replace(", \"r.example/shop/web\"", "");
    let text = format!("{one}[project.environment.production]\nactions = [{}]{staging}\n", tagged("api-live"));
    check(&text, &[(NEXT + 1, "project[0].environment.production.actions[0]", &["r.example/api-live:live", "\"staging\"", "line 15"])]);
}
