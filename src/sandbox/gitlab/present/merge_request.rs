//! Merge requests, approvals, notes, discussions, reactions.

use serde_json::{Value, json};

use super::people::{user_basic, with};
use super::{maybe, pipeline, pipeline_basic, time};
use crate::model::gitlab::{MergeRequestState, UserId};
use crate::sandbox::gitlab::state::{Discussion, Emoji, Level, MergeRequestKey, Note, World};

pub fn merge_request(world: &World, key: MergeRequestKey) -> Value {
    let held = world.merge_request(key);
    let path = &world.project(key.project).path;
    let by = |done: Option<(UserId, crate::model::Timestamp)>| done.map(|(by, _)| user_basic(world, by));
    let told = json!({
        "id": held.id,
        "iid": key.iid.0,
        "project_id": key.project.0,
        "title": held.title,
        "description": held.description,
        "state": held.state,
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
        "merged_by": by(held.merged),
        "merge_user": by(held.merged),
        "merged_at": maybe(held.merged.map(|(_, at)| at)),
        "closed_by": by(held.closed),
        "closed_at": maybe(held.closed.map(|(_, at)| at)),
        "target_branch": held.target_branch,
        "source_branch": held.source_branch,
        "user_notes_count": held.notes().filter(|(_, note)| !note.system).count(),
        "upvotes": 0,
        "downvotes": 0,
        "author": user_basic(world, held.author),
        "assignees": [],
        "assignee": null,
        "reviewers": [],
        "source_project_id": held.source_project.0,
        "target_project_id": key.project.0,
        "labels": held.labels,
        "draft": held.draft(),
        "work_in_progress": held.draft(),
        "milestone": null,
    });
    let more = json!({
        "merge_when_pipeline_succeeds": false,
        "merge_status": "can_be_merged",
        "detailed_merge_status": held.detailed_merge_status(),
        "sha": held.head_sha.as_str(),
        "merge_commit_sha": held.merge_commit_sha.as_ref().map(|sha| sha.as_str()),
        "squash_commit_sha": held.squash_commit_sha.as_ref().map(|sha| sha.as_str()),
        "discussion_locked": held.locked_discussion.then_some(true),
        "should_remove_source_branch": null,
        "force_remove_source_branch": true,
        "reference": format!("!{}", key.iid),
        "references": {"short": format!("!{}", key.iid), "relative": format!("!{}", key.iid), "full": format!("{path}!{}", key.iid)},
        "web_url": format!("{}/-/merge_requests/{}", world.web_url(key.project), key.iid),
        "time_stats": {"time_estimate": 0, "total_time_spent": 0, "human_time_estimate": null, "human_total_time_spent": null},
        "squash": held.squash,
        "squash_on_merge": held.squash,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": false,
        "blocking_discussions_resolved": true,
        "imported": false,
        "imported_from": "none",
        "prepared_at": time(held.created_at),
        "merge_after": null,
    });
    with(told, more)
}

/// `GET merge_requests/:iid`, which also tells the head pipeline.
pub fn merge_request_detail(world: &World, key: MergeRequestKey, asker: Option<UserId>) -> Value {
    let held = world.merge_request(key);
    let head = world.head_pipeline(key);
    let base = world.project(key.project).branches.get(&held.target_branch).map(|sha| sha.as_str());
    let can_merge = asker.is_some_and(|user| world.level(key.project, user) >= Level::Developer);
    let more = json!({
        "subscribed": false,
        "changes_count": held.commits.len().to_string(),
        "latest_build_started_at": null,
        "latest_build_finished_at": null,
        "first_deployed_to_production_at": null,
        "pipeline": head.map(|id| pipeline_basic(world, id)),
        "head_pipeline": head.map(|id| pipeline(world, id)),
        "diff_refs": {"base_sha": base, "head_sha": held.head_sha.as_str(), "start_sha": base},
        "merge_error": null,
        "first_contribution": false,
        "user": {"can_merge": can_merge},
    });
    with(merge_request(world, key), more)
}

pub fn approvals(world: &World, key: MergeRequestKey, asker: Option<UserId>) -> Value {
    let held = world.merge_request(key);
    let has = asker.is_some_and(|user| held.approvals.iter().any(|approval| approval.by == user));
    let may = asker.is_some_and(|user| user != held.author && world.level(key.project, user) >= Level::Developer);
    let by: Vec<Value> =
        held.approvals.iter().map(|approval| json!({"user": user_basic(world, approval.by), "approved_at": time(approval.at)})).collect();
    let told = json!({
        "user_has_approved": has,
        "user_can_approve": may && !has && held.state == MergeRequestState::Opened,
        "approved": held.approved(),
        "approved_by": by,
    });
    if !world.switches.enterprise {
        return told;
    }
    let more = json!({
        "id": held.id,
        "iid": key.iid.0,
        "project_id": key.project.0,
        "title": held.title,
        "description": held.description,
        "state": held.state,
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
        "merge_status": "can_be_merged",
        "approvals_required": held.approvals_required,
        "approvals_left": held.approvals_required.saturating_sub(held.approvals.len() as u64),
        "require_password_to_approve": false,
        "suggested_approvers": [],
        "approvers": [],
        "approver_groups": [],
        "approval_rules_left": [],
        "has_approval_rules": held.approvals_required > 0,
        "merge_request_approvers_available": true,
        "multiple_approval_rules_available": true,
        "invalid_approvers_rules": [],
    });
    with(told, more)
}

pub fn approval_state(world: &World, key: MergeRequestKey) -> Value {
    let held = world.merge_request(key);
    let by: Vec<Value> = held.approvals.iter().map(|approval| user_basic(world, approval.by)).collect();
    json!({
        "approval_rules_overwritten": false,
        "rules": [{
            "id": held.id,
            "name": "All Members",
            "rule_type": "any_approver",
            "report_type": null,
            "section": null,
            "eligible_approvers": [],
            "approvals_required": held.approvals_required,
            "users": [],
            "groups": [],
            "contains_hidden_groups": false,
            "source_rule": null,
            "overridden": false,
            "code_owner": false,
            "approved_by": by,
            "approved": held.approved(),
        }],
    })
}

pub fn note(world: &World, key: MergeRequestKey, discussion: &Discussion, held: &Note) -> Value {
    let resolvable = !discussion.individual && !held.system;
    let mut told = json!({
        "id": held.id.0,
        "type": if discussion.individual { None } else { Some("DiscussionNote") },
        "body": held.body,
        "author": user_basic(world, held.author),
        "created_at": time(held.created_at),
        "updated_at": time(held.updated_at),
        "system": held.system,
        "noteable_id": world.merge_request(key).id,
        "noteable_type": "MergeRequest",
        "project_id": key.project.0,
        "resolvable": resolvable,
        "confidential": held.internal,
        "internal": held.internal,
        "imported": false,
        "imported_from": "none",
        "noteable_iid": key.iid.0,
        "commands_changes": {},
    });
    if resolvable {
        told["resolved"] = held.resolved.is_some().into();
        told["resolved_by"] = held.resolved.map(|(by, _)| user_basic(world, by)).into();
        told["resolved_at"] = maybe(held.resolved.map(|(_, at)| at));
    }
    told
}

pub fn discussion(world: &World, key: MergeRequestKey, held: &Discussion) -> Value {
    json!({
        "id": held.id.0,
        "individual_note": held.individual,
        "notes": held.notes.iter().map(|one| note(world, key, held, one)).collect::<Vec<_>>(),
    })
}

pub fn award_emoji(world: &World, note: &Note, held: &Emoji) -> Value {
    json!({
        "id": held.id,
        "name": held.name,
        "user": user_basic(world, held.by),
        "created_at": time(held.at),
        "updated_at": time(held.at),
        "awardable_id": note.id.0,
        "awardable_type": "Note",
        "url": null,
    })
}
