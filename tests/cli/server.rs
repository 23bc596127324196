//! `countersign verify --server`: the running bot's answer, printed as a local one; and everything that is no answer.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign::cli::serve::{self, Running};
use countersign::config::Config;
use countersign::sandbox::registry::Fault;
use countersign::sandbox::shop::{Shop, Signing};
use serde_json::{Value, json};

use super::countersign;

const TAG: &str = "v1.8.2";
const TOKEN: &str = "the-deploy-tool-asks-with-this";

/// A shop, its bot, and a folder to run in.
struct Gate {
    shop: Shop,
    folder: tempfile::TempDir,
    bot: Running,
}

/// How the command ended, and what it printed.
type Ended = (i32, String, String);

async fn run_with(folder: &std::path::Path, arguments: &str, variables: &[(&str, &str)]) -> Ended {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let mut command: Command = countersign(folder, &arguments);
    for name in ["COUNTERSIGN_ID_TOKEN", "COUNTERSIGN_API_TOKEN", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

impl Gate {
    async fn new(signing: Signing) -> Self {
        let shop = Shop::open(signing, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        std::fs::write(folder.path().join("api"), TOKEN).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let token = "[api.token.tool]\nsecret = { file = \"api\" }\nprojects = \"all\"\n\n[store]";
        std::fs::write(&file, text.replace("[store]", token)).unwrap();
        let mut config = Config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        // Nothing but the questions of a test makes verdicts.
        config.catch_up.every = std::time::Duration::from_secs(3600);
        let bot = serve::start(config).await.unwrap();
        Self { shop, folder, bot }
    }

    fn server(&self) -> String {
        format!("http://{}", self.bot.address)
    }

    fn image(&self) -> String {
        format!("{}:{TAG}", self.shop.repository())
    }

    async fn here(&self, image: &str, flags: &str) -> Ended {
        run_with(self.folder.path(), &format!("verify {image} --project shop/api --config bot.toml {flags}"), &[]).await
    }

    async fn there(&self, image: &str, flags: &str) -> Ended {
        let variables = [("COUNTERSIGN_API_TOKEN", TOKEN)];
        run_with(self.folder.path(), &format!("verify {image} --project shop/api --server {} {flags}", self.server()), &variables).await
    }
}

/// What may differ between a verdict of this process and one of the bot, taken out.
fn comparable(text: &str) -> Value {
    let mut json: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    for key in ["id", "as_of", "record", "asked_by"] {
        assert!(json.as_object_mut().unwrap().remove(key).is_some(), "{key} is missing");
    }
    // Its sentence says when, to the minute.
    if json["outcome"] == "passed" {
        json.as_object_mut().unwrap().remove("headline");
    }
    json
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_and_the_command_say_the_same() {
    let gate = Gate::new(Signing::Keyless).await;
    let (_, digest) = gate.shop.release(TAG).unwrap();
    let by_tag = gate.image();
    let by_digest = format!("{}@{digest} --tag {TAG}", gate.shop.repository());
    let same = async |image: &str, flags: &str, code: i32| {
        let (here, there) =
            (gate.here(image, &format!("--format json {flags}")).await, gate.there(image, &format!("--format json {flags}")).await);
        assert_eq!((here.0, there.0), (code, code), "{here:?}\n{there:?}");
        assert_eq!(comparable(&here.1), comparable(&there.1), "{image} {flags}");
        let told: Value = serde_json::from_str(&there.1).unwrap();
        assert_eq!((&told["record"], &told["asked_by"]["name"]), (&json!("read"), &json!("tool")));
        // The words as well, but for the time and for who kept a record.
        let words = |text: &str| text.lines().skip(1).take_while(|line| !line.contains("ecord")).map(str::to_owned).collect::<Vec<_>>();
        let (here, there) = (gate.here(image, flags).await, gate.there(image, flags).await);
        assert_eq!((here.0, words(&here.1)), (there.0, words(&there.1)));
        assert!(there.1.contains("Recorded by http://127.0.0.1:") && there.1.contains("asked with the token tool."), "{}", there.1);
        assert!(!there.1.contains("did not read"), "{}", there.1);
        let cases = |text: &str| text.lines().filter(|line| line.starts_with("<testcase")).map(str::to_owned).collect::<Vec<_>>();
        let (here, there) =
            (gate.here(image, &format!("--format junit {flags}")).await, gate.there(image, &format!("--format junit {flags}")).await);
        assert!(here.0 == there.0 && cases(&here.1) == cases(&there.1) && !cases(&there.1).is_empty(), "{here:?}\n{there:?}");
        told
    };
    let passed = same(&by_tag, "--environment production", 0).await;
    assert_eq!(passed["environment"], "production");
    same(&by_digest, "", 0).await;
    same(&format!("{}:latest", gate.shop.repository()), "", 1).await;
    same(&format!("{}:v9.9.9", gate.shop.repository()), "", 1).await;
    gate.shop.registry.fault("*", Fault::Status(403));
    same(&by_tag, "", 3).await;
    gate.shop.registry.heal();
    // A wrong question is a wrong question there, too, in the same words.
    for (image, flags) in [(by_tag.as_str(), "--environment qa"), (&by_tag, "--tag main"), ("registry.example.com/shop/web:v1", "")] {
        let (here, there) = (gate.here(image, flags).await, gate.there(image, flags).await);
        assert_eq!((2, &here.2, ""), (there.0, &there.2, there.1.as_str()), "{image} {flags}");
    }
    // Only the bot remembers what it passed.
    gate.shop.move_tag(TAG);
    let (code, out, _) = gate.there(&by_tag, "").await;
    assert!(code == 1 && out.starts_with("blocked: "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_asks_with_its_id_token_or_a_file() {
    let gate = Gate::new(Signing::Keyless).await;
    let (pipeline, _) = gate.shop.release(TAG).unwrap();
    let deploy = {
        let mut world = gate.shop.gitlab.world();
        let job = world.job_named(pipeline, "deploy_production");
        world.play_job(job, gate.shop.rita);
        let runner = world.project(gate.shop.project).runner;
        world.run_job(job, runner);
        job
    };
    let id_token = gate.shop.gitlab.world().id_token(deploy, "http://127.0.0.1");
    let asks = format!("verify {} --project shop/api --server {}", gate.image(), gate.server());
    let with = async |flags: &str, variables: &[(&str, &str)]| run_with(gate.folder.path(), &format!("{asks} {flags}"), variables).await;
    let (code, out, err) = with("", &[("COUNTERSIGN_ID_TOKEN", &id_token)]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(&format!("asked by job {deploy} on refs/tags/{TAG} (protected).")) && !out.contains("--job"), "{out}");
    // The narrower of two counts; an empty variable is none.
    let (code, out, _) = with("", &[("COUNTERSIGN_ID_TOKEN", &id_token), ("COUNTERSIGN_API_TOKEN", "wrong")]).await;
    assert!(code == 0 && out.contains("asked by job"), "{out}");
    let (code, out, _) = with("", &[("COUNTERSIGN_ID_TOKEN", ""), ("COUNTERSIGN_API_TOKEN", TOKEN)]).await;
    assert!(out.contains("asked with the token tool"), "{code}: {out}");
    std::fs::write(gate.folder.path().join("token-file"), format!("{TOKEN}\n")).unwrap();
    let (_, out, _) = with("--token-file token-file", &[("COUNTERSIGN_ID_TOKEN", "wrong")]).await;
    assert!(out.contains("asked with the token tool"), "{out}");
    let (code, out, err) = with("", &[("COUNTERSIGN_ID_TOKEN", &format!("{id_token}x"))]).await;
    assert!(code == 3 && out.is_empty() && err.contains("does not accept this token") && !err.contains(&id_token), "{err}");
    std::fs::write(gate.folder.path().join("empty"), "\n").unwrap();
    for (flags, variables, words) in [
        ("", [].as_slice(), "There is no token"),
        ("--token-file nowhere", &[], "cannot read nowhere"),
        ("--token-file empty", &[], "is empty"),
        ("", &[("COUNTERSIGN_API_TOKEN", "two\nlines")], "line breaks"),
    ] {
        let (code, out, err) = with(flags, variables).await;
        assert!(code == 2 && out.is_empty() && err.contains(words), "{flags}: {code} {out}{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_only_a_token_speaks_for_is_told_to_name_itself() {
    let gate = Gate::new(Signing::Keyless).await;
    let (pipeline, _) = gate.shop.release(TAG).unwrap();
    let deploy = {
        let mut world = gate.shop.gitlab.world();
        let job = world.job_named(pipeline, "deploy_production");
        // One that the pipeline's success hangs on.
        world.job_mut(job).spec.allow_failure = false;
        world.play_job(job, gate.shop.rita);
        let runner = world.project(gate.shop.project).runner;
        world.run_job(job, runner);
        job
    };
    let (code, out, _) = gate.there(&gate.image(), "").await;
    assert!(code == 1 && out.contains("--job \"$CI_JOB_ID\""), "{out}");
    let (code, out, err) = gate.there(&gate.image(), &format!("--job {deploy}")).await;
    assert!(code == 0 && !out.contains("$CI_JOB_ID"), "{out}{err}");
}

/// The script of `deploy/gitlab-ci.yml`: the lines of its two blocks.
fn gate_script() -> String {
    let template = include_str!("../../deploy/gitlab-ci.yml");
    let script = template.split("  script:\n").last().unwrap().split("  artifacts:").next().unwrap();
    let lines: Vec<_> = script.lines().map(str::trim_start).filter(|line| *line != "- |").collect();
    assert!(lines.len() == 3 && lines[0].starts_with("countersign verify"), "{script}");
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_template_hands_the_checked_digest_on() {
    let gate = Gate::new(Signing::Keyless).await;
    let (_, digest) = gate.shop.release(TAG).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap().to_owned();
    let run = async || {
        let mut shell = Command::new("sh");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        // As GitLab's runner does: the first line that fails ends the job.
        shell.args(["-e", "-c", &gate_script()]).current_dir(gate.folder.path()).env("PATH", path).env_remove("COUNTERSIGN_ID_TOKEN");
        shell.env("CI_REGISTRY_IMAGE", gate.shop.repository().to_string()).env("CI_COMMIT_TAG", TAG).env("CI_PROJECT_PATH", "shop/api");
        shell.env("COUNTERSIGN_ENVIRONMENT", "production").env("COUNTERSIGN_URL", gate.server()).env("COUNTERSIGN_API_TOKEN", TOKEN);
        tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap()
    };
    let passed = run().await;
    assert!(passed.status.success(), "{passed:?}");
    let handed = || std::fs::read_to_string(gate.folder.path().join("countersign.env")).unwrap();
    assert_eq!(handed(), format!("COUNTERSIGN_DIGEST={digest}\n"));
    std::fs::remove_file(gate.folder.path().join("countersign.env")).unwrap();
    gate.shop.move_tag(TAG);
    let blocked = run().await;
    assert_eq!(blocked.status.code(), Some(1), "{blocked:?}");
    assert!(String::from_utf8(blocked.stdout).unwrap().contains("\"outcome\": \"blocked\""));
    assert!(!gate.folder.path().join("countersign.env").exists());
}

/// A request's path, and its `Authorization`.
type Asked = (String, Option<String>);

/// A server that gives one answer, and remembers what it was asked.
struct Scripted {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    async fn start(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = asked.clone();
        let app = Router::new().fallback(move |request: Request| {
            let token = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
            log.lock().unwrap().push((request.uri().path().to_owned(), token));
            std::future::ready(answer())
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked }
    }
}

const ASKED: &str = "registry.example.com/shop/api";
const DIGEST: &str = "sha256:8c166074508eefab2a561fdd56a518dc95e8ce739daee5ababc914fb41e1eed8";

/// A good answer.
fn good() -> Value {
    let check = json!({"check": "signature", "outcome": "passed", "code": null, "expected": "a", "found": "a", "headline": null, "next_step": null});
    json!({
        "id": "0197", "outcome": "passed", "code": null, "headline": "all is well", "next_step": "Deploy it by its digest.",
        "image": format!("{ASKED}@{DIGEST}"), "repository": ASKED, "digest": DIGEST, "tag": TAG, "project": "shop/api", "environment": null,
        "as_of": jiff::Timestamp::now().to_string(), "policy": {"digest": DIGEST}, "checks": [check],
    })
}

async fn ask(address: &str, flags: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let arguments = format!("verify {ASKED}:{TAG} --project shop/api --server {address} {flags}");
    run_with(folder.path(), &arguments, &[("COUNTERSIGN_API_TOKEN", TOKEN)]).await
}

/// Zero is for a complete positive verdict about what was asked, and for nothing else (SR-24).
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_to_this_question_is_no_success() {
    let changed = |key: &str, to: Value| {
        let mut answer = good();
        answer[key] = to;
        answer
    };
    let other = DIGEST.replace('8', "9");
    let open = json!([{"check": "signature", "outcome": "blocked", "code": "CS-SIG-MISSING", "expected": "a", "found": "none"}]);
    let skipped = json!([{"check": "signature", "outcome": "not-applicable", "code": null, "expected": "", "found": "none"}]);
    let mut without_policy = good();
    without_policy.as_object_mut().unwrap().remove("policy");
    for (answer, words) in [
        (changed("image", json!(format!("registry.example.com/shop/web@{DIGEST}"))), "another image"),
        (changed("image", json!(format!("{ASKED}:{TAG}"))), "another image"),
        (changed("image", json!(format!("{ASKED}@{other}"))), "another image"),
        (changed("image", Value::Null), "another image"),
        (changed("repository", json!("registry.example.com/shop/web")), "another image"),
        (changed("project", json!("shop/web")), "another project"),
        (changed("environment", json!("staging")), "another environment"),
        (changed("code", json!("CS-SIG-MISSING")), "with a reason why not"),
        (changed("digest", Value::Null), "another image"),
        (changed("checks", json!([])), "without passing its checks"),
        (changed("checks", skipped), "without passing its checks"),
        (changed("checks", open), "without passing its checks"),
        (changed("outcome", json!("PASSED")), "no verdict"),
        (changed("outcome", json!("blocked")), "has no reason"),
        (changed("as_of", json!("2026-01-01T00:00:00Z")), "not of now"),
        (changed("as_of", Value::Null), "no verdict"),
        (changed("policy", json!({"digest": "sha256:1"})), "no verdict"),
        (without_policy, "no verdict"),
        (json!({}), "no verdict"),
        (json!([good()]), "no verdict"),
        (json!("passed"), "no verdict"),
    ] {
        let told = answer.clone();
        let server = Scripted::start(move || axum::Json(told.clone()).into_response()).await;
        for flags in ["", "--format json", "--format junit"] {
            let (code, out, err) = ask(&server.address, flags).await;
            assert_eq!((code, out.as_str()), (3, ""), "{answer}: {err}");
            assert!(err.contains(words) && err.contains("nothing was checked"), "{answer}: {err}");
        }
    }
    let server = Scripted::start(|| axum::Json(good()).into_response()).await;
    let (code, out, err) = ask(&server.address, "").await;
    assert!(code == 0 && out.starts_with("passed: all is well\n"), "{out}{err}");
    assert_eq!(server.asked.lock().unwrap()[0], ("/api/v1/verify".into(), Some(format!("Bearer {TOKEN}"))));
    let (code, out, err) = ask(&server.address, "--tag v1.8.1").await;
    assert!(code == 3 && out.is_empty() && err.contains("another release"), "{err}");
    let (code, out, err) = ask(&server.address, "--environment production").await;
    assert!(code == 3 && out.is_empty() && err.contains("another environment"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    let by_digest = format!("verify {ASKED}@{other} --project shop/api --server {}", server.address);
    let (code, out, err) = run_with(folder.path(), &by_digest, &[("COUNTERSIGN_API_TOKEN", TOKEN)]).await;
    assert!(code == 3 && out.is_empty() && err.contains("another digest"), "{err}");
    // A path in front of the API is kept.
    ask(&format!("{}/bot/", server.address), "").await;
    assert_eq!(server.asked.lock().unwrap().last().unwrap().0, "/bot/api/v1/verify");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_could_not_check() {
    let says = |status: u16, body: &'static str| (StatusCode::from_u16(status).unwrap(), body).into_response();
    let large = || "x".repeat(5 * 1024 * 1024).into_response();
    let elsewhere = Scripted::start(|| axum::Json(good()).into_response()).await;
    let there = elsewhere.address.clone();
    let redirect = move || (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{there}/api/v1/verify"))]).into_response();
    type Case = (Box<dyn Fn() -> Response + Send + Sync>, i32, &'static str);
    let cases: Vec<Case> = vec![
        (Box::new(move || says(200, "<html>sign in</html>")), 3, "its answer is no JSON"),
        (Box::new(move || says(200, "")), 3, "its answer is no JSON"),
        (Box::new(large), 3, "its answer is too large"),
        (Box::new(redirect), 3, "points elsewhere"),
        (Box::new(move || says(401, "{\"error\":\"x\"}")), 3, "does not accept this token"),
        (Box::new(move || says(403, "no")), 3, "it answered 403"),
        (Box::new(move || says(404, "{\"error\":\"x\"}")), 2, "no such project"),
        (Box::new(move || says(404, "not here")), 3, "it answered 404"),
        (
            Box::new(move || says(400, "{\"error\":\"qa is no environment.\\nNext: correct \\u001b[2Jit.\"}")),
            2,
            "qa is no environment.\nNext: correct [2Jit.",
        ),
        (Box::new(move || says(400, "bad")), 3, "it answered 400"),
        (Box::new(move || says(500, "{\"error\":\"a fault\"}")), 3, "it answered 500"),
        (Box::new(move || says(202, "{}")), 3, "it answered 202"),
        (Box::new(move || says(503, "{\"error\":\"too many questions wait\"}")), 3, "too many questions wait"),
        (Box::new(move || says(502, "<html>")), 3, "it answered 502"),
    ];
    let asked = cases.into_iter().map(|(answer, wanted, words)| async move {
        let answer = Arc::new(answer);
        let server = Scripted::start(move || answer()).await;
        let (code, out, err) = ask(&server.address, "").await;
        assert_eq!((code, out.as_str()), (wanted, ""), "{words}: {err}");
        assert!(err.contains(words) && !err.contains(TOKEN), "{words}: {err}");
        let tries = server.asked.lock().unwrap().len();
        assert_eq!(tries, if words.contains("wait") || words.contains("502") { 4 } else { 1 }, "{words}");
    });
    futures_util::future::join_all(asked).await;
    assert!(elsewhere.asked.lock().unwrap().is_empty(), "the token followed a redirect");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_could_not_check_and_a_wrong_address_is_a_wrong_argument() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Scripted::start(|| axum::Json(good()).into_response()).await;
    let (nobody, encrypted) = (format!("http://127.0.0.1:{port}"), server.address.replace("http:", "https:"));
    let (nobody, encrypted) = tokio::join!(ask(&nobody, ""), ask(&encrypted, ""));
    let (code, out, err) = nobody;
    assert!(code == 3 && out.is_empty() && err.contains("there is no connection"), "{err}");
    // It speaks no TLS: what cannot be verified is no answer.
    let (code, out, err) = encrypted;
    assert!(code == 3 && out.is_empty() && server.asked.lock().unwrap().is_empty(), "{err}");
    for (address, words) in [
        ("http://countersign.example.com", "use https://"),
        ("http://127.0.0.1.example.com", "use https://"),
        ("https://me:hunter2@countersign.example.com", "no password"),
        ("https://countersign.example.com?x=1", "no '?'"),
        ("countersign.example.com", "no address"),
        ("file:///etc/passwd", "no https address"),
        ("https://countersign.example.com --config bot.toml", "cannot be used with"),
        ("https://countersign.example.com --token hunter2", "unexpected argument"),
    ] {
        let (code, out, err) = ask(address, "").await;
        assert!(code == 2 && out.is_empty() && err.contains(words), "{address}: {code} {err}");
    }
    // This address is this machine's own, but not by its name alone.
    let everywhere = server.address.replace("127.0.0.1", "0.0.0.0");
    let (code, out, err) = ask(&everywhere, "").await;
    assert!(code == 2 && out.is_empty() && err.contains("--plain-http"), "{err}");
    let (code, out, err) = ask(&everywhere, "--plain-http").await;
    assert!(code == 0 && out.starts_with("passed: "), "{out}{err}");
}
