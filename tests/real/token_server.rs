//! A token server as docker-registry wants it
//! ([specification](https://distribution.github.io/distribution/spec/auth/jwt/)), in the shape of GitLab's `/jwt/auth`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::registry::{PASSWORD, USER};

struct Signer {
    key: EcdsaKeyPair,
    certificate: rcgen::Certificate,
}

/// It ends when dropped.
pub struct TokenServer {
    address: SocketAddr,
    signer: Arc<Signer>,
    task: tokio::task::JoinHandle<()>,
}

impl TokenServer {
    pub const SERVICE: &str = "container_registry";
    pub const ISSUER: &str = "test-issuer";

    pub async fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::default();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap();
        let signer = Arc::new(Signer { key, certificate });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/jwt/auth", get(issue)).with_state(signer.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, signer, task }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn realm(&self) -> String {
        format!("http://{}/jwt/auth", self.address)
    }

    pub fn certificate_pem(&self) -> String {
        self.signer.certificate.pem()
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A token for whatever scopes are asked for, to the one login.
async fn issue(State(signer): State<Arc<Signer>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")));
    if headers.get("authorization").is_none_or(|sent| sent != &basic) {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({"errors": [{"code": "UNAUTHORIZED"}]}))).into_response();
    }
    let query = query.unwrap_or_default();
    let scopes = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "scope").map(|(_, scope)| scope.into_owned());
    let access: Vec<_> = scopes.filter_map(|scope| grant(&scope)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": TokenServer::ISSUER, "sub": USER, "aud": TokenServer::SERVICE, "jti": "1",
        "iat": now - 5, "nbf": now - 5, "exp": now + 300, "access": access,
    });
    axum::Json(json!({"token": signer.sign(&claims), "expires_in": 300})).into_response()
}

/// `repository:shop/api:pull,push`
fn grant(scope: &str) -> Option<Value> {
    let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    Some(json!({"type": "repository", "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
}

impl Signer {
    fn sign(&self, claims: &Value) -> String {
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [BASE64_STANDARD.encode(self.certificate.der())]});
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
