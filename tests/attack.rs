//! What an attacker tries on the whole bot: somebody with a right too few, in a world that is as it is outside.

#![allow(clippy::unwrap_used)] // a test ends where a value is missing

use std::sync::Arc;

use countersign::bot::{Bot, Handled};
use countersign::cli::serve::assemble;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::event::{Hint, Origin, What};
use countersign::model::Timestamp;
use countersign::model::gitlab::{GitRef, InstanceName, ProjectKey};
use countersign::sandbox::authority::{Claims, GitlabJob};
use countersign::sandbox::gitlab::state::Level;
use countersign::sandbox::shop::{IMAGE, Shop, Signing};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{About, Outcome, Question, Verdict};

const TAG: &str = "v1.8.2";

/// The shop and a bot that does only what a test tells it.
struct Stage {
    shop: Shop,
    bot: Bot,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set(signing: Signing) -> Self {
        Self::configured(signing, "").await
    }

    /// With more lines in `bot.toml`.
    async fn configured(signing: Signing, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop::open(signing, None).await.unwrap();
        let file = shop.write_configuration(folder.path()).unwrap();
        std::fs::write(&file, format!("{}\n{more}", shop.bot_toml("store"))).unwrap();
        let config = Config::load(&file).unwrap();
        let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
        let bot = assemble(&config, ledger, &Arc::new(Metrics::default())).unwrap();
        Self { shop, bot, _folder: folder }
    }

    fn key(&self) -> ProjectKey {
        ProjectKey { instance: InstanceName("main".into()), id: self.shop.project }
    }

    async fn hint(&self, what: What) -> Handled {
        self.bot.handle(&Hint { project: self.key(), what, origin: Origin::CatchUp, received_at: Timestamp::now() }).await
    }

    async fn tag_hint(&self, tag: &str) -> Handled {
        self.hint(What::Tag { name: tag.into() }).await
    }

    async fn judge(&self, about: About) -> Verdict {
        let rule = &self.bot.rules[0];
        let question = Question { project: rule.watched.clone(), image: rule.watched.images[0].clone(), about, asking_job: None };
        self.bot.verify(&question, &rule.policy).await.unwrap().verdict
    }

    async fn release(&self, tag: &str) -> Verdict {
        self.judge(About::Release { tag: tag.into() }).await
    }
}

fn outcome(verdict: &Verdict) -> (Outcome, Option<&'static str>) {
    (verdict.outcome, verdict.code())
}

const PASSED: (Outcome, Option<&str>) = (Outcome::Passed, None);

#[tokio::test]
async fn an_honest_release_passes() {
    for signing in [Signing::LegacyKey, Signing::BundleKey, Signing::Keyless] {
        let stage = Stage::set(signing).await;
        stage.shop.release(TAG).unwrap();
        assert_eq!(outcome(&stage.release(TAG).await), PASSED, "{signing:?}");
    }
}

/// A developer releases while nobody protects the tag; the operator then does what the blocked verdict says, and protects it.
/// The image was still built where anybody could push (SR-16: protected then and now).
#[tokio::test]
async fn an_image_of_an_unprotected_tag_does_not_pass_because_the_tag_is_protected_later() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.gitlab.world().unprotect_tags(stage.shop.project, "v*");
    stage.shop.release(TAG).unwrap();
    assert_eq!(outcome(&stage.release(TAG).await), (Outcome::Blocked, Some("CS-REF-UNPROTECTED")));
    stage.shop.gitlab.world().protect_tags(stage.shop.project, "v*", Level::Maintainer);
    assert_eq!(outcome(&stage.release(TAG).await), (Outcome::Blocked, Some("CS-REF-UNPROTECTED")));
}

/// Built again after the tag was protected, it passes: that is the way out that the message names.
#[tokio::test]
async fn a_new_pipeline_on_the_tag_that_is_protected_now_passes() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.gitlab.world().unprotect_tags(stage.shop.project, "v*");
    stage.shop.release(TAG).unwrap();
    assert_eq!(stage.release(TAG).await.outcome, Outcome::Blocked);
    stage.shop.gitlab.world().protect_tags(stage.shop.project, "v*", Level::Maintainer);
    stage.shop.gitlab.world().delete_tag(stage.shop.project, TAG, stage.shop.rita);
    stage.shop.release(TAG).unwrap();
    assert_eq!(outcome(&stage.release(TAG).await), PASSED);
}

/// With policy as soft as it may be, somebody who can push to the registry only puts an older signed image under the new release's
/// two tags. Our own record knows that this digest was made of another commit.
#[tokio::test]
async fn an_older_signed_image_is_not_passed_off_as_a_new_release() {
    let stage = Stage::configured(Signing::LegacyKey, "[policy]\ndigest_file = \"off\"\nbuilt_by = \"commit-tag\"\n").await;
    let (_, old) = stage.shop.release(TAG).unwrap();
    assert_eq!(stage.release(TAG).await.outcome, Outcome::Passed);
    let commit = stage.shop.gitlab.world().push_commit(stage.shop.project, "main", stage.shop.rita, "Fix the hole");
    let (pipeline, _) = stage.shop.push_tag_on("v1.8.3", &commit);
    stage.shop.finish(pipeline, None);
    for tag in ["v1.8.3", commit.short()] {
        stage.shop.registry.tag(IMAGE, tag, old);
    }
    assert_ne!(stage.release("v1.8.3").await.outcome, Outcome::Passed);
}

/// While a job of the release pipeline runs, such as the deployment, a moved tag is told all the same: that is when it matters.
#[tokio::test]
async fn a_tag_moved_while_a_deploy_job_runs_is_told() {
    let stage = Stage::set(Signing::Keyless).await;
    let (pipeline, _) = stage.shop.release(TAG).unwrap();
    stage.tag_hint(TAG).await;
    assert_eq!(stage.shop.status(TAG).unwrap().0, "success");
    {
        let mut world = stage.shop.gitlab.world();
        let project = stage.shop.project;
        world.project_mut(project).ci.clear();
        let deploy = world.job_named(pipeline, "test");
        let again = world.retry_job(deploy, stage.shop.rita);
        world.run_job(again, None);
    }
    stage.shop.move_tag(TAG);
    stage.tag_hint(TAG).await;
    let notes = stage.shop.bot_notes();
    assert!(notes.iter().any(|note| note.contains("CS-TAG-MOVED")), "{notes:#?}");
    assert_eq!(stage.shop.status(TAG).unwrap().0, "failed");
}

/// A developer may push tags that are no releases. Fifty young ones hide the releases from the catch-up poll, and with them the
/// tag that is moved next.
#[tokio::test]
async fn junk_tags_do_not_hide_the_releases_from_the_catch_up() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.release(TAG).unwrap();
    {
        let mut world = stage.shop.gitlab.world();
        for number in 0..60 {
            world.push_tag(stage.shop.project, &format!("junk-{number}"), &stage.shop.commit, stage.shop.dana);
        }
    }
    let found = stage.bot.catch_up().await;
    let hinted = found.iter().flat_map(|round| &round.hints).any(|hint| hint.what == What::Tag { name: TAG.into() });
    assert!(hinted, "{found:?}");
}

/// One list that GitLab does not give, or that somebody made too long, does not stop the others.
#[tokio::test]
async fn a_list_that_cannot_be_read_does_not_stop_the_rest_of_the_catch_up() {
    for list in ["/projects/*/merge_requests", "/projects/*/pipelines"] {
        let stage = Stage::set(Signing::Keyless).await;
        stage.shop.release(TAG).unwrap();
        stage.shop.gitlab.fault("GET", list, countersign::sandbox::gitlab::Fault::Status(403));
        let found = stage.bot.catch_up().await;
        let hinted = found.iter().flat_map(|round| &round.hints).any(|hint| hint.what == What::Tag { name: TAG.into() });
        assert!(hinted, "{list}: {found:?}");
    }
}

/// After weeks of silence the lists since then are longer than we read; a cursor that old must not stop the poll for ever.
#[tokio::test]
async fn an_old_cursor_does_not_ask_for_weeks() {
    let stage = Stage::set(Signing::Keyless).await;
    let weeks = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 30);
    stage.bot.ledger.set_cursor(&stage.key(), weeks).await.unwrap();
    stage.bot.catch_up().await;
    let asked: Vec<_> = stage.shop.gitlab.requests().into_iter().filter(|r| r.path.contains("updated_after")).map(|r| r.path).collect();
    assert!(!asked.is_empty());
    let old = weeks.strftime("%Y-%m-").to_string();
    assert!(!asked.iter().any(|path| path.contains(&format!("updated_after={old}"))), "{asked:#?}");
}

/// Whoever pushes to the registry attaches signatures of pipelines of their own, certified by the same Fulcio: the honest one
/// still counts, however many they are.
#[tokio::test]
async fn signatures_of_strangers_do_not_crowd_out_the_one_that_counts() {
    let stage = Stage::set(Signing::Keyless).await;
    let (pipeline, job) = stage.shop.push_tag(TAG);
    let digest = stage.shop.build(TAG, pipeline);
    let image = stage.shop.pinned(digest);
    for number in 0..40 {
        let theirs = GitlabJob { project: "evil/project".into(), project_id: 666, job_id: 100_000 + number, ..GitlabJob::default() };
        let bundle = stage.shop.authority.sign_bundle_keyless(&image, &Claims::of(&theirs), Timestamp::now()).unwrap();
        stage.shop.registry.attach_bundle(IMAGE, digest, &bundle);
    }
    stage.shop.sign(digest, job, TAG).unwrap();
    stage.shop.finish(pipeline, Some(digest));
    assert_eq!(outcome(&stage.release(TAG).await), PASSED);
}

/// The bot's membership ends: GitLab then answers 404 as if there were no project. That says nothing about tags or images.
#[tokio::test]
async fn a_project_that_is_hidden_from_us_could_not_be_checked() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.release(TAG).unwrap();
    stage.shop.gitlab.world().remove_member(stage.shop.project, stage.shop.bot);
    let verdict = stage.release(TAG).await;
    assert_eq!(verdict.outcome, Outcome::CouldNotCheck, "{:?}", verdict.problem);
}

/// An open merge request that contains the release's commit, of whoever likes, did not bring the commit: its approvals are no
/// approvals of the release, and no note of ours belongs there.
#[tokio::test]
async fn an_open_merge_request_did_not_bring_the_release() {
    let stage = Stage::set(Signing::Keyless).await;
    let theirs = {
        let mut world = stage.shop.gitlab.world();
        let mallory = world.add_user("mallory");
        world.add_member(stage.shop.project, mallory, Level::Developer);
        world.push_commit(stage.shop.project, "mine", mallory, "Mine");
        let key = world.open_merge_request(stage.shop.project, "mine", mallory, "Reviewed by everybody");
        let held = world.merge_request_mut(key);
        held.target_branch = "old-stable".into();
        held.commits.push(stage.shop.commit.clone());
        world.approve(key, mallory);
        key
    };
    stage.shop.release(TAG).unwrap();
    stage.shop.publish(TAG);
    stage.tag_hint(TAG).await;
    let section = stage.shop.release_text(TAG).unwrap();
    assert!(section.contains("Shipped image") && !section.contains("mallory"), "{section}");
    let world = stage.shop.gitlab.world();
    let spoke = world.merge_request(theirs).notes().any(|(_, note)| note.author == stage.shop.bot);
    assert!(!spoke, "the bot wrote into a stranger's merge request");
}

/// A developer pushes, deletes and pushes again a branch that is named like the tag, at the release's commit: GitLab lists its
/// pipelines beside the tag's own.
#[tokio::test]
async fn pipelines_of_a_branch_named_like_the_tag_do_not_stop_the_release() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.release(TAG).unwrap();
    {
        let mut world = stage.shop.gitlab.world();
        for _ in 0..25 {
            world.move_branch(stage.shop.project, TAG, stage.shop.commit.clone(), stage.shop.dana);
        }
        let named_like_it = world.pipelines.values().filter(|p| p.git_ref == GitRef::Branch(TAG.into())).count();
        assert_eq!(named_like_it, 25);
    }
    assert_eq!(outcome(&stage.release(TAG).await), PASSED);
}

/// Signatures that are there and that we could not read, for their size or their kind, are not "no signature" (SR-02, SR-20).
#[tokio::test]
async fn a_signature_that_cannot_be_read_could_not_be_checked() {
    let stage = Stage::set(Signing::Nothing).await;
    let (_, digest) = stage.shop.release(TAG).unwrap();
    assert_eq!(outcome(&stage.release(TAG).await), (Outcome::Blocked, Some("CS-SIG-MISSING")));
    stage.shop.registry.attach_bundle(IMAGE, digest, &vec![b' '; (1 << 20) + 1]);
    let verdict = stage.release(TAG).await;
    assert_eq!(verdict.outcome, Outcome::CouldNotCheck, "{:?}", verdict.problem);
}

/// A comment is read in time whatever it holds.
#[test]
fn no_comment_takes_long_to_read() {
    let most = countersign::commands::MAX_NOTE_BYTES;
    let ticks: String = (1..)
        .map(|n| format!("{} ", "`".repeat(n)))
        .scan(0, |size, piece| {
            *size += piece.len();
            (*size < most).then_some(piece)
        })
        .collect();
    let mut bodies = vec![ticks];
    for piece in [
        "[",
        "![",
        "](",
        "[a](",
        "[a]: b\n",
        "<",
        "<!--",
        "<a ",
        "<?",
        "<![CDATA[",
        "&",
        "*a_",
        "**a __b ",
        "> ",
        "- ",
        "1. ",
        "| a ",
        "|-",
        "a|b\n-|-\n",
        "[^1]",
        "[^1]: a\n",
        "$",
        "$$",
        "~",
        "~~a",
        "\\",
        "\n",
        "\r\n",
        "a\n",
        "/verify\n",
        "/verify x\n",
        "@bot ",
        ">>>\n",
        "---\n",
        "+++\n",
        "    a\n",
        "\t",
        "a\n: b\n",
        "* * ",
        "<details>\n\n",
        "``",
        "$`",
        "_",
        "- [ ] ",
        "\u{0}",
        "é",
        "/verify `",
        "a`\n",
        "*a\n",
        "[x\n",
        "<!-- a -->\n\n",
    ] {
        bodies.push(piece.repeat(most / piece.len()));
        bodies.push(format!("{}/verify", piece.repeat((most - 8) / piece.len())));
        bodies.push(format!("{}\n\n/verify", piece.repeat((most - 9) / piece.len())));
    }
    let slow: Vec<_> = bodies
        .iter()
        .filter_map(|body| {
            let began = std::time::Instant::now();
            countersign::commands::parse(body, "bot");
            let took = began.elapsed();
            (took.as_millis() > 1_500).then(|| format!("{:?}…: {took:?}", body.chars().take(12).collect::<String>()))
        })
        .collect();
    assert!(slow.is_empty(), "{slow:#?}");
}

/// GitLab loses our words for a moment; before they are sent again somebody moves the tag. What was meant then is not said now
/// (SR-09): not in a note, of which GitLab sends mails, nor as a green status.
#[tokio::test]
async fn words_that_were_meant_before_the_tag_moved_are_not_sent_after_it() {
    let stage = Stage::set(Signing::Keyless).await;
    stage.shop.release(TAG).unwrap();
    let asked = stage.shop.say("/verify").unwrap();
    let note = What::Note { merge_request: stage.shop.merge_request.iid, note: asked };
    for path in ["*/notes", "*/statuses/*"] {
        stage.shop.gitlab.fault("POST", path, countersign::sandbox::gitlab::Fault::Status(502));
    }
    assert!(matches!(stage.hint(note.clone()).await, Handled::Later(_)));
    assert!(matches!(stage.tag_hint(TAG).await, Handled::Later(_)));
    stage.shop.gitlab.heal();
    let before = stage.shop.gitlab.requests().len();
    stage.shop.move_tag(TAG);
    stage.tag_hint(TAG).await;
    stage.hint(note).await;
    let sent: Vec<_> = stage.shop.gitlab.requests().into_iter().skip(before).filter(|r| r.method != "GET").collect();
    let says =
        |body: &String| ["Image verified", "Image+verified"].iter().any(|words| body.contains(words)) || body.starts_with("state=success");
    let stale: Vec<_> = sent.iter().filter(|request| request.body.as_ref().is_some_and(says)).collect();
    assert!(stale.is_empty(), "{stale:#?}");
    assert!(stage.shop.reply_to(asked).unwrap().contains("CS-TAG-MOVED"));
}

/// GitLab's paths ignore case, and the operator's spelling need not be GitLab's: the bot must not fall silent over it.
#[tokio::test]
async fn a_project_spelt_in_another_case_is_worked_on() {
    let mut stage = Stage::set(Signing::Keyless).await;
    stage.bot.rules[0].watched.path = countersign::model::gitlab::ProjectPath("Shop/API".into());
    stage.shop.release(TAG).unwrap();
    stage.tag_hint(TAG).await;
    assert_eq!(stage.shop.status(TAG).map(|(state, _)| state), Some("success"));
}
