//! A shop that promotes: a staging and a production, with a deploy job for each, and the runner that takes these jobs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::AbortHandle;

use super::{IMAGE, Shop};
use crate::model::gitlab::{CiStatus, GitRef, JobId, PipelineId, UserId};
use crate::model::{Digest, Timestamp};
use crate::sandbox::gitlab::state::{Deployment, JobEnd, JobSpec, Level, RunsOn, World};

/// The environments, in the order of promotion, each with its deploy job.
pub const ENVIRONMENTS: [(&str, &str); 2] = [("staging", "deploy_staging"), ("production", "deploy_production")];

/// What `bot.toml` says of them: in the registry's table, and in tables of its own.
pub(super) const TABLES: (&str, &str) = (
    r#"push_username = "countersign-promoter"
push_password = { file = "push" }
"#,
    r#"
[promotion]
halt_file = "halt"
signing_key = { file = "promoter.key" }

[defaults.environment.staging]
role = "developer"
actions = [
  { action = "attest" },
  { action = "retag", tag = "staging" },
  { action = "play-job", job = "deploy_staging", variable = "IMAGE" },
]

[defaults.environment.production]
after = "staging"
second_person = true
actions = [
  { action = "attest" },
  { action = "retag", tag = "production" },
  { action = "play-job", job = "deploy_production", variable = "IMAGE" },
]
"#,
);

/// How often the runner looks for work.
const RUNNER_LOOKS: Duration = Duration::from_millis(50);

/// What a shop that promotes has beside the rest.
#[derive(Debug)]
pub struct Promoting {
    /// The bot's own key: both halves in PEM.
    private_pem: String,
    pub public_pem: String,
    /// The folder of `bot.toml`, once it is written.
    folder: OnceLock<PathBuf>,
    next_fails: AtomicBool,
}

impl Promoting {
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join("push"), "sandbox-push-password")?;
        std::fs::write(folder.join("promoter.key"), &self.private_pem)?;
        std::fs::write(folder.join("promoter.pub"), &self.public_pem)?;
        self.folder.set(folder.into()).map_err(|_| std::io::Error::other("the shop's bot.toml was written before"))
    }

    fn in_folder(&self, name: &str) -> std::io::Result<PathBuf> {
        self.folder.get().map(|folder| folder.join(name)).ok_or_else(|| std::io::Error::other("no bot.toml was written yet"))
    }
}

/// What an environment runs, as far as GitLab and the registry can tell.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The Git tag.
    pub release: String,
    /// What the deploy job was given, or what the release's registry tag names where it was given nothing.
    pub digest: Option<Digest>,
    pub since: Option<Timestamp>,
    /// Who started the deploy job.
    pub by: UserId,
    /// The newest summary of this image for this environment, if the bot signed one.
    pub summary: Option<Summarised>,
}

/// What a verification summary tells of a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summarised {
    pub at: String,
    pub requested_by: String,
    pub approved_by: Vec<String>,
}

impl Shop {
    /// The same shop, with a staging that Developers deploy to and a production that only Maintainers do. Otto becomes one.
    pub fn promoting(self) -> std::io::Result<Self> {
        let (private_pem, public_pem) = self.authority.key_pair().map_err(std::io::Error::other)?;
        let promoting = Promoting { private_pem, public_pem, folder: OnceLock::new(), next_fails: AtomicBool::new(false) };
        {
            let mut world = self.gitlab.world();
            world.add_member(self.project, self.otto, Level::Maintainer);
            world.protect_environment(self.project, "staging", Level::Developer);
            world.protect_environment(self.project, "production", Level::Maintainer);
            let ci = &mut world.project_mut(self.project).ci;
            ci.retain(|job| job.environment.is_none());
            let deploy = |(environment, job)| JobSpec::new("deploy", job).on(RunsOn::Tags).manual().environment(environment);
            ci.extend(ENVIRONMENTS.map(deploy));
        }
        Ok(Self { promoting: Some(promoting), ..self })
    }

    /// A runner takes every deploy job that somebody started, and ends it so much later. Without it, jobs wait for
    /// [`World::finish_job`].
    pub fn run_deploy_jobs(self: &Arc<Self>, takes: SignedDuration) -> AbortHandle {
        let shop = Arc::downgrade(self);
        let runner = async move {
            while let Some(shop) = shop.upgrade() {
                shop.work_on_deploy_jobs(takes);
                drop(shop);
                tokio::time::sleep(RUNNER_LOOKS).await;
            }
        };
        tokio::spawn(runner).abort_handle()
    }

    fn work_on_deploy_jobs(&self, takes: SignedDuration) {
        let mut world = self.gitlab.world();
        let now = world.now();
        let deploys = world.jobs.values().filter(|job| job.project == self.project && job.spec.environment.is_some());
        let (mut waiting, mut over): (Vec<JobId>, Vec<JobId>) = (vec![], vec![]);
        for job in deploys {
            match (job.status, job.started_at) {
                (CiStatus::Pending, _) => waiting.push(job.id),
                (CiStatus::Running, Some(since)) if now.duration_since(since) >= takes => over.push(job.id),
                _ => {}
            }
        }
        for job in waiting {
            world.run_job(job, None);
        }
        for job in over {
            let fails = self.promoting.as_ref().is_some_and(|promoting| promoting.next_fails.swap(false, Ordering::Relaxed));
            world.finish_job(job, if fails { JobEnd::failed() } else { JobEnd::success() });
        }
    }

    /// The next deploy job that the runner takes to its end fails.
    pub fn fail_next_deployment(&self) {
        if let Some(promoting) = &self.promoting {
            promoting.next_fails.store(true, Ordering::Relaxed);
        }
    }

    pub fn next_deployment_fails(&self) -> bool {
        self.promoting.as_ref().is_some_and(|promoting| promoting.next_fails.load(Ordering::Relaxed))
    }

    /// Release duty starts the deploy job of a release by hand, past the bot. `None`: the release has no such job that can be started.
    pub fn deploy_by_hand(&self, release: &str, environment: &str) -> Option<JobId> {
        let (_, name) = ENVIRONMENTS.into_iter().find(|(known, _)| *known == environment)?;
        let mut world = self.gitlab.world();
        let pipeline = release_pipeline(&world, self, release)?;
        let job = world.job_named(pipeline, name);
        match world.job(job).status {
            CiStatus::Manual => world.play_job(job, self.rita).then_some(job),
            status if status.ended() => Some(world.retry_job(job, self.rita)),
            _ => None,
        }
    }

    /// Stops every promotion, or lets them go on: the file that `[promotion] halt_file` names.
    pub fn halt(&self, reason: Option<&str>) -> std::io::Result<()> {
        let Some(promoting) = &self.promoting else { return Err(std::io::Error::other("this shop promotes nothing")) };
        let file = promoting.in_folder("halt")?;
        match reason {
            Some(reason) => std::fs::write(file, format!("{reason}\n")),
            None => std::fs::remove_file(file),
        }
    }

    pub fn is_halted(&self) -> bool {
        self.promoting.as_ref().and_then(|promoting| promoting.in_folder("halt").ok()).is_some_and(|file| file.exists())
    }

    /// Where the bot's public key lies.
    pub fn promoter_key(&self) -> std::io::Result<PathBuf> {
        self.promoting.as_ref().ok_or_else(|| std::io::Error::other("this shop promotes nothing"))?.in_folder("promoter.pub")
    }

    /// What an environment runs: its newest deployment that ended well.
    pub fn runs(&self, environment: &str) -> Option<Runs> {
        let (mut runs, given) = {
            let world = self.gitlab.world();
            let here = |held: &&Deployment| held.environment == environment && held.status == "success";
            let newest = world.project(self.project).deployments.values().filter(here).max_by_key(|held| (held.finished_at, held.id))?;
            let given = newest.job.and_then(|job| given_image(&world, job));
            let (release, since, by) = (newest.git_ref.name().to_owned(), newest.finished_at, newest.user);
            (Runs { release, digest: None, since, by, summary: None }, given)
        };
        runs.digest = given.or_else(|| self.registry.tagged(IMAGE, &runs.release));
        runs.summary = runs.digest.and_then(|digest| self.summary(environment, digest));
        Some(runs)
    }

    /// The release whose deployment to an environment is under way.
    pub fn deploying(&self, environment: &str) -> Option<String> {
        let world = self.gitlab.world();
        let mut deployments = world.project(self.project).deployments.values();
        let under_way = deployments.find(|held| held.environment == environment && matches!(held.status.as_str(), "created" | "running"));
        under_way.map(|held| held.git_ref.name().to_owned())
    }

    /// The newest verification summary that lies beside an image, for one environment.
    pub fn summary(&self, environment: &str, digest: Digest) -> Option<Summarised> {
        let told = self.registry.statements(IMAGE, digest).into_iter().filter_map(|statement| {
            let predicate = &statement["predicate"];
            let promotion = &predicate["countersign_promotion"];
            let person = |person: &serde_json::Value| person["username"].as_str().map(str::to_owned);
            let approvers = promotion["approvedBy"].as_array()?;
            (promotion["environment"] == environment && predicate["verificationResult"] == "PASSED").then_some(())?;
            Some(Summarised {
                at: predicate["timeVerified"].as_str()?.into(),
                requested_by: person(&promotion["requestedBy"])?,
                approved_by: approvers.iter().filter_map(person).collect(),
            })
        });
        told.max_by_key(|summary| summary.at.parse::<Timestamp>().ok())
    }
}

fn release_pipeline(world: &World, shop: &Shop, release: &str) -> Option<PipelineId> {
    let of_release = GitRef::Tag(release.into());
    let mut pipelines = world.pipelines.values().rev();
    pipelines.find(|held| held.project == shop.project && held.git_ref == of_release && held.source == "push").map(|held| held.id)
}

/// The digest that a deploy job was told by whoever started it.
fn given_image(world: &World, job: JobId) -> Option<Digest> {
    let (_, image) = world.job(job).given.variables.iter().find(|(name, _)| name == "IMAGE")?;
    image.rsplit_once('@')?.1.parse().ok()
}
