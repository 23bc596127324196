//! What a record says. The names are part of every ledger ever written: they are kept for ever.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::effects::{Done, Effect};
use crate::model::gitlab::{MergeRequestIid, NoteId, ProjectKey, UserId};
use crate::model::promotion::{Happened, PromotionId};
use crate::model::{Digest, Repository, Timestamp};
use crate::verdict::Verdict;
use crate::verdict::facts::Sighting;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// Something was judged.
    Verdict { id: Uuid, verdict: Box<Verdict> },
    /// A digest was seen for a commit or release.
    Seen { project: ProjectKey, image: Repository, sighting: Sighting },
    /// An effect is about to be performed. `effect_key` is [`Effect::key`]; the whole effect is kept, so that what was meant can be
    /// told from what was found after a crash.
    Intended { effect_key: String, effect: Box<Effect>, at: Timestamp },
    /// It was performed and read back.
    Done { effect_key: String, done: Done, at: Timestamp },
    /// It was not performed, and will not be tried again by itself.
    NotDone { effect_key: String, reason: String, at: Timestamp },
    /// A command was taken for execution.
    Command(CommandSeen),
    /// Something happened to a promotion.
    Promotion { id: PromotionId, happened: Happened },
}

/// A command that somebody gave in a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSeen {
    pub project: ProjectKey,
    pub merge_request: MergeRequestIid,
    pub note: NoteId,
    pub by: UserId,
    /// The command as it was understood.
    pub words: String,
    pub at: Timestamp,
}

/// A record as it is written.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub(super) seq: u64,
    /// SHA-256 of the bytes of the record before; none before the first.
    pub(super) prev: Option<Digest>,
    pub(super) entry: &'a Entry,
}

/// What a record says about the one before it.
#[derive(Deserialize)]
pub(super) struct Linked {
    pub(super) prev: Option<Digest>,
}

/// A record as it is read.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) prev: Option<Digest>,
    pub(super) entry: Entry,
}
