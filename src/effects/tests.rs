#![cfg(test)]
//! Effects against a small GitLab that keeps what it is sent.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::gitlab_client::testing::{Answer, Asked, Scripted};
use crate::model::Timestamp;
use crate::model::gitlab::{InstanceName, ProjectId};

const ME: u64 = 1;
const SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const NOTES: &str = "/projects/7/merge_requests/1/notes";
const THREAD: &str = "/projects/7/merge_requests/1/discussions/dd";

/// What the small GitLab holds.
#[derive(Default)]
struct State {
    notes: Vec<Value>,
    awards: Vec<Value>,
    statuses: Vec<Value>,
    /// The release's description; `None` while there is no release.
    release: Option<String>,
    /// Answers that come instead of the usual one, each once, by method and path. `true`: the write happens all the same.
    instead: Vec<(String, Answer, bool)>,
}

struct World {
    hands: Hands,
    scripted: Scripted,
    state: Arc<Mutex<State>>,
}

fn note(id: u64, author: u64, body: &str) -> Value {
    json!({"id": id, "body": body, "author": {"id": author}, "created_at": "2026-05-04T12:00:00Z"})
}

fn then() -> Timestamp {
    "2026-05-04T11:59:59Z".parse().unwrap()
}

async fn world(state: State) -> World {
    let state = Arc::new(Mutex::new(state));
    let kept = state.clone();
    let scripted = Scripted::start(move |asked| answer(&mut kept.lock().unwrap(), asked)).await;
    World { hands: Hands::new([scripted.client.clone()]), scripted, state }
}

fn answer(state: &mut State, asked: &Asked) -> Answer {
    let what = asked.what();
    let Some(at) = state.instead.iter().position(|(key, ..)| *key == what) else { return usual(state, &what, asked) };
    let (_, instead, happens) = state.instead.remove(at);
    if happens {
        usual(state, &what, asked);
    }
    instead
}

fn usual(state: &mut State, what: &str, asked: &Asked) -> Answer {
    let listing = |rows: &Vec<Value>| Answer::json(200, json!(rows)).header("x-next-page", "");
    let field = |name| asked.field(name).unwrap();
    match what {
        "GET /user" => Answer::json(200, json!({"id": ME})),
        _ if what == format!("GET {NOTES}") => listing(&state.notes),
        _ if what == format!("GET {THREAD}") => Answer::json(200, json!({"id": "dd", "notes": state.notes})),
        _ if what == format!("POST {NOTES}") || what == format!("POST {THREAD}/notes") => {
            // GitLab's own clean-up.
            let new = note(100 + state.notes.len() as u64, ME, field("body").replace('\r', "").trim_end());
            state.notes.push(new.clone());
            Answer::json(201, new)
        }
        _ if what.ends_with("/award_emoji") && what.starts_with("GET") => listing(&state.awards),
        _ if what.ends_with("/award_emoji") => {
            let new = json!({"name": field("name"), "user": {"id": ME}});
            if state.awards.contains(&new) {
                return Answer::json(404, json!({"message": "404 Award Emoji Name has already been taken Not Found"}));
            }
            state.awards.push(new.clone());
            Answer::json(201, new)
        }
        _ if what.contains(NOTES) => {
            let id: u64 = what.rsplit('/').next().unwrap().parse().unwrap();
            let Some(found) = state.notes.iter_mut().find(|note| note["id"].as_u64() == Some(id)) else { return Answer::missing() };
            if what.starts_with("PUT") {
                found["body"] = json!(field("body"));
            }
            Answer::json(200, found.clone())
        }
        "GET /projects/7/releases/v1%2F2" | "PUT /projects/7/releases/v1%2F2" => {
            if state.release.is_none() {
                return Answer::missing();
            }
            if what.starts_with("PUT") {
                state.release = Some(field("description"));
            }
            Answer::json(200, json!({"tag_name": "v1/2", "description": state.release}))
        }
        _ if what == format!("GET /projects/7/repository/commits/{SHA}/statuses") => listing(&state.statuses),
        _ if what == format!("POST /projects/7/statuses/{SHA}") => {
            assert_eq!((field("ref"), field("pipeline_id"), field("name")), ("v1".into(), "9".into(), "countersign".into()));
            let new = status(state.statuses.len() as u64 + 1, ME, &field("state"), &field("description"));
            state.statuses.push(new.clone());
            Answer::json(201, new)
        }
        _ => panic!("the small GitLab does not know {what}"),
    }
}

fn status(id: u64, author: u64, state: &str, description: &str) -> Value {
    json!({"id": id, "status": state, "name": "countersign", "ref": "v1", "description": description, "author": {"id": author},
        "pipeline_id": 9})
}

fn project() -> ProjectKey {
    ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) }
}

fn sticky(body: &str, note: Option<u64>) -> Effect {
    Effect::StickyNote { project: project(), merge_request: MergeRequestIid(1), body: body.into(), note: note.map(NoteId) }
}

fn reply(body: &str, asked_by: u64) -> Effect {
    let discussion = DiscussionId("dd".into());
    Effect::Reply {
        project: project(),
        merge_request: MergeRequestIid(1),
        discussion,
        asked_by: NoteId(asked_by),
        body: body.into(),
        closing: Emoji::X,
    }
}

fn react(emoji: Emoji) -> Effect {
    Effect::React { project: project(), merge_request: MergeRequestIid(1), note: NoteId(5), emoji }
}

fn section(text: &str) -> Effect {
    Effect::ReleaseSection { project: project(), tag: "v1/2".into(), section: text.into() }
}

fn mark(state: StatusState, description: &str) -> Effect {
    Effect::Status {
        project: project(),
        sha: SHA.parse().unwrap(),
        git_ref: GitRef::Tag("v1".into()),
        pipeline: PipelineId(9),
        state,
        description: description.into(),
        target_url: Some("https://countersign.example.com/verdicts/1".into()),
    }
}

fn wrote(note: u64) -> Result<Done, NotDone> {
    Ok(Done::Wrote { note: Some(NoteId(note)) })
}

fn unchanged(note: u64) -> Result<Done, NotDone> {
    Ok(Done::Unchanged { note: Some(NoteId(note)) })
}

impl World {
    async fn perform(&self, effect: &Effect) -> Result<Done, NotDone> {
        self.hands.perform(effect, None).await
    }

    fn writes(&self) -> usize {
        self.scripted.log().iter().filter(|what| !what.starts_with("GET")).count()
    }

    fn bodies(&self) -> Vec<String> {
        self.state.lock().unwrap().notes.iter().map(|note| note["body"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_sticky_note_is_written_once_and_rewritten_in_place() {
    let world = world(State::default()).await;
    assert_eq!(world.perform(&sticky("one\r\n\r\n", None)).await, wrote(100));
    assert_eq!(world.perform(&sticky("one\n", Some(100))).await, unchanged(100));
    assert_eq!(world.writes(), 1);
    assert_eq!(world.perform(&sticky("two", Some(100))).await, wrote(100));
    assert_eq!(world.bodies(), ["two"]);
}

#[tokio::test]
async fn a_deleted_or_foreign_sticky_note_is_made_anew() {
    let world = world(State { notes: vec![note(50, 2, "a person's")], ..State::default() }).await;
    assert_eq!(world.perform(&sticky("ours", Some(50))).await, wrote(101));
    assert_eq!(world.perform(&sticky("ours", Some(49))).await, wrote(102));
    assert_eq!(world.bodies(), ["a person's", "ours", "ours"]);
}

#[tokio::test]
async fn a_text_of_a_crashed_run_is_taken_over_and_not_posted_twice() {
    for (effect, path) in [(sticky("ours", None), NOTES.to_owned()), (reply("ours", 5), format!("{THREAD}/notes"))] {
        // GitLab stored the note, but its answer was lost.
        let instead = vec![(format!("POST {path}"), Answer::text(502, ""), true)];
        let world = world(State { notes: vec![note(50, 2, "ours")], instead, ..State::default() }).await;
        assert!(matches!(world.perform(&effect).await, Err(NotDone::Later(_))));
        assert_eq!(world.hands.perform(&effect, Some(then())).await, unchanged(101));
        assert_eq!(world.bodies(), ["ours", "ours"]);
    }
}

#[tokio::test]
async fn only_our_own_later_equal_text_is_taken_over() {
    let late: Timestamp = "2026-05-04T12:30:00Z".parse().unwrap();
    for (found, intended) in [(note(50, 2, "ours"), then()), (note(50, ME, "other"), then()), (note(50, ME, "ours"), late)] {
        let world = world(State { notes: vec![found], ..State::default() }).await;
        assert_eq!(world.hands.perform(&sticky("ours", None), Some(intended)).await, wrote(101));
        assert_eq!(world.hands.perform(&reply("mine", 5), Some(intended)).await, wrote(102));
    }
    // The same answer to an earlier question in this thread answers that question only.
    let world = world(State { notes: vec![note(50, ME, "ours")], ..State::default() }).await;
    assert_eq!(world.hands.perform(&reply("ours", 60), Some(then())).await, wrote(101));
}

#[tokio::test]
async fn a_text_that_gitlab_would_run_is_never_sent() {
    for text in ["/close", "ok\n/close", "ok\r/close", "ok\r\n/close", "ok\n\r/close", "ok\n   /close", "ok\u{2028}/close", "\u{c}/close"] {
        for effect in [sticky(text, None), reply(text, 5), section(text)] {
            let world = world(State { release: Some(String::new()), ..State::default() }).await;
            assert!(matches!(world.perform(&effect).await, Err(NotDone::Never(_))), "{text:?}");
            assert!(world.scripted.log().is_empty(), "{text:?}");
        }
    }
    for text in ["a/b", "see\n`/verify`", "    /code", "> /verify", ""] {
        assert_eq!(refuse_commands(text), Ok(()), "{text:?}");
    }
    assert!(matches!(refuse_commands(&"x".repeat(1_000_001)), Err(NotDone::Never(_))));
}

#[tokio::test]
async fn what_gitlab_refuses_is_never_and_what_it_cannot_answer_is_later() {
    let message = |status| Answer::json(status, json!({"message": "secret body"}));
    for (status, later) in [(401, false), (403, false), (404, false), (422, false), (202, false), (500, true), (429, true)] {
        let answer = if status == 429 { message(429).header("retry-after", "99") } else { message(status) };
        let instead = vec![(format!("POST {NOTES}"), answer, false)];
        let world = world(State { instead, ..State::default() }).await;
        let error = world.perform(&sticky("ours", None)).await.unwrap_err();
        assert_eq!(matches!(error, NotDone::Later(_)), later, "{error}");
        assert!(error.to_string().contains("GitLab") && error.to_string().contains(&status.to_string()), "{error}");
        assert!(!error.to_string().contains("glpat"), "{error}");
    }
    let mut elsewhere = sticky("ours", None);
    if let Effect::StickyNote { project, .. } = &mut elsewhere {
        project.instance = InstanceName("other".into());
    }
    assert!(matches!(world(State::default()).await.perform(&elsewhere).await, Err(NotDone::Never(_))));
}

#[tokio::test]
async fn a_reaction_is_set_once_and_a_gone_note_is_told() {
    let world_ = world(State::default()).await;
    assert_eq!(world_.perform(&react(Emoji::Eyes)).await, Ok(Done::Wrote { note: None }));
    assert_eq!(world_.perform(&react(Emoji::Eyes)).await, Ok(Done::Unchanged { note: None }));
    assert_eq!(world_.perform(&react(Emoji::WhiteCheckMark)).await, Ok(Done::Wrote { note: None }));
    let names: Vec<Value> = world_.state.lock().unwrap().awards.iter().map(|award| award["name"].clone()).collect();
    assert_eq!(names, ["eyes", "white_check_mark"]);

    // Another person's eyes are not ours.
    let instead = vec![(format!("POST {NOTES}/5/award_emoji"), Answer::missing(), false)];
    let awards = vec![json!({"name": "eyes", "user": {"id": 2}})];
    let gone = world(State { instead, awards, ..State::default() }).await;
    assert!(matches!(gone.perform(&react(Emoji::Eyes)).await, Err(NotDone::Never(_))));
}

#[tokio::test]
async fn a_release_section_waits_is_written_and_stays() {
    let world_ = world(State::default()).await;
    assert_eq!(world_.perform(&section("digest")).await, Ok(Done::Waiting));
    world_.state.lock().unwrap().release = Some("Fixes.\r\n/usr/bin stays\r\n".into());
    assert_eq!(world_.perform(&section("digest")).await, Ok(Done::Wrote { note: None }));
    let written = world_.state.lock().unwrap().release.clone();
    let expected = format!("Fixes.\r\n/usr/bin stays\r\n\n{}\ndigest\n{}", release_notes::START, release_notes::END);
    assert_eq!(written.as_deref(), Some(expected.as_str()));
    assert_eq!(world_.perform(&section("digest")).await, Ok(Done::Unchanged { note: None }));
    assert_eq!(world_.writes(), 1);
    assert_eq!(world_.perform(&section("other")).await, Ok(Done::Wrote { note: None }));
    assert_eq!(world_.state.lock().unwrap().release.clone(), Some(expected.replace("digest", "other")));

    // GitLab says yes and keeps the old text.
    let instead =
        vec![("PUT /projects/7/releases/v1%2F2".into(), Answer::json(200, json!({"tag_name": "v1/2", "description": "x"})), false)];
    let deaf = world(State { release: Some("Fixes.".into()), instead, ..State::default() }).await;
    assert!(matches!(deaf.perform(&section("digest")).await, Err(NotDone::Later(_))));
    // A project that our token no longer sees is no missing release.
    let hidden = Answer::json(404, json!({"message": "404 Project Not Found"}));
    let hidden = world(State { instead: vec![("GET /projects/7/releases/v1%2F2".into(), hidden, false)], ..State::default() }).await;
    assert!(matches!(hidden.perform(&section("digest")).await, Err(NotDone::Never(_))));
}

#[tokio::test]
async fn a_status_is_set_once_on_its_own_pipeline() {
    let world = world(State { statuses: vec![status(1, 2, "success", "verified")], ..State::default() }).await;
    assert_eq!(world.perform(&mark(StatusState::Success, "verified")).await, Ok(Done::Wrote { note: None }));
    assert_eq!(world.perform(&mark(StatusState::Success, "verified")).await, Ok(Done::Unchanged { note: None }));
    assert_eq!(world.writes(), 1);
    assert_eq!(world.perform(&mark(StatusState::Failed, "the tag\nmoved")).await, Ok(Done::Wrote { note: None }));
    let long = "ä".repeat(400);
    assert_eq!(world.perform(&mark(StatusState::Failed, &long)).await, Ok(Done::Wrote { note: None }));
    assert_eq!(world.perform(&mark(StatusState::Failed, &long)).await, Ok(Done::Unchanged { note: None }));
    let statuses = world.state.lock().unwrap().statuses.clone();
    let words: Vec<_> = statuses.iter().map(|s| (s["status"].as_str().unwrap(), s["description"].as_str().unwrap().len())).collect();
    assert_eq!(words, [("success", 8), ("success", 8), ("failed", 13), ("failed", 255)]);
    let post = world.scripted.asked().into_iter().find(|asked| asked.method == "POST").unwrap();
    assert_eq!(post.field("target_url").as_deref(), Some("https://countersign.example.com/verdicts/1"));
}

#[tokio::test]
async fn a_status_that_gitlab_refuses_to_repeat_is_done() {
    let refused = |status: u16, text: &str| {
        let message = Answer::json(status, json!({ "message": text }));
        vec![(format!("POST /projects/7/statuses/{SHA}"), message, false)]
    };
    let again = "Cannot transition status via :succeed from :success";
    let success = || vec![status(4, ME, "success", "other words")];
    let failed = || vec![status(4, ME, "failed", "other words")];
    let later = |done: &Result<Done, NotDone>| matches!(done, Err(NotDone::Later(_)));
    let run = async |instead, statuses| {
        world(State { instead, statuses, ..State::default() }).await.perform(&mark(StatusState::Success, "verified")).await
    };
    assert_eq!(run(refused(400, again), success()).await, Ok(Done::Unchanged { note: None }));
    assert!(later(&run(refused(400, again), failed()).await));
    assert!(later(&run(refused(409, "in progress"), vec![]).await));
    assert!(matches!(run(refused(400, "ref is invalid"), vec![]).await, Err(NotDone::Never(_))));
    assert!(matches!(run(refused(403, "403 Forbidden"), vec![]).await, Err(NotDone::Never(_))));
    // On another pipeline than the one asked for.
    let mut stray = status(5, ME, "success", "verified");
    stray["pipeline_id"] = json!(10);
    let instead = vec![(format!("POST /projects/7/statuses/{SHA}"), Answer::json(201, stray), false)];
    assert!(matches!(run(instead, vec![]).await, Err(NotDone::Never(_))));
}
