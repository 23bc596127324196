//! What goes wrong when a test wants it.

use std::time::{Duration, Instant};

use countersign::sandbox::gitlab::{Fault, FaultRule};

use crate::Shop;

const TAGS: &str = "/projects/{p}/repository/tags";

#[tokio::test]
async fn a_fault_hits_its_routes_until_healed() {
    let shop = Shop::open().await;
    for status in [401, 403, 404, 500, 502] {
        shop.gitlab.fault("GET", "/projects/*/repository/tags*", Fault::Status(status));
        assert_eq!(shop.get(TAGS).await.status, status);
        assert_eq!(shop.get("/projects/{p}").await.status, 200);
        shop.gitlab.heal();
    }
    assert_eq!(shop.get(TAGS).await.status, 200);
}

#[tokio::test]
async fn a_fault_may_go_away_by_itself() {
    let shop = Shop::open().await;
    let fault = Fault::TooManyRequests(Some(2));
    shop.gitlab.add_fault(FaultRule { method: "*".into(), path: "*".into(), fault, times: Some(2) });
    let first = shop.get(TAGS).await;
    assert_eq!((first.status, &first.headers["retry-after"]), (429, &"2".parse().unwrap()));
    assert_eq!((shop.get(TAGS).await.status, shop.get(TAGS).await.status), (429, 200));
}

#[tokio::test]
async fn html_garbage_and_late_answers_come_as_told() {
    let shop = Shop::open().await;
    shop.gitlab.fault("GET", "*", Fault::Html(502));
    let page = shop.get(TAGS).await;
    assert_eq!((page.status, &page.headers["content-type"]), (502, &"text/html; charset=utf-8".parse().unwrap()));
    shop.gitlab.heal();
    shop.gitlab.fault("GET", "*", Fault::Garbage);
    let said = shop.get(TAGS).await;
    assert_eq!((said.status, said.body.is_null()), (200, true));
    shop.gitlab.heal();
    shop.gitlab.fault("GET", "*", Fault::Slow(Duration::from_millis(300)));
    let started = Instant::now();
    assert_eq!(shop.get(TAGS).await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_oversized_answer_is_that_large_and_a_dropped_one_is_none() {
    let shop = Shop::open().await;
    let url = format!("{}/api/v4/version", shop.gitlab.url());
    shop.gitlab.fault("GET", "*", Fault::Oversized(20 * 1024 * 1024));
    let body = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    assert!(body.len() >= 20 * 1024 * 1024);
    shop.gitlab.heal();
    shop.gitlab.fault("GET", "*", Fault::Drop);
    let dropped = match reqwest::get(&url).await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(dropped);
}
