//! A release: judge every image, then write the section, the sticky notes and the status.

use std::collections::BTreeSet;

use super::{Bot, Handled, Judged, Rule, Stopped};
use crate::effects::{Done, Effect, StatusState};
use crate::model::gitlab::{MergeRequestIid, Pipeline, ProjectKey};
use crate::model::promotion::Standing;
use crate::render::Arrived;
use crate::verdict::{About, Outcome, PipelineFault, Problem, Question, Verdict};

impl Bot {
    /// Judges a release and writes what was found. Silent while its pipeline still runs: its end brings another hint.
    pub(super) async fn check_release(&self, rule: &Rule, project: &ProjectKey, tag: &str) -> Result<Handled, Stopped> {
        let mut judged = vec![];
        for image in &rule.watched.images {
            let about = About::Release { tag: tag.into() };
            let question = Question { project: rule.watched.clone(), image: image.clone(), about, asking_job: None };
            judged.push(self.verify(&question, &rule.policy).await?);
        }
        let verdicts: Vec<Verdict> = judged.into_iter().map(|Judged { verdict, .. }| verdict).collect();
        // A job that runs, a deployment above all, must not silence that somebody swapped what passed before.
        if verdicts.iter().any(still_running) && !verdicts.iter().any(swapped) {
            return Ok(Handled::Done);
        }
        self.write_release(rule, project, tag, &verdicts).await?;
        match verdicts.iter().find(|verdict| verdict.outcome == Outcome::CouldNotCheck) {
            Some(verdict) => Ok(Handled::Later(verdict.problem.as_ref().map_or("could not check", |p| p.code()).into())),
            None => Ok(Handled::Done),
        }
    }

    async fn write_release(&self, rule: &Rule, project: &ProjectKey, tag: &str, verdicts: &[Verdict]) -> Result<(), Stopped> {
        // GitLab turns the pipeline red on a failed status; `canceled` says that neither word would be true.
        if let Some(pipeline) = verdicts.iter().find_map(|verdict| verdict.subject.pipeline.as_ref()) {
            self.perform(self.status(project, pipeline, verdicts)).await?;
        }
        let arrived = self.arrived(rule, project, verdicts).await?;
        let section = self.words.release_section(verdicts, &arrived);
        if self.perform(Effect::ReleaseSection { project: project.clone(), tag: tag.into(), section }).await? == Some(Done::Waiting) {
            tracing::info!(%project, tag, "no release yet; its event brings the section");
        }
        let audience = self.audience(rule).await?;
        for merge_request in merge_requests(verdicts) {
            let note = self.ledger.sticky_note(project, merge_request).await?;
            let body = self.words.sticky_note(merge_request, verdicts, audience, &arrived);
            self.perform(Effect::StickyNote { project: project.clone(), merge_request, body, note }).await?;
        }
        Ok(())
    }

    /// What each environment runs, in the order of promotion, and when these images arrived there last.
    async fn arrived<'a>(&self, rule: &'a Rule, project: &ProjectKey, verdicts: &[Verdict]) -> Result<Vec<Arrived<'a>>, Stopped> {
        let mut arrived = vec![];
        for environment in &rule.environments {
            let mut runs: Vec<Standing> = self.runs(project, &environment.name).await?.into_iter().collect();
            for image in verdicts.iter().filter_map(|verdict| verdict.image.as_ref()) {
                let then = self.ledger.arrival_of(project, &environment.name, image).await?;
                runs.extend(then.filter(|then| runs.iter().all(|known| known.promotion.id != then.promotion.id)));
            }
            if let Some((_, others)) = runs.split_first_mut() {
                others.sort_by_key(|standing| std::cmp::Reverse(standing.promoted_at()));
            }
            arrived.push(Arrived { environment, runs });
        }
        Ok(arrived)
    }

    fn status(&self, project: &ProjectKey, pipeline: &Pipeline, verdicts: &[Verdict]) -> Effect {
        let worst = verdicts.iter().map(|verdict| verdict.outcome).fold(Outcome::Passed, worse);
        Effect::Status {
            project: project.clone(),
            sha: pipeline.sha.clone(),
            git_ref: pipeline.git_ref.clone(),
            pipeline: pipeline.id,
            state: match worst {
                Outcome::Passed => StatusState::Success,
                Outcome::Blocked => StatusState::Failed,
                Outcome::CouldNotCheck => StatusState::Canceled,
            },
            description: self.words.status_description(verdicts),
            target_url: None,
        }
    }
}

/// Whether a verdict only says that its pipeline has not ended.
pub(super) fn still_running(verdict: &Verdict) -> bool {
    let running = |problem: &Problem| matches!(problem, Problem::Pipeline { fault: PipelineFault::NotEnded { .. }, .. });
    verdict.findings.iter().filter_map(|finding| finding.problem.as_ref()).any(running)
}

/// Whether a verdict says that the record knows another image of this release or commit.
fn swapped(verdict: &Verdict) -> bool {
    matches!(verdict.problem, Some(Problem::TagMoved { .. } | Problem::Rebuilt { .. }))
}

fn worse(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Blocked, _) | (_, Outcome::Blocked) => Outcome::Blocked,
        (Outcome::CouldNotCheck, _) | (_, Outcome::CouldNotCheck) => Outcome::CouldNotCheck,
        (Outcome::Passed, Outcome::Passed) => Outcome::Passed,
    }
}

fn merge_requests(verdicts: &[Verdict]) -> BTreeSet<MergeRequestIid> {
    verdicts.iter().flat_map(|verdict| &verdict.subject.merge_requests).map(|found| found.merge_request.iid).collect()
}
