//! How records are found by name. Keys are hashes of what they stand for, so that no tag, path or project can be written to look
//! like another; values are record numbers. Adding an entry twice is adding it once.

use serde::Serialize;
use uuid::Uuid;

use super::super::{Space, Store, StoreError};
use super::entry::{Entry, Record};
use crate::effects::Done;
use crate::model::gitlab::{CommitSha, MergeRequestIid, NoteId, PipelineId, ProjectKey};
use crate::model::promotion::{Ending, Happened, Promotion, PromotionEvent, PromotionId};
use crate::model::{Digest, EnvironmentName, PinnedImage, Repository};
use crate::verdict::facts::Sighting;
use crate::verdict::{About, Verdict};

/// One key for a tuple of names: the hash of its JSON, which is injective.
fn name(of: impl Serialize) -> String {
    // Plain data without maps always serialises; an empty name would only be found by nobody.
    Digest::of(&serde_json::to_vec(&of).unwrap_or_default()).hex()
}

pub(super) fn by_commit(project: &ProjectKey, image: &Repository, commit: &CommitSha) -> String {
    format!("commit/{}/", name((project, image, commit)))
}

pub(super) fn by_release(project: &ProjectKey, image: &Repository, release: &str) -> String {
    format!("release/{}/", name((project, image, release)))
}

/// Every digest that an image passed with, whatever the release.
pub(super) fn by_image(project: &ProjectKey, image: &Repository) -> String {
    format!("image/{}/", name((project, image)))
}

pub(super) fn released(project: &ProjectKey, image: &Repository, digest: &Digest) -> String {
    format!("released/{}/", name((project, image, digest)))
}

/// The key of exactly this sighting. Where and when it was read does not make it another.
pub(super) fn same(project: &ProjectKey, image: &Repository, sighting: &Sighting) -> String {
    format!("same/{}", name((project, image, &sighting.digest, &sighting.commit, &sighting.release, &sighting.pipeline)))
}

pub(super) fn command(project: &ProjectKey, merge_request: MergeRequestIid, note: NoteId) -> String {
    name((project, merge_request, note))
}

/// The words of a note; beside the marks of executed commands, which have no prefix.
pub(super) fn taken((project, merge_request, note): (&ProjectKey, MergeRequestIid, NoteId)) -> String {
    format!("note/{}", command(project, merge_request, note))
}

pub(super) fn effect(effect_key: &str) -> String {
    format!("{}/", name(effect_key))
}

pub(super) fn of_pipeline(project: &ProjectKey, pipeline: PipelineId) -> String {
    format!("pipeline/{}/", name((project, pipeline)))
}

pub(super) fn verdict_id(id: Uuid) -> String {
    format!("id/{id}")
}

pub(super) fn verdict_digest(digest: &Digest) -> String {
    format!("digest/{}/", digest.hex())
}

pub(super) fn verdict_place(project: &ProjectKey, image: &Repository, release: &str) -> String {
    format!("place/{}/", name((project, image, release)))
}

/// What happened to a promotion, oldest first.
pub(super) fn promotion_events(id: &PromotionId) -> String {
    format!("event/{}/", name(id))
}

/// What its environment was found to run after it arrived, newest first.
pub(super) fn drift_of(id: &PromotionId) -> String {
    format!("drift/{}/", name(id))
}

pub(super) fn promotions_to(project: &ProjectKey, environment: &EnvironmentName) -> String {
    format!("to/{}/", name((project, environment)))
}

pub(super) fn promotions_of(project: &ProjectKey, release: &str) -> String {
    format!("of/{}/", name((project, release)))
}

pub(super) fn promotions_in(project: &ProjectKey, merge_request: MergeRequestIid) -> String {
    format!("in/{}/", name((project, merge_request)))
}

/// What arrived in an environment, newest first. What was refused or stopped is not among it, so what runs there is found at once
/// however often that happened since.
pub(super) fn arrived_in(project: &ProjectKey, environment: &EnvironmentName) -> String {
    format!("arrived/{}/", name((project, environment)))
}

/// When one image arrived in an environment, newest first.
pub(super) fn arrived_with(project: &ProjectKey, environment: &EnvironmentName, image: &PinnedImage) -> String {
    format!("held/{}/", name((project, environment, image)))
}

/// Marks of promotions that may be open, of every environment.
pub(super) const OPEN: &str = "open/";

/// Those of one environment.
pub(super) fn open_in(project: &ProjectKey, environment: &EnvironmentName) -> String {
    format!("{OPEN}{}/", name((project, environment)))
}

/// The mark of one promotion. It says that this one may be open, and its events decide: a replica that indexes late may set it
/// again after the end. Whoever finds an ended one takes it away.
pub(super) fn open_mark(promotion: &Promotion) -> String {
    format!("{}{}", open_in(&promotion.project, &promotion.environment.name), name(&promotion.id))
}

/// The record number an index value names.
pub(super) fn seq(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Enters a record into every index it belongs to.
pub(super) async fn add(store: &dyn Store, seq: u64, entry: &Entry) -> Result<(), StoreError> {
    let oldest_first = |prefix: &str| format!("{prefix}{seq:016x}");
    // Replicas may index out of order, so the newest is found by its key and never by what was written last.
    let newest_first = |prefix: &str| format!("{prefix}{:016x}", u64::MAX - seq);
    let keys = match entry {
        Entry::Verdict { id, verdict } => {
            let mut keys = vec![(Space::Verdict, verdict_id(*id))];
            keys.extend(verdict.digest().map(|digest| (Space::Verdict, newest_first(&verdict_digest(&digest)))));
            keys.extend(place(verdict).map(|place| (Space::Verdict, newest_first(&place))));
            let subject = &verdict.subject;
            if let (Some(project), Some(pipeline), Some(_)) = (&subject.project, &subject.pipeline, subject.ref_protected) {
                keys.push((Space::Verdict, oldest_first(&of_pipeline(project, pipeline.id))));
            }
            keys
        }
        Entry::Seen { project, image, sighting } => {
            let mut keys = vec![(Space::Sighting, same(project, image, sighting))];
            if let Some(commit) = &sighting.commit {
                keys.push((Space::Sighting, oldest_first(&by_commit(project, image, commit))));
            }
            if let Some(release) = &sighting.release {
                keys.push((Space::Sighting, newest_first(&by_image(project, image))));
                keys.push((Space::Sighting, oldest_first(&by_release(project, image, release))));
                keys.push((Space::Sighting, oldest_first(&released(project, image, &sighting.digest))));
            }
            keys
        }
        Entry::Done { effect_key, done, .. } => {
            let mut keys = vec![(Space::Intent, newest_first(&effect(effect_key)))];
            match done {
                Done::Wrote { note: Some(_) } | Done::Unchanged { note: Some(_) } => {
                    keys.push((Space::Note, newest_first(&effect(effect_key))));
                }
                Done::Wrote { note: None } | Done::Unchanged { note: None } | Done::Waiting => {}
            }
            keys
        }
        Entry::Intended { effect_key, .. } | Entry::NotDone { effect_key, .. } => {
            vec![(Space::Intent, newest_first(&effect(effect_key)))]
        }
        Entry::Command(seen) => {
            store.put_new(Space::Command, &command(&seen.project, seen.merge_request, seen.note), b"taken").await?;
            vec![]
        }
        Entry::Promotion { id, happened: Happened { event, .. } } => {
            let mut keys = vec![match event {
                // Beside its events: it may be seen again and again, and the newest counts.
                PromotionEvent::DriftSeen { .. } | PromotionEvent::DriftOver { .. } => newest_first(&drift_of(id)),
                PromotionEvent::Opened { .. }
                | PromotionEvent::Approved { .. }
                | PromotionEvent::Cleared { .. }
                | PromotionEvent::Began { .. }
                | PromotionEvent::Did { .. }
                | PromotionEvent::Waiting
                | PromotionEvent::Ended { .. } => oldest_first(&promotion_events(id)),
            }];
            match event {
                PromotionEvent::Opened { promotion } => keys.extend([
                    newest_first(&promotions_to(&promotion.project, &promotion.environment.name)),
                    newest_first(&promotions_of(&promotion.project, &promotion.release)),
                    newest_first(&promotions_in(&promotion.project, promotion.asked_in.merge_request)),
                    open_mark(promotion),
                ]),
                PromotionEvent::Ended { ending: Ending::Promoted } => {
                    if let Some(Promotion { project, environment, images, .. }) = opening(store, id).await? {
                        keys.push(newest_first(&arrived_in(&project, &environment.name)));
                        keys.extend(images.iter().map(|(_, image)| newest_first(&arrived_with(&project, &environment.name, image))));
                    }
                }
                PromotionEvent::Approved { .. }
                | PromotionEvent::Cleared { .. }
                | PromotionEvent::Began { .. }
                | PromotionEvent::Did { .. }
                | PromotionEvent::Waiting
                | PromotionEvent::DriftSeen { .. }
                | PromotionEvent::DriftOver { .. }
                | PromotionEvent::Ended { ending: Ending::Stopped { .. } | Ending::NotConverged { .. } | Ending::Cancelled { .. } } => {}
            }
            keys.into_iter().map(|key| (Space::Promotion, key)).collect()
        }
    };
    let value = seq.to_string();
    // Together, so that a store which gathers writes flushes once.
    let puts = keys.iter().map(|(space, key)| store.put(*space, key, value.as_bytes()));
    futures_util::future::try_join_all(puts).await.map(drop)
}

/// What a promotion was opened as. Records are indexed in their order, so it is there before anything that follows it.
async fn opening(store: &dyn Store, id: &PromotionId) -> Result<Option<Promotion>, StoreError> {
    let Some(at) = store.scan(Space::Promotion, &promotion_events(id), 1).await?.first().and_then(|(_, value)| seq(value)) else {
        return Ok(None);
    };
    let found = store.log(at, 1).await?.pop().filter(|(found, _)| *found == at);
    let record = found.and_then(|(_, bytes)| serde_json::from_slice::<Record>(&bytes).ok());
    Ok(record.and_then(|record| match record.entry {
        Entry::Promotion { id: of, happened: Happened { event: PromotionEvent::Opened { promotion }, .. } } => {
            (of == *id).then_some(*promotion)
        }
        Entry::Promotion { .. }
        | Entry::Verdict { .. }
        | Entry::Seen { .. }
        | Entry::Intended { .. }
        | Entry::Done { .. }
        | Entry::NotDone { .. }
        | Entry::Command(_) => None,
    }))
}

/// Where a verdict is the latest of its kind: an image of a release.
fn place(verdict: &Verdict) -> Option<String> {
    let question = &verdict.subject.question;
    let release = match &question.about {
        About::Release { tag } | About::Image { tag: Some(tag), .. } => tag,
        About::Pipeline { .. } | About::Image { tag: None, .. } => return None,
    };
    Some(verdict_place(verdict.subject.project.as_ref()?, &question.image.repository, release))
}
