//! Every code that a verdict can have, produced once on the sandbox's shop, with its sentence and next step as they are printed.
//!
//! The test prints them as a table; a code without a row fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign::bot::Bot;
use countersign::cli::serve;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::model::gitlab::{JobId, PipelineId};
use countersign::model::{Digest, Timestamp};
use countersign::render::CODES;
use countersign::sandbox::authority::Claims;
use countersign::sandbox::gitlab::Fault as GitlabFault;
use countersign::sandbox::gitlab::state::JobEnd;
use countersign::sandbox::registry::{Fault, media};
use countersign::sandbox::shop::{IMAGE, Shop, Signing};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{About, Question};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::verify::{Gate, TAG};

/// Those of promotion have their rows where promotions are tested.
#[path = "../bot/promotion/catalogue.rs"]
mod catalogue;
use catalogue::CODES_OF_PROMOTION;

/// Puts the shop into its state, and says what is asked of it.
type Arrange = fn(&Shop) -> Ask;

/// One question.
struct Ask {
    /// What follows the repository: `:tag` or `@digest`.
    image: String,
    flags: &'static str,
}

/// Who answers.
#[derive(Clone, Copy)]
enum By {
    /// `countersign verify`, with this exit code. It has no record of earlier releases.
    Gate(i32),
    /// A bot that has judged this release before, and keeps its record.
    BotAfter(&'static str),
}

struct Row {
    code: &'static str,
    signing: Signing,
    /// A line of `bot.toml` and what stands there instead.
    configure: (&'static str, &'static str),
    by: By,
    arrange: Arrange,
}

const UNCHANGED: (&str, &str) = ("[store]", "[store]");
const KEY: &str = "key_file = \"release.pub\"";
const PROJECT: &str = "[[project]]";

fn row(code: &'static str, signing: Signing, arrange: Arrange) -> Row {
    Row { code, signing, configure: UNCHANGED, by: By::Gate(1), arrange }
}

impl Row {
    fn with(self, from: &'static str, to: &'static str) -> Self {
        Self { configure: (from, to), ..self }
    }

    fn by(self, by: By) -> Self {
        Self { by, ..self }
    }
}

fn by_tag() -> Ask {
    Ask { image: format!(":{TAG}"), flags: "" }
}

/// An honest release.
fn released(shop: &Shop) -> Ask {
    shop.release(TAG).unwrap();
    by_tag()
}

/// A release whose job does one step otherwise, between the push and its end.
fn built(shop: &Shop, step: impl FnOnce(Digest, JobId, PipelineId)) -> Ask {
    let (pipeline, job) = shop.push_tag(TAG);
    shop.gitlab.world().run_job(job, None);
    let digest = shop.build(TAG, pipeline);
    step(digest, job, pipeline);
    shop.finish(pipeline, Some(digest));
    by_tag()
}

/// A release whose certificate makes one claim otherwise.
fn claiming(shop: &Shop, lie: fn(&mut Claims)) -> Ask {
    built(shop, |digest, job, _| {
        let mut claims = shop.claims(job, TAG);
        lie(&mut claims);
        shop.sign_claiming(digest, &claims).unwrap();
    })
}

/// A release whose provenance says one thing otherwise.
fn attested(shop: &Shop, change: fn(&mut Value)) -> Ask {
    built(shop, |digest, job, pipeline| {
        shop.sign(digest, job, TAG).unwrap();
        let mut statement = shop.provenance(digest, job, pipeline);
        change(&mut statement);
        shop.attest(digest, &statement, job, TAG).unwrap();
    })
}

const PROVENANCE: &str = "[policy]\nprovenance = \"required\"\n[[project]]";

fn signatures() -> Vec<Row> {
    use Signing::{BundleKey, Keyless, LegacyKey, Nothing};
    vec![
        row("CS-SIG-MISSING", Nothing, released),
        row("CS-SIG-INVALID", Keyless, |shop| {
            built(shop, |digest, job, pipeline| {
                let bundle = shop.authority.sign_bundle_keyless(&shop.pinned(digest), &shop.claims(job, TAG), Timestamp::now()).unwrap();
                let mut bundle: Value = serde_json::from_slice(&bundle).unwrap();
                // Another's good signature of other bytes.
                let other = shop.authority.attest_with_key(&shop.laptop_key, &shop.provenance(digest, job, pipeline)).unwrap();
                let other: Value = serde_json::from_slice(&other).unwrap();
                bundle["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"].clone();
                shop.registry.attach_bundle(IMAGE, digest, bundle.to_string().as_bytes());
            })
        }),
        row("CS-SIG-OTHER", LegacyKey, |shop| built(shop, |digest, _, _| shop.sign_legacy(&shop.laptop_key, digest).unwrap())),
        row("CS-SIG-ON-TAG", LegacyKey, |shop| {
            built(shop, |digest, _, _| {
                let before = shop.pinned(Digest::of(b"what the tag named when it was signed"));
                let signed = shop.authority.sign_legacy(&shop.release_key, &before).unwrap();
                shop.registry.add_signature(IMAGE, digest, &signed.payload, signed.annotations());
            })
        }),
        row("CS-SIG-UNLOGGED", BundleKey, released).with(KEY, "key_file = \"release.pub\"\nrequire_log = true"),
        row("CS-KEY-RETIRED", LegacyKey, released).with(KEY, "key_file = \"release.pub\"\nretired = 2026-01-01"),
        row("CS-KEY-REVOKED", LegacyKey, released).with(KEY, "key_file = \"release.pub\"\nrevoked = 2026-01-01T12:00:00Z"),
        row("CS-KEY-EARLY", LegacyKey, released).with(KEY, "key_file = \"release.pub\"\nnot_before = 2099-01-01"),
        row("CS-PLATFORM", BundleKey, |shop| {
            built(shop, |child, job, _| {
                let size = shop.registry.manifest(IMAGE, child).unwrap().len();
                let platform = json!({"os": "linux", "architecture": "amd64"});
                let entry = json!({"mediaType": media::IMAGE, "size": size, "digest": child, "platform": platform});
                let index = json!({"schemaVersion": 2, "mediaType": media::INDEX, "manifests": [entry]}).to_string();
                let index = shop.registry.put_manifest(IMAGE, Some(TAG), media::INDEX, index.as_bytes());
                shop.registry.tag(IMAGE, shop.commit.short(), index);
                shop.sign(index, job, TAG).unwrap();
            });
            // The digest file names what the job built last, the child; the index is asked about by its own digest.
            let index = shop.registry.tagged(IMAGE, TAG).unwrap();
            Ask { image: format!("@{index}"), flags: "--tag v1.8.2" }
        })
        .with(PROJECT, "[policy]\nplatforms = \"all-signed\"\ndigest_file = \"off\"\n[[project]]\ndigest_file = \"none.txt\""),
    ]
}

fn origins() -> Vec<Row> {
    use Signing::{BundleKey, Keyless};
    vec![
        row("CS-PROV-MISSING", BundleKey, released).with(PROJECT, PROVENANCE),
        row("CS-PROV-DIGEST", BundleKey, |shop| {
            attested(shop, |statement| statement["subject"][0]["digest"]["sha256"] = Digest::of(b"other").hex().into())
        })
        .with(PROJECT, PROVENANCE),
        row("CS-LATE-ATTEST", Keyless, |shop| {
            built(shop, |digest, job, pipeline| {
                shop.sign(digest, job, TAG).unwrap();
                let statement = shop.provenance(digest, job, pipeline);
                let early = Timestamp::now() - SignedDuration::from_mins(30);
                let bundle = shop.attest_keyless(&statement, job, TAG, early).unwrap();
                shop.registry.attach_bundle(IMAGE, digest, &bundle);
            })
        })
        .with(PROJECT, PROVENANCE),
        row("CS-COMMIT", Keyless, |shop| claiming(shop, |claims| claims.source_repository_digest = Some("a".repeat(40)))),
        row("CS-SOURCE", Keyless, |shop| claiming(shop, |claims| claims.build_trigger = Some("schedule".into()))),
        row("CS-PROJECT", Keyless, |shop| claiming(shop, |claims| claims.source_repository_identifier = Some("4711".into()))),
        row("CS-PIPELINE", BundleKey, |shop| {
            let (pipeline, _) = shop.release(TAG).unwrap();
            let mut world = shop.gitlab.world();
            let test = world.job_named(pipeline, "test");
            let again = world.retry_job(test, shop.rita);
            world.finish_job(again, JobEnd::failed());
            by_tag()
        }),
        row("CS-REF-UNPROTECTED", BundleKey, |shop| {
            shop.gitlab.world().unprotect_tags(shop.project, "v*");
            released(shop)
        }),
        row("CS-RUNNER", BundleKey, released).with(PROJECT, "[policy]\nrunners = [\"release-07\"]\n[[project]]"),
        row("CS-BASE-UNKNOWN", BundleKey, released).with(PROJECT, "[policy]\nbase_image = \"required\"\n[[project]]"),
        row("CS-BASE-CHANGED", BundleKey, |shop| {
            let commit = shop.gitlab.world().push_commit(shop.project, "main", shop.rita, "Next");
            let (pipeline, job) = shop.push_tag_on(TAG, &commit);
            shop.gitlab.world().run_job(job, None);
            let digest = shop.registry.push_image(IMAGE, TAG, "the next image");
            shop.registry.tag(IMAGE, commit.short(), digest);
            shop.sign(digest, job, TAG).unwrap();
            let mut statement = shop.provenance(digest, job, pipeline);
            let made_of = &mut statement["predicate"]["buildDefinition"]["resolvedDependencies"];
            made_of[0]["digest"]["gitCommit"] = commit.to_string().into();
            made_of[1]["digest"]["sha256"] = Digest::of(b"debian:12-slim of June").hex().into();
            shop.attest(digest, &statement, job, TAG).unwrap();
            shop.finish(pipeline, Some(digest));
            by_tag()
        })
        .with(PROJECT, "[policy]\nprovenance = \"warned\"\nbase_unchanged = \"required\"\n[[project]]")
        .by(By::BotAfter("v1.8.1")),
        row("CS-REBUILT", BundleKey, released).by(By::BotAfter("v1.8.1")),
    ]
}

fn names() -> Vec<Row> {
    use Signing::{BundleKey, Keyless};
    vec![
        row("CS-TAG-MOVED", Keyless, |shop| {
            released(shop);
            shop.move_tag(TAG);
            by_tag()
        }),
        row("CS-TAG-MISSING", Keyless, |shop| Ask { image: ":latest".into(), ..released(shop) }),
        row("CS-TAG-OTHER", BundleKey, |shop| {
            released(shop);
            let other = shop.registry.push_image(IMAGE, "candidate", "another image");
            shop.sign_legacy(&shop.release_key, other).unwrap();
            Ask { image: format!("@{other}"), flags: "--tag v1.8.2" }
        }),
        row("CS-TAG-SPLIT", BundleKey, |shop| {
            released(shop);
            shop.registry.push_image(IMAGE, shop.commit.short(), "another image");
            by_tag()
        }),
        row("CS-DIGEST-FILE", BundleKey, |shop| {
            let (pipeline, job) = shop.push_tag(TAG);
            let digest = shop.build(TAG, pipeline);
            shop.sign(digest, job, TAG).unwrap();
            shop.finish(pipeline, Some(Digest::of(b"another image")));
            by_tag()
        }),
        row("CS-GIT-TAG-MISSING", Keyless, |shop| Ask { image: ":v9.9.9".into(), ..released(shop) }),
        row("CS-REG-AUTH", Keyless, |shop| {
            released(shop);
            shop.registry.fault("*", Fault::Status(403));
            by_tag()
        })
        .by(By::Gate(3)),
        row("CS-UNAVAILABLE", Keyless, |shop| {
            released(shop);
            shop.gitlab.fault("GET", "/projects/*", GitlabFault::Status(502));
            by_tag()
        })
        .by(By::Gate(3)),
    ]
}

/// What a code's row printed.
#[derive(Debug)]
struct Said {
    exit: i32,
    text: String,
}

async fn say(row: &Row) -> Said {
    let gate = Gate::new(row.signing).await;
    gate.configure(row.configure.0, row.configure.1);
    match row.by {
        By::Gate(_) => {
            let ask = (row.arrange)(&gate.shop);
            let (exit, out, err) = gate.run(&format!("{}{}", gate.image, ask.image), ask.flags).await;
            assert!(err.is_empty(), "{}: {err}", row.code);
            Said { exit, text: out }
        }
        By::BotAfter(earlier) => {
            let config = Config::load(&gate.folder.path().join("bot.toml")).unwrap();
            let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
            let bot = serve::assemble(&config, ledger, &Arc::new(Metrics::default())).unwrap();
            let shop = &gate.shop;
            let (pipeline, job) = shop.push_tag(earlier);
            shop.gitlab.world().run_job(job, None);
            let digest = shop.build(earlier, pipeline);
            shop.sign(digest, job, earlier).unwrap();
            shop.attest(digest, &shop.provenance(digest, job, pipeline), job, earlier).unwrap();
            shop.finish(pipeline, Some(digest));
            let (passed, _) = asked(&bot, earlier).await;
            assert_eq!(passed, 0, "{}: the release before passes", row.code);
            (row.arrange)(shop);
            let (exit, text) = asked(&bot, TAG).await;
            Said { exit, text }
        }
    }
}

async fn asked(bot: &Bot, tag: &str) -> (i32, String) {
    let rule = &bot.rules[0];
    let about = About::Release { tag: tag.into() };
    let question = Question { project: rule.watched.clone(), image: rule.watched.images[0].clone(), about, asking_job: None };
    let verdict = bot.verify(&question, &rule.policy).await.unwrap().verdict;
    let exit = match verdict.outcome.word() {
        "passed" => 0,
        "blocked" => 1,
        _ => 3,
    };
    (exit, bot.words.verdict_text(&verdict, false))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_is_produced_once_and_says_what_is_wrong_and_what_to_do() {
    let rows: Vec<Row> = [signatures(), origins(), names()].into_iter().flatten().collect();
    let covered: BTreeSet<_> = rows.iter().map(|row| row.code).collect();
    let catalogue: BTreeSet<_> = CODES.iter().map(|code| code.code).filter(|code| !CODES_OF_PROMOTION.contains(code)).collect();
    assert_eq!(covered.len(), rows.len(), "a code has two rows");
    assert_eq!(covered, catalogue, "each code of the catalogue has one row");
    let mut wrong = vec![];
    println!("| code | by | headline | next step |\n|---|---|---|---|");
    for row in &rows {
        let said = say(row).await;
        let (by, exit) = match row.by {
            By::Gate(exit) => ("countersign verify", exit),
            By::BotAfter(_) => ("the bot, with its record", 1),
        };
        let mut lines = said.text.lines();
        let (headline, next) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        println!("| {} | {by} | {headline} | {next} |", row.code);
        let word = if exit == 1 { "blocked: " } else { "could not check: " };
        let whole = headline.starts_with(word) && headline.contains(&format!("[{}]", row.code)) && next.starts_with("Next: ");
        if said.exit != exit || !whole {
            wrong.push(format!("{} ended with {} and\n{}", row.code, said.exit, said.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The list of codes that the project holds on to has no code beside the catalogue.
#[test]
fn the_catalogue_has_every_code_that_was_agreed_on() {
    use std::io::Write as _;
    let folder = std::env::var_os("COUNTERSIGN_SHARED").map_or_else(|| "../shared".into(), std::path::PathBuf::from);
    let Ok(words) = std::fs::read_to_string(folder.join("words.md")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{} has no words.md: set COUNTERSIGN_SHARED", folder.display());
        let _ = writeln!(std::io::stderr(), "NOT RUN: {} has no words.md; set COUNTERSIGN_SHARED to run it", folder.display());
        return;
    };
    let agreed: Vec<_> =
        words.lines().filter_map(|line| line.strip_prefix("| CS-")?.split(' ').next()).map(|rest| format!("CS-{rest}")).collect();
    assert_eq!(agreed.len(), 25);
    let known = |code: &String| CODES.iter().any(|held| held.code == code);
    assert!(agreed.iter().all(known), "{agreed:?}");
}
