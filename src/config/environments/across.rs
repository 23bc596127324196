//! What only all environments of a project together can have wrong: their order, and what two of them would both write.

use std::collections::{BTreeMap, BTreeSet};

use super::{Of, Read, Reader, hint};
use crate::config::problem::{Place, quoted};
use crate::model::EnvironmentName;
use crate::model::environment::Action;

pub fn check(reader: &Reader<'_>, of: &Of<'_, '_>, read: &[Read]) {
    order(reader, of, read);
    written_once(reader, read);
    for Read { actions, .. } in read {
        summary_goes_along(reader, actions);
    }
}

/// A summary lies beside the image in its own repository. Whoever runs the copy must find it there, and before the copy has its tag.
fn summary_goes_along(reader: &Reader<'_>, actions: &[(Action, Place)]) {
    let first_copy = actions.iter().position(|(action, _)| matches!(action, Action::Copy { .. }));
    let Some(first_copy) = first_copy else { return };
    for (_, place) in actions.iter().skip(first_copy).filter(|(action, _)| matches!(action, Action::Attest)) {
        let says = "signs a summary that the `copy` before it does not take along; put `attest` before the first `copy`, so that each \
                    copy holds it before it gets its tag";
        reader.sink.add(place, says);
    }
}

fn order(reader: &Reader<'_>, of: &Of<'_, '_>, read: &[Read]) {
    let names: BTreeSet<String> = read.iter().map(|read| read.environment.name.0.clone()).collect();
    let before: BTreeMap<&EnvironmentName, &EnvironmentName> =
        read.iter().filter_map(|read| Some((&read.environment.name, read.environment.after.as_ref()?))).collect();
    for Read { environment, after, .. } in read {
        let (Some(place), Some(named)) = (after, &environment.after) else { continue };
        if *named == environment.name {
            reader.sink.add(place, "names the environment itself; nothing could ever be promoted to it");
        } else if !names.contains(&named.0) {
            let project = &of.place.path;
            reader.sink.add(place, format!("{} is no environment of {project}; {}", quoted(&named.0), hint(&named.0, &names)));
        } else if is_in_a_circle(&environment.name, &before) {
            reader
                .sink
                .add(place, format!("goes in a circle from {0} back to {0}; nothing could ever be promoted", quoted(&environment.name.0)));
        }
    }
}

fn is_in_a_circle(name: &EnvironmentName, before: &BTreeMap<&EnvironmentName, &EnvironmentName>) -> bool {
    let mut at = name;
    // As many steps as there are environments: a circle that does not hold this one ends as well.
    for _ in 0..before.len() {
        match before.get(at) {
            Some(next) if *next == name => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}

/// What an action writes or starts; `None` where two of a kind do no harm to each other.
fn target(action: &Action) -> Option<String> {
    match action {
        Action::Retag { tag } => Some(format!("retag {tag}")),
        Action::Copy { to, tag } => Some(format!("copy {} {}", to.0, tag.as_deref().unwrap_or_default())),
        Action::PlayJob { job, .. } => Some(format!("play-job {job}")),
        Action::StartPipeline { branch, .. } => Some(format!("start-pipeline {}", branch.as_deref().unwrap_or_default())),
        Action::Deployment | Action::Attest => Some(action.word().into()),
    }
}

/// Whether two environments may share it. A tag that says what production runs must not be moved by staging.
fn is_of_one_environment(action: &Action) -> bool {
    match action {
        Action::Retag { .. } | Action::Copy { tag: Some(_), .. } | Action::PlayJob { .. } => true,
        Action::Copy { tag: None, .. } | Action::StartPipeline { .. } | Action::Deployment | Action::Attest => false,
    }
}

fn written_once(reader: &Reader<'_>, read: &[Read]) {
    let mut elsewhere: BTreeMap<String, (&EnvironmentName, &Place)> = BTreeMap::new();
    for Read { environment, actions, .. } in read {
        let mut here: BTreeSet<String> = BTreeSet::new();
        for (action, place) in actions {
            let Some(target) = target(action) else { continue };
            if !here.insert(target.clone()) {
                reader.sink.add(place, format!("is a second `{}` with the same target; each is done once", action.word()));
                continue;
            }
            if !is_of_one_environment(action) {
                continue;
            }
            // The same line of `[defaults]` may serve one environment only.
            if let Some((other, first)) = elsewhere.get(&target) {
                let line = reader.sink.line(first.at);
                let (other, name) = (quoted(&other.0), quoted(&environment.name.0));
                reader.sink.add(place, format!("has the target that {other} has at line {line}; {name} needs one of its own"));
            } else {
                elsewhere.insert(target, (&environment.name, place));
            }
        }
    }
}
