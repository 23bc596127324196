//! `environments` and the tables of `[….environment.NAME]`: each environment out of what project, profile and defaults say.

mod across;
mod action;

use std::collections::BTreeSet;

use super::document::Node;
use super::forms;
use super::keys::{environment as key, freeze, shared};
use super::problem::{Place, nearest, quoted};
use super::reader::{Layers, Reader, all};
use crate::model::environment::{Action, Allow, Freeze};
use crate::model::moment::Edge;
use crate::model::project::{Pattern, WatchedImage};
use crate::model::{Environment, EnvironmentName, Timestamp};

pub use action::Needs;
use action::Whose;

/// The longest time that an environment may only be observed: whoever wants more looks at it again first.
const OBSERVED_LONGEST: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);

/// The project whose environments are read.
pub struct Of<'p, 'a> {
    pub place: &'p Place,
    /// Its path in GitLab.
    pub path: Option<&'p str>,
    /// The most specific first.
    pub layers: &'p Layers<'a>,
    pub images: Option<&'p [WatchedImage]>,
    pub release_tags: Option<&'p Pattern>,
}

/// An environment as it was read, with the places that later problems point to.
struct Read {
    environment: Environment,
    after: Option<Place>,
    actions: Vec<(Action, Place)>,
}

/// The environments of one project, in the order of promotion.
pub fn read(reader: &Reader<'_>, of: &Of<'_, '_>, needs: &mut Needs) -> Option<Vec<Environment>> {
    let names = match of.layers.get(&shared::ENVIRONMENTS) {
        Some(node) => node.list().and_then(|list| all(list.iter().map(Node::text)))?,
        None => vec![],
    };
    if let (Some(path), Some(images)) = (of.path, of.images) {
        needs.pushes(path, images);
    }
    let read = all(names.iter().map(|name| one(reader, of, name, needs)))?;
    across::check(reader, of, &read);
    Some(read.into_iter().map(|read| read.environment).collect())
}

/// The manual jobs that the environments' promotions start, each once.
pub fn deploy_jobs(environments: &[Environment]) -> Vec<String> {
    let named = |action: &Action| match action {
        Action::PlayJob { job, .. } => Some(job.clone()),
        Action::Retag { .. } | Action::Copy { .. } | Action::StartPipeline { .. } | Action::Deployment | Action::Attest => None,
    };
    let jobs: BTreeSet<String> = environments.iter().flat_map(|environment| environment.actions.iter().filter_map(named)).collect();
    jobs.into_iter().collect()
}

/// The tables that speak of an environment, the most specific first.
pub fn tables<'a>(layers: &Layers<'a>, name: &str) -> Layers<'a> {
    Layers(layers.0.iter().filter_map(|layer| layer.get(&shared::ENVIRONMENT)?.get_named(name)).collect())
}

fn one(reader: &Reader<'_>, of: &Of<'_, '_>, name: &str, needs: &mut Needs) -> Option<Read> {
    let layers = tables(of.layers, name);
    let after = layers.get(&key::AFTER);
    let actions = match layers.get(&key::ACTIONS) {
        Some(node) => all(node.list()?.iter().map(|node| Some((action::read(reader, node)?, node.place.clone())))),
        None => Some(vec![]),
    };
    if let (Some(actions), Some(images)) = (&actions, of.images) {
        for (action, place) in actions {
            action::fits(reader, (action, place), images, of.release_tags);
            needs.add(action, place, images);
            if let Some(project) = of.path {
                let by = Whose { project: project.into(), environment: name.into(), place: place.clone() };
                needs.writes(action, &by, images);
            }
        }
    }
    let groups = match layers.get(&key::GROUPS) {
        Some(node) => all(node.list()?.iter().map(|node| node.text().map(str::to_owned))),
        None => Some(vec![]),
    };
    let wait = |key| layers.parsed(key, forms::age).and_then(|wait| jiff::SignedDuration::try_from(wait).ok());
    let (freezes, observe_until) = (freezes(reader, &layers), observe_until(reader, &layers));
    let after_name = match &after {
        Some(node) => Some(EnvironmentName(node.text()?.into())),
        None => None,
    };
    let actions = actions?;
    let environment = Environment {
        name: EnvironmentName(name.into()),
        after: after_name,
        actions: actions.iter().map(|(action, _)| action.clone()).collect(),
        allow: Allow { role: layers.parsed(&key::ROLE, role)?, groups: groups? },
        second_person: layers.flag(&key::SECOND_PERSON)?,
        approval_age: wait(&key::APPROVAL_AGE)?,
        converge_within: wait(&key::CONVERGE_WITHIN)?,
        freezes: freezes?,
        observe_until: observe_until?,
    };
    Some(Read { environment, after: after.map(|node| node.place), actions })
}

/// GitLab's number of a role ([access levels](https://docs.gitlab.com/api/access_requests/#valid-access-levels)).
fn role(word: &str) -> Option<u64> {
    match word {
        "developer" => Some(30),
        "maintainer" => Some(crate::model::environment::MAINTAINER),
        "owner" => Some(50),
        _ => None,
    }
}

fn freezes(reader: &Reader<'_>, layers: &Layers<'_>) -> Option<Vec<Freeze>> {
    let Some(said) = layers.get(&key::FREEZE) else { return Some(vec![]) };
    all(said.list()?.iter().map(|node| {
        let (from, until) = (node.get(&freeze::FROM), node.get(&freeze::UNTIL));
        let reason = node.get(&freeze::REASON);
        let (from, until) = (from?.moment(Edge::Start)?.ok()?, until?.moment(Edge::End)?.ok()?);
        if until <= from {
            reader.sink.add(&node.place, format!("never holds: it begins at {from} and ends at {until}"));
            return None;
        }
        Some(Freeze { from, until, reason: reason?.text()?.into() })
    }))
}

fn observe_until(reader: &Reader<'_>, layers: &Layers<'_>) -> Option<Option<Timestamp>> {
    let Some(said) = layers.get(&key::OBSERVE_UNTIL) else { return Some(None) };
    let until = said.moment(Edge::Start)?.ok()?;
    if until.duration_since(reader.now) > OBSERVED_LONGEST {
        reader.sink.add(&said.place, format!("{until} is more than 90 days ahead; an environment is observed for a while, never for good"));
        return None;
    }
    if until <= reader.now {
        reader.sink.warn(&said.place, format!("is over since {until}: everything that should stop a promotion stops it; remove the key"));
    }
    Some(Some(until))
}

/// What the tables of a layer are called; each must be one of these environments, or its rules would hold for nothing.
pub fn all_are_known(reader: &Reader<'_>, layer: &Node<'_>, known: &BTreeSet<String>, whose: &str) {
    for (name, table) in layer.get(&shared::ENVIRONMENT).map(|node| node.entries()).unwrap_or_default() {
        if !known.contains(name) {
            reader.sink.add(&table.place, format!("{} is none of {whose}; {}", quoted(name), hint(name, known)));
        }
    }
}

/// Names that could have been meant.
fn hint(name: &str, known: &BTreeSet<String>) -> String {
    match (nearest(name, known.iter().map(String::as_str)), known.is_empty()) {
        (Some(near), _) => format!("did you mean {}?", quoted(near)),
        (None, true) => "`environments` names none at all".into(),
        (None, false) => format!("there are {}", known.iter().take(20).map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
    }
}
