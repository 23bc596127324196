//! Projects, their protection rules, registry and activity.

use serde_json::{Value, json};

use super::people::{user_basic, with};
use super::time;
use crate::model::gitlab::{CommitSha, GitRef, ProjectId, UserId};
use crate::sandbox::gitlab::payload::clone_urls;
use crate::sandbox::gitlab::state::{
    Activity, Attestation, Grant, Level, MergeMethod, ProtectedBranch, ProtectedTag, RegistryRepository, RegistryTag, Target, World,
};

/// The project's words that do not depend on who asks.
fn basics(world: &World, id: ProjectId) -> Value {
    let held = world.project(id);
    let (web, (ssh, http)) = (world.web_url(id), clone_urls(world, id));
    let group = world.groups.get(&held.group);
    let forks = world.projects.values().filter(|project| project.forked_from == Some(id)).count();
    json!({
        "id": held.id.0,
        "description": null,
        "name": held.name(),
        "name_with_namespace": held.path.replace('/', " / "),
        "path": held.name(),
        "path_with_namespace": held.path,
        "created_at": time(held.created_at),
        "default_branch": held.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": ssh,
        "http_url_to_repo": http,
        "web_url": web,
        "readme_url": null,
        "forks_count": forks,
        "avatar_url": null,
        "star_count": 0,
        "last_activity_at": time(held.last_activity_at),
        "visibility": held.visibility.word(),
        "namespace": {
            "id": held.group,
            "name": held.namespace(),
            "path": held.namespace().rsplit('/').next(),
            "kind": "group",
            "full_path": held.namespace(),
            "parent_id": group.and_then(|group| group.parent),
            "avatar_url": null,
            "web_url": format!("{}/groups/{}", world.url, held.namespace()),
        },
        "_links": {"self": format!("{}/api/v4/projects/{id}", world.url)},
        "updated_at": time(held.last_activity_at),
    })
}

pub fn project(world: &World, id: ProjectId, asker: Option<UserId>) -> Value {
    let held = world.project(id);
    let access = asker
        .and_then(|user| held.members.get(&user))
        .map(|member| json!({"access_level": member.level.number(), "notification_level": 3}));
    let more = json!({
        "archived": false,
        "empty_repo": held.commits.is_empty(),
        "creator_id": held.creator.0,
        "merge_requests_enabled": true,
        "issues_enabled": true,
        "jobs_enabled": true,
        "container_registry_enabled": true,
        "container_registry_access_level": "enabled",
        "container_registry_image_prefix": format!("{}/{}", world.registry_host, held.path.to_ascii_lowercase()),
        "ci_config_path": held.ci_config_path,
        "public_jobs": true,
        "ci_pipeline_variables_minimum_override_role": match held.variables_role {
            None => "no_one_allowed",
            Some(Level::Owner) => "owner",
            Some(Level::Maintainer) => "maintainer",
            Some(_) => "developer",
        },
        "only_allow_merge_if_pipeline_succeeds": false,
        "only_allow_merge_if_all_discussions_are_resolved": false,
        "remove_source_branch_after_merge": true,
        "squash_option": "default_off",
        "merge_method": match held.merge_method {
            MergeMethod::Merge => "merge",
            MergeMethod::FastForward => "ff",
        },
        "permissions": {"project_access": access, "group_access": null},
    });
    let mut whole = with(basics(world, id), more);
    if let Some(parent) = held.forked_from {
        whole["forked_from_project"] = basics(world, parent);
    }
    whole
}

/// One row of a protection rule.
pub fn grant(world: &World, grant: &Grant) -> Value {
    let (level, user, group, words) = match grant {
        Grant::Level(Level::Nobody) => (Some(0), None, None, Level::Nobody.rule().to_owned()),
        Grant::Level(level) => (Some(level.number()), None, None, level.rule().to_owned()),
        Grant::User(id) => (Some(Level::Maintainer.number()), Some(id.0), None, world.user(*id).name.clone()),
        Grant::Group(id) | Grant::GroupAndAbove(id) => (
            Some(Level::Maintainer.number()),
            None,
            Some(*id),
            world.groups.get(id).map_or_else(String::new, |held| held.full_path.clone()),
        ),
    };
    let row = level.unwrap_or_default() + user.or(group).unwrap_or_default() * 100 + 1;
    json!({"id": row, "access_level": level, "access_level_description": words, "user_id": user, "group_id": group})
}

fn grants(world: &World, rows: &[Grant]) -> Value {
    rows.iter().map(|row| with(grant(world, row), json!({"deploy_key_id": null}))).collect()
}

pub fn protected_tag(world: &World, rule: &ProtectedTag) -> Value {
    json!({"name": rule.name, "create_access_levels": grants(world, &rule.create)})
}

pub fn protected_branch(world: &World, rule: &ProtectedBranch) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "push_access_levels": grants(world, &rule.push),
        "merge_access_levels": grants(world, &rule.merge),
        "unprotect_access_levels": [],
        "allow_force_push": false,
        "code_owner_approval_required": false,
        "inherited": false,
    })
}

pub fn registry_tag(world: &World, repository: &RegistryRepository, name: &str, details: Option<&RegistryTag>) -> Value {
    let path = format!("{}:{name}", repository.path);
    let basic = json!({"name": name, "path": path, "location": format!("{}/{path}", world.registry_host)});
    match details {
        None => basic,
        Some(tag) => with(
            basic,
            json!({
                "revision": tag.revision,
                "short_revision": tag.revision.get(..9),
                "digest": tag.digest,
                "created_at": time(tag.created_at),
                "total_size": tag.total_size,
            }),
        ),
    }
}

/// `tags`, `count`: whether the tags and their number are shown.
pub fn registry_repository(world: &World, project: ProjectId, held: &RegistryRepository, (tags, count): (bool, bool)) -> Value {
    let own = &world.project(project).path;
    let mut whole = json!({
        "id": held.id,
        "name": held.path.strip_prefix(own.as_str()).unwrap_or(&held.path).trim_start_matches('/'),
        "path": held.path,
        "project_id": project.0,
        "location": format!("{}/{}", world.registry_host, held.path),
        "created_at": time(held.created_at),
        "cleanup_policy_started_at": null,
        "status": null,
    });
    if count {
        whole["tags_count"] = held.tags.len().into();
    }
    if tags {
        whole["tags"] = held.tags.keys().map(|name| registry_tag(world, held, name, None)).collect();
    }
    whole
}

pub fn attestation(world: &World, project: ProjectId, held: &Attestation) -> Value {
    json!({
        "id": held.id,
        "iid": held.iid,
        "created_at": time(held.created_at),
        "updated_at": time(held.created_at),
        "expire_at": time(held.created_at + jiff::SignedDuration::from_hours(24 * 730)),
        "project_id": project.0,
        "build_id": held.build.map(|job| job.0),
        "status": "success",
        "predicate_kind": "provenance",
        "predicate_type": held.predicate_type,
        "subject_digest": held.subject_digest,
        "download_url": format!("{}/api/v4/projects/{project}/attestations/{}/download", world.url, held.iid),
    })
}

/// An entry of `GET /projects/:id/events`.
pub fn activity(world: &World, project: ProjectId, held: &Activity) -> Value {
    let mut told = json!({
        "id": held.id,
        "project_id": project.0,
        "action_name": held.action,
        "target_id": null,
        "target_iid": null,
        "target_type": null,
        "author_id": held.by.0,
        "target_title": null,
        "created_at": time(held.at),
        "author": user_basic(world, held.by),
        "imported": false,
        "imported_from": "none",
        "author_username": world.user(held.by).username,
    });
    match &held.target {
        Target::Ref { git_ref, before, after } => {
            let title = after.as_ref().and_then(|sha| world.project(project).commits.get(sha)).map(|commit| commit.title());
            told["push_data"] = json!({
                "commit_count": u64::from(after.is_some()),
                "action": match (before, after) {
                    (None, _) => "created",
                    (Some(_), None) => "removed",
                    (Some(_), Some(_)) => "pushed",
                },
                "ref_type": if matches!(git_ref, GitRef::Tag(_)) { "tag" } else { "branch" },
                "commit_from": before.as_ref().map(CommitSha::as_str),
                "commit_to": after.as_ref().map(CommitSha::as_str),
                "ref": git_ref.name(),
                "commit_title": title,
                "ref_count": null,
            });
        }
        Target::MergeRequest(key) => {
            let target = world.merge_request(*key);
            told = with(
                told,
                json!({"target_id": target.id, "target_iid": key.iid.0, "target_type": "MergeRequest", "target_title": target.title}),
            );
        }
        Target::Note(key, id) => {
            let target = world.merge_request(*key);
            let note = target.note(*id);
            let kind = if note.is_some_and(|(discussion, _)| !discussion.individual) { "DiscussionNote" } else { "Note" };
            told = with(told, json!({"target_id": id.0, "target_iid": id.0, "target_type": kind, "target_title": target.title}));
            told["note"] = note.map(|(discussion, note)| super::note(world, *key, discussion, note)).into();
        }
    }
    told
}
