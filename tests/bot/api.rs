//! The API: who may ask, what it answers, and what it keeps to itself.

use countersign::model::gitlab::{GitRef, JobId, PipelineId};
use countersign::sandbox::gitlab::Fault;
use countersign::sandbox::gitlab::id_token::unsigned;
use countersign::sandbox::gitlab::state::{JobSpec, NewPipeline, RunsOn};
use countersign::sandbox::registry;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::process::Process;
use super::*;

const TOKEN: &str = "the-deploy-tool-asks-with-this";
const NEW_TOKEN: &str = "the-deploy-tool-asks-with-this-next";
const OTHER_TOKEN: &str = "this-one-is-for-another-project";
/// The bot's public address, as the shop's configuration says it.
const AUDIENCE: &str = "http://127.0.0.1";

/// A bot with a token for the shop, in the middle of a rotation, and one for another project.
fn setup(signing: Signing) -> Setup {
    let tokens = "[api.token.tool]\nsecret = [{ file = \"api\" }, { file = \"api-next\" }]\nprojects = \"shop/api\"\n\
        [api.token.other]\nsecret = { file = \"api-other\" }\nprojects = [\"shop/web\"]\n\n[store]";
    let web = "[[project]]\npath = \"shop/web\"\nimage = \"{host}/shop/web\"\nsigner = \"release-key\"\n\n[[project]]\npath = \"shop/api\"";
    let setup = Setup::new(signing).without_hooks().toml("[store]", tokens).toml("[[project]]\npath = \"shop/api\"", web);
    setup.file("api", TOKEN).file("api-next", NEW_TOKEN).file("api-other", OTHER_TOKEN)
}

/// An answer of the API.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Told {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    #[track_caller]
    fn verdict(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

impl World {
    async fn told(&self, request: reqwest::RequestBuilder) -> Told {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Told { status, headers, text: response.text().await.unwrap() }
    }

    async fn ask_with(&self, headers: HeaderMap, body: impl Into<reqwest::Body>) -> Told {
        self.told(self.client().post(format!("{}/api/v1/verify", self.address())).headers(headers).body(body)).await
    }

    async fn ask(&self, token: &str, question: &Value) -> Told {
        self.ask_with(bearer(token), question.to_string()).await
    }

    async fn read(&self, token: &str, id: &str) -> Told {
        self.told(self.client().get(format!("{}/api/v1/verdicts/{id}", self.address())).headers(bearer(token))).await
    }

    fn question(&self) -> Value {
        json!({ "image": format!("{}:{TAG}", self.repository()), "project": "shop/api" })
    }

    /// A deploy job that runs in a pipeline of its own.
    fn job(&self) -> JobId {
        let (by, jobs) = (self.rita, vec![JobSpec::new("deploy", "deploy_from_main")]);
        let new = NewPipeline { source: "web", git_ref: GitRef::Branch("main".into()), by, jobs };
        let pipeline = self.gitlab.world().start_pipeline(self.project, new);
        running(self, pipeline, "deploy_from_main")
    }

    /// What an honest ID token of a job says.
    fn claims(&self, job: JobId) -> Value {
        self.gitlab.world().id_token_claims(job, AUDIENCE)
    }

    fn sign(&self, claims: &Value) -> String {
        self.gitlab.world().issuer_key().sign(claims)
    }
}

fn changed(value: &Value, key: &str, to: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value[key] = to.into();
    value
}

fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(key);
    value
}

#[tokio::test]
async fn a_verdict_is_told_recorded_and_read_again() {
    let world = setup(Signing::Keyless).start().await;
    let (_, digest) = world.release(TAG).unwrap();
    let told = world.ask(TOKEN, &changed(&world.question(), "environment", "production")).await;
    assert_eq!(told.headers["content-type"], "application/json");
    let verdict = told.verdict();
    let stands = |key: &str, value: Value| assert_eq!(verdict[key], value, "{key}");
    stands("outcome", json!("passed"));
    stands("code", json!(null));
    stands("image", json!(format!("{}@{digest}", world.repository())));
    stands("environment", json!("production"));
    stands("record", json!("read"));
    stands("asked_by", json!({"kind": "token", "name": "tool"}));
    let id = verdict["id"].as_str().unwrap();
    let again = world.read(TOKEN, id).await.verdict();
    assert_eq!(again, changed(&changed(&verdict, "environment", Value::Null), "asked_by", Value::Null));
    // What passed here is on record for whoever asks next.
    let key =
        countersign::model::gitlab::ProjectKey { instance: countersign::model::gitlab::InstanceName("main".into()), id: world.project };
    let sightings = world.running().bot.ledger.sightings(&key, &world.repository(), None, Some(TAG)).await.unwrap();
    assert_eq!(sightings.iter().map(|sighting| sighting.digest).collect::<Vec<_>>(), [digest]);
    // All three outcomes are answers.
    world.move_tag(TAG);
    assert_eq!(world.ask(NEW_TOKEN, &world.question()).await.verdict()["outcome"], "blocked");
    let gone = changed(&world.question(), "image", format!("{}:latest", world.repository()));
    let gone = world.ask(TOKEN, &gone).await.verdict();
    assert_eq!((&gone["outcome"], &gone["code"], &gone["image"]), (&json!("blocked"), &json!("CS-TAG-MISSING"), &json!(null)));
    let recorded = world.read(TOKEN, gone["id"].as_str().unwrap()).await.verdict();
    assert_eq!(recorded["code"], "CS-TAG-MISSING", "also a verdict about no image is on record");
    world.registry.fault("*", registry::Fault::Status(503));
    assert_eq!(world.ask(TOKEN, &world.question()).await.verdict()["outcome"], "could-not-check");
    let count = |result: &str| format!("countersign_api_requests_total{{route=\"verify\",caller=\"token\",result=\"{result}\"}}");
    for (result, wanted) in [("passed", 1), ("blocked", 2), ("could-not-check", 1)] {
        assert_eq!(world.metric(&count(result)).await, wanted, "{result}");
    }
    assert_eq!(world.page(&world.address(), "/readyz").await.0, 200);
}

/// What strangers send; the last of each pair says in the log why it was refused.
fn wrong_proofs(world: &World, job: JobId) -> Vec<(HeaderMap, &'static str)> {
    let claims = world.claims(job);
    let now = claims["iat"].as_i64().unwrap();
    let honest = world.sign(&claims);
    let mut guard = world.gitlab.world();
    let key = guard.issuer_key();
    let head = json!({"kid": key.id(), "typ": "JWT", "alg": "RS256"});
    let (message, signature) = honest.rsplit_once('.').unwrap();
    let hmac = |secret: &[u8]| {
        let header = jsonwebtoken::Header { kid: Some(key.id().into()), ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(secret)).unwrap()
    };
    let of_another = countersign::sandbox::gitlab::state::World::new("http://evil.example").issuer_key().sign_with_head(&head, &claims);
    let mut all: Vec<(String, &'static str)> = vec![
        (key.sign(&changed(&claims, "aud", "https://vault.example.com")), "another audience"),
        (key.sign(&changed(&claims, "aud", format!("{AUDIENCE}.evil.example"))), "another audience"),
        (key.sign(&changed(&claims, "aud", "")), "another audience"),
        // A service that is named beside us could use it with us.
        (key.sign(&changed(&claims, "aud", json!([AUDIENCE, "https://vault.example.com"]))), "another audience"),
        (key.sign(&changed(&claims, "aud", json!([]))), "another audience"),
        (key.sign(&changed(&claims, "iss", "https://gitlab.evil.example")), "an unknown issuer"),
        (key.sign(&changed(&claims, "iss", format!("{}/", world.gitlab.url()))), "an unknown issuer"),
        (key.sign(&changed(&claims, "exp", now - 60)), "an expired token"),
        (key.sign(&changed(&claims, "nbf", now + 120)), "a token that is not valid yet"),
        (key.sign(&changed(&claims, "iat", now + 120)), "made in the future"),
        (key.sign(&changed(&claims, "job_project_id", "999")), "a job of another project"),
        (key.sign_with_head(&changed(&head, "kid", "nobody's"), &claims), "an unknown key"),
        (key.sign_with_head(&without(&head, "kid"), &claims), "no key id"),
        (key.sign_with_head(&changed(&head, "alg", "RS512"), &claims), "another algorithm than RS256"),
        (key.sign_with_head(&changed(&head, "alg", "HS256"), &claims), "another algorithm than RS256"),
        (key.sign_with_head(&changed(&head, "alg", "none"), &claims), "no known token"),
        (key.sign_with_head(&changed(&head, "crit", json!(["exp"])), &claims), "critical headers"),
        // The public key as an HMAC secret, in the forms that it is published and used in.
        (hmac(key.modulus()), "another algorithm than RS256"),
        (hmac(key.id().as_bytes()), "another algorithm than RS256"),
        (format!("{}.", unsigned(&changed(&head, "alg", "none"), &claims)), "no known token"),
        (format!("{}.", unsigned(&head, &claims)), "a wrong signature"),
        // Other words under a signature of the issuer.
        (format!("{}.{signature}", unsigned(&head, &changed(&claims, "project_path", "shop/web"))), "a wrong signature"),
        (format!("{message}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]), "a wrong signature"),
        (of_another, "a wrong signature"),
        (format!("{honest}.{signature}"), "no known token"),
        (format!("{TOKEN}x"), "no known token"),
        ("x".repeat(13 * 1024), "a token that is too long"),
    ];
    for claim in ["exp", "iss", "aud", "iat", "project_id", "project_path", "job_id", "pipeline_id", "ref", "ref_type"] {
        let why = match claim {
            "exp" | "aud" => "a claim is missing",
            "iss" => "no issuer",
            _ => "no ID token of a job",
        };
        // The library asks for our own claims before those it checks itself.
        let why = if claim == "aud" { "no ID token of a job" } else { why };
        all.push((key.sign(&without(&claims, claim)), why));
    }
    let mut proofs: Vec<_> = all.into_iter().map(|(token, why)| (bearer(&token), why)).collect();
    let raw = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
    let mut twice = bearer(TOKEN);
    twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    let none = "no bearer token";
    proofs.extend([
        (HeaderMap::new(), none),
        (twice, none),
        (raw(&format!("Basic {TOKEN}")), none),
        (raw("Bearer "), none),
        (raw(TOKEN), none),
    ]);
    proofs
}

#[tokio::test]
async fn every_wrong_proof_hears_the_same() {
    let (world, process) = Process::in_world(setup(Signing::Keyless)).await;
    world.release(TAG).unwrap();
    let ask = async |headers: HeaderMap, body: String| {
        world.told(world.client().post(format!("{}/api/v1/verify", process.address)).headers(headers).body(body)).await
    };
    let proofs = wrong_proofs(&world, world.job());
    let mut answers = std::collections::BTreeSet::new();
    for (headers, why) in &proofs {
        let told = ask(headers.clone(), world.question().to_string()).await;
        assert_eq!((told.status, told.headers.get("www-authenticate").map(HeaderValue::as_bytes)), (401, Some(&b"Bearer"[..])), "{why}");
        answers.insert(told.text);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // What it asks makes no difference.
    let told = ask(bearer("nobody"), "x".repeat(30 * 1024)).await;
    assert!(told.status == 401 && answers.contains(&told.text), "{told:?}");
    // Both audiences that name us do, and so does a list of us alone.
    let honest = world.claims(world.job());
    for audience in [json!(AUDIENCE), json!(format!("{AUDIENCE}/")), json!([AUDIENCE])] {
        let token = world.sign(&changed(&honest, "aud", audience.clone()));
        let told = ask(bearer(&token), world.question().to_string()).await.verdict();
        assert_eq!(told["outcome"], "passed", "{audience}");
    }
    process.tell_to_stop();
    let (_, log) = process.ended().await;
    let refused: Vec<_> = log.lines().filter(|line| line.contains("result=\"unproven\"")).collect();
    assert_eq!(refused.len(), proofs.len() + 1, "{log}");
    for (line, (_, why)) in refused.iter().zip(&proofs) {
        assert!(line.contains(&format!("why=\"{why}\"")), "not {why}: {line}");
    }
}

#[tokio::test]
async fn nothing_is_looked_at_for_strangers() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    world.settled().await;
    let looks = || (world.asked().len(), world.registry.requests().len());
    let before = looks();
    for (headers, _) in wrong_proofs(&world, world.job()) {
        assert_eq!(world.ask_with(headers, world.question().to_string()).await.status, 401);
    }
    world.ask(OTHER_TOKEN, &world.question()).await;
    world.ask(TOKEN, &changed(&world.question(), "project", "shop/nowhere")).await;
    assert_eq!(looks(), before);
    // The keys are asked for once, whoever names whichever.
    assert_eq!(world.gitlab.requests().iter().filter(|request| request.path == "/oauth/discovery/keys").count(), 1);
}

#[tokio::test]
async fn a_project_that_one_may_not_ask_about_is_as_none() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    let id = world.ask(TOKEN, &world.question()).await.verdict()["id"].as_str().unwrap().to_owned();
    let unknown = world.ask(TOKEN, &changed(&world.question(), "project", "shop/nowhere")).await;
    assert_eq!(unknown.status, 404);
    let honest = world.claims(world.job());
    let web = world.gitlab.world().add_project("shop/web");
    let web_claims =
        changed(&changed(&changed(&honest, "project_path", "shop/web"), "project_id", web.to_string()), "job_project_id", web.to_string());
    // The path was another project's when the token was made.
    let renamed = changed(&changed(&honest, "project_id", "999"), "job_project_id", "999");
    for token in [OTHER_TOKEN.to_owned(), world.sign(&web_claims), world.sign(&renamed)] {
        let told = world.ask(&token, &world.question()).await;
        assert_eq!((told.status, &told.text), (404, &unknown.text));
        let told = world.read(&token, &id).await;
        assert_eq!((told.status, &told.text), (404, &unknown.text));
    }
    for id in ["019b76da-a801-7a5a-8a5a-2b5b5b5b5b5b", "1", "..%2fx", "%ff"] {
        let told = world.read(TOKEN, id).await;
        assert_eq!((told.status, &told.text), (404, &unknown.text), "{id}");
    }
    assert_eq!(world.read("nobody", &id).await.status, 401);
    assert_eq!(world.read(&world.sign(&honest), &id).await.verdict()["id"], id.as_str());
    // Servers are told apart by their names.
    assert_eq!(world.ask(TOKEN, &changed(&world.question(), "gitlab", "elsewhere")).await.status, 404);
    assert_eq!(world.ask(TOKEN, &changed(&world.question(), "gitlab", "main")).await.status, 200);
}

/// The path may have been another project's then; who may ask about every project of the bot may read it.
#[tokio::test]
async fn a_verdict_from_a_time_when_nobody_could_see_the_project_is_not_for_its_jobs() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    world.gitlab.fault("GET", "/projects/*", Fault::Status(403));
    let verdict = world.ask(TOKEN, &world.question()).await.verdict();
    assert_eq!(verdict["outcome"], "could-not-check");
    world.gitlab.heal();
    let id = verdict["id"].as_str().unwrap();
    assert_eq!(world.read(TOKEN, id).await.verdict()["id"], id);
    let told = world.read(&world.sign(&world.claims(world.job())), id).await;
    assert_eq!((told.status, told.text), (404, world.read(TOKEN, "1").await.text));
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_no_refusal() {
    for fault in [Fault::Status(502), Fault::Garbage, Fault::Oversized(1024 * 1024), Fault::Status(404), Fault::Html(200)] {
        let world = setup(Signing::Keyless).start().await;
        world.release(TAG).unwrap();
        let token = world.sign(&world.claims(world.job()));
        world.gitlab.fault("GET", "/oauth/discovery/keys", fault.clone());
        let told = world.ask(&token, &world.question()).await;
        assert_eq!(told.status, 503, "{fault:?}: {told:?}");
        assert!(told.headers.contains_key("retry-after") && told.text.contains("signing keys could not be read"), "{told:?}");
        // Whoever needs no keys is answered.
        assert_eq!(world.ask(TOKEN, &world.question()).await.status, 200);
    }
}

#[tokio::test]
async fn the_bots_token_does_not_go_where_the_keys_are() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    world.gitlab.world().rotate_issuer_key();
    world.gitlab.world().rotate_issuer_key();
    let token = world.sign(&world.claims(world.job()));
    for _ in 0..3 {
        assert_eq!(world.ask(&token, &world.question()).await.verdict()["outcome"], "passed");
    }
    let asked: Vec<_> = world.gitlab.requests().into_iter().filter(|request| request.path == "/oauth/discovery/keys").collect();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].user.is_none() && !asked[0].headers.contains_key("private-token"), "{asked:#?}");
}

#[tokio::test]
async fn a_wrong_question_is_told_what_would_be_right() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    let question = world.question();
    for (body, words) in [
        (String::new(), "no question"),
        ("[]".into(), "no question"),
        ("{\"image\":".into(), "no question"),
        (changed(&question, "enviroment", "production").to_string(), "unknown field `enviroment`"),
        (question.to_string().replacen('{', "{\"project\":\"shop/web\",", 1), "duplicate field `project`"),
        (without(&question, "project").to_string(), "missing field `project`"),
        (changed(&question, "image", "shop/api:v1").to_string(), "with its registry"),
        (changed(&question, "image", "registry.example.com/shop/api:v1").to_string(), "is no image of shop/api"),
        (changed(&question, "environment", "qa").to_string(), "qa is no environment of shop/api, which has staging, production"),
        (changed(&question, "tag", "main").to_string(), "main is no release tag"),
        (changed(&question, "job", "7").to_string(), "no question"),
        (changed(&question, "job", -7).to_string(), "no question"),
        (changed(&question, "tag", "x".repeat(17 * 1024)).to_string(), "larger than 16384 bytes"),
    ] {
        let told = world.ask_with(bearer(TOKEN), body.clone()).await;
        assert_eq!(told.status, 400, "{body}: {told:?}");
        assert!(told.json()["error"].as_str().unwrap().contains(words), "{body}: {told:?}");
    }
    let job = world.job();
    let told = world.ask(&world.sign(&world.claims(job)), &changed(&question, "job", job.0 + 1)).await;
    assert!(told.status == 400 && told.text.contains("not the job"), "{told:?}");
}

/// From now on a release goes on to staging by itself.
fn deploys_by_itself(world: &World) {
    let mut guard = world.gitlab.world();
    let ci = &mut guard.project_mut(world.project).ci;
    ci.push(JobSpec::new("deploy", "deploy_staging").on(RunsOn::Tags));
}

fn running(world: &World, pipeline: PipelineId, name: &str) -> JobId {
    let mut guard = world.gitlab.world();
    let job = guard.job_named(pipeline, name);
    let runner = guard.project(world.project).runner;
    guard.run_job(job, runner);
    job
}

#[tokio::test]
async fn a_job_with_an_id_token_need_not_say_that_it_asks() {
    let world = setup(Signing::Keyless).start().await;
    deploys_by_itself(&world);
    let (pipeline, digest) = world.release(TAG).unwrap();
    let deploy = running(&world, pipeline, "deploy_staging");
    // Anybody else hears that the pipeline still runs.
    assert_eq!(world.ask(TOKEN, &world.question()).await.verdict()["code"], "CS-PIPELINE");
    assert_eq!(world.ask(TOKEN, &changed(&world.question(), "job", deploy.0)).await.verdict()["outcome"], "passed");
    let token = world.sign(&world.claims(deploy));
    let by_digest = changed(&changed(&world.question(), "image", format!("{}@{digest}", world.repository())), "tag", TAG);
    for question in [world.question(), changed(&world.question(), "job", deploy.0), by_digest] {
        let verdict = world.ask(&token, &question).await.verdict();
        assert_eq!(verdict["outcome"], "passed", "{question}: {verdict:#}");
        let by = json!({"kind": "job", "gitlab": "main", "project": "shop/api", "job": deploy.0, "pipeline": pipeline.0,
            "ref": format!("refs/tags/{TAG}"), "ref_protected": true});
        assert_eq!(verdict["asked_by"], by);
    }
    // A job of another pipeline asks as anybody does.
    let verdict = world.ask(&world.sign(&world.claims(world.job())), &world.question()).await.verdict();
    assert_eq!((&verdict["code"], &verdict["asked_by"]["ref"]), (&json!("CS-PIPELINE"), &json!("refs/heads/main")));
    assert!(verdict["headline"].as_str().unwrap().contains("has not ended"), "{verdict:#}");
}

#[tokio::test]
async fn id_tokens_can_be_turned_off() {
    let world = setup(Signing::Keyless).toml("[api.token.tool]", "[api]\nid_tokens = false\n[api.token.tool]").start().await;
    world.release(TAG).unwrap();
    assert_eq!(world.ask(&world.sign(&world.claims(world.job())), &world.question()).await.status, 401);
    assert_eq!(world.ask(TOKEN, &world.question()).await.status, 200);
}

#[tokio::test]
async fn one_caller_that_asks_too_much_does_not_keep_the_others_waiting() {
    let world = setup(Signing::Keyless).start().await;
    world.release(TAG).unwrap();
    let token = world.sign(&world.claims(world.job()));
    world.registry.fault("* /v2/*", registry::Fault::Slow(std::time::Duration::from_millis(300)));
    let question = world.question();
    let asked: Vec<_> = futures_util::future::join_all((0..20).map(|_| world.ask(TOKEN, &question))).await;
    let of = |status: u16| asked.iter().filter(|told| told.status == status).count();
    assert!(of(429) > 0 && of(200) > 0 && of(429) + of(200) == 20, "{asked:?}");
    assert!(asked.iter().filter(|told| told.status == 429).all(|told| told.headers.contains_key("retry-after")));
    let both = tokio::join!(futures_util::future::join_all((0..20).map(|_| world.ask(TOKEN, &question))), world.ask(&token, &question));
    assert_eq!(both.1.verdict()["outcome"], "passed");
}

#[tokio::test]
async fn no_token_is_in_the_log_the_metrics_or_an_answer() {
    let (world, process) = Process::in_world(setup(Signing::Keyless).toml("[store]", "[log]\nlevel = \"debug\"\n\n[store]")).await;
    world.release(TAG).unwrap();
    let honest = world.sign(&world.claims(world.job()));
    let wrong = world.sign(&changed(&world.claims(world.job()), "aud", "https://vault.example.com"));
    let tokens = [TOKEN, OTHER_TOKEN, "a-token-that-somebody-guessed", honest.as_str(), wrong.as_str()];
    let mut seen = vec![];
    for token in tokens {
        for body in [
            world.question().to_string(),
            "SECRET_VARIABLE=hunter2".into(),
            changed(&world.question(), "tag", "v1\nINFO forged").to_string(),
        ] {
            let url = format!("{}/api/v1/verify", process.address);
            seen.push(world.told(world.client().post(url).headers(bearer(token)).body(body)).await.text);
        }
    }
    seen.push(world.page(&process.address, "/metrics").await.1);
    process.tell_to_stop();
    let (status, log) = process.ended().await;
    assert!(status.success() && log.matches("api request").count() == 15, "{status}: {log}");
    assert!(!log.lines().any(|line| line.starts_with("INFO forged")), "{log}");
    seen.push(log);
    for secret in tokens.into_iter().chain(["hunter2", NEW_TOKEN, "Bearer "]) {
        for text in &seen {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[tokio::test]
async fn nobody_who_asks_can_make_series() {
    let world = setup(Signing::Keyless).start().await;
    for round in 0..20 {
        let evil = format!("evil{round}");
        world.ask(&evil, &world.question()).await;
        world.ask(TOKEN, &changed(&world.question(), "project", evil.clone())).await;
        world.ask(TOKEN, &changed(&world.question(), &evil, 1)).await;
        world.read(TOKEN, &evil).await;
    }
    let text = world.get("/metrics").await;
    let series: Vec<_> = text.lines().filter(|line| line.starts_with("countersign_api_requests_total{")).collect();
    assert!(series.len() == 4 && !text.contains("evil"), "{series:#?}");
}
