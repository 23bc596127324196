use jiff::SignedDuration;

use super::*;
use crate::model::gitlab::{InstanceName, ProjectId};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
}

fn person(id: u64) -> Person {
    Person { id: UserId(id), username: format!("user{id}") }
}

fn asked_in() -> AskedIn {
    AskedIn {
        merge_request: MergeRequestIid(4),
        note: NoteId(70),
        discussion: DiscussionId("d".into()),
        place: 0,
        words: Digest::of(b"words"),
    }
}

fn project() -> ProjectKey {
    ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) }
}

/// Asked for at minute 0; an approval may take 30 minutes, and it may run 60.
fn promotion(release: &str) -> Promotion {
    let mut environment = Environment::named("production");
    environment.approval_age = SignedDuration::from_mins(30);
    environment.converge_within = SignedDuration::from_mins(60);
    Promotion {
        id: PromotionId::of(&project(), &asked_in()),
        direction: Direction::Promote,
        project: project(),
        environment,
        release: release.into(),
        commit: "a".repeat(40).parse().unwrap(),
        pipeline: PipelineId(9),
        images: vec![],
        rule: Digest::of(b"rule"),
        requested_by: person(2),
        requested_at: at(0),
        asked_in: asked_in(),
    }
}

fn image() -> PinnedImage {
    PinnedImage { repository: "registry.example.com/shop/api".parse().unwrap(), digest: Digest::of(b"api") }
}

fn retag(tag: &str) -> Act {
    Act::Retag { image: image(), tag: tag.into() }
}

fn tagged() -> Left {
    Left::Tagged { before: None }
}

fn opened() -> PromotionEvent {
    PromotionEvent::Opened { promotion: Box::new(promotion("v1")) }
}

fn approved(by: u64) -> PromotionEvent {
    PromotionEvent::Approved { by: person(by), note: NoteId(71) }
}

fn cleared(tags: &[&str]) -> PromotionEvent {
    PromotionEvent::Cleared { verdicts: vec![Uuid::nil()], plan: tags.iter().map(|tag| retag(tag)).collect() }
}

fn ended(ending: Ending) -> PromotionEvent {
    PromotionEvent::Ended { ending }
}

/// What these events, a minute apart, add up to.
fn fold(events: &[PromotionEvent]) -> Option<Standing> {
    Standing::of(events.iter().zip(0..).map(|(event, minute)| Happened { at: at(minute), event: event.clone() }))
}

fn standing(events: &[PromotionEvent]) -> Standing {
    fold(&[&[opened()], events].concat()).unwrap()
}

#[test]
fn nothing_stands_that_was_not_opened_first() {
    assert_eq!(fold(&[]), None);
    assert_eq!(fold(&[approved(3), opened()]), None);
    let standing = standing(&[]);
    assert_eq!(standing.promotion, promotion("v1"));
    assert!(standing.is_open() && !standing.has_begun() && standing.cleared_at.is_none() && standing.promoted_at().is_none());
}

#[test]
fn a_second_opening_changes_nothing() {
    let other = PromotionEvent::Opened { promotion: Box::new(promotion("v2")) };
    assert_eq!(standing(&[approved(3), other]), standing(&[approved(3)]));
}

#[test]
fn events_add_up_to_where_it_stands() {
    let steps = [
        approved(3),
        cleared(&["a", "b"]),
        PromotionEvent::Began { step: 0 },
        PromotionEvent::Did { step: 0, left: tagged() },
        PromotionEvent::Began { step: 1 },
    ];
    let half = standing(&steps);
    assert_eq!(half.approvals, [(person(3), at(1))]);
    assert_eq!((half.verdicts.as_slice(), half.cleared_at), (&[Uuid::nil()][..], Some(at(2))));
    let [first, second] = &half.steps[..] else { panic!("{:?}", half.steps) };
    assert_eq!((&first.act, first.began, &first.did), (&retag("a"), Some(at(3)), &Some((tagged(), at(4)))));
    assert_eq!((&second.act, second.began, &second.did), (&retag("b"), Some(at(5)), &None));
    assert!(half.has_begun() && half.waiting_since.is_none());
    let did = PromotionEvent::Did { step: 1, left: tagged() };
    let done = standing(&[&steps[..], &[did, PromotionEvent::Waiting, PromotionEvent::Waiting, ended(Ending::Promoted)]].concat());
    assert_eq!(done.waiting_since, Some(at(7)), "the first one counts");
    assert_eq!((done.promoted_at(), done.is_open()), (Some(at(9)), false));
}

#[test]
fn events_out_of_order_lose_nothing_that_counts() {
    // Steps before the plan have no place, and steps that the plan has not are none.
    let early = standing(&[PromotionEvent::Began { step: 0 }, PromotionEvent::Did { step: 0, left: tagged() }, cleared(&["a"])]);
    assert_eq!(early.steps, [StepStanding { act: retag("a"), began: None, tried: None, did: None }]);
    assert!(!early.has_begun());
    let beyond = standing(&[cleared(&["a"]), PromotionEvent::Began { step: 1 }, PromotionEvent::Did { step: 9, left: tagged() }]);
    assert_eq!(beyond.steps, [StepStanding { act: retag("a"), began: None, tried: None, did: None }]);
    // What was done is done, whether or not the intent is on record.
    let done = standing(&[cleared(&["a"]), PromotionEvent::Did { step: 0, left: tagged() }, PromotionEvent::Began { step: 0 }]);
    assert_eq!((done.steps[0].began, done.steps[0].did.is_some()), (Some(at(3)), true));
    let late = standing(&[cleared(&["a"]), approved(3)]);
    assert_eq!(late.approvals.len(), 1);
}

#[test]
fn a_plan_is_made_once_and_its_first_intent_counts() {
    let again = standing(&[
        cleared(&["a"]),
        PromotionEvent::Began { step: 0 },
        PromotionEvent::Cleared { verdicts: vec![Uuid::max()], plan: vec![retag("b"), retag("c")] },
        PromotionEvent::Began { step: 0 },
    ]);
    assert_eq!((again.verdicts.as_slice(), again.cleared_at), (&[Uuid::max()][..], Some(at(1))), "judged again, cleared first then");
    assert_eq!(again.steps, [StepStanding { act: retag("a"), began: Some(at(2)), tried: Some(at(4)), did: None }]);
    let empty = standing(&[cleared(&[]), cleared(&["b"])]);
    assert!(empty.steps.is_empty(), "an empty plan is a plan");
}

#[test]
fn an_ended_one_stays_as_it_ended() {
    for ending in [
        Ending::Promoted,
        Ending::Stopped { code: "CS-HALTED".into(), reason: "r".into() },
        Ending::NotConverged { reason: "r".into() },
        Ending::Cancelled { by: person(2) },
    ] {
        let before = [cleared(&["a"]), ended(ending.clone())];
        let late = [
            approved(3),
            cleared(&["b"]),
            PromotionEvent::Began { step: 0 },
            PromotionEvent::Did { step: 0, left: tagged() },
            PromotionEvent::Waiting,
            ended(Ending::Promoted),
        ];
        let standing_after = standing(&[&before[..], &late[..]].concat());
        assert_eq!(standing_after, standing(&before));
        assert_eq!(standing_after.ended, Some((ending.clone(), at(2))));
        assert_eq!(standing_after.promoted_at(), (ending == Ending::Promoted).then(|| at(2)));
        assert_eq!((standing_after.is_open(), standing_after.ends_by()), (false, None));
        assert!(!standing_after.is_overdue(at(100_000)));
    }
}

fn other_image(since: i64) -> Drift {
    let found = Running::Image { image: PinnedImage { digest: Digest::of(b"other"), ..image() } };
    Drift { found, instead_of: Some(image().digest), since: at(since) }
}

#[test]
fn what_arrived_drifts_and_nothing_else_does() {
    let seen = |since| PromotionEvent::DriftSeen { found: vec![other_image(since)] };
    let over = || PromotionEvent::DriftOver { by: None };
    let arrived = |events: &[PromotionEvent]| standing(&[&[ended(Ending::Promoted)], events].concat());
    assert_eq!(arrived(&[seen(2)]).drift, [other_image(2)]);
    assert_eq!((arrived(&[seen(2)]).promoted_at(), arrived(&[seen(2)]).drift_over), (Some(at(1)), None));
    let gone = arrived(&[seen(2), over()]);
    assert_eq!((gone.drift, gone.drift_over), (vec![], Some((None, at(3)))));
    let again = arrived(&[over(), seen(4)]);
    assert_eq!((again.drift.len(), again.drift_over), (1, None));
    assert_eq!(standing(&[seen(2)]), standing(&[]), "it has not arrived");
    let stopped = ended(Ending::NotConverged { reason: "r".into() });
    assert_eq!(standing(&[stopped.clone(), seen(2), over()]), standing(&[stopped]), "nor did this");
    let found = |drift: Drift| (drift.found, drift.instead_of);
    assert!(arrived(&[seen(2)]).drifts_as(&[found(other_image(9))]) && arrived(&[over()]).drifts_as(&[]));
    assert!(!arrived(&[seen(2)]).drifts_as(&[]) && !arrived(&[]).drifts_as(&[found(other_image(2))]));
}

#[test]
fn every_open_one_ends_by_some_time_that_nothing_done_again_moves() {
    let ends_by = |events: &[PromotionEvent]| standing(events).ends_by();
    let waits = |minutes: usize| vec![PromotionEvent::Waiting; minutes];
    assert_eq!(ends_by(&[]), Some(at(30)), "the time of an approval");
    assert_eq!(ends_by(&[approved(3)]), Some(at(61)), "time to run counts from the approval");
    assert_eq!(ends_by(&[approved(3), approved(4), approved(3)]), Some(at(61)), "from the first one");
    assert_eq!(ends_by(&[approved(3), cleared(&["a"])]), Some(at(62)), "from when it was cleared");
    assert_eq!(ends_by(&[cleared(&["a"]), cleared(&["a"]), PromotionEvent::Began { step: 0 }]), Some(at(61)));
    assert_eq!(ends_by(&[&[cleared(&["a"])], &waits(20)[..]].concat()), Some(at(61)));

    let mut short = promotion("v1");
    short.environment.converge_within = SignedDuration::from_mins(5);
    let events = [PromotionEvent::Opened { promotion: Box::new(short.clone()) }, approved(3)];
    assert_eq!(fold(&events).unwrap().ends_by(), Some(at(30)), "an early approval takes no time away");
    short.environment.approval_age = SignedDuration::MAX;
    let endless = PromotionEvent::Opened { promotion: Box::new(short) };
    assert_eq!(fold(&[endless]).unwrap().ends_by(), Some(Timestamp::MAX));

    let open = standing(&[]);
    assert!(!open.is_overdue(at(30)));
    assert!(open.is_overdue(at(30) + SignedDuration::from_secs(1)));
}

#[test]
fn somebody_may_be_at_a_step_for_a_while_after_it_was_begun_last() {
    let begins = |step| PromotionEvent::Began { step };
    let begun = [cleared(&["a", "b"]), begins(0), begins(0)];
    let work = |events: &[PromotionEvent], minute| standing(events).is_at_work(at(minute));
    assert!(work(&begun, 3) && work(&begun, 17) && !work(&begun, 18), "fifteen minutes from the newest intent");
    assert!(!work(&begun[..1], 2), "nothing was begun");
    let did = |step| PromotionEvent::Did { step, left: tagged() };
    assert!(!work(&[&begun[..], &[did(0)]].concat(), 5), "between two steps");
    assert!(work(&[&begun[..], &[did(0), begins(1)]].concat(), 6));
}

#[test]
fn a_promotion_is_named_by_its_command_and_by_nothing_else() {
    let id = |change: &dyn Fn(&mut ProjectKey, &mut AskedIn)| {
        let (mut project, mut asked) = (project(), asked_in());
        change(&mut project, &mut asked);
        PromotionId::of(&project, &asked).0
    };
    let one = id(&|_, _| {});
    assert_eq!(PromotionId(one.clone()).to_string(), one);
    assert_eq!(one, "36fa2abf9cd98597", "ids on record are found for ever");
    assert_eq!(one, id(&|_, asked| (asked.words, asked.discussion) = (Digest::of(b"edited"), DiscussionId("e".into()))));
    let others = [
        id(&|project, _| project.instance = InstanceName("other".into())),
        id(&|project, _| project.id = ProjectId(8)),
        id(&|_, asked| asked.merge_request = MergeRequestIid(5)),
        id(&|_, asked| asked.note = NoteId(71)),
        id(&|_, asked| asked.place = 1),
    ];
    assert!(!others.contains(&one));
}

/// What is in a ledger is read for ever.
#[test]
fn events_keep_their_names_on_disk() {
    let summary = Summary {
        verifier: "https://bot.example.com".into(),
        resource: "https://gitlab.example.com/shop/api/-/environments/production".into(),
        policy: Digest::of(b"policy"),
        verified_at: at(0),
        promotion: PromotionId("a".into()),
        environment: EnvironmentName("production".into()),
        requested_by: person(2),
        approved_by: vec![person(3)],
    };
    let carrier = crate::model::environment::Carrier::Variables;
    let (environment, git_ref) = (EnvironmentName("production".into()), GitRef::Tag("v1".into()));
    let plan = vec![
        retag("production"),
        Act::Copy { image: image(), to: image().repository, tag: None },
        Act::PlayJob { pipeline: PipelineId(9), job: "deploy".into(), carrier, values: vec![("IMAGE".into(), image().to_string())] },
        Act::StartPipeline { git_ref: git_ref.clone(), sha: Some("a".repeat(40).parse().unwrap()), carrier, values: vec![] },
        Act::Deployment { environment, sha: "a".repeat(40).parse().unwrap(), git_ref },
        Act::Attest { image: image(), summary },
    ];
    let words: Vec<_> = plan.iter().map(Act::word).collect();
    assert_eq!(words, ["retag", "copy", "play-job", "start-pipeline", "deployment", "attest"]);
    let did = |left| PromotionEvent::Did { step: 0, left };
    let check = |event: PromotionEvent, name: &str| {
        let happened = Happened { at: at(0), event };
        let text = serde_json::to_value(&happened).unwrap();
        assert_eq!(serde_json::from_value::<Happened>(text.clone()).unwrap(), happened);
        assert_eq!(text["event"]["event"], name);
        text["event"].clone()
    };
    check(opened(), "opened");
    check(approved(3), "approved");
    let cleared = check(PromotionEvent::Cleared { verdicts: vec![Uuid::nil()], plan }, "cleared");
    let acts: Vec<_> = cleared["plan"].as_array().unwrap().iter().map(|act| act["act"].as_str().unwrap().to_owned()).collect();
    assert_eq!(acts, ["retag", "copy", "play_job", "start_pipeline", "deployment", "attest"]);
    check(PromotionEvent::Began { step: 0 }, "began");
    for (left, name) in [
        (tagged(), "tagged"),
        (Left::Copied { evidence: 2 }, "copied"),
        (Left::Job { id: JobId(1) }, "job"),
        (Left::Pipeline { id: PipelineId(1) }, "pipeline"),
        (Left::Deployment { id: DeploymentId(1) }, "deployment"),
        (Left::Attested { attestation: Digest::of(b"x") }, "attested"),
    ] {
        assert_eq!(check(did(left), "did")["left"]["left"], name);
    }
    check(PromotionEvent::Waiting, "waiting");
    for (ending, name) in [
        (Ending::Promoted, "promoted"),
        (Ending::Stopped { code: "c".into(), reason: "r".into() }, "stopped"),
        (Ending::NotConverged { reason: "r".into() }, "not_converged"),
        (Ending::Cancelled { by: person(2) }, "cancelled"),
    ] {
        assert_eq!(check(ended(ending), "ended")["ending"]["ending"], name);
    }
    for (found, name) in [
        (other_image(1).found, "image"),
        (Running::NoTag { tag: "live".into() }, "no_tag"),
        (Running::Commit { git_ref: GitRef::Branch("main".into()), sha: "a".repeat(40).parse().unwrap() }, "commit"),
    ] {
        let seen = check(PromotionEvent::DriftSeen { found: vec![Drift { found, ..other_image(1) }] }, "drift_seen");
        assert_eq!(seen["found"][0]["found"]["running"], name);
    }
    check(PromotionEvent::DriftOver { by: Some(PromotionId("a".into())) }, "drift_over");
}
