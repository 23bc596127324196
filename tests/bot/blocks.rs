//! What blocks a release, each with its code everywhere the team looks.

use countersign::model::Digest;
use countersign::model::gitlab::GitRef;
use countersign::sandbox::authority::{Claims, San};
use countersign::sandbox::gitlab::state::{JobEnd, NewPipeline};
use countersign::sandbox::registry::Fault;
use countersign::sandbox::shop::IMAGE;

use super::*;

/// Section, status and sticky note say this code, and nothing says that anything is verified.
async fn blocked(world: &World, code: &str) {
    let section = world.section_says(TAG, code).await;
    let said = world.status_is(TAG, "failed").await;
    let note = world.sticky_says(code).await;
    assert!(said.contains(code), "{said}");
    assert!(section.contains("**Blocked: ") && section.contains("**What to do:** "), "{section}");
    assert!(note.contains("### Blocked: ") && note.contains("Countersign changed nothing and deployed nothing."), "{note}");
    assert!(!note.contains("Image verified") && !said.contains("Verified"), "{note}\n{said}");
    let (reply, reactions) = world.answer("/verify v1.8.2").await;
    assert!(reply.contains("**Blocked: ") && reactions.contains(&"x".to_owned()), "{reply}");
}

/// A release that passed.
async fn passed(signing: Signing) -> (World, Digest) {
    let world = Setup::new(signing).rechecks().start().await;
    let (_, digest) = world.release(TAG).unwrap();
    world.publish(TAG);
    world.status_is(TAG, "success").await;
    world.sticky_says("### Image verified").await;
    (world, digest)
}

#[tokio::test]
async fn a_moved_registry_tag_blocks_until_it_is_put_back() {
    let (world, digest) = passed(Signing::Keyless).await;
    world.move_tag(TAG);
    blocked(&world, "CS-TAG-MOVED").await;
    let section = world.section_says(TAG, "CS-TAG-MOVED").await;
    assert!(section.contains(&digest.short()), "the image that was built is named: {section}");
    world.restore_tag(TAG).unwrap();
    world.status_is(TAG, "success").await;
    world.sticky_says("### Image verified").await;
}

#[tokio::test]
async fn a_removed_signature_blocks() {
    let (world, digest) = passed(Signing::LegacyKey).await;
    world.registry.delete_tag(IMAGE, &format!("sha256-{}.sig", digest.hex()));
    blocked(&world, "CS-SIG-MISSING").await;
}

/// Its tag still names it.
#[tokio::test]
async fn an_image_that_is_gone_is_not_called_unsigned() {
    let (world, digest) = passed(Signing::LegacyKey).await;
    world.registry.fault(&format!("GET /v2/*/manifests/{digest}"), Fault::Status(404));
    blocked(&world, "CS-TAG-MISSING").await;
    let section = world.section_says(TAG, "CS-TAG-MISSING").await;
    assert!(section.contains("holds no image"), "{section}");
}

#[tokio::test]
async fn a_tag_that_lost_its_protection_blocks() {
    let (world, _) = passed(Signing::BundleKey).await;
    world.gitlab.world().unprotect_tags(world.project, "v*");
    blocked(&world, "CS-REF-UNPROTECTED").await;
}

#[tokio::test]
async fn a_required_job_that_failed_afterwards_blocks() {
    let (world, _) = passed(Signing::BundleKey).await;
    {
        let mut gitlab = world.gitlab.world();
        let pipeline = gitlab.pipelines.values().rev().find(|held| held.tag()).unwrap().id;
        let test = gitlab.job_named(pipeline, "test");
        let again = gitlab.retry_job(test, world.rita);
        gitlab.finish_job(again, JobEnd::failed());
    }
    blocked(&world, "CS-PIPELINE").await;
}

#[tokio::test]
async fn an_image_signed_with_a_developers_key_blocks() {
    let world = World::start(Signing::BundleKey).await;
    let (pipeline, _) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    world.sign_legacy(&world.laptop_key, digest).unwrap();
    world.finish(pipeline, Some(digest));
    world.publish(TAG);
    blocked(&world, "CS-SIG-OTHER").await;
}

#[tokio::test]
async fn an_image_built_on_a_laptop_blocks() {
    let world = World::start(Signing::Keyless).await;
    world.push_from_laptop(TAG).unwrap();
    world.publish(TAG);
    let section = world.section_says(TAG, "CS-SIG-OTHER").await;
    assert!(section.contains("**Blocked: "), "{section}");
    world.status_is(TAG, "failed").await;
}

#[tokio::test]
async fn an_unprotected_tag_blocks() {
    let world = World::start(Signing::Keyless).await;
    world.gitlab.world().unprotect_tags(world.project, "v*");
    world.release(TAG).unwrap();
    world.publish(TAG);
    blocked(&world, "CS-REF-UNPROTECTED").await;
}

#[tokio::test]
async fn a_pipeline_without_the_release_job_blocks() {
    let world = World::start(Signing::BundleKey).await;
    {
        let mut gitlab = world.gitlab.world();
        gitlab.project_mut(world.project).ci.retain(|job| job.name != "release_image");
        let pipeline = gitlab.push_tag(world.project, TAG, &world.commit, world.rita).unwrap();
        drop(gitlab);
        let digest = world.build(TAG, pipeline);
        let bundle = world.authority.sign_bundle_with_key(&world.release_key, &world.pinned(digest)).unwrap();
        world.registry.attach_bundle(IMAGE, digest, &bundle);
        world.gitlab.world().pass_pipeline(pipeline);
    }
    world.publish(TAG);
    blocked(&world, "CS-PIPELINE").await;
}

#[tokio::test]
async fn a_pipeline_that_a_person_started_blocks() {
    let world = World::start(Signing::BundleKey).await;
    let (pipeline, job) = {
        let mut gitlab = world.gitlab.world();
        let jobs = std::mem::take(&mut gitlab.project_mut(world.project).ci);
        gitlab.push_tag(world.project, TAG, &world.commit, world.rita);
        let new = NewPipeline { source: "web", git_ref: GitRef::Tag(TAG.into()), by: world.rita, jobs };
        let pipeline = gitlab.start_pipeline(world.project, new);
        let test = gitlab.job_named(pipeline, "test");
        gitlab.finish_job(test, JobEnd::success());
        (pipeline, gitlab.job_named(pipeline, "release_image"))
    };
    let digest = world.build(TAG, pipeline);
    world.sign(digest, job, TAG).unwrap();
    world.finish(pipeline, Some(digest));
    world.publish(TAG);
    blocked(&world, "CS-SOURCE").await;
}

#[tokio::test]
async fn a_second_build_of_a_commit_blocks_and_the_first_stays_passed() {
    let world = World::start(Signing::Keyless).await;
    world.release("v1.8.1").unwrap();
    world.publish("v1.8.1");
    world.status_is("v1.8.1", "success").await;
    world.release(TAG).unwrap();
    world.publish(TAG);
    blocked(&world, "CS-REBUILT").await;
}

#[tokio::test]
async fn a_digest_file_that_names_another_image_blocks() {
    let world = World::start(Signing::BundleKey).await;
    let (pipeline, job) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    world.sign(digest, job, TAG).unwrap();
    world.finish(pipeline, Some(Digest::of(b"another image")));
    world.publish(TAG);
    blocked(&world, "CS-DIGEST-FILE").await;
}

#[tokio::test]
async fn a_commit_tag_that_names_another_image_blocks() {
    let world = World::start(Signing::BundleKey).await;
    let (pipeline, job) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    world.sign(digest, job, TAG).unwrap();
    world.registry.push_image(IMAGE, world.commit.short(), "another image");
    world.finish(pipeline, Some(digest));
    world.publish(TAG);
    blocked(&world, "CS-TAG-SPLIT").await;
}

/// Makes one claim of an honest certificate wrong.
type Lie = fn(&mut Claims);

#[tokio::test]
async fn every_claim_of_a_keyless_certificate_counts() {
    let lies: [(&str, &str, Lie); 19] = [
        ("another project's id", "CS-PROJECT", |c| c.source_repository_identifier = Some("4711".into())),
        ("no project id", "CS-PROJECT", |c| c.source_repository_identifier = None),
        ("another namespace's id", "CS-PROJECT", |c| c.source_repository_owner_identifier = Some("4711".into())),
        ("another issuer", "CS-SIG-OTHER", |c| {
            c.issuer = Some("https://gitlab.evil.test".into());
            c.legacy_issuer = c.issuer.clone();
        }),
        ("another project's file", "CS-SIG-OTHER", |c| {
            c.sans = vec![San::Uri("https://127.0.0.1/shop/web//.gitlab-ci.yml@refs/tags/v2.0.0".into())];
        }),
        ("a longer SAN", "CS-SIG-OTHER", |c| {
            let Some(San::Uri(uri)) = c.sans.first() else { unreachable!() };
            c.sans = vec![San::Uri(format!("{uri}.1"))];
        }),
        ("an e-mail address", "CS-SIG-OTHER", |c| c.sans = vec![San::Email("rita@example.com".into())]),
        ("another build signer", "CS-SIG-OTHER", |c| c.build_signer_uri = Some("https://127.0.0.1/other//ci.yml@refs/heads/main".into())),
        ("another build file", "CS-SIG-OTHER", |c| c.build_config_uri = None),
        ("a branch", "CS-SIG-OTHER", |c| c.source_repository_ref = Some("refs/heads/main".into())),
        ("another tag", "CS-SIG-OTHER", |c| c.source_repository_ref = Some("refs/tags/v1".into())),
        ("no ref", "CS-SIG-OTHER", |c| c.source_repository_ref = None),
        ("another commit", "CS-COMMIT", |c| c.source_repository_digest = Some("a".repeat(40))),
        ("no commit", "CS-COMMIT", |c| c.source_repository_digest = None),
        ("started by hand", "CS-SOURCE", |c| c.build_trigger = Some("web".into())),
        ("started by a merge request", "CS-SOURCE", |c| c.build_trigger = Some("merge_request_event".into())),
        ("a job that does not exist", "CS-SIG-OTHER", |c| c.run_invocation_uri = Some("https://127.0.0.1/shop/api/-/jobs/999999".into())),
        ("another project's job", "CS-SIG-OTHER", |c| {
            c.run_invocation_uri = c.run_invocation_uri.as_ref().map(|uri| uri.replace("/shop/api/", "/shop/web/"));
        }),
        ("no job", "CS-SIG-OTHER", |c| c.run_invocation_uri = None),
    ];
    let world = World::start(Signing::Keyless).await;
    for (number, (what, code, lie)) in lies.into_iter().enumerate() {
        let tag = format!("v2.0.{number}");
        let (pipeline, job) = world.push_tag(&tag);
        let digest = world.build(&tag, pipeline);
        let mut claims = world.claims(job, &tag);
        lie(&mut claims);
        world.sign_claiming(digest, &claims).unwrap();
        world.publish(&tag);
        world.finish(pipeline, Some(digest));
        let section = until(what, || world.release_text(&tag).filter(|text| text.contains("countersign:release:end"))).await;
        assert!(section.contains("**Blocked: ") && section.contains(code), "{what} is no {code}: {section}");
        world.status_is(&tag, "failed").await;
    }
    // The same with nothing wrong passes: it was the claims.
    world.release("v3.0.0").unwrap();
    world.status_is("v3.0.0", "success").await;
}

#[tokio::test]
async fn a_signature_by_another_job_of_the_same_pipeline_blocks() {
    let world = World::start(Signing::Keyless).await;
    let (pipeline, _) = world.push_tag(TAG);
    let digest = world.build(TAG, pipeline);
    let test = world.gitlab.world().job_named(pipeline, "test");
    world.sign_claiming(digest, &world.claims(test, TAG)).unwrap();
    world.finish(pipeline, Some(digest));
    world.publish(TAG);
    blocked(&world, "CS-SIG-OTHER").await;
}

#[tokio::test]
async fn of_two_images_one_that_is_blocked_blocks_the_release_and_both_are_shown() {
    let setup = Setup::new(Signing::BundleKey).toml(
        "image = \"{host}/shop/api\"",
        "image = [\"{host}/shop/api\", { repository = \"{host}/shop/worker\", digest_file = \"worker-digest.txt\" }]",
    );
    let world = setup.start().await;
    let (pipeline, job) = world.push_tag(TAG);
    let api = world.build(TAG, pipeline);
    world.sign(api, job, TAG).unwrap();
    let worker = world.registry.push_image("shop/worker", TAG, "a worker");
    world.registry.tag("shop/worker", world.commit.short(), worker);
    let end = JobEnd::success().artifact("image-digest.txt", format!("{api}\n")).artifact("worker-digest.txt", format!("{worker}\n"));
    world.gitlab.world().finish_job(job, end);
    world.publish(TAG);

    let said = world.status_is(TAG, "failed").await;
    let section = world.section_says(TAG, "CS-SIG-MISSING").await;
    let note = world.sticky_says("CS-SIG-MISSING").await;
    assert!(section.contains("### `shop/api`") && section.contains("### `shop/worker`"), "{section}");
    for text in [&section, &note] {
        assert!(text.contains(&worker.short()) || text.contains("shop/worker"), "{text}");
        assert!(text.contains(&api.to_string()), "the image that passed is shown as well: {text}");
    }
    assert!(said.starts_with("2 images: "), "{said}");

    let pinned = countersign::model::PinnedImage {
        repository: countersign::model::Repository { registry: world.registry.host(), path: "shop/worker".into() },
        digest: worker,
    };
    let bundle = world.authority.sign_bundle_with_key(&world.release_key, &pinned).unwrap();
    world.registry.attach_bundle("shop/worker", worker, &bundle);
    world.gitlab.world().update_release(world.project, TAG, Some("1.8.2 with its worker"), None);
    world.status_is(TAG, "success").await;
}
