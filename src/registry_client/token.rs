//! Logins: [distribution's token flow](https://distribution.github.io/distribution/spec/auth/token/) and HTTP Basic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use serde::Deserialize;
use url::Url;

use super::wire::{Failed, Scope, Wire};
use super::{Login, limits, refused, unreadable};

/// How long a token that does not say so is kept: the specification's default.
const OPAQUE: Duration = Duration::from_secs(60);
/// No token is kept longer, whatever it says.
const LONGEST: Duration = Duration::from_secs(3600);
/// A token is not used in its last seconds: it would end on the way.
const MARGIN: Duration = Duration::from_secs(10);

/// What one scope's requests carry.
#[derive(Debug, Clone)]
struct Held {
    authorization: HeaderValue,
    until: Instant,
}

/// One authorization a scope, that is a repository and what may be done there. The inner lock lets one request fetch while the others wait.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<Vec<String>, Slot>>);

type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

/// What a 401 asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// A token server's answer.
#[derive(Deserialize)]
struct Issued {
    token: Option<String>,
    access_token: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

/// The two claims that tell how long a JWT lasts. Nothing else is read, and nothing is believed for it.
#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
}

impl Tokens {
    fn slot(&self, scope: Scope<'_>) -> Slot {
        let mut scopes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if scopes.len() >= limits::SCOPES {
            scopes.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        scopes.entry(scope.words()).or_default().clone()
    }

    /// What requests of this scope carry now, if anything.
    pub async fn current(&self, scope: Scope<'_>) -> Option<HeaderValue> {
        let slot = self.slot(scope);
        let held = slot.lock().await;
        held.as_ref().filter(|held| held.until > Instant::now()).map(|held| held.authorization.clone())
    }

    /// After a 401 to a request that carried `used`: what to carry instead. Requests of one scope that fail together share one
    /// new token.
    pub async fn renew(
        &self,
        wire: &Wire,
        scope: Scope<'_>,
        (used, asked): (Option<&HeaderValue>, &HeaderMap),
    ) -> Result<HeaderValue, Failed> {
        let slot = self.slot(scope);
        let mut held = slot.lock().await;
        if let Some(other) = held.as_ref().filter(|held| held.until > Instant::now() && Some(&held.authorization) != used) {
            return Ok(other.authorization.clone());
        }
        *held = None;
        let new = match challenge(asked)? {
            Challenge::Basic => basic(wire, used)?,
            Challenge::Bearer { realm, service } => bearer(wire, scope, (realm, service)).await?,
        };
        Ok(held.insert(new).authorization.clone())
    }
}

/// The first challenge that we can answer, Bearer before Basic.
fn challenge(headers: &HeaderMap) -> Result<Challenge, Failed> {
    let mut basic = false;
    for value in headers.get_all(header::WWW_AUTHENTICATE) {
        let text = value.to_str().unwrap_or_default();
        for challenge in http_auth::ChallengeParser::new(text).map_while(Result::ok) {
            let named = |name: &str| challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_unescaped());
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = named("realm").and_then(|realm| Url::parse(&realm).ok());
                let realm = realm.ok_or_else(|| Failed::last(unreadable("the registry names no token server".into())))?;
                return Ok(Challenge::Bearer { realm, service: named("service") });
            }
            basic |= challenge.scheme.eq_ignore_ascii_case("basic");
        }
    }
    if basic { Ok(Challenge::Basic) } else { Err(Failed::last(refused("the registry answers 401 and asks for no login we know".into()))) }
}

/// The login itself: the request goes to the registry, which is a configured host by definition.
fn basic(wire: &Wire, used: Option<&HeaderValue>) -> Result<Held, Failed> {
    let name = &wire.host.name;
    let Some(login) = &wire.host.login else {
        return Err(Failed::last(refused(format!("{name} asks for a login, and none is configured"))));
    };
    let authorization = login.header()?;
    if used == Some(&authorization) {
        return Err(Failed::last(refused(format!("{name} refuses the configured login (401)"))));
    }
    Ok(Held { authorization, until: Instant::now() + LONGEST })
}

async fn bearer(wire: &Wire, scope: Scope<'_>, (mut realm, service): (Url, Option<String>)) -> Result<Held, Failed> {
    let server = realm.host_str().unwrap_or_default().to_owned();
    {
        let mut query = realm.query_pairs_mut();
        if let Some(service) = &service {
            query.append_pair("service", service);
        }
        // Our own scope, not the challenge's: a registry cannot make us ask for more than we are about to do.
        for words in scope.words() {
            query.append_pair("scope", &words);
        }
    }
    let request = token_request(wire, realm, &server)?;
    let (status, body) = wire.read_words(request).await?;
    match status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            return Err(Failed::last(refused(format!("the token server {server} refuses the login ({})", status.as_u16()))));
        }
        other => return Err(Failed::status(other, &server)),
    }
    let odd = || Failed::last(unreadable(format!("the token server {server} sent no token")));
    let issued: Issued = serde_json::from_slice(&body).map_err(|_| odd())?;
    let token = issued.token.or(issued.access_token).filter(|t| !t.is_empty() && t.len() <= limits::TOKEN).ok_or_else(odd)?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| odd())?;
    authorization.set_sensitive(true);
    Ok(Held { authorization, until: Instant::now() + usable(&token, issued.expires_in) })
}

/// The login goes to a trusted token server only; without a login any public one may be asked.
fn token_request(wire: &Wire, realm: Url, server: &str) -> Result<RequestBuilder, Failed> {
    if wire.host.trusts(&realm) {
        let request = wire.home.get(realm);
        return Ok(match &wire.host.login {
            Some(login) => request.header(header::AUTHORIZATION, login.header()?),
            None => request,
        });
    }
    if wire.host.login.is_some() {
        let detail =
            format!("{} sends logins to `{server}`, which is not among its configured token hosts; nothing was sent there", wire.host.name);
        return Err(Failed::last(refused(detail)));
    }
    wire.may_call(&realm)?;
    Ok(wire.away.get(realm))
}

/// How long a token is reused. A JWT's own times are only a hint when to ask anew; the registry decides what it accepts.
fn usable(token: &str, expires_in: Option<u64>) -> Duration {
    let said = expires_in.or_else(|| {
        let payload = token.split('.').nth(1)?;
        let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        // Its own two times, so that a wrong clock here does not matter.
        claims.exp.checked_sub(claims.iat)
    });
    let whole = said.map_or(OPAQUE, Duration::from_secs).min(LONGEST);
    whole.saturating_sub(MARGIN).max(whole / 2)
}

impl Login {
    fn header(&self) -> Result<HeaderValue, Failed> {
        let text = http_auth::basic::encode_credentials(&self.username, self.password.expose());
        let bad = |_| Failed::last(refused("the configured login does not fit into a header".into()));
        let mut value = HeaderValue::from_str(&text).map_err(bad)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[&str], expected: Option<Challenge>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        assert_eq!(challenge(&map).ok(), expected, "{headers:?}");
    }

    #[test]
    fn bearer_is_taken_before_basic_and_needs_a_realm() {
        let bearer = |service: Option<&str>| Challenge::Bearer {
            realm: "https://gitlab.example.com/jwt/auth".parse().unwrap(),
            service: service.map(str::to_owned),
        };
        check(
            &[
                r#"Bearer realm="https://gitlab.example.com/jwt/auth",service="container_registry",scope="repository:a:pull",error="invalid_token""#,
            ],
            Some(bearer(Some("container_registry"))),
        );
        check(&[r#"Basic realm="x""#, r#"bearer Realm="https://gitlab.example.com/jwt/auth""#], Some(bearer(None)));
        check(&[r#"Basic realm="x""#], Some(Challenge::Basic));
        check(&[r#"Bearer service="x""#], None);
        check(&[r#"Negotiate"#], None);
        check(&[], None);
    }

    #[test]
    fn a_token_is_kept_as_long_as_it_says_and_an_opaque_one_briefly() {
        let jwt = |claims: &str| format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let seconds = |token: &str, said| usable(token, said).as_secs();
        assert_eq!(seconds(&jwt(r#"{"iat":1000,"exp":1300}"#), None), 290);
        assert_eq!(seconds(&jwt(r#"{"iat":1000,"exp":1300}"#), Some(120)), 110);
        assert_eq!(seconds("opaque", None), 50);
        assert_eq!(seconds(&jwt(r#"{"iat":1000,"exp":900}"#), None), 50);
        assert_eq!(seconds("opaque", Some(u64::MAX)), 3590);
        assert_eq!(seconds("opaque", Some(4)), 2);
    }
}
