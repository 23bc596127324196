//! External commit statuses, with the pitfalls of `POST /projects/:id/statuses/:sha`.

use super::{Refused, World};
use crate::model::Timestamp;
use crate::model::gitlab::{CiStatus, CommitSha, GitRef, PipelineId, ProjectId, UserId};

/// GitLab looks at this many of a commit's newest pipelines.
const NEWEST_PIPELINES: usize = 100;
/// GitLab refuses longer texts.
const MAX_TEXT: usize = 255;

/// One row.
#[derive(Debug, Clone)]
pub struct CommitStatus {
    pub id: u64,
    pub name: String,
    pub user: UserId,
    pub status: CiStatus,
    pub target_url: Option<String>,
    pub description: Option<String>,
    pub coverage: Option<f64>,
    /// A newer row of the same name took its place.
    pub retried: bool,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// A status that is being posted.
#[derive(Debug, Clone)]
pub struct NewStatus {
    pub state: CiStatus,
    /// `default` if none is given.
    pub name: Option<String>,
    pub git_ref: Option<String>,
    pub pipeline: Option<PipelineId>,
    pub target_url: Option<String>,
    pub description: Option<String>,
    pub coverage: Option<f64>,
}

impl NewStatus {
    pub fn new(state: CiStatus) -> Self {
        Self { state, name: None, git_ref: None, pipeline: None, target_url: None, description: None, coverage: None }
    }

    fn too_long(&self) -> Option<&'static str> {
        let texts = [("name", &self.name), ("target_url", &self.target_url), ("description", &self.description)];
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > MAX_TEXT);
        texts.into_iter().find(|(_, text)| long(text)).map(|(field, _)| field)
    }
}

impl World {
    /// Posts a status. The answer names the pipeline it hangs on and the row.
    pub fn post_status(&mut self, project: ProjectId, sha: &CommitSha, by: UserId, new: NewStatus) -> Result<(PipelineId, u64), Refused> {
        if let Some(field) = new.too_long() {
            return Err(Refused::Field(field, format!("is too long (maximum is {MAX_TEXT} characters)")));
        }
        let found = self.status_pipeline(project, sha, &new);
        if new.pipeline.is_some() && found.is_none() {
            return Err(Refused::NotFound("Pipeline for pipeline_id, sha and ref"));
        }
        let git_ref = self.status_ref(project, sha, &new, found)?;
        if !self.may_write_ref(project, by, &git_ref) {
            return Err(Refused::Forbidden(""));
        }
        // GitLab makes a pipeline where none fits: `external`, and protected if the ref is.
        let pipeline = found.unwrap_or_else(|| self.new_pipeline(project, (git_ref, sha.clone()), "external", by));
        let row = self.write_status(pipeline, by, new)?;
        self.refresh_status(pipeline);
        Ok((pipeline, row))
    }

    fn status_pipeline(&self, project: ProjectId, sha: &CommitSha, new: &NewStatus) -> Option<PipelineId> {
        let newest = self.pipelines.values().rev().filter(|held| held.project == project && held.sha == *sha).take(NEWEST_PIPELINES);
        newest
            .filter(|held| new.git_ref.as_ref().is_none_or(|name| short(name) == held.git_ref.name() || *name == held.api_ref()))
            .find(|held| new.pipeline.is_none_or(|id| held.id == id))
            .map(|held| held.id)
    }

    /// The ref that is written: the pipeline's, the one that was named, or a branch that holds the commit.
    fn status_ref(&self, project: ProjectId, sha: &CommitSha, new: &NewStatus, found: Option<PipelineId>) -> Result<GitRef, Refused> {
        if let Some(pipeline) = found {
            return Ok(self.pipeline(pipeline).git_ref.clone());
        }
        let held = self.project(project);
        match &new.git_ref {
            Some(name) if name.starts_with("refs/tags/") || held.tags.contains_key(name) => Ok(GitRef::Tag(short(name).into())),
            Some(name) => Ok(GitRef::Branch(short(name).into())),
            None => {
                let holding = held.branches.iter().find(|(_, head)| held.ancestry(head).contains(sha));
                holding.map(|(name, _)| GitRef::Branch(name.clone())).ok_or(Refused::NotFound("References for commit"))
            }
        }
    }

    /// The open row of the same name **and user** moves on; after an end, or for another user, a new row starts.
    fn write_status(&mut self, pipeline: PipelineId, by: UserId, new: NewStatus) -> Result<u64, Refused> {
        let (fresh, now) = (self.next_id(), self.now());
        let name = new.name.clone().unwrap_or_else(|| "default".into());
        let rows = &mut self.pipeline_mut(pipeline).statuses;
        let open = |row: &CommitStatus| matches!(row.status, CiStatus::Pending | CiStatus::Running);
        let row = match rows.iter_mut().position(|row| row.name == name && row.user == by && !row.retried && open(row)) {
            Some(at) => at,
            None => {
                rows.iter_mut().filter(|row| row.name == name).for_each(|row| row.retried = true);
                rows.push(CommitStatus {
                    id: fresh,
                    name,
                    user: by,
                    status: CiStatus::Created,
                    target_url: None,
                    description: None,
                    coverage: None,
                    retried: false,
                    created_at: now,
                    started_at: None,
                    finished_at: None,
                });
                rows.len() - 1
            }
        };
        let row = &mut rows[row];
        if let Some(refusal) = stuck(row.status, new.state) {
            return Err(refusal);
        }
        row.status = new.state;
        row.target_url = new.target_url.or(row.target_url.take());
        row.description = new.description.or(row.description.take());
        row.coverage = new.coverage.or(row.coverage);
        if new.state == CiStatus::Running {
            row.started_at = Some(now);
        }
        if new.state.ended() {
            row.finished_at = Some(now);
        }
        Ok(row.id)
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name)
}

/// GitLab's state machine refuses a repeat, and a skip or a step back of what already runs.
fn stuck(from: CiStatus, to: CiStatus) -> Option<Refused> {
    let (event, refused) = match to {
        CiStatus::Pending => ("enqueue", matches!(from, CiStatus::Pending | CiStatus::Running)),
        CiStatus::Running => ("run", from == CiStatus::Running),
        CiStatus::Skipped => ("skip", from == CiStatus::Running),
        _ => return None,
    };
    let reason =
        format!("Cannot transition status via :{event} from :{} (Reason(s): Status cannot transition via \"{event}\")", from.word());
    refused.then_some(Refused::Bad(reason))
}
