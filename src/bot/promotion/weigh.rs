//! Everything that a promotion is decided on, looked at anew each time.

use uuid::Uuid;

use super::super::{Bot, Rule, Stopped, seen};
use crate::model::environment::Environment;
use crate::model::gitlab::{CommitSha, JobId, PipelineId, ProjectKey};
use crate::model::project::WatchedImage;
use crate::model::promotion::{Act, AskedIn, Direction, Left, Person, PromotionId, Standing};
use crate::model::{Digest, PinnedImage, Timestamp};
use crate::verdict::promotion::{Bar, Holder, PromotionFacts, Right, Staged, Weighed, clear, weigh};
use crate::verdict::{About, AskingJob, Clearance, Fresh, Looked, PipelineFault, Problem, Question, Rank};

/// What is decided on: a command, or the promotion that it became.
pub(in crate::bot) struct Case<'a> {
    pub project: &'a ProjectKey,
    pub id: &'a PromotionId,
    pub direction: Direction,
    pub environment: &'a Environment,
    /// Each image of the release, with what is asked about it.
    pub images: Vec<(WatchedImage, About)>,
    pub requested_by: &'a Person,
    pub requested_at: Timestamp,
    /// Where it stands, once it was accepted.
    pub accepted: Option<&'a Standing>,
}

/// What was decided, and on what.
pub(in crate::bot) struct Decided {
    pub facts: PromotionFacts,
    pub weighed: Weighed,
    /// The ids of the verdicts.
    pub verdicts: Vec<Uuid>,
}

/// Whether a promotion goes on.
pub(in crate::bot) enum Course {
    On,
    /// An approval is missing.
    Waits,
    /// Something that decides could not be looked at, or is about to change by what we started ourselves.
    Later(String),
    Stops(Bar),
}

impl Decided {
    /// The course of one that was accepted. What could not be looked at is looked at again until the promotion is overdue; a plain no
    /// ends it.
    pub fn course(&self) -> Course {
        let plain = self.weighed.bars.iter().find(|bar| !is_open_question(bar) && !matches!(bar, Bar::SecondPerson { .. }));
        match (plain, self.weighed.bars.iter().find(|bar| is_open_question(bar))) {
            (Some(bar), _) => Course::Stops(bar.clone()),
            (None, Some(bar)) => Course::Later(bar.code().into()),
            (None, None) if self.weighed.waits_for_approval || !self.weighed.bars.is_empty() => Course::Waits,
            (None, None) => Course::On,
        }
    }

    /// The clearances, one for each image; `None` unless nothing bars it.
    pub fn clearances(&self) -> Option<Vec<Clearance>> {
        clear(&self.facts).ok().map(|cleared| cleared.clearances)
    }

    /// Every image, with its short name; `None` unless each is known.
    pub fn images(&self) -> Option<Vec<(String, PinnedImage)>> {
        let named = |verdict: &Fresh| Some((verdict.subject.question.image.name.clone(), verdict.image.clone()?));
        self.facts.verdicts.iter().map(named).collect()
    }

    /// The commit and the release pipeline, which all images share.
    pub fn origin(&self) -> Option<(CommitSha, PipelineId)> {
        let of = |verdict: &Fresh| Some((verdict.subject.commit.as_ref()?.sha.clone(), verdict.subject.pipeline.as_ref()?.id));
        let first = of(self.facts.verdicts.first()?)?;
        self.facts.verdicts.iter().all(|verdict| of(verdict).as_ref() == Some(&first)).then_some(first)
    }
}

/// Whether a bar says that something could not be seen, and nothing against the promotion.
fn is_open_question(bar: &Bar) -> bool {
    match bar {
        Bar::Unavailable { .. } => true,
        Bar::Image { problem, .. } | Bar::NoImage { problem, .. } => problem.rank() == Rank::CouldNotCheck || runs_again(problem),
        Bar::Rights { .. }
        | Bar::SecondPerson { .. }
        | Bar::Halted { .. }
        | Bar::Frozen { .. }
        | Bar::Locked { .. }
        | Bar::Expired { .. }
        | Bar::Changed { .. }
        | Bar::NotStaged { .. }
        | Bar::NoAction { .. }
        | Bar::Step { .. }
        | Bar::Drift { .. } => false,
    }
}

/// Whether the release pipeline runs again, as it does while a deploy job of it runs: its end decides.
fn runs_again(problem: &Problem) -> bool {
    matches!(problem, Problem::Pipeline { fault: PipelineFault::NotEnded { .. } | PipelineFault::NotAsking { .. }, .. })
}

impl Bot {
    /// Looks at everything that decides, judges every image again, and decides.
    pub(in crate::bot) async fn weigh(&self, rule: &Rule, case: &Case<'_>) -> Result<Decided, Stopped> {
        let asking_job = self.own_running_job(case).await?.map(AskingJob::Said);
        let (mut verdicts, mut ids) = (vec![], vec![]);
        let (watched, policy) = rule.demands(Some(&case.environment.name));
        for (image, about) in &case.images {
            // As it is looked at for this environment; one that the configuration has no more stays as it was.
            let image = watched.images.iter().find(|watched| watched.name == image.name).unwrap_or(image);
            let question = Question { project: watched.clone(), image: image.clone(), about: about.clone(), asking_job };
            let (id, verdict) = self.judged(&question, policy).await?;
            ids.push(id);
            verdicts.push(verdict);
        }
        let changed = self.changed(rule, case, &verdicts).await?;
        let staged = self.staged(case, &verdicts).await?;
        let held_by = self.held_by(case).await?;
        let facts = PromotionFacts {
            as_of: Timestamp::now(),
            direction: case.direction,
            environment: case.environment.clone(),
            requested_at: case.requested_at,
            accepted: case.accepted.is_some(),
            requester: (case.requested_by.clone(), self.right(case, case.requested_by).await?),
            approvers: self.approvers(case).await?,
            halted: self.looks.halted().await,
            held_by,
            verdicts,
            staged,
            changed,
        };
        let weighed = weigh(&facts);
        Ok(Decided { facts, weighed, verdicts: ids })
    }

    /// The same decision once more: rights, halt switch, freeze and the command are looked at again, the images are not.
    pub(super) async fn weigh_between(&self, rule: &Rule, case: &Case<'_>, before: Decided) -> Result<Decided, Stopped> {
        let Decided { mut facts, verdicts, .. } = before;
        facts.changed = self.changed(rule, case, &facts.verdicts).await?;
        facts.requester.1 = self.right(case, case.requested_by).await?;
        facts.approvers = self.approvers(case).await?;
        facts.halted = self.looks.halted().await;
        facts.as_of = Timestamp::now();
        let weighed = weigh(&facts);
        Ok(Decided { facts, weighed, verdicts })
    }

    async fn right(&self, case: &Case<'_>, person: &Person) -> Result<Looked<Right>, Stopped> {
        Ok(self.gitlab(&case.project.instance)?.right(case.project.id, person.id, case.environment).await)
    }

    async fn approvers(&self, case: &Case<'_>) -> Result<Vec<(Person, Looked<Right>)>, Stopped> {
        let mut approvers = vec![];
        for (person, _) in case.accepted.map(|standing| standing.approvals.as_slice()).unwrap_or_default() {
            approvers.push((person.clone(), self.right(case, person).await?));
        }
        Ok(approvers)
    }

    /// The job of the release pipeline that an earlier step of ours started, while it runs: because of it that pipeline has not
    /// ended, and the images are judged as for a deploy job that asks by itself.
    async fn own_running_job(&self, case: &Case<'_>) -> Result<Option<JobId>, Stopped> {
        let Some(standing) = case.accepted else { return Ok(None) };
        for step in &standing.steps {
            let (Act::PlayJob { .. }, Some((Left::Job { id }, _))) = (&step.act, &step.did) else { continue };
            let job = seen(self.gitlab(&case.project.instance)?.job(case.project.id, *id).await)?;
            if job.is_some_and(|job| !job.status.ended()) {
                return Ok(Some(*id));
            }
        }
        Ok(None)
    }

    /// Who else holds the environment. One that is overdue is ended on the way, unless it is at a step: no promotion holds it for ever.
    async fn held_by(&self, case: &Case<'_>) -> Result<Option<Holder>, Stopped> {
        let Some(holder) = self.ledger.holder(case.project, &case.environment.name).await? else { return Ok(None) };
        let promotion = &holder.promotion;
        if promotion.id == *case.id {
            return Ok(None);
        }
        if holder.is_overdue(Timestamp::now()) && self.lapse(promotion).await? {
            return Ok(None);
        }
        let (by, release) = (promotion.requested_by.clone(), promotion.release.clone());
        Ok(Some(Holder { promotion: promotion.id.clone(), by, release, since: promotion.requested_at }))
    }

    /// Since when each image is where it must have been before; in the order of the verdicts.
    async fn staged(&self, case: &Case<'_>, verdicts: &[Fresh]) -> Result<Vec<Looked<Staged>>, Stopped> {
        let Some(before) = &case.environment.after else { return Ok(vec![]) };
        let mut staged = vec![];
        for verdict in verdicts {
            let arrived = match &verdict.image {
                Some(image) => self.ledger.arrival_of(case.project, before, image).await?,
                None => None,
            };
            let at = |standing: Standing| Some(Staged { at: standing.promoted_at()?, promotion: standing.promotion.id });
            staged.push(arrived.and_then(at).map_or(Looked::Absent, Looked::Found));
        }
        Ok(staged)
    }

    /// What is not as it was when the command was accepted (SR-09). The note is read again: an edited or deleted one asks for
    /// nothing any more.
    async fn changed(&self, rule: &Rule, case: &Case<'_>, verdicts: &[Fresh]) -> Result<Vec<String>, Stopped> {
        let Some(Standing { promotion, .. }) = case.accepted else { return Ok(vec![]) };
        let mut changed = vec![];
        let AskedIn { merge_request, note, words, .. } = &promotion.asked_in;
        match seen(self.gitlab(&case.project.instance)?.note(case.project.id, *merge_request, *note).await)? {
            None => changed.push("the command was deleted".into()),
            Some(note) if Digest::of(note.body.as_bytes()) != *words => changed.push("the command was edited".into()),
            Some(_) => {}
        }
        let configured = rule.environments.iter().find(|environment| environment.name == promotion.environment.name);
        if configured.is_none_or(|environment| rule.digest(environment) != promotion.rule) {
            changed.push("the policy or the environment's rule is another one".into());
        }
        for verdict in verdicts {
            let (name, now) = (&verdict.subject.question.image.name, verdict.image.as_ref());
            let then = promotion.images.iter().find(|(held, _)| held == name).map(|(_, image)| image);
            if now.is_some() && now != then {
                changed.push(format!("the release names another image {name}"));
            }
            if verdict.subject.commit.as_ref().is_some_and(|commit| commit.sha != promotion.commit) {
                changed.push("the release tag names another commit".into());
            }
        }
        changed.dedup();
        Ok(changed)
    }

    /// What a promotion was accepted for, to be decided again.
    pub(super) fn case_of<'a>(&self, rule: &Rule, standing: &'a Standing) -> Case<'a> {
        let promotion = &standing.promotion;
        let about = |image: &WatchedImage| {
            let accepted = promotion.images.iter().find(|(_, pinned)| pinned.repository == image.repository);
            match (promotion.direction, accepted) {
                (Direction::Rollback, Some((_, pinned))) => About::Image { digest: pinned.digest, tag: Some(promotion.release.clone()) },
                (Direction::Promote, _) | (Direction::Rollback, None) => About::Release { tag: promotion.release.clone() },
            }
        };
        Case {
            project: &promotion.project,
            id: &promotion.id,
            direction: promotion.direction,
            environment: &promotion.environment,
            images: rule.watched.images.iter().map(|image| (image.clone(), about(image))).collect(),
            requested_by: &promotion.requested_by,
            requested_at: promotion.requested_at,
            accepted: Some(standing),
        }
    }
}
