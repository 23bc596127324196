//! Every look against a registry in this process, and everything that can go wrong with it.
#![cfg(test)]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::Secret;
use crate::model::signer::{Layout, Shape};
use crate::sandbox::registry::{Account, Auth, Fault, Options, Referrers, RegistryDouble, media};
use crate::verdict::facts::WhyKind;

const REPOSITORY: &str = "shop/api";

/// A registry with one image, and ourselves.
struct Scene {
    double: RegistryDouble,
    registry: Registry,
    image: PinnedImage,
}

fn quick() -> Limits {
    Limits { pause: Duration::from_millis(1), ..Limits::default() }
}

fn settings(double: &RegistryDouble) -> Settings {
    Settings { host: double.host(), login: None, token_hosts: vec![], plain_http: true, ca_pem: None }
}

fn login(password: &str) -> Option<Login> {
    Some(Login { username: "robot".into(), password: Secret::new(password).unwrap() })
}

async fn double(options: Options) -> RegistryDouble {
    RegistryDouble::start("127.0.0.1:0", options).await.unwrap()
}

async fn scene_with(options: Options, change: impl FnOnce(&mut Settings)) -> Scene {
    let double = double(options).await;
    let digest = double.push_image(REPOSITORY, "v1", "one");
    let mut settings = settings(&double);
    change(&mut settings);
    let registry = Registry::with_limits(vec![settings], quick()).unwrap();
    let image = PinnedImage { repository: format!("{}/{REPOSITORY}", double.host()).parse().unwrap(), digest };
    Scene { double, registry, image }
}

async fn scene() -> Scene {
    scene_with(Options::default(), |_| {}).await
}

async fn scene_without_api() -> Scene {
    scene_with(Options { referrers: Referrers::Off, ..Options::default() }, |_| {}).await
}

fn accounts() -> Vec<Account> {
    vec![Account { name: "robot".into(), password: "s3cret".into(), push: false }]
}

fn with_tokens(realm: Option<String>, anonymous_pull: bool) -> Options {
    let auth = Auth::Token { accounts: accounts(), realm, lifetime: Duration::from_secs(300), anonymous_pull };
    Options { auth, ..Options::default() }
}

impl Scene {
    async fn resolve(&self, tag: &str) -> Looked<Digest> {
        self.registry.resolve(&self.image.repository, tag).await
    }

    async fn evidence(&self) -> Looked<Evidence> {
        self.registry.evidence(&self.image).await
    }

    async fn items(&self) -> Vec<EvidenceItem> {
        match self.evidence().await {
            Looked::Found(evidence) => evidence.items,
            other => panic!("{other:?}"),
        }
    }

    /// The reason of the one item there is.
    async fn reason(&self) -> String {
        match self.items().await.as_slice() {
            [EvidenceItem { content: EvidenceContent::Unreadable { reason, .. }, .. }] => reason.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn bundle(&self, text: &str) -> Digest {
        self.double.attach_bundle(REPOSITORY, self.image.digest, text.as_bytes())
    }

    fn attach(&self, manifest: &Value) -> Digest {
        self.double.attach(REPOSITORY, self.image.digest, manifest.to_string().as_bytes())
    }

    fn signature(&self, payload: &str) -> Digest {
        let annotations = json!({"dev.cosignproject.cosign/signature": "MEUC"});
        self.double.add_signature(REPOSITORY, self.image.digest, payload.as_bytes(), annotations)
    }
}

impl Scene {
    /// Puts this many signatures over one payload under `.sig`.
    fn signatures(&self, count: usize, payload: &str) {
        let mut layer = self.double.descriptor(REPOSITORY, media::SIMPLE_SIGNING, payload.as_bytes());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "MEUC"});
        let config = self.double.descriptor(REPOSITORY, media::CONFIG, b"{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": media::IMAGE, "config": config, "layers": vec![layer; count]});
        let tag = format!("sha256-{}.sig", self.image.digest.hex());
        self.double.put_manifest(REPOSITORY, Some(&tag), media::IMAGE, manifest.to_string().as_bytes());
    }
}

fn kind<T: std::fmt::Debug>(looked: &Looked<T>) -> Option<WhyKind> {
    looked.unreachable().map(|why| why.kind)
}

fn bundle_of(text: &str) -> EvidenceContent {
    EvidenceContent::Bundle { bytes: text.into(), media_type: media::BUNDLE.into() }
}

fn has_bundle(items: &[EvidenceItem], layout: Layout, text: &str) -> bool {
    items.iter().any(|item| item.layout == layout && item.content == bundle_of(text))
}

// ---------- tags and manifests

#[tokio::test]
async fn a_tag_resolves_by_one_head_request() {
    let scene = scene().await;
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert_eq!(scene.double.requests().len(), 1);
    assert_eq!(scene.double.count("HEAD /v2/shop/api/manifests/v1"), 1);
    let moved = scene.double.push_image(REPOSITORY, "v1", "two");
    assert_eq!(scene.resolve("v1").await, Looked::Found(moved));
}

#[tokio::test]
async fn a_registry_without_digest_header_is_asked_for_the_bytes() {
    let scene = scene().await;
    scene.double.fault("*", Fault::Without("docker-content-digest"));
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert_eq!(scene.double.count("GET /v2/shop/api/manifests/v1"), 1);
}

#[tokio::test]
async fn a_digest_header_that_is_no_sha256_or_lies_is_unreadable() {
    let scene = scene().await;
    let upper = format!("sha256:{}", scene.image.digest.hex().to_uppercase());
    for said in [upper, "sha512:00".into(), String::new()] {
        scene.double.fault("*", Fault::With("docker-content-digest", said.clone()));
        assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Unreadable), "{said}");
        scene.double.heal();
    }
    scene.double.fault("HEAD *", Fault::Without("docker-content-digest"));
    scene.double.fault("GET *", Fault::With("docker-content-digest", Digest::of(b"other").to_string()));
    assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Unreadable));
}

#[tokio::test]
async fn what_the_registry_says_is_not_there_is_absent() {
    let scene = scene().await;
    assert_eq!(scene.resolve("v2").await, Looked::Absent);
    assert_eq!(scene.resolve("not a tag").await, Looked::Absent);
    let nowhere: Repository = format!("{}/no/such", scene.double.host()).parse().unwrap();
    assert_eq!(scene.registry.resolve(&nowhere, "v1").await, Looked::Absent);
    assert_eq!(scene.registry.reachable(&nowhere).await, Looked::Absent);
    assert_eq!(scene.registry.reachable(&scene.image.repository).await, Looked::Found(()));
    let unknown = PinnedImage { digest: Digest::of(b"x"), ..scene.image.clone() };
    assert!(matches!(scene.registry.manifest(&unknown).await, Looked::Absent));
    scene.double.fault("*", Fault::Text(404, "application/json", String::new()));
    assert_eq!(scene.resolve("v1").await, Looked::Absent, "the specification allows a 404 without words");
}

#[tokio::test]
async fn a_manifest_comes_as_it_is_stored() {
    let scene = scene().await;
    let found = scene.registry.manifest(&scene.image).await.found().cloned().unwrap();
    assert_eq!((found.digest, found.media_type), (scene.image.digest, MediaType::OciImage));
    assert_eq!(Some(found.bytes), scene.double.manifest(REPOSITORY, scene.image.digest));
    let digest = scene.double.push_index(REPOSITORY, "multi", &[scene.image.digest]);
    let index = PinnedImage { digest, ..scene.image.clone() };
    assert_eq!(scene.registry.manifest(&index).await.found().unwrap().media_type, MediaType::OciIndex);
}

#[tokio::test]
async fn a_manifest_of_other_bytes_is_unreadable() {
    let scene = scene().await;
    for fault in [Fault::WrongBytes, Fault::Longer(1), Fault::Shorter(1)] {
        scene.double.fault("GET *", fault.clone());
        assert_eq!(kind(&scene.registry.manifest(&scene.image).await), Some(WhyKind::Unreadable), "{fault:?}");
        scene.double.heal();
    }
    // Right hash, two meanings.
    let both = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"layers":[]}"#;
    let digest = scene.double.put_manifest(REPOSITORY, None, media::INDEX, both);
    let image = PinnedImage { digest, ..scene.image.clone() };
    assert_eq!(kind(&scene.registry.manifest(&image).await), Some(WhyKind::Unreadable));
}

// ---------- the third answer

#[tokio::test]
async fn a_failing_registry_is_never_absence() {
    let scene = scene().await;
    let far = format!("http://{}/x", scene.double.host());
    for (fault, expected) in [
        (Fault::Status(401), WhyKind::Refused),
        (Fault::Status(403), WhyKind::Refused),
        (Fault::Status(429), WhyKind::Limited),
        (Fault::Status(500), WhyKind::Down),
        (Fault::Status(503), WhyKind::Down),
        (Fault::Html(502), WhyKind::Down),
        (Fault::Status(408), WhyKind::Down),
        (Fault::Status(418), WhyKind::Unreadable),
        (Fault::Html(404), WhyKind::Unreadable),
        (Fault::Text(404, "text/html", String::new()), WhyKind::Unreadable),
        (Fault::Html(200), WhyKind::Unreadable),
        (Fault::Text(404, "text/plain", "404 page not found".into()), WhyKind::Unreadable),
        (Fault::Text(404, "application/json", r#"{"errors":[{"code":"DENIED"}]}"#.into()), WhyKind::Refused),
        (Fault::Text(404, "application/json", r#"{"errors":[{"code":"UNKNOWN"}]}"#.into()), WhyKind::Unreadable),
        (Fault::Text(404, "application/json", r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#.into()), WhyKind::Limited),
        (Fault::Oversized(limits::MANIFEST + 1), WhyKind::TooLarge),
        (Fault::RedirectTo("https://169.254.169.254/latest".into()), WhyKind::Unreadable),
        (Fault::RedirectTo(far), WhyKind::Unreadable),
    ] {
        scene.double.fault("*", fault.clone());
        if let Fault::Oversized(_) = fault {
            // A HEAD has no body to be too large.
            scene.double.heal();
            scene.double.fault("HEAD *", Fault::Without("docker-content-digest"));
            scene.double.fault("GET *", fault.clone());
        }
        assert_eq!(kind(&scene.resolve("v1").await), Some(expected), "resolve: {fault:?}");
        assert_eq!(kind(&scene.registry.manifest(&scene.image).await), Some(expected), "manifest: {fault:?}");
        assert_eq!(kind(&scene.evidence().await), Some(expected), "evidence: {fault:?}");
        scene.double.heal();
    }
}

#[tokio::test]
async fn one_failing_place_ends_the_look_even_if_another_has_a_signature() {
    let scene = scene_without_api().await;
    let referrer = scene.bundle("good");
    scene.signature("good");
    let blob = Digest::of(b"good");
    let hex = scene.image.digest.hex();
    for place in [
        format!("referrers/sha256:{hex}"),
        format!("manifests/sha256-{hex}"),
        format!("manifests/sha256-{hex}.sig"),
        format!("manifests/sha256-{hex}.att"),
        format!("manifests/{referrer}"),
        format!("blobs/{blob}"),
    ] {
        for (status, expected) in [(401, WhyKind::Refused), (403, WhyKind::Refused), (429, WhyKind::Limited), (500, WhyKind::Down)] {
            scene.double.fault(&format!("GET /v2/shop/api/{place}"), Fault::Status(status));
            assert_eq!(kind(&scene.evidence().await), Some(expected), "{place}: {status}");
            scene.double.heal();
        }
        scene.double.fault(&format!("GET /v2/shop/api/{place}"), Fault::Drop);
        let dropped = scene.evidence().await;
        assert_eq!(kind(&dropped), Some(WhyKind::Down), "{place}: {dropped:?}");
        scene.double.heal();
    }
    assert_eq!(scene.items().await.len(), 2);
}

#[tokio::test]
async fn a_silent_registry_could_not_be_checked_in_time() {
    let scene = scene().await;
    scene.double.fault("*", Fault::Slow(Duration::from_secs(20)));
    let ask = |limits| Registry::with_limits(vec![settings(&scene.double)], limits).unwrap();
    let request = ask(Limits { request: Duration::from_millis(200), ..quick() });
    assert_eq!(kind(&request.evidence(&scene.image).await), Some(WhyKind::Down));
    let look = ask(Limits { look: Duration::from_millis(200), ..quick() });
    assert_eq!(kind(&look.evidence(&scene.image).await), Some(WhyKind::Down));
}

#[tokio::test]
async fn a_stopped_registry_could_not_be_checked() {
    let Scene { double, registry, image } = scene().await;
    drop(double);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(kind(&registry.resolve(&image.repository, "v1").await), Some(WhyKind::Down));
}

#[tokio::test]
async fn a_passing_failure_is_asked_again_a_refusal_is_not() {
    let scene = scene().await;
    for fault in [Fault::Status(503), Fault::Status(429)] {
        scene.double.fault_times(2, "*", fault);
        assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
        scene.double.heal();
    }
    scene.double.forget_requests();
    scene.double.fault_times(1, "*", Fault::Status(403));
    assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Refused));
    assert_eq!(scene.double.requests().len(), 1);
}

#[tokio::test]
async fn a_registry_that_is_not_configured_is_not_called() {
    let scene = scene().await;
    let other = double(Options::default()).await;
    let repository: Repository = format!("{}/a/b", other.host()).parse().unwrap();
    assert_eq!(kind(&scene.registry.resolve(&repository, "v1").await), Some(WhyKind::Refused));
    assert!(other.requests().is_empty());
}

#[test]
fn settings_that_would_leak_or_mislead_are_refused() {
    let base = Settings { host: "registry.example.com".into(), login: None, token_hosts: vec![], plain_http: false, ca_pem: None };
    let new = |change: fn(&mut Settings)| {
        let mut settings = base.clone();
        change(&mut settings);
        Registry::new(vec![settings]).map(|_| ())
    };
    assert!(new(|_| {}).is_ok());
    assert!(new(|s| s.token_hosts = vec!["gitlab.example.com:8443".into()]).is_ok());
    assert!(matches!(new(|s| s.plain_http = true), Err(BadSettings::PlainHttp { .. })));
    for host in ["", "a/b", "user@registry.example.com", "registry.example.com?x", "registry.example.com#x", "a b"] {
        let mut settings = base.clone();
        settings.host = host.into();
        assert!(matches!(Registry::new(vec![settings]), Err(BadSettings::NotAHost { .. })), "{host}");
        let settings = Settings { token_hosts: vec![host.into()], ..base.clone() };
        assert!(matches!(Registry::new(vec![settings]), Err(BadSettings::NotAHost { .. })), "{host}");
    }
    let upper = Settings { host: "Registry.example.com".into(), ..base.clone() };
    assert!(matches!(Registry::new(vec![base, upper]), Err(BadSettings::Twice { .. })));
}

// ---------- logins

#[tokio::test]
async fn one_token_a_scope_is_reused_and_fetched_anew_once_revoked() {
    let scene = scene_with(with_tokens(None, false), |s| s.login = login("s3cret")).await;
    let tokens = || scene.double.count("GET /jwt/auth");
    assert_eq!(scene.evidence().await, Looked::Absent);
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert_eq!(tokens(), 1, "four requests at once share one token");
    let asked = scene.double.requests().into_iter().find(|seen| seen.path == "/jwt/auth").unwrap();
    assert_eq!(asked.query, "service=container_registry&scope=repository%3Ashop%2Fapi%3Apull");
    scene.double.revoke_tokens();
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert_eq!(tokens(), 2);
    let other: Repository = format!("{}/other/app", scene.double.host()).parse().unwrap();
    scene.double.push_image("other/app", "v1", "x");
    assert!(scene.registry.resolve(&other, "v1").await.found().is_some());
    assert_eq!(tokens(), 3, "another repository is another scope");
}

#[tokio::test]
async fn a_refused_login_is_refused_and_says_no_secret() {
    let scene = scene_with(with_tokens(None, false), |s| s.login = login("hunter2")).await;
    let Looked::Unreachable(why) = scene.evidence().await else { panic!("a wrong password opened the registry") };
    assert_eq!(why.kind, WhyKind::Refused);
    assert!(!format!("{why:?} {:?}", scene.registry).contains("hunter2"));
    let anonymous = scene_with(with_tokens(None, false), |_| {}).await;
    assert_eq!(kind(&anonymous.resolve("v1").await), Some(WhyKind::Refused));
    // A token that opens nothing is asked for once, not for ever.
    let useless = scene_with(with_tokens(None, false), |s| s.login = login("s3cret")).await;
    useless.double.fault("GET /jwt/auth", Fault::Text(200, "application/json", r#"{"token":"x"}"#.into()));
    assert_eq!(kind(&useless.resolve("v1").await), Some(WhyKind::Refused));
    assert_eq!(useless.double.count("GET /jwt/auth"), 1);
}

#[tokio::test]
async fn a_failing_token_server_is_told_apart() {
    let scene = scene_with(with_tokens(None, false), |s| s.login = login("s3cret")).await;
    for (fault, expected) in [
        (Fault::Status(403), WhyKind::Refused),
        (Fault::Status(429), WhyKind::Limited),
        (Fault::Status(500), WhyKind::Down),
        (Fault::Html(200), WhyKind::Unreadable),
        (Fault::Text(200, "application/json", "{}".into()), WhyKind::Unreadable),
        (Fault::Text(200, "application/json", r#"{"token":"a\nb"}"#.into()), WhyKind::Unreadable),
        (Fault::Oversized(limits::WORDS + 1), WhyKind::TooLarge),
        (Fault::RedirectTo("https://gitlab.example.com/jwt/auth".into()), WhyKind::Unreadable),
    ] {
        scene.double.fault("GET /jwt/auth", fault.clone());
        assert_eq!(kind(&scene.resolve("v1").await), Some(expected), "{fault:?}");
        scene.double.heal();
    }
}

#[tokio::test]
async fn a_token_server_that_is_not_configured_never_gets_the_login() {
    let evil = double(with_tokens(None, true)).await;
    let realm = format!("http://{}/jwt/auth", evil.host());
    let scene = scene_with(with_tokens(Some(realm.clone()), false), |s| s.login = login("s3cret")).await;
    assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Refused));
    assert!(evil.requests().is_empty());
    // A configured one does: the check can tell them apart.
    let configured = scene_with(with_tokens(Some(realm.clone()), false), |s| {
        s.login = login("s3cret");
        s.token_hosts = vec![evil.host()];
    })
    .await;
    assert_eq!(kind(&configured.resolve("v1").await), Some(WhyKind::Refused), "its token opens nothing here");
    assert!(evil.requests().iter().all(|seen| seen.authorization.as_deref().is_some_and(|a| a.starts_with("Basic "))));
    assert_eq!(evil.count("GET /jwt/auth"), 1);
    // Without a login there is nothing to lose: a public token server may be asked, a private one may not.
    evil.forget_requests();
    let anonymous = scene_with(with_tokens(Some(realm), true), |_| {}).await;
    assert_eq!(kind(&anonymous.resolve("v1").await), Some(WhyKind::Refused));
    assert!(evil.requests().iter().all(|seen| seen.authorization.is_none()) && evil.requests().len() == 1);
    let private = scene_with(with_tokens(Some("https://10.0.0.1/jwt/auth".into()), true), |_| {}).await;
    assert_eq!(kind(&private.resolve("v1").await), Some(WhyKind::Unreadable));
}

#[tokio::test]
async fn public_images_are_read_without_a_login() {
    let scene = scene_with(with_tokens(None, true), |_| {}).await;
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert!(scene.double.requests().iter().all(|seen| seen.authorization.as_deref().is_none_or(|a| a.starts_with("Bearer "))));
}

#[tokio::test]
async fn basic_login_opens_a_basic_registry() {
    let options = || Options { auth: Auth::Basic(accounts()), ..Options::default() };
    let scene = scene_with(options(), |s| s.login = login("s3cret")).await;
    assert_eq!(scene.resolve("v1").await, Looked::Found(scene.image.digest));
    assert_eq!(scene.evidence().await, Looked::Absent);
    for wrong in [login("wrong"), None] {
        let scene = scene_with(options(), |s| s.login = wrong).await;
        assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Refused));
    }
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_login() {
    let scene = scene_with(with_tokens(None, false), |s| s.login = login("s3cret")).await;
    let storage = double(Options::default()).await;
    scene.signature("payload");
    let blob = storage.put_blob("store", b"payload");
    scene.double.fault("GET /v2/shop/api/blobs/*", Fault::RedirectTo(format!("http://{}/v2/store/blobs/{blob}?sig=x", storage.host())));
    assert!(matches!(&scene.items().await[0].content, EvidenceContent::SimpleSigning { payload, .. } if payload == b"payload"));
    let seen = storage.requests();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].authorization.is_none());
    storage.fault("*", Fault::Status(403));
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Refused));
}

#[tokio::test]
async fn a_redirect_inside_or_in_clear_is_not_followed() {
    let scene = scene().await;
    scene.signature("payload");
    for target in [
        "https://10.1.2.3/blob",
        "https://[fd00::1]/blob",
        "http://storage.example.com/blob",
        "https://u:p@storage.example.com/",
        "//",
        "ftp://x/",
    ] {
        scene.double.fault("GET /v2/shop/api/blobs/*", Fault::RedirectTo(target.into()));
        assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable), "{target}");
        scene.double.heal();
    }
    scene.double.fault("GET /v2/shop/api/blobs/*", Fault::Text(307, "text/plain", String::new()));
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable), "no Location");
    scene.double.heal();
    scene.double.forget_requests();
    scene.double.fault("*", Fault::RedirectTo(format!("http://{}/v2/x", scene.double.host())));
    assert_eq!(kind(&scene.resolve("v1").await), Some(WhyKind::Unreadable), "a loop");
    assert_eq!(scene.double.requests().len(), limits::REDIRECTS + 1);
}

// ---------- evidence

#[tokio::test]
async fn nothing_in_any_place_is_absent_after_four_requests() {
    for scene in [scene().await, scene_without_api().await] {
        assert_eq!(scene.evidence().await, Looked::Absent);
        assert_eq!(scene.double.requests().len(), 4);
    }
}

#[tokio::test]
async fn bundles_are_found_by_api_and_by_fallback_tag() {
    for (scene, layout) in [(scene().await, Layout::Referrers), (scene_without_api().await, Layout::FallbackTag)] {
        let manifest = scene.bundle("{}");
        let items = scene.items().await;
        assert_eq!(items, [EvidenceItem { layout, manifest, content: bundle_of("{}") }]);
        scene.bundle("{\"n\":2}");
        assert_eq!(scene.items().await.len(), 2);
    }
}

#[tokio::test]
async fn an_index_that_outlived_the_api_s_coming_is_still_read() {
    let scene = scene_without_api().await;
    scene.bundle("both");
    let subject = Digest::of(b"gone").to_string();
    scene.double.change(|options| options.referrers = Referrers::Api { page: 100 });
    assert!(has_bundle(&scene.items().await, Layout::Referrers, "both"), "what both list is named once, by the API");
    assert_eq!(scene.items().await.len(), 1);
    // The API answers, but with an empty list, as after a migration without back-filling.
    let empty = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": null, "annotations": {"x": subject}}).to_string();
    scene.double.fault("GET /v2/*/referrers/*", Fault::Text(200, media::INDEX, empty));
    assert!(has_bundle(&scene.items().await, Layout::FallbackTag, "both"));
}

#[tokio::test]
async fn legacy_signature_and_attestation_bring_every_annotation() {
    let scene = scene().await;
    let subject = scene.image.digest;
    let annotations = json!({
        "dev.cosignproject.cosign/signature": "MEUC", "dev.sigstore.cosign/certificate": "CERT", "dev.sigstore.cosign/chain": "CHAIN",
        "dev.sigstore.cosign/bundle": "{\"Payload\":1}", "dev.sigstore.cosign/rfc3161timestamp": "{\"T\":1}",
    });
    let sig = scene.double.add_signature(REPOSITORY, subject, b"payload", annotations);
    let att = scene.double.add_attestation(REPOSITORY, subject, b"envelope", json!({"dev.cosignproject.cosign/signature": ""}));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        scene.items().await,
        [
            EvidenceItem {
                layout: Layout::LegacyTag,
                manifest: sig,
                content: EvidenceContent::SimpleSigning {
                    payload: b"payload".into(),
                    signature_b64: "MEUC".into(),
                    certificate_pem: some("CERT"),
                    chain_pem: some("CHAIN"),
                    rekor_bundle_json: some("{\"Payload\":1}"),
                    rfc3161_json: some("{\"T\":1}"),
                },
            },
            EvidenceItem {
                layout: Layout::LegacyTag,
                manifest: att,
                content: EvidenceContent::Dsse {
                    envelope: b"envelope".into(),
                    certificate_pem: None,
                    chain_pem: None,
                    rekor_bundle_json: None,
                    rfc3161_json: None,
                },
            },
        ]
    );
}

#[tokio::test]
async fn every_layout_is_found_at_once() {
    let scene = scene().await;
    scene.bundle("bundle");
    scene.signature("payload");
    scene.double.add_attestation(REPOSITORY, scene.image.digest, b"envelope", json!({}));
    // Cosign 2's OCI 1.1 experiment: simple signing with a subject, no artifactType.
    let mut layer = scene.double.descriptor(REPOSITORY, media::SIMPLE_SIGNING, b"experiment");
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "MEUC"});
    let mut manifest = scene.double.referrer(REPOSITORY, scene.image.digest, "", layer);
    manifest.as_object_mut().unwrap().remove("artifactType");
    scene.attach(&manifest);
    let items = scene.items().await;
    assert_eq!(items.len(), 4, "{items:?}");
    assert!(!items.iter().any(|item| matches!(item.content, EvidenceContent::Unreadable { .. })), "{items:?}");
}

#[tokio::test]
async fn every_page_of_the_listing_is_read() {
    let scene = scene_with(Options { referrers: Referrers::Api { page: 2 }, ..Options::default() }, |_| {}).await;
    for n in 0..7 {
        scene.bundle(&format!("bundle {n}"));
    }
    assert_eq!(scene.items().await.len(), 7);
    assert_eq!(scene.double.count("GET /v2/*/referrers/*"), 4);
    // A page that is missing is not an end.
    for fault in [Fault::Status(404), Fault::Html(200), Fault::Html(404)] {
        scene.double.fault_times(1, "GET /v2/*/referrers/*", Fault::Shorter(0));
        scene.double.fault("GET /v2/*/referrers/*", fault.clone());
        assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable), "{fault:?}");
        scene.double.heal();
    }
}

#[tokio::test]
async fn a_listing_without_end_is_too_large() {
    let scene = scene().await;
    let next = format!("</v2/shop/api/referrers/{}>; rel=\"next\"", scene.image.digest);
    scene.double.fault("GET /v2/*/referrers/*", Fault::With("link", next));
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::TooLarge));
    assert_eq!(scene.double.count("GET /v2/*/referrers/*"), limits::PAGES);
}

#[tokio::test]
async fn a_listing_that_goes_on_elsewhere_is_not_followed() {
    let evil = double(Options::default()).await;
    let scene = scene_with(with_tokens(None, false), |s| s.login = login("s3cret")).await;
    let long = format!("</v2/shop/api/referrers/{}>; rel=\"{}next\"", scene.image.digest, "x ".repeat(limits::LINK / 2));
    for link in [format!("<http://{}/v2/x>; rel=\"next\"", evil.host()), "no link".into(), long] {
        scene.double.fault("GET /v2/*/referrers/*", Fault::With("link", link.clone()));
        assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable), "{link}");
        scene.double.heal();
    }
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn two_hundred_junk_entries_do_not_hide_a_good_one() {
    for (scene, layout) in [(scene().await, Layout::Referrers), (scene_without_api().await, Layout::FallbackTag)] {
        for n in 0..200 {
            let layer = scene.double.descriptor(REPOSITORY, "application/octet-stream", format!("junk {n}").as_bytes());
            scene.attach(&scene.double.referrer(REPOSITORY, scene.image.digest, "application/vnd.example.junk", layer));
        }
        assert_eq!(scene.evidence().await, Looked::Absent, "junk is no evidence");
        scene.bundle("good");
        let items = scene.items().await;
        assert!(items.len() == 1 && has_bundle(&items, layout, "good"), "{items:?}");
    }
}

#[tokio::test]
async fn two_hundred_junk_signatures_do_not_hide_a_good_one() {
    let scene = scene().await;
    for n in 0..200 {
        scene.signature(&format!("junk {}", n % 100));
    }
    scene.signature("good");
    let items = scene.items().await;
    assert_eq!(items.len(), 201);
    assert!(items.iter().any(|i| matches!(&i.content, EvidenceContent::SimpleSigning { payload, .. } if payload == b"good")));
    assert_eq!(scene.double.count("GET /v2/*/blobs/*"), 101, "a blob that many layers share is fetched once");
}

#[tokio::test]
async fn too_many_entries_could_not_be_checked() {
    let scene = scene_without_api().await;
    let entry = |n: usize| json!({"mediaType": media::IMAGE, "size": 1, "digest": Digest::of(&n.to_be_bytes()).to_string()});
    let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": (0..=limits::LISTED).map(entry).collect::<Vec<_>>()});
    let tag = format!("sha256-{}", scene.image.digest.hex());
    scene.double.put_manifest(REPOSITORY, Some(&tag), media::INDEX, index.to_string().as_bytes());
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::TooLarge));
    let other = scene_without_api().await;
    other.signatures(limits::ITEMS + 1, "payload");
    assert_eq!(kind(&other.evidence().await), Some(WhyKind::TooLarge));
    other.signatures(limits::ITEMS, "payload");
    assert_eq!(other.items().await.len(), limits::ITEMS);
}

#[tokio::test]
async fn evidence_over_the_limit_together_could_not_be_checked() {
    let scene = scene().await;
    scene.signatures(limits::EVIDENCE / limits::BLOB + 1, &" ".repeat(limits::BLOB));
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::TooLarge));
    assert_eq!(scene.double.count("GET /v2/*/blobs/*"), 0);
}

#[tokio::test]
async fn an_item_with_false_bytes_or_size_stays_in_the_list() {
    let scene = scene().await;
    let manifest = scene.bundle("bundle");
    for fault in [Fault::WrongBytes, Fault::Longer(1), Fault::Longer(limits::BLOB), Fault::Shorter(1), Fault::Html(200), Fault::Status(404)]
    {
        scene.double.fault("GET /v2/*/blobs/*", fault.clone());
        assert!(scene.reason().await.contains("blob"), "{fault:?}");
        scene.double.heal();
    }
    for fault in [Fault::WrongBytes, Fault::Longer(1), Fault::Status(404), Fault::Oversized(limits::MANIFEST + 1)] {
        scene.double.fault(&format!("GET /v2/*/manifests/{manifest}"), fault.clone());
        scene.reason().await;
        scene.double.heal();
    }
    // A bad item beside a good one hides nothing.
    scene.signature("good");
    scene.double.fault(&format!("GET /v2/*/manifests/{manifest}"), Fault::WrongBytes);
    assert_eq!(scene.items().await.len(), 2);
}

#[tokio::test]
async fn descriptors_that_lie_are_named() {
    for (size, expected) in
        [(json!(5), "announced"), (json!(1), "sends more than"), (json!(limits::BLOB + 1), "over the limit"), (json!(-1), "over the limit")]
    {
        let scene = scene().await;
        let mut layer = scene.double.descriptor(REPOSITORY, media::BUNDLE, b"four");
        layer["size"] = size.clone();
        scene.attach(&scene.double.referrer(REPOSITORY, scene.image.digest, media::BUNDLE, layer));
        let reason = scene.reason().await;
        assert!(reason.contains(expected), "{size}: {reason}");
    }
}

/// What cannot be read is what its place and type say, so that an unreadable attestation hides no missing signature.
#[tokio::test]
async fn an_unreadable_item_is_what_its_place_says() {
    for (tag, layer, shape) in [
        (".sig", media::SIMPLE_SIGNING, Shape::Signature),
        (".att", media::DSSE, Shape::Attestation),
        (".att", "text/plain", Shape::Attestation),
        (".sig", "text/plain", Shape::Signature),
        (".att", media::BUNDLE, Shape::Either),
    ] {
        let scene = scene().await;
        let mut layer = scene.double.descriptor(REPOSITORY, layer, b"x");
        layer["size"] = json!(limits::BLOB + 1);
        let config = scene.double.descriptor(REPOSITORY, media::CONFIG, b"{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": media::IMAGE, "config": config, "layers": [layer]});
        let tag = format!("sha256-{}{tag}", scene.image.digest.hex());
        scene.double.put_manifest(REPOSITORY, Some(&tag), media::IMAGE, manifest.to_string().as_bytes());
        scene.reason().await;
        assert_eq!(scene.items().await[0].content.shape(), shape, "{tag} {layer}");
    }
}

#[tokio::test]
async fn a_compressed_bundle_is_not_inflated() {
    let scene = scene().await;
    let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    scene.double.attach_bundle(REPOSITORY, scene.image.digest, &bomb);
    scene.double.fault("GET /v2/*/blobs/*", Fault::With("content-encoding", "gzip".into()));
    assert!(matches!(&scene.items().await[0].content, EvidenceContent::Bundle { bytes, .. } if bytes == &bomb));
}

#[tokio::test]
async fn what_announces_a_signature_and_holds_none_is_unreadable() {
    let scene = scene().await;
    let layer = scene.double.descriptor(REPOSITORY, "application/jose+json", b"{}");
    scene.attach(&scene.double.referrer(REPOSITORY, scene.image.digest, "application/vnd.cncf.notary.signature", layer));
    assert!(scene.reason().await.contains("notary"));
}

#[tokio::test]
async fn odd_content_of_the_tags_is_unreadable() {
    let hex = |scene: &Scene| scene.image.digest.hex();
    let broken = br#"{"schemaVersion":2,"layers":7}"#;
    let no_layers = json!({"schemaVersion": 2, "mediaType": media::IMAGE, "layers": [],
        "config": {"mediaType": media::EMPTY, "size": 2, "digest": Digest::of(b"{}").to_string()}});
    for tag in [".sig", ".att", ""] {
        let scene = scene_without_api().await;
        let tag = format!("sha256-{}{tag}", hex(&scene));
        scene.double.put_manifest(REPOSITORY, Some(&tag), media::IMAGE, broken);
        scene.reason().await;
        scene.double.put_manifest(REPOSITORY, Some(&tag), media::IMAGE, no_layers.to_string().as_bytes());
        scene.reason().await;
        scene.double.put_manifest(REPOSITORY, Some(&tag), "text/plain", no_layers.to_string().as_bytes());
        scene.reason().await;
    }
    let scene = scene().await;
    scene.double.push_index(REPOSITORY, &format!("sha256-{}.sig", hex(&scene)), &[scene.image.digest]);
    assert!(scene.reason().await.contains("index"));
    // A layer without a signature, and a layer of another kind.
    let other = self::scene().await;
    other.double.add_signature(REPOSITORY, other.image.digest, b"payload", json!({}));
    assert!(other.reason().await.contains("no signature"));
    let wrong = self::scene().await;
    wrong.double.tag(REPOSITORY, &format!("sha256-{}.sig", hex(&wrong)), wrong.image.digest);
    assert!(wrong.reason().await.contains("a layer of type"));
}

#[tokio::test]
async fn a_manifest_about_another_image_is_no_evidence() {
    let scene = scene_without_api().await;
    let other = scene.double.push_image(REPOSITORY, "v2", "two");
    let foreign = scene.double.attach_bundle(REPOSITORY, other, b"theirs");
    scene.bundle("ours");
    // Somebody lists the other image's bundle under ours.
    let tag = format!("sha256-{}", scene.image.digest.hex());
    let index = scene.double.manifest(REPOSITORY, scene.double.tagged(REPOSITORY, &tag).unwrap()).unwrap();
    let mut index: Value = serde_json::from_slice(&index).unwrap();
    let entry = json!({"mediaType": media::IMAGE, "size": 1, "digest": foreign.to_string(), "artifactType": media::BUNDLE});
    index["manifests"].as_array_mut().unwrap().push(entry);
    scene.double.put_manifest(REPOSITORY, Some(&tag), media::INDEX, index.to_string().as_bytes());
    let evidence = scene.evidence().await.found().cloned().unwrap();
    assert_eq!((evidence.items.len(), evidence.foreign), (1, 1));
    assert!(has_bundle(&evidence.items, Layout::FallbackTag, "ours"));
}

#[tokio::test]
async fn gitlab_s_registry_naming_the_image_itself_is_no_listing() {
    let options = Options { referrers: Referrers::Off, subject_by_fallback_tag: true, ..Options::default() };
    let scene = scene_with(options, |_| {}).await;
    assert_eq!(scene.evidence().await, Looked::Absent);
    let digest = scene.double.push_index(REPOSITORY, "multi", &[scene.image.digest]);
    let index = PinnedImage { digest, ..scene.image.clone() };
    assert_eq!(scene.registry.evidence(&index).await, Looked::Absent, "platforms are not referrers");
    scene.double.attach_bundle(REPOSITORY, digest, b"good");
    let evidence = scene.registry.evidence(&index).await.found().cloned().unwrap();
    assert!(has_bundle(&evidence.items, Layout::FallbackTag, "good"));
}

#[tokio::test]
async fn a_registry_without_the_api_is_read_by_the_fallback_tag_however_it_says_so() {
    let scene = scene_without_api().await;
    scene.bundle("good");
    for fault in [
        Fault::Html(404),
        Fault::Html(200),
        Fault::Status(400),
        Fault::Status(404),
        Fault::Status(405),
        Fault::Status(406),
        Fault::Status(501),
    ] {
        scene.double.fault("GET /v2/*/referrers/*", fault.clone());
        assert!(has_bundle(&scene.items().await, Layout::FallbackTag, "good"), "{fault:?}");
        scene.double.heal();
    }
    // A refusal in a 404's words is no missing API.
    for (code, expected) in [("DENIED", WhyKind::Refused), ("UNAUTHORIZED", WhyKind::Refused), ("TOOMANYREQUESTS", WhyKind::Limited)] {
        let words = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
        scene.double.fault("GET /v2/*/referrers/*", Fault::Text(404, "application/json", words));
        assert_eq!(kind(&scene.evidence().await), Some(expected), "{code}");
        scene.double.heal();
    }
    for (kind_of, broken) in [
        (media::INDEX, "[]"),
        (media::INDEX, "{\"manifests\":7}"),
        (media::INDEX, ""),
        // Another service's JSON is no empty list.
        ("application/json", "{}"),
        ("application/json", "{\"manifests\":[]}"),
        ("application/json", "{\"schemaVersion\":1,\"manifests\":[]}"),
    ] {
        scene.double.fault("GET /v2/*/referrers/*", Fault::Text(200, kind_of, broken.into()));
        assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable), "{broken}");
        scene.double.heal();
    }
}

#[tokio::test]
async fn a_listing_whose_answer_is_no_registrys_is_no_absence() {
    let scene = scene_without_api().await;
    for fault in [Fault::Html(404), Fault::Html(200), Fault::Status(400)] {
        scene.double.fault("GET /v2/*/referrers/*", fault.clone());
        assert!(scene.reason().await.contains("the list of referrers"), "{fault:?}");
        scene.double.heal();
    }
    for fault in [Fault::Status(404), Fault::Text(404, "text/plain", "404 page not found".into()), Fault::Status(405), Fault::Status(501)] {
        scene.double.fault("GET /v2/*/referrers/*", fault.clone());
        assert_eq!(scene.evidence().await, Looked::Absent, "{fault:?}");
        scene.double.heal();
    }
    // However an index says that it is one.
    for (kind, empty) in [
        (media::INDEX, "{}"),
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", "{\"manifests\":null}"),
        ("application/json", "{\"schemaVersion\":2,\"manifests\":[]}"),
        ("text/plain", "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}"),
    ] {
        scene.double.fault("GET /v2/*/referrers/*", Fault::Text(200, kind, empty.into()));
        assert_eq!(scene.evidence().await, Looked::Absent, "{kind}: {empty}");
        scene.double.heal();
    }
}

#[tokio::test]
async fn a_listed_digest_of_another_kind_is_not_absence() {
    let scene = scene().await;
    let index =
        json!({"schemaVersion": 2, "manifests": [{"mediaType": media::IMAGE, "size": 1, "digest": format!("sha512:{}", "0".repeat(128))}]});
    scene.double.fault("GET /v2/*/referrers/*", Fault::Text(200, media::INDEX, index.to_string()));
    assert_eq!(kind(&scene.evidence().await), Some(WhyKind::Unreadable));
    scene.signature("good");
    assert_eq!(scene.items().await.len(), 1);
}
