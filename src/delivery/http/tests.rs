use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::super::queue::{Handled, Handler, Pace, run};
use super::*;
use crate::event::Hint;
use crate::store::memory::MemoryStore;
use crate::store::{Claim, Depth, Store, StoreError};

const TOKEN: &str = "a-plain-token-of-the-hook";
const OTHER_TOKEN: &str = "another-token";
const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=";
const OTHER_KEY: &str = "whsec_AAAAsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=";
/// What SR-05 lets a stranger cost.
const STRANGER: u64 = 64 * 1024;

fn secret(kind: HookSecretKind, secret: &str, project: Option<&str>) -> HookSecret {
    HookSecret {
        instance: InstanceName("main".into()),
        kind,
        secret: Secret::new(secret).unwrap(),
        project: project.map(|path| ProjectPath(path.into())),
    }
}

fn token(text: &str) -> HookSecret {
    secret(HookSecretKind::Token, text, None)
}

fn signing(text: &str) -> HookSecret {
    secret(HookSecretKind::Signing, text, None)
}

fn face(hooks: Vec<HookSecret>, store: Arc<dyn Store>) -> Arc<Face> {
    let settings = Settings { listen: ([127, 0, 0, 1], 0).into(), public_url: "http://127.0.0.1/".parse().unwrap(), hooks };
    Face::new(&settings, Queue::new(store, Arc::default())).unwrap()
}

/// A server on loopback that counts what it reads.
struct Server {
    address: SocketAddr,
    read: Arc<AtomicU64>,
    store: Arc<dyn Store>,
    face: Arc<Face>,
    client: reqwest::Client,
}

async fn server_on(hooks: Vec<HookSecret>, store: Arc<dyn Store>) -> Server {
    let face = face(hooks, store.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (read, router) = (Arc::new(AtomicU64::new(0)), router(face.clone()));
    let counter = read.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counted = Counting { stream, read: counter.clone() };
            tokio::spawn(serve::connection(counted, router.clone(), CancellationToken::new()));
        }
    });
    Server { address, read, store, face, client: reqwest::Client::builder().no_proxy().build().unwrap() }
}

async fn server(hooks: Vec<HookSecret>) -> Server {
    server_on(hooks, Arc::new(MemoryStore::default())).await
}

/// A connection that counts the bytes taken from it.
struct Counting {
    stream: TcpStream,
    read: Arc<AtomicU64>,
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A pipeline event of this project, as long as wanted.
fn pipeline(project: &str, length: usize) -> String {
    let body = format!(
        r#"{{"object_kind":"pipeline","object_attributes":{{"id":31}},"project":{{"id":7,"path_with_namespace":"{project}"}},"builds":"PAD"}}"#
    );
    body.replace("PAD", &"x".repeat(length.saturating_sub(body.len() - 3)))
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())).collect()
}

/// Signature headers made with this key, `age` seconds ago.
fn signed(key: &str, body: &str, age: i64) -> HeaderMap {
    let sent = Timestamp::now().as_second() - age;
    let signature = Webhook::new(key).unwrap().sign("msg-1", sent, body.as_bytes()).unwrap();
    header_map(&[("webhook-id", "msg-1"), ("webhook-timestamp", &sent.to_string()), ("webhook-signature", &signature)])
}

fn with_token(mut headers: HeaderMap, token: &str) -> HeaderMap {
    headers.insert("x-gitlab-token", token.parse().unwrap());
    headers
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn post_to(&self, instance: &str, headers: HeaderMap, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = self.client.post(self.url(&format!("/hooks/gitlab/{instance}"))).headers(headers).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, headers: HeaderMap, body: impl Into<reqwest::Body>) -> u16 {
        self.post_to("main", headers, body).await.0
    }

    async fn waiting(&self) -> u64 {
        self.store.depth().await.unwrap().waiting
    }

    /// Sends a head and then as much body as is taken; the status if one came, and what the server read.
    async fn flood(&self, head: &str, chunked: bool) -> (Option<u16>, u64) {
        let before = self.read.load(Ordering::Relaxed);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {}", 25 * 1024 * 1024) };
        stream.write_all(format!("POST /hooks/gitlab/main HTTP/1.1\r\nHost: x\r\n{length}\r\n{head}\r\n").as_bytes()).await.unwrap();
        let piece = vec![b'{'; 64 * 1024];
        for _ in 0..400 {
            let sent = if chunked {
                stream.write_all(b"10000\r\n").await.is_ok()
                    && stream.write_all(&piece).await.is_ok()
                    && stream.write_all(b"\r\n").await.is_ok()
            } else {
                stream.write_all(&piece).await.is_ok()
            };
            if !sent {
                break;
            }
        }
        let mut answer = [0; 64];
        let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await;
        let status = match read {
            Ok(Ok(n)) => std::str::from_utf8(&answer[..n]).ok().and_then(|text| text.get(9..12)?.parse().ok()),
            _ => None,
        };
        (status, self.read.load(Ordering::Relaxed) - before)
    }
}

#[tokio::test]
async fn the_right_token_queues_and_everything_else_hears_one_answer() {
    let server = server(vec![token(TOKEN), token(OTHER_TOKEN)]).await;
    let body = pipeline("shop/api", 0);
    let (_, refusal) = server.post_to("main", HeaderMap::new(), body.clone()).await;
    for (instance, headers) in [
        ("main", header_map(&[])),
        ("main", header_map(&[("x-gitlab-token", "")])),
        ("main", header_map(&[("x-gitlab-token", "wrong")])),
        ("main", header_map(&[("x-gitlab-token", &TOKEN[1..])])),
        ("main", header_map(&[("x-gitlab-token", &TOKEN.to_uppercase())])),
        ("unknown", header_map(&[("x-gitlab-token", TOKEN)])),
        ("%ff", header_map(&[("x-gitlab-token", TOKEN)])),
        ("main", signed(KEY, &body, 0)),
    ] {
        assert_eq!(server.post_to(instance, headers, body.clone()).await, (401, refusal.clone()), "{instance}");
    }
    assert_eq!(server.waiting().await, 0);
    assert_eq!(server.post_to("main", header_map(&[("x-gitlab-token", TOKEN)]), body.clone()).await, (202, "queued\n".into()));
    assert_eq!(server.post(header_map(&[("x-gitlab-token", OTHER_TOKEN)]), body).await, 202, "the other secret of a rotation");
    let claim = server.store.claim(Timestamp::now(), jiff::SignedDuration::from_secs(9)).await.unwrap().unwrap();
    assert_eq!(claim.hint.key(), "main/7/pipeline/31");
}

#[tokio::test]
async fn a_signature_is_right_of_now_and_over_this_body() {
    let server = server(vec![signing(KEY), signing(OTHER_KEY), token(TOKEN)]).await;
    let body = pipeline("shop/api", 0);
    assert_eq!(server.post(signed(KEY, &body, 0), body.clone()).await, 202, "no token is needed beside it");
    assert_eq!(server.post(signed(OTHER_KEY, &body, 200), body.clone()).await, 202);
    assert_eq!(server.post(with_token(signed(KEY, &body, -200), TOKEN), body.clone()).await, 202);

    let twice = |first: &str, second: &str| {
        let mut headers = signed(first, &body, 0);
        let signatures = format!(
            "{} {}",
            headers["webhook-signature"].to_str().unwrap(),
            signed(second, &body, 0)["webhook-signature"].to_str().unwrap()
        );
        headers.insert("webhook-signature", signatures.parse().unwrap());
        headers
    };
    let strange = "whsec_BBBBsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=";
    assert_eq!(server.post(twice(strange, KEY), body.clone()).await, 202, "one of several signatures is enough");

    let mut unsigned = signed(KEY, &body, 0);
    unsigned.remove("webhook-signature");
    let mut other_id = signed(KEY, &body, 0);
    other_id.insert("webhook-id", "msg-2".parse().unwrap());
    for (why, headers) in [
        ("stale", signed(KEY, &body, 301)),
        ("from the future", signed(KEY, &body, -302)),
        ("another key", signed(strange, &body, 0)),
        ("two of other keys", twice(strange, strange)),
        ("another body", signed(KEY, &pipeline("shop/web", 0), 0)),
        ("another id", other_id),
        ("no signature", unsigned),
        ("none of it", HeaderMap::new()),
    ] {
        assert_eq!(server.post(headers.clone(), body.clone()).await, 401, "{why}");
        assert_eq!(server.post(with_token(headers, TOKEN), body.clone()).await, 401, "{why}, although the token is right");
    }
}

#[tokio::test]
async fn a_secret_of_one_project_speaks_for_that_project() {
    let server = server(vec![
        secret(HookSecretKind::Token, TOKEN, Some("shop/api")),
        secret(HookSecretKind::Token, OTHER_TOKEN, None),
        secret(HookSecretKind::Signing, KEY, Some("shop/signed")),
        secret(HookSecretKind::Token, "token-of-signed", Some("shop/signed")),
    ])
    .await;
    let own = header_map(&[("x-gitlab-token", TOKEN)]);
    let all = header_map(&[("x-gitlab-token", OTHER_TOKEN)]);
    for (headers, project, status) in [
        (&own, "shop/api", 202),
        (&own, "shop/web", 401),
        (&own, "shop/api2", 401),
        (&own, "Shop/api", 401),
        (&all, "shop/web", 202),
        (&all, "shop/api", 202),
        (&all, "shop/signed", 401),
        (&header_map(&[("x-gitlab-token", "token-of-signed")]), "shop/signed", 401),
    ] {
        assert_eq!(server.post(headers.clone(), pipeline(project, 0)).await, status, "{project} with {headers:?}");
    }
    let body = pipeline("shop/signed", 0);
    assert_eq!(server.post(signed(KEY, &body, 0), body).await, 202);
    let body = pipeline("shop/web", 0);
    assert_eq!(server.post(signed(KEY, &body, 0), body).await, 401, "its signature does not speak for others");

    // A body that names no project is authentic, and brings nothing.
    while let Some(claim) = server.store.claim(Timestamp::now(), jiff::SignedDuration::from_secs(9)).await.unwrap() {
        server.store.finish(&claim).await.unwrap();
    }
    let unnamed = r#"{"object_kind":"pipeline","object_attributes":{"id":31},"project_id":7}"#;
    assert_eq!(server.post(own.clone(), unnamed).await, 200);
    assert_eq!(server.post(all, unnamed).await, 200, "it could be about the project that signs");
    assert_eq!(server.post(signed(KEY, unnamed, 0), unnamed).await, 200);
    assert_eq!(server.post(header_map(&[("x-gitlab-token", "token-of-signed")]), unnamed).await, 401);
    assert_eq!(server.waiting().await, 0);
}

#[tokio::test]
async fn authentic_deliveries_of_any_content_are_answered_well() {
    let server = server(vec![token(TOKEN)]).await;
    let headers = header_map(&[("x-gitlab-token", TOKEN)]);
    for body in
        ["", "{", "[]", "null", "{}", r#"{"object_kind":"emoji"}"#, r#"{"object_kind":"push","project_id":7}"#, r#"{"object_kind":7}"#]
    {
        assert_eq!(server.post(headers.clone(), body).await, 200, "{body}");
    }
    assert_eq!(server.post(headers.clone(), vec![0xff_u8; 100]).await, 200);
    assert_eq!(server.waiting().await, 0);
    for _ in 0..3 {
        assert_eq!(server.post(headers.clone(), pipeline("shop/api", 0)).await, 202);
    }
    assert_eq!(server.waiting().await, 1, "a repeated delivery is one piece of work");
    let text = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    for line in [
        r#"countersign_deliveries_total{kind="pipeline",result="queued"} 3"#,
        r#"countersign_deliveries_total{kind="unknown",result="unreadable"} 5"#,
        r#"countersign_hints_total{object="pipeline",origin="hook"} 3"#,
        "countersign_queue_waiting 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn authentic_bodies_up_to_25_mib_are_taken() {
    let (largest, over) = (pipeline("shop/api", body::LARGEST), pipeline("shop/api", body::LARGEST + 1));
    assert_eq!((largest.len(), over.len()), (body::LARGEST, body::LARGEST + 1));
    let chunked = |body: &str| reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body.to_owned())]));
    let by_token = header_map(&[("x-gitlab-token", TOKEN)]);

    let plain = server(vec![token(TOKEN)]).await;
    assert_eq!(plain.post(by_token.clone(), largest.clone()).await, 202);
    assert_eq!(plain.post(by_token.clone(), chunked(&largest)).await, 202);
    for body in [reqwest::Body::from(over.clone()), chunked(&over)] {
        // The server answers without reading on, so the client may see the reset first.
        let sent = plain.client.post(plain.url("/hooks/gitlab/main")).headers(by_token.clone()).body(body).send().await;
        assert!(sent.map_or(true, |response| response.status() == 413));
    }
    let both = server(vec![token(TOKEN), signing(KEY)]).await;
    assert_eq!(both.post(with_token(signed(KEY, &largest, 0), TOKEN), largest.clone()).await, 202);
    let only_signed = server(vec![signing(KEY)]).await;
    assert_eq!(only_signed.post(signed(KEY, &largest, 0), largest.clone()).await, 202);
    assert_eq!(only_signed.post(signed(OTHER_KEY, &largest, 0), largest.clone()).await, 401);
}

#[tokio::test]
async fn many_large_bodies_wait_their_turn() {
    let server = Arc::new(server(vec![token(TOKEN)]).await);
    let body = pipeline("shop/api", 2 * 1024 * 1024);
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (server, body) = (server.clone(), body.clone());
        senders.spawn(async move { server.post(header_map(&[("x-gitlab-token", TOKEN)]), body).await });
    }
    assert_eq!(senders.join_all().await, [202; 12]);
}

#[tokio::test]
async fn strangers_cost_at_most_64_kib() {
    let now = Timestamp::now().as_second();
    let forged = format!("webhook-id: m\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,AAAA\r\n");
    let stale = format!("webhook-id: m\r\nwebhook-timestamp: {}\r\nwebhook-signature: v1,AAAA\r\n", now - 400);
    let right = format!("X-Gitlab-Token: {TOKEN}\r\n");
    let wrong = "X-Gitlab-Token: wrong\r\n".to_owned();
    for (hooks, heads) in [
        (vec![token(TOKEN)], vec!["", &wrong, &forged]),
        (vec![token(TOKEN), signing(KEY)], vec!["", &wrong, &forged, &stale, &right]),
        (vec![signing(KEY)], vec!["", &wrong, &stale, &right]),
    ] {
        let server = server(hooks).await;
        for head in heads {
            for chunked in [false, true] {
                let (status, read) = server.flood(head, chunked).await;
                assert!(status.is_none_or(|status| status == 401), "{head:?}: {status:?}");
                println!("{read} bytes read of {head:?}, chunked {chunked}");
                assert!(read > 0 && read <= STRANGER, "{head:?}, chunked {chunked}: {read} bytes were read");
            }
        }
    }
}

/// A hook that has nothing but a signing token: its large bodies are read before they are believed, in two places in all.
#[tokio::test]
async fn senders_that_only_their_body_proves_have_two_places() {
    let server = server(vec![signing(KEY)]).await;
    let now = Timestamp::now().as_second();
    let head = format!(
        "POST /hooks/gitlab/main HTTP/1.1\r\nHost: x\r\nwebhook-id: m\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,AAAA\r\nContent-Length: 20000000\r\n\r\n"
    );
    let mut squatters = vec![];
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 100_000]).await.unwrap();
        squatters.push(stream);
    }
    let settled = async || {
        let mut before = 0;
        while before != server.read.load(Ordering::Relaxed) {
            before = server.read.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        before
    };
    let before = settled().await;
    assert!(before >= 200_000, "both have a place: {before}");
    let mut third = TcpStream::connect(server.address).await.unwrap();
    third.write_all(head.as_bytes()).await.unwrap();
    let _ = timeout(Duration::from_millis(500), third.write_all(&vec![b' '; 10_000_000])).await;
    let read = settled().await - before;
    assert!(read > 0 && read <= STRANGER, "without a place: {read}");

    let little = pipeline("shop/api", 30_000);
    assert_eq!(server.post(signed(KEY, &little, 0), little).await, 202, "little ones need no place");
    drop((squatters, third));
    let large = pipeline("shop/api", 1_000_000);
    assert_eq!(server.post(signed(KEY, &large, 0), large).await, 202, "places become free again");
}

#[tokio::test]
async fn an_endless_head_is_cut() {
    let server = server(vec![token(TOKEN)]).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /hooks/gitlab/main HTTP/1.1\r\n").await.unwrap();
    while stream.write_all(format!("x-filler: {}\r\n", "y".repeat(1_000)).as_bytes()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(server.read.load(Ordering::Relaxed) <= STRANGER);
}

/// Each of the slow senders is let go within the request's time.
#[tokio::test]
async fn slow_senders_are_let_go() {
    let server = server(vec![token(TOKEN)]).await;
    let begin = async |text: String| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = vec![];
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("it is let go");
        (String::from_utf8(answer).unwrap(), began.elapsed())
    };
    let head = "POST /hooks/gitlab/main HTTP/1.1\r\nHost: x\r\n";
    let (slow_body, slow_head) = tokio::join!(
        begin(format!("{head}X-Gitlab-Token: {TOKEN}\r\nContent-Length: 1000\r\n\r\n{{")),
        begin(format!("{head}X-Gitlab-To")),
    );
    assert!(slow_body.0.starts_with("HTTP/1.1 408"), "{slow_body:?}");
    for (_, time) in [slow_body, slow_head] {
        assert!(time <= Duration::from_millis(10_500), "{time:?}");
    }
}

/// A store that fails in one way.
#[derive(Clone, Copy)]
enum Faulty {
    Broken,
    Hanging,
    Panicking,
}

impl Faulty {
    async fn fail<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Broken => Err(StoreError("the disk is gone".into())),
            Self::Hanging => std::future::pending().await,
            Self::Panicking => panic!("a test's own panic"),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn push(&self, _: &Hint) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn claim(&self, _: Timestamp, _: jiff::SignedDuration) -> Result<Option<Claim>, StoreError> {
        self.fail().await
    }

    async fn renew(&self, _: &mut Claim, _: Timestamp) -> Result<bool, StoreError> {
        self.fail().await
    }

    async fn finish(&self, _: &Claim) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn postpone(&self, _: &Claim, _: Timestamp) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn depth(&self) -> Result<Depth, StoreError> {
        self.fail().await
    }

    async fn get(&self, _: Space, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.fail().await
    }

    async fn put(&self, _: Space, _: &str, _: &[u8]) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn put_new(&self, _: Space, _: &str, _: &[u8]) -> Result<bool, StoreError> {
        self.fail().await
    }

    async fn delete(&self, _: Space, _: &str) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn scan(&self, _: Space, _: &str, _: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.fail().await
    }

    async fn append(&self, _: u64, _: &[u8]) -> Result<bool, StoreError> {
        self.fail().await
    }

    async fn log(&self, _: u64, _: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.fail().await
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        self.fail().await
    }
}

#[tokio::test]
async fn a_hint_that_cannot_be_kept_is_answered_503_in_time() {
    let headers = header_map(&[("x-gitlab-token", TOKEN)]);
    for (fault, status) in [(Faulty::Broken, 503), (Faulty::Hanging, 503), (Faulty::Panicking, 500)] {
        let server = server_on(vec![token(TOKEN)], Arc::new(fault)).await;
        let began = Instant::now();
        assert_eq!(server.post(headers.clone(), pipeline("shop/api", 0)).await, status);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(server.post(headers.clone(), "{}").await, 200, "the server goes on, and needs no store for nothing");
        let healthy = server.client.get(server.url("/healthz")).send().await.unwrap();
        assert_eq!(healthy.status(), 200);
    }
}

struct Idle;

#[async_trait]
impl Handler for Idle {
    async fn handle(&self, _: &Hint, _: u32) -> Handled {
        Handled::Done
    }
}

#[tokio::test]
async fn readiness_needs_a_store_that_writes_and_workers_that_work() {
    let ready = async |server: &Server| {
        *server.face.ready.lock().await = None;
        let response = server.client.get(server.url("/readyz")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let broken = server_on(vec![], Arc::new(Faulty::Broken)).await;
    assert_eq!(ready(&broken).await, (503, "store: failing\nworkers: failing\n".into()));
    let server = server(vec![]).await;
    assert_eq!(ready(&server).await, (503, "store: ok\nworkers: failing\n".into()));
    let stop = CancellationToken::new();
    let workers = tokio::spawn(run(server.face.queue.clone(), Arc::new(Idle), Pace::default(), stop.clone()));
    while !server.face.queue.workers_alive() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ready(&server).await, (200, "store: ok\nworkers: ok\n".into()));
    stop.cancel();
    workers.await.unwrap();
    let cached = server.client.get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(cached.status(), 200, "a stranger's questions cost one write in two seconds");
    assert_eq!(ready(&server).await.0, 503);
}

#[tokio::test]
async fn serving_stops_with_open_requests_answered() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve::serve(listener, router(face(vec![token(TOKEN)], store.clone())), stop.clone()));
    let body = pipeline("shop/api", 0);
    let mut open = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /hooks/gitlab/main HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: {TOKEN}\r\nContent-Length: {}\r\n\r\n", body.len());
    open.write_all(head.as_bytes()).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0, "an idle connection is closed");
    open.write_all(body.as_bytes()).await.unwrap();
    let mut answer = vec![];
    open.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", answer.escape_ascii());
    timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert_eq!(store.depth().await.unwrap().waiting, 1);
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn a_weak_signing_token_stops_the_start_and_is_not_shown() {
    let settings = |hooks| Settings { listen: ([127, 0, 0, 1], 0).into(), public_url: "http://127.0.0.1/".parse().unwrap(), hooks };
    let queue = || Queue::new(Arc::new(MemoryStore::default()), Arc::default());
    for bad in ["plain-words", "whsec_", "whsec_c2hvcnQ=", "whsec_***"] {
        let found = Face::new(&settings(vec![signing(bad), token(TOKEN)]), queue()).err().unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("main") && !found[0].to_string().contains("c2hvcnQ"), "{}", found[0]);
    }
    assert!(Face::new(&settings(vec![signing(KEY), token(TOKEN)]), queue()).is_ok());
}

#[tokio::test]
async fn neither_bodies_nor_secrets_reach_the_log() {
    #[derive(Clone, Default)]
    struct Seen(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let seen = Seen::default();
    let writer = seen.clone();
    // Our own events at every level; what libraries say above warnings is off in `log::init`.
    let subscriber =
        tracing_subscriber::fmt().with_env_filter("warn,countersign=trace").with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = server(vec![token(TOKEN)]).await;
    let body = pipeline("shop/api", 0).replace("xx", "VARIABLE-VALUE");
    let headers = header_map(&[("x-gitlab-token", TOKEN), ("idempotency-key", "key-1")]);
    assert_eq!(server.post(headers.clone(), body).await, 202);
    assert_eq!(server.post(headers, "VARIABLE-VALUE").await, 200);
    assert_eq!(server.post_to("VARIABLE-VALUE", HeaderMap::new(), "VARIABLE-VALUE").await.0, 401);
    let text = String::from_utf8(seen.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 3, "one event, one line:\n{text}");
    assert!(text.contains("key-1") && text.contains("kind=\"pipeline\"") && text.contains("project=7"), "{text}");
    assert!(!text.contains("VARIABLE-VALUE") && !text.contains(TOKEN), "{text}");
}
