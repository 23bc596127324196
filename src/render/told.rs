//! The part of a verdict that terminals and reports are written from, as it stands in its JSON: the same words come from a verdict
//! made here and from one that a server answered with.

use serde::{Deserialize, Serialize};

use super::Words;
use super::inert::one_line;
use super::story::check_name;
use crate::model::{Digest, Repository, Timestamp};
use crate::verdict::{About, Check, CheckOutcome, Finding, Outcome, Subject, Verdict};

/// A verdict as it is told. Keys that are not known are another version's, and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub id: String,
    pub outcome: Outcome,
    pub code: Option<String>,
    pub headline: String,
    pub next_step: String,
    /// `repository@digest`; `None` where no digest is known.
    pub image: Option<String>,
    pub repository: Repository,
    pub digest: Option<Digest>,
    /// The release's Git tag.
    pub tag: Option<String>,
    pub project: String,
    pub environment: Option<String>,
    pub as_of: Timestamp,
    pub policy: ToldPolicy,
    pub checks: Vec<ToldCheck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldPolicy {
    pub digest: Digest,
}

/// A finding as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldCheck {
    pub check: ToldName,
    pub outcome: CheckOutcome,
    pub code: Option<String>,
    pub expected: String,
    pub found: String,
    /// What is wrong, in one sentence.
    pub headline: Option<String>,
    pub next_step: Option<String>,
}

/// Which check it is. A newer server may have some that we do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToldName {
    Known(Check),
    Other(String),
}

impl Words {
    /// What is told of a verdict.
    pub fn told(&self, id: &str, verdict: &Verdict) -> Told {
        let subject = &verdict.subject;
        let (headline, next_step) = self.lead(verdict);
        Told {
            id: id.to_owned(),
            outcome: verdict.outcome,
            code: verdict.code().map(str::to_owned),
            headline,
            next_step,
            image: verdict.image.as_ref().map(ToString::to_string),
            repository: subject.question.image.repository.clone(),
            digest: verdict.digest(),
            tag: tag(&subject.question.about).map(str::to_owned),
            project: subject.question.project.path.0.clone(),
            environment: None,
            as_of: verdict.as_of,
            policy: ToldPolicy { digest: verdict.policy },
            checks: verdict.findings.iter().map(|finding| self.told_check(subject, finding)).collect(),
        }
    }

    fn told_check(&self, subject: &Subject, finding: &Finding) -> ToldCheck {
        let explained = finding.problem.as_ref().map(|problem| self.explain(problem, subject));
        ToldCheck {
            check: ToldName::Known(finding.check),
            outcome: finding.outcome,
            code: finding.problem.as_ref().map(|problem| problem.code().to_owned()),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
            headline: explained.as_ref().map(|said| said.headline.plain().to_owned()),
            next_step: explained.as_ref().map(|said| said.next_step.plain().to_owned()),
        }
    }
}

impl ToldCheck {
    /// What the check is called by people.
    pub(super) fn name(&self) -> String {
        match &self.check {
            ToldName::Known(check) => check_name(*check).to_owned(),
            ToldName::Other(name) => one_line(name),
        }
    }
}

fn tag(about: &About) -> Option<&str> {
    match about {
        About::Release { tag } => Some(tag),
        About::Image { tag, .. } => tag.as_deref(),
        About::Pipeline { .. } => None,
    }
}
