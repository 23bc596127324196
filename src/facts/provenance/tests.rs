use serde_json::json;

use super::forms::TEXT;
use super::*;
use crate::facts::sigstore::Logged;
use crate::model::attestation::RunnerClaim;
use crate::model::gitlab::RunnerId;

/// What must never leave a statement.
const SECRET: &str = "glcbt-64_s3cr3t-job-token";
const SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const WEB: &str = "https://gitlab.example.com/shop/api";

fn ours() -> Digest {
    Digest::of(b"image")
}

fn moment(second: i64) -> crate::model::Timestamp {
    crate::model::Timestamp::from_second(second).unwrap()
}

fn statement(kind: &str, predicate_type: PredicateType, predicate: Value) -> Value {
    json!({"_type": kind, "predicateType": predicate_type.uri(), "predicate": predicate,
        "subject": [{"name": "registry.example.com/shop/api", "digest": {"sha256": ours().hex()}}]})
}

fn v1(predicate: Value) -> Value {
    statement(STATEMENTS[1], PredicateType::SlsaV1, predicate)
}

fn good(value: &Value) -> Provenance {
    let kind = PredicateType::ALL.into_iter().find(|kind| value["predicateType"] == kind.uri()).unwrap();
    let read = read(kind, value.to_string().as_bytes()).unwrap_or_else(|reason| panic!("{reason}: {value}"));
    let kept = format!("{read:?}{}", serde_json::to_string(&read).unwrap());
    assert!(!kept.contains("s3cr3t"), "{kept}");
    read
}

#[track_caller]
fn bad(text: &str, word: &str) {
    let error = read(PredicateType::SlsaV1, text.as_bytes()).unwrap_err();
    assert!(error.contains(word), "{error}");
}

/// GitLab's runner (`RUNNER_GENERATE_ARTIFACTS_METADATA`): every variable's name, the commit under `sha256`, the job's number.
fn runner_statement() -> Value {
    let predicate = json!({
        "buildDefinition": {
            "buildType": "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v18.4.0/PROVENANCE.md",
            "externalParameters": {"CI_JOB_TOKEN": SECRET, "CI_PIPELINE_ID": "", "entryPoint": "release_image", "source": WEB},
            "internalParameters": {"name": "release-02", "executor": "docker", "architecture": "amd64", "job": "21"},
            "resolvedDependencies": [{"uri": WEB, "digest": {"sha256": SHA}}]
        },
        "runDetails": {
            "builder": {"id": format!("{WEB}/-/runners/2")},
            "metadata": {"invocationId": "21", "startedOn": "2026-05-04T13:31:00Z", "finishedOn": "2026-05-04T13:41:00Z"}
        }
    });
    statement(STATEMENTS[0], PredicateType::SlsaV1, predicate)
}

/// GitLab's level-3 attestation: variables with their values.
fn l3_statement() -> Value {
    v1(json!({
        "buildDefinition": {
            "buildType": "https://docs.gitlab.com/ci/pipeline_security/slsa/provenance_v1",
            "externalParameters": {"source": WEB, "entryPoint": "release_image",
                "variables": {"CI_JOB_TOKEN": SECRET, "DEPLOY_KEY": "[MASKED]", "CI_COMMIT_SHA": SHA}},
            "internalParameters": {"job": 21, "executor": "docker", "CI_REGISTRY_PASSWORD": SECRET},
            "resolvedDependencies": [{"uri": WEB, "digest": {"gitCommit": SHA}}]
        },
        "runDetails": {"builder": {"id": format!("{WEB}/-/runners/2")}, "metadata": {"invocationId": "21"}}
    }))
}

/// What `countersign provenance` makes, with a login in an address as `CI_REPOSITORY_URL` has it.
fn cosign_statement() -> Value {
    let predicate = json!({
        "buildDefinition": {
            "buildType": "https://countersign.dev/gitlab-job/v1",
            "externalParameters": {"source": format!("https://gitlab-ci-token:{SECRET}@gitlab.example.com/shop/api.git"), "entryPoint": "release_image"},
            "internalParameters": {"pipeline": "88213"},
            "resolvedDependencies": [
                {"uri": format!("git+{WEB}.git@refs/tags/v1.8.2"), "digest": {"gitCommit": SHA}},
                {"uri": "pkg:docker/debian@12-slim?platform=linux%2Famd64", "digest": {"sha256": Digest::of(b"base").hex()}},
                {"uri": format!("https://files.example.com/a.tgz?token={SECRET}"), "digest": {"sha256": Digest::of(b"file").hex()}}
            ]
        },
        "runDetails": {
            "builder": {"id": format!("{WEB}/-/runners/2")},
            "metadata": {"invocationId": format!("{WEB}/-/jobs/21?job_token={SECRET}#{SECRET}")}
        }
    });
    statement(STATEMENTS[0], PredicateType::SlsaV1, predicate)
}

fn v02_statement() -> Value {
    let predicate = json!({
        "builder": {"id": format!("{WEB}/-/runners/2")},
        "buildType": "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/v15.0.0/PROVENANCE.md",
        "invocation": {
            "configSource": {"uri": WEB, "digest": {"sha256": SHA}, "entryPoint": "release_image"},
            "environment": {"CI_JOB_TOKEN": SECRET, "name": "release-02"},
            "parameters": {"CI_JOB_TOKEN": SECRET}
        },
        "metadata": {"buildInvocationId": format!("{WEB}/-/pipelines/88213")},
        "materials": [{"uri": WEB, "digest": {"sha1": SHA}}, {"uri": format!("docker://debian:12-slim@{}", Digest::of(b"base"))}]
    });
    statement(STATEMENTS[0], PredicateType::SlsaV02, predicate)
}

#[test]
fn the_runners_statement_is_read_with_its_quirks() {
    let read = good(&runner_statement());
    assert_eq!((read.subjects, read.job, read.job_name.as_deref()), (vec![ours()], Some(JobId(21)), Some("release_image")));
    assert_eq!(read.runner, Some(RunnerClaim { project: WEB.into(), id: RunnerId(2) }));
    let commits: Vec<_> = read.sources.iter().map(|source| (source.uri.as_str(), source.commit.as_ref().map(CommitSha::as_str))).collect();
    assert_eq!(commits, [(WEB, None), (WEB, Some(SHA))]);
}

#[test]
fn gitlabs_own_statement_is_read_without_its_variables() {
    let read = good(&l3_statement());
    assert_eq!((read.job, read.predicate_type), (Some(JobId(21)), PredicateType::SlsaV1));
    assert_eq!(read.sources[1].commit.as_ref().map(CommitSha::as_str), Some(SHA));
}

#[test]
fn addresses_lose_logins_and_queries_and_files_are_no_repositories() {
    let read = good(&cosign_statement());
    assert_eq!((read.job, read.pipeline, read.run_in.as_deref()), (Some(JobId(21)), Some(PipelineId(88213)), Some(WEB)));
    let uris: Vec<_> = read.sources.iter().map(|source| source.uri.as_str()).collect();
    assert_eq!(uris, ["https://gitlab.example.com/shop/api.git", "git+https://gitlab.example.com/shop/api.git@refs/tags/v1.8.2"]);
    assert_eq!(read.images, [ImageUsed { name: Some("debian:12-slim".into()), digest: Digest::of(b"base") }]);
}

#[test]
fn version_0_2_is_read() {
    let read = good(&v02_statement());
    assert_eq!((read.job, read.pipeline, read.job_name.as_deref()), (None, Some(PipelineId(88213)), Some("release_image")));
    assert_eq!(read.sources.len(), 2);
    assert_eq!(read.images, [ImageUsed { name: Some("debian:12-slim".into()), digest: Digest::of(b"base") }]);
}

#[test]
fn images_are_named_in_every_form() {
    let digest = Digest::of(b"base");
    let of = |uri: &str| Resource { uri: Some(uri.into()), digest: BTreeMap::from([("sha256".into(), digest.hex())]), entry_point: None };
    for (uri, name) in [
        ("pkg:docker/library/debian@12-slim", "library/debian:12-slim"),
        ("pkg:docker/ghcr.io/acme/base@v1?platform=linux%2Farm64", "ghcr.io/acme/base:v1"),
        ("pkg:docker/debian", "debian"),
        ("docker://debian:12", "debian:12"),
        ("oci://registry.example.com:5000/base:1", "registry.example.com:5000/base:1"),
    ] {
        assert_eq!(of(uri).image(), Some(Some(ImageUsed { name: Some(name.into()), digest })), "{uri}");
        assert_eq!(Resource { digest: BTreeMap::new(), ..of(uri) }.image(), Some(None), "{uri}");
    }
    let oci = format!("pkg:oci/debian@sha256%3A{}?repository_url=docker.io/library/debian&tag=12-slim", digest.hex());
    let undigested = Resource { digest: BTreeMap::new(), ..of(&oci) };
    assert_eq!(undigested.image(), Some(Some(ImageUsed { name: Some("docker.io/library/debian:12-slim".into()), digest })));
    assert_eq!(of("https://example.com/x").image(), None);
    // Of hashes that are no sha256 in lower case nothing is believed.
    let upper = Resource { digest: BTreeMap::from([("sha256".into(), digest.hex().to_uppercase())]), ..of("docker://debian:12") };
    assert_eq!(upper.image(), Some(None));
}

#[test]
fn other_types_and_broken_statements_are_no_provenance() {
    let good = l3_statement();
    let change = |path: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(path).unwrap() = value;
        changed.to_string()
    };
    bad(&change("/_type", json!("https://in-toto.io/Statement/v2")), "not of the types");
    bad(&change("/predicateType", json!("https://slsa.dev/provenance/v1/")), "not of the types");
    bad(&change("/predicateType", json!("https://slsa.dev/provenance/v0.2")), "not of the types");
    bad(&change("/subject", json!([])), "no sha256 subject");
    bad(&change("/subject", json!([{"digest": {"sha512": "00"}}])), "no sha256 subject");
    bad(&change("/subject/0/digest/sha256", json!(ours().hex().to_uppercase())), "no sha256 subject");
    bad(&change("/predicate", json!({})), "provenance");
    bad(&change("/predicate/runDetails/builder", json!({})), "provenance");
    bad(&change("/predicate/runDetails/builder/id", json!("")), "no builder");
    bad(&change("/predicate/buildDefinition/buildType", json!("x y")), "no build type");
    bad(&change("/predicate/buildDefinition/internalParameters/job", json!("22")), "two jobs");
    bad(&good.to_string().replacen("\"source\"", "\"entryPoint\":\"x\",\"source\"", 1), "stands twice");
    bad(&"[".repeat(1000), "provenance");
    bad(&" ".repeat(STATEMENT + 1), "larger");
    let many: Vec<_> = (0..=KEPT).map(|n| json!({"uri": format!("docker://x:{n}"), "digest": {"sha256": ours().hex()}})).collect();
    bad(&change("/predicate/buildDefinition/resolvedDependencies", json!(many)), "more than 64");
    // What other builders put there instead is not ours to judge; long texts are not kept.
    for (path, value) in [
        ("/predicate/buildDefinition/externalParameters/source", json!({"a": [1]})),
        ("/predicate/runDetails/metadata/invocationId", json!({})),
        ("/predicate/buildDefinition/externalParameters/entryPoint", json!("x".repeat(TEXT + 1))),
    ] {
        assert!(read(PredicateType::SlsaV1, change(path, value).as_bytes()).is_ok(), "{path}");
    }
}

#[test]
fn only_provenance_is_taken_from_what_was_judged() {
    let judged = |predicate_type: &str, statement: &str| Judged {
        content: Content::Attestation { predicate_type: predicate_type.into(), statement: statement.as_bytes().to_vec() },
        state: SignatureState::NotOurs { hint: None },
        logged: Logged { logged: true, unread: false, signed_at: Some(moment(1)), latest: Some(moment(2)), log_index: None },
    };
    let text = l3_statement().to_string();
    let found = attested(judged(PredicateType::SlsaV1.uri(), &text), AttestedAt::Gitlab).unwrap();
    assert_eq!((found.state, found.says.is_some()), (SignatureState::NotOurs { hint: None }, true));
    assert_eq!(
        found.proven,
        Proven { logged: true, unread: false, times: Some((moment(1), moment(2))) },
        "what is proven goes to the verdict whole"
    );
    let broken = attested(judged(PredicateType::SlsaV1.uri(), "{}"), AttestedAt::Gitlab).unwrap();
    assert!(matches!((broken.state, broken.says), (SignatureState::Unreadable { .. }, None)));
    assert_eq!(broken.proven, Proven::default());
    for other in ["https://slsa.dev/provenance/v1.1", "https://slsa.dev/provenance/V1", "https://spdx.dev/Document", ""] {
        assert_eq!(attested(judged(other, &text), AttestedAt::Gitlab), None, "{other}");
    }
    // It may be provenance, so that it is not "none".
    let unknown = attested(Judged::unreadable("x".into()), AttestedAt::Gitlab).unwrap();
    assert_eq!((unknown.state, unknown.says), (SignatureState::Unreadable { reason: "x".into() }, None));
}

/// Provenance that builders in the field wrote.
#[test]
fn real_statements_are_read() {
    let shared = std::env::var("COUNTERSIGN_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let folder = std::path::Path::new(&shared).join("real-bundles");
    if !folder.exists() {
        use std::io::Write as _;
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is not there: set COUNTERSIGN_SHARED", folder.display());
        let _ = writeln!(std::io::stderr(), "NOT RUN: real provenance statements, because {} is not there", folder.display());
        return;
    }
    let commits = |file: &str, kind: PredicateType| {
        let bundle: Value = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
        let payload = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap();
        read(kind, &payload)
    };
    // The subjects of npm are sha512.
    for (file, kind) in [
        ("sigstore-go/sigstore.js@2.0.0-provenance.sigstore.json", PredicateType::SlsaV1),
        ("sigstore-go/dsse.sigstore.json", PredicateType::SlsaV02),
    ] {
        assert!(commits(file, kind).unwrap_err().contains("no sha256 subject"), "{file}");
    }
    let file = "slsa-verifier/binary-linux-amd64-workflow_dispatch.intoto.sigstore";
    let read = commits(file, PredicateType::SlsaV1).unwrap();
    let found: Vec<_> = read.sources.iter().filter_map(|source| source.commit.as_ref()).map(ToString::to_string).collect();
    assert_eq!(found, ["62cb1f1e485829bafe8bbec8b9900c0cb7624fe7"], "{read:?}");
}
