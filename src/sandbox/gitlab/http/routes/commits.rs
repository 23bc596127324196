//! Commits, the merge requests that brought them, and their external statuses.

use serde_json::Value;

use crate::model::gitlab::{CiStatus, CommitSha, PipelineId, ProjectId};
use crate::sandbox::gitlab::http::answer::{Answer, Reply};
use crate::sandbox::gitlab::http::ask::Ask;
use crate::sandbox::gitlab::present;
use crate::sandbox::gitlab::state::{Level, NewStatus, Refused, Right, World};

fn sha(ask: &Ask, world: &World, project: ProjectId) -> Result<CommitSha, Refused> {
    world.project(project).resolve(ask.part("sha")).map(|commit| commit.sha.clone()).ok_or(Refused::NotFound("Commit"))
}

/// `ref_name`: a branch, a tag, a commit or a range of two (`from..to`). Newest first.
pub fn list(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let held = world.project(project);
    let name = ask.text("ref_name").unwrap_or_else(|| held.default_branch.clone());
    let at = |name: &str| held.resolve(name).map(|commit| held.ancestry(&commit.sha)).ok_or(Refused::NotFound("Commit"));
    let (below, above) = match name.split_once("..") {
        Some((from, to)) => (at(from)?, at(to)?),
        None => (vec![], at(&name)?),
    };
    let mut found: Vec<_> = above.iter().filter(|sha| !below.contains(sha)).filter_map(|sha| held.commits.get(sha)).collect();
    found.sort_by_key(|commit| std::cmp::Reverse((commit.at, commit.parents.len())));
    ask.page(world, found.into_iter().map(|commit| present::commit(world, project, commit)).collect())
}

pub fn show(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let commit = world.project(project).resolve(ask.part("sha")).ok_or(Refused::NotFound("Commit"))?;
    let mut told = present::commit(world, project, commit);
    let last = world.pipelines.values().rev().find(|pipeline| pipeline.project == project && pipeline.sha == commit.sha);
    told["stats"] = serde_json::json!({"additions": 1, "deletions": 0, "total": 1});
    told["status"] = last.map(|pipeline| pipeline.status.word()).into();
    told["project_id"] = project.0.into();
    told["last_pipeline"] = last.map(|pipeline| present::pipeline_basic(world, pipeline.id)).into();
    Ok(Reply::ok(told))
}

pub fn merge_requests(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let sha = sha(ask, world, project)?;
    let state = ask.choice("state", &["all", "opened", "closed", "locked", "merged"])?;
    let fits = |held: &Value| state == "all" || held["state"] == state;
    let bringing = world.project(project).merge_requests.values().rev().filter(|held| held.brings(&sha));
    ask.page(world, bringing.map(|held| present::merge_request(world, held.key)).filter(fits).collect())
}

/// `type`: the branches and tags whose history holds the commit, tags newest first.
pub fn refs(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.open_project(world, Right::Read)?;
    let sha = sha(ask, world, project)?;
    let kind = ask.choice("type", &["all", "branch", "tag"])?;
    let held = world.project(project);
    let holds = |at: &CommitSha| held.ancestry(at).contains(&sha);
    let mut found = vec![];
    if kind != "tag" {
        found.extend(held.branches.iter().filter(|(_, at)| holds(at)).map(|(name, _)| serde_json::json!({"type": "branch", "name": name})));
    }
    if kind != "branch" {
        let mut tags: Vec<_> = held.tags.values().filter(|tag| holds(&tag.commit)).collect();
        tags.sort_by_key(|tag| std::cmp::Reverse(tag.created_at));
        found.extend(tags.iter().map(|tag| serde_json::json!({"type": "tag", "name": tag.name})));
    }
    ask.page(world, found)
}

/// `ref`, `name`, `pipeline_id`, `all`. The latest row of each name, unless `all`.
pub fn statuses(ask: &Ask, world: &mut World) -> Answer {
    let project = ask.project(world, Right::Read)?;
    let sha = sha(ask, world, project)?;
    let (git_ref, name, all) = (ask.text("ref"), ask.text("name"), ask.flag("all")?.unwrap_or(false));
    let pipeline = ask.number("pipeline_id")?;
    let mut rows: Vec<(u64, Value)> = vec![];
    for held in world.pipelines.values().filter(|held| held.project == project && held.sha == sha) {
        if git_ref.as_deref().is_some_and(|git_ref| git_ref != held.git_ref.name()) || pipeline.is_some_and(|id| id != held.id.0) {
            continue;
        }
        let external = held.statuses.iter().filter(|row| all || !row.retried);
        rows.extend(external.map(|row| (row.id, present::commit_status(world, held.id, row))));
        let jobs = world.jobs.values().filter(|job| job.pipeline == held.id && (all || !job.retried));
        rows.extend(jobs.map(|job| (job.id.0, of_job(world, held.id, job.id))));
    }
    rows.sort_by_key(|(id, _)| *id);
    rows.retain(|(_, row)| name.as_deref().is_none_or(|name| row["name"] == name));
    ask.page(world, rows.into_iter().map(|(_, row)| row).collect())
}

/// GitLab lists jobs among the statuses too.
fn of_job(world: &World, pipeline: PipelineId, job: crate::model::gitlab::JobId) -> Value {
    let held = present::job_basic(world, job);
    let mut row = serde_json::json!({"sha": world.pipeline(pipeline).sha.as_str(), "target_url": held["web_url"], "description": null});
    for field in ["id", "ref", "status", "name", "created_at", "started_at", "finished_at", "allow_failure", "coverage"] {
        row[field] = held[field].clone();
    }
    row["pipeline_id"] = pipeline.0.into();
    row["author"] = present::user_basic(world, world.job(job).user);
    row
}

pub fn post_status(ask: &Ask, world: &mut World) -> Answer {
    let state = match ask.required("state")?.as_str() {
        "pending" => CiStatus::Pending,
        "running" => CiStatus::Running,
        "success" => CiStatus::Success,
        "failed" => CiStatus::Failed,
        "canceled" => CiStatus::Canceled,
        "skipped" => CiStatus::Skipped,
        _ => return Err(Refused::Parameters("state does not have a valid value".into())),
    };
    let project = ask.project(world, Right::Is(Level::Developer))?;
    let sha = sha(ask, world, project)?;
    let coverage = match ask.text("coverage").map(|text| text.parse()) {
        Some(Err(_)) => return Err(Refused::Parameters("coverage is invalid".into())),
        Some(Ok(number)) => Some(number),
        None => None,
    };
    let new = NewStatus {
        state,
        name: ask.text("name").or_else(|| ask.text("context")),
        git_ref: ask.text("ref"),
        pipeline: ask.number("pipeline_id")?.map(PipelineId),
        target_url: ask.text("target_url"),
        description: ask.text("description"),
        coverage,
    };
    let (pipeline, row) = world.post_status(project, &sha, ask.me()?, new)?;
    let row = world.pipeline(pipeline).statuses.iter().find(|held| held.id == row);
    row.map(|row| Reply::created(present::commit_status(world, pipeline, row))).ok_or(Refused::NotFound(""))
}
