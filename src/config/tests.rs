use std::path::Path;

use super::document::Node;
use super::table::{Key, Kind, Need, Section};
use super::*;
use crate::delivery::http::HookSecretKind;
use crate::facts::registry::Login;
use crate::model::Secret;
use crate::model::gitlab::ProjectPath;
use crate::model::signer::SignerKind;
use crate::verdict::Demand;

const EXAMPLE: &str = include_str!("../../bot.toml.example");
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuuRSz5sbsdHeVNj3buPWe/oJ4yoH
5qOtrapTrQkXiCtiki5H+LDPE3JSFkNfr57YwpECB2E3HRTtZ6XjTHuvyg==
-----END PUBLIC KEY-----
";
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA2DtyubjF3GUEcvv24rYYTUqM6j++R0mE1xmc6HuHOmc=
-----END PUBLIC KEY-----
";
/// What every secret of these tests holds: no output may contain it.
const MARK: &str = "hunter2";

/// A folder with every file that the tests name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let private = "-----BEGIN EC PRIVATE KEY-----\nhunter2hunter2\n-----END EC PRIVATE KEY-----\n";
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("release.pub", KEY),
        ("keys/release.pub", OTHER_KEY),
        ("keys/scanner.pub", OTHER_KEY),
        ("two.pub", &format!("{KEY}{OTHER_KEY}")),
        ("private.pem", private),
        ("cert.pem", certificate),
        ("junk.pub", "hunter2"),
        ("short.pub", "-----BEGIN PUBLIC KEY-----\nYWJjZA==\n-----END PUBLIC KEY-----\n"),
        ("trusted_root.json", trust::PUBLIC_ROOT),
        ("root-without-authorities.json", "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}"),
        ("secret", "hunter2-from-file\n"),
        ("empty", "\n"),
        ("lines", "hunter2\nhunter2\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// An environment in which every variable is set, but those whose name says otherwise.
fn environment(name: &str) -> Option<String> {
    if name.contains("UNSET") {
        None
    } else if name.contains("EMPTY") {
        Some(" \n".into())
    } else if name.contains("SIGNING") {
        // 32 bytes that differ by name.
        let key: Vec<u8> = name.bytes().cycle().take(32).collect();
        Some(format!("whsec_{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key)))
    } else {
        Some(format!("{MARK}-{name}"))
    }
}

fn parse(text: &str) -> Result<Config, Problems> {
    parse_in(folder().path(), text)
}

fn parse_in(folder: &Path, text: &str) -> Result<Config, Problems> {
    let result = Config::parse(text, folder, &environment);
    let shown = match &result {
        Ok(config) => format!("{config:?}"),
        Err(problems) => format!("{problems} {problems:?}"),
    };
    assert!(!shown.contains(MARK), "a secret is shown: {shown}");
    result
}

/// The text of the smallest file, out of the example.
fn tiny() -> String {
    let block = EXAMPLE.split("# --- smallest\n").nth(1).unwrap().split("# --- end").next().unwrap();
    block.lines().map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap().to_owned() + "\n").collect()
}

/// Every problem that a text must have, as `line path` and words of its sentence; and no other.
fn check(text: &str, expected: &[(usize, &str, &[&str])]) {
    let problems = parse(text).expect_err(text);
    let found: Vec<_> = problems.list.iter().map(|p| (p.line.unwrap_or(0), p.path.as_str())).collect();
    let places: Vec<_> = expected.iter().map(|(line, path, _)| (*line, *path)).collect();
    assert_eq!(found, places, "\n{problems}\nin\n{text}");
    for (problem, (.., words)) in problems.list.iter().zip(expected) {
        for word in *words {
            assert!(problem.says.contains(word), "{word:?} is not in {:?}", problem.says);
        }
    }
}

#[test]
fn the_smallest_file_has_at_most_twelve_lines_and_derives_the_rest() {
    let text = tiny();
    assert!(text.trim().lines().count() <= 12, "{text}");
    let config = parse(&text).unwrap();
    let [ProjectConfig { watched, policy }] = config.projects.as_slice() else { panic!("{config:?}") };
    assert_eq!((watched.instance.0.as_str(), watched.path.0.as_str(), watched.release_tags.as_str()), ("main", "shop/api", "v*"));
    let [image] = watched.images.as_slice() else { panic!("{watched:?}") };
    assert_eq!((image.name.as_str(), image.release_job.as_str()), ("api", "release_image"));
    assert_eq!(image.digest_file.as_deref(), Some("image-digest.txt"));
    assert_eq!(image.version_tag, crate::model::project::TagTemplate::parse("{tag}").unwrap());
    assert_eq!(image.commit_tag, Some(crate::model::project::TagTemplate::parse("{short_sha}").unwrap()));
    assert_eq!(image.signers.len(), 1);
    assert_eq!(image.signers[0].name.0, "release.pub");
    assert_eq!(image.signers[0].kind, SignerKind::Key { pem: KEY.into() });
    assert_eq!(
        (policy.sources.as_slice(), policy.digest_file, policy.commit_tag),
        (&["push".to_owned()][..], Demand::Required, Demand::Required)
    );
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    let [hook] = config.server.hooks.as_slice() else { panic!("{:?}", config.server) };
    assert_eq!((hook.kind, hook.secret.expose()), (HookSecretKind::Token, "hunter2-COUNTERSIGN_WEBHOOK_TOKEN"));
    // The registry of a GitLab takes that GitLab's token, at its address only.
    let [registry] = config.registries.as_slice() else { panic!("{:?}", config.registries) };
    let password = Secret::new("hunter2-COUNTERSIGN_GITLAB_TOKEN").unwrap();
    assert_eq!(registry.login, Some(Login { username: "countersign".into(), password }));
    assert_eq!(registry.token_hosts, ["gitlab.example.com"]);
    assert_eq!(config.catch_up_every.as_secs(), 60);
    assert_eq!(config.log, Log { format: LogFormat::Text, level: tracing::Level::INFO });
}

/// The example with the absolute paths of a real installation replaced by files of the test's folder.
fn example() -> String {
    EXAMPLE.replace("/run/secrets/gitlab-token", "secret").replace("/run/secrets/shop-web-hook", "secret")
}

#[test]
fn the_example_loads_and_means_what_its_comments_say() {
    let config = parse(&example()).unwrap_or_else(|problems| panic!("{problems}"));
    let project = |path: &str| config.projects.iter().find(|p| p.watched.path.0 == path).unwrap();
    let names =
        |path: &str| -> Vec<String> { project(path).watched.images[0].signers.iter().map(|signer| signer.name.to_string()).collect() };
    assert_eq!(project("shop/web").watched.images[0].repository.to_string(), "registry.example.com/shop/web");
    assert_eq!(names("shop/api"), ["release", "pipelines"]);
    assert_eq!(project("shop/api").policy.sources, ["push"], "a profile tightens");
    assert_eq!(project("shop/api").policy.commit_tag, Demand::Warned);
    assert_eq!(project("shop/platform").policy.sources, ["push", "web"]);
    assert_eq!(project("shop/platform").policy.commit_tag, Demand::Required, "a project tightens");
    let platform = &project("shop/platform").watched;
    assert_eq!(platform.images.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["worker", "worker-debug"]);
    assert_eq!(platform.images[1].release_job, "release_debug_image");
    assert_eq!(platform.environments.iter().map(|e| e.0.as_str()).collect::<Vec<_>>(), ["staging", "production"]);
    assert_eq!(project("tools/scanner").watched.instance.0, "partner");
    assert_eq!(config.trust_roots.keys().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["main"]);
    let own: Vec<_> = config.server.hooks.iter().filter(|hook| hook.project.is_some()).collect();
    assert_eq!(own.iter().map(|hook| hook.kind).collect::<Vec<_>>(), [HookSecretKind::Token, HookSecretKind::Signing]);
    assert_eq!(own[0].project, Some(ProjectPath("shop/web".into())));
    let owners: Vec<_> = config.signers.iter().filter_map(|signer| signer.owner.as_deref()).collect();
    assert_eq!(owners, ["release managers", "partner's build team"]);
}

type Met = BTreeMap<(&'static str, &'static str), &'static Key>;

/// Every section and key that a document holds.
fn walk(node: &Node<'_>, section: &'static Section, met: &mut Met) {
    for key in section.keys {
        if let Some(value) = node.get(key) {
            met.insert((section.name, key.name), key);
            walk_kind(&value, &key.kind, met);
        }
    }
}

fn walk_kind(node: &Node<'_>, kind: &'static Kind, met: &mut Met) {
    match kind {
        Kind::Text(_) | Kind::Word(_) | Kind::Flag => {}
        Kind::Secret => walk(node, &keys::SECRET, met),
        Kind::Table(section) | Kind::TextOrTable(_, section) => walk(node, section, met),
        Kind::Tables(section) => node.list().unwrap().iter().for_each(|item| walk(item, section, met)),
        Kind::Named(_, section) => node.entries().iter().for_each(|(_, item)| walk(item, section, met)),
        Kind::List(item) | Kind::OneOrMany(item) => node.one_or_many().iter().for_each(|node| walk_kind(node, item, met)),
    }
}

/// Every key of the table, below each section that the root reaches.
fn all_keys(section: &'static Section, met: &mut Met) {
    for key in section.keys {
        if met.insert((section.name, key.name), key).is_none() {
            let mut kind = &key.kind;
            while let Kind::List(item) | Kind::OneOrMany(item) = kind {
                kind = item;
            }
            match kind {
                Kind::Secret => all_keys(&keys::SECRET, met),
                Kind::Table(below) | Kind::Tables(below) | Kind::Named(_, below) | Kind::TextOrTable(_, below) => all_keys(below, met),
                Kind::Text(_) | Kind::Word(_) | Kind::Flag | Kind::List(_) | Kind::OneOrMany(_) => {}
            }
        }
    }
}

/// Keys that defaults, profiles, projects and images share: shown where they are used most.
fn shared_elsewhere(section: &str, key: &str, met: &Met) -> bool {
    let shared = ["defaults", "profile", "project", "project.image"];
    shared.contains(&section) && shared.iter().any(|other| met.contains_key(&(*other, key)))
}

#[test]
fn the_example_shows_every_key() {
    let text = example();
    let sink = Sink::new(&text);
    let table = document::parse(&text, &sink).unwrap();
    let root = toml::Spanned::new(0..0, toml::de::DeValue::Table(table.into_inner()));
    let (mut met, mut known) = (Met::new(), Met::new());
    walk(&Node::root(&root), &keys::ROOT, &mut met);
    all_keys(&keys::ROOT, &mut known);
    assert!(known.len() > 50, "the table was not walked: {known:?}");
    let absent: Vec<_> =
        known.keys().filter(|(section, key)| !met.contains_key(&(*section, *key)) && !shared_elsewhere(section, key, &met)).collect();
    assert!(absent.is_empty(), "not in bot.toml.example: {absent:?}");
}

/// A default that its own key refuses could not be written out.
#[test]
fn every_default_is_accepted_where_it_is_written_out() {
    let folder = folder();
    let derived = parse_in(folder.path(), &tiny()).unwrap();
    let mut written = 0;
    for table in keys::ROOT.keys {
        let Kind::Table(section) = &table.kind else { continue };
        for key in section.keys {
            let default = match &key.need {
                Need::Text(text) => format!("{text:?}"),
                Need::Texts(texts) => format!("{texts:?}"),
                Need::Flag(flag) => flag.to_string(),
                Need::Required | Need::Optional => continue,
            };
            let text = format!("{}\n[{}]\n{} = {default}\n", tiny(), table.name, key.name);
            assert_eq!(parse_in(folder.path(), &text).unwrap(), derived, "{}.{}", table.name, key.name);
            written += 1;
        }
    }
    assert!(written > 10, "only {written} defaults were found");
}

/// A key that is accepted but never read would be a promise without a keeper.
#[test]
fn every_key_of_the_table_is_read() {
    document::READ.with_borrow_mut(BTreeSet::clear);
    parse(&example()).unwrap();
    let mut known = Met::new();
    all_keys(&keys::ROOT, &mut known);
    let read = document::READ.with_borrow(Clone::clone);
    let unread: Vec<_> =
        known.iter().filter(|(_, key)| !read.contains(&std::ptr::from_ref::<Key>(key).addr())).map(|(name, _)| name).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

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
        ("policy = { sources = [\"merge_request_event\"] }\n", "project[0].policy.sources[0]", &["one of \"push\", "]),
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
    check(&text, &[(7, "project[0].signer[1]", &["another key", "release.pub"])]);
    // The same key at two projects is one signer.
    let twice = with_project(&format!("{IMAGE}{SIGNER}[[project]]\npath = \"shop/web\"\n{IMAGE}{SIGNER}"));
    assert_eq!(parse(&twice).unwrap().signers.len(), 1);
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
    for (root, words) in [("junk.pub", "not a Sigstore"), ("root-without-authorities.json", "no certificate authority")] {
        check(
            &project(SIGNER).replace("trusted_root.json", root).replace(SIGNER, &format!("gitlab = \"main\"\n{SIGNER}")),
            &[(4, "gitlab.main.trusted_root", &[words])],
        );
    }
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
    check(&text("sources = [\"push\"]", "sources = [\"web\"]"), &[(4, "project[0]", &["no pipeline source may release"])]);
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

#[test]
fn the_schema_says_what_the_table_says() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let mut known = Met::new();
    all_keys(&keys::ROOT, &mut known);
    for (section, key) in known.into_keys() {
        let section = if section == "bot.toml" { &schema } else { &schema["$defs"][section] };
        let said = &section["properties"][key];
        assert!(said["description"].is_string(), "{key} is not in the schema: {said}");
        assert_eq!(section["additionalProperties"], false);
    }
    assert_eq!(schema["$defs"]["signer"]["oneOf"][0]["required"][0], "key_file");
    assert_eq!(schema["$defs"]["policy"]["properties"]["sources"]["default"][0], "push");
    assert_eq!(schema["required"], serde_json::json!(["gitlab", "project"]));
}
