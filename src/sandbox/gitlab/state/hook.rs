//! Project webhooks: what is registered, what is to be sent, what became of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::World;
use crate::model::gitlab::ProjectId;
use crate::model::{Secret, Timestamp};

/// A webhook's number.
pub type HookId = u64;

/// GitLab sends no body larger than this.
const MAX_BODY: usize = 25 * 1024 * 1024;
/// Failures in a row after which a pausing GitLab pauses, and after which it stops for good.
const PAUSE_AFTER: u32 = 4;
const STOP_AFTER: u32 = 40;
/// The first pause, which doubles, and the longest one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// The event switches of a hook and what a new hook has them at.
pub const HOOK_EVENTS: &[(&str, bool)] = &[
    ("push_events", true),
    ("tag_push_events", false),
    ("merge_requests_events", false),
    ("note_events", false),
    ("confidential_note_events", false),
    ("issues_events", false),
    ("confidential_issues_events", false),
    ("job_events", false),
    ("pipeline_events", false),
    ("wiki_page_events", false),
    ("deployment_events", false),
    ("releases_events", false),
    ("feature_flag_events", false),
    ("milestone_events", false),
    ("emoji_events", false),
    ("resource_access_token_events", false),
];

/// What makes a hook fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    Push,
    TagPush,
    MergeRequest,
    Note,
    ConfidentialNote,
    Job,
    Pipeline,
    Deployment,
    Release,
}

impl Trigger {
    /// The hook's switch for it, which is also its name in `POST hooks/:id/test/:trigger`.
    pub fn switch(self) -> &'static str {
        match self {
            Self::Push => "push_events",
            Self::TagPush => "tag_push_events",
            Self::MergeRequest => "merge_requests_events",
            Self::Note => "note_events",
            Self::ConfidentialNote => "confidential_note_events",
            Self::Job => "job_events",
            Self::Pipeline => "pipeline_events",
            Self::Deployment => "deployment_events",
            Self::Release => "releases_events",
        }
    }

    /// `X-Gitlab-Event`.
    pub fn header(self) -> &'static str {
        match self {
            Self::Push => "Push Hook",
            Self::TagPush => "Tag Push Hook",
            Self::MergeRequest => "Merge Request Hook",
            Self::Note => "Note Hook",
            Self::ConfidentialNote => "Confidential Note Hook",
            Self::Job => "Job Hook",
            Self::Pipeline => "Pipeline Hook",
            Self::Deployment => "Deployment Hook",
            Self::Release => "Release Hook",
        }
    }

    /// `trigger` of `GET hooks/:id/events`.
    pub fn logged(self) -> String {
        self.switch().replace("_events", "_hooks")
    }
}

/// A registered webhook.
#[derive(Debug, Clone)]
pub struct Hook {
    pub id: HookId,
    pub project: ProjectId,
    pub url: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub token: Option<Secret>,
    /// `whsec_` and base64 of 32 bytes.
    pub signing_token: Option<Secret>,
    pub events: BTreeMap<&'static str, bool>,
    pub verifies_tls: bool,
    pub branch_filter: Option<String>,
    pub created_at: Timestamp,
    failures: u32,
    pub disabled_until: Option<Timestamp>,
}

impl Hook {
    /// `executable`, `temporarily_disabled` or `disabled`.
    pub fn alert_status(&self, now: Timestamp) -> &'static str {
        match self.disabled_until {
            _ if self.failures >= STOP_AFTER => "disabled",
            Some(until) if now < until => "temporarily_disabled",
            Some(_) | None => "executable",
        }
    }

    pub fn wants(&self, switch: &str) -> bool {
        self.events.get(switch).copied().unwrap_or(false)
    }

    /// `push_events_branch_filter`, a wildcard.
    fn takes_branch(&self, full_ref: &str) -> bool {
        let name = full_ref.strip_prefix("refs/heads/").unwrap_or(full_ref);
        self.branch_filter.as_ref().is_none_or(|filter| filter.is_empty() || super::fits(filter, name))
    }

    fn count(&mut self, worked: bool, now: Timestamp) {
        if worked {
            (self.failures, self.disabled_until) = (0, None);
            return;
        }
        self.failures += 1;
        if self.failures >= PAUSE_AFTER {
            let doubled = 1_i32.checked_shl(self.failures - PAUSE_AFTER).filter(|times| *times > 0 && *times < 2048).unwrap_or(2048);
            self.disabled_until = Some(now + (FIRST_PAUSE * doubled).min(LONGEST_PAUSE));
        }
    }
}

/// One request that is to be sent to a hook.
#[derive(Debug)]
pub struct Outgoing {
    pub project: ProjectId,
    pub hook: HookId,
    pub url: String,
    pub trigger: Trigger,
    pub token: Option<Secret>,
    pub signing_token: Option<Secret>,
    /// Same over re-sends of one delivery.
    pub idempotency_key: String,
    pub body: String,
    pub user_agent: String,
    /// The sender's address.
    pub instance: String,
}

/// A delivery that was tried.
#[derive(Debug, Clone)]
pub struct HookEvent {
    pub id: u64,
    pub project: ProjectId,
    pub hook: HookId,
    pub trigger: Trigger,
    pub url: String,
    pub request_headers: Vec<(String, String)>,
    pub request_data: String,
    /// `None` for no answer: refused, timed out.
    pub response_status: Option<u16>,
    pub response_headers: Vec<(String, String)>,
    pub response_body: String,
    pub seconds: f64,
    pub at: Timestamp,
    pub idempotency_key: String,
}

impl World {
    /// A hook that gets every kind of event the double sends.
    pub fn add_hook(&mut self, project: ProjectId, url: &str, token: Option<&str>, signing_token: Option<&str>) -> HookId {
        let id = self.new_hook(project, url);
        if let Some(hook) = self.project_mut(project).hooks.get_mut(&id) {
            hook.events.values_mut().for_each(|wanted| *wanted = true);
            hook.token = token.and_then(Secret::new);
            hook.signing_token = signing_token.and_then(Secret::new);
        }
        id
    }

    /// A hook with GitLab's defaults: push events only.
    pub fn new_hook(&mut self, project: ProjectId, url: &str) -> HookId {
        let (id, created_at) = (self.next_id(), self.now());
        let hook = Hook {
            id,
            project,
            url: url.into(),
            name: None,
            description: None,
            token: None,
            signing_token: None,
            events: HOOK_EVENTS.iter().copied().collect(),
            verifies_tls: true,
            branch_filter: None,
            created_at,
            failures: 0,
            disabled_until: None,
        };
        self.project_mut(project).hooks.insert(id, hook);
        id
    }

    /// Puts a body into the outbox for every hook of the project that wants it.
    pub(super) fn emit(&mut self, project: ProjectId, trigger: Trigger, body: &Value) {
        let now = self.now();
        let wanting: Vec<_> = self
            .project(project)
            .hooks
            .values()
            .filter(|hook| hook.wants(trigger.switch()))
            .filter(|hook| trigger != Trigger::Push || hook.takes_branch(body["ref"].as_str().unwrap_or_default()))
            .filter(|hook| !self.switches.pauses_hooks || hook.alert_status(now) == "executable")
            .map(|hook| hook.id)
            .collect();
        let text = body.to_string();
        if self.switches.loses_hooks || text.len() > MAX_BODY {
            self.lost += wanting.len();
            return;
        }
        for hook in wanting {
            let key = uuid::Uuid::now_v7().to_string();
            let outgoing = self.outgoing(project, hook, trigger, (key, text.clone()));
            self.outbox.extend(outgoing);
        }
    }

    /// A request to one hook, with an idempotency key and a body.
    pub fn outgoing(&self, project: ProjectId, hook: HookId, trigger: Trigger, keyed: (String, String)) -> Option<Outgoing> {
        let hook = self.project(project).hooks.get(&hook)?;
        Some(Outgoing {
            project,
            hook: hook.id,
            url: hook.url.clone(),
            trigger,
            token: hook.token.clone(),
            signing_token: hook.signing_token.clone(),
            idempotency_key: keyed.0,
            body: keyed.1,
            user_agent: format!("GitLab/{}", self.switches.version),
            instance: self.url.clone(),
        })
    }

    /// Keeps what became of a delivery.
    pub fn delivered(&mut self, mut event: HookEvent) -> u64 {
        let (id, now) = (self.next_id(), self.now());
        (event.id, event.at) = (id, now);
        let worked = event.response_status.is_some_and(|status| (200..400).contains(&status));
        if let Some(hook) = self.projects.get_mut(&event.project).and_then(|project| project.hooks.get_mut(&event.hook)) {
            hook.count(worked, now);
        }
        self.hook_events.push(event);
        id
    }

    /// The deliveries to one hook that were tried, oldest first.
    pub fn deliveries(&self, hook: HookId) -> impl Iterator<Item = &HookEvent> {
        self.hook_events.iter().filter(move |event| event.hook == hook)
    }
}
