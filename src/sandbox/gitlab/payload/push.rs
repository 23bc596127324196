//! Push, tag push and release.

use serde_json::{Value, json};

use super::{ZEROS, commit, moment, project, repository};
use crate::model::gitlab::{CommitSha, GitRef, ProjectId, UserId};
use crate::sandbox::gitlab::state::{Moved, World};

/// GitLab lists at most this many commits of a push.
const MAX_COMMITS: usize = 20;

pub fn push(world: &World, moved: &Moved<'_>) -> Value {
    let held = world.project(moved.project);
    let by = world.user(moved.by);
    let (kind, tag) = match moved.git_ref {
        GitRef::Tag(name) => ("tag_push", held.tags.get(name)),
        GitRef::Branch(_) => ("push", None),
    };
    let checkout = moved.after.as_ref().map(|after| tag.map_or(after, |tag| &tag.commit));
    let known = moved.before.as_ref().map(|before| held.ancestry(before)).unwrap_or_default();
    let new: Vec<CommitSha> = match (moved.git_ref, checkout) {
        (_, None) => vec![],
        // A tag push tells the one commit that the tag names.
        (GitRef::Tag(_), Some(sha)) => vec![sha.clone()],
        (GitRef::Branch(_), Some(sha)) => held.ancestry(sha).into_iter().filter(|sha| !known.contains(sha)).collect(),
    };
    let commits: Vec<Value> = new
        .iter()
        .take(MAX_COMMITS)
        .map(|sha| {
            let mut told = commit(world, moved.project, sha);
            (told["added"], told["modified"], told["removed"]) = (json!([]), json!([]), json!([]));
            told
        })
        .collect();
    json!({
        "object_kind": kind,
        "event_name": kind,
        "before": moved.before.as_ref().map_or(ZEROS, CommitSha::as_str),
        "after": moved.after.as_ref().map_or(ZEROS, |after| tag.map_or(after, |tag| &tag.target).as_str()),
        "ref": moved.git_ref.full(),
        "ref_protected": held.protects(moved.git_ref),
        "checkout_sha": checkout.map(CommitSha::as_str),
        "message": tag.and_then(|tag| tag.message.clone()),
        "user_id": by.id.0,
        "user_name": by.name,
        "user_username": by.username,
        "user_email": "",
        "user_avatar": null,
        "project_id": moved.project.0,
        "project": project(world, moved.project),
        "commits": commits,
        "total_commits_count": new.len(),
        "push_options": {},
        "repository": repository(world, moved.project),
    })
}

/// What a test of a hook sends: the newest tag, or the default branch.
pub fn newest_push(world: &World, project: ProjectId, tag: bool, by: UserId) -> Option<Value> {
    let held = world.project(project);
    let (git_ref, after) = match tag {
        true => held.tags.values().max_by_key(|tag| tag.created_at).map(|tag| (GitRef::Tag(tag.name.clone()), tag.commit.clone()))?,
        false => (GitRef::Branch(held.default_branch.clone()), held.branches.get(&held.default_branch)?.clone()),
    };
    let before = held.commits.get(&after).and_then(|commit| commit.parents.first().cloned());
    Some(push(world, &Moved { project, git_ref: &git_ref, before, after: Some(after), by }))
}

/// `None` if there is no such release.
pub fn release(world: &World, id: ProjectId, tag: &str, action: &str) -> Option<Value> {
    let held = world.project(id);
    let release = held.releases.get(tag)?;
    let web = world.web_url(id);
    let archive = |format: &str| json!({"format": format, "url": format!("{web}/-/archive/{tag}/{}-{tag}.{format}", held.name())});
    let sources: Vec<Value> = ["zip", "tar.gz", "tar.bz2", "tar"].into_iter().map(archive).collect();
    Some(json!({
        "id": release.id,
        "created_at": moment(release.created_at),
        "description": release.description,
        "name": release.name,
        "released_at": moment(release.released_at),
        "tag": tag,
        "object_kind": "release",
        "project": project(world, id),
        "url": format!("{web}/-/releases/{tag}"),
        "action": action,
        "assets": {"count": sources.len(), "links": [], "sources": sources},
        "commit": held.tags.get(tag).map(|tag| commit(world, id, &tag.commit)),
    }))
}
