//! The rules of the house: who may import whom, which crate lives where.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Part → the parts it may import besides itself. `config`, `cli` and `main` may import everything; `sandbox` serves tests.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("verdict", &["model"]),
    ("effects", &["model", "verdict", "gitlab_client", "registry_client"]),
    ("tls", &[]),
    ("gitlab_client", &["model", "verdict", "tls"]),
    ("registry_client", &["model", "verdict", "tls"]),
    ("render", &["model", "verdict", "effects", "commands"]),
    ("commands", &["model", "verdict", "effects"]),
    ("event", &["model", "verdict", "effects", "render", "commands"]),
    ("facts", &["model", "verdict", "event", "gitlab_client", "registry_client", "tls"]),
    ("store", &["model", "event", "verdict", "effects"]),
    ("delivery", &["model", "event", "store", "render"]),
    ("bot", &["model", "event", "verdict", "facts", "effects", "store", "render", "commands"]),
    ("config", &["model", "verdict", "facts", "effects", "store", "delivery", "gitlab_client", "tls", "render"]),
    ("sandbox", &["model"]),
];

/// Outside crate → the files and folders it may appear in.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["src/delivery", "src/sandbox"]),
    ("hyper", &["src/delivery/http"]),
    ("hyper_util", &["src/delivery/http"]),
    ("prometheus_client", &["src/delivery/metrics"]),
    ("standardwebhooks", &["src/delivery/http", "src/sandbox/gitlab"]),
    // Modules of ours are called `gitlab` as well; the crate is reached through these.
    ("gitlab::api", &["src/gitlab_client", "src/facts/gitlab", "src/effects"]),
    ("gitlab::AsyncGitlab", &[]),
    ("gitlab::GitlabBuilder", &[]),
    ("oci_client", &["src/registry_client", "src/facts/registry", "src/effects/promote", "src/sandbox/publish"]),
    ("sigstore_verify", &["src/facts/sigstore", "src/facts/trust_root"]),
    ("sigstore_trust_root", &["src/facts/sigstore", "src/facts/trust_root"]),
    ("sigstore_tuf", &["src/facts/trust_root", "src/sandbox/authority"]),
    ("sigstore_types", &["src/facts/sigstore", "src/facts/trust_root", "src/sandbox/authority", "src/effects/promote/attest"]),
    ("sigstore_crypto", &["src/facts/sigstore", "src/facts/trust_root", "src/sandbox/authority", "src/effects/promote/attest"]),
    ("crypto_secretbox", &["src/effects/promote/attest"]),
    ("scrypt", &["src/effects/promote/attest"]),
    ("pem", &["src/effects/promote/attest"]),
    ("x509_cert", &["src/facts/sigstore", "src/facts/trust_root", "src/sandbox/authority"]),
    ("aws_lc_rs", &["src/facts/sigstore", "src/sandbox/gitlab/id_token"]),
    ("jsonwebtoken", &["src/delivery/api"]),
    ("http_auth", &["src/registry_client"]),
    ("http_link", &["src/registry_client"]),
    ("handlebars", &["src/render"]),
    ("sled", &["src/store/sled"]),
    ("clap", &["src/cli"]),
    ("toml", &["src/config"]),
    ("cms", &["src/facts/trust_root", "src/sandbox/authority"]),
    ("x509_tsp", &["src/facts/trust_root", "src/sandbox/authority"]),
    ("sigstore_merkle", &["src/facts/trust_root"]),
    ("rcgen", &["src/sandbox/authority"]),
];

/// What the pure parts must not name: waiting, the clock, the outside.
const IMPURE: &[&str] =
    &["async fn", ".await", "tokio::", "std::fs", "std::net", "std::env", "Timestamp::now", "SystemTime", "Instant::now", "reqwest"];
const PURE: &[&str] = &["src/model", "src/verdict", "src/commands", "src/event.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found.sort();
    found
}

/// The lines that are code of the product: no comments, nothing from the first test module on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !["#[cfg(test)]", "#![cfg(test)]"].iter().any(|mark| line.trim_start().starts_with(mark)))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

fn part(path: &Path) -> String {
    let first = path.components().nth(1).unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned()
}

/// The names that follow each `crate::` of a line, lists opened.
fn imports(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = vec![];
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split(',').map(|item| word(item.trim()))),
            None => names.push(word(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn every_part_imports_only_what_it_may() {
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut broken = vec![];
    for (path, text) in sources() {
        let part = part(&path);
        if matches!(part.as_str(), "lib" | "main" | "cli" | "config") {
            continue;
        }
        let allowed = table.get(part.as_str()).unwrap_or_else(|| panic!("{part} is not in the import table"));
        for (number, line) in code(&text) {
            for name in imports(line) {
                if name != part && !allowed.contains(&name.as_str()) {
                    broken.push(format!("{}:{number}: {part} may not import {name}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_outside_crate_stays_at_home() {
    let mut broken = vec![];
    for (path, text) in sources() {
        for (number, line) in code(&text) {
            for (name, homes) in HOMES {
                let used = line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                });
                let at_home = homes.iter().any(|home| path.starts_with(home) || path.starts_with(format!("{home}.rs")));
                if used && !at_home {
                    broken.push(format!("{}:{number}: {name} lives in {homes:?}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_pure_parts_neither_wait_nor_look() {
    let mut broken = vec![];
    for (path, text) in sources() {
        if !PURE.iter().any(|pure| path.starts_with(pure)) {
            continue;
        }
        for (number, line) in code(&text) {
            for word in IMPURE {
                if line.contains(word) {
                    broken.push(format!("{}:{number}: {word} in a pure part", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Templates do not choose: handlebars lets a misspelt name pass silently in a condition.
#[test]
fn templates_do_not_choose() {
    let mut folders = vec![PathBuf::from("templates")];
    let mut broken = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for word in ["{{#if", "{{else", "{{#unless", "{{^", "{{{", "{{&", "{{#with", "{{lookup", "{{>"] {
                // `{{~` only trims space; it must not hide the word behind it.
                if text.replace("{{~", "{{").contains(word) {
                    broken.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_import_reader_sees_through_lists() {
    assert_eq!(imports("use crate::{facts::x, store};"), ["facts", "store"]);
    assert_eq!(imports("crate::bot::run(crate::cli::main())"), ["bot", "cli"]);
    assert!(imports("use std::fs;").is_empty());
}
