#![cfg(test)]
//! GitLab's answers and what they are read as.

mod promotion;
mod rules;

use serde_json::{Value, json};

use super::*;
use crate::gitlab_client::testing::{Answer, Asked, Scripted};
use crate::model::EnvironmentName;
use crate::model::gitlab::{DiscussionId, GitRef, JobId, MergeRequestIid, MergeRequestState, NoteId, PipelineId, TestSummary};
use crate::verdict::WhyKind;

const SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const OTHER: &str = "b1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const P: ProjectId = ProjectId(7);

/// A GitLab that knows these objects, by method and path; everything else is 404.
async fn world(objects: Vec<(&'static str, Value)>) -> (Scripted, Gitlab) {
    let answer = move |asked: &Asked| {
        let found = objects.iter().find(|(what, _)| *what == asked.what());
        found.map_or_else(Answer::missing, |(_, value)| Answer::json(200, value.clone()).header("x-next-page", ""))
    };
    let world = Scripted::start(answer).await;
    let gitlab = Gitlab::new(world.client.clone());
    (world, gitlab)
}

fn sha() -> CommitSha {
    SHA.parse().unwrap()
}

fn kind<T>(looked: &Looked<T>) -> Option<WhyKind> {
    looked.unreachable().map(|why| why.kind)
}

fn pipeline(id: u64, tag: bool) -> Value {
    json!({"id": id, "project_id": 7, "sha": SHA, "ref": "v1", "tag": tag, "source": "push", "status": "success",
        "web_url": "https://x/p", "created_at": "2026-05-04T13:41:00.000Z", "finished_at": "2026-05-04T15:41:00.000+02:00"})
}

fn job(id: u64, commit: &str) -> Value {
    json!({"id": id, "name": "release_image", "stage": "build", "status": "success", "ref": "v1", "tag": true, "allow_failure": false,
        "web_url": "https://x/j", "started_at": null, "finished_at": null, "commit": {"id": commit},
        "pipeline": {"id": 9, "project_id": 7, "sha": SHA},
        "runner": {"id": 3, "description": null, "runner_type": "project_type"},
        "artifacts_file": {"filename": "artifacts.zip", "size": 3}})
}

fn user(id: u64) -> Value {
    json!({"id": id, "username": "ana", "name": "Ana", "state": "active"})
}

fn note(id: u64, at: &str) -> Value {
    json!({"id": id, "body": "/verify", "author": user(5), "created_at": at, "updated_at": at, "system": false, "internal": false,
        "confidential": false})
}

fn merge_request(iid: u64, state: &str) -> Value {
    json!({"iid": iid, "title": "Retry", "web_url": "https://x/mr", "state": state, "source_branch": "retry", "target_branch": "main",
        "source_project_id": null, "target_project_id": 7, "head_pipeline": {"id": 9}, "sha": SHA, "merge_commit_sha": null,
        "squash_commit_sha": null, "updated_at": "2026-05-04T13:41:00Z"})
}

#[tokio::test]
async fn a_tag_is_read_only_with_its_protection() {
    let good = json!({"name": "release/1", "target": OTHER, "commit": {"id": SHA}, "protected": true});
    let mut no_flag = good.clone();
    no_flag.as_object_mut().unwrap().remove("protected");
    let mut text_flag = good.clone();
    text_flag["protected"] = json!("true");
    let mut short = good.clone();
    short["commit"]["id"] = json!("a1b2c3d4");
    let mut other = good.clone();
    other["name"] = json!("release/2");
    let look = async |tag: Value| world(vec![("GET /projects/7/repository/tags/release%2F1", tag)]).await.1.tag(P, "release/1").await;
    assert_eq!(look(good).await, Looked::Found(Tag { name: "release/1".into(), commit: sha(), protected: true }));
    for odd in [no_flag, text_flag, short, other] {
        assert_eq!(kind(&look(odd.clone()).await), Some(WhyKind::Unreadable), "{odd}");
    }
    assert_eq!(world(vec![]).await.1.tag(P, "v1").await, Looked::Absent);
}

#[tokio::test]
async fn a_hidden_project_is_absent_itself_and_unreachable_for_its_objects() {
    let world = Scripted::start(|_| Answer::json(404, json!({"message": "404 Project Not Found"}))).await;
    let gitlab = Gitlab::new(world.client.clone());
    assert_eq!(gitlab.project_by_id(P).await, Looked::Absent);
    assert_eq!(gitlab.project_by_path(&ProjectPath("shop/api".into())).await, Looked::Absent);
    assert_eq!(kind(&gitlab.tag(P, "v1").await), Some(WhyKind::Refused));
    assert_eq!(kind(&gitlab.release(P, "v1").await), Some(WhyKind::Refused));
    assert_eq!(kind(&gitlab.merge_requests_of(P, &sha()).await), Some(WhyKind::Refused));
    assert_eq!(kind(&gitlab.member(P, UserId(5)).await), Some(WhyKind::Refused));
}

#[tokio::test]
async fn pipelines_of_a_ref_tell_tag_from_branch() {
    let listed = json!([
        {"id": 8, "sha": SHA, "ref": "v1"}, {"id": 9, "sha": SHA, "ref": "v1"}, {"id": 4, "sha": SHA, "ref": "v1"},
        {"id": 5, "sha": SHA, "ref": "v1-fix"}, {"id": 6, "sha": OTHER, "ref": "v1"}
    ]);
    let objects = vec![
        ("GET /projects/7/pipelines", listed),
        ("GET /projects/7/pipelines/8", pipeline(8, false)),
        ("GET /projects/7/pipelines/9", pipeline(9, true)),
    ];
    let (world_, gitlab) = world(objects).await;
    let found = gitlab.pipelines(P, &sha(), "v1").await;
    let refs: Vec<_> = found.found().unwrap().iter().map(|p| (p.id.0, p.git_ref.clone())).collect();
    assert_eq!(refs, [(9, GitRef::Tag("v1".into())), (8, GitRef::Branch("v1".into()))]);
    assert_eq!(found.found().unwrap()[0].finished_at, found.found().unwrap()[0].created_at);
    let target = &world_.asked()[0].target;
    assert!(target.contains(&format!("sha={SHA}")) && target.contains("ref=v1"), "{target}");

    let many: Vec<Value> = (0..101).map(|id| json!({"id": id, "sha": SHA, "ref": "v1"})).collect();
    let (_, gitlab) = world(vec![("GET /projects/7/pipelines", json!(many))]).await;
    assert_eq!(kind(&gitlab.pipelines(P, &sha(), "v1").await), Some(WhyKind::TooLarge));
    let (_, gitlab) = world(vec![("GET /projects/7/pipelines", json!([]))]).await;
    assert_eq!(gitlab.pipelines(P, &sha(), "v1").await, Looked::Absent);
    let mut stranger = pipeline(9, true);
    stranger["project_id"] = json!(8);
    let (_, gitlab) = world(vec![("GET /projects/7/pipelines/9", stranger)]).await;
    assert_eq!(kind(&gitlab.pipeline(P, PipelineId(9)).await), Some(WhyKind::Unreadable));
}

#[tokio::test]
async fn jobs_name_their_pipeline_commit_and_ref() {
    let objects = vec![
        ("GET /projects/7/pipelines/9/jobs", json!([job(21, SHA)])),
        ("GET /projects/7/pipelines/10/jobs", json!([job(21, SHA)])),
        ("GET /projects/7/jobs/21", job(21, SHA)),
        ("GET /projects/7/jobs/22", job(22, OTHER)),
        ("GET /projects/7/jobs/23", job(21, SHA)),
    ];
    let (world, gitlab) = world(objects).await;
    let jobs = gitlab.jobs(P, PipelineId(9)).await;
    let found = &jobs.found().unwrap()[0];
    assert_eq!((found.pipeline, found.git_ref.clone(), found.has_artifacts), (PipelineId(9), GitRef::Tag("v1".into()), true));
    assert_eq!(found.commit, sha());
    assert!(world.asked()[0].target.contains("include_retried=false"));
    assert_eq!(gitlab.job(P, JobId(21)).await.found(), Some(found));
    assert_eq!(kind(&gitlab.jobs(P, PipelineId(10)).await), Some(WhyKind::Unreadable));
    assert_eq!(kind(&gitlab.job(P, JobId(22)).await), Some(WhyKind::Unreadable));
    assert_eq!(kind(&gitlab.job(P, JobId(23)).await), Some(WhyKind::Unreadable));
    assert_eq!(gitlab.job(P, JobId(24)).await, Looked::Absent);
    assert_eq!(gitlab.artifact_file(P, JobId(21), "image-digest.txt", 100).await, Looked::Absent);
}

#[tokio::test]
async fn merge_requests_of_a_commit_are_read_whole() {
    let mut fork = merge_request(3, "opened");
    fork["target_project_id"] = json!(99);
    let objects = vec![
        (
            "GET /projects/7/repository/commits/a1b2c3d4e5f60718293a4b5c6d7e8f9001122334/merge_requests",
            json!([merge_request(2, "merged"), merge_request(1, "opened"), fork, merge_request(8, "opened")]),
        ),
        ("GET /projects/7/merge_requests/1", merge_request(1, "opened")),
        ("GET /projects/7/merge_requests/2", merge_request(2, "merged")),
        ("GET /projects/7/merge_requests/2/approvals", json!({"approved": true, "approved_by": [{"user": user(5)}]})),
        ("GET /projects/7/merge_requests/1/approvals", json!({"approved": true})),
    ];
    let (_, gitlab) = world(objects).await;
    let found = gitlab.merge_requests_of(P, &sha()).await;
    let found = found.found().unwrap();
    assert_eq!(
        found.iter().map(|m| (m.iid.0, m.state)).collect::<Vec<_>>(),
        [(1, MergeRequestState::Opened), (2, MergeRequestState::Merged)]
    );
    assert_eq!((found[0].merged_as.clone(), found[1].merged_as.clone()), (vec![], vec![sha()]));
    assert_eq!(found[0].head_pipeline, Some(PipelineId(9)));
    assert_eq!(gitlab.approved_by(P, MergeRequestIid(2)).await.found().unwrap()[0].id, UserId(5));
    assert_eq!(kind(&gitlab.approved_by(P, MergeRequestIid(1)).await), Some(WhyKind::Unreadable));
}

#[tokio::test]
async fn a_note_is_found_with_its_discussion_or_without() {
    let at = "2026-05-04T13:41:00Z";
    let one = ("GET /projects/7/merge_requests/1/notes/31", note(31, at));
    let threads = json!([
        {"id": "aa", "individual_note": true, "notes": [note(30, at)]}, {"id": "bb", "individual_note": false, "notes": [note(31, at)]}
    ]);
    let path = "GET /projects/7/merge_requests/1/discussions";
    let look = async |objects| world(objects).await.1.note(P, MergeRequestIid(1), NoteId(31)).await;
    assert_eq!(look(vec![one.clone(), (path, threads)]).await.found().unwrap().discussion, Some(DiscussionId("bb".into())));
    assert_eq!(look(vec![one, (path, json!([]))]).await.found().unwrap().discussion, None);
    assert_eq!(look(vec![]).await, Looked::Absent);

    // More threads than we page through: the note still counts. A list that cannot be read: come back later.
    for (status, usable) in [(200, true), (502, false)] {
        let world = Scripted::start(move |asked| match asked.what().as_str() {
            "GET /projects/7/merge_requests/1/notes/31" => Answer::json(200, note(31, at)),
            _ => Answer::json(status, json!(vec![json!({"id": "aa", "notes": [note(30, at)]}); 100])),
        })
        .await;
        let looked = Gitlab::new(world.client.clone()).note(P, MergeRequestIid(1), NoteId(31)).await;
        assert_eq!(looked.found().is_some_and(|note| note.discussion.is_none()), usable);
        assert_eq!(looked.unreachable().is_some(), !usable);
    }
}

#[tokio::test]
async fn tests_rights_and_releases_are_read_strictly() {
    let total = |count| json!({"total": {"count": count, "failed": 1, "error": 2}, "test_suites": if count == 0 { json!([]) } else { json!([{}]) }});
    let member = |state: &str, expires: Value| {
        let mut member = user(5);
        member["state"] = json!(state);
        member["access_level"] = json!(30);
        member["expires_at"] = expires;
        member
    };
    let objects = vec![
        ("GET /projects/7/pipelines/9/test_report_summary", total(10)),
        ("GET /projects/7/pipelines/8/test_report_summary", total(0)),
        ("GET /projects/7/members/all/5", member("active", json!("2999-01-01"))),
        ("GET /projects/8/members/all/5", member("active", json!("2020-01-01"))),
        ("GET /projects/9/members/all/5", member("blocked", json!(null))),
        (
            "GET /projects/7/releases/v1%2F2",
            json!({"tag_name": "v1/2", "name": "One", "description": null, "_links": {"self": "https://x/r"}}),
        ),
        ("GET /user", user(1)),
    ];
    let (_, gitlab) = world(objects).await;
    assert_eq!(gitlab.tests(P, PipelineId(9)).await, Looked::Found(TestSummary { total: 10, failed: 3 }));
    assert_eq!(gitlab.tests(P, PipelineId(8)).await, Looked::Absent);
    let active = async |project| gitlab.member(ProjectId(project), UserId(5)).await.found().map(|member| member.active);
    assert_eq!((active(7).await, active(8).await, active(9).await, active(10).await), (Some(true), Some(false), Some(false), None));
    let release = gitlab.release(P, "v1/2").await;
    assert_eq!(release.found().map(|r| (r.description.as_str(), r.web_url.as_deref())), Some(("", Some("https://x/r"))));
    assert_eq!(gitlab.whoami().await.found().map(|user| user.id), Some(UserId(1)));
}

#[tokio::test]
async fn a_deployments_ref_is_never_guessed() {
    let look = async |deployable: Value, more: Vec<(&'static str, Value)>| {
        let found = json!([{"id": 4, "sha": SHA, "ref": "v1", "status": "success", "environment": {"name": "production"},
            "deployable": deployable, "created_at": "2026-05-04T13:41:00Z", "updated_at": "2026-05-04T13:42:00Z"}]);
        let objects = [vec![("GET /projects/7/deployments", found)], more].concat();
        let (world, gitlab) = world(objects).await;
        let looked = gitlab.latest_deployment(P, &EnvironmentName("production".into())).await;
        let target = world.asked()[0].target.clone();
        assert!(target.contains("environment=production") && target.contains("status=success") && target.contains("sort=desc"), "{target}");
        looked.map(|deployment| deployment.git_ref)
    };
    let tag = || ("GET /projects/7/repository/tags/v1", json!({"name": "v1", "commit": {"id": SHA}, "protected": true}));
    let branch = || ("GET /projects/7/repository/branches/v1", json!({"name": "v1", "protected": false}));
    assert_eq!(look(json!({"tag": true, "finished_at": null}), vec![]).await, Looked::Found(GitRef::Tag("v1".into())));
    assert_eq!(look(json!(null), vec![]).await, Looked::Found(GitRef::Branch("v1".into())));
    assert_eq!(look(json!(null), vec![tag()]).await, Looked::Found(GitRef::Tag("v1".into())));
    assert_eq!(kind(&look(json!(null), vec![tag(), branch()]).await), Some(WhyKind::Unreadable));
    let (_, gitlab) = world(vec![("GET /projects/7/deployments", json!([]))]).await;
    assert_eq!(gitlab.latest_deployment(P, &EnvironmentName("production".into())).await, Looked::Absent);
}

#[tokio::test]
async fn the_catch_up_asks_for_what_is_new() {
    let old = "2026-05-04T10:00:00Z";
    let new = "2026-05-04T12:00:00Z";
    let since: Timestamp = "2026-05-04T11:00:00Z".parse().unwrap();
    let objects = vec![
        ("GET /projects/7/merge_requests/1/notes", json!([note(33, new), note(32, new), note(31, old)])),
        ("GET /projects/7/pipelines", json!([{"id": 9, "sha": SHA, "ref": "v1", "updated_at": new}])),
        ("GET /projects/7/merge_requests", json!([merge_request(1, "opened")])),
        ("GET /projects/7/repository/tags", json!([{"name": "v1", "commit": {"id": SHA}, "protected": false}])),
    ];
    let (world, gitlab) = world(objects).await;
    let notes = gitlab.notes_since(P, MergeRequestIid(1), since).await;
    assert_eq!(notes.found().unwrap().iter().map(|note| note.id.0).collect::<Vec<_>>(), [32, 33]);
    assert_eq!(gitlab.recent_pipelines(P, since).await.found().unwrap()[0].ref_name, "v1");
    assert_eq!(gitlab.merge_requests_updated_after(P, since).await.found().unwrap()[0].iid, MergeRequestIid(1));
    assert_eq!(gitlab.recent_tags(P, "v", 20).await.found().unwrap()[0].name, "v1");
    let targets: Vec<String> = world.asked().into_iter().map(|asked| asked.target).collect();
    assert!(targets[0].contains("order_by=created_at&sort=desc"), "{targets:?}");
    assert!(targets[1].contains("updated_after=2026-05-04T11%3A00%3A00Z") && targets[2].contains("scope=all"), "{targets:?}");
    assert!(
        targets[3].contains("per_page=20") && targets[3].contains("search=%5Ev") && targets[3].contains("order_by=updated"),
        "{targets:?}"
    );
}

#[tokio::test]
async fn attestations_are_read_by_their_number_within_bounds() {
    let subject = crate::model::Digest::of(b"image");
    let row = |iid: u64, status: &str, kind: &str| {
        json!({"iid": iid, "status": status, "predicate_type": kind, "subject_digest": subject.hex(),
            "download_url": "https://elsewhere.example/steal"})
    };
    let (v1, sbom) = ("https://slsa.dev/provenance/v1", "https://spdx.dev/Document");
    let look = async |rows: Value| {
        let list: &'static str = Box::leak(format!("GET /projects/7/attestations/{}", subject.hex()).into_boxed_str());
        let (world, gitlab) = world(vec![(list, rows), ("GET /projects/7/attestations/2/download", json!({"a": "bundle"}))]).await;
        let looked = gitlab.provenance_bundles(P, &subject).await;
        assert!(world.asked().iter().all(|asked| asked.target.starts_with("/api/v4/projects/7/attestations/")), "{:?}", world.asked());
        looked
    };
    assert_eq!(
        look(json!([row(1, "error", v1), row(2, "success", v1), row(3, "success", sbom)])).await,
        Looked::Found(vec![br#"{"a":"bundle"}"#.to_vec()])
    );
    for nothing in [json!([]), json!([row(3, "success", sbom)]), json!([row(4, "success", v1)])] {
        assert_eq!(look(nothing.clone()).await, Looked::Absent, "{nothing}");
    }
    let many: Vec<_> = (0..9).map(|iid| row(iid, "success", v1)).collect();
    assert_eq!(kind(&look(json!(many)).await), Some(WhyKind::TooLarge));
    let mut stranger = row(2, "success", v1);
    stranger["subject_digest"] = json!("00");
    assert_eq!(kind(&look(json!([stranger])).await), Some(WhyKind::Unreadable));
    assert_eq!(kind(&look(json!({"message": "x"})).await), Some(WhyKind::Unreadable));
    assert_eq!(world(vec![]).await.1.provenance_bundles(P, &subject).await, Looked::Absent);
}
