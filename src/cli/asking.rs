//! From what somebody asks (flags of `verify`, a body of the API) to a verdict of the bot.

use crate::bot::{Bot, Judged, Rule};
pub use crate::delivery::api::Asking;
use crate::model::EnvironmentName;
use crate::model::image::Pointer;
use crate::model::project::{WatchedImage, WatchedProject};
use crate::store::ledger::LedgerError;
use crate::verdict::{About, AskingJob, Looked, Question, Why};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum NoVerdict {
    /// The question itself; the text says what would be right.
    #[error("{0}")]
    Question(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The image that is asked about, among those of these rules: the project's on one server or, where two servers have a project of
/// this path, on both.
pub fn image<'a>(rules: &[&'a Rule], asking: &Asking) -> Result<(&'a Rule, &'a WatchedImage), NoVerdict> {
    let wanted = &asking.image.repository;
    let path = rules.first().map_or(String::new(), |rule| rule.watched.path.to_string());
    let images = || rules.iter().flat_map(|rule| rule.watched.images.iter().map(move |image| (*rule, image)));
    let mut found = images().filter(|(_, image)| image.repository == *wanted);
    let Some((rule, image)) = found.next() else {
        let names: Vec<_> = images().map(|(_, image)| image.repository.to_string()).collect();
        return wrong(format!("{wanted} is no image of {path}, which releases {}.\nNext: correct the image, or add it.", list(&names)));
    };
    if found.next().is_some() {
        return wrong(format!(
            "Two GitLab servers have a project {path} that releases {wanted}.\nNext: use a configuration with one of them."
        ));
    }
    let environments = &rule.watched.environments;
    if let Some(name) = asking.environment.as_ref().filter(|name| environments.iter().all(|environment| environment.0 != **name)) {
        let names: Vec<_> = environments.iter().map(ToString::to_string).collect();
        return wrong(format!(
            "{name} is no environment of {path}, which has {}.\nNext: correct the environment, or add it.",
            list(&names)
        ));
    }
    if let Some(tag) = asking.tag.as_ref().filter(|tag| !rule.watched.release_tags.matches(tag)) {
        let pattern = rule.watched.release_tags.as_str();
        return wrong(format!("{tag} is no release tag of {path}, whose releases are {pattern}.\nNext: correct the tag."));
    }
    Ok((rule, image))
}

/// Names for a sentence.
pub fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn wrong<T>(sentence: String) -> Result<T, NoVerdict> {
    Err(NoVerdict::Question(sentence))
}

/// Asks the bot.
pub async fn judge(bot: &Bot, (rule, image): (&Rule, &WatchedImage), asking: &Asking) -> Result<Judged, NoVerdict> {
    let (watched, policy) = rule.demands(asking.environment.clone().map(EnvironmentName).as_ref());
    let image = watched.images.iter().find(|watched| watched.name == image.name).unwrap_or(image);
    let on = On { bot, watched, image };
    let release = asking.tag.as_deref();
    let about = match &asking.image.pointer {
        Pointer::Digest(digest) => About::Image { digest: *digest, tag: release.map(str::to_owned) },
        Pointer::Tag(tag) => match on.about_tag(tag, release).await? {
            Ok(about) => about,
            Err(why) => {
                let about = About::Release { tag: release.unwrap_or(tag).to_owned() };
                return Ok(bot.verify_no_image(&on.question(about, asking.job), tag, why.as_ref(), policy).await?);
            }
        },
    };
    Ok(bot.verify(&on.question(about, asking.job), policy).await?)
}

/// An image of a project, as the bot watches it.
struct On<'a> {
    bot: &'a Bot,
    watched: &'a WatchedProject,
    image: &'a WatchedImage,
}

impl On<'_> {
    fn question(&self, about: About, asking_job: Option<AskingJob>) -> Question {
        Question { project: self.watched.clone(), image: self.image.clone(), about, asking_job }
    }

    /// What a registry tag is a question about: a release, if it is one's version tag, else the bytes that it names now. The inner
    /// error says why it names none.
    async fn about_tag(&self, tag: &str, release: Option<&str>) -> Result<Result<About, Option<Why>>, NoVerdict> {
        let mut releases = self.image.version_tag.git_tags(tag);
        releases.retain(|git_tag| self.watched.release_tags.matches(git_tag) && release.is_none_or(|release| release == git_tag));
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
    async fn in_gitlab(&self, mut tags: Vec<String>) -> Result<Vec<String>, NoVerdict> {
        let Looked::Found(gitlab) = self.bot.looks.gitlab(&self.watched.instance) else { return Ok(tags) };
        let Looked::Found(project) = self.bot.looks.project(self.watched).await else { return Ok(tags) };
        let mut there = vec![];
        for tag in &tags {
            match gitlab.tag(project.key.id, tag).await {
                Looked::Found(_) => there.push(tag.clone()),
                Looked::Absent => {}
                Looked::Unreachable(_) => return Ok(tags),
            }
        }
        if there.len() > 1 {
            return wrong(format!(
                "The image may be that of {}.\nNext: say which, as the tag (--tag on the command line).",
                there.join(" or ")
            ));
        }
        tags.retain(|tag| there.is_empty() || there.contains(tag));
        Ok(tags)
    }
}
