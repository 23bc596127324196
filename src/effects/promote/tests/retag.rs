//! `retag`.
#![cfg(test)]

use super::*;
use crate::sandbox::registry::{Account, Auth, Fault};

struct Scene {
    double: RegistryDouble,
    hands: Hands,
    image: PinnedImage,
    old: Digest,
}

async fn scene() -> Scene {
    let double = with_api().await;
    let image = pinned(&double, double.push_image(REPOSITORY, "v2", "two"));
    let old = double.push_image(REPOSITORY, "production", "one");
    let hands = hands(vec![way(&double)], None);
    Scene { double, hands, image, old }
}

impl Scene {
    async fn retag(&self) -> Result<Left, NotDone> {
        step(&self.hands, &self.image, &Act::Retag { image: self.image.clone(), tag: "production".into() }).await
    }

    fn tagged(&self) -> Option<Digest> {
        self.double.tagged(REPOSITORY, "production")
    }

    fn writes(&self) -> usize {
        self.double.count("PUT *") + self.double.count("POST *")
    }
}

#[tokio::test]
async fn tag_is_written_once_and_read_back() {
    let scene = scene().await;
    assert_eq!(scene.retag().await, Ok(Left::Tagged { before: Some(scene.old) }));
    assert_eq!(scene.tagged(), Some(scene.image.digest));
    assert_eq!(scene.retag().await, Ok(Left::Tagged { before: Some(scene.image.digest) }));
    assert_eq!(scene.writes(), 1);
    scene.double.delete_tag(REPOSITORY, "production");
    assert_eq!(scene.retag().await, Ok(Left::Tagged { before: None }));
}

#[tokio::test]
async fn manifest_keeps_its_bytes_and_its_type() {
    let scene = scene().await;
    let index = scene.double.push_index(REPOSITORY, "multi", &[scene.image.digest, scene.old]);
    let image = pinned(&scene.double, index);
    let done = step(&scene.hands, &image, &Act::Retag { image: image.clone(), tag: "production".into() }).await;
    assert_eq!(done, Ok(Left::Tagged { before: Some(scene.old) }));
    assert_eq!(scene.tagged(), Some(index));
}

#[tokio::test]
async fn refused_write_is_never_done_and_failing_one_later() {
    for (status, words) in [
        (401, "401"),
        (403, "403"),
        (404, "may not push"),
        (405, "read-only"),
        (409, "overwritten"),
        (413, "too large"),
        (400, "400 UNKNOWN"),
    ] {
        let scene = scene().await;
        scene.double.fault("PUT *", Fault::Status(status));
        never(scene.retag().await, words);
        assert_eq!(scene.tagged(), Some(scene.old), "{status}");
    }
    for (status, words) in [(429, "429"), (500, "500"), (503, "503"), (408, "408")] {
        let scene = scene().await;
        scene.double.fault("PUT *", Fault::Status(status));
        later(scene.retag().await, words);
        scene.double.heal();
        assert_eq!(scene.retag().await, Ok(Left::Tagged { before: Some(scene.old) }), "{status}");
    }
}

#[tokio::test]
async fn write_whose_answer_was_lost_is_found_done() {
    let scene = scene().await;
    // Written, and then the answer never comes.
    let limits = Limits { request: Duration::from_millis(300), retries: 0, ..Limits::default() };
    let hasty = Promoter::with_limits(Settings { registries: vec![way(&scene.double)], signing: None }, limits).unwrap();
    scene.double.fault("PUT *", Fault::Slow(Duration::from_secs(2)));
    later(hasty.retag(&Pulse::start(), &scene.image, "production").await, "in time");
    scene.double.heal();
    assert_eq!(scene.retag().await, Ok(Left::Tagged { before: Some(scene.image.digest) }));
    assert_eq!(scene.writes(), 1);
}

#[tokio::test]
async fn tag_that_somebody_moves_in_between_is_named_with_both_digests() {
    let scene = scene().await;
    scene.double.fault("PUT *", Fault::Slow(Duration::from_millis(500)));
    let theirs = scene.double.push_image(REPOSITORY, "theirs", "three");
    let moving = async {
        while scene.tagged() != Some(scene.image.digest) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        scene.double.tag(REPOSITORY, "production", theirs);
    };
    let (outcome, ()) = tokio::join!(scene.retag(), moving);
    let Err(NotDone::Never(reason)) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains(&theirs.to_string()) && reason.contains(&scene.image.digest.to_string()), "{reason}");
}

#[tokio::test]
async fn other_bytes_than_the_digest_are_not_written() {
    for (fault, words) in [(Fault::WrongBytes, "other bytes"), (Fault::Status(404), "does not hold"), (Fault::Html(200), "other bytes")] {
        let scene = scene().await;
        scene.double.fault(&format!("GET /v2/*/manifests/{}", scene.image.digest), fault);
        never(scene.retag().await, words);
        assert_eq!((scene.writes(), scene.tagged()), (0, Some(scene.old)));
    }
    let scene = scene().await;
    scene.double.fault("GET /v2/*/manifests/production", Fault::Status(403));
    never(scene.retag().await, "403");
    assert_eq!(scene.writes(), 0);
}

#[tokio::test]
async fn read_back_that_cannot_be_read_is_not_believed() {
    let scene = scene().await;
    scene.double.delete_tag(REPOSITORY, "production");
    scene.double.fault_times(1, "GET /v2/*/manifests/production", Fault::Status(404));
    scene.double.fault_times(1, "GET /v2/*/manifests/production", Fault::WrongBytes);
    never(scene.retag().await, "something else than the manifest it names");
}

#[tokio::test]
async fn write_is_not_sent_where_a_redirect_points() {
    let (scene, other) = (scene().await, with_api().await);
    scene.double.fault("PUT *", Fault::RedirectTo(format!("http://{}/v2/{REPOSITORY}/manifests/production", other.host())));
    never(scene.retag().await, "sends writes elsewhere");
    assert_eq!(other.requests(), []);
}

#[tokio::test]
async fn push_login_asks_for_no_more_than_this_repository() {
    let scene = scene().await;
    let account = |name: &str, push| Account { name: name.into(), password: "s3cret".into(), push };
    let accounts = vec![account("writer", true), account("reader", false)];
    let auth = Auth::Token { accounts, realm: None, lifetime: Duration::from_secs(300), anonymous_pull: false };
    scene.double.change(|options| options.auth = auth);
    let retag = Act::Retag { image: scene.image.clone(), tag: "production".into() };
    let with = |name| hands(vec![Way { login: login(name), ..way(&scene.double) }], None);
    never(step(&with("reader"), &scene.image, &retag).await, "401");
    assert_eq!(scene.tagged(), Some(scene.old));
    never(step(&scene.hands, &scene.image, &retag).await, "401");
    scene.double.forget_requests();
    assert_eq!(step(&with("writer"), &scene.image, &retag).await, Ok(Left::Tagged { before: Some(scene.old) }));
    let asked: Vec<_> = scene.double.requests().into_iter().filter(|seen| seen.path == "/jwt/auth").map(|seen| seen.query).collect();
    let scope = |actions: &str| format!("service=container_registry&scope=repository%3Ashop%2Fapi%3A{actions}");
    assert_eq!(asked, [scope("pull"), scope("pull%2Cpush")]);
}

#[tokio::test]
async fn registry_that_is_not_configured_and_text_that_is_no_tag_are_refused() {
    let scene = scene().await;
    let image = PinnedImage { repository: "registry.example.com/shop/api".parse().unwrap(), ..scene.image.clone() };
    never(step(&scene.hands, &image, &Act::Retag { image: image.clone(), tag: "production".into() }).await, "not among the configured");
    never(step(&Hands::new([]), &image, &Act::Retag { image: image.clone(), tag: "production".into() }).await, "no registry is configured");
    for tag in ["", "../x", "a b", "-x"] {
        never(step(&scene.hands, &scene.image, &Act::Retag { image: scene.image.clone(), tag: tag.into() }).await, "is not a tag");
    }
    assert_eq!(scene.double.requests(), []);
}

/// Another replica may have promoted something else since.
#[tokio::test]
async fn process_that_stood_still_writes_nothing_any_more() {
    let scene = scene().await;
    let settings = Settings { registries: vec![way(&scene.double)], signing: None };
    let promoter = Promoter::new(settings).unwrap();
    later(promoter.retag(&Pulse::paused(), &scene.image, "production").await, "stood still");
    let to = repository(&scene.double, "prod/api");
    later(promoter.copy(&Pulse::paused(), &scene.image, (&to, Some("production"))).await, "stood still");
    assert_eq!((scene.writes(), scene.tagged()), (0, Some(scene.old)));
    promoter.retag(&Pulse::start(), &scene.image, "production").await.unwrap();
}
