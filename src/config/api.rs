//! `[api]`: the tokens of the API, and whose jobs may use ID tokens.

use std::collections::BTreeMap;

use url::Url;

use super::document::Node;
use super::forms::{self, ALL_PROJECTS};
use super::keys::{api, api_token as key, root};
use super::problem::{Place, nearest, quoted};
use super::reader::{Layers, Reader, all};
use super::{ProjectConfig, instance};
use crate::delivery::api::{ApiToken, Issuer, ProjectName, Scope, Settings};
use crate::model::Secret;
use crate::model::gitlab::InstanceName;

/// Characters of a secret: with fewer, one that people make up can be found by trying. `openssl rand -hex 20` gives 40.
const SHORTEST_SECRET: usize = 20;

/// `[api]`, up to the address that the server section tells.
pub struct Api {
    tokens: Vec<ApiToken>,
    issuers: Vec<Issuer>,
    projects: Vec<ProjectName>,
}

impl Api {
    pub fn settings(self, public_url: Url) -> Settings {
        Settings { public_url, tokens: self.tokens, issuers: self.issuers, projects: self.projects }
    }
}

/// Reads the section, which may be absent: then there are no tokens, and ID tokens count.
pub fn read(reader: &Reader<'_>, document: &Node<'_>, projects: &[ProjectConfig]) -> Option<Api> {
    let layers = Layers(document.get(&root::API).into_iter().collect());
    let gitlabs = document.get(&root::GITLAB);
    let projects: Vec<ProjectName> = projects
        .iter()
        .map(|project| ProjectName { instance: project.watched.instance.clone(), path: project.watched.path.clone() })
        .collect();
    let entries = layers.get(&api::TOKEN).map(|node| node.entries()).unwrap_or_default();
    let on = On { reader, gitlabs: gitlabs.as_ref(), projects: &projects };
    let tokens = all(entries.iter().map(|(name, node)| on.token(name, node)))
        .and_then(|tokens| distinct(reader, tokens.into_iter().flatten().collect()));
    let issuers = if layers.flag(&api::ID_TOKENS)? { issuers(gitlabs.as_ref())? } else { vec![] };
    Some(Api { tokens: tokens?, issuers, projects })
}

fn issuers(gitlabs: Option<&Node<'_>>) -> Option<Vec<Issuer>> {
    let entries = gitlabs.map(Node::entries).unwrap_or_default();
    all(entries.iter().map(|(name, node)| Some(Issuer { instance: InstanceName((*name).into()), issuer: instance::issuer(node)? })))
}

/// What a token may be limited to.
struct On<'a> {
    reader: &'a Reader<'a>,
    gitlabs: Option<&'a Node<'a>>,
    projects: &'a [ProjectName],
}

impl On<'_> {
    /// One token, with each of its secrets and where it stands.
    fn token(&self, name: &str, node: &Node<'_>) -> Option<Vec<(ApiToken, Place)>> {
        let secrets = node.get(&key::SECRET).map(|node| node.one_or_many()).unwrap_or_default();
        let secrets = all(secrets.into_iter().map(|node| Some((self.secret(&node)?, node.place))));
        let scope = self.scope(node)?;
        let token = |(secret, place)| (ApiToken { name: name.into(), secret, scope: scope.clone() }, place);
        Some(secrets?.into_iter().map(token).collect())
    }

    fn secret(&self, node: &Node<'_>) -> Option<Secret> {
        let secret = self.reader.secret(node)?;
        let says = if secret.expose().len() < SHORTEST_SECRET {
            format!("the secret has fewer than {SHORTEST_SECRET} characters; make one with `openssl rand -hex 20`")
        } else if secret.expose().contains(|c: char| !c.is_ascii_graphic()) {
            "the secret holds spaces or letters that no header can carry".into()
        } else {
            return Some(secret);
        };
        self.reader.sink.add(&node.place, says);
        None
    }

    fn scope(&self, node: &Node<'_>) -> Option<Scope> {
        let gitlab = match node.get(&key::GITLAB) {
            Some(named) => Some(InstanceName(self.reader.named(&named, self.gitlabs, "gitlab")?.0.into())),
            None => None,
        };
        let listed = node.get(&key::PROJECTS)?.one_or_many();
        let everything = listed.iter().find(|node| node.text() == Some(ALL_PROJECTS));
        if let Some(node) = everything.filter(|_| listed.len() > 1) {
            self.reader.sink.add(&node.place, "stands beside other projects; write \"all\" alone, or leave it out");
            return None;
        }
        match (everything, gitlab) {
            (Some(_), None) => Some(Scope::All),
            (Some(_), Some(gitlab)) => {
                Some(Scope::Only(self.projects.iter().filter(|project| project.instance == gitlab).cloned().collect()))
            }
            (None, gitlab) => all(listed.iter().map(|node| self.project(node, gitlab.as_ref()))).map(Scope::Only),
        }
    }

    /// A watched project by its path: one that is misspelt would be a token that opens nothing.
    fn project(&self, node: &Node<'_>, gitlab: Option<&InstanceName>) -> Option<ProjectName> {
        // A text that is no path is reported already.
        let path = node.text().filter(|path| (forms::API_PROJECT.check)(path).is_ok())?;
        let on_it = || self.projects.iter().filter(|project| gitlab.is_none_or(|gitlab| project.instance == *gitlab));
        let mut found = on_it().filter(|project| project.path.0 == path);
        let says = match (found.next(), found.next()) {
            (Some(project), None) => return Some(project.clone()),
            (Some(_), Some(_)) => format!("several servers have a project {}; say which, with `gitlab`", quoted(path)),
            (None, _) => match nearest(path, on_it().map(|project| project.path.0.as_str())) {
                Some(near) => format!("no such project is watched; did you mean {}?", quoted(near)),
                None => "no such project is watched".into(),
            },
        };
        // Without any project, what is missing is reported already.
        if !self.projects.is_empty() {
            self.reader.sink.add(&node.place, says);
        }
        None
    }
}

/// All tokens, if no two have the same secret: which of the two asks could not be told.
fn distinct(reader: &Reader<'_>, tokens: Vec<(ApiToken, Place)>) -> Option<Vec<ApiToken>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    all(tokens.into_iter().map(|(token, place)| match seen.insert(token.secret.expose().to_owned(), place.at) {
        None => Some(token),
        Some(first) => {
            reader.sink.add(&place, format!("is the same secret as the one at line {}; each has its own", reader.sink.line(first)));
            None
        }
    }))
}
