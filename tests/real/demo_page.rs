//! The demo's page, as a person meets it.

use countersign::cli::demo::Demo;
use countersign::sandbox::page;
use countersign::sandbox::shop::Signing;

use super::browser::Browser;

/// The bot's sticky note, and its answers.
const STICKY: &str = "#notes > [data-bot=true]:not(.reply)";
const ANSWER: &str = "#notes > [data-bot=true].reply";

#[tokio::test(flavor = "multi_thread")]
async fn person_sees_a_pass_an_answer_and_two_blocks() {
    let demo = Demo::start(Signing::Keyless).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(page::serve(listener, demo.shop.clone()));
    let browser = Browser::open().await;
    browser.screen(1280, 1).await;
    browser.client.goto(&address).await.unwrap();
    browser.read("#releases", "No release yet").await;
    browser.picture("1-start", "html").await;

    browser.click("#push-tag").await;
    browser.read(STICKY, "Image verified: shop/api v1.8.2 is safe to promote").await;
    browser.read("#release-v1\\.8\\.2", "Shipped image").await;

    browser.see("#comment").await.send_keys("/verify").await.unwrap();
    browser.click("#say button").await;
    browser.read("#notes > [data-bot=false] .reactions", "check mark").await;
    browser.read(ANSWER, "Image verified").await;
    browser.picture("2-verified", "html").await;
    browser.dark(true).await;
    browser.picture("2-dark", "html").await;
    browser.dark(false).await;
    browser.screen(1280, 2).await;
    browser.picture("2-note", STICKY).await;
    browser.screen(1280, 1).await;

    browser.click("#move-tag").await;
    let note = browser.read(STICKY, "Blocked: the registry tag was moved").await;
    assert!(note.contains("What to do:") && !note.contains("safe to promote"), "{note}");
    browser.picture("3-moved", "html").await;

    browser.click("#restore-tag").await;
    browser.read(STICKY, "Image verified").await;
    browser.click("#laptop").await;
    let release = browser.read("#release-v1\\.8\\.3", "Blocked: ").await;
    assert!(release.contains("CS-SIG-OTHER"), "{release}");
    browser.read("#pipelines", "Blocked (CS-SIG-OTHER)").await;
    browser.picture("4-laptop", "html").await;

    browser.screen(400, 1).await;
    browser.picture("5-phone", "html").await;
    assert_eq!(browser.overhang().await, 0, "the page is wider than a phone");
    // No script failed, and the page's policy refused nothing: all that the browser heard is what shows that it listens.
    browser.client.execute("console.error('the last word')", vec![]).await.unwrap();
    let complaints = browser.complaints().await;
    assert!(complaints.len() == 1 && complaints[0].contains("the last word"), "{complaints:#?}");
    drop(browser);
    serving.abort();
    demo.stop().await;
}
