//! The flow, on one screen: a hint comes in, GitLab is asked what happened, facts are collected, judged, recorded, and said.

mod answer;
mod catch_up;
mod memory;
mod promotion;
mod release;
mod writing;

use std::collections::BTreeMap;

use async_trait::async_trait;
pub use catch_up::{CaughtUp, Turns};

use crate::effects::Hands;
use crate::event::{Hint, Moment, Origin, Ourselves, Task, What};
use crate::facts::Looks;
use crate::facts::gitlab::Gitlab;
use crate::model::gitlab::{InstanceName, MergeRequestIid, ProjectKey};
use crate::model::project::WatchedProject;
use crate::model::{Digest, Environment, EnvironmentName, Timestamp};
use crate::render::{Audience, Links, Words};
use crate::store::ledger::{Ledger, LedgerError};
use crate::verdict::promotion::rule_digest;
use crate::verdict::{About, Facts, Fresh, Looked, Outcome, Policy, Question, Verdict, Why, judge, judge_no_image};

/// A project with what is demanded of it.
#[derive(Debug, Clone)]
pub struct Rule {
    pub watched: WatchedProject,
    pub policy: Policy,
    /// The environments with their rules, in the order of promotion; those of `watched`.
    pub environments: Vec<Environment>,
    /// Of the environments that demand more than the project does: the project as it is looked at for that, and what they demand.
    pub stricter: BTreeMap<EnvironmentName, (WatchedProject, Policy)>,
}

impl Rule {
    /// What is demanded of a release, or of what goes to an environment.
    pub fn demands(&self, environment: Option<&EnvironmentName>) -> (&WatchedProject, &Policy) {
        match environment.and_then(|name| self.stricter.get(name)) {
            Some((watched, policy)) => (watched, policy),
            None => (&self.watched, &self.policy),
        }
    }

    /// What a promotion to an environment is bound to.
    fn digest(&self, environment: &Environment) -> Digest {
        let (watched, policy) = self.demands(Some(&environment.name));
        rule_digest(policy, watched, environment)
    }
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    Done,
    /// Something outside was not there; worth another try. The text is for the log.
    Later(String),
    /// Nothing is wrong, and what was started outside has not ended yet. What that is, for the log.
    Waits(String),
}

/// The bot: everything it looks with, acts with, remembers with and speaks with.
pub struct Bot {
    pub looks: Looks,
    pub hands: Hands,
    pub ledger: Ledger,
    /// Whether `ledger` is the record of what was released.
    pub record: Record,
    pub words: Words,
    pub rules: Vec<Rule>,
    /// Whose turn it is to be looked at again.
    pub turns: Turns,
    pub watch: Watch,
    /// Where our own further work is put.
    pub inbox: Box<dyn Inbox>,
    /// The URL we are known by: who verified, in what we sign.
    pub public_url: String,
}

/// What a bot knows of earlier releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// Its ledger.
    Kept,
    /// Nothing: it answers one question, beside a bot that runs and holds the record. What must be compared with the record could then
    /// not be checked.
    Unread,
}

/// The way into the queue, for work that we give ourselves.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Takes a hint; it is on durable storage when this returns, and the workers hear of it at once. The error is for the log.
    async fn push(&self, hint: &Hint) -> Result<(), String>;
}

/// What the metrics hear of.
pub struct Watch {
    /// Called once a verdict.
    pub judged: Box<dyn Fn(Outcome) + Send + Sync>,
    /// Called once an effect that did not happen, with its kind.
    pub effect_failed: Box<dyn Fn(&'static str) + Send + Sync>,
}

/// Why a piece of work stopped. Everything in here is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("{}", .0.detail)]
    NotSeen(Why),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    NotWritten(String),
}

impl Bot {
    /// One piece of work, from hint to words. Doing it twice is doing it once.
    pub async fn handle(&self, hint: &Hint) -> Handled {
        match self.work(hint).await {
            Ok(handled) => handled,
            Err(stopped) => Handled::Later(stopped.to_string()),
        }
    }

    async fn work(&self, hint: &Hint) -> Result<Handled, Stopped> {
        let Some(rule) = self.rule_of(&hint.project).await? else { return Ok(Handled::Done) };
        let Some(event) = seen(self.looks.reread(hint).await)? else { return Ok(Handled::Done) };
        let (event, begun) = self.as_taken(&hint.project, event).await?;
        let ourselves = self.ourselves(&hint.project.instance).await?;
        self.wake(&hint.project, &event).await?;
        let mut handled = Handled::Done;
        let moment = Moment { now: Timestamp::now(), begun };
        for task in event.tasks(&rule.watched, &ourselves, moment) {
            let ended = match task {
                Task::CheckRelease { tag } => self.check_release(rule, &hint.project, &tag).await?,
                Task::Answer { merge_request, note, said } => {
                    self.answer(rule, &answer::Asked { project: &hint.project, merge_request: &merge_request, note: &note }, &said).await?
                }
                Task::Promote { id } => self.promote(rule, &hint.project, &id).await?,
                Task::Observe { environment } => self.observe(&hint.project, &environment).await?,
            };
            handled = match (ended, handled) {
                (Handled::Done, so_far) | (Handled::Waits(_), so_far @ Handled::Later(_)) => so_far,
                (sterner @ (Handled::Later(_) | Handled::Waits(_)), _) => sterner,
            };
        }
        Ok(handled)
    }

    /// Collects, judges and records. The one way to a verdict: hooks, chat, API and CLI all come through here.
    pub async fn verify(&self, question: &Question, policy: &Policy) -> Result<Judged, LedgerError> {
        let (id, fresh) = self.judged(question, policy).await?;
        Ok(Judged { id, verdict: fresh.into() })
    }

    /// The same, for whoever promotes by it.
    async fn judged(&self, question: &Question, policy: &Policy) -> Result<(uuid::Uuid, Fresh), LedgerError> {
        // The largest future of all: on the heap, so that every one which holds it stays small.
        let facts = Box::pin(self.looks.collect(question, Timestamp::now(), self)).await;
        let verdict = judge(&facts, policy);
        let (id, news) = self.record(&facts, &verdict).await?;
        self.tell(&id, &verdict, news);
        if let (Some(project), Some(sighting)) = (facts.project.found(), verdict.sighting()) {
            self.ledger.record_sighting(&project.key, &question.image.repository, &sighting).await?;
        }
        Ok((id, verdict))
    }

    /// The verdict about a registry tag that names no image, or of which nobody can say what it names: there is nothing more to look
    /// at. It is recorded as any other.
    pub async fn verify_no_image(&self, question: &Question, tag: &str, why: Option<&Why>, policy: &Policy) -> Result<Judged, LedgerError> {
        let verdict = judge_no_image(question, tag, why, policy, Timestamp::now());
        let id = self.ledger.record_verdict(&verdict).await?;
        self.tell(&id, &verdict, true);
        Ok(Judged { id, verdict })
    }

    /// One line in the log and one count a verdict.
    fn tell(&self, id: &uuid::Uuid, verdict: &Verdict, news: bool) {
        (self.watch.judged)(verdict.outcome);
        tracing::info!(
            verdict = %id,
            outcome = verdict.outcome.word(),
            code = verdict.problem.as_ref().map_or("", |problem| problem.code()),
            digest = verdict.digest().map_or(String::new(), |digest| digest.to_string()),
            project = %verdict.subject.question.project.path,
            news,
            "verdict"
        );
    }

    /// Records a verdict and says whether it is news. One that says what the last one of this release said is not recorded again: the catch-up poll looks at
    /// every release over and over.
    async fn record(&self, facts: &Facts, verdict: &Verdict) -> Result<(uuid::Uuid, bool), LedgerError> {
        if let (Some(project), About::Release { tag }) = (facts.project.found(), &facts.question.about) {
            let last = self.ledger.latest_verdict(&project.key, &facts.question.image.repository, tag).await?;
            if let Some((id, _)) = last.filter(|(_, last)| last.says_the_same(verdict)) {
                return Ok((id, false));
            }
        }
        Ok((self.ledger.record_verdict(verdict).await?, true))
    }

    /// The rule for a project, by what GitLab says its path is now: a hint's own words decide nothing.
    async fn rule_of(&self, key: &ProjectKey) -> Result<Option<&Rule>, Stopped> {
        if !self.rules.iter().any(|rule| rule.watched.instance == key.instance) {
            return Ok(None);
        }
        let project = seen(self.gitlab(&key.instance)?.project_by_id(key.id).await)?;
        // GitLab's paths ignore case; the configuration holds no two that differ in case alone.
        let of = |rule: &&Rule, path: &str| rule.watched.instance == key.instance && rule.watched.path.0.eq_ignore_ascii_case(path);
        Ok(project.and_then(|project| self.rules.iter().find(|rule| of(rule, &project.path.0))))
    }

    /// Who reads notes of this project. When GitLab cannot say, everyone might.
    async fn audience(&self, rule: &Rule) -> Result<Audience, Stopped> {
        Ok(Audience::of(seen(self.looks.project(&rule.watched).await)?.as_ref()))
    }

    /// Who reads a note on this merge request, and where the things of the project are found.
    async fn readers(&self, rule: &Rule, merge_request: MergeRequestIid) -> Result<(Audience, Links), Stopped> {
        let project = seen(self.looks.project(&rule.watched).await)?;
        Ok((Audience::of(project.as_ref()), Links::on(project.as_ref(), merge_request)))
    }

    async fn ourselves(&self, instance: &InstanceName) -> Result<Ourselves, Stopped> {
        match seen(self.gitlab(instance)?.whoami().await)? {
            Some(user) => Ok(Ourselves { instance: instance.clone(), user: user.id, username: user.username }),
            None => Err(Stopped::NotWritten("GitLab does not know the token's user".into())),
        }
    }

    fn gitlab(&self, instance: &InstanceName) -> Result<&Gitlab, Stopped> {
        let unknown = || Stopped::NotWritten(format!("no GitLab is configured as {instance}"));
        seen(self.looks.gitlab(instance))?.ok_or_else(unknown)
    }

    /// Work for ourselves, in a lane and at a time of its own.
    async fn push(&self, project: &ProjectKey, what: What) -> Result<(), Stopped> {
        let hint = Hint { project: project.clone(), what, origin: Origin::Ourselves, received_at: Timestamp::now() };
        self.inbox.push(&hint).await.map_err(Stopped::NotWritten)
    }
}

/// A verdict with the id it is recorded under.
#[derive(Debug, Clone)]
pub struct Judged {
    pub id: uuid::Uuid,
    pub verdict: Verdict,
}

/// `None` for absence; an outage stops the work until later.
fn seen<T>(looked: Looked<T>) -> Result<Option<T>, Stopped> {
    match looked {
        Looked::Found(value) => Ok(Some(value)),
        Looked::Absent => Ok(None),
        Looked::Unreachable(why) => Err(Stopped::NotSeen(why)),
    }
}
