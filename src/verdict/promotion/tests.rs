use super::*;
use crate::model::environment::{Action, Allow, Environment, Freeze};
use crate::model::gitlab::UserId;
use crate::verdict::testing::{at, down, good_facts, good_policy, image_digest, other_digest};
use crate::verdict::{Facts, Outcome, Service, Verdict, WhyKind, judge};

mod rule;

fn person(id: u64) -> Person {
    Person { id: UserId(id), username: format!("user{id}") }
}

fn right() -> Right {
    Right {
        active: true,
        access_level: 40,
        may_deploy: true,
        rule: RightRule::Configured,
        who: "the role Maintainer".into(),
        people: Some(3),
        required_approvals: 0,
        machine: false,
    }
}

fn outage() -> Why {
    down(Service::Gitlab)
}

fn production() -> EnvironmentName {
    EnvironmentName("production".into())
}

fn staging() -> EnvironmentName {
    EnvironmentName("staging".into())
}

fn freeze(from: &str, until: &str) -> Freeze {
    Freeze { from: at(from), until: at(until), reason: "year end".into() }
}

/// A verdict about this image of a project of these images.
fn verdict_of(name: &str, project: &[&str], change: impl Fn(&mut Facts)) -> Fresh {
    let mut facts = good_facts();
    facts.question.image.name = name.into();
    let images = project.iter().map(|name| {
        let mut image = facts.question.image.clone();
        image.name = (*name).into();
        image
    });
    facts.question.project.images = images.collect();
    change(&mut facts);
    judge(&facts, &good_policy())
}

fn verdict() -> Fresh {
    let verdict = verdict_of("api", &["api"], |_| {});
    assert_eq!(verdict.outcome, Outcome::Passed, "{:?}", verdict.problem);
    verdict
}

/// The verdict about an image that the registry gives another digest for: somebody moved the tag.
fn tampered() -> Fresh {
    let verdict = verdict_of("api", &["api"], |facts| {
        facts.history = Looked::Found(vec![crate::verdict::testing::sighting(other_digest(), "13:00")]);
    });
    assert_eq!(verdict.problem.as_ref().map(Problem::rank), Some(Rank::Tampered), "{:?}", verdict.problem);
    verdict
}

fn wrong_path() -> Fresh {
    let verdict = verdict_of("api", &["api"], |facts| facts.ref_protected = Looked::Found(false));
    assert_eq!(verdict.problem.as_ref().map(Problem::rank), Some(Rank::WrongPath), "{:?}", verdict.problem);
    verdict
}

fn unsigned() -> Fresh {
    let verdict = verdict_of("api", &["api"], |facts| facts.signatures = Looked::Absent);
    assert_eq!(verdict.problem.as_ref().map(Problem::rank), Some(Rank::Missing), "{:?}", verdict.problem);
    verdict
}

fn not_checked() -> Fresh {
    let verdict = verdict_of("api", &["api"], |facts| facts.signatures = Looked::Unreachable(down(Service::Registry)));
    assert_eq!(verdict.outcome, Outcome::CouldNotCheck);
    verdict
}

fn no_digest() -> Fresh {
    let mut verdict = unsigned();
    verdict.0.image = None;
    verdict
}

fn staged() -> Looked<Staged> {
    Looked::Found(Staged { at: at("13:50"), promotion: PromotionId("a".into()) })
}

fn holder() -> Holder {
    Holder { promotion: PromotionId("b".into()), by: person(9), release: "v1.8.1".into(), since: at("14:00") }
}

/// A promotion to production that may go on: asked for a minute ago, through staging, approved by somebody else.
fn good() -> PromotionFacts {
    let mut environment = Environment::named("production");
    environment.after = Some(staging());
    environment.actions = vec![Action::Retag { tag: "production".into() }];
    environment.second_person = true;
    environment.freezes = vec![freeze("10:00", "14:02"), freeze("14:03", "20:00")];
    PromotionFacts {
        as_of: at("14:02"),
        direction: Direction::Promote,
        environment,
        requested_at: at("14:01"),
        accepted: false,
        requester: (person(2), Looked::Found(right())),
        approvers: vec![(person(3), Looked::Found(right()))],
        halted: Looked::Absent,
        held_by: None,
        verdicts: vec![verdict()],
        staged: vec![staged()],
        changed: vec![],
    }
}

/// The bars of the good promotion with one change, and the same seen as an observed environment.
fn bars(change: impl Fn(&mut PromotionFacts)) -> Vec<Bar> {
    let mut facts = good();
    change(&mut facts);
    let weighed = weigh(&facts);
    assert!(weighed.observed.is_empty(), "it is not observed");
    match clear(&facts) {
        Ok(cleared) => {
            assert!(weighed.bars.is_empty());
            assert_eq!(cleared.observed, vec![]);
            assert_eq!(cleared.clearances.len(), facts.verdicts.len());
            for (clearance, verdict) in cleared.clearances.iter().zip(&facts.verdicts) {
                assert_eq!(verdict.clear(&facts.environment.name).as_ref(), Some(clearance), "a passed verdict's own clearance");
            }
        }
        Err(refused) => {
            assert!(!weighed.bars.is_empty());
            assert_eq!(refused, weighed);
        }
    }
    weighed.bars
}

fn codes(change: impl Fn(&mut PromotionFacts)) -> Vec<&'static str> {
    bars(change).iter().map(Bar::code).collect()
}

fn rights(who: &str, people: Option<usize>) -> Bar {
    Bar::Rights { user: "user2".into(), environment: production(), who: who.into(), people }
}

fn second_person() -> Bar {
    Bar::SecondPerson { environment: production(), who: "the role Maintainer".into() }
}

type Change = fn(&mut PromotionFacts);

/// Everything that can be wrong by itself, with the code that says so.
const BAD: &[(&str, &str, Change)] = &[
    ("the account is not active", "CS-RIGHTS", |f| f.requester.1 = Looked::Found(Right { active: false, ..right() })),
    ("the role is too low", "CS-RIGHTS", |f| f.requester.1 = Looked::Found(Right { may_deploy: false, ..right() })),
    ("a machine asks", "CS-RIGHTS", |f| f.requester.1 = Looked::Found(Right { machine: true, ..right() })),
    ("a stranger asks", "CS-RIGHTS", |f| f.requester.1 = Looked::Absent),
    ("the right is not known", "CS-UNAVAILABLE", |f| f.requester.1 = Looked::Unreachable(outage())),
    ("nobody approved", "CS-SECOND-PERSON", |f| f.approvers.clear()),
    ("the requester approved", "CS-SECOND-PERSON", |f| f.approvers = vec![(person(2), Looked::Found(right()))]),
    ("an inactive person approved", "CS-SECOND-PERSON", |f| {
        f.approvers = vec![(person(3), Looked::Found(Right { active: false, ..right() }))]
    }),
    ("somebody approved who may not", "CS-SECOND-PERSON", |f| {
        f.approvers = vec![(person(3), Looked::Found(Right { may_deploy: false, ..right() }))]
    }),
    ("a machine approved", "CS-SECOND-PERSON", |f| f.approvers = vec![(person(3), Looked::Found(Right { machine: true, ..right() }))]),
    ("the approver left", "CS-SECOND-PERSON", |f| f.approvers = vec![(person(3), Looked::Absent)]),
    ("the approver's right is not known", "CS-UNAVAILABLE", |f| f.approvers = vec![(person(3), Looked::Unreachable(outage()))]),
    ("GitLab asks for more", "CS-SECOND-PERSON", |f| f.requester.1 = Looked::Found(Right { required_approvals: 2, ..right() })),
    ("the switch is on", "CS-HALTED", |f| f.halted = Looked::Found(Halt { reason: "incident".into() })),
    ("the switch is not known", "CS-UNAVAILABLE", |f| f.halted = Looked::Unreachable(outage())),
    ("it is frozen", "CS-FROZEN", |f| f.environment.freezes[0].until = at("14:03")),
    ("another holds it", "CS-LOCKED", |f| f.held_by = Some(holder())),
    ("it is old", "CS-EXPIRED", |f| f.requested_at = at("13:46")),
    ("something changed", "CS-CHANGED", |f| f.changed = vec!["the tag moved".into()]),
    ("it never saw staging", "CS-NOT-STAGED", |f| f.staged = vec![Looked::Absent]),
    ("nobody looked at staging", "CS-NOT-STAGED", |f| f.staged.clear()),
    ("staging is not known", "CS-UNAVAILABLE", |f| f.staged = vec![Looked::Unreachable(outage())]),
    ("nothing is to be done", "CS-NO-ACTION", |f| f.environment.actions.clear()),
    ("a second digest was seen", "CS-TAG-MOVED", |f| f.verdicts = vec![tampered()]),
    ("the ref is not protected", "CS-REF-UNPROTECTED", |f| f.verdicts = vec![wrong_path()]),
    ("it is not signed", "CS-SIG-MISSING", |f| f.verdicts = vec![unsigned()]),
    ("the image could not be checked", "CS-UNAVAILABLE", |f| f.verdicts = vec![not_checked()]),
    ("no digest is known", "CS-SIG-MISSING", |f| f.verdicts = vec![no_digest()]),
    ("no image was judged", "CS-UNAVAILABLE", |f| f.verdicts.clear()),
    ("an image was not judged", "CS-UNAVAILABLE", |f| f.verdicts = vec![verdict_of("api", &["api", "web"], |_| {})]),
    ("a verdict passed without an image", "CS-UNAVAILABLE", |f| f.verdicts = vec![Fresh(Verdict { image: None, ..verdict().into() })]),
    ("a verdict gives no reason", "CS-UNAVAILABLE", |f| {
        f.verdicts = vec![Fresh(Verdict { outcome: Outcome::Blocked, ..verdict().into() })]
    }),
];

#[test]
fn all_good_has_no_bar_and_each_bad_fact_alone_has_exactly_one() {
    assert_eq!(bars(|_| {}), vec![]);
    for (case, code, change) in BAD {
        assert_eq!(codes(change), [*code], "{case}");
    }
}

#[test]
fn every_pair_of_bad_facts_is_found_and_the_headline_is_the_gravest() {
    for (first_case, _, first) in BAD {
        for (second_case, second_code, second) in BAD {
            let found = bars(|facts| {
                first(facts);
                second(facts);
            });
            assert!(!found.is_empty(), "{first_case}, {second_case}");
            assert!(found.is_sorted_by_key(Bar::rank), "{first_case}, {second_case}: {found:?}");
            // The first fact may be another one now; the second is bad. Only an image without a digest was never promoted anywhere.
            let no_digest = first_case.contains("no digest") || first_case.contains("no image") || first_case.contains("without an image");
            let codes: Vec<_> = found.iter().map(Bar::code).collect();
            let is_found = codes.contains(second_code) || (no_digest && second_case.contains("staging"));
            assert!(is_found, "{first_case}, {second_case}: {codes:?}");
        }
    }
}

#[test]
fn each_refusal_has_its_values() {
    let one = |change: Change| bars(change).pop().unwrap();
    let unavailable = |what: &str| Bar::Unavailable { what: what.into(), why: outage() };
    assert_eq!(
        one(|f| f.requester.1 = Looked::Found(Right { may_deploy: false, who: "group ops".into(), ..right() })),
        rights("group ops", Some(3))
    );
    let allow = Allow { role: 30, groups: vec![] };
    assert_eq!(bars(|f| (f.requester.1, f.environment.allow) = (Looked::Absent, allow.clone())), [rights("the role Developer", None)]);
    assert_eq!(one(|f| f.requester.1 = Looked::Unreachable(outage())), unavailable("what the person who asked may do"));
    assert_eq!(one(|f| f.approvers.clear()), second_person());
    assert_eq!(one(|f| f.approvers[0].1 = Looked::Unreachable(outage())), unavailable("what a person who approved may do"));
    assert_eq!(one(|f| f.halted = Looked::Found(Halt { reason: "incident".into() })), Bar::Halted { reason: "incident".into() });
    assert_eq!(one(|f| f.halted = Looked::Unreachable(outage())), unavailable("the halt switch"));
    let frozen = Bar::Frozen { environment: production(), reason: "year end".into(), until: at("14:03") };
    assert_eq!(one(|f| f.environment.freezes[0].until = at("14:03")), frozen);
    assert_eq!(one(|f| f.held_by = Some(holder())), Bar::Locked { environment: production(), holder: holder() });
    assert_eq!(one(|f| f.requested_at = at("13:46")), Bar::Expired { asked_at: at("13:46") });
    assert_eq!(one(|f| f.changed = vec!["the tag moved".into()]), Bar::Changed { what: "the tag moved".into() });
    let not_staged = Bar::NotStaged { digest: image_digest(), environment: production(), after: staging(), release: Some("v1.8.2".into()) };
    assert_eq!(one(|f| f.staged = vec![Looked::Absent]), not_staged);
    assert_eq!(one(|f| f.staged = vec![Looked::Unreachable(outage())]), unavailable("what was promoted to staging"));
    assert_eq!(one(|f| f.environment.actions.clear()), Bar::NoAction { environment: production() });
    let (image, problem) = (wrong_path().0.image.unwrap(), Box::new(wrong_path().0.problem.unwrap()));
    assert_eq!(one(|f| f.verdicts = vec![wrong_path()]), Bar::Image { image, problem });
    let problem = Box::new(no_digest().0.problem.unwrap());
    assert_eq!(one(|f| f.verdicts = vec![no_digest()]), Bar::NoImage { name: "api".into(), problem });
    let unjudged =
        |what: &str| Bar::Unavailable { what: what.into(), why: Why::new(Service::Registry, WhyKind::Unreadable, "there is no verdict") };
    assert_eq!(one(|f| f.verdicts.clear()), unjudged("the images of this release"));
    assert_eq!(one(|f| f.verdicts = vec![verdict_of("api", &["api", "web"], |_| {})]), unjudged("image web"));
    assert_eq!(one(|f| f.verdicts[0].0.image = None), unjudged("image api"));
}

#[test]
fn rights_come_before_could_not_check_tampered_wrong_path_and_missing() {
    let everything = bars(|f| {
        f.requester.1 = Looked::Found(Right { may_deploy: false, ..right() });
        f.approvers.clear();
        f.halted = Looked::Found(Halt { reason: String::new() });
        f.environment.freezes[0].until = at("14:03");
        f.environment.actions.clear();
        f.held_by = Some(holder());
        f.requested_at = at("13:00");
        f.changed = vec!["the rule".into()];
        f.verdicts = vec![unsigned(), wrong_path(), tampered(), not_checked()];
        f.staged = vec![staged(), Looked::Absent, staged(), Looked::Unreachable(outage())];
    });
    let codes: Vec<_> = everything.iter().map(Bar::code).collect();
    let expected = [
        "CS-RIGHTS",
        "CS-HALTED",
        "CS-UNAVAILABLE",
        "CS-UNAVAILABLE",
        "CS-TAG-MOVED",
        "CS-CHANGED",
        "CS-REF-UNPROTECTED",
        "CS-EXPIRED",
        "CS-LOCKED",
        "CS-FROZEN",
        "CS-NOT-STAGED",
        "CS-SIG-MISSING",
        "CS-NO-ACTION",
        "CS-SECOND-PERSON",
    ];
    assert_eq!(codes, expected);
    assert!(matches!(&everything[2], Bar::Image { .. }), "{:?}", everything[2]);
}

#[test]
fn every_kind_of_bar_has_its_code_and_rank() {
    let environment = production();
    let (digest, at) = (image_digest(), at("14:00"));
    let step = Bar::Step { action: "retag".into(), environment: environment.clone(), reason: "no".into() };
    let drift = Bar::Drift { environment, found: "x".into(), expected: digest, at };
    assert_eq!((step.code(), step.rank()), ("CS-STEP", Rank::WrongPath));
    assert_eq!((drift.code(), drift.rank()), ("CS-DRIFT", Rank::Tampered));
    assert!(!step.may_be_observed() && !drift.may_be_observed());
    let no_image = Bar::NoImage { name: "api".into(), problem: Box::new(tampered().0.problem.unwrap()) };
    assert_eq!((no_image.code(), no_image.rank()), ("CS-TAG-MOVED", Rank::Tampered));
}

#[test]
fn a_second_person_is_asked_for_only_where_somebody_demands_one() {
    let alone = |second_person: bool, by_gitlab: u64| {
        codes(move |f| {
            f.environment.second_person = second_person;
            f.requester.1 = Looked::Found(Right { required_approvals: by_gitlab, ..right() });
            f.approvers.clear();
        })
    };
    assert!(alone(false, 0).is_empty());
    assert_eq!(alone(true, 0), ["CS-SECOND-PERSON"]);
    assert_eq!(alone(false, 1), ["CS-SECOND-PERSON"], "GitLab's own rule counts without ours");
    // An approver whose right is not known does not matter where nobody need approve.
    let unknown = codes(|f| {
        f.environment.second_person = false;
        f.approvers[0].1 = Looked::Unreachable(outage());
    });
    assert!(unknown.is_empty());
}

#[test]
fn as_many_different_others_approve_as_are_asked_for() {
    let approved = |needed: u64, approvers: &[(u64, Looked<Right>)]| {
        codes(|f| {
            f.requester.1 = Looked::Found(Right { required_approvals: needed, ..right() });
            f.approvers = approvers.iter().map(|(id, right)| (person(*id), right.clone())).collect();
        })
    };
    let (may, lost) = (Looked::Found(right()), Looked::Found(Right { may_deploy: false, ..right() }));
    let unknown = Looked::Unreachable(outage());
    assert_eq!(approved(2, &[(3, may.clone()), (4, may.clone())]), [""; 0]);
    assert_eq!(approved(2, &[(3, may.clone()), (3, may.clone())]), ["CS-SECOND-PERSON"], "one person twice is one");
    assert_eq!(approved(2, &[(3, may.clone()), (2, may.clone())]), ["CS-SECOND-PERSON"], "never the requester");
    assert_eq!(approved(2, &[(3, may.clone()), (4, lost.clone())]), ["CS-SECOND-PERSON"]);
    assert_eq!(approved(1, &[(3, lost), (4, may.clone())]), [""; 0], "another one's lost right does not undo this one");
    assert_eq!(approved(1, &[(3, may.clone()), (4, unknown.clone())]), [""; 0], "enough without the one who is not known");
    assert_eq!(approved(2, &[(3, may.clone()), (4, unknown.clone())]), ["CS-UNAVAILABLE"], "it depends on the one who is not known");
    assert_eq!(approved(3, &[(3, may.clone()), (4, unknown.clone())]), ["CS-UNAVAILABLE", "CS-SECOND-PERSON"], "not enough either way");
    assert_eq!(approved(1, &[(2, unknown)]), ["CS-SECOND-PERSON"], "the requester's own does not count, known or not");
    // What GitLab says when it is asked about the approver counts as well.
    let stricter = Looked::Found(Right { required_approvals: 2, ..right() });
    assert_eq!(approved(0, &[(3, stricter)]), ["CS-SECOND-PERSON"]);
    assert!(is_second(UserId(2), UserId(3)) && !is_second(UserId(2), UserId(2)));
}

#[test]
fn who_may_approve_is_told_also_where_the_requesters_right_is_not_known() {
    let found = bars(|f| {
        f.requester.1 = Looked::Unreachable(outage());
        f.approvers.clear();
    });
    assert_eq!(found.last(), Some(&second_person()));
}

#[test]
fn only_a_missing_approval_is_waited_for() {
    let waits = |change: Change| {
        let mut facts = good();
        change(&mut facts);
        weigh(&facts).waits_for_approval
    };
    assert!(!waits(|_| {}), "nothing is missing");
    assert!(waits(|f| f.approvers.clear()));
    assert!(!waits(|f| f.held_by = Some(holder())));
    for (case, code, change) in BAD.iter().filter(|(_, code, _)| *code != "CS-SECOND-PERSON") {
        let mut facts = good();
        facts.approvers.clear();
        change(&mut facts);
        // Those who could not be looked up may be asked for again later; that is no wait for an approval either.
        let weighed = weigh(&facts);
        assert!(!weighed.waits_for_approval || weighed.bars == [second_person()], "{case} {code}: {:?}", weighed.bars);
    }
}

#[test]
fn a_command_expires_after_fifteen_minutes_unless_it_was_accepted() {
    let at_second = |second: i64| at("14:01") + jiff::SignedDuration::from_secs(second);
    let codes_at = |second, accepted| {
        codes(move |f| {
            f.environment.freezes.clear();
            (f.as_of, f.accepted) = (at_second(second), accepted);
        })
    };
    assert_eq!(codes_at(15 * 60, false), [""; 0]);
    assert_eq!(codes_at(15 * 60 + 1, false), ["CS-EXPIRED"]);
    assert_eq!(codes_at(15 * 60 + 1, true), [""; 0]);
}

#[test]
fn a_freeze_holds_from_its_first_moment_and_not_at_its_last() {
    let frozen = |time: &str| {
        bars(|f| {
            f.environment.freezes = vec![freeze("14:00", "14:10")];
            (f.as_of, f.requested_at) = (at(time), at(time));
        })
        .len()
    };
    assert_eq!(["13:59", "14:00", "14:05", "14:09", "14:10"].map(frozen), [0, 1, 1, 1, 0]);
    let both = bars(|f| f.environment.freezes = vec![freeze("14:00", "14:10"), freeze("13:00", "14:20"), freeze("15:00", "16:00")]);
    assert_eq!(both.len(), 2, "every one that holds is told");
}

#[test]
fn each_image_needs_its_own_stage_and_a_way_back_needs_none() {
    let two = |staged: Vec<Looked<Staged>>| {
        codes(move |f| {
            f.verdicts = ["api", "web"].map(|name| verdict_of(name, &["api", "web"], |_| {})).into();
            f.staged = staged.clone();
        })
    };
    assert_eq!(two(vec![staged(), staged()]), [""; 0]);
    assert_eq!(two(vec![staged(), Looked::Absent]), ["CS-NOT-STAGED"]);
    assert_eq!(two(vec![Looked::Absent, staged()]), ["CS-NOT-STAGED"]);
    assert_eq!(two(vec![staged()]), ["CS-NOT-STAGED"]);
    assert_eq!(two(vec![]), ["CS-NOT-STAGED", "CS-NOT-STAGED"]);
    // The image without a digest has its own bar, and the stages keep in step.
    let uneven = bars(|f| {
        f.verdicts = vec![no_digest(), verdict()];
        f.staged = vec![staged(), Looked::Absent];
    });
    assert_eq!(uneven.iter().map(Bar::code).collect::<Vec<_>>(), ["CS-NOT-STAGED", "CS-SIG-MISSING"]);
    assert_eq!(codes(|f| (f.environment.after, f.staged) = (None, vec![])), [""; 0], "none comes before");
    assert_eq!(codes(|f| (f.direction, f.staged) = (Direction::Rollback, vec![])), [""; 0], "it ran here before");
    // Everything else is asked of a way back as of a way forward.
    for (case, code, change) in BAD.iter().filter(|(case, _, _)| !case.contains("staging")) {
        let found = codes(|f| {
            f.direction = Direction::Rollback;
            change(f);
        });
        assert_eq!(found, [*code], "{case}");
    }
}

#[test]
fn an_observed_environment_says_what_it_lets_pass_until_its_end() {
    let observed = |change: Change, until: &str| {
        let mut facts = good();
        change(&mut facts);
        facts.environment.observe_until = Some(at(until));
        (weigh(&facts), clear(&facts), facts)
    };
    let lets_pass = ["it is frozen", "it never saw staging", "nobody looked at staging", "the ref is not protected", "it is not signed"];
    for (case, code, change) in BAD {
        let (weighed, cleared, facts) = observed(*change, "14:03");
        let one = |bars: &[Bar]| bars.iter().map(Bar::code).collect::<Vec<_>>() == [*code];
        if lets_pass.contains(case) {
            assert!(weighed.bars.is_empty() && one(&weighed.observed), "{case}: {weighed:?}");
            let cleared = cleared.unwrap();
            assert_eq!(cleared.observed, weighed.observed, "{case}");
            let [clearance] = &cleared.clearances[..] else { panic!("{case}") };
            assert!(clearance.is_observed(), "{case}: nobody may attest it");
            assert_eq!((clearance.environment(), Some(clearance.image())), (&production(), facts.verdicts[0].image.as_ref()));
        } else {
            assert!(weighed.observed.is_empty() && one(&weighed.bars), "{case}: {weighed:?}");
            assert_eq!(cleared, Err(weighed), "{case}");
        }
        let (weighed, _, _) = observed(*change, "14:02");
        assert!(weighed.observed.is_empty() && one(&weighed.bars), "{case}: observing ends by itself");
    }
    let (weighed, cleared, _) = observed(|_| {}, "14:03");
    assert!(weighed.bars.is_empty() && weighed.observed.is_empty());
    assert!(!cleared.unwrap().clearances[0].is_observed(), "nothing had to be let pass");
    // What waits for an approval goes on to wait, whatever is let pass beside it.
    let (weighed, _, _) = observed(|f| (f.approvers, f.staged) = (vec![], vec![]), "14:03");
    assert!(weighed.waits_for_approval && weighed.bars == [second_person()] && weighed.observed.len() == 1);
}
