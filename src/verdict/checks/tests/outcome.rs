//! The judge's own rules: outcome, headline, guard, and what a verdict carries.

use super::super::{conclude, look_at_everything};
use super::*;
use crate::model::EnvironmentName;
use crate::verdict::testing::{TAG, image_digest, other_digest};
use crate::verdict::{About, Clearance, Counts, Finding, Fresh, Why, WhyKind};

fn refused() -> Why {
    Why::new(Service::Registry, WhyKind::Refused, "401")
}

#[test]
fn every_check_answers_once_in_reading_order() {
    for facts in [good_facts(), good_keyless_facts()] {
        let checks: Vec<_> = look_at_everything(&facts, &good_policy()).iter().map(|finding| finding.check).collect();
        assert_eq!(checks, Check::ALL);
    }
}

#[test]
fn a_passed_verdict_clears_its_digest_and_others_nothing() {
    let environment = EnvironmentName("production".into());
    let clearance = crate::verdict::judge(&good_facts(), &good_policy()).clear(&environment).unwrap();
    assert_eq!((clearance.image().digest, clearance.environment()), (image_digest(), &environment));
    for facts in [with(|f| f.signatures = Looked::Absent), with(|f| f.signatures = Looked::Unreachable(refused()))] {
        assert_eq!(crate::verdict::judge(&facts, &good_policy()).clear(&environment), None);
    }
}

/// A verdict that was kept, read back or altered clears nothing. Held when this is compiled: a way to make a [`Fresh`] or a
/// [`Clearance`] of one, or to alter one, gives the trait two implementations for the type, and then the line does not say which.
#[test]
fn nothing_but_the_judge_makes_what_clears() {
    trait Forged<By> {
        const BY: &str = "";
    }
    struct Read;
    struct Written;
    struct Made;
    impl<T> Forged<()> for T {}
    impl<T: serde::de::DeserializeOwned> Forged<Read> for T {}
    impl<T: std::ops::DerefMut> Forged<Written> for T {}
    impl<T: From<Verdict>> Forged<Made> for T {}
    assert_eq!((<Fresh as Forged<_>>::BY, <Clearance as Forged<_>>::BY), ("", ""));
}

#[test]
fn an_outage_beside_what_blocks_could_not_check() {
    let facts = with(|f| {
        f.jobs = Looked::Unreachable(down(Service::Gitlab));
        inside(&mut f.pipeline).source = "schedule".into();
    });
    could_not(&facts, "CS-UNAVAILABLE", &[Check::Pipeline, Check::Source, Check::ReleaseJob]);
}

#[test]
fn proven_tampering_blocks_even_during_an_outage() {
    let facts = with(|f| {
        f.jobs = Looked::Unreachable(down(Service::Gitlab));
        f.tags[1].digest = Looked::Found(other_digest());
    });
    blocked(&facts, "CS-TAG-SPLIT", &[Check::CommitTag, Check::Pipeline, Check::ReleaseJob]);
}

#[test]
fn a_digest_file_that_is_not_there_proves_no_tampering() {
    for file in [Looked::Absent, Looked::Found(DigestFile::Illegible)] {
        let facts = with(|f| {
            f.digest_file = file;
            f.jobs = Looked::Unreachable(down(Service::Gitlab));
        });
        assert_eq!(judge(&facts, &good_policy()).outcome, Outcome::CouldNotCheck);
    }
}

#[test]
fn a_tag_cannot_be_called_moved_while_its_signatures_are_out_of_reach() {
    let facts = with(|f| {
        f.tags[0].digest = Looked::Found(other_digest());
        f.tags[1].digest = Looked::Found(other_digest());
        f.digest = Looked::Found(other_digest());
        f.signatures = Looked::Unreachable(refused());
    });
    let verdict = judge(&facts, &good_policy());
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-DIGEST-FILE")));
    assert_eq!(said(&verdict, Check::VersionTag).0, CheckOutcome::CouldNotCheck);
}

#[test]
fn the_headline_goes_by_rank_and_then_by_order() {
    // Missing (signature) < wrong path (source) < tampered (split tags).
    let missing = |f: &mut Facts| f.signatures = Looked::Absent;
    let wrong_path = |f: &mut Facts| inside(&mut f.pipeline).source = "schedule".into();
    let tampered = |f: &mut Facts| f.tags[1].digest = Looked::Found(other_digest());
    let code = |changes: &[&dyn Fn(&mut Facts)]| judge(&with(|f| changes.iter().for_each(|change| change(f))), &good_policy()).code();
    assert_eq!(code(&[&missing]), Some("CS-SIG-MISSING"));
    assert_eq!(code(&[&missing, &wrong_path]), Some("CS-SOURCE"));
    assert_eq!(code(&[&missing, &wrong_path, &tampered]), Some("CS-TAG-SPLIT"));
    // At one rank the first check speaks: protected ref before source.
    let unprotected = |f: &mut Facts| f.ref_protected = Looked::Found(false);
    assert_eq!(code(&[&wrong_path, &unprotected]), Some("CS-REF-UNPROTECTED"));
}

#[test]
fn a_refused_registry_login_says_so_and_a_refused_gitlab_does_not() {
    let verdict = could_not(&with(|f| f.signatures = Looked::Unreachable(refused())), "CS-REG-AUTH", &[Check::Signature, Check::Commit]);
    assert_eq!(verdict.problem, Some(Problem::RegistryAuth { repository: "registry.example.com/shop/api".into() }));
    let why = Why::new(Service::Gitlab, WhyKind::Refused, "403");
    could_not(&with(|f| f.jobs = Looked::Unreachable(why)), "CS-UNAVAILABLE", &[Check::Pipeline, Check::ReleaseJob]);
}

/// words.md: rights, could not check, tampered, wrong path, missing.
#[test]
fn an_outage_ranks_before_everything_that_a_verdict_says() {
    use crate::verdict::Rank;
    for facts in [with(|f| f.jobs = Looked::Unreachable(refused())), with(|f| f.jobs = Looked::Unreachable(down(Service::Gitlab)))] {
        assert_eq!(judge(&facts, &good_policy()).problem.map(|problem| problem.rank()), Some(Rank::CouldNotCheck));
    }
    assert!(Rank::Rights < Rank::CouldNotCheck && Rank::CouldNotCheck < Rank::Tampered);
    assert!(Rank::Tampered < Rank::WrongPath && Rank::WrongPath < Rank::Missing);
}

#[test]
fn what_could_not_be_checked_is_the_digest_or_what_was_asked_about() {
    let what = |facts: &Facts| match judge(facts, &good_policy()).problem {
        Some(Problem::Unavailable { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let unreachable = || Looked::Unreachable(down(Service::Registry));
    assert_eq!(what(&with(|f| f.signatures = unreachable().map(|_: ()| vec![]))), image_digest().to_string());
    let no_digest = |about: About| {
        with(|f| {
            f.question.about = about;
            f.digest = Looked::Unreachable(down(Service::Registry));
        })
    };
    assert_eq!(what(&no_digest(About::Release { tag: TAG.into() })), TAG);
    assert_eq!(what(&no_digest(About::Pipeline { id: crate::model::gitlab::PipelineId(88213) })), "pipeline #88213");
    assert_eq!(what(&no_digest(About::Image { digest: image_digest(), tag: None })), image_digest().to_string());
}

/// SR-01.
#[test]
fn no_findings_never_pass() {
    let (outcome, problem) = conclude(&good_facts(), &[]);
    assert_eq!((outcome, problem.map(|p| p.code())), (Outcome::Blocked, Some("CS-SIG-MISSING")));
}

/// SR-01: a core check that did not apply, warned or is not there keeps the verdict from passing.
#[test]
fn the_core_checks_must_pass_outright() {
    let facts = good_facts();
    let findings = look_at_everything(&facts, &good_policy());
    assert_eq!(conclude(&facts, &findings), (Outcome::Passed, None));
    for (check, code) in
        [(Check::Signature, "CS-SIG-MISSING"), (Check::Pipeline, "CS-PIPELINE"), (Check::ProtectedRef, "CS-REF-UNPROTECTED")]
    {
        let without: Vec<_> = findings.iter().filter(|finding| finding.check != check).cloned().collect();
        let mut softened = without.clone();
        softened.push(Finding::not_applicable(check, "never"));
        let mut doubled = findings.clone();
        doubled.push(Finding::not_applicable(check, "never"));
        for findings in [without, softened, doubled] {
            let (outcome, problem) = conclude(&facts, &findings);
            assert_eq!((outcome, problem.map(|p| p.code())), (Outcome::Blocked, Some(code)));
        }
    }
    let (outcome, problem) = conclude(&with(|f| f.digest = Looked::Absent), &findings);
    assert_eq!((outcome, problem.map(|p| p.code())), (Outcome::Blocked, Some("CS-TAG-MISSING")));
}

#[test]
fn a_finding_without_a_reason_still_does_not_pass() {
    for (outcome, expected) in [(CheckOutcome::Blocked, Outcome::Blocked), (CheckOutcome::CouldNotCheck, Outcome::CouldNotCheck)] {
        let mut findings = look_at_everything(&good_facts(), &good_policy());
        findings[0].outcome = outcome;
        let (outcome, problem) = conclude(&good_facts(), &findings);
        assert_eq!(outcome, expected);
        assert!(problem.is_some());
    }
}

#[test]
fn checks_are_counted_once_by_their_worst() {
    let counts = passed(&good_facts()).counts();
    assert_eq!(counts, Counts { passed: 11, not_applicable: 5, ..Counts::default() });
    assert_eq!(counts.applied(), 11);

    let mut facts = good_keyless_facts();
    facts.tags[1].digest = Looked::Absent;
    inside(&mut facts.project).key.id.0 = 8;
    facts.history = Looked::Unreachable(down(Service::Store));
    let policy = Policy { commit_tag: crate::verdict::Demand::Warned, ..good_policy() };
    let verdict = judge(&facts, &policy);
    assert_eq!(verdict.findings_of(Check::Identity).count(), 1);
    // Signature, identity and pipeline block on the project id.
    assert_eq!(verdict.counts(), Counts { passed: 7, warned: 1, not_applicable: 4, blocked: 3, could_not_check: 1 });

    // Worst of several findings, from best to worst.
    let mut verdict = passed(&good_facts());
    let mut counts_with = |outcome: CheckOutcome| {
        let finding = Finding { outcome, ..verdict.findings[0].clone() };
        verdict.findings.push(finding);
        verdict.counts()
    };
    assert_eq!(counts_with(CheckOutcome::NotApplicable).passed, 11);
    assert_eq!(counts_with(CheckOutcome::Warned).warned, 1);
    assert_eq!(counts_with(CheckOutcome::CouldNotCheck).could_not_check, 1);
    assert_eq!(counts_with(CheckOutcome::Blocked).blocked, 1);
    assert_eq!(counts_with(CheckOutcome::Passed).blocked, 1);
}

/// What the ledger keeps must be read back by later versions: this is its shape.
#[test]
fn a_verdict_is_read_back_as_it_was_written() {
    let blocked = with(|f| f.signatures = Looked::Absent);
    let unreachable = with(|f| f.signatures = Looked::Unreachable(refused()));
    for facts in [good_facts(), good_keyless_facts(), blocked, unreachable] {
        let verdict = judge(&facts, &good_policy());
        let text = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    }
}

#[test]
fn the_words_of_a_stored_verdict_stay() {
    let json = serde_json::to_value(judge(&with(|f| f.signatures = Looked::Absent), &good_policy())).unwrap();
    assert_eq!(json["outcome"], "blocked");
    assert_eq!(json["problem"]["kind"], "sig_missing");
    assert_eq!(json["problem"]["image"]["digest"], image_digest().to_string());
    assert_eq!(json["as_of"], "2026-05-04T14:02:00Z");
    let words: Vec<_> = json["findings"].as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap().to_owned()).collect();
    let expected = [
        "git-tag",
        "version-tag",
        "commit-tag",
        "digest-file",
        "signature",
        "platforms",
        "identity",
        "commit",
        "pipeline",
        "protected-ref",
        "source",
        "release-job",
        "built-once",
        "provenance",
        "base-image",
        "runner",
    ];
    assert_eq!(words, expected);
    let json = serde_json::to_value(judge(&with(|f| f.signatures = Looked::Unreachable(refused())), &good_policy())).unwrap();
    assert_eq!((json["outcome"].as_str(), json["findings"][4]["outcome"].as_str()), (Some("could-not-check"), Some("could-not-check")));
}
