//! The registry as a foreign client sees it: oci-client pushes, pulls and lists.
#![cfg(test)]

use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::json;

use super::*;

async fn double(options: Options) -> RegistryDouble {
    RegistryDouble::start("127.0.0.1:0", options).await.unwrap()
}

fn client(monolithic: bool) -> Client {
    Client::new(ClientConfig { protocol: ClientProtocol::Http, use_monolithic_push: monolithic, ..ClientConfig::default() })
}

fn accounts() -> Vec<Account> {
    let account = |name: &str, push| Account { name: name.into(), password: "s3cret".into(), push };
    vec![account("robot", true), account("reader", false)]
}

/// Pushes an image with one layer as `who` and pulls it again.
async fn check(options: Options, (monolithic, size): (bool, usize), who: &RegistryAuth) -> oci_client::errors::Result<()> {
    let double = double(options).await;
    let client = client(monolithic);
    let at: Reference = format!("{}/grp/sub/app:v1", double.host()).parse().unwrap();
    let layers = [ImageLayer::oci_v1(vec![7_u8; size], None)];
    client.push(&at, &layers, Config::oci_v1(b"{}".to_vec(), None), who, None).await?;
    let pulled = client.pull(&at, who, vec![oci_client::manifest::IMAGE_LAYER_MEDIA_TYPE]).await?;
    assert_eq!(pulled.layers[0].data, vec![7_u8; size]);
    let digest = client.fetch_manifest_digest(&at, who).await?;
    assert_eq!(double.tagged("grp/sub/app", "v1").unwrap().to_string(), digest);
    Ok(())
}

#[tokio::test]
async fn an_image_is_pushed_whole_and_in_pieces_and_pulled() {
    // oci-client's pieces have 4 MiB.
    for how in [(true, 5000), (false, 5_000_000)] {
        check(Options::default(), how, &RegistryAuth::Anonymous).await.unwrap();
    }
}

#[tokio::test]
async fn who_may_push_pushes_and_who_may_not_is_refused() {
    let token = || Auth::Token { accounts: accounts(), realm: None, lifetime: Duration::from_secs(300), anonymous_pull: false };
    for auth in [Auth::Basic(accounts()), token()] {
        let with = |name: &str, password: &str| RegistryAuth::Basic(name.into(), password.into());
        let options = || Options { auth: auth.clone(), ..Options::default() };
        check(options(), (false, 5000), &with("robot", "s3cret")).await.unwrap();
        for wrong in [with("reader", "s3cret"), with("robot", "wrong"), RegistryAuth::Anonymous] {
            assert!(check(options(), (false, 5000), &wrong).await.is_err());
        }
    }
}

#[tokio::test]
async fn referrers_are_listed_by_api_or_by_fallback_tag() {
    for referrers in [Referrers::Api { page: 10 }, Referrers::Off] {
        let double = double(Options { referrers, ..Options::default() }).await;
        let image = double.push_image("grp/app", "v1", "one");
        let bundle = double.attach_bundle("grp/app", image, b"{}");
        let at: Reference = format!("{}/grp/app@{image}", double.host()).parse().unwrap();
        let listed = client(true).pull_referrers(&at, None).await.unwrap();
        let digests: Vec<_> = listed.manifests.iter().map(|entry| entry.digest.clone()).collect();
        assert_eq!(digests, [bundle.to_string()]);
    }
}

#[tokio::test]
async fn blobs_are_mounted_from_another_repository() {
    let double = double(Options::default()).await;
    let blob = double.put_blob("grp/from", b"shared");
    let at: Reference = format!("{}/grp/to:v1", double.host()).parse().unwrap();
    let from: Reference = format!("{}/grp/from:v1", double.host()).parse().unwrap();
    client(true).mount_blob(&at, &from, &blob.to_string()).await.unwrap();
    assert!(client(true).blob_exists(&at, &blob.to_string()).await.unwrap());
}

#[tokio::test]
async fn a_false_digest_and_a_missing_part_are_refused() {
    let double = double(Options::default()).await;
    let http = reqwest::Client::new();
    let base = format!("http://{}/v2/grp/app", double.host());
    let wrong = Digest::of(b"x");
    let upload = http.post(format!("{base}/blobs/uploads/?digest={wrong}")).body("y").send().await.unwrap();
    assert_eq!(upload.status(), 400);
    let manifest =
        json!({"schemaVersion": 2, "mediaType": media::IMAGE, "config": {"digest": wrong.to_string()}, "layers": []}).to_string();
    let put = |reference: String, body: String| {
        http.put(format!("{base}/manifests/{reference}")).header("content-type", media::IMAGE).body(body).send()
    };
    assert_eq!(put("v1".into(), manifest.clone()).await.unwrap().status(), 400, "its configuration is not there");
    double.put_blob("grp/app", b"x");
    assert_eq!(put(wrong.to_string(), manifest.clone()).await.unwrap().status(), 400, "another digest");
    assert_eq!(put("v1".into(), manifest).await.unwrap().status(), 201);
    assert_eq!(http.get(format!("http://{}/v3", double.host())).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn an_image_moves_is_deleted_and_is_the_same_again() {
    let double = double(Options::default()).await;
    let first = double.push_image("grp/app", "v1", "one");
    let second = double.push_image("grp/app", "v1", "two");
    assert_ne!(first, second);
    double.tag("grp/app", "v1", first);
    assert_eq!(double.tagged("grp/app", "v1"), Some(first));
    let manifest: OciManifest = serde_json::from_slice(&double.manifest("grp/app", first).unwrap()).unwrap();
    assert!(matches!(manifest, OciManifest::Image(image) if image.layers.len() == 1));
    double.delete_tag("grp/app", "v1");
    assert_eq!(double.tagged("grp/app", "v1"), None);
    double.tag("grp/app", "v1", first);
    double.delete_manifest("grp/app", first);
    assert_eq!(double.tagged("grp/app", "v1"), None);
    assert_eq!(double.push_image("grp/app", "v1", "one"), first, "the same seed is the same image");
}
