//! What a verdict costs once everything is warm: connections open, trust root read.

use std::sync::Arc;

use countersign::bot::Bot;
use countersign::cli::serve;
use countersign::config::Config;
use countersign::delivery::metrics::Metrics;
use countersign::sandbox::shop::{Shop, Signing};
use countersign::store::ledger::Ledger;
use countersign::store::memory::MemoryStore;
use countersign::verdict::{About, Outcome, Question};

const TAG: &str = "v1.8.2";
const ROUNDS: u32 = 300;

/// Processor time that this thread has had, in nanoseconds (`schedstat` of proc(5)).
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with schedstat");
    text.split(' ').next().unwrap().parse().unwrap()
}

/// What one verdict takes.
struct Cost {
    /// Milliseconds of CPU of the bot's thread, its HTTP client and all.
    cpu: f64,
    /// Requests it sends.
    requests: f64,
    /// Milliseconds of CPU that as many bare requests take, sent by the same client crate and read to their end.
    bare: f64,
    wall: f64,
}

/// CPU of one bare request, in milliseconds.
async fn bare(address: &str) -> f64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async || client.get(address).send().await.unwrap().bytes().await.unwrap();
    get().await;
    let before = cpu();
    for _ in 0..ROUNDS {
        get().await;
    }
    #[allow(clippy::cast_precision_loss)] // far below 2^53
    let took = (cpu() - before) as f64;
    took / 1e6 / f64::from(ROUNDS)
}

/// A verdict's cost. GitLab and registry run on threads of their own; the bot has this one alone.
fn measure(signing: Signing) -> Cost {
    let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shop = outside.block_on(Shop::open(signing, None)).unwrap();
    outside.block_on(async { shop.release(TAG) }).unwrap();
    let config = Config::load(&shop.write_configuration(folder.path()).unwrap()).unwrap_or_else(|problems| panic!("{problems}"));
    let inside = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    inside.block_on(async {
        let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.unwrap();
        let bot = serve::assemble(&config, ledger, &Arc::new(Metrics::default())).unwrap();
        for _ in 0..10 {
            ask(&bot).await;
        }
        let asked = || shop.gitlab.requests().len() + shop.registry.requests().len();
        let (began, before, sent) = (std::time::Instant::now(), cpu(), asked());
        for _ in 0..ROUNDS {
            ask(&bot).await;
        }
        let (took, wall) = (cpu() - before, began.elapsed().as_secs_f64() * 1e3);
        let sent = asked() - sent;
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        let (cpu, requests) = (took as f64 / 1e6 / f64::from(ROUNDS), sent as f64 / f64::from(ROUNDS));
        let bare = bare(&format!("http://{}/v2/", shop.registry.host())).await * requests;
        Cost { cpu, requests, bare, wall: wall / f64::from(ROUNDS) }
    })
}

async fn ask(bot: &Bot) {
    let rule = &bot.rules[0];
    let about = About::Release { tag: TAG.into() };
    let question = Question { project: rule.watched.clone(), image: rule.watched.images[0].clone(), about, asking_job: None };
    let judged = bot.verify(&question, &rule.policy).await.unwrap();
    assert_eq!(judged.verdict.outcome, Outcome::Passed, "{:?}", judged.verdict.problem);
}

pub fn run() {
    println!("## A warm verdict ({ROUNDS} in a row, all facts fetched anew)\n");
    println!("| signed | CPU, HTTP client and all | requests | CPU of as many bare requests | CPU beyond the network | wall time |");
    println!("|---|---|---|---|---|---|");
    for (name, signing) in [("keyless bundle", Signing::Keyless), ("key, bundle", Signing::BundleKey), ("key, `.sig`", Signing::LegacyKey)]
    {
        let Cost { cpu, requests, bare, wall } = measure(signing);
        println!("| {name} | {cpu:.2} ms | {requests:.0} | {bare:.2} ms | {:.2} ms | {wall:.2} ms |", cpu - bare);
    }
    println!();
}
