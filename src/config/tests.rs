//! Good files and what they come to; the table of keys against example, defaults, reader and schema.

mod bad;
mod environments;

use std::path::Path;

use super::document::Node;
use super::table::{Key, Kind, Need, Section};
use super::*;
use crate::delivery::api::{ProjectName, Scope};
use crate::delivery::http::HookSecretKind;
use crate::facts::registry::Login;
use crate::model::Secret;
use crate::model::gitlab::ProjectPath;
use crate::model::signer::SignerKind;
use crate::verdict::{Demand, TrustedRunner};

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
/// When these tests read.
const NOW: &str = "2026-01-15T12:00:00Z";
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
        ("private-ca.pem", include_str!("../../tests/fixtures/private-ca.pem")),
        ("cosign.key", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"),
        ("junk.pub", "hunter2"),
        ("short.pub", "-----BEGIN PUBLIC KEY-----\nYWJjZA==\n-----END PUBLIC KEY-----\n"),
        ("trusted_root.json", trust::PUBLIC_ROOT),
        ("tuf-root.json", std::str::from_utf8(crate::facts::trust_root::tuf::public_good().1).unwrap()),
        ("root-without-authorities.json", "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}"),
        ("secret", "hunter2-from-file\n"),
        ("api-token", "hunter2-of-the-deploy-tool\n"),
        ("short", "hunter2\n"),
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
    let result = read(("bot.toml", text), folder, &environment, NOW.parse().unwrap());
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
    let [ProjectConfig { watched, policy, .. }] = config.projects.as_slice() else { panic!("{config:?}") };
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
    assert_eq!((policy.provenance, policy.base_image, policy.base_unchanged), (Demand::Off, Demand::Off, Demand::Off));
    assert_eq!((&policy.runners, image.wants_provenance), (&None, false));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://127.0.0.1:8080/");
    let [hook] = config.server.hooks.as_slice() else { panic!("{:?}", config.server) };
    assert_eq!((hook.kind, hook.secret.expose()), (HookSecretKind::Token, "hunter2-COUNTERSIGN_WEBHOOK_TOKEN"));
    // The registry of a GitLab takes that GitLab's token, at its address only.
    let [registry] = config.registries.as_slice() else { panic!("{:?}", config.registries) };
    let password = Secret::new("hunter2-COUNTERSIGN_GITLAB_TOKEN").unwrap();
    assert_eq!(registry.login, Some(Login { username: "countersign".into(), password }));
    assert_eq!(registry.token_hosts, ["gitlab.example.com"]);
    assert_eq!(config.catch_up.every.as_secs(), 60);
    assert_eq!(config.log, Log { format: LogFormat::Text, level: tracing::Level::INFO });
}

/// The example with the absolute paths of a real installation replaced by files of the test's folder.
fn example() -> String {
    EXAMPLE
        .replace("/run/secrets/gitlab-token", "secret")
        .replace("/run/secrets/shop-web-hook", "secret")
        .replace("/run/secrets/registry-push", "secret")
        .replace("/run/secrets/api-token", "api-token")
}

#[test]
fn the_example_loads_and_means_what_its_comments_say() {
    let config = parse(&example()).unwrap_or_else(|problems| panic!("{problems}"));
    let project = |path: &str| config.projects.iter().find(|p| p.watched.path.0 == path).unwrap();
    let names =
        |path: &str| -> Vec<String> { project(path).watched.images[0].signers.iter().map(|signer| signer.name.to_string()).collect() };
    assert_eq!(project("shop/web").watched.images[0].repository.to_string(), "registry.example.com/shop/web");
    let authority = include_str!("../../tests/fixtures/private-ca.pem");
    let believes =
        |host: &str| config.registries.iter().find(|registry| registry.host == host).unwrap().ca_pem.as_deref() == Some(authority);
    assert!(config.gitlabs[0].ca_pem.as_deref() == Some(authority) && believes("harbor.partner.example"));
    assert!(believes("registry.example.com"), "a registry of a GitLab believes what that GitLab is believed by");
    assert!(!believes("localhost:5000") && config.gitlabs[1].ca_pem.is_none());
    assert_eq!(names("shop/api"), ["release", "pipelines"]);
    assert_eq!(project("shop/api").policy.sources, ["push"], "a profile tightens");
    assert_eq!(project("shop/api").policy.commit_tag, Demand::Warned);
    let runners = [TrustedRunner::parse("#42").unwrap(), TrustedRunner::parse("release-02").unwrap()];
    assert_eq!(project("shop/api").policy.runners.as_deref(), Some(&runners[..]));
    assert_eq!(project("shop/platform").policy.runners, None);
    assert_eq!(project("shop/api").policy.provenance, Demand::Warned);
    assert!(project("shop/api").watched.images[0].wants_provenance);
    assert_eq!(project("shop/platform").policy.sources, ["push", "web"]);
    assert_eq!(project("shop/platform").policy.commit_tag, Demand::Required, "a project tightens");
    let platform = &project("shop/platform").watched;
    assert_eq!(platform.images.iter().map(|image| image.name.as_str()).collect::<Vec<_>>(), ["worker", "worker-debug"]);
    assert_eq!(platform.images[1].release_job, "release_debug_image");
    assert_eq!(platform.environments.iter().map(|e| e.0.as_str()).collect::<Vec<_>>(), ["staging", "production"]);
    let api = &project("shop/api").environments[1];
    assert_eq!((api.name.0.as_str(), api.second_person, api.actions.len()), ("production", true, 4));
    let text = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
    assert_eq!(text(api.observe_until).as_deref(), Some("2026-02-01T00:00:00Z"), "a profile adds to what defaults say");
    let platform_production = &project("shop/platform").environments[1];
    assert_eq!((platform_production.second_person, platform_production.actions.len()), (false, 2), "a project replaces it key by key");
    assert_eq!(platform_production.after.as_ref().map(|after| after.0.as_str()), Some("staging"));
    assert_eq!(config.promotions.push_logins.keys().collect::<Vec<_>>(), ["harbor.partner.example", "registry.example.com"]);
    assert!(config.promotions.signing_key.as_ref().is_some_and(|key| key.password.is_some()));
    assert_eq!(project("tools/scanner").watched.instance.0, "partner");
    assert_eq!(config.trust_roots.keys().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["main", "partner"]);
    let partner = &config.trust_roots[&InstanceName("partner".into())];
    assert!(matches!(partner, trust_root::Source::Tuf(tuf) if tuf.url.as_str() == "https://tuf.partner.example/"));
    let names: Vec<_> = config.api.tokens.iter().map(|token| token.name.as_str()).collect();
    assert_eq!(names, ["deploy-tool", "deploy-tool"], "both secrets of a rotation");
    let named = |path: &str| ProjectName { instance: InstanceName("main".into()), path: ProjectPath(path.into()) };
    assert_eq!(config.api.tokens[0].scope, Scope::Only(vec![named("shop/api"), named("shop/web")]));
    let issuers: Vec<_> = config.api.issuers.iter().map(|issuer| (issuer.instance.0.as_str(), issuer.issuer.as_str())).collect();
    assert_eq!(issuers, [("main", "https://gitlab.example.com"), ("partner", "https://gitlab.partner.example")]);
    let own: Vec<_> = config.server.hooks.iter().filter(|hook| hook.project.is_some()).collect();
    assert_eq!(own.iter().map(|hook| hook.kind).collect::<Vec<_>>(), [HookSecretKind::Token, HookSecretKind::Signing]);
    assert_eq!(own[0].project, Some(ProjectPath("shop/web".into())));
    let owners: Vec<_> = config.signers.iter().filter_map(|signer| signer.signer.owner.as_deref()).collect();
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
        Kind::Text(_) | Kind::Word(_) | Kind::Flag | Kind::Moment => {}
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
                Kind::Text(_) | Kind::Word(_) | Kind::Flag | Kind::Moment | Kind::List(_) | Kind::OneOrMany(_) => {}
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

/// What the README tells an operator to write, loads.
#[test]
fn the_files_of_the_readme_load() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let [first, promoting] = blocks.collect::<Vec<_>>().try_into().unwrap_or_else(|found: Vec<_>| panic!("{} blocks", found.len()));
    let first: String = first.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    assert!(parse(&first).unwrap().projects[0].environments.is_empty());
    let registry = "[registry.\"registry.example.com\"]\ngitlab = \"main\"\n";
    let both = format!("{}{}", first.replace(registry, ""), promoting.replace("promoter.key", "cosign.key"));
    let config = parse(&both).unwrap_or_else(|problems| panic!("{problems}"));
    let [staging, production] = config.projects[0].environments.as_slice() else { panic!("{:?}", config.projects[0]) };
    assert_eq!((staging.allow.role, staging.actions.len(), staging.second_person), (30, 2, false));
    assert_eq!((production.allow.role, production.actions.len(), production.second_person), (40, 3, true));
    assert_eq!(production.after.as_ref(), Some(&staging.name));
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
