//! One of the `actions` of an environment.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::config::document::Node;
use crate::config::keys::action as key;
use crate::config::problem::{Place, quoted};
use crate::config::table::Key;
use crate::model::Repository;
use crate::model::environment::{Action, Carrier, CopyTarget, Values};
use crate::model::gitlab::CommitSha;
use crate::model::project::{Pattern, WatchedImage};

/// The keys that a word takes beside itself.
fn takes(word: &str) -> Vec<&'static Key> {
    match word {
        "retag" => vec![&key::TAG],
        "copy" => vec![&key::TO, &key::TAG],
        "play-job" => vec![&key::JOB, &key::VARIABLE, &key::INPUT],
        "start-pipeline" => vec![&key::BRANCH, &key::VARIABLE, &key::INPUT],
        _ => vec![],
    }
}

pub fn read(reader: &Reader<'_>, node: &Node<'_>) -> Option<Action> {
    let word = node.get(&key::ACTION)?.text()?;
    let takes = takes(word);
    for (name, value) in node.entries() {
        let known = [&key::TAG, &key::TO, &key::JOB, &key::BRANCH, &key::VARIABLE, &key::INPUT].iter().any(|key| key.name == name);
        if known && !takes.iter().any(|key| key.name == name) {
            reader.sink.add(&value.place, format!("is not for `{word}`"));
        }
    }
    let text = |key: &Key| node.get(key).map(|node| node.text().map(str::to_owned));
    let needed = |key: &Key| match text(key) {
        Some(text) => text,
        None => {
            reader.sink.add(&node.place, format!("`{word}` needs `{}`", key.name));
            None
        }
    };
    let optional = |key: &Key| match text(key) {
        Some(text) => text.map(Some),
        None => Some(None),
    };
    match word {
        "retag" => Some(Action::Retag { tag: needed(&key::TAG)? }),
        "copy" => {
            let (to, tag) = (needed(&key::TO), optional(&key::TAG));
            Some(Action::Copy { to: CopyTarget(to?), tag: tag? })
        }
        "play-job" => {
            let (job, values) = (needed(&key::JOB), values(reader, node, word));
            Some(Action::PlayJob { job: job?, values: values? })
        }
        "start-pipeline" => {
            let (branch, values) = (optional(&key::BRANCH), values(reader, node, word));
            Some(Action::StartPipeline { branch: branch?, values: values? })
        }
        "deployment" => Some(Action::Deployment),
        "attest" => Some(Action::Attest),
        // Reported already.
        _ => None,
    }
}

fn values(reader: &Reader<'_>, node: &Node<'_>, word: &str) -> Option<Values> {
    match (node.get(&key::VARIABLE), node.get(&key::INPUT)) {
        (Some(variable), None) => Some(Values { carrier: Carrier::Variables, image: variable.text()?.into() }),
        (None, Some(input)) => Some(Values { carrier: Carrier::Inputs, image: input.text()?.into() }),
        (Some(_), Some(_)) => {
            reader.sink.add(&node.place, format!("`{word}` takes `variable` or `input`, not both"));
            None
        }
        (None, None) => {
            // Without it the job would deploy whatever a tag names by then (SR-09).
            reader.sink.add(&node.place, format!("`{word}` needs `variable` or `input`: by which the job is told the image's digest"));
            None
        }
    }
}

/// Holds an action against the images of the project.
pub fn fits(reader: &Reader<'_>, (action, place): (&Action, &Place), images: &[WatchedImage], releases: Option<&Pattern>) {
    let wrong = match action {
        Action::Retag { tag } => names_a_release(tag, images, releases),
        Action::Copy { to, .. } => goes_wrong(to, images),
        Action::PlayJob { job, .. } => job_that_releases(job, images),
        Action::StartPipeline { .. } | Action::Deployment | Action::Attest => None,
    };
    if let Action::StartPipeline { branch: None, .. } = action {
        reader.sink.warn(place, runs_again(images));
    }
    if let Some(says) = wrong {
        reader.sink.add(place, says);
    }
}

/// A tag that a release or a commit could have: writing it would move what people take for that release.
fn names_a_release(tag: &str, images: &[WatchedImage], releases: Option<&Pattern>) -> Option<String> {
    let of_release = |image: &WatchedImage| {
        let git_tags = image.version_tag.git_tags(tag);
        git_tags.iter().any(|git_tag| releases.is_none_or(|releases| releases.matches(git_tag)))
    };
    let of_commit = |image: &WatchedImage| {
        let templates = image.commit_tag.iter().chain([&image.version_tag]);
        templates.into_iter().any(|template| commits_in(tag).any(|commit| template.fill(None, &commit).as_deref() == Some(tag)))
    };
    let quoted = quoted(tag);
    if images.iter().any(of_release) {
        Some(format!("{quoted} can be the version tag of a release, which must never move; take another tag"))
    } else if images.iter().any(of_commit) {
        Some(format!("{quoted} can be the tag of a commit, which must never move; take another tag"))
    } else {
        None
    }
}

/// A pipeline on the release's tag runs everything again that its CI file has for tags.
fn runs_again(images: &[WatchedImage]) -> String {
    let jobs: BTreeSet<&str> = images.iter().map(|image| image.release_job.as_str()).collect();
    let jobs = jobs.into_iter().map(quoted).collect::<Vec<_>>().join(" and ");
    format!(
        "starts a pipeline on the release's tag, which builds the image again and pushes it over the version tag, unless {jobs} and every \
         other job that builds leave such pipelines out: give them `- if: $CI_PIPELINE_SOURCE == \"api\"` with `when: never` as the first of \
         their `rules:` in .gitlab-ci.yml, or name a protected `branch` here"
    )
}

/// The job that builds an image would build it again.
fn job_that_releases(job: &str, images: &[WatchedImage]) -> Option<String> {
    let image = images.iter().find(|image| image.release_job == job)?;
    Some(format!("{} is the job that releases {}; name the one that deploys it", quoted(job), quoted(&image.name)))
}

/// Commits whose short or whole name stands somewhere in a tag.
fn commits_in(tag: &str) -> impl Iterator<Item = CommitSha> {
    let parts = tag.char_indices().flat_map(move |(at, _)| [8, 40, 64].into_iter().filter_map(move |length| tag.get(at..at + length)));
    parts.filter_map(|part| format!("{part:0<40}").parse().ok())
}

fn goes_wrong(to: &CopyTarget, images: &[WatchedImage]) -> Option<String> {
    // Reported already, at the text itself.
    (crate::config::forms::COPY_TARGET.check)(&to.0).ok()?;
    let mut targets = BTreeSet::new();
    images.iter().find_map(|image| {
        let Some(target) = to.of(image) else {
            return Some(format!("makes no repository for the image {}: {}", quoted(&image.name), quoted(&to.0)));
        };
        if images.iter().any(|image| image.repository == target) {
            return Some(format!("{target} is where the project itself pushes; a copy goes to another repository"));
        }
        (!targets.insert(target.clone())).then(|| format!("several images would go to {target}; let {{image}} or {{path}} tell them apart"))
    })
}

/// What the actions of all projects need beside themselves, and where each was asked for.
#[derive(Debug, Default)]
pub struct Needs {
    /// Hosts that are written to.
    hosts: BTreeMap<String, Vec<Place>>,
    signing_key: Vec<Place>,
    /// What is written under which tag.
    written: Vec<Written>,
    /// Where copies go.
    copied_to: Vec<(Repository, Whose)>,
    /// Where each project's own pipelines push.
    pushed: BTreeMap<Repository, BTreeSet<String>>,
}

/// Whose action it is, and where it stands.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The project's path in GitLab.
    pub project: String,
    pub environment: String,
    pub place: Place,
}

#[derive(Debug)]
struct Written {
    repository: Repository,
    tag: String,
    /// The action as it is written: the same words twice in one project are reported there.
    action: Action,
    by: Whose,
}

impl Needs {
    /// A project with its images.
    pub fn pushes(&mut self, project: &str, images: &[WatchedImage]) {
        for image in images {
            self.pushed.entry(image.repository.clone()).or_default().insert(project.into());
        }
    }

    /// What an action writes, by whose word.
    pub fn writes(&mut self, action: &Action, by: &Whose, images: &[WatchedImage]) {
        let mut write = |repository: Repository, tag: &str| {
            self.written.push(Written { repository, tag: tag.into(), action: action.clone(), by: by.clone() });
        };
        match action {
            Action::Retag { tag } => images.iter().for_each(|image| write(image.repository.clone(), tag)),
            Action::Copy { to, tag } => {
                let targets: Vec<Repository> = images.iter().filter_map(|image| to.of(image)).collect();
                if let Some(tag) = tag {
                    targets.iter().for_each(|target| write(target.clone(), tag));
                }
                self.copied_to.extend(targets.into_iter().map(|target| (target, by.clone())));
            }
            Action::PlayJob { .. } | Action::StartPipeline { .. } | Action::Deployment | Action::Attest => {}
        }
    }

    /// No tag is written by two, in whatever words, and no copy goes where another project pushes: one would undo the other.
    fn written_once(&self, reader: &Reader<'_>) {
        let mut first: BTreeMap<(&Repository, &str), &Written> = BTreeMap::new();
        for written in &self.written {
            let Written { repository, tag, action, by } = written;
            let Some(other) = first.get(&(repository, tag.as_str())) else {
                first.insert((repository, tag), written);
                continue;
            };
            let same_project = other.by.project == by.project;
            if same_project && other.action == *action {
                continue;
            }
            let line = reader.sink.line(other.by.place.at);
            let whose = |whose: &Whose| format!("{} of {}", quoted(&whose.environment), whose.project);
            let says = format!(
                "{} would write {repository}:{tag}, and so does {} at line {line}; give each a target of its own, with {{path}} instead of \
                 {{image}} if need be",
                whose(by),
                whose(&other.by),
            );
            reader.sink.add(&by.place, says);
        }
        for (target, by) in &self.copied_to {
            let others = self.pushed.get(target).into_iter().flatten().filter(|project| **project != by.project);
            for other in others {
                let says =
                    format!("{target} is where {other} pushes, and {} would copy to it; a copy goes to another repository", by.project);
                reader.sink.add(&by.place, says);
            }
        }
    }

    pub fn add(&mut self, action: &Action, place: &Place, images: &[WatchedImage]) {
        let own = || images.iter().map(|image| image.repository.registry.clone()).collect::<Vec<_>>();
        let hosts = match action {
            Action::Retag { .. } => own(),
            Action::Attest => {
                self.signing_key.push(place.clone());
                own()
            }
            Action::Copy { to, .. } => images.iter().filter_map(|image| Some(to.of(image)?.registry)).collect(),
            Action::PlayJob { .. } | Action::StartPipeline { .. } | Action::Deployment => vec![],
        };
        for host in hosts {
            self.hosts.entry(host).or_default().push(place.clone());
        }
    }

    /// The hosts that are written to.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// Every host must have a push login, and `attest` a key: what cannot work is told before the start.
    pub fn check(&self, reader: &Reader<'_>, has_login: impl Fn(&str) -> bool, has_key: bool) {
        self.written_once(reader);
        for (host, places) in self.hosts.iter().filter(|(host, _)| !has_login(host)) {
            for place in places {
                reader.sink.add(
                    place,
                    format!("writes to {host}, for which there is no login: give [registry.{host:?}] `push_username` and `push_password`"),
                );
            }
        }
        for place in self.signing_key.iter().filter(|_| !has_key) {
            reader.sink.add(place, "needs the bot's own key: give [promotion] a `signing_key`");
        }
    }
}
