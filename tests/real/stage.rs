//! One release on a stage: the sandbox's GitLab, a real registry, and the whole bot between them.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::cli::serve::{self, Running};
use countersign::config::Config;
use countersign::model::Digest;
use countersign::model::gitlab::{JobId, PipelineId};
use countersign::sandbox::shop::{Shop, Signing, WEBHOOK_TOKEN};

use super::cosign::{Desk, told};
use super::registry::{PASSWORD, Registry};

/// The release.
pub const TAG: &str = "v1.8.2";

/// Whom the bot trusts.
pub enum Trusted<'a> {
    /// The key pair with this public half.
    Key(&'a str),
    /// The project's own pipeline identity, certified by the sandbox's authority.
    Pipeline,
    /// The same, certified by another authority, for tokens of this issuer.
    PipelineElsewhere { trusted_root: &'a [u8], issuer: &'a str },
}

pub struct Stage {
    pub shop: Shop,
    pub registry: Registry,
    bot: Running,
    /// `bot.toml`, its secrets and the store.
    _home: tempfile::TempDir,
}

/// An image that the release job pushed.
#[derive(Debug, Clone, Copy)]
pub struct Built {
    pub pipeline: PipelineId,
    pub job: JobId,
    pub digest: Digest,
}

/// What the bot wrote.
#[derive(Debug, Clone)]
pub struct Written {
    pub note: String,
    pub section: String,
    pub status: (&'static str, String),
}

impl Stage {
    pub async fn open(registry: Registry, trusted: Trusted<'_>) -> Self {
        Self::open_with_password(registry, trusted, PASSWORD).await
    }

    /// The bot logs in to the registry with this password.
    pub async fn open_with_password(registry: Registry, trusted: Trusted<'_>, password: &str) -> Self {
        // The shop signs nothing: that is what real cosign is here for.
        let shop = Shop::open(Signing::Nothing, None).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let put = |file: &str, content: &[u8]| std::fs::write(home.path().join(file), content).unwrap();
        let signer = match trusted {
            Trusted::Key(pem) => {
                put("release-key.pub", pem.as_bytes());
                "signer = { key_file = \"release-key.pub\" }"
            }
            Trusted::Pipeline | Trusted::PipelineElsewhere { .. } => "signer = { oidc = \"main\" }",
        };
        let own_root = shop.authority.trusted_root_json();
        let (root, issuer) = match trusted {
            Trusted::Key(_) | Trusted::Pipeline => (own_root.as_slice(), String::new()),
            Trusted::PipelineElsewhere { trusted_root, issuer } => (trusted_root, format!("issuer = \"{issuer}\"\n")),
        };
        put("token", shop.bot_token.as_bytes());
        put("hook", WEBHOOK_TOKEN.as_bytes());
        put("registry-password", password.as_bytes());
        put("trusted_root.json", root);
        put("bot.toml", bot_toml(&shop, &registry, (signer, &issuer)).as_bytes());
        let mut config = Config::load(&home.path().join("bot.toml")).unwrap();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        // Nothing is found by looking again: every word here comes from a hook.
        (config.catch_up.every, config.catch_up.recheck) = (Duration::from_secs(3600), Duration::from_secs(3600));
        let bot = serve::start(config).await.unwrap();
        shop.hook(&format!("http://{}", bot.address));
        Self { shop, registry, bot, _home: home }
    }

    /// Release duty pushes the Git tag; its job builds and pushes the image.
    pub async fn build(&self) -> Built {
        let (pipeline, job) = self.shop.push_tag(TAG);
        let digest = self.registry.push_image(&[TAG, self.shop.commit.short()], &format!("built by pipeline {pipeline}")).await;
        Built { pipeline, job, digest }
    }

    /// The pipeline ends well, and GitLab tells the bot.
    pub fn finish(&self, built: &Built) {
        self.shop.finish(built.pipeline, Some(built.digest));
    }

    /// Release duty publishes the release, and GitLab tells the bot.
    pub fn publish(&self) {
        self.shop.publish(TAG);
    }

    /// Waits until note, release section and status say this.
    pub async fn written(&self, state: &str, note: &str, section: &str) -> Written {
        let seen = || Written {
            note: self.shop.bot_notes().concat(),
            section: self.shop.release_text(TAG).unwrap_or_default(),
            status: self.shop.status(TAG).unwrap_or_default(),
        };
        let mut last = seen();
        let says = |written: &Written| written.status.0 == state && written.note.contains(note) && written.section.contains(section);
        let end = std::time::Instant::now() + super::parts::PATIENCE;
        while !says(&last) {
            assert!(
                std::time::Instant::now() < end,
                "waited for status {state}, note `{note}` and section `{section}`; there was {last:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
            last = seen();
        }
        last
    }

    /// Waits until the release is called good, in all three places and with the whole digest.
    pub async fn passed(&self, built: &Built) -> Written {
        let full = self.registry.pinned(built.digest).to_string();
        let written = self.written("success", "### Image verified", &full).await;
        assert!(written.note.contains(&full), "{}", written.note);
        assert!(written.section.starts_with("What is new in v1.8.2"), "{}", written.section);
        assert!(!written.section.contains("**Blocked") && !written.section.contains("**Not checked"), "{}", written.section);
        assert!(written.status.1.starts_with("Verified: "), "{}", written.status.1);
        written
    }

    /// Waits until the release is blocked for this reason, in all three places, and nothing calls it good.
    pub async fn blocked(&self, code: &str) -> Written {
        let written = self.written("failed", code, code).await;
        assert!(written.note.contains("### Blocked: "), "{}", written.note);
        assert!(written.section.contains("**Blocked: "), "{}", written.section);
        assert!(written.status.1.starts_with(&format!("Blocked ({code}): ")), "{}", written.status.1);
        self.nothing_says_verified(&written);
        written
    }

    /// Waits until the release could not be checked for this reason, in all three places, and nothing calls it good or bad.
    pub async fn could_not_check(&self, code: &str) -> Written {
        let written = self.written("canceled", code, code).await;
        assert!(written.note.contains("### Could not check: "), "{}", written.note);
        assert!(written.section.contains("**Not checked: "), "{}", written.section);
        assert!(written.status.1.starts_with(&format!("Could not check ({code}): ")), "{}", written.status.1);
        self.nothing_says_verified(&written);
        assert!(!written.note.contains("Blocked") && !written.section.contains("Blocked"), "{written:#?}");
        written
    }

    fn nothing_says_verified(&self, written: &Written) {
        let says = |text: &str| text.contains("Image verified") || text.contains("safe to promote");
        assert!(!says(&written.note) && !says(&written.section), "{written:#?}");
    }

    pub async fn stop(self) {
        self.bot.stop().await;
    }
}

/// The line that a note gives to check it without us.
pub fn check_it_yourself(text: &str) -> &str {
    let (_, rest) = text.split_once("```sh\n").unwrap_or_else(|| panic!("no line for a shell in: {text}"));
    rest.split_once("\n```").unwrap().0
}

/// Runs a note's own line, and holds that cosign believes the image.
pub fn checks_out(desk: &Desk, text: &str) {
    let line = check_it_yourself(text);
    let ran = desk.shell(line);
    assert!(ran.status.success(), "{line}\n{}", told(&ran));
}

fn bot_toml(shop: &Shop, registry: &Registry, (signer, issuer): (&str, &str)) -> String {
    format!(
        r#"[store]
path = "store"

[gitlab.main]
url = "{url}"
token = {{ file = "token" }}
webhook_token = {{ file = "hook" }}
trusted_root = "trusted_root.json"
{issuer}
{registry}
[[project]]
path = "shop/api"
image = "{image}"
{signer}
"#,
        url = shop.gitlab.url(),
        registry = registry.bot_toml(),
        image = registry.repository(),
    )
}
