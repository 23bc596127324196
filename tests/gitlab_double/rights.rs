//! Who hears 401, 403 and 404.

use countersign::sandbox::gitlab::state::{Level, Visibility};
use http::Method;
use serde_json::{Value, json};

use crate::Shop;

#[tokio::test]
async fn each_role_may_what_gitlabs_tables_say() {
    let shop = Shop::open().await.with_ci();
    let pipeline = shop.tag("v1");
    shop.merge_request();
    let mut world = shop.gitlab.world();
    world.create_release(shop.project, "v1", shop.alice, "");
    let roles = [Level::Guest, Level::Reporter, Level::Developer, Level::Maintainer];
    let tokens = roles.map(|level| {
        let user = world.add_user(level.rule());
        world.add_member(shop.project, user, level);
        world.add_token(user, &["api"])
    });
    drop(world);
    let status = format!("/projects/{{p}}/statuses/{}", shop.head());
    let jobs = format!("/projects/{{p}}/pipelines/{pipeline}/jobs");
    let on_tag = json!({"state": "success", "ref": "v1", "pipeline_id": pipeline.0, "name": "c"});
    // Guest, Reporter, Developer, Maintainer
    let table: &[(Method, &str, Value, [u16; 4])] = &[
        (Method::GET, "/projects/{p}", Value::Null, [200, 200, 200, 200]),
        (Method::GET, "/projects/{p}/releases/v1", Value::Null, [200, 200, 200, 200]),
        (Method::GET, &jobs, Value::Null, [403, 200, 200, 200]),
        (Method::GET, "/projects/{p}/repository/tags/v1", Value::Null, [403, 200, 200, 200]),
        (Method::GET, "/projects/{p}/merge_requests/1", Value::Null, [403, 200, 200, 200]),
        (Method::POST, "/projects/{p}/merge_requests/1/notes", json!({"body": "hello"}), [404, 201, 201, 201]),
        (Method::PUT, "/projects/{p}/releases/v1", json!({"description": "new"}), [403, 403, 403, 200]),
        (Method::POST, &status, on_tag, [403, 403, 403, 201]),
        (Method::GET, "/projects/{p}/hooks", Value::Null, [403, 403, 403, 200]),
        (Method::GET, "/projects/{p}/protected_tags", Value::Null, [403, 403, 403, 200]),
        (Method::GET, "/projects/{p}/protected_environments", Value::Null, [403, 403, 403, 200]),
        (Method::GET, "/groups/shop/protected_environments", Value::Null, [403, 403, 403, 403]),
        (Method::DELETE, "/projects/{p}/releases/v1", Value::Null, [403, 403, 403, 200]),
    ];
    for (method, path, body, expected) in table {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(shop.ask(token, method.clone(), path, body.clone()).await.status, *expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_private_project_is_not_there_for_strangers() {
    let shop = Shop::open().await;
    let stranger = shop.gitlab.world().add_user("stranger");
    let token = shop.gitlab.world().add_token(stranger, &["api"]);
    for path in ["/projects/{p}", "/projects/shop%2Fapi", "/projects/{p}/hooks", "/projects/{p}/repository/tags"] {
        let said = shop.ask(&token, Method::GET, path, Value::Null).await;
        assert_eq!((said.status, &said.body["message"]), (404, &"404 Project Not Found".into()), "{path}");
    }
    shop.gitlab.world().project_mut(shop.project).visibility = Visibility::Public;
    assert_eq!(shop.ask("", Method::GET, "/projects/{p}", Value::Null).await.status, 200);
    assert_eq!(shop.ask("", Method::GET, "/projects/{p}/hooks", Value::Null).await.status, 401);
    assert_eq!(shop.ask(&token, Method::GET, "/projects/{p}/hooks", Value::Null).await.status, 403);
}

#[tokio::test]
async fn bad_tokens_blocked_users_and_small_scopes_are_refused() {
    let shop = Shop::open().await;
    let reads = shop.gitlab.world().add_token(shop.carol, &["read_api"]);
    let status = |token: String, method: Method| {
        let shop = &shop;
        async move { shop.ask(&token, method, "/projects/{p}/hooks", Value::Null).await }
    };
    assert_eq!(status(String::new(), Method::GET).await.status, 401);
    assert_eq!(status("glpat-wrong".into(), Method::GET).await.status, 401);
    assert_eq!(shop.ask(&reads, Method::GET, "/user", Value::Null).await.status, 200);
    assert_eq!(status(reads.clone(), Method::POST).await.body["error"], "insufficient_scope");
    shop.gitlab.world().revoke_tokens(shop.carol);
    let revoked = shop.ask(&reads, Method::GET, "/user", Value::Null).await;
    assert_eq!((revoked.status, &revoked.body["error"]), (401, &"invalid_token".into()));
    shop.gitlab.world().block(shop.alice);
    assert_eq!(shop.get("/user").await.status, 403);
}

#[tokio::test]
async fn membership_is_inherited_and_ends_with_its_removal() {
    let shop = Shop::open().await;
    let mut world = shop.gitlab.world();
    let olga = world.add_user("olga");
    world.add_group_member("shop", olga, Level::Owner);
    drop(world);
    let path = format!("/projects/{{p}}/members/all/{olga}");
    assert_eq!(shop.get(&path).await.body["access_level"], 50);
    shop.gitlab.world().remove_member(shop.project, shop.carol);
    assert_eq!(shop.get(&format!("/projects/{{p}}/members/all/{}", shop.carol)).await.status, 404);
}
