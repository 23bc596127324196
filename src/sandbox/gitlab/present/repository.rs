//! Commits, branches, tags, releases, commit statuses.

use serde_json::{Value, json};

use super::{maybe, time, user_basic};
use crate::model::gitlab::{GitRef, PipelineId, ProjectId};
use crate::sandbox::gitlab::state::{Commit, CommitStatus, GitTag, Release, World};

pub fn commit(world: &World, project: ProjectId, held: &Commit) -> Value {
    let author = world.user(held.author);
    let (email, at) = (format!("{}@example.com", author.username), time(held.at));
    json!({
        "id": held.sha.as_str(),
        "short_id": held.sha.short(),
        "created_at": at,
        "parent_ids": held.parents.iter().map(|sha| sha.as_str()).collect::<Vec<_>>(),
        "title": held.title(),
        "message": held.message,
        "author_name": author.name,
        "author_email": email,
        "authored_date": at,
        "committer_name": author.name,
        "committer_email": email,
        "committed_date": at,
        "trailers": {},
        "extended_trailers": {},
        "web_url": format!("{}/-/commit/{}", world.web_url(project), held.sha),
    })
}

fn commit_at(world: &World, project: ProjectId, sha: &crate::model::gitlab::CommitSha) -> Value {
    world.project(project).commits.get(sha).map(|held| commit(world, project, held)).into()
}

pub fn branch(world: &World, project: ProjectId, name: &str, asker_pushes: bool) -> Value {
    let held = world.project(project);
    let git_ref = GitRef::Branch(name.into());
    let head = held.branches.get(name);
    json!({
        "name": name,
        "commit": head.map(|sha| commit_at(world, project, sha)),
        "merged": false,
        "protected": held.protects(&git_ref),
        "developers_can_push": false,
        "developers_can_merge": false,
        "can_push": asker_pushes,
        "default": held.default_branch == name,
        "web_url": format!("{}/-/tree/{name}", world.web_url(project)),
    })
}

pub fn tag(world: &World, project: ProjectId, held: &GitTag) -> Value {
    let release = world.project(project).releases.get(&held.name);
    json!({
        "name": held.name,
        "message": held.message.as_deref().unwrap_or_default(),
        "target": held.target.as_str(),
        "commit": commit_at(world, project, &held.commit),
        "release": release.map(|release| json!({"tag_name": release.tag, "description": release.description})),
        "protected": world.project(project).protects(&GitRef::Tag(held.name.clone())),
        "created_at": held.message.is_some().then(|| time(held.created_at)),
    })
}

pub fn release(world: &World, project: ProjectId, held: &Release) -> Value {
    let (web, path) = (world.web_url(project), &world.project(project).path);
    let name = world.project(project).name();
    let tag = &held.tag;
    let archive = |format: &str| json!({"format": format, "url": format!("{web}/-/archive/{tag}/{name}-{tag}.{format}")});
    let sources: Vec<Value> = ["zip", "tar.gz", "tar.bz2", "tar"].into_iter().map(archive).collect();
    let sha = world.project(project).tags.get(tag).map(|tag| tag.commit.clone());
    json!({
        "name": held.name,
        "tag_name": tag,
        "description": held.description,
        "created_at": time(held.created_at),
        "released_at": time(held.released_at),
        "upcoming_release": held.released_at > world.now(),
        "author": user_basic(world, held.author),
        "commit": sha.as_ref().map(|sha| commit_at(world, project, sha)),
        "commit_path": format!("/{path}/-/commit/{}", sha.as_ref().map_or("", |sha| sha.as_str())),
        "tag_path": format!("/{path}/-/tags/{tag}"),
        "assets": {"count": sources.len(), "sources": sources, "links": []},
        "evidences": [],
        "_links": {
            "self": format!("{web}/-/releases/{tag}"),
            "edit_url": format!("{web}/-/releases/{tag}/edit"),
            "closed_issues_url": format!("{web}/-/issues?release_tag={tag}&scope=all&state=closed"),
            "opened_issues_url": format!("{web}/-/issues?release_tag={tag}&scope=all&state=opened"),
            "closed_merge_requests_url": format!("{web}/-/merge_requests?release_tag={tag}&scope=all&state=closed"),
            "merged_merge_requests_url": format!("{web}/-/merge_requests?release_tag={tag}&scope=all&state=merged"),
            "opened_merge_requests_url": format!("{web}/-/merge_requests?release_tag={tag}&scope=all&state=opened"),
        },
    })
}

pub fn commit_status(world: &World, pipeline: PipelineId, row: &CommitStatus) -> Value {
    let held = world.pipeline(pipeline);
    json!({
        "id": row.id,
        "sha": held.sha.as_str(),
        "ref": held.git_ref.name(),
        "status": row.status.word(),
        "name": row.name,
        "target_url": row.target_url,
        "description": row.description,
        "created_at": time(row.created_at),
        "started_at": maybe(row.started_at),
        "finished_at": maybe(row.finished_at),
        "allow_failure": false,
        "coverage": row.coverage,
        "pipeline_id": pipeline.0,
        "author": user_basic(world, row.user),
    })
}
