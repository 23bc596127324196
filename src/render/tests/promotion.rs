//! Every word about a promotion, as its reader gets it.

mod world;

use super::golden::{check, words};
use super::world::*;
use crate::model::environment::Freeze;
use crate::model::gitlab::{CommitsBetween, GitRef, MergeRequestIid, NoteId};
use crate::model::promotion::*;
use crate::model::{Environment, PinnedImage};
use crate::render::inert::tests::HOSTILE;
use crate::render::*;
use crate::verdict::promotion::{Bar, Halt, Weighed};
use crate::verdict::{Looked, Service, Why, WhyKind};
pub(super) use world::bars;
use world::*;

fn usual() -> Outside {
    Outside::usual()
}

fn scene(stage: Stage, bars: Vec<Bar>) -> Scene {
    Scene::of(&usual(), stage, weighed(bars))
}

fn bar(code: &str) -> Bar {
    bars(&usual()).into_iter().find(|bar| bar.code() == code).unwrap()
}

#[test]
fn previews_read_well() {
    let words = words();
    check("promotion-preview.md", &scene(Stage::DryRun, vec![]).say(&words));
    check("promotion-preview-waits.md", &scene(Stage::DryRun, vec![bar("CS-SECOND-PERSON")]).say(&words));
    check("promotion-preview-refused.md", &scene(Stage::DryRun, vec![bar("CS-FROZEN")]).say(&words));
    check("promotion-preview-could-not-check.md", &scene(Stage::DryRun, vec![bar("CS-UNAVAILABLE")]).say(&words));
    let first = Scene { runs: None, between: Looked::Absent, ..scene(Stage::DryRun, vec![]) };
    check("promotion-preview-first.md", &first.say(&words));
    let two = vec![
        ("api".to_owned(), image()),
        ("worker".to_owned(), PinnedImage { repository: "registry.example.com/shop/worker".parse().unwrap(), digest: other_digest() }),
    ];
    let mut worker = attested(&usual());
    worker.subject.question.image.name = "worker".into();
    let many = Scene {
        images: two,
        verdicts: vec![passed(&usual()), worker],
        between: Looked::Found(between(&usual(), 20)),
        audience: Audience::Everyone,
        ..scene(Stage::DryRun, vec![])
    };
    check("promotion-preview-two-images.md", &many.say(&words));
}

#[test]
fn acceptances_read_well() {
    let words = words();
    check("promotion-begins.md", &scene(Stage::Begins, vec![]).say(&words));
    check("promotion-waits.md", &scene(Stage::Waits, vec![bar("CS-SECOND-PERSON")]).say(&words));
    let back = Scene {
        direction: Direction::Rollback,
        release: "v1.8.0".into(),
        last_there: Some(at("2026-04-01T10:00:00Z")),
        ..scene(Stage::Begins, vec![])
    };
    check("promotion-begins-rollback.md", &back.say(&words));
    let observed = Scene {
        environment: Environment { observe_until: Some(at("2026-06-01T00:00:00Z")), ..production(&usual()) },
        weighed: Weighed { bars: vec![], observed: vec![bar("CS-NOT-STAGED")], waits_for_approval: false },
        ..scene(Stage::Begins, vec![])
    };
    check("promotion-begins-observed.md", &observed.say(&words));
    let before = Environment { observe_until: Some(at("2026-06-01T00:00:00Z")), ..staging() };
    let why = Why::new(Service::Gitlab, WhyKind::Down, "time-out");
    let differ = Scene { before: Some(before), between: Looked::Unreachable(why), ..scene(Stage::Begins, vec![]) };
    check("promotion-begins-rules-differ.md", &differ.say(&words));
}

#[test]
fn refusals_read_well() {
    let words = words();
    let refused = |bars| scene(Stage::Refused, bars).say(&words);
    check("promotion-refused-rights.md", &refused(vec![bar("CS-RIGHTS")]));
    check("promotion-refused-several.md", &refused(vec![bar("CS-TAG-MOVED"), bar("CS-NOT-STAGED"), bar("CS-FROZEN")]));
    check("promotion-could-not-check.md", &refused(vec![bar("CS-UNAVAILABLE"), bar("CS-LOCKED")]));
    check("promotion-refused-halted.md", &refused(vec![bar("CS-HALTED"), bar("CS-LOCKED"), bar("CS-NOT-STAGED")]));
    let nothing = Scene {
        images: vec![],
        verdicts: vec![unreachable(&usual())],
        runs: None,
        between: Looked::Absent,
        ..scene(Stage::Refused, vec![bar("CS-SIG-MISSING")])
    };
    check("promotion-refused-no-image.md", &nothing.say(&words));
}

/// A refusal names what still stands in the way once its first reason is dealt with, and nothing that would be gone or asked anyway.
#[test]
fn a_refusal_names_only_further_reasons_that_help() {
    let words = words();
    let further = |bars: Vec<Bar>| scene(Stage::Refused, bars).say(&words).contains("This stands in the way as well");
    assert!(further(vec![bar("CS-RIGHTS"), bar("CS-NOT-STAGED")]));
    assert!(further(vec![bar("CS-UNAVAILABLE"), bar("CS-TAG-MOVED")]));
    assert!(!further(vec![bar("CS-HALTED"), bar("CS-NOT-STAGED"), bar("CS-FROZEN")]));
    assert!(!further(vec![bar("CS-FROZEN"), bar("CS-LOCKED")]));
    assert!(!further(vec![bar("CS-NOT-STAGED"), bar("CS-SECOND-PERSON")]));
    assert!(!further(vec![bar("CS-TAG-MOVED"), bar("CS-EXPIRED")]));
    let why = Why::new(Service::Gitlab, WhyKind::Down, "time-out");
    let other = Bar::Unavailable { what: "what a person who approved may do".into(), why };
    assert!(!further(vec![bar("CS-UNAVAILABLE"), other]), "it is one outage");
}

#[test]
fn every_bar_is_explained() {
    let words = words();
    let mut text = String::new();
    for bar in bars(&usual()) {
        let said = words.bar(&bar, &[passed(&usual())]);
        assert_eq!(said.code, bar.code());
        assert!(CODES.iter().any(|page| page.code == said.code), "{} has no page", said.code);
        assert!(said.next_step.markdown().ends_with('.') && !said.next_step.markdown().contains('\n'), "{bar:?}");
        assert!(!said.headline.plain().contains(['`', '[']), "{}", said.headline.plain());
        let (headline, next_step) = (said.headline.markdown(), said.next_step.markdown());
        text.push_str(&format!("### {} {}\n\n{headline}\n\n**What to do:** {next_step}\n\n", said.code, said.title));
    }
    check("bars.md", &text);
}

fn stopped(code: &str, begun: usize) -> Vec<PromotionEvent> {
    let ending = Ending::Stopped { code: code.into(), reason: words().promotion_reason(&bar(code)) };
    let mut events = if begun == 0 { vec![] } else { done(&usual(), begun) };
    if begun > 0 {
        events.push(PromotionEvent::Began { step: begun });
    }
    events.push(PromotionEvent::Ended { ending });
    events
}

fn of_release(events: Vec<PromotionEvent>) -> Standing {
    standing(promotion(&usual(), production(&usual()), "v1.8.2", digest()), events)
}

#[test]
fn ends_read_well() {
    let words = words();
    let old = before(&usual());
    let end = |standing: &Standing, audience| words.promotion_end(standing, Some(&old), audience, &links());
    let approved = PromotionEvent::Approved { by: Person { username: "lee".into(), ..person(&usual(), 2) }, note: NoteId(78) };
    let ended = |ending| PromotionEvent::Ended { ending };
    let promoted = [vec![approved], done(&usual(), 6), vec![ended(Ending::Promoted)]].concat();
    check("promotion-ended-promoted.md", &end(&of_release(promoted.clone()), Audience::Members));
    check("promotion-ended-promoted-public.md", &end(&of_release(promoted), Audience::Everyone));
    let back = Promotion { direction: Direction::Rollback, ..promotion(&usual(), production(&usual()), "v1.8.0", digest()) };
    let back = standing(back, [done(&usual(), 1), vec![ended(Ending::Promoted)]].concat());
    check("promotion-ended-rolled-back.md", &end(&back, Audience::Members));
    check("promotion-ended-stopped.md", &end(&of_release(stopped("CS-CHANGED", 0)), Audience::Members));
    check("promotion-ended-stopped-midway.md", &end(&of_release(stopped("CS-STEP", 1)), Audience::Members));
    check("promotion-ended-stopped-midway-public.md", &end(&of_release(stopped("CS-STEP", 1)), Audience::Everyone));
    let lapsed = vec![ended(Ending::Stopped { code: "CS-EXPIRED".into(), reason: "nobody approved it within 1 hour".into() })];
    check("promotion-ended-expired.md", &words.promotion_end(&of_release(lapsed), None, Audience::Members, &links()));
    let failed = ended(Ending::NotConverged { reason: "the job deploy_production (502) ended as failed".into() });
    let failed = of_release([done(&usual(), 6), vec![PromotionEvent::Waiting, failed]].concat());
    check("promotion-ended-not-converged.md", &end(&failed, Audience::Members));
    check("promotion-ended-not-converged-first.md", &words.promotion_end(&failed, None, Audience::Members, &links()));
    let cancelled = of_release(vec![ended(Ending::Cancelled { by: person(&usual(), 1) })]);
    check("promotion-ended-cancelled.md", &end(&cancelled, Audience::Members));
    assert!(end(&of_release(vec![]), Audience::Members).contains("Not ended yet"));
    check("promotion-drift.md", &words.drift(&bar("CS-DRIFT"), &old));
}

/// What was promoted before, and was found to be gone.
fn drifted(outside: &Outside) -> Standing {
    let found = [
        Running::Image { image: PinnedImage { repository: image().repository, digest: other_digest() } },
        Running::NoTag { tag: "live".into() },
        Running::Commit { git_ref: GitRef::Branch(outside.found.clone()), sha: sha() },
    ];
    let drift = found.into_iter().map(|found| {
        let instead_of = (!matches!(found, Running::Commit { .. })).then(digest);
        Drift { found, instead_of, since: at("2026-05-04T12:00:00Z") }
    });
    Standing { drift: drift.collect(), ..before(outside) }
}

#[test]
fn what_is_found_to_run_is_said_instead_of_what_was_promoted() {
    let words = words();
    let one = |drift: usize| Standing { drift: vec![drifted(&usual()).drift.remove(drift)], ..before(&usual()) };
    let mut text = String::new();
    let mut say = |what: &str, said: String| text.push_str(&format!("## {what}\n\n{said}\n"));
    for (what, standing) in [("an image", one(0)), ("no tag", one(1)), ("a commit", one(2)), ("all of it", drifted(&usual()))] {
        let production = production(&usual());
        let status = EnvironmentStatus { environment: &production, runs: Some(standing), open: None };
        say(&format!("status, {what}"), words.environments(&[status], &Looked::Absent, now(), &links()));
    }
    say("preview", Scene { runs: Some(drifted(&usual())), ..scene(Stage::DryRun, vec![]) }.say(&words));
    say("refusal", Scene { runs: Some(one(0)), ..scene(Stage::Refused, vec![bar("CS-RIGHTS")]) }.say(&words));
    say("stopped", words.promotion_end(&of_release(stopped("CS-CHANGED", 0)), Some(&one(0)), Audience::Members, &links()));
    say("stopped midway", words.promotion_end(&of_release(stopped("CS-STEP", 1)), Some(&one(0)), Audience::Members, &links()));
    let [_, mut there] = history(&usual());
    let arrived = arrived(&usual(), there.environment.clone(), "v1.8.2", (digest(), "2026-05-04T11:10:00Z"));
    there.runs = vec![Standing { drift: one(0).drift, ..arrived }];
    say("release", words.release_section(&[passed(&usual())], &[there.clone()]));
    say("sticky note", words.sticky_note(MR, &[passed(&usual())], Audience::Members, &[there.clone()]));
    say("sticky note, blocked", words.sticky_note(MR, &[tag_moved(&usual())], Audience::Members, &[there]));
    let over = Standing { drift_over: Some((None, now())), ..before(&usual()) };
    say("over", words.drift_over(&over, None));
    let later = of_release([done(&usual(), 6), vec![PromotionEvent::Ended { ending: Ending::Promoted }]].concat());
    say("over by another", words.drift_over(&over, Some(&later)));
    check("drift.md", &text);
}

#[test]
fn answers_read_well() {
    let words = words();
    let open = of_release(vec![]);
    let (by, rights, second) = (person(&usual(), 2), bar("CS-RIGHTS"), bar("CS-SECOND-PERSON"));
    let releases = ["v1.8.2".to_owned(), "v1.8.3".to_owned()];
    let answers = [
        PromotionAnswer::NoEnvironment { name: "prod", known: vec!["staging", "production"] },
        PromotionAnswer::NoEnvironment { name: "prod", known: vec![] },
        PromotionAnswer::SeveralReleases { releases: &releases },
        PromotionAnswer::NothingToRollBackTo { environment: "production" },
        PromotionAnswer::NothingOpen,
        PromotionAnswer::Approved { standing: &open, by: &by },
        PromotionAnswer::ApprovalRefused { standing: &open, bar: &second },
        PromotionAnswer::Cancelled { standing: &open },
        PromotionAnswer::CancelRefused { standing: &open, bar: &rights },
        PromotionAnswer::TooLateToCancel { standing: &open },
    ];
    let all: Vec<_> = answers.iter().map(|answer| words.promotion_answer(answer)).collect();
    check("promotion-answers.md", &all.join("\n---\n\n"));
}

#[test]
fn a_status_reads_well() {
    let words = words();
    let freeze = Freeze { from: at("2026-05-01T00:00:00Z"), until: at("2026-05-06T06:00:00Z"), reason: "Holidays".into() };
    let frozen = Environment { freezes: vec![freeze], observe_until: Some(at("2026-06-01T00:00:00Z")), ..production(&usual()) };
    let waits = Environment { second_person: true, ..production(&usual()) };
    let (plain, staging) = (Environment::named("dev"), staging());
    let status = |environment, runs, open| EnvironmentStatus { environment, runs, open };
    let open = |events| Some(standing(promotion(&usual(), production(&usual()), "v1.8.2", digest()), events));
    let all = [
        status(&plain, None, None),
        status(&staging, Some(before(&usual())), None),
        status(&frozen, Some(before(&usual())), None),
        status(&waits, Some(before(&usual())), open(vec![])),
        status(&staging, None, open(done(&usual(), 1))),
        status(&staging, None, open([done(&usual(), 6), vec![PromotionEvent::Waiting]].concat())),
    ];
    check("status.md", &words.environments(&all, &Looked::Absent, now(), &links()));
    let halted = Looked::Found(Halt { reason: "The cluster is being moved".into() });
    check("status-halted.md", &words.environments(&all[1..2], &halted, now(), &links()));
    // From another merge request the note is not linked: that would leave "mentioned in" in its thread.
    let elsewhere = Links::to(Some(PROJECT_URL)).in_note(Some(MergeRequestIid(413)));
    assert!(!words.environments(&all, &Looked::Absent, now(), &elsewhere).contains("/merge_requests/"));
    assert!(words.environments(&[], &Looked::Absent, now(), &links()).contains("no environments"));
}

fn history(outside: &Outside) -> [Arrived<'static>; 2] {
    // Leaked: a test's environments live as long as the test.
    let production: &'static Environment = Box::leak(Box::new(production(outside)));
    let staging: &'static Environment = Box::leak(Box::new(staging()));
    let runs = vec![arrived(outside, staging.clone(), &outside.tag, (digest(), "2026-05-04T14:02:00Z"))];
    [Arrived { environment: staging, runs }, Arrived { environment: production, runs: vec![before(outside)] }]
}

#[test]
fn releases_and_sticky_notes_tell_where_an_image_is() {
    let words = words();
    let [staging, mut production] = history(&usual());
    let halfway = [staging.clone(), production.clone()];
    let verdict = [passed(&usual())];
    check("sticky-staged.md", &words.sticky_note(MR, &verdict, Audience::Members, &halfway));
    check("sticky-blocked-running.md", &words.sticky_note(MR, &[tag_moved(&usual())], Audience::Members, &halfway));
    production.runs.insert(0, arrived(&usual(), production.environment.clone(), "v1.8.2", (digest(), "2026-05-04T15:10:00Z")));
    let there = [staging, production];
    check("release-promoted.md", &words.release_section(&verdict, &there));
    let note = words.sticky_note(MR, &verdict, Audience::Everyone, &there);
    check("sticky-promoted.md", &note);
    assert!(!note.contains("Next:"), "there is nowhere left to go");
    assert!(!words.sticky_note(MR, &[tag_moved(&usual())], Audience::Members, &halfway).contains("Next:"));
    // The next environment runs something that is newer than this image: that would be a way back.
    let [staging, mut production] = history(&usual());
    production.runs = vec![arrived(&usual(), production.environment.clone(), "v1.9.0", (other_digest(), "2026-06-04T15:10:00Z"))];
    assert!(!words.sticky_note(MR, &verdict, Audience::Members, &[staging, production]).contains("Next:"));
}

/// Everything that is said on a public project.
fn outputs(words: &Words, outside: &Outside, audience: Audience) -> Vec<String> {
    let mut all = vec![];
    for stage in [Stage::DryRun, Stage::Refused] {
        for bar in bars(outside) {
            all.push(Scene { audience, ..Scene::of(outside, stage, weighed(vec![bar.clone(), bar])) }.say(words));
        }
    }
    for (stage, bars) in
        [(Stage::Begins, vec![]), (Stage::Waits, vec![bars(outside).into_iter().find(|bar| bar.code() == "CS-SECOND-PERSON").unwrap()])]
    {
        all.push(Scene { audience, ..Scene::of(outside, stage, weighed(bars)) }.say(words));
    }
    let old = before(outside);
    let with = |events| standing(promotion(outside, production(outside), &outside.tag, digest()), events);
    let step = bars(outside).into_iter().find(|bar| bar.code() == "CS-STEP").unwrap();
    for ending in [
        Ending::Promoted,
        Ending::Stopped { code: "CS-STEP".into(), reason: words.promotion_reason(&step) },
        Ending::NotConverged { reason: "it took too long".into() },
        Ending::Cancelled { by: person(outside, 2) },
    ] {
        let ended = with([done(outside, 3), vec![PromotionEvent::Ended { ending }]].concat());
        all.push(words.promotion_end(&ended, Some(&old), audience, &links()));
    }
    let open = with(vec![]);
    let environment = production(outside);
    let status = EnvironmentStatus { environment: &environment, runs: Some(old.clone()), open: Some(open.clone()) };
    all.push(words.environments(&[status], &Looked::Found(Halt { reason: outside.title.clone() }), now(), &links()));
    all.push(words.drift(&bars(outside).into_iter().rfind(|bar| bar.code() == "CS-DRIFT").unwrap(), &old));
    let gone = drifted(outside);
    all.push(Scene { audience, runs: Some(gone.clone()), ..Scene::of(outside, Stage::DryRun, weighed(vec![])) }.say(words));
    let status = EnvironmentStatus { environment: &environment, runs: Some(gone.clone()), open: None };
    all.push(words.environments(&[status], &Looked::Absent, now(), &links()));
    all.push(words.drift_over(&gone, None));
    all.push(words.drift_over(&gone, Some(&old)));
    let [_, mut there] = history(outside);
    there.runs = vec![Standing { promotion: promotion(outside, production(outside), &outside.tag, digest()), ..gone }];
    all.push(words.release_section(&[passed(outside)], &[there.clone()]));
    all.push(words.sticky_note(MR, &[passed(outside)], audience, &[there]));
    all.push(words.promotion_answer(&PromotionAnswer::NoEnvironment { name: &outside.title, known: vec![&outside.found] }));
    all.push(words.promotion_answer(&PromotionAnswer::Approved { standing: &open, by: &person(outside, 2) }));
    let arrived = history(outside);
    all.push(words.release_section(&[passed(outside)], &arrived));
    all.push(words.sticky_note(MR, &[passed(outside)], audience, &arrived));
    all
}

#[test]
fn hostile_text_changes_no_structure() {
    let words = words();
    let calm: Vec<_> =
        outputs(&words, &Outside::all("calm text"), Audience::Members).iter().map(|text| super::hostile::structure(text)).collect();
    for text in HOSTILE {
        for text in [format!("{text} x"), format!("a b{text}")] {
            for (output, calm) in outputs(&words, &Outside::all(&text), Audience::Members).iter().zip(&calm) {
                assert_eq!(&super::hostile::structure(output), calm, "{text:?} in\n{output}");
                assert!(!output.lines().any(|line| line.trim_start().starts_with('/')), "{text:?} in\n{output}");
                assert!(!output.contains("@all"), "{text:?} in\n{output}");
            }
        }
    }
}

#[test]
fn a_public_note_about_a_promotion_names_no_registry() {
    let words = words();
    for output in outputs(&words, &usual(), Audience::Everyone) {
        // A release section shows the reference that the release publishes.
        if !output.starts_with("<!-- countersign:release") {
            assert!(!output.contains("registry.example.com/shop") && !output.contains("harbor.partner.example"), "{output}");
        }
    }
}

/// Nobody is called by a note: whoever asked reads the thread.
#[test]
fn nobody_is_mentioned() {
    for output in outputs(&words(), &usual(), Audience::Members) {
        assert!(!output.contains("@kim"), "{output}");
    }
}

#[test]
fn every_refusal_says_what_did_not_happen_and_what_runs() {
    let words = words();
    for bar in bars(&usual()) {
        let output = scene(Stage::Refused, vec![bar]).say(&words);
        assert!(output.contains("Nothing was promoted. `production` still runs [`v1.8.1`]("), "{output}");
    }
}

#[test]
fn commits_are_bounded() {
    let many = CommitsBetween { more: false, ..between(&usual(), 18) };
    let output = Scene { between: Looked::Found(many), ..scene(Stage::DryRun, vec![]) }.say(&words());
    assert!(output.contains("and 12 more |"), "{output}");
    let none = CommitsBetween { merge_requests: vec![], ..between(&usual(), 0) };
    let output = Scene { between: Looked::Found(none), ..scene(Stage::DryRun, vec![]) }.say(&words());
    assert!(output.contains("| Commits between | none |"), "{output}");
}
