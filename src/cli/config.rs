//! `countersign config check` and `countersign config schema`.

use std::path::PathBuf;

use super::{Exit, complain, print};
use crate::config::{Config, ProjectConfig, schema};
use crate::delivery::api::Scope;
use crate::model::Environment;
use crate::model::environment::{Action, MAINTAINER};
use crate::verdict::{BuiltBy, Platforms, Policy};

/// Checks or describes bot.toml.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Reads a bot.toml as `serve` does, and prints every problem with its line
    Check {
        /// The file to check
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints a JSON Schema (2020-12) of bot.toml, for editors
    Schema,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Exit {
    match &arguments.command {
        Command::Check { config } => match Config::load(config) {
            Ok(read) => print(&summary(&config.display().to_string(), &read), Exit::Done),
            Err(problems) => {
                let count = problems.list.len();
                let word = if count == 1 { "problem" } else { "problems" };
                complain(&format!("{problems}\n{count} {word}; nothing would start with this file."), Exit::Usage)
            }
        },
        Command::Schema => print(&format!("{:#}\n", schema()), Exit::Done),
    }
}

/// One sentence, then what each project comes to: defaults and profiles are filled in.
fn summary(file: &str, config: &Config) -> String {
    let mut text = format!(
        "{file} is in order: {}, {}, {}.\n",
        count(config.gitlabs.len(), "GitLab server"),
        count(config.projects.len(), "project"),
        count(config.projects.iter().map(|project| project.watched.images.len()).sum(), "image"),
    );
    for warning in &config.warnings {
        let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
        text.push_str(&format!("Warning: {file}{line}: {}: {}\n", warning.path, warning.says));
    }
    for ProjectConfig { watched, policy, environments, stricter } in &config.projects {
        text.push_str(&format!("\n{} on {}\n", watched.path, watched.instance));
        text.push_str(&format!("  releases  {} by {} pipelines\n", watched.release_tags.as_str(), policy.sources.join(", ")));
        for image in &watched.images {
            let signers: Vec<&str> = image.signers.iter().map(|signer| signer.name.0.as_str()).collect();
            text.push_str(&format!("  image     {}, job {}, signed by {}\n", image.repository, image.release_job, signers.join(" or ")));
        }
        text.push_str(&format!("  demands   {}\n", demands(policy)));
        for (name, (_, policy)) in stricter {
            text.push_str(&format!("            in {name}: {}\n", demands(policy)));
        }
        for environment in environments {
            text.push_str(&format!("  promotes  {}\n", promotion(environment)));
        }
    }
    text + &callers(config)
}

fn demands(policy: &Policy) -> String {
    let looks = [
        ("digest file", policy.digest_file),
        ("commit tag", policy.commit_tag),
        ("provenance", policy.provenance),
        ("base image", policy.base_image),
        ("unchanged base", policy.base_unchanged),
    ];
    let mut demands: Vec<String> = looks.iter().map(|(what, demand)| format!("{what} {demand:?}").to_lowercase()).collect();
    if let Some(runners) = &policy.runners {
        demands.push(format!("one of {} runners", runners.len()));
    }
    if policy.require_log {
        demands.push("every signature in a log".into());
    }
    if policy.platforms == Platforms::AllSigned {
        demands.push("each platform signed".into());
    }
    if policy.built_by == BuiltBy::CommitTag {
        demands.push("no proof of the commit beside the commit tag".into());
    }
    demands.join(", ")
}

/// Who may ask over the API; nothing where nobody may.
fn callers(config: &Config) -> String {
    let mut text = String::new();
    let settings = &config.api;
    let mut tokens: Vec<_> = settings.tokens.iter().collect();
    // During a rotation a token has several secrets, one after the other.
    tokens.dedup_by_key(|token| &token.name);
    for token in tokens {
        let what = match &token.scope {
            Scope::Only(projects) => projects.iter().map(|project| project.path.0.as_str()).collect::<Vec<_>>().join(", "),
            Scope::All => "every project".into(),
        };
        text.push_str(&format!("  the token {} about {what}\n", token.name));
    }
    if !settings.issuers.is_empty() {
        let audience = settings.public_url.as_str().trim_end_matches('/');
        text.push_str(&format!("  CI jobs about their own project, with an ID token for {audience}\n"));
    }
    if text.is_empty() { text } else { format!("\nMay ask over the API\n{text}") }
}

/// How an environment is promoted to, in one line.
fn promotion(environment: &Environment) -> String {
    let name = &environment.name;
    if environment.actions.is_empty() {
        return format!("nothing to {name}: it can be asked about only");
    }
    let after = environment.after.as_ref().map(|after| format!(" after {after}")).unwrap_or_default();
    let actions: Vec<String> = environment.actions.iter().map(action).collect();
    let mut line = format!("to {name}{after}: {}; by {}", actions.join(", "), who(environment));
    if environment.second_person {
        line.push_str(", and a second person");
    }
    if let Some(until) = environment.observe_until {
        line.push_str(&format!("; only observed until {until}"));
    }
    for freeze in &environment.freezes {
        line.push_str(&format!("; frozen from {} until {}", freeze.from, freeze.until));
    }
    line
}

fn action(action: &Action) -> String {
    match action {
        Action::Retag { tag } => format!("retag as {tag}"),
        Action::Copy { to, tag } => format!("copy to {}{}", to.0, tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default()),
        Action::PlayJob { job, values } => format!("play {job} with {}", values.image),
        Action::StartPipeline { branch, values } => {
            format!("start a pipeline on {} with {}", branch.as_deref().unwrap_or("the release's tag"), values.image)
        }
        Action::Deployment => "record a deployment".into(),
        Action::Attest => "attest".into(),
    }
}

/// Where GitLab protects the environment, its own rules stand in for this.
fn who(environment: &Environment) -> String {
    let role = match environment.allow.role {
        level if level > MAINTAINER => "owners",
        MAINTAINER => "maintainers and up",
        _ => "developers and up",
    };
    match environment.allow.groups.as_slice() {
        [] => role.into(),
        groups => format!("{role} in {}", groups.join(" or ")),
    }
}

fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
