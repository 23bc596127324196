//! What the double knows: plain data with verbs. Nothing here speaks HTTP, waits or does I/O.
//!
//! A verb is something that happens at a GitLab: a push, a comment, a job that ends. It changes the data and puts the webhooks
//! that GitLab would send into [`World::outbox`]. Verbs do not ask who may do it (that is `rights`, which the HTTP face asks
//! first) and panic when told of an object that is not there: a test that names one is wrong.

mod activity;
mod clock;
mod commit_status;
mod environment;
mod hook;
mod job;
mod merge_request;
mod note;
mod people;
mod pipeline;
mod project;
mod quick_action;
mod refused;
mod registry;
mod release;
mod repository;
mod rights;
mod rollup;
mod wildcard;

use std::collections::BTreeMap;

pub use activity::{Activity, Target};
pub use clock::Clock;
pub use commit_status::{CommitStatus, NewStatus};
pub use environment::{Deployment, Environment, ProtectedEnvironment};
pub use hook::{HOOK_EVENTS, Hook, HookEvent, HookId, Outgoing, Trigger};
pub use job::{Artifacts, Given, Job, JobEnd, JobSpec, RunsOn};
pub use merge_request::{Approval, MergeRequest, MergeRequestKey};
pub use note::{Discussion, Emoji, NewNote, Note, Noted};
pub use people::{Group, Level, Membership, Token, User};
pub use pipeline::{NewPipeline, Pipeline, TestSuite};
pub use project::{MergeMethod, Project, Visibility};
pub use refused::{NOTHING, Refused};
pub use registry::{Attestation, RegistryRepository, RegistryTag};
pub use release::Release;
pub(super) use repository::Moved;
pub use repository::{Commit, GitTag, Grant, ProtectedBranch, ProtectedTag};
pub use rights::Right;
pub use wildcard::fits;

use crate::model::Timestamp;
use crate::model::gitlab::{JobId, PipelineId, ProjectId, Runner, RunnerId, UserId};

/// What differs between installations, and what goes wrong in them.
#[derive(Debug, Clone)]
pub struct Switches {
    /// `version` of the API and of the `User-Agent` of webhooks.
    pub version: String,
    /// Enterprise Edition: approval state and protected environments exist.
    pub enterprise: bool,
    /// Enterprise Edition up to 18: `/promote` is a quick action and is cut out of notes.
    pub eats_promote: bool,
    /// GitLab.com: 60 notes a minute for each user, then 429.
    pub limits_notes: bool,
    /// Signing tokens of webhooks are honoured (19.0 and later); older servers ignore the parameter in silence.
    pub signs_hooks: bool,
    /// Every webhook is dropped on the way out, as above the rate limit: nothing is sent and nothing recorded.
    pub loses_hooks: bool,
    /// GitLab.com's ops flag: four failed deliveries in a row pause a hook.
    pub pauses_hooks: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            version: "19.5.0-ee".into(),
            enterprise: true,
            eats_promote: false,
            limits_notes: false,
            signs_hooks: true,
            loses_hooks: false,
            pauses_hooks: false,
        }
    }
}

/// One GitLab.
#[derive(Debug)]
pub struct World {
    /// Where it is reached, without a slash at the end; every `web_url` starts with it.
    pub url: String,
    pub clock: Clock,
    pub switches: Switches,
    /// Host that image names of its registry start with.
    pub registry_host: String,
    pub users: BTreeMap<UserId, User>,
    pub tokens: Vec<Token>,
    pub groups: BTreeMap<u64, Group>,
    pub projects: BTreeMap<ProjectId, Project>,
    pub pipelines: BTreeMap<PipelineId, Pipeline>,
    pub jobs: BTreeMap<JobId, Job>,
    pub runners: BTreeMap<RunnerId, (Runner, Vec<String>)>,
    /// Webhooks that are to be sent; whoever lets go of the world takes them.
    pub outbox: Vec<Outgoing>,
    /// Deliveries that were tried, oldest first, as `GET hooks/:id/events` tells them.
    pub hook_events: Vec<HookEvent>,
    /// Webhooks that [`Switches::loses_hooks`] swallowed.
    pub lost: usize,
    last_id: u64,
}

impl World {
    /// An empty GitLab with its administrator `root`.
    pub fn new(url: &str) -> Self {
        let mut world = Self {
            url: url.trim_end_matches('/').into(),
            clock: Clock::default(),
            switches: Switches::default(),
            registry_host: "registry.example.com".into(),
            users: BTreeMap::new(),
            tokens: vec![],
            groups: BTreeMap::new(),
            projects: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            jobs: BTreeMap::new(),
            runners: BTreeMap::new(),
            outbox: vec![],
            hook_events: vec![],
            lost: 0,
            last_id: 0,
        };
        world.add_user("root");
        world
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id. All kinds of objects share one row of numbers, so that a mixed-up id never happens to fit.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// 40 hex digits that were not there before: a commit, a tag object, a discussion.
    pub(super) fn next_hex(&mut self, what: &str) -> String {
        use sha2::{Digest as _, Sha256};
        let number = self.next_id();
        hex::encode(&Sha256::digest(format!("{what} {number}"))[..20])
    }

    /// Whether this GitLab is of at least this version.
    pub fn is_since(&self, major: u64, minor: u64) -> bool {
        let mut numbers = self.switches.version.split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or_default());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) >= (major, minor)
    }

    pub fn project(&self, id: ProjectId) -> &Project {
        self.projects.get(&id).unwrap_or_else(|| panic!("the sandbox holds no project {id}"))
    }

    pub fn project_mut(&mut self, id: ProjectId) -> &mut Project {
        self.projects.get_mut(&id).unwrap_or_else(|| panic!("the sandbox holds no project {id}"))
    }

    pub fn pipeline(&self, id: PipelineId) -> &Pipeline {
        self.pipelines.get(&id).unwrap_or_else(|| panic!("the sandbox holds no pipeline {id}"))
    }

    pub fn pipeline_mut(&mut self, id: PipelineId) -> &mut Pipeline {
        self.pipelines.get_mut(&id).unwrap_or_else(|| panic!("the sandbox holds no pipeline {id}"))
    }

    pub fn job(&self, id: JobId) -> &Job {
        self.jobs.get(&id).unwrap_or_else(|| panic!("the sandbox holds no job {id}"))
    }

    pub fn job_mut(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).unwrap_or_else(|| panic!("the sandbox holds no job {id}"))
    }

    pub fn user(&self, id: UserId) -> &User {
        self.users.get(&id).unwrap_or_else(|| panic!("the sandbox holds no user {id}"))
    }
}
