//! Git tag, version tag, commit tag, digest file, built once.

use super::*;
use crate::model::Digest;
use crate::model::gitlab::PipelineId;
use crate::verdict::testing::{self, KEY, TAG, image_digest, other_commit, other_digest, sighting};
use crate::verdict::{About, BuiltBy, Demand};

/// The words' second example: the registry's version tag, and with it the digest under question, is somebody else's.
fn moved(facts: &mut Facts) {
    names(facts, TagRole::Version, Looked::Found(other_digest()));
    facts.digest = Looked::Found(other_digest());
}

fn names(facts: &mut Facts, role: TagRole, digest: Looked<Digest>) {
    facts.tags.iter_mut().find(|look| look.role == role).unwrap().digest = digest;
}

fn no_commit_tag(facts: &mut Facts) {
    facts.question.image.commit_tag = None;
    facts.tags.retain(|look| look.role == TagRole::Version);
}

fn no_digest_file(facts: &mut Facts) {
    facts.question.image.digest_file = None;
    facts.digest_file = Looked::Absent;
}

fn tag_moved(old: Digest, new: Digest) -> Problem {
    Problem::TagMoved { tag: "1.8.2".into(), old, new }
}

fn softened(digest_file: Demand, commit_tag: Demand) -> Policy {
    Policy { digest_file, commit_tag, built_by: BuiltBy::CommitTag, ..good_policy() }
}

#[test]
fn a_missing_git_tag_blocks() {
    let facts = with(|f| f.git_tag = Looked::Absent);
    let verdict = blocked(&facts, "CS-GIT-TAG-MISSING", &[Check::GitTag, Check::Commit, Check::Pipeline, Check::ProtectedRef]);
    assert_eq!(verdict.problem, Some(Problem::GitTagMissing { tag: TAG.into() }));
}

#[test]
fn a_missing_version_tag_blocks_even_when_the_digest_file_names_the_image() {
    let verdict = blocked(&with(|f| names(f, TagRole::Version, Looked::Absent)), "CS-TAG-MISSING", &[Check::VersionTag]);
    assert_eq!(verdict.problem, Some(Problem::TagMissing { tag: "1.8.2".into(), repository: "registry.example.com/shop/api".into() }));
}

#[test]
fn a_release_whose_tags_were_not_looked_at_never_passes() {
    blocked(&with(|f| f.tags.clear()), "CS-TAG-MISSING", &[Check::VersionTag, Check::CommitTag]);
}

#[test]
fn no_image_at_all_is_a_missing_tag() {
    let facts = with(|f| {
        names(f, TagRole::Version, Looked::Absent);
        f.digest = Looked::Absent;
        f.signatures = Looked::Absent;
    });
    let verdict = blocked(&facts, "CS-TAG-MISSING", &[Check::VersionTag, Check::Signature]);
    assert_eq!(verdict.image, None);
    for check in [Check::CommitTag, Check::DigestFile, Check::Commit, Check::BuiltOnce] {
        assert_eq!(said(&verdict, check).0, CheckOutcome::NotApplicable, "{check:?}");
    }
}

#[test]
fn a_tag_without_an_image_under_question_is_not_passed_on() {
    blocked(&with(|f| f.digest = Looked::Absent), "CS-TAG-MISSING", &[Check::VersionTag, Check::Signature]);
}

#[test]
fn a_tag_that_names_an_unsigned_image_the_pipeline_did_not_record_has_moved() {
    let facts = with(|f| {
        moved(f);
        f.signatures = Looked::Absent;
    });
    let checks = [Check::VersionTag, Check::CommitTag, Check::DigestFile, Check::Signature, Check::Commit];
    let verdict = blocked(&facts, "CS-TAG-MOVED", &checks);
    assert_eq!(verdict.problem, Some(tag_moved(image_digest(), other_digest())));
}

#[test]
fn a_tag_that_names_an_image_signed_by_somebody_else_has_moved() {
    let facts = with(|f| {
        moved(f);
        f.signatures = Looked::Found(vec![signature(SignatureState::NotOurs { hint: None })]);
        no_commit_tag(f);
    });
    blocked(&facts, "CS-TAG-MOVED", &[Check::VersionTag, Check::DigestFile, Check::Signature, Check::Commit]);
}

#[test]
fn a_signed_image_beside_another_digest_file_is_the_files_fault() {
    let facts = with(|f| f.digest_file = Looked::Found(DigestFile::Says(other_digest())));
    let policy = softened(Demand::Required, Demand::Off);
    let verdict = check_under(&policy, &facts, Outcome::Blocked, "CS-DIGEST-FILE", &[Check::DigestFile]);
    let problem = Problem::DigestFile { file: "image-digest.txt".into(), says: Some(other_digest()), registry: image_digest() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn a_tag_seen_at_another_digest_first_has_moved_even_when_the_new_image_is_signed() {
    let facts = with(|f| f.history = Looked::Found(vec![sighting(other_digest(), "13:50")]));
    let verdict = blocked(&facts, "CS-TAG-MOVED", &[Check::VersionTag, Check::BuiltOnce]);
    assert_eq!(verdict.problem, Some(tag_moved(other_digest(), image_digest())));
}

#[test]
fn a_tag_put_back_to_the_digest_seen_first_passes() {
    passed(&with(|f| f.history = Looked::Found(vec![sighting(other_digest(), "13:55"), sighting(image_digest(), "13:50")])));
}

#[test]
fn two_digests_of_one_instant_have_no_first_and_block() {
    for pair in [[image_digest(), other_digest()], [other_digest(), image_digest()]] {
        let facts = with(|f| f.history = Looked::Found(pair.map(|digest| sighting(digest, "13:50")).to_vec()));
        blocked(&facts, "CS-TAG-MOVED", &[Check::VersionTag, Check::BuiltOnce]);
    }
}

#[test]
fn a_second_digest_of_one_commit_is_a_rebuild() {
    let earlier = Sighting { release: Some("v1.8.1".into()), pipeline: Some(PipelineId(5)), ..sighting(other_digest(), "13:50") };
    let verdict = blocked(&with(|f| f.history = Looked::Found(vec![earlier])), "CS-REBUILT", &[Check::BuiltOnce]);
    let problem = Problem::Rebuilt {
        commit: testing::commit(),
        first: other_digest(),
        first_pipeline: Some(PipelineId(5)),
        second: image_digest(),
        second_pipeline: Some(PipelineId(88213)),
    };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn sightings_of_another_commit_and_release_say_nothing() {
    let other = |release: Option<&str>| Sighting {
        release: release.map(str::to_owned),
        commit: Some(other_commit()),
        ..sighting(other_digest(), "13:50")
    };
    passed(&with(|f| f.history = Looked::Found(vec![other(Some("v1.8.1")), other(None)])));
}

#[test]
fn a_passed_verdict_records_its_digest_and_a_blocked_one_nothing() {
    let sighting = passed(&good_facts()).sighting().unwrap();
    assert_eq!((sighting.digest, sighting.commit, sighting.first_seen), (image_digest(), Some(testing::commit()), at("14:02")));
    assert_eq!((sighting.release.as_deref(), sighting.pipeline), (Some(TAG), Some(PipelineId(88213))));
    assert_eq!(judge(&with(|f| f.git_tag = Looked::Absent), &good_policy()).sighting(), None);
}

#[test]
fn version_and_commit_tag_naming_two_digests_always_blocks() {
    let facts = with(|f| names(f, TagRole::Commit, Looked::Found(other_digest())));
    for demand in [Demand::Required, Demand::Warned, Demand::Off] {
        let policy = softened(Demand::Required, demand);
        let verdict = check_under(&policy, &facts, Outcome::Blocked, "CS-TAG-SPLIT", &[Check::CommitTag]);
        let problem = Problem::TagSplit {
            version_tag: "1.8.2".into(),
            version: image_digest(),
            commit_tag: "a1b2c3d4".into(),
            commit: other_digest(),
        };
        assert_eq!(verdict.problem, Some(problem));
    }
}

#[test]
fn a_missing_commit_tag_counts_as_policy_says() {
    let facts = with(|f| names(f, TagRole::Commit, Looked::Absent));
    let verdict = blocked(&facts, "CS-TAG-MISSING", &[Check::CommitTag]);
    assert!(matches!(verdict.problem, Some(Problem::TagMissing { tag, .. }) if tag == "a1b2c3d4"));
    for (demand, outcome) in [(Demand::Warned, CheckOutcome::Warned), (Demand::Off, CheckOutcome::NotApplicable)] {
        let verdict = passed_under(&softened(Demand::Required, demand), &facts);
        assert_eq!(said(&verdict, Check::CommitTag).0, outcome);
    }
}

#[test]
fn a_project_without_commit_tags_or_digest_file_is_not_asked_for_them() {
    assert_eq!(said(&passed(&with(no_commit_tag)), Check::CommitTag).0, CheckOutcome::NotApplicable);
    let content = softened(Demand::Required, Demand::Required);
    assert_eq!(said(&passed_under(&content, &with(no_digest_file)), Check::DigestFile).0, CheckOutcome::NotApplicable);
}

#[test]
fn another_or_no_digest_in_the_file_always_blocks() {
    for says in [DigestFile::Says(other_digest()), DigestFile::Illegible] {
        let facts = with(|f| f.digest_file = Looked::Found(says.clone()));
        for demand in [Demand::Required, Demand::Warned, Demand::Off] {
            let verdict = judge(&facts, &softened(demand, Demand::Required));
            assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-DIGEST-FILE")), "{says:?} {demand:?}");
        }
    }
}

#[test]
fn a_missing_digest_file_counts_as_policy_says() {
    let facts = with(|f| f.digest_file = Looked::Absent);
    blocked(&facts, "CS-DIGEST-FILE", &[Check::DigestFile, Check::Commit]);
    for (demand, outcome) in [(Demand::Warned, CheckOutcome::Warned), (Demand::Off, CheckOutcome::NotApplicable)] {
        let verdict = passed_under(&softened(demand, Demand::Required), &facts);
        assert_eq!(said(&verdict, Check::DigestFile).0, outcome);
    }
}

#[test]
fn an_image_that_the_version_tag_does_not_name_blocks() {
    let asked = |f: &mut Facts| {
        f.question.about = About::Image { digest: other_digest(), tag: Some(TAG.into()) };
        f.digest = Looked::Found(other_digest());
    };
    let verdict = judge(&with(asked), &good_policy());
    assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-TAG-OTHER")));
    let problem = Problem::TagOther { tag: "1.8.2".into(), names: image_digest(), asked: other_digest() };
    assert_eq!(verdict.problem, Some(problem));
}

/// What was signed is known of the image asked about, and so says nothing of what the tag names.
#[test]
fn an_unsigned_image_nobody_names_does_not_make_a_tag_moved() {
    let asked = Digest::of(b"a third image");
    let facts = with(|f| {
        f.question.about = About::Image { digest: asked, tag: Some(TAG.into()) };
        f.digest = Looked::Found(asked);
        f.signatures = Looked::Absent;
        names(f, TagRole::Version, Looked::Found(other_digest()));
        no_commit_tag(f);
    });
    let verdict = judge(&facts, &good_policy());
    assert_eq!(verdict.problem, Some(Problem::TagOther { tag: "1.8.2".into(), names: other_digest(), asked }));
}

#[test]
fn an_image_that_the_commit_tag_does_not_name_blocks() {
    let mut facts = testing::good_pipeline_facts();
    facts.question.about = About::Image { digest: other_digest(), tag: None };
    facts.digest = Looked::Found(other_digest());
    let verdict = blocked(&facts, "CS-TAG-OTHER", &[Check::CommitTag, Check::DigestFile, Check::Commit]);
    let problem = Problem::TagOther { tag: "a1b2c3d4".into(), names: image_digest(), asked: other_digest() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn an_image_the_pipeline_recorded_and_the_tag_has_left_says_that_the_tag_moved() {
    let facts = with(|f| {
        f.question.about = About::Image { digest: image_digest(), tag: Some(TAG.into()) };
        names(f, TagRole::Version, Looked::Found(other_digest()));
    });
    let verdict = blocked(&facts, "CS-TAG-MOVED", &[Check::VersionTag]);
    assert_eq!(verdict.problem, Some(tag_moved(image_digest(), other_digest())));
}

#[test]
fn an_image_of_a_release_passes_like_the_release() {
    passed(&with(|f| f.question.about = About::Image { digest: image_digest(), tag: Some(TAG.into()) }));
}

#[test]
fn a_pipelines_image_needs_no_git_tag_and_no_version_tag() {
    let verdict = passed(&testing::good_pipeline_facts());
    for check in [Check::GitTag, Check::VersionTag] {
        assert_eq!(said(&verdict, check).0, CheckOutcome::NotApplicable);
    }
    assert_eq!(verdict.sighting().unwrap().release, None);
}

#[test]
fn a_pipelines_digest_file_and_commit_tag_naming_two_digests_blocks() {
    let mut facts = testing::good_pipeline_facts();
    names(&mut facts, TagRole::Commit, Looked::Found(other_digest()));
    let verdict = blocked(&facts, "CS-DIGEST-FILE", &[Check::CommitTag]);
    let problem = Problem::DigestFile { file: "image-digest.txt".into(), says: Some(image_digest()), registry: other_digest() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn a_key_alone_does_not_tie_an_image_to_a_commit() {
    let bare = |f: &mut Facts| {
        no_digest_file(f);
        no_commit_tag(f);
    };
    let verdict = blocked(&with(bare), "CS-PROV-MISSING", &[Check::Commit]);
    assert_eq!(verdict.problem, Some(Problem::ProvMissing { digest: image_digest() }));
    // The certificate of a keyless signature does.
    passed(&keyless_with(bare));
}

/// Whoever may push tags could pass an older signed image off as this release.
#[test]
fn the_commit_tag_alone_ties_nothing_unless_policy_is_content_with_it() {
    let facts = with(no_digest_file);
    let verdict = blocked(&facts, "CS-PROV-MISSING", &[Check::Commit]);
    assert!(said(&verdict, Check::Commit).2.ends_with("by the commit tag only"));
    // A digest file that is not demanded and not there is none.
    let warned = Policy { digest_file: Demand::Warned, ..good_policy() };
    check_under(&warned, &with(|f| f.digest_file = Looked::Absent), Outcome::Blocked, "CS-PROV-MISSING", &[Check::Commit]);
    let content = Policy { built_by: BuiltBy::CommitTag, ..good_policy() };
    assert_eq!(said(&passed_under(&content, &facts), Check::Commit).0, CheckOutcome::Warned);
    for policy in [content, good_policy()] {
        assert_eq!(said(&passed_under(&policy, &good_facts()), Check::Commit).0, CheckOutcome::Passed);
    }
    // A pipeline's certificate names the commit itself.
    assert_eq!(said(&passed(&keyless_with(no_digest_file)), Check::Commit).0, CheckOutcome::Passed);
}

/// Provenance that nobody could look at might tie it.
#[test]
fn an_unseen_provenance_leaves_the_commit_open() {
    let facts = with(|f| {
        no_digest_file(f);
        f.provenance = Looked::Unreachable(down(Service::Registry));
    });
    could_not(&facts, "CS-UNAVAILABLE", &[Check::Commit]);
}

#[test]
fn a_commit_tag_that_does_not_spell_the_commit_ties_nothing() {
    let facts = with(|f| {
        no_digest_file(f);
        f.tags[1].name = "1.8.2-build".into();
    });
    blocked(&facts, "CS-PROV-MISSING", &[Check::Commit]);
}

#[test]
fn the_digest_file_of_another_commits_pipeline_ties_nothing() {
    let facts = with(|f| {
        no_commit_tag(f);
        inside(&mut f.pipeline).sha = other_commit();
    });
    blocked(&facts, "CS-PIPELINE", &[Check::Commit, Check::Pipeline]);
}

#[test]
fn a_commit_that_is_not_the_git_tags_blocks() {
    let facts = with(|f| inside(&mut f.commit).sha = other_commit());
    let verdict = blocked(&facts, "CS-COMMIT", &[Check::Commit]);
    let problem = Problem::Commit { tag: TAG.into(), expected: testing::commit(), found: other_commit().to_string() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn an_image_without_a_release_or_signed_commit_is_blocked_for_want_of_provenance() {
    let facts = with(|f| {
        f.question.about = About::Image { digest: image_digest(), tag: None };
        f.git_tag = Looked::Absent;
        f.commit = Looked::Absent;
        f.pipeline = Looked::Absent;
        f.jobs = Looked::Absent;
        f.ref_protected = Looked::Absent;
        f.digest_file = Looked::Absent;
        f.tags.clear();
    });
    let verdict = judge(&facts, &softened(Demand::Off, Demand::Off));
    assert_eq!(verdict.outcome, Outcome::Blocked);
    assert_eq!(said(&verdict, Check::Commit).0, CheckOutcome::Blocked);
    assert_eq!(verdict.findings_of(Check::Commit).next().unwrap().problem, Some(Problem::ProvMissing { digest: image_digest() }));
}

#[test]
fn the_trusted_key_is_shown_as_signer() {
    let subject = passed(&good_facts()).subject;
    assert!(matches!(subject.signer, Some(crate::model::signer::SignedBy::Key(name)) if name.0 == KEY));
    assert_eq!(subject.job.unwrap().name, "release_image");
}
