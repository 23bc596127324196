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

/// CPU per verdict in milliseconds, and wall time. GitLab and registry run on threads of their own; the bot has this one alone.
fn measure(signing: Signing) -> (f64, f64) {
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
        let (began, before) = (std::time::Instant::now(), cpu());
        for _ in 0..ROUNDS {
            ask(&bot).await;
        }
        let each = |nanoseconds: f64| nanoseconds / 1e6 / f64::from(ROUNDS);
        #[allow(clippy::cast_precision_loss)] // far below 2^53
        (each((cpu() - before) as f64), each(began.elapsed().as_nanos() as f64))
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
    println!("| signed | CPU of the bot's thread, HTTP client and all | wall time |\n|---|---|---|");
    for (name, signing) in [("keyless bundle", Signing::Keyless), ("key, bundle", Signing::BundleKey), ("key, `.sig`", Signing::LegacyKey)]
    {
        let (cpu, wall) = measure(signing);
        println!("| {name} | {cpu:.2} ms | {wall:.2} ms |");
    }
    println!();
}
