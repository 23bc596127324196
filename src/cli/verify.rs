//! `countersign verify`: the gate of a deploy job. The same facts and the same judge as the running bot's.
//!
//! With `--server`, the running bot is asked ([`remote`]). With `--config`, this process is a bot for one question:
//!
//! It reads GitLab and the registry for itself, and neither opens nor locks the bot's store, which a running bot holds. So it has no
//! record of earlier releases: [`Check::BuiltOnce`] passes where GitLab and the registry agree among themselves, and whether the tag was
//! protected is GitLab's word of now; the output says so. A base image that policy compares with the release before could not be
//! checked here. The digest that it prints is the one to deploy.
//!
//! [`Check::BuiltOnce`]: crate::verdict::Check::BuiltOnce

mod answer;
mod remote;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::asking::{self, Asking, NoVerdict, list};
use super::{Exit, colour, complain, print};
use crate::bot::{Bot, Judged, Record, Rule};
use crate::config::Config;
use crate::delivery::metrics::Metrics;
use crate::model::gitlab::JobId;
use crate::model::{ImageReference, Timestamp};
use crate::render::Told;
use crate::store::ledger::Ledger;
use crate::store::memory::MemoryStore;
use crate::verdict::{AskingJob, PipelineFault, Problem, Verdict};

/// Checks that an image may be deployed; for deploy jobs.
///
/// Exit codes: 0 passed, 1 blocked, 2 wrong arguments or configuration, 3 could not check. Zero comes only after the whole verdict was
/// printed.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// repository:tag or repository@sha256:…; one of the project's images
    image: ImageReference,
    /// The project's full path in GitLab, as in bot.toml
    #[arg(long, value_name = "PATH")]
    project: String,
    /// The environment to deploy to; one of the project's
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// The release's Git tag, where the image is named by digest or by another tag than its version
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The job that asks, if it belongs to the release pipeline itself: --job "$CI_JOB_ID". It and what waits for it need not have
    /// ended; GitLab must list it as running there
    #[arg(long, value_name = "ID")]
    job: Option<u64>,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    by: By,
    /// With --server: the GitLab server of the project, by its name in bot.toml; needed where two have a project of this path
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    gitlab: Option<String>,
    /// With --server: a file with the token to ask with, instead of the variable COUNTERSIGN_ID_TOKEN (a job's ID token) or
    /// COUNTERSIGN_API_TOKEN
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    token_file: Option<PathBuf>,
    /// With --server: send the token over http:// to another machine too, where the network itself is trusted
    #[arg(long, conflicts_with = "config")]
    plain_http: bool,
}

/// Who judges.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct By {
    /// Judge here, with this configuration file; none is ever picked up from the working directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask the running bot at this address; https, or http on this machine
    #[arg(long, value_name = "URL")]
    server: Option<remote::Server>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

/// What is said of the record that was not read.
const NO_RECORD: &str = "This run did not read the bot's record: that the image was built once, and from a protected tag, rests on what GitLab and the registry \
     say now. With --server the running bot compares them with its record.";
const WITH_JOB: &str = "If this job belongs to the release pipeline, add --job \"$CI_JOB_ID\": it cannot wait for its own end.";

/// Runs the command.
pub async fn run(arguments: Arguments) -> Exit {
    match verify(&arguments).await {
        Ok(exit) => exit,
        Err((sentence, exit)) => complain(&sentence, exit),
    }
}

type Failed = (String, Exit);

async fn verify(arguments: &Arguments) -> Result<Exit, Failed> {
    match (&arguments.by.server, &arguments.by.config) {
        (Some(server), None) => remote::verify(server, arguments).await,
        (None, Some(config)) => here(config, arguments).await,
        (Some(_), Some(_)) | (None, None) => usage("Give either --config or --server."),
    }
}

/// Judges in this process.
async fn here(config: &Path, arguments: &Arguments) -> Result<Exit, Failed> {
    let could_not = |fault: &dyn std::fmt::Display| (fault.to_string(), Exit::CouldNotCheck);
    let config = Config::load(config).or_else(usage)?;
    let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.map_err(|fault| could_not(&fault))?;
    let mut bot = super::serve::assemble(&config, ledger, &Arc::new(Metrics::default())).or_else(usage)?;
    bot.record = Record::Unread;
    let rules = rules_of(&bot.rules, &arguments.project)?;
    let asking = arguments.asking();
    let no_verdict = |why: NoVerdict| match why {
        NoVerdict::Question(sentence) => (sentence, Exit::Usage),
        NoVerdict::Ledger(fault) => could_not(&fault),
    };
    let watched = asking::image(&rules, &asking).map_err(no_verdict)?;
    // A pinned root is at hand; one from TUF is fetched now, since no service keeps it fresh for us. If that fails, what was kept
    // counts as long as it may, and after that nothing could be checked.
    bot.looks.roots().refresh(Timestamp::now()).await;
    let judged = asking::judge(&bot, watched, &asking).await.map_err(no_verdict)?;
    print_verdict(&bot, &judged, arguments)
}

impl Arguments {
    fn asking(&self) -> Asking {
        Asking {
            image: self.image.clone(),
            environment: self.environment.clone(),
            tag: self.tag.clone(),
            job: self.job.map(|job| AskingJob::Said(JobId(job))),
        }
    }
}

impl Arguments {
    /// A verdict in the format that is asked for. `waits`: the verdict waits for a pipeline whose job may be asking; `record`: what is
    /// said of the bot's record.
    fn shows(&self, told: &Told, json: &serde_json::Value, waits: bool, record: &str) -> String {
        match self.format {
            Format::Text => {
                let environment = self.environment.as_ref().map(|name| format!("Environment: {name}."));
                let hint = (self.job.is_none() && waits).then(|| WITH_JOB.to_owned());
                let notes: Vec<String> = environment.into_iter().chain(hint).chain([record.to_owned()]).collect();
                format!("{}\n{}\n", told.text(colour()), notes.join("\n"))
            }
            Format::Json => format!("{json:#}\n"),
            Format::Junit => told.junit(),
        }
    }
}

/// The rules of the project that the arguments name: one for each GitLab server that has it.
fn rules_of<'a>(rules: &'a [Rule], path: &str) -> Result<Vec<&'a Rule>, Failed> {
    let found: Vec<&Rule> = rules.iter().filter(|rule| rule.watched.path.0 == path).collect();
    if found.is_empty() {
        let names: Vec<_> = rules.iter().map(|rule| rule.watched.path.to_string()).collect();
        let has = list(&names);
        return usage(format!("The project {path} is not in this configuration, which has {has}.\nNext: correct --project, or add it."));
    }
    Ok(found)
}

fn usage<T>(sentence: impl ToString) -> Result<T, Failed> {
    Err((sentence.to_string(), Exit::Usage))
}

fn print_verdict(bot: &Bot, Judged { id, verdict }: &Judged, arguments: &Arguments) -> Result<Exit, Failed> {
    let id = id.to_string();
    let mut json = bot.words.verdict_json(&id, verdict);
    json["environment"] = arguments.environment.clone().into();
    json["record"] = "not-read".into();
    json["asked_by"] = serde_json::Value::Null;
    let text = arguments.shows(&bot.words.told(&id, verdict), &json, still_running(verdict), NO_RECORD);
    Ok(print(&text, verdict.outcome.into()))
}

fn still_running(verdict: &Verdict) -> bool {
    matches!(&verdict.problem, Some(Problem::Pipeline { fault: PipelineFault::NotEnded { .. }, .. }))
}
