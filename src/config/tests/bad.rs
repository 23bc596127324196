//! Bad files, each with every problem it must have.

use super::*;
use crate::verdict::BuiltBy;

/// A file whose first lines are right, up to a project's own lines.
const GITLAB: &str = "[gitlab.main]\nurl = \"https://gitlab.example.com\"\ntoken = { env = \"TOKEN\" }\n";

fn with_project(lines: &str) -> String {
    format!("{GITLAB}[[project]]\npath = \"shop/api\"\n{lines}")
}

const IMAGE: &str = "image = \"registry.example.com/shop/api\"\n";
const SIGNER: &str = "signer = { key_file = \"release.pub\" }\n";

#[test]
fn an_empty_file_is_refused_for_what_it_lacks() {
    check("", &[(1, "", &["`gitlab` is missing"]), (1, "", &["`project` is missing"])]);
    check(GITLAB, &[(1, "", &["`project` is missing"])]);
    check(&format!("project = []\n{GITLAB}"), &[(1, "project", &["empty list"])]);
}

#[test]
fn several_problems_are_all_told_in_the_order_of_the_lines() {
    let text = "[gitlab.main]\nurl = \"http://gitlab.example.com\"\ntoken = \"hunter2\"\n\n[[project]]\npath = \"api\"\nimgae = \"x\"\nsigner = []\nrelease_tags = \"\"\n";
    check(
        text,
        &[
            (2, "gitlab.main.url", &["unencrypted", "https"]),
            (3, "gitlab.main.token", &["never stands in this file", "{ env = "]),
            (5, "project[0]", &["`image` is missing"]),
            (6, "project[0].path", &["group/project"]),
            (7, "project[0].imgae", &["did you mean `image`?"]),
            (8, "project[0].signer", &["empty list"]),
            (9, "project[0].release_tags", &["is empty", "'*'"]),
        ],
    );
    let shown = parse(text).unwrap_err().to_string();
    assert!(shown.lines().count() == 7 && shown.lines().all(|line| line.starts_with("bot.toml:")), "{shown}");
}

#[test]
fn wrong_toml_says_where() {
    let problems = parse("[gitlab.main]\nurl = \"x\ntoken = \"hunter2\"\n").unwrap_err();
    assert_eq!((problems.list[0].line, problems.list[0].column), (Some(2), Some(9)), "{problems}");
    assert!(problems.to_string().starts_with("bot.toml:2:9: is not TOML: "), "{problems}");
    let twice =
        with_project(&format!("{IMAGE}{SIGNER}path = \"shop/web\"\nsigner = {{ key_file = \"release.pub\", key_file = \"junk.pub\" }}\n"));
    check(&twice, &[(8, "path", &["twice"]), (9, "signer", &["twice"]), (9, "key_file", &["twice"])]);
}

#[test]
fn unknown_keys_are_told_with_the_nearest_or_all_known_ones() {
    for (lines, path, words) in [
        ("signers = \"x\"\n", "project[0].signers", ["did you mean `signer`?"].as_slice()),
        ("relase_tags = \"v*\"\n", "project[0].relase_tags", &["did you mean `release_tags`?"]),
        ("colour = 1\n", "project[0].colour", &["known are `path`", "`policy`"]),
        ("[project.policy]\nsource = [\"push\"]\n", "project[0].policy.source", &["`sources`"]),
        ("[log]\nformt = \"json\"\n", "log.formt", &["`format`"]),
        ("[servr]\n", "servr", &["`server`"]),
        ("[project.\"a\\u001b[31mb\"]\n", "project[0].\"a\\u{1b}[31mb\"", &["no key"]),
    ] {
        let text = with_project(&format!("{IMAGE}{SIGNER}{lines}"));
        let line = 7 + usize::from(lines.contains("]\ns") || lines.contains("]\nf"));
        check(&text, &[(line + 1, path, words)]);
    }
}

/// An API token that anybody could guess, or that opens other projects than meant, stops the start.
#[test]
fn wrong_api_tokens_stop_the_start() {
    let secret = "secret = { file = \"api-token\" }\n";
    let projects = "projects = \"shop/api\"\n";
    for (lines, line, path, words) in [
        (format!("[api.token.ci]\n{projects}"), 9, "api.token.ci", ["`secret` is missing"].as_slice()),
        // Left out, it would have to mean none or all: neither is what anybody wants.
        (format!("[api.token.ci]\n{secret}"), 9, "api.token.ci", &["`projects` is missing"]),
        (format!("[api.token.ci]\n{projects}secret = \"hunter2-in-the-open\"\n"), 11, "api.token.ci.secret", &["never stands"]),
        (format!("[api.token.ci]\n{projects}secret = {{ file = \"empty\" }}\n"), 11, "api.token.ci.secret.file", &["empty"]),
        (format!("[api.token.ci]\n{projects}secret = {{ env = \"EMPTY\" }}\n"), 11, "api.token.ci.secret.env", &["empty"]),
        (format!("[api.token.ci]\n{projects}secret = {{ env = \"UNSET\" }}\n"), 11, "api.token.ci.secret.env", &["not set"]),
        (format!("[api.token.ci]\n{projects}secret = {{ file = \"short\" }}\n"), 11, "api.token.ci.secret", &["20 characters"]),
        (format!("[api.token.ci]\n{projects}secret = []\n"), 11, "api.token.ci.secret", &["empty list"]),
        (format!("[api.token.ci]\n{secret}projects = []\n"), 11, "api.token.ci.projects", &["empty list"]),
        (format!("[api.token.ci]\n{secret}projects = \"shop/apy\"\n"), 11, "api.token.ci.projects", &["did you mean \"shop/api\"?"]),
        (format!("[api.token.ci]\n{secret}projects = [\"all\", \"shop/api\"]\n"), 11, "api.token.ci.projects[0]", &["alone"]),
        (format!("[api.token.ci]\n{secret}projects = \"*\"\n"), 11, "api.token.ci.projects", &["\"all\""]),
        (format!("[api.token.ci]\n{secret}{projects}gitlab = \"other\"\n"), 12, "api.token.ci.gitlab", &["no [gitlab.other]"]),
        (format!("[api]\nid_token = true\n[api.token.ci]\n{secret}{projects}"), 10, "api.id_token", &["did you mean `id_tokens`?"]),
        (
            format!("[api.token.ci]\n{secret}{projects}[api.token.cd]\n{secret}{projects}"),
            13,
            "api.token.cd.secret",
            &["the same secret as the one at line 9"],
        ),
    ] {
        let text = with_project(&format!("{IMAGE}{SIGNER}{lines}"));
        check(&text, &[(line - 1, path, words)]);
    }
}

#[test]
fn a_path_on_two_servers_needs_its_server() {
    let project = |gitlab: &str| format!("[[project]]\npath = \"shop/api\"\ngitlab = \"{gitlab}\"\n{IMAGE}{SIGNER}");
    let other = GITLAB.replace("main", "other").replace("gitlab.example", "other.example");
    let token = "[api.token.ci]\nsecret = { file = \"api-token\" }\nprojects = \"shop/api\"\n";
    let text = format!("{GITLAB}{other}{}{}{token}", project("main"), project("other"));
    check(&text, &[(19, "api.token.ci.projects", &["several servers", "`gitlab`"])]);
    let config = parse(&format!("{text}gitlab = \"other\"\n")).unwrap();
    let path = crate::model::gitlab::ProjectPath("shop/api".into());
    let only = crate::delivery::api::ProjectName { instance: InstanceName("other".into()), path };
    assert_eq!(config.api.tokens[0].scope, crate::delivery::api::Scope::Only(vec![only.clone()]));
    let config = parse(&format!("{}gitlab = \"other\"\n", text.replace("projects = \"shop/api\"", "projects = \"all\""))).unwrap();
    assert_eq!(config.api.tokens[0].scope, crate::delivery::api::Scope::Only(vec![only]), "all of that server");
}

#[test]
fn wrong_kinds_say_what_is_accepted() {
    for (lines, path, words) in [
        ("release_job = 5\n", "project[0].release_job", ["must be a text", "is a number"].as_slice()),
        ("environments = \"production\"\n", "project[0].environments", &["must be a list", "is a text"]),
        ("environments = [\"a\", \"a\"]\n", "project[0].environments[1]", &["twice"]),
        ("environments = []\n", "project[0].environments", &["empty list"]),
        ("environments = [\" \"]\n", "project[0].environments[0]", &["is empty"]),
        ("release_job = \"a\\u0007b\"\n", "project[0].release_job", &["control characters"]),
        ("release_job = \" x\"\n", "project[0].release_job", &["space"]),
        ("release_tags = \"v*.*\"\n", "project[0].release_tags", &["only at the end"]),
        ("version_tag = \"latest\"\n", "project[0].version_tag", &["same for every release"]),
        ("commit_tag = \"{branch}\"\n", "project[0].commit_tag", &["{short_sha}"]),
        ("digest_file = \"../x\"\n", "project[0].digest_file", &["artifacts"]),
        ("policy = { sources = [] }\n", "project[0].policy.sources", &["empty list"]),
        ("policy = { runners = [] }\n", "project[0].policy.runners", &["empty list"]),
        ("policy = { runners = [\"#\"] }\n", "project[0].policy.runners[0]", &["no number"]),
        ("policy = { provenance = \"blocked\" }\n", "project[0].policy.provenance", &["one of \"required\", "]),
        ("policy = { sources = [\"merge_request_event\"] }\n", "project[0].policy.sources[0]", &["one of \"push\", "]),
        ("policy = { built_by = \"tag\" }\n", "project[0].policy.built_by", &["one of \"proven\", \"commit-tag\""]),
        ("policy = { digest_file = \"maybe\" }\n", "project[0].policy.digest_file", &["one of \"required\", \"warned\", \"off\""]),
        ("profile = \"services\"\n", "project[0].profile", &["no [profile.services]", "there is no [profile.NAME] at all"]),
        ("gitlab = \"mian\"\n", "project[0].gitlab", &["no [gitlab.mian]", "did you mean \"main\"?"]),
        ("[catch_up]\nevery = \"0s\"\n", "catch_up.every", &["\"10s\" to \"1h\""]),
        ("[server]\nlisten = \"8080\"\n", "server.listen", &["IP address with a port"]),
        ("[server]\nlisten = \"0.0.0.0:80\"\n", "server.listen", &["`public_url`"]),
        ("[signer]\nkey_file = \"release.pub\"\n", "signer.key_file", &["[signer.NAME]"]),
        ("[registry.\"registry.example.com\"]\nplain_http = true\n", "registry.\"registry.example.com\".plain_http", &["this machine"]),
        ("[registry.\"registry.example.com\"]\nusername = \"me\"\n", "registry.\"registry.example.com\".username", &["`password`"]),
        ("[registry.\"r.example\"]\npassword = { env = \"P\" }\n", "registry.\"r.example\".password", &["`username`"]),
    ] {
        let text = with_project(&format!("{IMAGE}{SIGNER}{lines}"));
        check(&text, &[(8 + usize::from(lines.starts_with('[')), path, words)]);
    }
}

#[test]
fn a_secret_that_is_not_there_is_told_without_what_was_written() {
    for (secret, path, words) in [
        ("\"hunter2\"", "", ["never stands in this file"].as_slice()),
        ("{ env = \"UNSET_TOKEN\" }", ".env", &["environment variable UNSET_TOKEN is not set"]),
        ("{ env = \"hunter2UNSET\" }", ".env", &["this environment variable is not set"]),
        ("{ env = \"glpat-hunter2\" }", ".env", &["name of an environment variable"]),
        ("{ env = \"EMPTY\" }", ".env", &["the secret is empty"]),
        ("{ file = \"empty\" }", ".file", &["the secret is empty"]),
        ("{ file = \"lines\" }", ".file", &["several lines"]),
        ("{ file = \"hunter2\" }", ".file", &["does not exist", "folder of bot.toml"]),
        ("{ file = \"keys\" }", ".file", &["not a regular file"]),
        ("{ file = \"secret\", env = \"A\" }", "", &["exactly one of", "several"]),
        ("{ }", "", &["exactly one of", "none"]),
        ("{ vault = \"hunter2\" }", ".vault", &["known are `env`, `file`"]),
        ("[]", "", &["empty list"]),
        ("[{ env = \"SAME\" }, { env = \"SAME\" }]", "[1]", &["same secret", "line 8"]),
        ("{ env = \"A_SIGNING\" }", "", &["webhook_signing_token"]),
    ] {
        let text = with_project(&format!("{IMAGE}{SIGNER}webhook_token = {secret}\n"));
        let path = format!("project[0].webhook_token{path}");
        let also_none = secret.contains("vault");
        let mut expected: Vec<(usize, &str, &[&str])> = vec![(8, &path, words)];
        if also_none {
            expected.insert(0, (8, "project[0].webhook_token", &["exactly one of"]));
        }
        check(&text, &expected);
    }
    let text = with_project(&format!("{IMAGE}{SIGNER}webhook_signing_token = {{ env = \"PLAIN\" }}\n"));
    check(&text, &[(8, "project[0].webhook_signing_token", &["whsec_"])]);
}

#[test]
fn two_projects_may_not_share_a_hook_secret() {
    let hook = "webhook_token = { env = \"HOOK\" }\n";
    let text = with_project(&format!("{IMAGE}{SIGNER}{hook}[[project]]\npath = \"shop/web\"\n{IMAGE}{SIGNER}{hook}"));
    check(&text, &[(13, "project[1].webhook_token", &["same secret", "line 8"])]);
}

#[test]
fn only_public_keys_are_signers() {
    for (signer, path, words) in [
        ("{ key_file = \"private.pem\" }", ".key_file", ["private key", "public-key"].as_slice()),
        ("{ key_file = \"cert.pem\" }", ".key_file", &["certificate"]),
        ("{ key_file = \"junk.pub\" }", ".key_file", &["not a public key"]),
        ("{ key_file = \"short.pub\" }", ".key_file", &["kind", "P-256"]),
        ("{ key_file = \"two.pub\" }", ".key_file", &["several keys"]),
        ("{ key_file = \"nowhere.pub\" }", ".key_file", &["nowhere.pub does not exist", "folder of bot.toml"]),
        ("{ key = \"hunter2\" }", ".key", &["not a public key"]),
        ("{ oidc = \"other\" }", ".oidc", &["no [gitlab.other]"]),
        ("{ oidc = \"main\" }", ".oidc", &["trusted_root"]),
        ("{ owner = \"me\" }", "", &["exactly one of `key_file`, `key`, `oidc`"]),
        ("{ key_file = \"release.pub\", oidc = \"main\" }", "", &["exactly one of", "several"]),
        ("\"release\"", "", &["no [signer.release]"]),
    ] {
        let text = with_project(&format!("{IMAGE}signer = {signer}\n"));
        check(&text, &[(7, &format!("project[0].signer{path}"), words)]);
    }
    check(&with_project(IMAGE), &[(4, "project[0]", &["`signer` is missing"])]);
    check(&with_project(SIGNER), &[(4, "project[0]", &["`image` is missing"])]);
}

#[test]
fn one_signer_name_means_one_key() {
    let text = with_project(&format!("{IMAGE}signer = [{{ key_file = \"release.pub\" }}, {{ key_file = \"keys/release.pub\" }}]\n"));
    check(&text, &[(7, "project[0].signer[1]", &["another signer", "release.pub"])]);
    // The same key at two projects is one signer.
    let twice = with_project(&format!("{IMAGE}{SIGNER}[[project]]\npath = \"shop/web\"\n{IMAGE}{SIGNER}"));
    assert_eq!(parse(&twice).unwrap().signers.len(), 1);
}

#[test]
fn a_keys_window_is_read_strictly() {
    let signer = |lines: &str| with_project(&format!("{IMAGE}signer = {{ key_file = \"release.pub\", {lines} }}\n"));
    for (lines, path, words) in [
        ("retired = \"soon\"", ".retired", ["must be a date"].as_slice()),
        ("retired = 2026-05-01T12:00:00", ".retired", &["must be a date", "is a date"]),
        ("revoked = 12:00:00", ".revoked", &["must be a date"]),
        ("not_before = 20260501", ".not_before", &["must be a date", "number"]),
        ("not_after = true", ".not_after", &["must be a date"]),
        ("require_log = \"yes\"", ".require_log", &["true or false"]),
        ("not_before = 2026-05-02, not_after = 2026-05-01", "", &["never trusted"]),
        ("not_before = 2026-05-02, retired = 2026-05-02", "", &["never trusted"]),
        ("not_before = 2026-05-02, revoked = 2026-05-02", "", &["never trusted"]),
    ] {
        check(&signer(lines), &[(7, &format!("project[0].signer{path}"), words)]);
    }
    let window = |lines: &str| parse(&signer(lines)).unwrap().projects[0].watched.images[0].signers[0].window;
    let text = |moment: Option<crate::model::Timestamp>| moment.unwrap().to_string();
    let day = window("not_before = 2026-05-01, not_after = \"2026-05-01\"");
    assert_eq!(text(day.not_before), "2026-05-01T00:00:00Z");
    assert_eq!(text(day.not_after), "2026-05-01T23:59:59.999999999Z", "that day included");
    assert_eq!(text(day.end()), "2026-05-02T00:00:00Z");
    let both = window("retired = 2026-05-01, revoked = 2026-06-01T14:00:00+02:00");
    assert_eq!((text(both.retired), text(both.revoked)), ("2026-05-01T00:00:00Z".into(), "2026-06-01T12:00:00Z".into()));
}

#[test]
fn windows_and_logs_are_not_for_pipelines() {
    let text = format!("{GITLAB}trusted_root = \"trusted_root.json\"\n[[project]]\npath = \"shop/api\"\n{IMAGE}");
    for key in ["not_before = 2026-05-01", "not_after = 2026-05-01", "retired = 2026-05-01", "revoked = 2026-05-01", "require_log = false"]
    {
        let name = key.split(' ').next().unwrap();
        let text = format!("{text}signer = {{ oidc = \"main\", {key} }}\n");
        check(&text, &[(8, &format!("project[0].signer.{name}"), &["is for keys"])]);
    }
}

#[test]
fn a_demanded_log_needs_a_trust_root() {
    let demand = "signer = { key_file = \"release.pub\", require_log = true }\n";
    check(&with_project(&format!("{IMAGE}{demand}")), &[(4, "project[0]", &["`require_log`", "no trust root"])]);
    let by_policy = with_project(&format!("{IMAGE}{SIGNER}policy = {{ require_log = true }}\n"));
    check(&by_policy, &[(4, "project[0]", &["`require_log`", "no trust root"])]);
    let rooted = |text: &str| text.replace("[[project]]", "trusted_root = \"trusted_root.json\"\n[[project]]");
    assert!(parse(&rooted(&by_policy)).unwrap().projects[0].policy.require_log);
    let house = format!("{}[policy]\nrequire_log = true\n", rooted(&by_policy).replace("require_log = true", "require_log = false"));
    assert!(parse(&house).unwrap().projects[0].policy.require_log, "a project cannot loosen it");
}

#[test]
fn keyless_trust_stays_with_its_own_server() {
    let servers = format!(
        "{GITLAB}trusted_root = \"trusted_root.json\"\n[gitlab.other]\nurl = \"https://other.example/git/\"\ntoken = {{ env = \"OTHER\" }}\n"
    );
    let project = |lines: &str| format!("{servers}[[project]]\npath = \"shop/api\"\n{IMAGE}{lines}");
    check(
        &project("gitlab = \"other\"\nsigner = { oidc = \"main\" }\n"),
        &[(12, "project[0].signer", &["projects on main", "is on other"])],
    );
    check(&project(SIGNER), &[(8, "project[0]", &["`gitlab` is missing", "\"main\" or \"other\""])]);
    let config = parse(&project("gitlab = \"main\"\nsigner = { oidc = \"main\" }\n")).unwrap();
    let kind = &config.projects[0].watched.images[0].signers[0].kind;
    assert_eq!(kind, &SignerKind::GitlabOidc { issuer: "https://gitlab.example.com".into() });
    for (root, words) in [("junk.pub", "not a trusted_root.json"), ("root-without-authorities.json", "neither a certificate authority")] {
        check(
            &project(SIGNER).replace("trusted_root.json", root).replace(SIGNER, &format!("gitlab = \"main\"\n{SIGNER}")),
            &[(4, "gitlab.main.trusted_root", &[words])],
        );
    }
}

#[test]
fn a_file_of_authorities_holds_certificates() {
    for (file, words) in [
        ("none.pem", "does not exist"),
        ("release.pub", "no -----BEGIN CERTIFICATE-----"),
        ("cert.pem", "no certificate"),
        ("empty", "no -----BEGIN CERTIFICATE-----"),
    ] {
        let of_gitlab = with_project(&format!("{IMAGE}{SIGNER}")).replace("[[project]]", &format!("ca_file = \"{file}\"\n[[project]]"));
        check(&of_gitlab, &[(4, "gitlab.main.ca_file", &[words])]);
        let of_registry =
            format!("{}[registry.\"registry.example.com\"]\nca_file = \"{file}\"\n", with_project(&format!("{IMAGE}{SIGNER}")));
        check(&of_registry, &[(9, "registry.\"registry.example.com\".ca_file", &[words])]);
    }
}

#[test]
fn a_trust_root_comes_from_one_place() {
    let with = |trust: &str| format!("{GITLAB}{trust}\n[[project]]\npath = \"shop/api\"\n{IMAGE}signer = {{ oidc = \"main\" }}\n");
    for (trust, path, words) in [
        ("trust = \"staging\"", "trust", ["public-good"].as_slice()),
        ("trust = 1", "trust", &["public-good"]),
        ("trust = { tuf_url = \"https://tuf.example.com\" }", "trust", &["`tuf_root` is missing"]),
        ("trust = { tuf_root = \"tuf-root.json\" }", "trust", &["`tuf_url` is missing"]),
        ("trust = { tuf_url = \"http://tuf.example.com\", tuf_root = \"tuf-root.json\" }", "trust.tuf_url", &["not https"]),
        ("trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"junk.pub\" }", "trust.tuf_root", &["no TUF root.json"]),
        ("trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"trusted_root.json\" }", "trust.tuf_root", &["no TUF root.json"]),
        ("trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"none\" }", "trust.tuf_root", &["does not exist"]),
        (
            "trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"tuf-root.json\", ca_file = \"release.pub\" }",
            "trust.ca_file",
            &["no -----BEGIN CERTIFICATE-----"],
        ),
    ] {
        check(&with(trust), &[(4, &format!("gitlab.main.{path}"), words)]);
    }
    check(&with("trusted_root = \"trusted_root.json\"\ntrust = \"public-good\""), &[(5, "gitlab.main.trust", &["beside `trusted_root`"])]);
    check(&with("trusted_root = \"trusted_root.json\"\ntrust_max_age = \"2d\""), &[(5, "gitlab.main.trust_max_age", &["is for `trust`"])]);
    check(&with("trust = \"public-good\"\ntrust_max_age = \"1y\""), &[(5, "gitlab.main.trust_max_age", &["1h", "90d"])]);
}

#[test]
fn each_fetched_trust_root_is_kept_in_a_folder_of_its_own_beside_the_store() {
    let folder = folder();
    let caches = |trust: &str| {
        let text = with_project(&format!("{IMAGE}{SIGNER}")).replace("[[project]]", &format!("{trust}\n[[project]]"));
        match parse_in(folder.path(), &text).unwrap().trust_roots.into_values().next().unwrap() {
            trust_root::Source::Tuf(tuf) => (tuf.cache, tuf.max_age.as_hours()),
            trust_root::Source::Pinned(_) => panic!("it is fetched"),
        }
    };
    let (public, age) = caches("trust = \"public-good\"");
    assert_eq!((public.parent().unwrap(), age), (folder.path().join("trust-roots").as_path(), 7 * 24));
    let (own, age) = caches("trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"tuf-root.json\" }\ntrust_max_age = \"2d\"");
    assert_ne!(own, public);
    assert_eq!(age, 48);
}

#[test]
fn a_repository_of_trust_roots_is_believed_by_its_own_authorities_and_by_its_servers() {
    let folder = folder();
    let believed = |trust: &str| {
        let text = with_project(&format!("{IMAGE}{SIGNER}")).replace("[[project]]", &format!("{trust}\n[[project]]"));
        match parse_in(folder.path(), &text).unwrap().trust_roots.into_values().next().unwrap() {
            trust_root::Source::Tuf(tuf) => tuf.ca_pem.map_or(0, |pem| pem.matches("-----BEGIN CERTIFICATE-----").count()),
            trust_root::Source::Pinned(_) => panic!("it is fetched"),
        }
    };
    let own = "trust = { tuf_url = \"https://tuf.example.com\", tuf_root = \"tuf-root.json\", ca_file = \"private-ca.pem\" }";
    assert_eq!(believed(own), 1);
    assert_eq!(believed(&format!("{own}\nca_file = \"private-ca.pem\"")), 2);
    assert_eq!(believed("trust = \"public-good\""), 0);
    assert_eq!(believed("trust = \"public-good\"\nca_file = \"private-ca.pem\""), 1);
}

#[test]
fn nothing_is_watched_twice() {
    let text = with_project(&format!("{IMAGE}{SIGNER}[[project]]\npath = \"Shop/API\"\n{IMAGE}{SIGNER}"));
    check(&text, &[(8, "project[1]", &["\"Shop/API\" is there already, at line 4"])]);
    let images =
        "image = [\"r.example/{path}/web\", \"r.example/other/web\", \"r.example/{path}/web\", { repository = \"r.example/x\" }]\n";
    check(
        &with_project(&format!("{images}{SIGNER}")),
        &[
            (6, "project[0].image[1]", &["by the name \"web\"", "`name`"]),
            (6, "project[0].image[2]", &["twice"]),
            (6, "project[0].image[2]", &["twice"]),
        ],
    );
}

#[test]
fn the_strictest_policy_counts_and_an_impossible_one_stops() {
    let text =
        |house: &str, project: &str| format!("{}[policy]\n{house}\n", with_project(&format!("{IMAGE}{SIGNER}policy = {{ {project} }}\n")));
    let policy = |house: &str, project: &str| parse(&text(house, project)).unwrap().projects[0].clone();
    let relaxed = policy("digest_file = \"required\"", "digest_file = \"off\"");
    assert_eq!(relaxed.policy.digest_file, Demand::Required);
    let off = policy("", "digest_file = \"off\", commit_tag = \"off\"");
    assert_eq!(off.policy.digest_file, Demand::Off);
    assert_eq!((&off.watched.images[0].digest_file, &off.watched.images[0].commit_tag), (&None, &None), "what is off is not looked for");
    assert_eq!(policy("sources = [\"push\", \"web\"]", "sources = [\"web\", \"api\"]").policy.sources, ["web"]);
    let platforms = policy("platforms = \"all-signed\"", "platforms = \"index\"");
    assert_eq!(platforms.policy.platforms, crate::verdict::Platforms::AllSigned);
    assert!(platforms.watched.images[0].platform_signatures, "what is demanded is looked for");
    assert!(!policy("", "platforms = \"index\"").watched.images[0].platform_signatures);
    check(&text("sources = [\"push\"]", "sources = [\"web\"]"), &[(4, "project[0]", &["no pipeline source may release"])]);
    let runners = policy("runners = [\"#1\", \"a\"]", "runners = [\"a\", \"b\"]").policy.runners;
    assert_eq!(runners, Some(vec![TrustedRunner::Description("a".into())]));
    check(&text("runners = [\"#1\"]", "runners = [\"1\"]"), &[(4, "project[0]", &["no runner may release"])]);
    let demands = policy("provenance = \"required\"\nbase_image = \"warned\"", "provenance = \"off\", base_unchanged = \"warned\"").policy;
    assert_eq!((demands.provenance, demands.base_image, demands.base_unchanged), (Demand::Required, Demand::Warned, Demand::Warned));
    for (house, project, expected) in [
        ("", "", BuiltBy::Proven),
        ("", "built_by = \"commit-tag\"", BuiltBy::CommitTag),
        ("built_by = \"commit-tag\"", "", BuiltBy::CommitTag),
        ("built_by = \"commit-tag\"", "built_by = \"proven\"", BuiltBy::Proven),
        ("built_by = \"proven\"", "built_by = \"commit-tag\"", BuiltBy::Proven),
    ] {
        assert_eq!(policy(house, project).policy.built_by, expected, "{house} {project}");
    }
}

#[test]
fn a_wrong_default_is_told_once_at_its_own_line() {
    let projects = format!("[[project]]\npath = \"shop/a\"\n{IMAGE}[[project]]\npath = \"shop/b\"\n{IMAGE}");
    let text = format!("{GITLAB}{projects}[defaults]\nsigner = \"relase\"\n[signer.release]\nkey_file = \"release.pub\"\n");
    check(&text, &[(11, "defaults.signer", &["did you mean \"release\"?"])]);
}

#[test]
fn oversized_input_is_refused() {
    let many = format!("project = [{}]\n{GITLAB}", "{},".repeat(10_001));
    let problems = parse(&many).unwrap_err();
    assert!(problems.list.iter().any(|problem| problem.says.contains("at most 10000")), "{}", problems.list.len());
    check(
        &with_project(&format!("{IMAGE}{SIGNER}release_job = \"{}\"\n", "x".repeat(5000))),
        &[(8, "project[0].release_job", &["longer"])],
    );
    let folder = folder();
    let file = folder.path().join("large.toml");
    std::fs::write(&file, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    let problems = Config::load(&file).unwrap_err();
    assert!(problems.to_string().contains("large.toml: this file is larger than 1048576 bytes"), "{problems}");
    assert!(Config::load(&folder.path().join("none.toml")).unwrap_err().to_string().contains("this file does not exist"));
}

#[test]
fn a_loaded_file_finds_its_files_in_its_own_folder() {
    let folder = folder();
    let file = folder.path().join("bot.toml");
    // PATH is set wherever tests run.
    std::fs::write(&file, with_project(&format!("{IMAGE}{SIGNER}")).replace("{ env = \"TOKEN\" }", "{ file = \"secret\" }")).unwrap();
    let config = Config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.gitlabs[0].token.expose(), "hunter2-from-file");
    assert_eq!(config.store, store::Settings::Sled { path: folder.path().join("countersign.sled") });
}
