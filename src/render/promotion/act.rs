//! What a promotion does, in words: before, and after.

use super::super::phrase::Phrase;
use super::super::story::time;
use super::super::template::Values;
use super::super::{Audience, Links, Words};
use super::Preview;
use crate::model::Repository;
use crate::model::environment::{Action, Carrier};
use crate::model::gitlab::GitRef;
use crate::model::project::WatchedImage;
use crate::model::promotion::{Act, Ending, Left, Standing, StepStanding};

impl Words {
    /// An action of the configuration, for these images.
    pub(super) fn action(&self, action: &Action, preview: &Preview<'_>) -> Phrase {
        let (links, audience) = (preview.links, preview.audience);
        let images: Vec<&WatchedImage> = preview.verdicts.iter().map(|verdict| &verdict.subject.question.image).collect();
        let image = ("image", Phrase::own(if images.len() == 1 { "the image" } else { "each image" }));
        match action {
            Action::Retag { tag } => self.say("promotion/retag", &Values::from([image, ("tag", Phrase::name(tag))])),
            Action::Copy { to, tag } => {
                let to = match images.as_slice() {
                    [one] => to.of(one).map(|to| repository(&to, audience)),
                    _ => None,
                }
                .unwrap_or_else(|| shown(&to.0, audience));
                self.copy(image, to, tag.as_deref())
            }
            Action::PlayJob { job, values } => {
                let pipeline = preview.verdicts.iter().find_map(|verdict| verdict.subject.pipeline.as_ref());
                let pipeline = pipeline.map_or(Phrase::own("the release pipeline"), |pipeline| links.pipeline(pipeline.id));
                self.play(pipeline, job, values.carrier, &Phrase::name(&values.image))
            }
            Action::StartPipeline { branch, values } => {
                let on = branch.as_deref().map_or_else(|| self.on_tag(links, preview.release), Phrase::name);
                self.start(on, values.carrier, &Phrase::name(&values.image))
            }
            Action::Deployment => Phrase::own("Record a deployment in GitLab"),
            Action::Attest => self.say("promotion/attest", &Values::from([image])),
        }
    }

    /// A step of a plan.
    fn act(&self, act: &Act, (links, audience): (&Links, Audience)) -> Phrase {
        let image = |image: &crate::model::PinnedImage| ("image", Phrase::name(&image.repository.path));
        let named = |values: &[(String, String)]| Phrase::list(&values.iter().map(|(name, _)| Phrase::name(name)).collect::<Vec<_>>());
        match act {
            Act::Retag { image: what, tag } => self.say("promotion/retag", &Values::from([image(what), ("tag", Phrase::name(tag))])),
            Act::Copy { image: what, to, tag } => self.copy(image(what), repository(to, audience), tag.as_deref()),
            Act::PlayJob { pipeline, job, carrier, values } => self.play(links.pipeline(*pipeline), job, *carrier, &named(values)),
            Act::StartPipeline { git_ref, carrier, values, .. } => {
                let on = match git_ref {
                    GitRef::Tag(tag) => self.on_tag(links, tag),
                    GitRef::Branch(name) => Phrase::name(name),
                };
                self.start(on, *carrier, &named(values))
            }
            Act::Deployment { .. } => Phrase::own("Record a deployment in GitLab"),
            Act::Attest { image: what, .. } => self.say("promotion/attest", &Values::from([image(what)])),
        }
    }

    fn copy(&self, image: (&'static str, Phrase), to: Phrase, tag: Option<&str>) -> Phrase {
        match tag {
            Some(tag) => self.say("promotion/copy-tagged", &Values::from([image, ("to", to), ("tag", Phrase::name(tag))])),
            None => self.say("promotion/copy", &Values::from([image, ("to", to)])),
        }
    }

    fn on_tag(&self, links: &Links, tag: &str) -> Phrase {
        self.say("promotion/on-tag", &Values::from([("release", links.release(tag))]))
    }

    fn play(&self, pipeline: Phrase, job: &str, carrier: Carrier, values: &Phrase) -> Phrase {
        let values = [("pipeline", pipeline), ("job", Phrase::name(job)), ("carrier", carried_by(carrier)), ("values", values.clone())];
        self.say("promotion/play-job", &Values::from(values))
    }

    fn start(&self, on: Phrase, carrier: Carrier, values: &Phrase) -> Phrase {
        let values = [("on", on), ("carrier", carried_by(carrier)), ("values", values.clone())];
        self.say("promotion/start-pipeline", &Values::from(values))
    }

    /// Every step of a promotion with what became of it.
    pub(super) fn steps(&self, standing: &Standing, to: (&Links, Audience)) -> Vec<Phrase> {
        let refused = matches!(&standing.ended, Some((Ending::Stopped { code, .. }, _)) if code == "CS-STEP");
        standing.steps.iter().map(|step| self.step(step, refused, to)).collect()
    }

    fn step(&self, step: &StepStanding, refused: bool, to: (&Links, Audience)) -> Phrase {
        let act = ("act", self.act(&step.act, to));
        match (&step.did, step.began) {
            (Some((left, at)), _) => {
                let values = [act, ("left", self.left(left, &step.act, to.0)), ("at", time(*at))];
                self.say("promotion/step-done", &Values::from(values))
            }
            // The last one that was begun is the one that was refused.
            (None, Some(_)) if refused => self.say("promotion/step-refused", &Values::from([act])),
            (None, Some(at)) => self.say("promotion/step-begun", &Values::from([act, ("at", time(at))])),
            (None, None) => self.say("promotion/step-not-done", &Values::from([act])),
        }
    }

    /// What a step started, which ends later.
    pub(super) fn started(&self, left: &Left, act: &Act, links: &Links) -> Option<Phrase> {
        match (left, act) {
            (Left::Job { id }, _) => Some(links.job(*id)),
            (Left::Pipeline { id }, _) => Some(links.pipeline(*id)),
            (Left::Deployment { id }, Act::Deployment { environment, .. }) => Some(links.deployment(*id, environment)),
            (Left::Deployment { id }, _) => Some(Phrase::numbered("deployment", id.0, None)),
            (Left::Tagged { .. } | Left::Copied { .. } | Left::Attested { .. }, _) => None,
        }
    }

    fn left(&self, left: &Left, act: &Act, links: &Links) -> Phrase {
        let started = |what| self.say("promotion/left-started", &Values::from([("what", what)]));
        let was_so = |before| matches!(act, Act::Retag { image, .. } if image.digest == before);
        match left {
            Left::Tagged { before: Some(before) } if was_so(*before) => Phrase::own("it was so already"),
            Left::Tagged { before: Some(before) } => self.say("promotion/left-tagged", &Values::from([("before", Phrase::digest(before))])),
            Left::Tagged { before: None } => Phrase::own("the tag is new"),
            Left::Copied { evidence } => {
                let count = Phrase::number(u64::try_from(*evidence).unwrap_or(u64::MAX));
                let template = if *evidence == 1 { "promotion/left-copied-one" } else { "promotion/left-copied" };
                self.say(template, &Values::from([("count", count)]))
            }
            Left::Job { .. } | Left::Pipeline { .. } | Left::Deployment { .. } => match self.started(left, act, links) {
                Some(what) => started(what),
                None => Phrase::own("it was started"),
            },
            Left::Attested { attestation } => {
                self.say("promotion/left-attested", &Values::from([("attestation", Phrase::digest(attestation))]))
            }
        }
    }
}

fn carried_by(carrier: Carrier) -> Phrase {
    Phrase::own(match carrier {
        Carrier::Variables => "variable",
        Carrier::Inputs => "input",
    })
}

fn repository(repository: &Repository, audience: Audience) -> Phrase {
    shown(&repository.to_string(), audience)
}

/// A repository, without its registry where not everybody may know that.
fn shown(repository: &str, audience: Audience) -> Phrase {
    match audience {
        Audience::Members => Phrase::name(repository),
        Audience::Everyone => Phrase::name(super::super::explain::without_registry(repository)),
    }
}
