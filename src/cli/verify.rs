//! `countersign verify`: the gate of a deploy job. The same facts and the same judge as the running bot's.
//!
//! It reads GitLab and the registry for itself, and neither opens nor locks the bot's store, which a running bot holds. So it has no
//! record of earlier digests: [`Check::BuiltOnce`] passes where GitLab and the registry agree among themselves, and the output says
//! so. The digest that it prints is the one to deploy.
//!
//! [`Check::BuiltOnce`]: crate::verdict::Check::BuiltOnce

use std::path::PathBuf;
use std::sync::Arc;

use super::{Exit, colour, complain, print};
use crate::bot::{Bot, Judged, Rule};
use crate::config::Config;
use crate::delivery::metrics::Metrics;
use crate::model::gitlab::JobId;
use crate::model::image::Pointer;
use crate::model::project::WatchedImage;
use crate::model::{ImageReference, Timestamp};
use crate::store::ledger::Ledger;
use crate::store::memory::MemoryStore;
use crate::verdict::{About, Looked, PipelineFault, Problem, Question, Verdict, judge_no_image};

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
    /// The configuration file; none is ever picked up from the working directory
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

/// What is said of the record that was not read.
const NO_RECORD: &str =
    "This run did not read the bot's record of earlier digests: \"Built only once\" rests on GitLab and the registry alone.";
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
    let usage = |sentence: String| (sentence, Exit::Usage);
    let config = Config::load(&arguments.config).map_err(|problems| usage(problems.to_string()))?;
    let ledger = Ledger::open(Arc::new(MemoryStore::default())).await.map_err(|fault| (fault.to_string(), Exit::CouldNotCheck))?;
    let bot = super::serve::assemble(&config, ledger, &Arc::new(Metrics::default())).map_err(|fault| usage(fault.to_string()))?;
    let (rule, image) = watched(&bot.rules, arguments).map_err(usage)?;
    // A pinned root is at hand; one from TUF is fetched now, since no service keeps it fresh for us. If that fails, what was kept
    // counts as long as it may, and after that nothing could be checked.
    bot.looks.roots().refresh(Timestamp::now()).await;
    let asked = Asked { bot: &bot, rule, image };
    let judged = asked.judge(arguments).await?;
    print_verdict(&bot, &judged, arguments)
}

/// The project and its image that the arguments name.
fn watched<'a>(rules: &'a [Rule], arguments: &Arguments) -> Result<(&'a Rule, &'a WatchedImage), String> {
    let path = &arguments.project;
    let projects: Vec<&Rule> = rules.iter().filter(|rule| rule.watched.path.0 == *path).collect();
    if projects.is_empty() {
        let names: Vec<_> = rules.iter().map(|rule| rule.watched.path.to_string()).collect();
        return Err(format!(
            "The project {path} is not in this configuration, which has {}.\nNext: correct --project, or add it.",
            list(&names)
        ));
    }
    let wanted = &arguments.image.repository;
    let images = || projects.iter().flat_map(|rule| rule.watched.images.iter().map(move |image| (*rule, image)));
    let mut found = images().filter(|(_, image)| image.repository == *wanted);
    let Some((rule, image)) = found.next() else {
        let names: Vec<_> = images().map(|(_, image)| image.repository.to_string()).collect();
        return Err(format!("{wanted} is no image of {path}, which releases {}.\nNext: correct the image, or add it.", list(&names)));
    };
    if found.next().is_some() {
        return Err(format!(
            "Two GitLab servers have a project {path} that releases {wanted}.\nNext: use a configuration with one of them."
        ));
    }
    let environments = &rule.watched.environments;
    if let Some(name) = arguments.environment.as_ref().filter(|name| environments.iter().all(|environment| environment.0 != **name)) {
        let names: Vec<_> = environments.iter().map(ToString::to_string).collect();
        return Err(format!("{name} is no environment of {path}, which has {}.\nNext: correct --environment, or add it.", list(&names)));
    }
    if let Some(tag) = arguments.tag.as_ref().filter(|tag| !rule.watched.release_tags.matches(tag)) {
        let pattern = rule.watched.release_tags.as_str();
        return Err(format!("{tag} is no release tag of {path}, whose releases are {pattern}.\nNext: correct --tag."));
    }
    Ok((rule, image))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// One question on its way to a verdict.
struct Asked<'a> {
    bot: &'a Bot,
    rule: &'a Rule,
    image: &'a WatchedImage,
}

impl Asked<'_> {
    async fn judge(&self, arguments: &Arguments) -> Result<Judged, Failed> {
        let job = arguments.job.map(JobId);
        let about = match &arguments.image.pointer {
            Pointer::Digest(digest) => About::Image { digest: *digest, tag: arguments.tag.clone() },
            Pointer::Tag(tag) => match self.about_tag(tag, arguments.tag.as_deref()).await.map_err(|wrong| (wrong, Exit::Usage))? {
                Ok(about) => about,
                Err(why) => {
                    let about = About::Release { tag: arguments.tag.clone().unwrap_or_else(|| tag.clone()) };
                    let verdict = judge_no_image(&self.question(about, job), tag, why.as_ref(), &self.rule.policy, Timestamp::now());
                    return Ok(Judged { id: uuid::Uuid::now_v7(), verdict });
                }
            },
        };
        let judged = self.bot.verify(&self.question(about, job), &self.rule.policy).await;
        judged.map_err(|fault| (fault.to_string(), Exit::CouldNotCheck))
    }

    fn question(&self, about: About, asking_job: Option<JobId>) -> Question {
        Question { project: self.rule.watched.clone(), image: self.image.clone(), about, asking_job }
    }

    /// What a registry tag is a question about: a release, if it is one's version tag, else the bytes that it names now. The inner
    /// error says why it names none.
    async fn about_tag(&self, tag: &str, release: Option<&str>) -> Result<Result<About, Option<crate::verdict::Why>>, String> {
        let mut releases = self.image.version_tag.git_tags(tag);
        releases.retain(|git_tag| self.rule.watched.release_tags.matches(git_tag) && release.is_none_or(|release| release == git_tag));
        let releases = if releases.len() > 1 { self.in_gitlab(releases).await? } else { releases };
        if let Some(tag) = releases.into_iter().next() {
            return Ok(Ok(About::Release { tag }));
        }
        Ok(match self.bot.looks.registry().resolve(&self.image.repository, tag).await {
            Looked::Found(digest) => Ok(About::Image { digest, tag: release.map(str::to_owned) }),
            Looked::Absent => Err(None),
            Looked::Unreachable(why) => Err(Some(why)),
        })
    }

    /// The one of these Git tags that GitLab has; more than one, and only the caller can say. Where GitLab has none or cannot be
    /// asked, the first stays: its verdict says so.
    async fn in_gitlab(&self, mut tags: Vec<String>) -> Result<Vec<String>, String> {
        let Looked::Found(gitlab) = self.bot.looks.gitlab(&self.rule.watched.instance) else { return Ok(tags) };
        let Looked::Found(project) = self.bot.looks.project(&self.rule.watched).await else { return Ok(tags) };
        let mut there = vec![];
        for tag in &tags {
            match gitlab.tag(project.key.id, tag).await {
                Looked::Found(_) => there.push(tag.clone()),
                Looked::Absent => {}
                Looked::Unreachable(_) => return Ok(tags),
            }
        }
        if there.len() > 1 {
            return Err(format!("The image may be that of {}.\nNext: say which, with --tag.", there.join(" or ")));
        }
        tags.retain(|tag| there.is_empty() || there.contains(tag));
        Ok(tags)
    }
}

fn print_verdict(bot: &Bot, Judged { id, verdict }: &Judged, arguments: &Arguments) -> Result<Exit, Failed> {
    let id = id.to_string();
    let text = match arguments.format {
        Format::Text => {
            let mut text = bot.words.verdict_text(verdict, colour());
            let environment = arguments.environment.as_ref().map(|name| format!("Environment: {name}."));
            let hint = (arguments.job.is_none() && still_running(verdict)).then(|| WITH_JOB.to_owned());
            let notes: Vec<String> = environment.into_iter().chain(hint).chain([NO_RECORD.to_owned()]).collect();
            text.push_str(&format!("\n{}\n", notes.join("\n")));
            text
        }
        Format::Json => {
            let mut json = bot.words.verdict_json(&id, verdict);
            json["environment"] = arguments.environment.clone().into();
            json["record"] = "not-read".into();
            format!("{json:#}\n")
        }
        Format::Junit => bot.words.verdict_junit(&id, verdict),
    };
    Ok(print(&text, verdict.outcome.into()))
}

fn still_running(verdict: &Verdict) -> bool {
    matches!(&verdict.problem, Some(Problem::Pipeline { fault: PipelineFault::NotEnded { .. }, .. }))
}
