//! What happened: [`Hint`] (what a delivery or the clock says), [`Event`] (what GitLab says when asked), [`Task`] (what we do about it).

use serde::{Deserialize, Serialize};

use crate::commands::{self, Said};
use crate::model::gitlab::{
    Deployment, DeploymentId, GitRef, InstanceName, JobId, MergeRequest, MergeRequestIid, Note, NoteId, Pipeline, PipelineId, ProjectId,
    ProjectKey, Release, Tag, UserId,
};
use crate::model::project::WatchedProject;
pub use crate::model::promotion::COMMAND_AGE;
use crate::model::promotion::PromotionId;
use crate::model::{EnvironmentName, Timestamp};

/// "Something may have happened to this object." Ids only: whatever else a delivery says is not believed (SR-03).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    pub project: ProjectKey,
    pub what: What,
    pub origin: Origin,
    pub received_at: Timestamp,
}

/// The object a hint names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case")]
pub enum What {
    Pipeline {
        id: PipelineId,
    },
    Job {
        id: JobId,
    },
    Tag {
        name: String,
    },
    Release {
        tag: String,
    },
    Note {
        merge_request: MergeRequestIid,
        note: NoteId,
    },
    MergeRequest {
        iid: MergeRequestIid,
    },
    Deployment {
        id: DeploymentId,
    },
    /// What runs in an environment. No delivery says this: the catch-up poll does.
    Environment {
        name: EnvironmentName,
    },
    /// A promotion of ours that goes on. No delivery says this: we tell ourselves.
    Promotion {
        id: PromotionId,
    },
}

/// Where a hint came from: for logs and metrics only, never for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// `webhook-id` or `Idempotency-Key` of the delivery.
    Hook {
        delivery: Option<String>,
    },
    CatchUp,
    /// Our own work, that goes on elsewhere.
    Ourselves,
    Operator,
}

impl Hint {
    /// Hints with one key are one piece of work.
    pub fn key(&self) -> String {
        let object = match &self.what {
            What::Pipeline { id } => format!("pipeline/{id}"),
            What::Job { id } => format!("job/{id}"),
            What::Tag { name } => format!("tag/{name}"),
            What::Release { tag } => format!("release/{tag}"),
            What::Note { merge_request, note } => format!("note/{merge_request}/{note}"),
            What::MergeRequest { iid } => format!("merge-request/{iid}"),
            What::Deployment { id } => format!("deployment/{id}"),
            What::Environment { name } => format!("environment/{name}"),
            What::Promotion { id } => format!("promotion/{id}"),
        };
        format!("{}/{object}", self.project)
    }

    /// Work of one lane is done one piece at a time. A note has a lane of its own: whoever asks sees within a second that they were
    /// heard, also while a release of their project waits for a slow registry. So has a promotion: one worker at a time drives it.
    pub fn lane(&self) -> String {
        match &self.what {
            What::Note { .. } | What::Promotion { .. } => self.key(),
            What::Pipeline { .. }
            | What::Job { .. }
            | What::Tag { .. }
            | What::Release { .. }
            | What::MergeRequest { .. }
            | What::Deployment { .. }
            | What::Environment { .. } => self.project.to_string(),
        }
    }
}

/// An object that a hint named, as GitLab shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Pipeline(Pipeline),
    Tag(Tag),
    Release(Release),
    Note {
        merge_request: MergeRequest,
        note: Note,
    },
    /// A promotion of ours; what it is, our own record tells.
    Promotion(PromotionId),
    /// Something was deployed.
    Deployment(Deployment),
    /// It is time to see what an environment runs.
    Environment(EnvironmentName),
    /// Nothing to do: a kind of object that starts no work.
    Quiet,
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Judge every image of a release; write release section, sticky notes and status once its pipeline has ended.
    CheckRelease { tag: String },
    /// Answer what a note says to us, in its thread.
    Answer { merge_request: Box<MergeRequest>, note: Box<Note>, said: Vec<Said> },
    /// Take a promotion as far as it goes.
    Promote { id: PromotionId },
    /// See what an environment runs now, and hold it against what was promoted.
    Observe { environment: EnvironmentName },
}

/// What of our own must not feed back into work: our user on that GitLab instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ourselves {
    pub instance: InstanceName,
    pub user: UserId,
    pub username: String,
}

/// When an event is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub now: Timestamp,
    /// We began to answer this note before. GitLab counts a reaction as a change of the note, ours first of all, and a try that
    /// outlasts the age of commands was young when it began: neither may lose an answer.
    pub begun: bool,
}

impl Event {
    /// What to do about it. Pure; chat is parsed here.
    pub fn tasks(&self, watched: &WatchedProject, ourselves: &Ourselves, moment: Moment) -> Vec<Task> {
        match self {
            Self::Pipeline(pipeline) => match &pipeline.git_ref {
                // GitLab makes `external` pipelines of commit statuses, ours among them: judging one would feed back.
                GitRef::Tag(tag) if watched.release_tags.matches(tag) && pipeline.source != "external" => {
                    vec![Task::CheckRelease { tag: tag.clone() }]
                }
                GitRef::Tag(_) | GitRef::Branch(_) => vec![],
            },
            Self::Tag(tag) if watched.release_tags.matches(&tag.name) => vec![Task::CheckRelease { tag: tag.name.clone() }],
            Self::Release(release) if watched.release_tags.matches(&release.tag) => {
                vec![Task::CheckRelease { tag: release.tag.clone() }]
            }
            Self::Note { merge_request, note } => answer(merge_request, note, ourselves, moment),
            Self::Promotion(id) => vec![Task::Promote { id: id.clone() }],
            Self::Environment(name) if watched.environments.contains(name) => vec![Task::Observe { environment: name.clone() }],
            Self::Deployment(deployment) if watched.environments.iter().any(|watched| watched.0 == deployment.environment) => {
                vec![Task::Observe { environment: EnvironmentName(deployment.environment.clone()) }]
            }
            Self::Tag(_) | Self::Release(_) | Self::Deployment(_) | Self::Environment(_) | Self::Quiet => vec![],
        }
    }
}

/// SR-08: only plain new human words count.
fn answer(merge_request: &MergeRequest, note: &Note, ourselves: &Ourselves, moment: Moment) -> Vec<Task> {
    let edited = note.updated_at.duration_since(note.created_at) > jiff::SignedDuration::from_secs(1);
    let expired = moment.now.duration_since(note.created_at) > COMMAND_AGE;
    let late = !moment.begun && (edited || expired);
    if note.system || note.author.id == ourselves.user || late {
        return vec![];
    }
    let said = commands::parse(&note.body, &ourselves.username);
    if said.is_empty() {
        return vec![];
    }
    vec![Task::Answer { merge_request: Box::new(merge_request.clone()), note: Box::new(note.clone()), said }]
}

/// The id of the project whose object a hint names.
impl Hint {
    pub fn project_id(&self) -> ProjectId {
        self.project.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gitlab::{DiscussionId, MergeRequestState, User};

    fn at(minute: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
    }

    fn note() -> Note {
        Note {
            id: NoteId(70),
            discussion: Some(DiscussionId("d".into())),
            body: "/verify".into(),
            author: User { id: UserId(5), username: "dana".into(), name: "Dana".into() },
            created_at: at(0),
            updated_at: at(0),
            system: false,
            internal: false,
        }
    }

    fn tasks(note: Note, moment: Moment) -> usize {
        let merge_request = MergeRequest {
            iid: MergeRequestIid(4),
            title: "t".into(),
            web_url: String::new(),
            state: MergeRequestState::Opened,
            source_branch: "b".into(),
            target_branch: "main".into(),
            source_project: ProjectId(7),
            target_project: ProjectId(7),
            head_pipeline: None,
            head_sha: None,
            merged_as: vec![],
        };
        let ourselves = Ourselves { instance: InstanceName("main".into()), user: UserId(1), username: "countersign".into() };
        let watched = crate::verdict::testing::good_facts().question.project;
        Event::Note { merge_request, note }.tasks(&watched, &ourselves, moment).len()
    }

    const FRESH: fn() -> Moment = || Moment { now: at(1), begun: false };

    #[test]
    fn only_new_unedited_words_of_others_make_a_task() {
        assert_eq!(tasks(note(), FRESH()), 1);
        assert_eq!(tasks(Note { system: true, ..note() }, FRESH()), 0);
        assert_eq!(tasks(Note { updated_at: at(1), ..note() }, FRESH()), 0, "edited");
        assert_eq!(tasks(note(), Moment { now: at(16), begun: false }), 0, "expired");
        let ours = User { id: UserId(1), username: "countersign".into(), name: String::new() };
        assert_eq!(tasks(Note { author: ours, ..note() }, FRESH()), 0, "our own");
        assert_eq!(tasks(Note { body: "nice".into(), ..note() }, FRESH()), 0);
    }

    #[test]
    fn an_answer_once_begun_is_not_lost_to_a_reaction_or_to_time() {
        let begun = Moment { now: at(40), begun: true };
        assert_eq!(tasks(Note { updated_at: at(1), ..note() }, begun), 1);
        assert_eq!(tasks(Note { system: true, ..note() }, begun), 0);
    }
}
