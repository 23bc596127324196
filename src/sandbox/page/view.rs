//! What the page shows, as JSON for its script.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::markdown::markdown;
use super::{LAPTOP, NEXT, RELEASE, acts};
use crate::model::Timestamp;
use crate::model::gitlab::{GitRef, MergeRequestState, UserId};
use crate::sandbox::gitlab::state::{Discussion, Level, Note, Pipeline, World};
use crate::sandbox::shop::{ENVIRONMENTS, IMAGE, Shop};

/// Somebody whom a visitor can speak as.
pub struct Person {
    pub id: UserId,
    pub username: String,
    pub name: String,
    pub role: &'static str,
}

/// The people, in the order in which they are offered.
pub fn people(shop: &Shop) -> Vec<Person> {
    let world = shop.gitlab.world();
    let person = |id| {
        let user = world.user(id);
        let role = match world.level(shop.project, id) {
            Level::Maintainer | Level::Owner => "Maintainer",
            Level::Developer => "Developer",
            _ => "member",
        };
        Person { id, username: user.username.clone(), name: user.name.clone(), role }
    };
    [shop.dana, shop.rita, shop.otto].map(person).into()
}

/// Everything.
pub fn describe(shop: &Shop) -> Value {
    let tags = [RELEASE, NEXT, LAPTOP].into_iter().chain(ENVIRONMENTS.map(|(name, _)| name));
    let registry: Vec<_> = tags
        .filter_map(|tag| Some(json!({ "tag": format!("{IMAGE}:{tag}"), "digest": shop.registry.tagged(IMAGE, tag)?.to_string() })))
        .collect();
    let people: Vec<_> = people(shop).iter().map(|who| json!({ "username": who.username, "name": who.name, "role": who.role })).collect();
    let mut state = of_gitlab(shop);
    state["registry"] = registry.into();
    state["people"] = people.into();
    state["environments"] = ENVIRONMENTS.iter().map(|(name, _)| environment(shop, name)).collect();
    state["can"] = acts::possible(shop).into();
    state["halted"] = shop.is_halted().into();
    state
}

/// What one environment runs, how it came there, and what could be promoted to it.
fn environment(shop: &Shop, name: &str) -> Value {
    let runs = shop.runs(name);
    let there = |tag: &&str| shop.registry.tagged(IMAGE, tag).is_some();
    let other = |tag: &&str| runs.as_ref().is_none_or(|runs| runs.release != *tag);
    let promotable: Vec<_> = [RELEASE, NEXT, LAPTOP].into_iter().filter(there).filter(other).collect();
    let tagged = shop.registry.tagged(IMAGE, name);
    let mut told = json!({ "name": name, "deploying": shop.deploying(name), "promotable": promotable });
    let Some(runs) = runs else { return told };
    let by = shop.gitlab.world().user(runs.by).name.clone();
    let through_us = runs.by == shop.bot;
    told["runs"] = json!({
        "release": runs.release, "digest": runs.digest.map(|digest| digest.to_string()), "since": runs.since.map(clock),
        "by_hand": (!through_us).then_some(by),
        "tag_differs": tagged.is_some() && tagged != runs.digest,
    });
    if let Some(summary) = runs.summary.filter(|_| through_us) {
        told["runs"]["requested_by"] = summary.requested_by.into();
        told["runs"]["approved_by"] = summary.approved_by.into();
    }
    told
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}

fn of_gitlab(shop: &Shop) -> Value {
    let world = shop.gitlab.world();
    let merge_request = world.merge_request(shop.merge_request);
    let notes: Vec<_> = merge_request.discussions.iter().flat_map(|discussion| thread(shop, &world, discussion)).collect();
    let project = world.project(shop.project);
    let releases: Vec<_> =
        project.releases.values().rev().map(|r| json!({ "tag": r.tag, "name": r.name, "html": markdown(&r.description) })).collect();
    let of_releases = |pipeline: &&Pipeline| pipeline.project == shop.project && matches!(pipeline.git_ref, GitRef::Tag(_));
    let pipelines: Vec<_> = world.pipelines.values().rev().filter(of_releases).map(|held| pipeline(&world, held)).collect();
    let state = match merge_request.state {
        MergeRequestState::Opened => "open",
        MergeRequestState::Closed => "closed",
        MergeRequestState::Merged => "merged",
        MergeRequestState::Locked => "locked",
    };
    json!({
        "project": project.path,
        "merge_request": {
            "iid": merge_request.key.iid, "title": merge_request.title, "state": state,
            "source": merge_request.source_branch, "target": merge_request.target_branch,
        },
        "notes": notes, "releases": releases, "pipelines": pipelines,
    })
}

/// The notes of a thread. On the last one stands whether the thread waits for an approval, and what a reply to it answers.
fn thread(shop: &Shop, world: &World, discussion: &Discussion) -> Vec<Value> {
    let shown: Vec<&Note> = discussion.notes.iter().filter(|note| !note.system).collect();
    let Some(first) = shown.first() else { return vec![] };
    let reacted = |name: &str| first.emojis.iter().any(|emoji| emoji.by == shop.bot && emoji.name == name);
    let open = reacted("hourglass") && !reacted("white_check_mark") && !reacted("x");
    let asked = shown.iter().any(|note| note.author == shop.bot && note.body.contains("/countersign approve"));
    let last = shown.len() - 1;
    let told = |(at, note): (usize, &&Note)| {
        let author = world.user(note.author);
        let reactions: Vec<_> = note.emojis.iter().map(|emoji| &emoji.name).collect();
        json!({
            "id": note.id, "author": author.name, "username": author.username, "bot": author.bot, "reply": at > 0,
            "at": clock(note.created_at), "edited": note.edited_by.is_some(), "html": markdown(&note.body), "reactions": reactions,
            "answers": (at == last && first.author != shop.bot).then_some(first.id),
            "waits": at == last && open && asked,
        })
    };
    shown.iter().enumerate().map(told).collect()
}

fn pipeline(world: &World, pipeline: &Pipeline) -> Value {
    let jobs: Vec<_> =
        world.jobs_of(pipeline.id).map(|job| json!({ "id": job.id, "name": job.spec.name, "status": job.status.word() })).collect();
    // A newer status takes the place of an older one with its name, as on GitLab's own page.
    let newest: BTreeMap<_, _> = pipeline.statuses.iter().map(|status| (&status.name, status)).collect();
    let statuses: Vec<_> = newest
        .values()
        .map(|status| json!({ "name": status.name, "state": status.status.word(), "description": status.description }))
        .collect();
    json!({ "id": pipeline.id, "ref": pipeline.git_ref.name(), "status": pipeline.status.word(), "jobs": jobs, "statuses": statuses })
}
