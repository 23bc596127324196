//! What the ledger is asked.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::super::{Space, StoreError};
use super::{Entry, Ledger, LedgerError, index};
use crate::effects::{Done, Effect};
use crate::model::attestation::PreviousBase;
use crate::model::gitlab::{CommitSha, MergeRequestIid, NoteId, PipelineId, ProjectKey};
use crate::model::{Digest, Repository, Timestamp};
use crate::verdict::facts::Sighting;
use crate::verdict::{Outcome, Verdict};

/// Sightings of one commit or release. Rebuilding a release that often is an incident, and an answer that left some out would
/// be wrong, so more is an error.
const MAX_SIGHTINGS: usize = 1_000;

/// Sightings of an image's newest releases that are read first, and those that are read at all to find what came before an old one.
const RELEASES_NEAR: usize = 8;
const RELEASES_BACK: usize = 256;

/// Newest verdicts of a release among which one that passed is looked for.
const VERDICTS_BACK: usize = 32;

fn release_of(entry: Entry) -> Option<String> {
    match entry {
        Entry::Seen { sighting, .. } => sighting.release,
        Entry::Verdict { .. }
        | Entry::Intended { .. }
        | Entry::Done { .. }
        | Entry::NotDone { .. }
        | Entry::Command(_)
        | Entry::Promotion { .. } => None,
    }
}

impl Ledger {
    /// Every digest seen for this commit or this release of an image, first seen first, each once.
    pub async fn sightings(
        &self,
        project: &ProjectKey,
        image: &Repository,
        commit: Option<&CommitSha>,
        release: Option<&str>,
    ) -> Result<Vec<Sighting>, LedgerError> {
        let prefixes =
            [commit.map(|commit| index::by_commit(project, image, commit)), release.map(|tag| index::by_release(project, image, tag))];
        let mut found = BTreeMap::new();
        for prefix in prefixes.into_iter().flatten() {
            let entries = self.found(Space::Sighting, &prefix, MAX_SIGHTINGS + 1).await?;
            if entries.len() > MAX_SIGHTINGS {
                return Err(StoreError(format!("more than {MAX_SIGHTINGS} sightings of one commit or release")).into());
            }
            found.extend(entries);
        }
        // Each digest once; but one that was first seen for another release of this commit counts for this release too.
        let (mut digests, mut released) = (HashSet::new(), HashSet::new());
        let mut keep = |sighting: &Sighting| {
            let new = digests.insert(sighting.digest);
            let of_release = release.is_some() && sighting.release.as_deref() == release && released.insert(sighting.digest);
            new || of_release
        };
        let sightings = found.into_values().filter_map(|entry| match entry {
            Entry::Seen { sighting, .. } => keep(&sighting).then_some(sighting),
            Entry::Verdict { .. }
            | Entry::Intended { .. }
            | Entry::Done { .. }
            | Entry::NotDone { .. }
            | Entry::Command(_)
            | Entry::Promotion { .. } => None,
        });
        Ok(sightings.collect())
    }

    /// The releases that a digest was seen under, first seen first.
    pub async fn sightings_of_digest(
        &self,
        project: &ProjectKey,
        image: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Sighting>, LedgerError> {
        let entries = self.found(Space::Sighting, &index::released(project, image, digest), MAX_SIGHTINGS + 1).await?;
        if entries.len() > MAX_SIGHTINGS {
            return Err(StoreError(format!("more than {MAX_SIGHTINGS} sightings of one digest")).into());
        }
        let sightings = entries.into_iter().filter_map(|(_, entry)| match entry {
            Entry::Seen { sighting, .. } => Some(sighting),
            Entry::Verdict { .. }
            | Entry::Intended { .. }
            | Entry::Done { .. }
            | Entry::NotDone { .. }
            | Entry::Command(_)
            | Entry::Promotion { .. } => None,
        });
        Ok(sightings.collect())
    }

    /// Whether a pipeline's ref was protected when we first judged anything by that pipeline; `None` if we never did (SR-16).
    pub async fn first_protection(&self, project: &ProjectKey, pipeline: PipelineId) -> Result<Option<bool>, LedgerError> {
        let mut verdicts = self.verdicts(&index::of_pipeline(project, pipeline), 1).await?;
        Ok(verdicts.pop().and_then(|(_, verdict)| verdict.subject.ref_protected))
    }

    /// The release a digest was first seen under.
    pub async fn release_of_digest(
        &self,
        project: &ProjectKey,
        image: &Repository,
        digest: &Digest,
    ) -> Result<Option<String>, LedgerError> {
        let entries = self.found(Space::Sighting, &index::released(project, image, digest), 1).await?;
        Ok(entries.into_iter().find_map(|(_, entry)| release_of(entry)))
    }

    /// The id of our sticky note on a merge request: as we wrote it, never as GitLab's text has it (SR-11).
    pub async fn sticky_note(&self, project: &ProjectKey, merge_request: MergeRequestIid) -> Result<Option<NoteId>, LedgerError> {
        let key = Effect::StickyNote { project: project.clone(), merge_request, body: String::new(), note: None }.key();
        self.note_written(&key).await
    }

    /// The id of the note that an effect wrote, newest first; `None` if it wrote none yet.
    pub async fn note_written(&self, effect_key: &str) -> Result<Option<NoteId>, LedgerError> {
        let entries = self.found(Space::Note, &index::effect(effect_key), 1).await?;
        Ok(entries.into_iter().find_map(|(_, entry)| match entry {
            Entry::Done { done: Done::Wrote { note } | Done::Unchanged { note }, .. } => note,
            Entry::Done { done: Done::Waiting, .. }
            | Entry::Seen { .. }
            | Entry::Verdict { .. }
            | Entry::Intended { .. }
            | Entry::NotDone { .. }
            | Entry::Command(_)
            | Entry::Promotion { .. } => None,
        }))
    }

    /// Since when an effect is intended without a known outcome, and what exactly was meant.
    pub async fn open_intent(&self, effect_key: &str) -> Result<Option<(Timestamp, Effect)>, LedgerError> {
        let newest = self.found(Space::Intent, &index::effect(effect_key), 1).await?;
        Ok(newest.into_iter().find_map(|(_, entry)| match entry {
            Entry::Intended { at, effect, .. } => Some((at, *effect)),
            Entry::Done { .. }
            | Entry::NotDone { .. }
            | Entry::Seen { .. }
            | Entry::Verdict { .. }
            | Entry::Command(_)
            | Entry::Promotion { .. } => None,
        }))
    }

    /// Whether an effect last found nothing to write to.
    pub async fn waits(&self, effect_key: &str) -> Result<bool, LedgerError> {
        let newest = self.found(Space::Intent, &index::effect(effect_key), 1).await?;
        Ok(newest.iter().any(|(_, entry)| matches!(entry, Entry::Done { done: Done::Waiting, .. })))
    }

    /// Whether an effect was last refused for good.
    pub async fn refused(&self, effect_key: &str) -> Result<bool, LedgerError> {
        let newest = self.found(Space::Intent, &index::effect(effect_key), 1).await?;
        Ok(newest.iter().any(|(_, entry)| matches!(entry, Entry::NotDone { .. })))
    }

    /// Remembers the words of a note that was taken while it was unedited. Not a record: without it, a second try falls silent.
    pub async fn take_note(&self, note: (&ProjectKey, MergeRequestIid, NoteId), words: &Digest) -> Result<(), LedgerError> {
        Ok(self.store.put(Space::Command, &index::taken(note), words.to_string().as_bytes()).await?)
    }

    /// The words with which a note was taken.
    pub async fn taken_note(&self, note: (&ProjectKey, MergeRequestIid, NoteId)) -> Result<Option<Digest>, LedgerError> {
        let Some(text) = self.store.get(Space::Command, &index::taken(note)).await? else { return Ok(None) };
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    /// Whether a command of this note was taken with [`Ledger::begin_command`].
    pub async fn command_taken(&self, note: (&ProjectKey, MergeRequestIid, NoteId)) -> Result<bool, LedgerError> {
        Ok(self.store.get(Space::Command, &index::command(note.0, note.1, note.2)).await?.is_some())
    }

    /// Until when everything of a project was looked at. Not a record: losing it only looks again.
    pub async fn cursor(&self, project: &ProjectKey) -> Result<Option<Timestamp>, LedgerError> {
        let Some(text) = self.store.get(Space::Cursor, &project.to_string()).await? else { return Ok(None) };
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    /// Moves the cursor of a project.
    pub async fn set_cursor(&self, project: &ProjectKey, until: Timestamp) -> Result<(), LedgerError> {
        Ok(self.store.put(Space::Cursor, &project.to_string(), until.to_string().as_bytes()).await?)
    }

    pub async fn verdict(&self, id: Uuid) -> Result<Option<Verdict>, LedgerError> {
        Ok(self.verdicts(&index::verdict_id(id), 1).await?.pop().map(|(_, verdict)| verdict))
    }

    /// The verdicts about these bytes, newest first.
    pub async fn verdicts_of_digest(&self, digest: &Digest, limit: usize) -> Result<Vec<(Uuid, Verdict)>, LedgerError> {
        self.verdicts(&index::verdict_digest(digest), limit).await
    }

    /// The newest verdict about an image of a release.
    pub async fn latest_verdict(
        &self,
        project: &ProjectKey,
        image: &Repository,
        release: &str,
    ) -> Result<Option<(Uuid, Verdict)>, LedgerError> {
        Ok(self.verdicts(&index::verdict_place(project, image, release), 1).await?.pop())
    }

    /// The base image of the release that passed first before this one did; without a release, or before it passed at all, of the
    /// one that passed first last. A release that passes again later does not become the newest by that.
    pub async fn previous_base(
        &self,
        project: &ProjectKey,
        image: &Repository,
        release: Option<&str>,
    ) -> Result<Option<PreviousBase>, LedgerError> {
        let Some(before) = self.release_before(project, image, release).await? else { return Ok(None) };
        let verdicts = self.verdicts(&index::verdict_place(project, image, &before), VERDICTS_BACK).await?;
        let passed = verdicts.into_iter().map(|(_, verdict)| verdict).find(|verdict| verdict.outcome == Outcome::Passed);
        let base = passed.and_then(|verdict| verdict.subject.base_image).map(|seen| seen.base);
        Ok(base.map(|base| PreviousBase { release: before, base }))
    }

    async fn release_before(&self, project: &ProjectKey, image: &Repository, release: Option<&str>) -> Result<Option<String>, LedgerError> {
        let known = match release {
            Some(release) => !self.found(Space::Sighting, &index::by_release(project, image, release), 1).await?.is_empty(),
            None => false,
        };
        // Mostly the newest release is asked about; only for an old one the long way back is read.
        for limit in [RELEASES_NEAR, RELEASES_BACK] {
            let seen = self.found(Space::Sighting, &index::by_image(project, image), limit).await?;
            let whole = seen.len() < limit;
            let releases: Vec<String> = seen.into_iter().filter_map(|(_, entry)| release_of(entry)).collect();
            let own = releases.iter().rposition(|seen| Some(seen.as_str()) == release);
            let older = match own {
                Some(at) => &releases[at + 1..],
                None if known => &[],
                None => &releases[..],
            };
            if whole || !older.is_empty() {
                return Ok(older.first().cloned());
            }
        }
        Ok(None)
    }

    async fn verdicts(&self, prefix: &str, limit: usize) -> Result<Vec<(Uuid, Verdict)>, LedgerError> {
        let entries = self.found(Space::Verdict, prefix, limit).await?;
        let verdicts = entries.into_iter().filter_map(|(_, entry)| match entry {
            Entry::Verdict { id, verdict } => Some((id, *verdict)),
            Entry::Seen { .. }
            | Entry::Intended { .. }
            | Entry::Done { .. }
            | Entry::NotDone { .. }
            | Entry::Command(_)
            | Entry::Promotion { .. } => None,
        });
        Ok(verdicts.collect())
    }
}
