//! Every write against registries in this process, and everything that can go wrong with it.
#![cfg(test)]

mod attest;
mod copy;
mod key;
mod retag;

use std::time::Duration;

use super::registry::{Login, Settings as Way};
use super::*;
use crate::model::gitlab::{CommitSha, GitRef, InstanceName, ProjectId};
use crate::model::{Digest, Secret};
use crate::sandbox::registry::{Options, Referrers, RegistryDouble};
use crate::verdict::judge;
use crate::verdict::promotion::clear;
use crate::verdict::testing::{good_facts_about, good_policy, observed_promotion};

const REPOSITORY: &str = "shop/api";

fn production() -> EnvironmentName {
    EnvironmentName("production".into())
}

/// A clearance for an image: that of a verdict that passed.
fn clearance(image: &PinnedImage, environment: &str) -> Clearance {
    judge(&good_facts_about(image), &good_policy()).clear(&EnvironmentName(environment.into())).unwrap()
}

/// A clearance for production where it is only observed, and the environment before did not see the image.
fn observed_clearance(image: &PinnedImage) -> Clearance {
    let facts = observed_promotion(judge(&good_facts_about(image), &good_policy()));
    clear(&facts).unwrap().clearances.remove(0)
}

async fn double(referrers: Referrers) -> RegistryDouble {
    RegistryDouble::start("127.0.0.1:0", Options { referrers, ..Options::default() }).await.unwrap()
}

async fn with_api() -> RegistryDouble {
    double(Referrers::Api { page: 100 }).await
}

fn login(name: &str) -> Option<Login> {
    Some(Login { username: name.into(), password: Secret::new("s3cret").unwrap() })
}

fn way(double: &RegistryDouble) -> Way {
    Way { host: double.host(), login: None, token_hosts: vec![], plain_http: true, ca_pem: None }
}

fn repository(double: &RegistryDouble, path: &str) -> Repository {
    format!("{}/{path}", double.host()).parse().unwrap()
}

fn pinned(double: &RegistryDouble, digest: Digest) -> PinnedImage {
    PinnedImage { repository: repository(double, REPOSITORY), digest }
}

fn hands(registries: Vec<Way>, signing: Option<SigningSettings>) -> Hands {
    let limits = Limits { pause: Duration::from_millis(1), ..Limits::default() };
    Hands::new([]).with_promoter(Promoter::with_limits(Settings { registries, signing }, limits).unwrap())
}

async fn run(hands: &Hands, clearances: &[Clearance], act: &Act) -> Result<Left, NotDone> {
    let project = ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) };
    let place = Place { project: &project, promotion: &PromotionId("p1".into()), environment: &production(), step: 0 };
    hands.step(clearances, place, act, None).await
}

/// A step with the clearance it needs.
async fn step(hands: &Hands, image: &PinnedImage, act: &Act) -> Result<Left, NotDone> {
    run(hands, &[clearance(image, "production")], act).await
}

fn never<T: std::fmt::Debug>(outcome: Result<T, NotDone>, words: &str) {
    assert!(matches!(&outcome, Err(NotDone::Never(reason)) if reason.contains(words)), "{outcome:?} should never be done: {words}");
}

fn later<T: std::fmt::Debug>(outcome: Result<T, NotDone>, words: &str) {
    assert!(matches!(&outcome, Err(NotDone::Later(reason)) if reason.contains(words)), "{outcome:?} should be done later: {words}");
}

#[tokio::test]
async fn nothing_is_touched_without_a_clearance_for_this_image_and_environment() {
    let double = with_api().await;
    let image = pinned(&double, double.push_image(REPOSITORY, "v1", "one"));
    let other = pinned(&double, double.push_image(REPOSITORY, "v2", "two"));
    let elsewhere = PinnedImage { repository: repository(&double, "shop/web"), digest: image.digest };
    let hands = hands(vec![way(&double)], None);
    let wrong = [
        vec![],
        vec![clearance(&other, "production")],
        vec![clearance(&elsewhere, "production")],
        vec![clearance(&image, "staging")],
        vec![clearance(&image, "staging"), clearance(&other, "production")],
    ];
    let tag = || "production".to_owned();
    let values = || vec![("IMAGE".to_owned(), image.to_string())];
    let carrier = crate::model::environment::Carrier::Variables;
    let (pipeline, git_ref) = (crate::model::gitlab::PipelineId(9), GitRef::Tag("v1".into()));
    let acts = [
        Act::Retag { image: image.clone(), tag: tag() },
        Act::Copy { image: image.clone(), to: repository(&double, "prod/api"), tag: Some(tag()) },
        Act::Attest { image: image.clone(), summary: attest::summary() },
        Act::PlayJob { pipeline, job: "deploy".into(), carrier, values: values() },
        Act::StartPipeline { git_ref: git_ref.clone(), sha: None, carrier, values: values() },
    ];
    for clearances in &wrong {
        for act in &acts {
            never(run(&hands, clearances, act).await, "cleared for production");
        }
    }
    let sha: CommitSha = "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4".parse().unwrap();
    let deployment = |environment: &str| Act::Deployment {
        environment: EnvironmentName(environment.into()),
        sha: sha.clone(),
        git_ref: git_ref.clone(),
    };
    never(run(&hands, &[clearance(&image, "staging")], &deployment("production")).await, "nothing is cleared for production");
    never(step(&hands, &image, &deployment("staging")).await, "the step is for staging");
    assert_eq!(double.requests(), []);
}

#[test]
fn value_that_names_an_image_otherwise_than_by_digest_is_refused() {
    let digest = Digest::of(b"x");
    let good = format!("registry.example.com/shop/api@{digest}");
    assert_eq!(super::pinned(&good).unwrap().map(|image| image.to_string()), Some(good.clone()));
    for value in ["", "v1.8.2", "production", "https://countersign.example.com/p/1"] {
        assert_eq!(super::pinned(value), Ok(None), "{value}");
    }
    never(super::pinned("registry.example.com/shop/api:v1"), "names an image by a tag");
    for value in [digest.to_string(), format!("{good} "), format!("api@{digest}")] {
        never(super::pinned(&value), "no image by its digest");
    }
}
