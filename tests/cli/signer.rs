//! `countersign signer list` and `signer test`.

use countersign::model::{Digest, PinnedImage, Timestamp};
use countersign::sandbox::shop::{Shop, Signing};

use super::run_beside;

struct World {
    shop: Shop,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(signing: Signing) -> Self {
        let shop = Shop::open(signing, None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        shop.write_configuration(folder.path()).unwrap();
        Self { shop, folder }
    }

    async fn run(&self, arguments: &str) -> (i32, String, String) {
        run_beside(self.folder.path(), &arguments.split_whitespace().collect::<Vec<_>>()).await
    }

    /// Has the configuration demand a log entry of the release key.
    fn demand_log(&self) {
        let file = self.folder.path().join("bot.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let demanding = text.replacen("[signer.release-key]", "[signer.release-key]\nrequire_log = true", 1);
        assert_ne!(text, demanding, "{text}");
        std::fs::write(file, demanding).unwrap();
    }

    fn image(&self, digest: Digest) -> PinnedImage {
        PinnedImage { repository: self.shop.repository().to_string().parse().unwrap(), digest }
    }

    async fn test(&self, code: i32, words: &[&str]) {
        let (ended, out, err) = self.run(&format!("signer test --config bot.toml {}:v1", self.shop.repository())).await;
        assert_eq!(ended, code, "{out}{err}");
        for word in words {
            assert!(out.contains(word), "no {word:?} in\n{out}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_names_every_signer_with_what_it_signs() {
    let world = World::new(Signing::Keyless).await;
    let (code, out, err) = world.run("signer list --config bot.toml").await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("release-key\n  is      key sha256:") && out.contains("owner   not named\n  valid   at any time\n  signs   nothing"),
        "{out}"
    );
    assert!(out.contains("oidc:main\n  is      pipelines of http://127.0.0.1:") && out.contains("/shop/api\n"), "{out}");
    assert_eq!(world.run("signer list").await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_names_the_signer_that_matches() {
    let world = World::new(Signing::LegacyKey).await;
    let digest = world.shop.registry.push_image("shop/api", "v1", "an image");
    world.test(1, &["[CS-SIG-MISSING]"]).await;
    world.shop.sign_legacy(&world.shop.laptop_key, digest).unwrap();
    world.test(1, &["[CS-SIG-OTHER]", "an unknown key"]).await;
    world.shop.sign_legacy(&world.shop.release_key, digest).unwrap();
    world.test(0, &["passed: ", "key release-key"]).await;
    let (code, _, err) = world.run("signer test --config bot.toml registry.example.com/shop/web:v1").await;
    assert!(code == 2 && err.contains("is no image of a project"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlogged_signature_does_not_match_where_a_log_is_demanded() {
    let world = World::new(Signing::LegacyKey).await;
    let digest = world.shop.registry.push_image("shop/api", "v1", "an image");
    world.shop.sign_legacy(&world.shop.release_key, digest).unwrap();
    world.test(0, &["passed: "]).await;
    world.demand_log();
    world.test(1, &["[CS-SIG-UNLOGGED]", "no trusted log holds the signature"]).await;
    let logged = world.shop.authority.sign_legacy_logged(&world.shop.release_key, &world.image(digest), Timestamp::now()).unwrap();
    world.shop.registry.add_signature("shop/api", digest, &logged.payload, logged.annotations());
    world.test(0, &["passed: ", "log entry"]).await;
    let (_, out, _) = world.run("signer list --config bot.toml").await;
    assert!(out.contains("valid   at any time, only if a log holds the signature"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_that_is_configured_and_not_trusted_for_the_image_does_not_match() {
    // The image trusts pipelines; release-key is configured beside them.
    let world = World::new(Signing::Keyless).await;
    let digest = world.shop.registry.push_image("shop/api", "v1", "an image");
    world.shop.sign_legacy(&world.shop.release_key, digest).unwrap();
    world.test(1, &["[CS-SIG-OTHER]", "by 'key release-key', not by 'a pipeline of http://127.0.0.1:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelines_signature_is_shown_and_left_to_verify() {
    let world = World::new(Signing::Keyless).await;
    world.shop.release("v1").unwrap();
    world.test(3, &["could not check: ", "signed by a pipeline of signer oidc:main", "countersign verify"]).await;
    world.shop.registry.fault("*", countersign::sandbox::registry::Fault::Status(502));
    world.test(3, &["[CS-UNAVAILABLE]"]).await;
}
