//! What no hook told: tags, pipelines and notes that are newer than where we last looked, and releases that are looked at again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{Bot, Rule, Stopped, seen};
use crate::effects::Effect;
use crate::event::{COMMAND_AGE, Hint, Origin, What};
use crate::facts::gitlab::Gitlab;
use crate::model::Timestamp;
use crate::model::gitlab::{Project, ProjectKey};
use crate::verdict::Looked;

/// How far the first look of a project goes back, and how much each look overlaps the one before: GitLab's lists lag a little.
const OVERLAP: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);
const FIRST_LOOK: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
/// No look at pipelines goes further back: after a long silence the list would be longer than we read, today and for ever. Release
/// tags that were never judged are found without it, and notes are too old for an answer much earlier.
const LONGEST_LOOK: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// Tags listed in one round, newest first.
const TAGS_MAX: usize = 50;
/// The newest releases that are looked at again in turn: what runs somewhere is among them, and a registry tells nobody when
/// somebody moves a tag.
const WATCHED_RELEASES: usize = 5;

/// Whose turn it is to be looked at again. In memory only: a restart looks again a little early.
#[derive(Debug)]
pub struct Turns {
    every: jiff::SignedDuration,
    last: Mutex<BTreeMap<ProjectKey, (Timestamp, usize)>>,
    /// When a project's environments were last looked at.
    observed: Mutex<BTreeMap<ProjectKey, Timestamp>>,
}

impl Turns {
    /// One release of a project in each `every`.
    pub fn new(every: std::time::Duration) -> Self {
        Self {
            every: jiff::SignedDuration::try_from(every).unwrap_or(jiff::SignedDuration::MAX),
            last: Mutex::default(),
            observed: Mutex::default(),
        }
    }

    /// Whether it is time to see what a project's environments run.
    fn observes(&self, project: &ProjectKey, now: Timestamp) -> bool {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = observed.get(project).is_none_or(|at| now.duration_since(*at) >= self.every);
        if due {
            observed.insert(project.clone(), now);
        }
        due
    }

    fn next<'a>(&self, project: &ProjectKey, releases: &'a [String], now: Timestamp) -> Option<&'a String> {
        let newest = &releases[..releases.len().min(WATCHED_RELEASES)];
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, turn) = last.get(project).copied().unwrap_or((Timestamp::MIN, 0));
        if newest.is_empty() || now.duration_since(at) < self.every {
            return None;
        }
        last.insert(project.clone(), (now, turn + 1));
        newest.get(turn % newest.len())
    }
}

/// What one round found in one project.
#[derive(Debug, Clone)]
pub struct CaughtUp {
    pub project: ProjectKey,
    pub hints: Vec<Hint>,
    /// Where the next look starts, once the hints are durable.
    pub until: Timestamp,
}

impl Bot {
    /// Looks at every watched project. A project that cannot be looked at keeps its place and is looked at again next time.
    pub async fn catch_up(&self) -> Vec<CaughtUp> {
        let mut found = vec![];
        for rule in &self.rules {
            match self.catch_up_project(rule).await {
                Ok(caught_up) => found.extend(caught_up),
                Err(stopped) => tracing::warn!(project = %rule.watched.path, why = %stopped, "catch-up could not look"),
            }
        }
        found
    }

    /// The hints of a round are durable: the next one starts where it ended.
    pub async fn caught_up(&self, found: &[CaughtUp]) {
        for round in found {
            if let Err(fault) = self.ledger.set_cursor(&round.project, round.until).await {
                tracing::warn!(project = %round.project, why = %fault, "catch-up will look at the same again");
            }
        }
    }

    async fn catch_up_project(&self, rule: &Rule) -> Result<Option<CaughtUp>, Stopped> {
        let gitlab = match self.looks.gitlab(&rule.watched.instance) {
            Looked::Found(gitlab) => gitlab,
            Looked::Absent => return Ok(None),
            Looked::Unreachable(why) => return Err(Stopped::NotSeen(why)),
        };
        let Some(project) = seen(self.looks.project(&rule.watched).await)? else {
            tracing::warn!(project = %rule.watched.path, "GitLab shows no such project to this token");
            return Ok(None);
        };
        let now = Timestamp::now();
        let last = self.ledger.cursor(&project.key).await?.unwrap_or(now - FIRST_LOOK + OVERLAP);
        let since = last - OVERLAP;
        let looks = [
            self.releases(rule, gitlab, &project, now).await,
            pipelines_since(rule, gitlab, &project, since.max(now - LONGEST_LOOK)).await,
            notes_since(gitlab, &project, since.max(now - COMMAND_AGE)).await,
            self.promotions(rule, &project, now).await,
        ];
        let (mut what, mut until) = (vec![], now);
        for look in looks {
            match look {
                Ok(found) => what.extend(found),
                // What one list does not tell must not hide what the others do.
                Err(stopped) => {
                    tracing::warn!(project = %project.path, why = %stopped, "catch-up could not look at everything");
                    until = last;
                }
            }
        }
        let hint = |what| Hint { project: project.key.clone(), what, origin: Origin::CatchUp, received_at: now };
        Ok(Some(CaughtUp { project: project.key.clone(), hints: what.into_iter().map(hint).collect(), until }))
    }

    /// Release tags that were never judged (GitLab sends nothing for a push of more than three), those whose release appeared since
    /// its section found none, and one of the newest in turn.
    async fn releases(&self, rule: &Rule, gitlab: &Gitlab, project: &Project, now: Timestamp) -> Result<Vec<What>, Stopped> {
        let tags = seen(gitlab.recent_tags(project.key.id, rule.watched.release_tags.prefix(), TAGS_MAX).await)?.unwrap_or_default();
        let tags: Vec<_> = tags.into_iter().filter(|tag| rule.watched.release_tags.matches(&tag.name)).collect();
        let mut due = vec![];
        for tag in &tags {
            let mut judged = true;
            for image in &rule.watched.images {
                judged &= self.ledger.latest_verdict(&project.key, &image.repository, &tag.name).await?.is_some();
            }
            let section = Effect::ReleaseSection { project: project.key.clone(), tag: tag.name.clone(), section: String::new() };
            if !judged || (tag.has_release && self.ledger.waits(&section.key()).await?) {
                due.push(What::Tag { name: tag.name.clone() });
            }
        }
        let releases: Vec<_> = tags.into_iter().map(|tag| tag.name).collect();
        due.extend(self.turns.next(&project.key, &releases, now).map(|tag| What::Tag { name: tag.clone() }));
        Ok(due)
    }
}

impl Bot {
    /// Every open promotion, so that none hangs because a hint was lost or its time is over; and in turn what the environments run,
    /// which a registry tells nobody.
    async fn promotions(&self, rule: &Rule, project: &Project, now: Timestamp) -> Result<Vec<What>, Stopped> {
        let open = self.ledger.open_promotions().await?.into_iter().map(|standing| standing.promotion);
        let mut due: Vec<_> = open.filter(|open| open.project == project.key).map(|open| What::Promotion { id: open.id }).collect();
        if self.turns.observes(&project.key, now) {
            due.extend(rule.environments.iter().map(|environment| What::Environment { name: environment.name.clone() }));
        }
        Ok(due)
    }
}

async fn pipelines_since(rule: &Rule, gitlab: &Gitlab, project: &Project, since: Timestamp) -> Result<Vec<What>, Stopped> {
    let pipelines = seen(gitlab.recent_pipelines(project.key.id, since).await)?.unwrap_or_default();
    // A branch may be named like a tag: which it is, the pipeline tells when it is read.
    let of_release = pipelines.into_iter().filter(|pipeline| rule.watched.release_tags.matches(&pipeline.ref_name));
    Ok(of_release.map(|pipeline| What::Pipeline { id: pipeline.id }).collect())
}

async fn notes_since(gitlab: &Gitlab, project: &Project, since: Timestamp) -> Result<Vec<What>, Stopped> {
    let mut notes = vec![];
    for merge_request in seen(gitlab.merge_requests_updated_after(project.key.id, since).await)?.unwrap_or_default() {
        let found = seen(gitlab.notes_since(project.key.id, merge_request.iid, since).await)?.unwrap_or_default();
        let human = found.into_iter().filter(|note| !note.system);
        notes.extend(human.map(|note| What::Note { merge_request: merge_request.iid, note: note.id }));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gitlab::{InstanceName, ProjectId};

    #[test]
    fn the_newest_releases_take_turns_and_none_comes_too_early() {
        let turns = Turns::new(std::time::Duration::from_secs(600));
        let project = ProjectKey { instance: InstanceName("main".into()), id: ProjectId(1) };
        let releases: Vec<String> = (1..=7).rev().map(|n| format!("v{n}")).collect();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = |minutes: i64| start + jiff::SignedDuration::from_mins(minutes);
        assert_eq!(turns.next(&project, &[], at(0)), None);
        let seen: Vec<_> = (0..6).map(|round| turns.next(&project, &releases, at(10 * round)).cloned().unwrap()).collect();
        assert_eq!(seen, ["v7", "v6", "v5", "v4", "v3", "v7"]);
        assert_eq!(turns.next(&project, &releases, at(59)), None);
        assert_eq!(turns.next(&project, &releases, at(60)).map(String::as_str), Some("v6"));
    }
}
