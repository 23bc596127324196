//! One shop: a project with a protected release pipeline, its registry and its signing keys. The demo and the tests act in it.

mod attest;
mod promoting;
mod thread;

use std::path::PathBuf;

pub use attest::{BASE, base_digest};
use bytes::Bytes;
pub use promoting::{ENVIRONMENTS, Promoting, Runs, Summarised};

use super::authority::{Authority, Claims, GitlabJob, SandboxKey};
use super::gitlab::state::{JobEnd, JobSpec, Level, MergeRequestKey, RunsOn};
use super::gitlab::{self, Gitlab};
use super::registry::RegistryDouble;
use crate::model::gitlab::{CommitSha, JobId, PipelineId, ProjectId, UserId};
use crate::model::{Digest, PinnedImage, Timestamp};

/// The repository path of the shop's image.
pub const IMAGE: &str = "shop/api";
/// The secret that the project's webhook carries.
pub const WEBHOOK_TOKEN: &str = "sandbox-webhook-token";

/// How the release job signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Like cosign 2: the tag `sha256-<hex>.sig`.
    LegacyKey,
    /// Like cosign 3: a bundle found through the referrers API or its fallback tag.
    BundleKey,
    /// By the job's OIDC identity, as a bundle.
    Keyless,
    /// The signing step is missing.
    Nothing,
}

/// The shop.
pub struct Shop {
    pub gitlab: Gitlab,
    pub registry: RegistryDouble,
    pub authority: Authority,
    /// The key that the protected pipeline signs with.
    pub release_key: SandboxKey,
    /// A developer's own key.
    pub laptop_key: SandboxKey,
    pub project: ProjectId,
    pub merge_request: MergeRequestKey,
    /// The merge commit on `main`.
    pub commit: CommitSha,
    /// Maintainer and release duty.
    pub rita: UserId,
    /// Developer.
    pub dana: UserId,
    /// Reviewer; a Developer, and in a shop that promotes a Maintainer.
    pub otto: UserId,
    /// The bot's user and its token.
    pub bot: UserId,
    pub bot_token: String,
    pub signing: Signing,
    /// Whether the release job attests provenance as well, and the shop's policy demands it.
    pub attests: bool,
    /// Set where the shop has a staging and a production that can be promoted to.
    pub promoting: Option<Promoting>,
}

impl Shop {
    /// Opens the shop on free loopback ports: a project with one merged and approved merge request, protected `v*` tags and a CI
    /// file that tests, builds, signs and deploys. GitLab's requests are logged to `log`.
    pub async fn open(signing: Signing, log: Option<PathBuf>) -> std::io::Result<Self> {
        let gitlab = Gitlab::start(gitlab::Options { log, ..gitlab::Options::default() }).await?;
        let registry = RegistryDouble::start("127.0.0.1:0", super::registry::Options::default()).await?;
        let authority = Authority::new(Timestamp::now()).map_err(std::io::Error::other)?;
        let release_key = authority.key("release-key").map_err(std::io::Error::other)?;
        let laptop_key = authority.key("laptop").map_err(std::io::Error::other)?;
        let (project, merge_request, commit, [rita, dana, otto, bot], bot_token) = furnish(&gitlab);
        Ok(Self {
            gitlab,
            registry,
            authority,
            release_key,
            laptop_key,
            project,
            merge_request,
            commit,
            rita,
            dana,
            otto,
            bot,
            bot_token,
            signing,
            attests: false,
            promoting: None,
        })
    }

    /// The same shop, with an attest step in its release job.
    pub fn attesting(self) -> Self {
        Self { attests: true, ..self }
    }

    /// The `bot.toml` of this shop, as an operator would write it. Secrets come from the files `token` and `hook` beside it, the key from `release.pub`, the trust
    /// root from `trusted_root.json`.
    pub fn bot_toml(&self, store: &str) -> String {
        let signer = match self.signing {
            Signing::LegacyKey | Signing::BundleKey | Signing::Nothing => "signer = \"release-key\"",
            Signing::Keyless => "signer = { oidc = \"main\" }",
        };
        let policy = if self.attests {
            "\n[policy]\nprovenance = \"required\"\nbase_image = \"required\"\nbase_unchanged = \"warned\"\n"
        } else {
            ""
        };
        let (push, environments) = self.promoting.as_ref().map_or(("", ""), |_| promoting::TABLES);
        format!(
            r#"[server]
listen = "127.0.0.1:0"
public_url = "http://127.0.0.1"

[store]
path = "{store}"

[gitlab.main]
url = "{url}"
token = {{ file = "token" }}
webhook_token = {{ file = "hook" }}
trusted_root = "trusted_root.json"

[registry."{host}"]
plain_http = true
{push}
[signer.release-key]
key_file = "release.pub"
{policy}{environments}
[[project]]
path = "shop/api"
image = "{host}/{IMAGE}"
environments = ["staging", "production"]
{signer}
"#,
            url = self.gitlab.url(),
            host = self.registry.host(),
        )
    }

    /// Writes `bot.toml` and the files it names into a folder.
    pub fn write_configuration(&self, folder: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
        std::fs::write(folder.join("token"), &self.bot_token)?;
        std::fs::write(folder.join("hook"), WEBHOOK_TOKEN)?;
        std::fs::write(folder.join("release.pub"), &self.release_key.public_pem)?;
        std::fs::write(folder.join("trusted_root.json"), self.authority.trusted_root_json())?;
        if let Some(promoting) = &self.promoting {
            promoting.write(folder)?;
        }
        let path = folder.join("bot.toml");
        std::fs::write(&path, self.bot_toml("store"))?;
        Ok(path)
    }

    /// GitLab tells this address what happens from now on.
    pub fn hook(&self, address: &str) {
        self.gitlab.world().add_hook(self.project, &format!("{address}/hooks/gitlab/main"), Some(WEBHOOK_TOKEN), None);
    }

    /// Release duty pushes a tag; its pipeline builds, signs, and leaves the digest as an artifact.
    pub fn release(&self, tag: &str) -> std::io::Result<(PipelineId, Digest)> {
        self.release_on(tag, &self.commit)
    }

    /// The same of another commit.
    pub fn release_on(&self, tag: &str, commit: &CommitSha) -> std::io::Result<(PipelineId, Digest)> {
        let (pipeline, job) = self.push_tag_on(tag, commit);
        self.gitlab.world().run_job(job, None);
        let digest = self.build(tag, pipeline);
        self.sign(digest, job, tag)?;
        if self.attests {
            self.attest(digest, &self.provenance(digest, job, pipeline), job, tag)?;
        }
        self.finish(pipeline, Some(digest));
        Ok((pipeline, digest))
    }

    /// The next release, of a new commit on `main`.
    pub fn release_next(&self, tag: &str) -> std::io::Result<(PipelineId, Digest)> {
        let commit = self.gitlab.world().push_commit(self.project, "main", self.rita, "Start faster");
        self.release_on(tag, &commit)
    }

    /// The Git tag and its pipeline, with the tests passed.
    pub fn push_tag(&self, tag: &str) -> (PipelineId, JobId) {
        self.push_tag_on(tag, &self.commit)
    }

    /// The same on another commit.
    pub fn push_tag_on(&self, tag: &str, commit: &CommitSha) -> (PipelineId, JobId) {
        let mut world = self.gitlab.world();
        let pipeline = world.push_tag(self.project, tag, commit, self.rita).unwrap_or_else(|| panic!("the CI file runs on tags"));
        let test = world.job_named(pipeline, "test");
        world.finish_job(test, JobEnd::success());
        let job = world.job_named(pipeline, "release_image");
        (pipeline, job)
    }

    /// What the release job builds and pushes.
    pub fn build(&self, tag: &str, pipeline: PipelineId) -> Digest {
        let digest = self.registry.push_image(IMAGE, tag, &format!("built by pipeline {pipeline}"));
        let commit = self.gitlab.world().pipeline(pipeline).sha.clone();
        self.registry.tag(IMAGE, commit.short(), digest);
        digest
    }

    /// What the release job signs.
    pub fn sign(&self, digest: Digest, job: JobId, tag: &str) -> std::io::Result<()> {
        let image = self.pinned(digest);
        match self.signing {
            Signing::Nothing => {}
            Signing::LegacyKey => self.sign_legacy(&self.release_key, digest)?,
            Signing::BundleKey => {
                let bundle = self.authority.sign_bundle_with_key(&self.release_key, &image).map_err(std::io::Error::other)?;
                self.registry.attach_bundle(IMAGE, digest, &bundle);
            }
            Signing::Keyless => self.sign_claiming(digest, &self.claims(job, tag))?,
        }
        Ok(())
    }

    /// A keyless signature whose certificate makes these claims.
    pub fn sign_claiming(&self, digest: Digest, claims: &Claims) -> std::io::Result<()> {
        let bundle = self.authority.sign_bundle_keyless(&self.pinned(digest), claims, Timestamp::now()).map_err(std::io::Error::other)?;
        self.registry.attach_bundle(IMAGE, digest, &bundle);
        Ok(())
    }

    /// What an honest certificate says of a job on a tag.
    pub fn claims(&self, job: JobId, tag: &str) -> Claims {
        Claims::of(&self.gitlab_job(job, tag))
    }

    /// A cosign 2 signature.
    pub fn sign_legacy(&self, key: &SandboxKey, digest: Digest) -> std::io::Result<()> {
        let signature = self.authority.sign_legacy(key, &self.pinned(digest)).map_err(std::io::Error::other)?;
        self.registry.add_signature(IMAGE, digest, &signature.payload, signature.annotations());
        Ok(())
    }

    /// The pipeline ends well; its release job leaves `image-digest.txt`.
    pub fn finish(&self, pipeline: PipelineId, digest: Option<Digest>) {
        let mut world = self.gitlab.world();
        let job = world.job_named(pipeline, "release_image");
        let end = match digest {
            Some(digest) => JobEnd::success().artifact("image-digest.txt", Bytes::from(format!("{digest}\n"))),
            None => JobEnd::success(),
        };
        world.finish_job(job, end);
    }

    /// Release duty publishes the release.
    pub fn publish(&self, tag: &str) {
        let text = format!("What is new in {tag}:\n\n- Failed payments are retried.\n");
        self.gitlab.world().create_release(self.project, tag, self.rita, &text);
    }

    /// Somebody builds elsewhere and moves the registry tag there.
    pub fn move_tag(&self, tag: &str) -> Digest {
        self.registry.push_image(IMAGE, tag, "not built by this project")
    }

    /// Somebody builds, pushes and signs by hand, and pushes a Git tag whose pipeline they skip the release job of.
    pub fn push_from_laptop(&self, tag: &str) -> std::io::Result<Digest> {
        let commit = self.gitlab.world().push_commit(self.project, "main", self.rita, "Quick fix");
        let digest = self.registry.push_image(IMAGE, tag, "built on a laptop");
        self.sign_legacy(&self.laptop_key, digest)?;
        let (_, job) = self.push_tag_on(tag, &commit);
        self.gitlab.world().finish_job(job, JobEnd::canceled());
        Ok(digest)
    }

    /// The registry tag names the built image again.
    pub fn restore_tag(&self, tag: &str) -> std::io::Result<Digest> {
        let built = self.registry.tagged(IMAGE, self.commit.short()).ok_or_else(|| std::io::Error::other("nothing was built yet"))?;
        self.registry.tag(IMAGE, tag, built);
        Ok(built)
    }

    pub fn pinned(&self, digest: Digest) -> PinnedImage {
        PinnedImage { repository: self.repository(), digest }
    }

    /// The image's repository with the registry's host.
    pub fn repository(&self) -> crate::model::Repository {
        crate::model::Repository { registry: self.registry.host(), path: IMAGE.into() }
    }

    /// A job on a tag, as its ID token describes it.
    pub fn gitlab_job(&self, job: JobId, tag: &str) -> GitlabJob {
        let world = self.gitlab.world();
        let project = world.project(self.project);
        // A certificate may also claim a job that was never there.
        let sha = world.jobs.get(&job).map_or(&self.commit, |job| &world.pipeline(job.pipeline).sha);
        GitlabJob {
            server: self.gitlab.url().into(),
            project: project.path.clone(),
            project_id: project.id.0,
            namespace_id: project.group,
            git_ref: format!("refs/tags/{tag}"),
            sha: sha.to_string(),
            job_id: job.0,
            pipeline_source: "push".into(),
        }
    }
}

type Furnished = (ProjectId, MergeRequestKey, CommitSha, [UserId; 4], String);

fn furnish(gitlab: &Gitlab) -> Furnished {
    let mut world = gitlab.world();
    let project = world.add_project("shop/api");
    world.protect_tags(project, "v*", Level::Maintainer);
    let runner = world.add_runner("release-02", &["release"]);
    let (rita, dana, approver) = (world.add_user("rita"), world.add_user("dana"), world.add_user("otto"));
    for (user, name) in [(rita, "Rita Release"), (dana, "Dana Developer"), (approver, "Otto Reviewer")] {
        if let Some(user) = world.users.get_mut(&user) {
            user.name = name.into();
        }
    }
    world.add_member(project, rita, Level::Maintainer);
    world.add_member(project, dana, Level::Developer);
    world.add_member(project, approver, Level::Developer);
    let (bot, bot_token) = world.add_bot(project, "Countersign", Level::Maintainer);
    if let Some(user) = world.users.get_mut(&bot) {
        user.username = "countersign".into();
    }
    let held = world.project_mut(project);
    held.runner = Some(runner);
    held.ci = vec![
        JobSpec::new("test", "test"),
        JobSpec::new("release", "release_image").on(RunsOn::Tags),
        JobSpec::new("deploy", "deploy_production").on(RunsOn::Tags).manual().environment("production"),
    ];
    world.push_commit(project, "retry-payments", dana, "Retry failed payments");
    let merge_request = world.open_merge_request(project, "retry-payments", dana, "Retry failed payments");
    if let Some(pipeline) = world.head_pipeline(merge_request) {
        world.pass_pipeline(pipeline);
    }
    world.approve(merge_request, approver);
    world.approve(merge_request, rita);
    let commit = world.merge(merge_request, rita);
    (project, merge_request, commit, [rita, dana, approver, bot], bot_token)
}
