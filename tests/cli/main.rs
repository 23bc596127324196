//! The command line as scripts meet it: what is printed where, and the exit codes.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

mod bundle;
mod codes;
mod inspect;
mod server;
mod signer;
mod verify;

use std::path::Path;
use std::process::{Command, Output, Stdio};

const SMALL: &str = "[gitlab.main]
url = \"https://gitlab.example.com\"
token = { file = \"token\" }
[[project]]
path = \"shop/api\"
image = \"registry.example.com/shop/api\"
signer = { key_file = \"release.pub\" }
";
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuuRSz5sbsdHeVNj3buPWe/oJ4yoH
5qOtrapTrQkXiCtiki5H+LDPE3JSFkNfr57YwpECB2E3HRTtZ6XjTHuvyg==
-----END PUBLIC KEY-----
";

fn countersign(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    // No login and no setting of whoever runs the tests.
    command.current_dir(folder).args(arguments).env_remove("DOCKER_CONFIG").env("HOME", folder);
    command
}

/// Runs while a sandbox in this process answers.
async fn run_beside(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let (folder, arguments): (_, Vec<String>) = (folder.to_owned(), arguments.iter().map(ToString::to_string).collect());
    let running = tokio::task::spawn_blocking(move || run(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    running.await.unwrap()
}

/// Runs, and gives exit code, stdout and stderr.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = countersign(folder, arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A configuration in a folder of its own, and another folder to work in.
fn installation(text: &str) -> (tempfile::TempDir, tempfile::TempDir) {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, text) in [("bot.toml", text), ("token", "hunter2\n"), ("release.pub", KEY)] {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    (home, elsewhere)
}

#[test]
fn a_good_file_is_summed_up_and_ends_with_zero() {
    let (home, elsewhere) = installation(SMALL);
    let file = home.path().join("bot.toml");
    let (code, out, err) = run(elsewhere.path(), &["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("is in order: 1 GitLab server, 1 project, 1 image."), "{out}");
    assert!(out.contains("shop/api on main") && out.contains("job release_image, signed by release.pub"), "{out}");
    assert!(!out.contains("hunter2"), "{out}");
}

#[test]
fn a_bad_file_ends_with_two_and_every_problem_on_stderr() {
    let (home, _) = installation(&SMALL.replace("signer", "signr").replace("https", "http"));
    let (code, out, err) = run(home.path(), &["config", "check", "--config", "bot.toml"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 4, "{err}");
    assert!(lines[0].starts_with("bot.toml:2: gitlab.main.url: "), "{err}");
    assert!(lines[1].starts_with("bot.toml:4: project[0]: `signer` is missing"), "{err}");
    assert!(lines[2].starts_with("bot.toml:7: project[0].signr: "), "{err}");
    assert_eq!(lines[3], "3 problems; nothing would start with this file.");
}

#[test]
fn wrong_arguments_end_with_two() {
    let (home, _) = installation(SMALL);
    // No bot.toml is picked up from the working directory.
    for arguments in [["config", "check"].as_slice(), &["config"], &[], &["frobnicate"], &["config", "schema", "--x"]] {
        let (code, out, err) = run(home.path(), arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("Usage: "), "{err}");
    }
}

#[test]
fn help_and_version_end_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["--version"]);
    assert_eq!((code, out.trim()), (0, concat!("countersign ", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = run(folder.path(), &["--help"]);
    assert!(code == 0 && out.contains("config"), "{out}");
}

#[test]
fn the_schema_is_json_and_a_full_disk_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &schema["properties"]["project"]["type"]), (0, &"array".into()));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = countersign(folder.path(), &["config", "schema"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(child.status.code(), Some(3));
    assert!(String::from_utf8(child.stderr).unwrap().contains("could not be written"));
}

#[test]
#[cfg(feature = "sandbox")]
fn the_demo_tells_its_story_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = run(folder.path(), &["demo", "--once"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.ends_with("All 18 steps ended as told.\n"), "{out}");
    // Nothing is left where it ran, and nothing went wrong on the way.
    assert_eq!((std::fs::read_dir(folder.path()).unwrap().count(), err.as_str()), (0, ""));
}

#[test]
fn serve_with_a_bad_file_ends_with_two() {
    let (home, _) = installation(&SMALL.replace("signer", "signr"));
    let (code, out, err) = run(home.path(), &["serve", "--config", "bot.toml"]);
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains("bot.toml:4: project[0]: `signer` is missing") && err.contains("bot.toml:7: project[0].signr: "), "{err}");
    let (code, _, err) = run(home.path(), &["serve", "--config", "none.toml"]);
    assert!(code == 2 && err.contains("none.toml"), "{code}: {err}");
}

#[test]
fn serve_on_a_taken_port_ends_with_three_and_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (home, _) = installation(&format!("[server]\nlisten = \"{address}\"\n{SMALL}"));
    let (code, out, err) = run(home.path(), &["serve", "--config", "bot.toml"]);
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(err.contains(&format!("cannot listen on {address}: ")), "{err}");
}
