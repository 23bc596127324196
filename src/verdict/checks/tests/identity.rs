//! Keyless: every claim as a whole value.

use super::*;
use crate::model::gitlab::{CiStatus, PipelineId, ProjectId};
use crate::model::signer::{KeylessIdentity, SignedBy};
use crate::verdict::PipelineFault;
use crate::verdict::testing::{self, ISSUER, RUN, image_digest, other_commit};

const BOTH: &[Check] = &[Check::Signature, Check::Identity];

/// Good keyless facts whose certificate says something else.
fn claiming(change: impl FnOnce(&mut KeylessIdentity)) -> Facts {
    keyless_with(|f| {
        let mut identity = testing::identity();
        change(&mut identity);
        f.signatures = Looked::Found(vec![signature(SignatureState::Verified(SignedBy::Keyless(Box::new(identity))))]);
    })
}

/// A template of one's own may leave them out.
#[test]
fn the_commit_of_the_configuration_need_not_be_said() {
    passed(&claiming(|i| (i.build_signer_digest, i.build_config_digest) = (None, None)));
}

#[test]
fn the_projects_own_release_pipeline_passes() {
    let verdict = passed(&good_keyless_facts());
    let uri = "https://gitlab.example.com/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2";
    assert_eq!(said(&verdict, Check::Identity), (CheckOutcome::Passed, uri, uri));
    assert_eq!(said(&verdict, Check::Signature), (CheckOutcome::Passed, "GitLab OIDC https://gitlab.example.com", uri));
}

type Claim = fn(&mut KeylessIdentity) -> &mut Option<String>;

/// Every claim that is compared, with the code of its being wrong.
const CLAIMS: &[(&str, Claim, &str)] = &[
    ("issuer", |i| &mut i.issuer, "CS-SIG-OTHER"),
    ("project id", |i| &mut i.source_repository_identifier, "CS-PROJECT"),
    ("namespace id", |i| &mut i.source_repository_owner_identifier, "CS-PROJECT"),
    ("SAN", |i| &mut i.san_uri, "CS-SIG-OTHER"),
    ("build signer", |i| &mut i.build_signer_uri, "CS-SIG-OTHER"),
    ("build config", |i| &mut i.build_config_uri, "CS-SIG-OTHER"),
    ("ref", |i| &mut i.source_repository_ref, "CS-SIG-OTHER"),
    ("commit", |i| &mut i.source_repository_digest, "CS-COMMIT"),
    ("build signer commit", |i| &mut i.build_signer_digest, "CS-COMMIT"),
    ("build config commit", |i| &mut i.build_config_digest, "CS-COMMIT"),
    ("trigger", |i| &mut i.build_trigger, "CS-SOURCE"),
    ("run", |i| &mut i.run_invocation_uri, "CS-SIG-OTHER"),
];

/// SR-14: absent, longer, shorter, other case, surrounded, empty: none of them equals.
#[test]
fn every_claim_is_compared_as_a_whole_value() {
    let changes: [fn(&str) -> Option<String>; 7] = [
        |_| None,
        |_| Some(String::new()),
        |value| Some(format!("{value}x")),
        |value| Some(format!("x{value}")),
        |value| Some(value[..value.len() - 1].into()),
        |value| Some(format!("{value}\n")),
        // Numbers have no case: a leading zero is their other spelling.
        |value| Some(if value.bytes().all(|b| b.is_ascii_digit()) { format!("0{value}") } else { value.to_uppercase() }),
    ];
    for (claim, field, code) in CLAIMS {
        // Of these two, absence says nothing.
        let may_be_absent = usize::from(claim.ends_with(" commit"));
        for (number, change) in changes.iter().enumerate().skip(may_be_absent) {
            let facts = claiming(|identity| {
                let value = field(identity).clone().unwrap();
                *field(identity) = change(&value);
            });
            let verdict = judge(&facts, &good_policy());
            assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some(*code)), "{claim}, change {number}");
            let wrong: Vec<_> = verdict.findings_of(Check::Identity).map(|f| f.found.clone()).collect();
            assert!(wrong.len() == 1 && wrong[0].starts_with(claim), "{claim}, change {number}: {wrong:?}");
        }
    }
}

#[test]
fn another_projects_image_says_whose_it_is() {
    let facts = claiming(|i| {
        *i = KeylessIdentity {
            source_repository_uri: Some("https://gitlab.example.com/acme/other".into()),
            source_repository_identifier: Some("99".into()),
            san_uri: Some("https://gitlab.example.com/acme/other//.gitlab-ci.yml@refs/tags/v1.8.2".into()),
            ..testing::identity()
        }
    });
    let verdict = blocked(&facts, "CS-PROJECT", BOTH);
    let problem = Problem::Project { found: "https://gitlab.example.com/acme/other (id 99)".into(), expected: "shop/api".into() };
    assert_eq!(verdict.problem, Some(problem));
    assert_eq!(verdict.findings_of(Check::Identity).count(), 2);
}

/// A fork's merge request pipeline run in the parent project: the SAN is the parent's; ids and trigger are not.
#[test]
fn a_forks_merge_request_pipeline_in_the_parent_project_blocks() {
    let facts = claiming(|i| {
        i.source_repository_identifier = Some("99".into());
        i.source_repository_owner_identifier = Some("98".into());
        i.build_trigger = Some("merge_request_event".into());
    });
    let verdict = blocked(&facts, "CS-PROJECT", BOTH);
    assert_eq!(verdict.findings_of(Check::Identity).count(), 3);
}

#[test]
fn merge_request_and_external_triggers_never_release_whatever_the_policy_says() {
    for source in ["merge_request_event", "external"] {
        let policy = Policy { sources: vec![source.into()], ..good_policy() };
        let facts = claiming(|i| i.build_trigger = Some(source.into()));
        let verdict = judge(&facts, &policy);
        assert_eq!((verdict.outcome, verdict.code()), (Outcome::Blocked, Some("CS-SOURCE")), "{source}");
        assert_eq!(verdict.findings_of(Check::Identity).next().unwrap().outcome, CheckOutcome::Blocked);
    }
}

#[test]
fn another_commit_in_the_certificate_blocks_with_both_commits() {
    let verdict = blocked(
        &claiming(|i| i.source_repository_digest = Some(other_commit().to_string())),
        "CS-COMMIT",
        &[Check::Signature, Check::Identity, Check::Commit],
    );
    let problem = Problem::Commit { tag: testing::TAG.into(), expected: testing::commit(), found: other_commit().to_string() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn a_tag_named_like_a_branch_is_not_that_branch() {
    let verdict = blocked(&claiming(|i| i.source_repository_ref = Some("refs/heads/v1.8.2".into())), "CS-SIG-OTHER", BOTH);
    assert_eq!(said(&verdict, Check::Identity), (CheckOutcome::Blocked, "ref refs/tags/v1.8.2", "ref refs/heads/v1.8.2"));
}

#[test]
fn the_expected_identity_follows_the_projects_ci_file_and_address() {
    let config = |uri: &str| {
        let uri = uri.to_owned();
        move |i: &mut KeylessIdentity| {
            i.san_uri = Some(uri.clone());
            i.build_signer_uri = Some(uri.clone());
            i.build_config_uri = Some(uri.clone());
        }
    };
    let own_file = |mut facts: Facts| {
        inside(&mut facts.project).ci_config_path = "ci/release.yml".into();
        facts
    };
    blocked(&own_file(good_keyless_facts()), "CS-SIG-OTHER", BOTH);
    passed(&own_file(claiming(config("https://gitlab.example.com/shop/api//ci/release.yml@refs/tags/v1.8.2"))));

    // A server under a path, on a port, without TLS: the identity's scheme is https all the same.
    let mut facts = claiming(config("https://git.local:8080/gitlab/shop/api//.gitlab-ci.yml@refs/tags/v1.8.2"));
    inside(&mut facts.project).web_url = "http://git.local:8080/gitlab/shop/api".into();
    passed(&facts);
}

#[test]
fn a_ci_file_of_another_project_has_no_derivable_identity() {
    for path in [".gitlab-ci.yml@acme/pipelines", "https://ci.example/x.yml", "http://ci.example/x.yml"] {
        let facts = keyless_with(|f| inside(&mut f.project).ci_config_path = path.into());
        let verdict = blocked(&facts, "CS-SIG-OTHER", BOTH);
        let first = verdict.findings_of(Check::Identity).next().unwrap();
        assert_eq!(first.expected, format!("SAN a CI file of this project, and not {path}"));
    }
}

#[test]
fn a_project_without_a_usable_address_has_no_derivable_identity() {
    for address in ["", "https://", "ftp://gitlab.example.com/shop/api"] {
        blocked(&keyless_with(|f| inside(&mut f.project).web_url = address.into()), "CS-SIG-OTHER", BOTH);
    }
}

#[test]
fn the_signing_job_must_be_the_release_job_of_the_release_pipeline() {
    let changes: [fn(&mut Facts); 8] = [
        |f| inside(&mut f.signing_jobs[0].job).name = "deploy".into(),
        |f| inside(&mut f.signing_jobs[0].job).pipeline = PipelineId(5),
        |f| inside(&mut f.signing_jobs[0].job).id.0 = 22,
        |f| inside(&mut f.signing_jobs[0].pipeline).id = PipelineId(5),
        |f| inside(&mut f.signing_jobs[0].pipeline).project = ProjectId(99),
        |f| f.signing_jobs[0].job = Looked::Absent,
        |f| f.signing_jobs[0].pipeline = Looked::Absent,
        |f| f.signing_jobs.clear(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let verdict = blocked(&keyless_with(change), "CS-SIG-OTHER", BOTH);
        let (outcome, expected, _) = said(&verdict, Check::Identity);
        assert_eq!(outcome, CheckOutcome::Blocked, "change {number}");
        assert_eq!(expected, "run job release_image of the release pipeline", "change {number}");
    }
}

#[test]
fn the_signing_job_must_have_succeeded() {
    let fault = |status| {
        let facts = keyless_with(|f| inside(&mut f.signing_jobs[0].job).status = status);
        match blocked(&facts, "CS-PIPELINE", BOTH).problem {
            Some(Problem::Pipeline { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(CiStatus::Failed), PipelineFault::JobsFailed { jobs: vec!["release_image".into()] });
    assert_eq!(fault(CiStatus::Running), PipelineFault::NotEnded { status: "running".into() });
}

#[test]
fn a_run_address_of_another_project_blocks_even_when_its_job_was_looked_up() {
    let address = "https://gitlab.example.com/acme/shop/api/-/jobs/21";
    let mut facts = claiming(|i| i.run_invocation_uri = Some(address.into()));
    facts.signing_jobs[0].run_invocation_uri = address.into();
    inside(&mut facts.project).path.0 = "other/api".into();
    blocked(&facts, "CS-SIG-OTHER", BOTH);
}

#[test]
fn a_wrong_claim_is_wrong_even_when_the_job_could_not_be_looked_up() {
    let mut facts = claiming(|i| i.issuer = Some(format!("{ISSUER}/")));
    facts.signing_jobs[0].job = Looked::Unreachable(down(Service::Gitlab));
    let verdict = blocked(&facts, "CS-SIG-OTHER", BOTH);
    let problem = Problem::SigOther { digest: image_digest(), found: format!("{ISSUER}/"), expected: ISSUER.into() };
    assert_eq!(verdict.problem, Some(problem));
}

#[test]
fn the_signing_jobs_own_entry_is_used_among_several() {
    let mut facts = good_keyless_facts();
    let mut other = facts.signing_jobs[0].clone();
    other.run_invocation_uri = RUN.replace("21", "20");
    other.job = Looked::Absent;
    facts.signing_jobs.insert(0, other);
    passed(&facts);
}
