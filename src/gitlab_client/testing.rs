#![cfg(test)]
//! A scripted server for the edges of the API: each test says what is answered to what.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;

use super::{GitlabClient, Limits, Settings};
use crate::model::Secret;
use crate::model::gitlab::InstanceName;

/// The token that no other host may see.
pub const TOKEN: &str = "glpat-secret";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query as on the wire.
    pub target: String,
    pub host: String,
    pub token: Option<String>,
    pub body: String,
}

impl Asked {
    /// `GET /projects/7`: method and target below `/api/v4`, without the query.
    pub fn what(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {}", self.method, path.strip_prefix("/api/v4").unwrap_or(path))
    }

    /// A field of a JSON or form body.
    pub fn field(&self, name: &str) -> Option<String> {
        if let Ok(json) = serde_json::from_str::<serde_json::Value>(&self.body) {
            return json.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        }
        url::form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer to give.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    delay: Duration,
}

impl Answer {
    pub fn json(status: u16, value: serde_json::Value) -> Self {
        Self::text(status, value.to_string()).header("content-type", "application/json")
    }

    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![], body: body.into(), delay: Duration::ZERO }
    }

    pub fn missing() -> Self {
        Self::json(404, serde_json::json!({"message": "404 Not found"}))
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A server on loopback and a client that points at it.
pub struct Scripted {
    pub client: GitlabClient,
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    pub async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(quick(), script).await
    }

    pub async fn start_with(limits: Limits, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(vec![]));
        let (log, script) = (asked.clone(), Arc::new(script));
        let app = Router::new().fallback(move |request: Request| {
            let (log, script) = (log.clone(), script.clone());
            async move {
                let (head, body) = request.into_parts();
                let header = |name| head.headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap().to_owned());
                let (token, host) = (header("private-token"), header("host").unwrap());
                let (method, target) = (head.method.to_string(), head.uri.to_string());
                let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
                let asked = Asked { method, target, host, token, body: String::from_utf8(body.to_vec()).unwrap() };
                log.lock().unwrap().push(asked.clone());
                let answer = script(&asked);
                tokio::time::sleep(answer.delay).await;
                let mut response = Response::builder().status(answer.status);
                for (name, value) in answer.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(answer.body)).unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { client: client(&address, limits), address, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests so far, as [`Asked::what`].
    pub fn log(&self) -> Vec<String> {
        self.asked().iter().map(Asked::what).collect()
    }
}

/// The product's limits, but quick.
pub fn quick() -> Limits {
    Limits {
        attempt: Duration::from_millis(500),
        call: Duration::from_secs(5),
        pause: Duration::from_millis(5),
        retry_after: Duration::from_secs(1),
        body: 64 * 1024,
        ..Limits::default()
    }
}

pub fn settings(address: &str) -> Settings {
    Settings { name: InstanceName("main".into()), url: address.parse().unwrap(), token: Secret::new(TOKEN).unwrap(), ca_pem: None }
}

pub fn client(address: &str, limits: Limits) -> GitlabClient {
    GitlabClient::with_limits(&settings(address), limits).unwrap()
}
