//! A copy is judged where it lies, by the rule that the image passed, before any tag names it there.
//!
//! What lies beside an image can be taken away by whoever may push there, between the judging of the image and its copying; a copy takes
//! minutes. The registry tells nothing of that: only the evidence that arrived counts for those who pull from the copy.

use super::super::{Bot, Rule, Stopped};
use super::weigh::Decided;
use crate::effects::NotDone;
use crate::effects::promote::Place;
use crate::model::promotion::{Act, Left, Promotion};
use crate::model::{PinnedImage, Repository, Timestamp};
use crate::verdict::{About, Check, CheckOutcome, Clearance, Finding, Question, Verdict, judge};

/// What hangs on the evidence beside an image, and on nothing else that a copy could lack.
const OF_EVIDENCE: [Check; 4] = [Check::Signature, Check::Platforms, Check::Identity, Check::Provenance];

/// One step, with what it is done by.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    pub clearances: &'a [Clearance],
    pub place: Place<'a>,
    pub act: &'a Act,
    pub began_before: Option<Timestamp>,
}

impl Bot {
    /// Does one step. A copy comes without its tag first, is judged there, and only then gets the tag; what lies there already is
    /// found and not sent again.
    pub(super) async fn act(
        &self,
        rule: &Rule,
        promotion: &Promotion,
        decided: &Decided,
        doing: Doing<'_>,
    ) -> Result<Result<Left, NotDone>, Stopped> {
        let Doing { clearances, place, act, began_before } = doing;
        let Act::Copy { image, to, tag } = act else { return Ok(self.hands.step(clearances, place, act, began_before).await) };
        let untagged = Act::Copy { image: image.clone(), to: to.clone(), tag: None };
        let left = match self.hands.step(clearances, place, &untagged, began_before).await {
            Ok(left) => left,
            Err(not) => return Ok(Err(not)),
        };
        if let Err(not) = self.arrived_whole(rule, promotion, decided, (image, to)).await {
            return Ok(Err(not));
        }
        match tag {
            Some(_) => Ok(self.hands.step(clearances, place, act, began_before).await),
            None => Ok(Ok(left)),
        }
    }

    /// Whether each check of the evidence that the image passed passes at the copy. The copy is nothing new for the record: it is the
    /// same image, and the verdict about it is there.
    async fn arrived_whole(
        &self,
        rule: &Rule,
        promotion: &Promotion,
        decided: &Decided,
        (image, to): (&PinnedImage, &Repository),
    ) -> Result<(), NotDone> {
        let judged = decided.facts.verdicts.iter().find(|verdict| verdict.image.as_ref() == Some(image));
        let judged = judged.ok_or_else(|| NotDone::Never(format!("{image} was not judged")))?;
        let mut copy = judged.subject.question.image.clone();
        copy.repository = to.clone();
        let about = About::Image { digest: image.digest, tag: Some(promotion.release.clone()) };
        let question = Question { image: copy, about, ..judged.subject.question.clone() };
        let facts = Box::pin(self.looks.collect(&question, Timestamp::now(), self)).await;
        let there = judge(&facts, rule.demands(Some(&promotion.environment.name)).1);
        match OF_EVIDENCE.iter().find_map(|check| lacks(judged, &there, *check)) {
            None => Ok(()),
            Some(finding) if finding.outcome == CheckOutcome::CouldNotCheck => {
                Err(NotDone::Later(format!("the copy in {to} cannot be checked: expected {}, {}", finding.expected, finding.found)))
            }
            Some(Finding { expected, found, .. }) => Err(NotDone::Never(format!(
                "the copy in {to} lacks evidence that the image had when it was judged: expected {expected}, found {found}; no tag \
                 names it there"
            ))),
        }
    }
}

/// The finding at the copy that is worse than the one at the image: where all of a check passed, all of it must pass there.
fn lacks<'a>(judged: &Verdict, there: &'a Verdict, check: Check) -> Option<&'a Finding> {
    if judged.findings_of(check).any(|finding| finding.outcome != CheckOutcome::Passed) {
        return None;
    }
    there.findings_of(check).find(|finding| finding.outcome != CheckOutcome::Passed)
}
