//! The demo's page, as a person meets it.

use countersign::cli::demo::Demo;
use countersign::sandbox::page;
use countersign::sandbox::shop::Signing;
use tokio::task::JoinHandle;

use super::browser::Browser;

/// The bot's sticky note, and its newest answer.
const STICKY: &str = "#notes > [data-bot=true]:not(.reply)";
const ANSWER: &str = "#notes > [data-bot=true].reply";
const LAST: &str = "#notes > .note:last-of-type";

/// A demo, its page, and a browser that looks at it.
struct Visit {
    demo: Demo,
    serving: JoinHandle<std::io::Result<()>>,
    browser: Browser,
}

impl Visit {
    async fn begin() -> Self {
        let demo = Demo::start(Signing::Keyless).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let serving = tokio::spawn(page::serve(listener, demo.shop.clone()));
        let browser = Browser::open().await;
        browser.screen(1280, 1).await;
        browser.client.goto(&address).await.unwrap();
        browser.read("#releases", "No release yet").await;
        Self { demo, serving, browser }
    }

    /// No script failed, and the page's policy refused nothing; it fits a phone.
    async fn end(self) {
        self.browser.screen(390, 1).await;
        assert_eq!(self.browser.overhang().await, 0, "the page is wider than a phone");
        // All that the browser heard is what shows that it listens.
        self.browser.client.execute("console.error('the last word')", vec![]).await.unwrap();
        let complaints = self.browser.complaints().await;
        assert!(complaints.len() == 1 && complaints[0].contains("the last word"), "{complaints:#?}");
        drop(self.browser);
        self.serving.abort();
        self.demo.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn person_sees_a_pass_an_answer_and_two_blocks() {
    let visit = Visit::begin().await;
    let browser = &visit.browser;
    browser.picture("1-start", "html").await;

    browser.click("#push-tag").await;
    browser.read(STICKY, "Image verified: shop/api v1.8.2 is safe to promote").await;
    browser.read("#release-v1\\.8\\.2", "Shipped image").await;

    browser.see("#comment").await.send_keys("/verify").await.unwrap();
    browser.click("#say [type=submit]").await;
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
    browser.screen(390, 1).await;
    browser.picture("5-phone", "html").await;
    visit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn person_promotes_sees_a_drift_and_rolls_back() {
    let visit = Visit::begin().await;
    let browser = &visit.browser;
    browser.click("#push-tag").await;
    browser.read(STICKY, "is safe to promote").await;

    // Production first: refused, and nothing runs there.
    browser.click("#env-production .promote").await;
    let refusal = browser.read(ANSWER, "Not promoted").await;
    assert!(refusal.contains("promote staging"), "{refusal}");
    browser.read("#env-production", "Nothing runs here yet").await;

    to_staging(browser, "v1.8.2").await;
    to_production(browser, "promote", "v1.8.2").await;
    browser.see(&format!("{STICKY} a[href^='#note-']")).await;
    browser.picture("6-promoted", "html").await;
    browser.click("#next-tag").await;
    browser.read("#release-v1\\.9\\.0", "Shipped image").await;
    to_staging(browser, "v1.9.0").await;

    // Its deploy job fails: nothing runs there that ran not before, and the failed job is named.
    browser.click("#fail-next").await;
    browser.read("#told", "fail").await;
    browser.click("#env-production .promote[title$='v1.9.0']").await;
    browser.read(LAST, "Waiting for an approval").await;
    browser.click("#notes .approve").await;
    let failed = browser.read(LAST, "Not converged").await;
    assert!(failed.contains("job #") && failed.contains("/countersign rollback production v1.8.2"), "{failed}");
    browser.read("#env-production .pill.success", "runs v1.8.2").await;
    browser.picture("7-not-converged", "html").await;
    browser.picture("7-not-converged-note", LAST).await;
    to_production(browser, "promote", "v1.9.0").await;

    browser.click("#by-hand").await;
    browser.read("#env-production", "Deployed by hand by Rita Release").await;
    browser.read(LAST, "CS-DRIFT").await;
    browser.picture("7-drift", "html").await;

    to_production(browser, "rollback", "v1.8.2").await;
    browser.picture("8-rolled-back", "html").await;
    browser.dark(true).await;
    browser.picture("8-dark", "html").await;
    browser.dark(false).await;

    // By typing, as somebody else, against the switch.
    browser.click("#halt").await;
    browser.read("#told", "halt switch is on").await;
    browser.see("#by option[value=rita]").await.click().await.unwrap();
    browser.see("#comment").await.send_keys("/countersign promote production v1.9.0").await.unwrap();
    browser.click("#say [type=submit]").await;
    browser.read(LAST, "all promotions are halted").await;
    browser.see("#go-on").await;
    browser.screen(390, 1).await;
    browser.picture("9-phone", "html").await;
    visit.end().await;
}

async fn to_staging(browser: &Browser, release: &str) {
    browser.click(&format!("#env-staging .promote[title$='{release}']")).await;
    browser.read("#env-staging .pill.success", &format!("runs {release}")).await;
    let how = browser.read("#env-staging", "promoted by @dana").await;
    assert!(how.contains("sha256:"), "{how}");
}

/// Rita asks, Otto approves, and the end is told.
async fn to_production(browser: &Browser, verb: &str, release: &str) {
    let button =
        if verb == "rollback" { "#env-production .rollback".into() } else { format!("#env-production .promote[title$='{release}']") };
    browser.click(&button).await;
    browser.read(LAST, "Waiting for an approval").await;
    browser.picture("6-waits", LAST).await;
    browser.click("#notes .approve").await;
    browser.read("#env-production .pill.success", &format!("runs {release}")).await;
    browser.read("#env-production", "promoted by @rita, approved by @otto").await;
    browser.read(LAST, &format!("runs {release}")).await;
}
