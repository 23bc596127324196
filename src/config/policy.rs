//! `[policy]`: what is demanded. Where several places speak, the strictest counts; where none does, the built-in demand.

use super::document::Node;
use super::keys::policy as key;
use super::problem::{Place, Sink, quoted};
use super::table::{Key, Need};
use crate::verdict::{BuiltBy, Demand, Platforms, Policy, TrustedRunner};

/// The policy of a project out of the `policy` tables that apply to it, in any order.
pub fn read(layers: &[Node<'_>], project: &Place, sink: &Sink<'_>) -> Option<Policy> {
    Some(Policy {
        sources: sources(layers, project, sink)?,
        digest_file: demand(layers, &key::DIGEST_FILE)?,
        commit_tag: demand(layers, &key::COMMIT_TAG)?,
        provenance: demand(layers, &key::PROVENANCE)?,
        base_image: demand(layers, &key::BASE_IMAGE)?,
        base_unchanged: demand(layers, &key::BASE_UNCHANGED)?,
        runners: runners(layers, project, sink)?,
        require_log: flag(layers, &key::REQUIRE_LOG)?,
        platforms: platforms(layers)?,
        built_by: built_by(layers)?,
    })
}

/// The policy of an environment, out of the same tables and its own. Where only the environment speaks, the project's built-in demand
/// counts as well: an environment can only tighten.
pub fn read_in(layers: &[Node<'_>], project: &Policy, place: &Place, sink: &Sink<'_>) -> Option<Policy> {
    let mut policy = read(layers, place, sink)?;
    for (own, demanded) in [
        (&mut policy.digest_file, project.digest_file),
        (&mut policy.commit_tag, project.commit_tag),
        (&mut policy.provenance, project.provenance),
        (&mut policy.base_image, project.base_image),
        (&mut policy.base_unchanged, project.base_unchanged),
    ] {
        *own = own.stricter(demanded);
    }
    if project.built_by == BuiltBy::Proven {
        policy.built_by = BuiltBy::Proven;
    }
    policy.sources.retain(|source| project.sources.contains(source));
    if policy.sources.is_empty() {
        let sources = project.sources.join(", ");
        sink.add(
            place,
            format!("nothing may be promoted: the project's releases come from {sources}, which an environment's policy excludes"),
        );
        return None;
    }
    Some(policy)
}

fn demand(layers: &[Node<'_>], key: &Key) -> Option<Demand> {
    let said: Vec<Node<'_>> = layers.iter().filter_map(|layer| layer.get(key)).collect();
    if said.is_empty() {
        return word(key.default_text()?);
    }
    // One unreadable place leaves no demand at all: it is reported, and loading stops.
    let demands = said.iter().map(|node| word(node.text()?)).collect::<Option<Vec<_>>>()?;
    demands.into_iter().max_by_key(|demand| strictness(*demand))
}

/// Whether any place demands it.
fn flag(layers: &[Node<'_>], key: &Key) -> Option<bool> {
    let said = layers.iter().filter_map(|layer| layer.get(key)).map(|node| node.flag()).collect::<Option<Vec<_>>>()?;
    match key.need {
        Need::Flag(default) => Some(said.into_iter().fold(default, |any, flag| any || flag)),
        Need::Required | Need::Optional | Need::Text(_) | Need::Texts(_) => None,
    }
}

fn platforms(layers: &[Node<'_>]) -> Option<Platforms> {
    let said: Vec<Node<'_>> = layers.iter().filter_map(|layer| layer.get(&key::PLATFORMS)).collect();
    let said = said.iter().map(Node::text).collect::<Option<Vec<_>>>()?;
    let word = |text: &str| match text {
        "index" => Some(Platforms::Index),
        "all-signed" => Some(Platforms::AllSigned),
        _ => None,
    };
    let demands = said.into_iter().chain(key::PLATFORMS.default_text()).map(word).collect::<Option<Vec<_>>>()?;
    Some(if demands.contains(&Platforms::AllSigned) { Platforms::AllSigned } else { Platforms::Index })
}

/// One place that wants proof is enough.
fn built_by(layers: &[Node<'_>]) -> Option<BuiltBy> {
    let said: Vec<Node<'_>> = layers.iter().filter_map(|layer| layer.get(&key::BUILT_BY)).collect();
    let said = said.iter().map(Node::text).collect::<Option<Vec<_>>>()?;
    let word = |text: &str| match text {
        "proven" => Some(BuiltBy::Proven),
        "commit-tag" => Some(BuiltBy::CommitTag),
        _ => None,
    };
    if said.is_empty() {
        return word(key::BUILT_BY.default_text()?);
    }
    let demands = said.into_iter().map(word).collect::<Option<Vec<_>>>()?;
    Some(if demands.contains(&BuiltBy::Proven) { BuiltBy::Proven } else { BuiltBy::CommitTag })
}

fn word(text: &str) -> Option<Demand> {
    match text {
        "required" => Some(Demand::Required),
        "warned" => Some(Demand::Warned),
        "off" => Some(Demand::Off),
        _ => None,
    }
}

fn strictness(demand: Demand) -> u8 {
    match demand {
        Demand::Off => 0,
        Demand::Warned => 1,
        Demand::Required => 2,
    }
}

/// `Some(None)`: nobody says anything, and every runner may release.
fn runners(layers: &[Node<'_>], project: &Place, sink: &Sink<'_>) -> Option<Option<Vec<TrustedRunner>>> {
    let said: Vec<Node<'_>> = layers.iter().filter_map(|layer| layer.get(&key::RUNNERS)).collect();
    if said.is_empty() {
        return Some(None);
    }
    let lists = said.iter().map(texts).collect::<Option<Vec<_>>>()?;
    let shared = in_common(&lists);
    if shared.is_empty() && lists.iter().all(|list| !list.is_empty()) {
        let lists = told(&lists);
        sink.add(project, format!("no runner may release this project: its `policy.runners` have none in common ({lists})"));
        return None;
    }
    shared.into_iter().map(TrustedRunner::parse).collect::<Option<Vec<_>>>().map(Some)
}

/// What every one of the lists holds.
fn in_common<'a>(lists: &[Vec<&'a str>]) -> Vec<&'a str> {
    let Some((first, rest)) = lists.split_first() else { return vec![] };
    first.iter().filter(|item| rest.iter().all(|list| list.contains(item))).copied().collect()
}

fn told(lists: &[Vec<&str>]) -> String {
    lists.iter().map(|list| list.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(", ")).collect::<Vec<_>>().join("; ")
}

fn sources(layers: &[Node<'_>], project: &Place, sink: &Sink<'_>) -> Option<Vec<String>> {
    let said: Vec<Node<'_>> = layers.iter().filter_map(|layer| layer.get(&key::SOURCES)).collect();
    let lists = said.iter().map(texts).collect::<Option<Vec<_>>>()?;
    let Some(first) = lists.first() else {
        return match key::SOURCES.need {
            Need::Texts(texts) => Some(texts.iter().map(|text| text.to_string()).collect()),
            Need::Required | Need::Optional | Need::Text(_) | Need::Flag(_) => None,
        };
    };
    let allowed: Vec<String> = in_common(&lists).into_iter().map(str::to_owned).collect();
    if allowed.is_empty() && !first.is_empty() {
        let lists = told(&lists);
        sink.add(project, format!("no pipeline source may release this project: its `policy.sources` have none in common ({lists})"));
        return None;
    }
    Some(allowed)
}

fn texts<'a>(node: &Node<'a>) -> Option<Vec<&'a str>> {
    node.list()?.iter().map(Node::text).collect()
}
