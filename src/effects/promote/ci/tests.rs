#![cfg(test)]
//! The steps on GitLab's side against scripted answers.

use serde_json::{Value, json};

use super::super::Place;
use crate::effects::{Hands, NotDone};
use crate::gitlab_client::testing::{Answer, Asked, Scripted};
use crate::model::environment::Carrier;
use crate::model::gitlab::{DeploymentId, GitRef, InstanceName, JobId, PipelineId, ProjectId, ProjectKey};
use crate::model::promotion::{Act, Left, PromotionId};
use crate::model::{EnvironmentName, Timestamp};
use crate::verdict::{Clearance, judge, testing};

const ME: u64 = 1;
const SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const BEGAN: &str = "2026-05-04T12:00:00Z";
const BEFORE: &str = "2026-05-04T11:00:00Z";
const AFTER: &str = "2026-05-04T12:00:05Z";
const JOBS: &str = "GET /projects/7/pipelines/9/jobs";
const PLAY: &str = "POST /projects/7/jobs/21/play";
const RETRY: &str = "POST /projects/7/jobs/21/retry";
const GRAPHQL: &str = "POST /api/graphql";
const TAG: &str = "GET /projects/7/repository/tags/v1";
const BRANCH: &str = "GET /projects/7/repository/branches/deploy";
const CANCEL: &str = "POST /projects/7/pipelines/40/cancel";
const START: &str = "POST /projects/7/pipeline";
const PIPELINES: &str = "GET /projects/7/pipelines";
const DEPLOYMENTS: &str = "GET /projects/7/deployments";
const DEPLOY: &str = "POST /projects/7/deployments";

type Script = Vec<(&'static str, Answer)>;

fn clearances() -> Vec<Clearance> {
    let verdict = judge(&testing::good_facts(), &testing::good_policy());
    vec![verdict.clear(&EnvironmentName("production".into())).unwrap()]
}

fn image() -> String {
    clearances()[0].image().to_string()
}

/// Everything that a step did: its end, and what it sent.
struct Ran {
    end: Result<Left, NotDone>,
    asked: Vec<Asked>,
}

impl Ran {
    fn sent(&self) -> Vec<(String, Value)> {
        let writes = self.asked.iter().filter(|asked| asked.method == "POST");
        writes.map(|asked| (asked.what(), serde_json::from_str(&asked.body).unwrap_or_else(|_| json!(asked.body)))).collect()
    }

    fn never(&self) -> &str {
        match &self.end {
            Err(NotDone::Never(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn is_later(&self) -> bool {
        matches!(self.end, Err(NotDone::Later(_)))
    }
}

async fn run(act: Act, began_before: Option<&str>, script: Script) -> Ran {
    run_with(&clearances(), act, began_before, script).await
}

async fn run_with(clearances: &[Clearance], act: Act, began_before: Option<&str>, script: Script) -> Ran {
    let usual = [
        (TAG, tag(SHA)),
        ("GET /user", Answer::json(200, json!({"id": ME}))),
        ("GET /version", Answer::json(200, json!({"version": "19.5.0-ee", "revision": "1"}))),
    ];
    let script: Vec<_> = script.into_iter().chain(usual).collect();
    let scripted = Scripted::start(move |asked| {
        let found = script.iter().find(|(what, _)| *what == asked.what());
        found.map_or_else(Answer::missing, |(_, answer)| answer.clone().header("x-next-page", ""))
    });
    let scripted = scripted.await;
    let hands = Hands::new([scripted.client.clone()]);
    let project = ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) };
    let (promotion, environment) = (PromotionId("1f2e".into()), EnvironmentName("production".into()));
    let place = Place { project: &project, promotion: &promotion, environment: &environment, step: 0 };
    let began: Option<Timestamp> = began_before.map(|at| at.parse().unwrap());
    let end = hands.step(clearances, place, &act, began).await;
    Ran { end, asked: scripted.asked() }
}

fn ok(value: Value) -> Answer {
    Answer::json(200, value)
}

fn refusal(status: u16, message: Value) -> Answer {
    Answer::json(status, json!({ "message": message }))
}

fn play(carrier: Carrier) -> Act {
    Act::PlayJob { pipeline: PipelineId(9), job: "deploy".into(), carrier, values: vec![("IMAGE".into(), image())] }
}

fn start(carrier: Carrier) -> Act {
    let (git_ref, sha) = (GitRef::Tag("v1".into()), Some(SHA.parse().unwrap()));
    Act::StartPipeline { git_ref, sha, carrier, values: vec![("IMAGE".into(), image())] }
}

fn record() -> Act {
    let (environment, git_ref) = (EnvironmentName("production".into()), GitRef::Tag("v1".into()));
    Act::Deployment { environment, sha: SHA.parse().unwrap(), git_ref }
}

fn job(id: u64, status: &str, user: u64, started_at: Option<&str>) -> Value {
    json!({"id": id, "name": "deploy", "status": status, "user": {"id": user}, "pipeline": {"id": 9}, "created_at": BEFORE,
        "started_at": started_at, "finished_at": null})
}

/// Another commit.
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffff";

fn tag(sha: &str) -> Answer {
    ok(json!({"name": "v1", "commit": {"id": sha}, "protected": true}))
}

fn pipeline(id: u64, user: u64) -> Value {
    json!({"id": id, "ref": "v1", "tag": true, "sha": SHA, "source": "api", "user": {"id": user}, "created_at": AFTER})
}

fn deployment(id: u64, user: u64, at: &str) -> Value {
    json!({"id": id, "sha": SHA, "ref": "v1", "status": "success", "environment": {"name": "production"}, "user": {"id": user},
        "created_at": at})
}

#[tokio::test]
async fn a_manual_job_is_played_with_the_image_as_variable_or_input() {
    let script =
        || vec![(JOBS, ok(json!([job(20, "manual", 2, None), job(21, "manual", 2, None)]))), (PLAY, ok(job(21, "pending", ME, None)))];
    let variables = run(play(Carrier::Variables), None, script()).await;
    assert_eq!(variables.end, Ok(Left::Job { id: JobId(21) }));
    let given = json!({"job_variables_attributes": [{"key": "IMAGE", "value": image()}]});
    assert_eq!(variables.sent(), [(PLAY.to_owned(), given)]);
    let inputs = run(play(Carrier::Inputs), None, script()).await;
    assert_eq!(inputs.sent(), [(PLAY.to_owned(), json!({"job_inputs": {"IMAGE": image()}}))]);

    // An older GitLab would leave the inputs out in silence.
    let old = [vec![("GET /version", ok(json!({"version": "18.9.4"})))], script()].concat();
    let old = run(play(Carrier::Inputs), None, old).await;
    assert!(old.never().contains("18.10") && old.sent().is_empty(), "{:?}", old.end);
}

#[tokio::test]
async fn a_job_of_another_state_is_told_and_left_alone() {
    for (status, said) in [
        ("running", "runs already"),
        ("pending", "runs already"),
        ("created", "is created"),
        ("skipped", "is skipped"),
        ("new_word", "is unknown"),
    ] {
        // The bot's own as well, where this step has not begun before.
        for user in [ME, 2] {
            let ran = run(play(Carrier::Variables), None, vec![(JOBS, ok(json!([job(21, status, user, None)])))]).await;
            assert!(ran.never().contains(said) && ran.sent().is_empty(), "{status} {:?}", ran.end);
        }
    }
    let other = run(play(Carrier::Variables), None, vec![(JOBS, ok(json!([])))]).await;
    assert!(other.never().contains("does not exist"), "{:?}", other.end);
    let gone = run(play(Carrier::Variables), None, vec![]).await;
    assert!(gone.never().contains("is gone"), "{:?}", gone.end);
}

#[tokio::test]
async fn a_job_that_an_earlier_run_started_is_taken_over_and_nobody_elses_is() {
    let check = async |held: Value, began: Option<&str>, taken: bool| {
        let script = vec![
            (JOBS, ok(json!([held.clone()]))),
            (GRAPHQL, ok(json!({"data": {"jobRetry": {"job": {"id": "gid://gitlab/Ci::Build/22"}, "errors": []}}}))),
            ("GET /projects/7/jobs/22", ok(job(22, "pending", ME, None))),
        ];
        let ran = run(play(Carrier::Variables), began, script).await;
        let is_taken = ran.end == Ok(Left::Job { id: JobId(21) }) && ran.sent().is_empty();
        assert_eq!(is_taken, taken, "{held} {:?}", ran.end);
    };
    check(job(21, "pending", ME, None), Some(BEGAN), true).await;
    check(job(21, "running", ME, Some(AFTER)), Some(BEGAN), true).await;
    check(job(21, "success", ME, Some(AFTER)), Some(BEGAN), true).await;
    check(job(21, "failed", ME, Some(AFTER)), Some(BEGAN), true).await;
    check(job(21, "pending", 2, None), Some(BEGAN), false).await;
    check(job(21, "success", 2, Some(AFTER)), Some(BEGAN), false).await;
    check(job(21, "running", ME, Some(BEFORE)), Some(BEGAN), false).await;
    check(job(21, "success", ME, Some(BEFORE)), Some(BEGAN), false).await;
    check(job(21, "success", ME, Some(AFTER)), None, false).await;
}

#[tokio::test]
async fn a_job_that_ended_runs_again_with_our_values() {
    for status in ["success", "failed", "canceled"] {
        let ended = || (JOBS, ok(json!([job(21, status, 2, Some(BEFORE))])));
        let inputs = run(play(Carrier::Inputs), None, vec![ended(), (RETRY, Answer::json(201, job(22, "pending", ME, None)))]).await;
        assert_eq!(inputs.end, Ok(Left::Job { id: JobId(22) }));
        assert_eq!(inputs.sent(), [(RETRY.to_owned(), json!({"job_inputs": {"IMAGE": image()}}))]);

        let answer = ok(json!({"data": {"jobRetry": {"job": {"id": "gid://gitlab/Ci::Build/22"}, "errors": []}}}));
        let script = vec![ended(), (GRAPHQL, answer), ("GET /projects/7/jobs/22", ok(job(22, "pending", ME, None)))];
        let variables = run(play(Carrier::Variables), None, script).await;
        assert_eq!(variables.end, Ok(Left::Job { id: JobId(22) }));
        let (_, sent) = &variables.sent()[0];
        let expected = json!({"id": "gid://gitlab/Ci::Build/21", "variables": [{"key": "IMAGE", "value": image()}]});
        assert_eq!(sent["variables"], expected);
        assert!(!sent["query"].as_str().unwrap().contains("sha256"), "a value is part of the operation: {sent}");
    }
    let ended = || (JOBS, ok(json!([job(21, "failed", 2, Some(BEFORE))])));
    let refusals = [
        json!({"data": {"jobRetry": {"job": null, "errors": ["Job is not retryable"]}}}),
        json!({"errors": [{"message": "you don't have permission to perform this action"}]}),
    ];
    for refusal in refusals {
        let ran = run(play(Carrier::Variables), None, vec![ended(), (GRAPHQL, ok(refusal))]).await;
        assert!(ran.never().contains("was refused by GitLab (200:"), "{:?}", ran.end);
    }
    for odd in [json!({}), json!({"data": {"jobRetry": null}}), json!({"data": {"jobRetry": {"job": {"id": "x"}, "errors": []}}})] {
        assert!(run(play(Carrier::Variables), None, vec![ended(), (GRAPHQL, ok(odd.clone()))]).await.is_later(), "{odd}");
    }
}

#[tokio::test]
async fn what_gitlab_says_to_a_job_is_never_or_later_in_plain_words() {
    let check = async |answer: Answer, said: Option<&str>| {
        let ran = run(play(Carrier::Variables), None, vec![(JOBS, ok(json!([job(21, "manual", 2, None)]))), (PLAY, answer)]).await;
        match said {
            Some(said) => assert!(ran.never().contains(said), "{:?}", ran.end),
            None => assert!(ran.is_later(), "{:?}", ran.end),
        }
        assert!(!format!("{:?}", ran.end).contains("glpat"));
    };
    check(refusal(400, json!("400 Bad request - Unplayable Job")), Some("cannot be started any more")).await;
    check(refusal(400, json!("400 Bad request - Unknown input: IMAGE")), Some("Unknown input: IMAGE")).await;
    check(refusal(403, json!("403 Forbidden")), Some("protected environment")).await;
    check(refusal(403, json!("403 Forbidden")), Some("pipeline variables")).await;
    check(refusal(401, json!("401 Unauthorized")), Some("401")).await;
    check(refusal(404, json!("404 Not found")), Some("is gone")).await;
    check(refusal(500, json!("x")), None).await;
    check(refusal(429, json!("x")).header("retry-after", "99"), None).await;
    check(ok(json!({"id": 21})), None).await;
    // Another's by the time GitLab answers; not started after all.
    check(ok(job(21, "pending", 2, None)), Some("as another's")).await;
    check(ok(job(21, "manual", ME, None)), None).await;
}

#[tokio::test]
async fn nothing_is_started_that_was_not_cleared() {
    let other = format!("{}@sha256:{}", clearances()[0].image().repository, "0".repeat(64));
    let act =
        |values: Vec<(String, String)>| Act::PlayJob { pipeline: PipelineId(9), job: "deploy".into(), carrier: Carrier::Variables, values };
    let pair = |value: &str| ("IMAGE".to_owned(), value.to_owned());
    for values in [vec![], vec![pair(&other)], vec![pair(&image()), pair(&other)], vec![pair("v1")]] {
        let ran = run(act(values), None, vec![]).await;
        assert!(matches!(ran.end, Err(NotDone::Never(_))) && ran.asked.is_empty(), "{:?}", ran.end);
    }
    for act in [play(Carrier::Variables), start(Carrier::Inputs), record()] {
        let ran = run_with(&[], act, None, vec![]).await;
        assert!(matches!(ran.end, Err(NotDone::Never(_))) && ran.asked.is_empty(), "{:?}", ran.end);
    }
}

#[tokio::test]
async fn a_pipeline_starts_on_the_full_ref_and_carries_its_promotion() {
    let script = || vec![(START, Answer::json(201, pipeline(40, ME)))];
    let mark = json!({"key": "COUNTERSIGN_PROMOTION", "value": "1f2e"});
    let variables = run(start(Carrier::Variables), None, script()).await;
    assert_eq!(variables.end, Ok(Left::Pipeline { id: PipelineId(40) }));
    let sent = json!({"ref": "refs/tags/v1", "variables": [mark, {"key": "IMAGE", "value": image()}]});
    assert_eq!(variables.sent(), [(START.to_owned(), sent)]);
    let inputs = run(start(Carrier::Inputs), None, script()).await;
    let sent = json!({"ref": "refs/tags/v1", "inputs": {"IMAGE": image()}, "variables": [mark]});
    assert_eq!(inputs.sent(), [(START.to_owned(), sent)]);
    let branch = json!({"id": 40, "ref": "v1", "tag": false, "sha": SHA, "source": "api", "user": {"id": ME}});
    let other = run(start(Carrier::Inputs), None, vec![(START, Answer::json(201, branch))]).await;
    assert!(other.never().contains("#40"), "{:?}", other.end);
}

#[tokio::test]
async fn a_pipeline_of_a_tag_that_moved_is_not_started_or_else_cancelled() {
    let moved = run(start(Carrier::Variables), None, vec![(TAG, tag(OTHER)), (START, Answer::json(201, pipeline(40, ME)))]).await;
    assert!(moved.never().contains("names commit ffffffff now") && moved.sent().is_empty(), "{:?}", moved.end);
    let gone = run(start(Carrier::Variables), None, vec![(TAG, refusal(404, json!("404 Tag Not Found")))]).await;
    assert!(gone.never().contains("no such ref") && gone.sent().is_empty(), "{:?}", gone.end);
    let down = run(start(Carrier::Variables), None, vec![(TAG, refusal(502, json!("x")))]).await;
    assert!(down.is_later() && down.sent().is_empty(), "{:?}", down.end);

    // Between that look and the start.
    let mut other = pipeline(40, ME);
    other["sha"] = json!(OTHER);
    let made = || (START, Answer::json(201, other.clone()));
    let ran = run(start(Carrier::Variables), None, vec![made(), (CANCEL, ok(other.clone()))]).await;
    assert!(ran.never().contains("#40 of commit ffffffff") && ran.never().contains("it was cancelled"), "{:?}", ran.end);
    assert_eq!(ran.sent().last().unwrap().0, CANCEL);
    let stays = run(start(Carrier::Variables), None, vec![made(), (CANCEL, refusal(403, json!("403 Forbidden")))]).await;
    assert!(stays.never().contains("cancel it by hand"), "{:?}", stays.end);
    // The same where a run crashed right after the start.
    let script = vec![
        (PIPELINES, ok(json!([{"id": 40, "created_at": AFTER}]))),
        ("GET /projects/7/pipelines/40", ok(other.clone())),
        ("GET /projects/7/pipelines/40/variables", ok(json!([{"key": "COUNTERSIGN_PROMOTION", "value": "1f2e"}]))),
        (CANCEL, ok(other.clone())),
    ];
    let ran = run(start(Carrier::Variables), Some(BEGAN), script).await;
    assert!(ran.never().contains("it was cancelled"), "{:?}", ran.end);
    // Another's is left alone.
    let ran = run(start(Carrier::Variables), None, vec![(START, Answer::json(201, pipeline(40, 2)))]).await;
    assert!(ran.never().contains("look at it") && ran.sent().len() == 1, "{:?}", ran.end);
}

#[tokio::test]
async fn a_pipeline_starts_on_a_protected_branch_only() {
    let act = || Act::StartPipeline {
        git_ref: GitRef::Branch("deploy".into()),
        sha: None,
        carrier: Carrier::Variables,
        values: vec![("IMAGE".into(), image())],
    };
    let made = || {
        let on_branch = json!({"id": 40, "ref": "deploy", "tag": false, "sha": OTHER, "source": "api", "user": {"id": ME}});
        (START, Answer::json(201, on_branch))
    };
    let branch = |protected: Value| ok(json!({"name": "deploy", "protected": protected}));
    let good = run(act(), None, vec![(BRANCH, branch(json!(true))), made()]).await;
    assert_eq!(good.end, Ok(Left::Pipeline { id: PipelineId(40) }));
    let open = run(act(), None, vec![(BRANCH, branch(json!(false))), made()]).await;
    assert!(open.never().contains("not protected") && open.sent().is_empty(), "{:?}", open.end);
    let gone = run(act(), None, vec![made()]).await;
    assert!(gone.never().contains("no such ref") && gone.sent().is_empty(), "{:?}", gone.end);
    for answer in [branch(Value::Null), refusal(502, json!("x")), ok(json!({"name": "main", "protected": true}))] {
        let unseen = run(act(), None, vec![(BRANCH, answer), made()]).await;
        assert!(unseen.is_later() && unseen.sent().is_empty(), "{:?}", unseen.end);
    }
    // A tag without a commit to hold it against, as an older plan has it.
    let old = Act::StartPipeline {
        git_ref: GitRef::Tag("v1".into()),
        sha: None,
        carrier: Carrier::Variables,
        values: vec![("IMAGE".into(), image())],
    };
    let old = run(old, None, vec![made()]).await;
    assert!(old.never().contains("names no commit") && old.sent().is_empty(), "{:?}", old.end);
}

#[tokio::test]
async fn what_gitlab_says_to_a_pipeline_is_never_or_later_in_plain_words() {
    let check = async |carrier: Carrier, answer: Answer, said: Option<&str>| {
        let ran = run(start(carrier), None, vec![(START, answer)]).await;
        match said {
            Some(said) => assert!(ran.never().contains(said), "{:?}", ran.end),
            None => assert!(ran.is_later(), "{:?}", ran.end),
        }
        ran.sent().len()
    };
    let base = |text: &str| refusal(400, json!({ "base": [text] }));
    let no_variables = || base("Insufficient permissions to set pipeline variables");
    check(Carrier::Variables, base("Reference not found"), Some("GitLab says: Reference not found")).await;
    assert_eq!(check(Carrier::Variables, no_variables(), Some("minimum role to use pipeline variables")).await, 1);
    // Inputs need no variables: once more without the mark.
    assert_eq!(check(Carrier::Inputs, no_variables(), Some("pipeline variables")).await, 2);
    check(Carrier::Inputs, refusal(403, json!("403 Forbidden")), Some("the role Developer")).await;
    check(Carrier::Inputs, refusal(404, json!("404 Not found")), Some("404")).await;
    check(Carrier::Inputs, refusal(502, json!("x")), None).await;
}

#[tokio::test]
async fn a_pipeline_of_a_run_that_crashed_is_found_by_its_mark() {
    let listed = |ids: &[u64]| json!(ids.iter().map(|id| json!({"id": id, "created_at": AFTER})).collect::<Vec<_>>());
    let mark = |promotion: &str| ok(json!([{"key": "COUNTERSIGN_PROMOTION", "value": promotion}]));
    let found = |of_40: Answer, by: u64| {
        vec![
            (PIPELINES, ok(listed(&[40]))),
            ("GET /projects/7/pipelines/40", ok(pipeline(40, by))),
            ("GET /projects/7/pipelines/40/variables", of_40),
            (START, Answer::json(201, pipeline(41, ME))),
        ]
    };
    let check = async |carrier: Carrier, script: Script, expected: Option<u64>| {
        let ran = run(start(carrier), Some(BEGAN), script).await;
        match expected {
            Some(id) => assert_eq!(ran.end, Ok(Left::Pipeline { id: PipelineId(id) })),
            None => assert!(ran.never().contains("may have been started already"), "{:?}", ran.end),
        }
        assert_eq!(ran.sent().len(), usize::from(expected == Some(41)), "{:?}", ran.end);
    };
    for carrier in [Carrier::Variables, Carrier::Inputs] {
        check(carrier, found(mark("1f2e"), ME), Some(40)).await;
        // Of another promotion, or another's with our mark.
        check(carrier, found(mark("0000"), ME), Some(41)).await;
        check(carrier, found(mark("1f2e"), 2), Some(41)).await;
        let old = [vec![(PIPELINES, ok(json!([{"id": 40, "created_at": BEFORE}])))], found(mark("1f2e"), ME)].concat();
        check(carrier, old, Some(41)).await;
        let many: Vec<u64> = (40..60).collect();
        check(carrier, [vec![(PIPELINES, ok(listed(&many)))], found(mark("0000"), ME)].concat(), None).await;
    }
    // Without a mark only inputs go, and only one such pipeline can be told.
    check(Carrier::Inputs, found(ok(json!([])), ME), Some(40)).await;
    check(Carrier::Variables, found(ok(json!([])), ME), Some(41)).await;
    let two = vec![
        (PIPELINES, ok(listed(&[43, 40]))),
        ("GET /projects/7/pipelines/43", ok(pipeline(43, ME))),
        ("GET /projects/7/pipelines/43/variables", ok(json!([]))),
    ];
    check(Carrier::Inputs, [two, found(ok(json!([])), ME)].concat(), None).await;
    check(Carrier::Variables, found(refusal(403, json!("403 Forbidden")), ME), None).await;
    // What cannot be looked at starts nothing.
    let down = run(start(Carrier::Variables), Some(BEGAN), vec![(PIPELINES, refusal(502, json!("x")))]).await;
    assert!(down.is_later() && down.sent().is_empty(), "{:?}", down.end);
}

#[tokio::test]
async fn a_deployment_is_recorded_once() {
    let made = || (DEPLOY, Answer::json(201, deployment(50, ME, AFTER)));
    let ran = run(record(), None, vec![made()]).await;
    assert_eq!(ran.end, Ok(Left::Deployment { id: DeploymentId(50) }));
    let (_, sent) = &ran.sent()[0];
    assert_eq!(sent, &json!(format!("environment=production&sha={SHA}&ref=v1&tag=true&status=success")));

    let check = async |held: Value, taken: bool| {
        let ran = run(record(), Some(BEGAN), vec![(DEPLOYMENTS, ok(json!([held]))), made()]).await;
        assert_eq!(ran.end, Ok(Left::Deployment { id: DeploymentId(if taken { 49 } else { 50 }) }), "{held}");
    };
    check(deployment(49, ME, AFTER), true).await;
    check(deployment(49, 2, AFTER), false).await;
    check(deployment(49, ME, BEFORE), false).await;
    let mut failed = deployment(49, ME, AFTER);
    failed["status"] = json!("failed");
    check(failed, false).await;

    let answer = async |answer: Answer| run(record(), None, vec![(DEPLOY, answer)]).await;
    assert!(answer(refusal(403, json!("403 Forbidden"))).await.never().contains("must be allowed to deploy there"));
    let refused = answer(refusal(400, json!({"ref": ["is invalid"]}))).await;
    assert!(refused.never().contains("(400: ref is invalid)"), "{:?}", refused.end);
    assert!(answer(refusal(502, json!("x"))).await.is_later());
    let mut other = deployment(50, ME, AFTER);
    other["environment"]["name"] = json!("staging");
    assert!(answer(Answer::json(201, other)).await.never().contains("another deployment"));
    let unseen = run(record(), Some(BEGAN), vec![(DEPLOYMENTS, refusal(429, json!("x")).header("retry-after", "99")), made()]).await;
    assert!(unseen.is_later() && unseen.sent().is_empty(), "{:?}", unseen.end);
}
