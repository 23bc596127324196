//! External commit statuses, jobs and what becomes of a pipeline's word.

use countersign::model::gitlab::CiStatus;
use countersign::sandbox::gitlab::state::{JobEnd, Level, NewPipeline};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{Receiver, Shop};

#[tokio::test]
async fn a_failed_external_status_fails_the_whole_pipeline_and_fires_its_hook() {
    let shop = Shop::open().await.with_ci();
    let pipeline = shop.tag("v1");
    shop.gitlab.world().pass_pipeline(pipeline);
    assert_eq!(shop.gitlab.world().pipeline(pipeline).status, CiStatus::Success);
    let receiver = Receiver::answering(StatusCode::OK).await;
    shop.gitlab.world().add_hook(shop.project, &receiver.url, None, None);
    let path = format!("/projects/{{p}}/statuses/{}", shop.head());
    let body = json!({"state": "failed", "name": "countersign", "ref": "v1", "pipeline_id": pipeline.0});
    let posted = shop.post(&path, body).await;
    assert_eq!((posted.status, &posted.body["pipeline_id"]), (201, &pipeline.0.into()));
    let told = shop.get(&format!("/projects/{{p}}/pipelines/{pipeline}")).await;
    assert_eq!(told.body["status"], "failed");
    let got = receiver.after(&shop).await;
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].event(), &got[0].body["object_attributes"]["status"]), ("Pipeline Hook", &"failed".into()));
    // The status is no job.
    let jobs = shop.get(&format!("/projects/{{p}}/pipelines/{pipeline}/jobs")).await;
    assert!(jobs.body.as_array().unwrap().iter().all(|job| job["name"] != "countersign"));
}

#[tokio::test]
async fn a_status_without_a_pipeline_makes_an_external_one() {
    let shop = Shop::open().await;
    let path = format!("/projects/{{p}}/statuses/{}", shop.head());
    let posted = shop.post(&path, json!({"state": "success", "ref": "main"})).await;
    assert_eq!((posted.status, &posted.body["name"]), (201, &"default".into()));
    let told = shop.get(&format!("/projects/{{p}}/pipelines/{}", posted.body["pipeline_id"])).await;
    assert_eq!((&told.body["source"], &told.body["status"]), (&"external".into(), &"success".into()));
}

#[tokio::test]
async fn a_repeated_open_state_is_refused_and_an_ended_one_starts_a_new_row() {
    let shop = Shop::open().await;
    let path = format!("/projects/{{p}}/statuses/{}", shop.head());
    let post = |state: &'static str| shop.post(&path, json!({"state": state, "name": "check", "ref": "main"}));
    let first = post("pending").await;
    let again = post("pending").await;
    assert_eq!(again.status, 400);
    assert!(again.body["message"].as_str().unwrap().starts_with("Cannot transition status via :enqueue from :pending"));
    assert_eq!(post("running").await.body["id"], first.body["id"]);
    assert!(post("running").await.body["message"].as_str().unwrap().starts_with("Cannot transition status via :run from :running"));
    assert_eq!(post("success").await.body["id"], first.body["id"]);
    assert_ne!(post("success").await.body["id"], first.body["id"]);
}

#[tokio::test]
async fn each_user_has_a_row_of_his_own() {
    let shop = Shop::open().await;
    let (bot, token) = shop.gitlab.world().add_bot(shop.project, "countersign", Level::Maintainer);
    let path = format!("/projects/{{p}}/statuses/{}", shop.head());
    let body = json!({"state": "pending", "name": "check", "ref": "main"});
    let mine = shop.post(&path, body.clone()).await;
    let his = shop.ask(&token, Method::POST, &path, body).await;
    assert_eq!((mine.status, his.status), (201, 201));
    assert_ne!(mine.body["id"], his.body["id"]);
    assert_eq!(his.body["author"]["id"], bot.0);
    let all = shop.get(&format!("/projects/{{p}}/repository/commits/{}/statuses?all=true", shop.head())).await;
    assert_eq!(all.body.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_status_that_fits_nowhere_is_refused() {
    let shop = Shop::open().await.with_ci();
    let pipeline = shop.tag("v1");
    let path = format!("/projects/{{p}}/statuses/{}", shop.head());
    let table: Vec<(&str, Value, u16)> = vec![
        (&path, json!({"state": "success", "pipeline_id": 999_999}), 404),
        (&path, json!({"state": "success", "pipeline_id": pipeline.0, "ref": "main"}), 404),
        ("/projects/{p}/statuses/0000000000000000000000000000000000000000", json!({"state": "success"}), 404),
        (&path, json!({"state": "good"}), 400),
        (&path, json!({"state": "success", "description": "x".repeat(256)}), 400),
    ];
    for (path, body, status) in table {
        assert_eq!(shop.post(path, body.clone()).await.status, status, "{body}");
    }
    // A Developer may not write a protected tag's pipeline.
    let carols = shop.gitlab.world().add_token(shop.carol, &["api"]);
    let body = json!({"state": "success", "pipeline_id": pipeline.0, "ref": "v1"});
    assert_eq!(shop.ask(&carols, Method::POST, &path, body).await.status, 403);
}

#[tokio::test]
async fn stages_wait_for_each_other_and_a_failure_skips_the_rest() {
    let shop = Shop::open().await.with_ci();
    let pipeline = shop.tag("v1");
    let mut world = shop.gitlab.world();
    let word = |world: &countersign::sandbox::gitlab::state::World, name: &str| world.job(world.job_named(pipeline, name)).status;
    assert_eq!((word(&world, "build"), word(&world, "test")), (CiStatus::Pending, CiStatus::Created));
    let build = world.job_named(pipeline, "build");
    world.finish_job(build, JobEnd::failed());
    assert_eq!((word(&world, "test"), word(&world, "deploy")), (CiStatus::Skipped, CiStatus::Skipped));
    assert_eq!(world.pipeline(pipeline).status, CiStatus::Failed);
    let second = world.retry_job(build, shop.alice);
    world.finish_job(second, JobEnd::success());
    assert_eq!(world.pipeline(pipeline).status, CiStatus::Success);
    drop(world);
    let path = format!("/projects/{{p}}/pipelines/{pipeline}/jobs");
    let (latest, all) = (shop.get(&path).await, shop.get(&format!("{path}?include_retried=true")).await);
    assert_eq!((latest.body.as_array().unwrap().len(), all.body.as_array().unwrap().len()), (4, 5));
}

#[tokio::test]
async fn a_manual_job_is_played_once_and_deploys() {
    let shop = Shop::open().await.with_ci();
    let pipeline = shop.tag("v1");
    shop.gitlab.world().pass_pipeline(pipeline);
    let job = shop.gitlab.world().job_named(pipeline, "deploy");
    let path = format!("/projects/{{p}}/jobs/{job}/play");
    assert_eq!(shop.post(&path, Value::Null).await.status, 200);
    assert_eq!(shop.post(&path, Value::Null).await.status, 400);
    shop.gitlab.world().finish_job(job, JobEnd::success());
    let deployments = shop.get("/projects/{p}/deployments?environment=production&status=success").await;
    assert_eq!(deployments.body[0]["deployable"]["id"], job.0);
}

#[tokio::test]
async fn pipelines_are_found_by_their_filters() {
    let shop = Shop::open().await.with_ci();
    let tagged = shop.tag("v1");
    let other = shop.tag("v2");
    shop.gitlab.world().clock.advance(jiff::SignedDuration::from_hours(1));
    let since = shop.gitlab.world().now();
    shop.gitlab.world().clock.advance(jiff::SignedDuration::from_secs(1));
    shop.gitlab.world().pass_pipeline(tagged);
    for (query, expected) in [
        ("ref=v1".to_owned(), vec![tagged]),
        (format!("sha={}", shop.head()), vec![other, tagged]),
        ("source=web".into(), vec![]),
        ("status=success".into(), vec![tagged]),
        (format!("updated_after={since}"), vec![tagged]),
        ("order_by=updated_at&sort=asc".into(), vec![other, tagged]),
    ] {
        let found = shop.get(&format!("/projects/{{p}}/pipelines?{query}")).await;
        let ids: Vec<_> = found.body.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, expected.iter().map(|id| id.0).collect::<Vec<_>>(), "{query}");
    }
}

#[tokio::test]
async fn a_forks_pipeline_in_the_parent_names_the_merge_request() {
    let shop = Shop::open().await;
    let mut world = shop.gitlab.world();
    let mallory = world.add_user("mallory");
    let fork = world.fork(shop.project, mallory);
    let sha = world.push_commit(fork, "main", mallory, "Looks harmless");
    let key = world.open_merge_request(fork, "main", mallory, "Looks harmless");
    let jobs = vec![countersign::sandbox::gitlab::state::JobSpec::new("build", "build")];
    let pipeline = world.start_merge_request_pipeline(key, shop.alice, true, jobs.clone());
    world.start_pipeline(
        shop.project,
        NewPipeline { source: "web", git_ref: countersign::model::gitlab::GitRef::Branch("main".into()), by: shop.alice, jobs },
    );
    drop(world);
    assert_eq!(key.project, shop.project);
    let told = shop.get(&format!("/projects/{{p}}/merge_requests/{}", key.iid)).await;
    assert_eq!((&told.body["source_project_id"], &told.body["sha"]), (&fork.0.into(), &sha.as_str().into()));
    assert_eq!(told.body["head_pipeline"]["id"], pipeline.0);
    assert_eq!(told.body["head_pipeline"]["ref"], "refs/merge-requests/1/head");
}
