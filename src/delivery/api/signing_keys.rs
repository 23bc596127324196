//! The keys with which one GitLab signs ID tokens ([JWKS, RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)): fetched from the
//! configured address, kept, and fetched anew for a key that is not among them, at a bounded rate.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long keys are used without a question whether they are still the server's.
pub(super) const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long they are used while the server cannot be asked. After that a withdrawn key would count for too long.
pub(super) const OLDEST: Duration = Duration::from_secs(60 * 60);
/// The pause between two questions to the server: strangers may name any key.
pub(super) const PAUSE: Duration = Duration::from_secs(30);
/// How long the server may take: a deploy job waits.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// Keys that are read. GitLab has three, and a few more during a rotation.
const KEYS_MAX: usize = 32;

/// One server's keys.
#[derive(Default)]
pub(super) struct SigningKeys {
    held: RwLock<Option<Held>>,
    /// Held while the server is asked, so that one question serves all who wait.
    asked: Mutex<Asked>,
}

struct Held {
    since: Instant,
    keys: HashMap<String, DecodingKey>,
}

#[derive(Default)]
struct Asked {
    last: Option<Instant>,
    /// Why the last question had no answer.
    failed: Option<String>,
}

/// What a look for a key brought.
pub(super) enum Found {
    Key(DecodingKey),
    /// The server answered, and has no such key.
    None,
    /// One line for the log.
    Unreachable(String),
}

impl SigningKeys {
    /// A key by its id, now; `fetch` asks the server.
    pub(super) async fn find(&self, id: &str, now: Instant, fetch: impl Future<Output = Result<Bytes, String>>) -> Found {
        if let Some(key) = self.held(id, now, FRESH) {
            return Found::Key(key);
        }
        let mut asked = self.asked.lock().await;
        if let Some(key) = self.held(id, now, FRESH) {
            return Found::Key(key);
        }
        if asked.last.is_none_or(|last| now.duration_since(last) >= PAUSE) {
            // Said before it is asked: whoever asks may go away meanwhile, and no answer is no answer.
            *asked = Asked { last: Some(now), failed: Some("the last question was not answered".into()) };
            let answer = timeout(FETCH_TIME, fetch).await.unwrap_or_else(|_| Err("no answer in time".into()));
            match answer.and_then(|answer| read(&answer)) {
                Ok(keys) => {
                    *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Held { since: now, keys });
                    asked.failed = None;
                }
                Err(why) => asked.failed = Some(why),
            }
        }
        match (self.held(id, now, OLDEST), &asked.failed) {
            (Some(key), _) => Found::Key(key),
            (None, Some(why)) => Found::Unreachable(why.clone()),
            (None, None) => Found::None,
        }
    }

    fn held(&self, id: &str, now: Instant, oldest: Duration) -> Option<DecodingKey> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| now.duration_since(held.since) < oldest)?.keys.get(id).cloned()
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    used_for: Option<String>,
    n: String,
    e: String,
}

/// The RSA keys for signatures of a set. Keys of other kinds are left out; a set without any is no answer.
fn read(answer: &[u8]) -> Result<HashMap<String, DecodingKey>, String> {
    let set: KeySet = serde_json::from_slice(answer).map_err(|_| "an answer that is no set of keys".to_owned())?;
    if set.keys.len() > KEYS_MAX {
        return Err(format!("more than {KEYS_MAX} keys"));
    }
    let mut keys = HashMap::new();
    for key in set.keys {
        let Ok(key) = Key::deserialize(key) else { continue };
        let signs = key.kty == "RSA" && key.alg.is_none_or(|alg| alg == "RS256") && key.used_for.is_none_or(|used| used == "sig");
        let Some(readable) = DecodingKey::from_rsa_components(&key.n, &key.e).ok().filter(|_| signs) else { continue };
        if keys.insert(key.kid, readable).is_some() {
            return Err("two keys under one id".into());
        }
    }
    if keys.is_empty() { Err("an answer without an RSA key".into()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    fn set(ids: &[&str]) -> Bytes {
        let keys: Vec<_> =
            ids.iter().map(|id| json!({"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "e": "AQAB", "n": "sXch"})).collect();
        json!({ "keys": keys }).to_string().into()
    }

    /// A server, how often it was asked, and what time it is.
    struct Server {
        keys: SigningKeys,
        asked: AtomicUsize,
        now: Instant,
    }

    impl Server {
        fn new() -> Self {
            Self { keys: SigningKeys::default(), asked: AtomicUsize::default(), now: Instant::now() }
        }

        /// Whether a key is found while the server answers this: yes, no, or unknown.
        async fn find(&self, id: &str, answer: Result<Bytes, String>) -> Option<bool> {
            let fetch = async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                answer
            };
            match self.keys.find(id, self.now, fetch).await {
                Found::Key(_) => Some(true),
                Found::None => Some(false),
                Found::Unreachable(_) => None,
            }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn down() -> Result<Bytes, String> {
        Err("down".into())
    }

    #[tokio::test]
    async fn keys_are_kept_and_strangers_cannot_make_us_ask_more() {
        let mut server = Server::new();
        assert_eq!(server.find("a", Ok(set(&["a"]))).await, Some(true));
        for n in 0..50 {
            assert_eq!(server.find(&format!("made up {n}"), Ok(set(&["a", "b"]))).await, Some(false));
            assert_eq!(server.find("a", down()).await, Some(true));
        }
        assert_eq!(server.asked(), 1);
        server.now += PAUSE;
        assert_eq!(server.find("b", Ok(set(&["a", "b"]))).await, Some(true), "a new key is found after the pause");
        assert_eq!(server.asked(), 2);
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_asked_is_no_refusal_and_old_keys_do_not_count_for_ever() {
        let mut server = Server::new();
        assert_eq!(server.find("a", down()).await, None);
        assert_eq!(server.find("a", Ok(set(&["a"]))).await, None, "not asked again at once");
        server.now += PAUSE;
        assert_eq!(server.find("a", Ok(set(&["a"]))).await, Some(true));
        server.now += FRESH;
        assert_eq!(server.find("a", down()).await, Some(true), "still young enough");
        assert_eq!(server.find("b", down()).await, None, "it may be a new one");
        server.now += OLDEST;
        assert_eq!(server.find("a", down()).await, None);
        server.now += PAUSE;
        assert_eq!(server.find("a", Ok(set(&["b"]))).await, Some(false), "it was withdrawn");
    }

    #[tokio::test]
    async fn who_goes_away_leaves_no_refusal_behind() {
        let mut server = Server::new();
        let gone = server.keys.find("a", server.now, std::future::pending());
        assert!(timeout(Duration::from_millis(20), gone).await.is_err());
        assert_eq!(server.find("a", Ok(set(&["a"]))).await, None);
        server.now += PAUSE;
        assert_eq!(server.find("a", Ok(set(&["a"]))).await, Some(true));
    }

    #[test]
    fn only_rsa_keys_for_signatures_count() {
        let good = json!({"kty": "RSA", "kid": "a", "e": "AQAB", "n": "sXch"});
        assert_eq!(read(json!({"keys": [good, {"kty": "EC", "kid": "x"}, 7]}).to_string().as_bytes()).unwrap().len(), 1);
        for wrong in [
            json!({"keys": []}),
            json!({"keys": [{"kty": "oct", "kid": "a", "k": "AQAB"}]}),
            json!({"keys": [{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "sXch", "use": "enc"}]}),
            json!({"keys": [{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "sXch", "alg": "HS256"}]}),
            json!({"keys": [{"kty": "RSA", "kid": "a", "e": "AQAB", "n": "no base64!"}]}),
            json!({"keys": [good, good]}),
            json!({"keys": vec![good; KEYS_MAX + 1]}),
            json!({"error": "down"}),
        ] {
            assert!(read(wrong.to_string().as_bytes()).is_err(), "{wrong}");
        }
    }
}
