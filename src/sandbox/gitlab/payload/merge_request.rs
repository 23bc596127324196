//! Merge requests and the comments on them.

use serde_json::{Value, json};

use super::{commit, maybe, moment, project, repository, user};
use crate::model::gitlab::{MergeRequestState, NoteId, UserId};
use crate::sandbox::gitlab::state::{MergeRequestKey, World};

fn state_number(state: MergeRequestState) -> u64 {
    match state {
        MergeRequestState::Opened => 1,
        MergeRequestState::Closed => 2,
        MergeRequestState::Merged => 3,
        MergeRequestState::Locked => 4,
    }
}

/// What both bodies tell of the merge request.
fn attributes(world: &World, key: MergeRequestKey) -> Value {
    let held = world.merge_request(key);
    let mut told = json!({
        "id": held.id,
        "iid": key.iid.0,
        "title": held.title,
        "description": held.description,
        "state": held.state,
        "state_id": state_number(held.state),
        "source_branch": held.source_branch,
        "target_branch": held.target_branch,
        "source_project_id": held.source_project.0,
        "target_project_id": key.project.0,
        "author_id": held.author.0,
        "assignee_id": null,
        "assignee_ids": [],
        "reviewer_ids": [],
        "labels": [],
        "created_at": moment(held.created_at),
        "updated_at": moment(held.updated_at),
        "draft": held.draft(),
        "work_in_progress": held.draft(),
        "merge_status": "can_be_merged",
        "detailed_merge_status": held.detailed_merge_status(),
        "merge_commit_sha": held.merge_commit_sha.as_ref().map(|sha| sha.as_str()),
        "merge_when_pipeline_succeeds": false,
        "blocking_discussions_resolved": true,
        "head_pipeline_id": world.head_pipeline(key).map(|id| id.0),
        "url": format!("{}/-/merge_requests/{}", world.web_url(key.project), key.iid),
    });
    told["source"] = project(world, held.source_project);
    told["target"] = project(world, key.project);
    told["last_commit"] = commit(world, key.project, &held.head_sha);
    told["merge_user_id"] = held.merged.map(|(by, _)| by.0).into();
    told["merged_at"] = maybe(held.merged.map(|(_, at)| at));
    told["milestone_id"] = Value::Null;
    told
}

pub fn merge_request(world: &World, key: MergeRequestKey, by: UserId, action: &str) -> Value {
    let mut attributes = attributes(world, key);
    attributes["action"] = action.into();
    json!({
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": user(world, by),
        "project": project(world, key.project),
        "object_attributes": attributes,
        "labels": [],
        "changes": {},
        "repository": repository(world, key.project),
    })
}

/// A note's body: `told` is the note and who caused the hook. A test of a hook shows the tester there, not the author.
pub fn note(world: &World, key: MergeRequestKey, told: (NoteId, UserId), action: Option<&str>) -> Value {
    let held = world.merge_request(key);
    let Some((discussion, note)) = held.note(told.0) else { return Value::Null };
    let url = format!("{}/-/merge_requests/{}", world.web_url(key.project), key.iid);
    let kind = if note.internal { "confidential_note" } else { "note" };
    let mut attributes = json!({
        "id": note.id.0,
        "note": note.body,
        "description": note.body,
        "noteable_type": "MergeRequest",
        "noteable_id": held.id,
        "author_id": note.author.0,
        "updated_by_id": note.edited_by.map(|by| by.0),
        "created_at": moment(note.created_at),
        "updated_at": moment(note.updated_at),
        "project_id": key.project.0,
        "attachment": null,
        "line_code": null,
        "commit_id": null,
        "discussion_id": discussion.id.0,
        "type": if discussion.individual { None } else { Some("DiscussionNote") },
        "internal": note.internal,
        "system": note.system,
        "st_diff": null,
        "position": null,
        "original_position": null,
        "change_position": null,
        "resolved_at": maybe(note.resolved.map(|(_, at)| at)),
        "resolved_by_id": note.resolved.map(|(by, _)| by.0),
        "resolved_by_push": null,
        "url": format!("{url}#note_{}", note.id),
    });
    if let Some(action) = action {
        attributes["action"] = action.into();
    }
    json!({
        "object_kind": "note",
        "event_type": kind,
        "user": user(world, told.1),
        "project_id": key.project.0,
        "project": project(world, key.project),
        "object_attributes": attributes,
        "repository": repository(world, key.project),
        "merge_request": self::attributes(world, key),
    })
}
