//! Headless Chromium, driven over WebDriver.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::parts::{PATIENCE, Process, free_port, part, until};

/// A browser with one empty profile. It ends when dropped, also where a test fails.
pub struct Browser {
    pub client: Client,
    port: u16,
    _driver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub async fn open() -> Self {
        let port = free_port();
        let mut command = Command::new(part("chromedriver"));
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stdin(Stdio::null());
        let mut driver = Process::start(&mut command);
        let address = format!("http://127.0.0.1:{port}");
        let status = format!("{address}/status");
        until("chromedriver answers", async || {
            driver.still_runs("chromedriver");
            reqwest::get(&status).await.ok()
        })
        .await;
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(profile.path());
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&address).await.unwrap();
        Self { client, port, _driver: driver, _profile: profile }
    }

    /// Pretends a screen of this width, with so many dots to a pixel.
    pub async fn screen(&self, width: u32, density: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": density, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Pretends a person who asked for dark pages.
    pub async fn dark(&self, dark: bool) {
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [scheme]})).await;
    }

    /// Waits for an element that a person can see.
    pub async fn see(&self, css: &str) -> fantoccini::elements::Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|fault| panic!("{css}: {fault}"))
    }

    /// Waits until an element's text contains something, and gives the whole text.
    pub async fn read(&self, css: &str, wanted: &str) -> String {
        until(&format!("{css} says `{wanted}`"), async || {
            // An element may be drawn anew between finding and reading it.
            let text = self.client.find(Locator::Css(css)).await.ok()?.text().await.ok()?;
            text.contains(wanted).then_some(text)
        })
        .await
    }

    pub async fn click(&self, css: &str) {
        // An element may be drawn anew between finding and clicking it; then it was not clicked.
        until(&format!("{css} is clicked"), async || self.client.find(Locator::Css(css)).await.ok()?.click().await.ok()).await;
    }

    /// Keeps a picture of the whole page, or of one element, in target/screenshots.
    pub async fn picture(&self, name: &str, css: &str) {
        let script = "const b = document.querySelector(arguments[0]).getBoundingClientRect();
            return { x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1 };";
        let area = self.client.execute(script, vec![css.into()]).await.unwrap();
        let shot = self.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": area})).await;
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    /// How far the page is wider than the screen.
    pub async fn overhang(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
        self.client.execute(script, vec![]).await.unwrap().as_i64().unwrap()
    }

    /// What the browser complained of: scripts that failed, requests that were refused.
    pub async fn complaints(&self) -> Vec<String> {
        let heard = self.client.issue_cmd(Raw { path: "se/log", body: json!({"type": "browser"}) }).await.unwrap();
        heard.as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.unwrap_or_else(|fault| panic!("{command}: {fault}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver ends Chromium when it is told to go, but not when it is killed.
        let told = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            stream.read_to_end(&mut vec![])
        });
        if let Err(fault) = told {
            eprintln!("chromedriver did not take its leave: {fault}");
        }
    }
}

fn capabilities(profile: &Path) -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        &format!("--user-data-dir={}", profile.display()),
    ];
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments, "binary": part("chromium")},
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    capabilities.as_object().unwrap().clone()
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
