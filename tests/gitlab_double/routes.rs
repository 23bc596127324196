//! Unknown routes, pages, the access log.

use http::Method;
use serde_json::{Value, json};

use countersign::sandbox::gitlab::{Gitlab, Options};

use crate::Shop;

#[tokio::test]
#[should_panic(expected = "PATCH /api/v4/projects/7/unheard/of")]
async fn an_unknown_route_is_answered_501_and_remembered() {
    let shop = Shop::open().await;
    shop.gitlab.assert_no_unknown_routes();
    let said = shop.ask("", Method::PATCH, "/projects/7/unheard/of", json!({})).await;
    assert_eq!((said.status, &said.body["method"], &said.body["path"]), (501, &"PATCH".into(), &"/api/v4/projects/7/unheard/of".into()));
    shop.gitlab.assert_no_unknown_routes();
}

#[tokio::test]
async fn a_known_path_with_another_method_is_unknown_too() {
    let shop = Shop::open().await;
    assert_eq!(shop.ask(&shop.token, Method::DELETE, "/projects/{p}", Value::Null).await.status, 501);
}

#[tokio::test]
async fn lists_come_in_pages_with_gitlabs_headers() {
    let shop = Shop::open().await;
    let head = shop.head();
    for number in 0..45 {
        shop.gitlab.world().push_tag(shop.project, &format!("v{number}"), &head, shop.alice);
    }
    let second = shop.get("/projects/{p}/repository/tags?page=2&order_by=name&sort=asc").await;
    let header = |name: &str| second.headers[name].to_str().unwrap().to_owned();
    assert_eq!(second.body.as_array().unwrap().len(), 20);
    let told = ["x-page", "x-per-page", "x-next-page", "x-prev-page", "x-total", "x-total-pages"].map(header);
    assert_eq!(told, ["2", "20", "3", "1", "45", "3"]);
    let link = header("link");
    let next = link.split(", ").find(|part| part.ends_with("rel=\"next\"")).unwrap();
    let next = next.trim_start_matches('<').split('>').next().unwrap().split("/api/v4").nth(1).unwrap().to_owned();
    let third = shop.get(&next).await;
    assert_eq!((third.body.as_array().unwrap().len(), &third.headers["x-next-page"]), (5, &"".parse().unwrap()));
    let most = shop.get("/projects/{p}/repository/tags?per_page=1000").await;
    assert_eq!(most.headers["x-per-page"], "100");
    assert_eq!(shop.get("/projects/{p}/repository/tags?page=0").await.status, 400);
}

#[tokio::test]
async fn a_tag_with_a_slash_is_one_part_of_the_path() {
    let shop = Shop::open().await;
    let head = shop.head();
    shop.gitlab.world().push_tag(shop.project, "api/v1", &head, shop.alice);
    assert_eq!(shop.get("/projects/{p}/repository/tags/api%2Fv1").await.body["name"], "api/v1");
}

#[tokio::test]
async fn forms_and_json_are_read_alike() {
    let shop = Shop::open().await;
    shop.merge_request();
    let url = format!("{}/api/v4/projects/{}/merge_requests/1/notes", shop.gitlab.url(), shop.project);
    let request = reqwest::Client::new().post(url).bearer_auth(&shop.token);
    let sent = request.header("content-type", "application/x-www-form-urlencoded").body("body=two+words&internal=true").send().await;
    let note: Value = sent.unwrap().json().await.unwrap();
    assert_eq!((&note["body"], &note["internal"]), (&"two words".into(), &true.into()));
}

#[tokio::test]
async fn activity_tells_pushes_and_comments() {
    let shop = Shop::open().await;
    let key = shop.merge_request();
    let note = shop.gitlab.world().comment(key, shop.carol, "/verify").unwrap();
    let said = shop.get("/projects/{p}/events?action=commented&target_type=note").await;
    assert_eq!((&said.body[0]["note"]["id"], &said.body[0]["note"]["noteable_iid"]), (&note.0.into(), &1.into()));
    let head = shop.head();
    shop.gitlab.world().push_tag(shop.project, "v1", &head, shop.alice);
    let said = shop.get("/projects/{p}/events?action=pushed").await;
    assert_eq!((&said.body[0]["push_data"]["ref_type"], &said.body[0]["push_data"]["ref"]), (&"tag".into(), &"v1".into()));
}

#[tokio::test]
async fn the_access_log_names_the_user_and_hides_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.jsonl");
    let gitlab = Gitlab::start(Options { log: Some(file.clone()), ..Options::default() }).await.unwrap();
    let user = gitlab.world().add_user("alice");
    let token = gitlab.world().add_token(user, &["api"]);
    let request = reqwest::Client::new().get(format!("{}/api/v4/user?x=a%2Fb", gitlab.url())).header("PRIVATE-TOKEN", &token);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let text = std::fs::read_to_string(file).unwrap();
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &"/api/v4/user?x=a%2Fb".into(), &200.into()));
    assert_eq!((&line["user"], &line["headers"]["private-token"]), (&"alice".into(), &"[hidden]".into()));
    assert!(!text.contains(&token));
    assert_eq!(gitlab.requests().len(), 1);
}
