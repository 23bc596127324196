//! The GitLab double behaves as GitLab where the bot can tell. Its answers' shapes are held by `tests/check-contract`.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used)] // a test ends where a value is missing

mod faults;
mod hooks;
mod notes;
mod payloads;
mod pipelines;
mod promotion;
mod rights;
mod routes;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use countersign::model::gitlab::{CommitSha, PipelineId, ProjectId, UserId};
use countersign::sandbox::gitlab::state::{JobEnd, JobSpec, Level, MergeRequestKey, RunsOn};
use countersign::sandbox::gitlab::{Gitlab, Options};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

/// A project of a shop with a Maintainer and a Developer.
struct Shop {
    gitlab: Gitlab,
    project: ProjectId,
    alice: UserId,
    carol: UserId,
    /// Alice's token.
    token: String,
}

/// An answer of the API.
struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Shop {
    async fn open() -> Self {
        let gitlab = Gitlab::start(Options::default()).await.unwrap();
        let mut world = gitlab.world();
        let project = world.add_project("shop/api");
        world.protect_tags(project, "v*", Level::Maintainer);
        let (alice, carol) = (world.add_user("alice"), world.add_user("carol"));
        world.add_member(project, alice, Level::Maintainer);
        world.add_member(project, carol, Level::Developer);
        let token = world.add_token(alice, &["api"]);
        drop(world);
        Self { gitlab, project, alice, carol, token }
    }

    /// CI for tags: build, test, release_image and a manual deploy, taken by runner release-02.
    fn with_ci(self) -> Self {
        let mut world = self.gitlab.world();
        let runner = world.add_runner("release-02", &["release"]);
        let project = world.project_mut(self.project);
        project.runner = Some(runner);
        project.ci = vec![
            JobSpec::new("build", "build").on(RunsOn::Tags),
            JobSpec::new("test", "test").on(RunsOn::Tags),
            JobSpec::new("release", "release_image").on(RunsOn::Tags),
            JobSpec::new("deploy", "deploy").manual().environment("production").on(RunsOn::Tags),
        ];
        drop(world);
        self
    }

    fn head(&self) -> CommitSha {
        self.gitlab.world().project(self.project).branches["main"].clone()
    }

    fn tag(&self, name: &str) -> PipelineId {
        let head = self.head();
        self.gitlab.world().push_tag(self.project, name, &head, self.alice).unwrap()
    }

    fn merge_request(&self) -> MergeRequestKey {
        let mut world = self.gitlab.world();
        world.push_commit(self.project, "retry", self.carol, "Retry failed payments");
        world.open_merge_request(self.project, "retry", self.carol, "Retry failed payments")
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> Said {
        let url = format!("{}/api/v4{}", self.gitlab.url(), path.replace("{p}", &self.project.to_string()));
        let mut request = reqwest::Client::new().request(method, url);
        if !token.is_empty() {
            request = request.header("PRIVATE-TOKEN", token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Said { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    async fn get(&self, path: &str) -> Said {
        self.ask(&self.token, Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Said {
        self.ask(&self.token, Method::POST, path, body).await
    }
}

/// What a receiver of webhooks got.
#[derive(Clone)]
struct Got {
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Got {
    fn event(&self) -> &str {
        self.headers["x-gitlab-event"].to_str().unwrap()
    }
}

/// A receiver of webhooks on loopback that answers with one status.
#[derive(Clone)]
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    async fn answering(status: StatusCode) -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let take = move |State(got): State<Arc<Mutex<Vec<Got>>>>, headers: HeaderMap, text: String| async move {
            let body = serde_json::from_str(&text).unwrap();
            got.lock().unwrap().push(Got { headers, text, body });
            status
        };
        let router = Router::new().route("/hook", post(take)).with_state(got.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got }
    }

    /// All that came, after everything on its way arrived.
    async fn after(&self, shop: &Shop) -> Vec<Got> {
        shop.gitlab.hooks_settled().await;
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

#[tokio::test]
async fn a_release_in_ten_lines_runs_and_tells_its_hooks() {
    let shop = Shop::open().await.with_ci();
    let receiver = Receiver::answering(StatusCode::OK).await;
    let key = shop.merge_request();
    let mut world = shop.gitlab.world();
    world.add_hook(shop.project, &receiver.url, Some("secret"), None);
    world.approve(key, shop.alice);
    let sha = world.merge(key, shop.alice);
    let pipeline = world.push_tag(shop.project, "v1.8.2", &sha, shop.alice).unwrap();
    for name in ["build", "test"] {
        let job = world.job_named(pipeline, name);
        world.finish_job(job, JobEnd::success());
    }
    let image = world.job_named(pipeline, "release_image");
    world.finish_job(image, JobEnd::success().artifact("image-digest.txt", "sha256:aa\n"));
    drop(world);

    let got = receiver.after(&shop).await;
    let last = got.iter().rfind(|got| got.event() == "Pipeline Hook").unwrap();
    let attributes = &last.body["object_attributes"];
    assert_eq!((&attributes["status"], &attributes["tag"], &attributes["protected_ref"]), (&"success".into(), &true.into(), &true.into()));
    let image = last.body["builds"].as_array().unwrap().iter().find(|job| job["name"] == "release_image").unwrap();
    assert_eq!(image["runner"]["description"], "release-02");
    let merged = got.iter().find(|got| got.body["object_attributes"]["action"] == "merge").unwrap();
    assert_eq!(merged.body["object_attributes"]["merge_commit_sha"], sha.as_str());
    let pushed = got.iter().find(|got| got.event() == "Tag Push Hook").unwrap();
    assert_eq!((&pushed.body["ref"], &pushed.body["checkout_sha"]), (&"refs/tags/v1.8.2".into(), &sha.as_str().into()));
    let told = shop.get(&format!("/projects/{{p}}/pipelines/{pipeline}")).await;
    assert_eq!((told.status, &told.body["status"]), (200, &"success".into()));
    let brought = shop.get(&format!("/projects/shop%2Fapi/repository/commits/{sha}/merge_requests")).await;
    assert_eq!(brought.body[0]["iid"], 1);
    let tag = shop.get("/projects/{p}/repository/tags/v1.8.2").await;
    assert_eq!((&tag.body["protected"], &tag.body["commit"]["id"]), (&true.into(), &sha.as_str().into()));
}
