//! `[[project]]`: each project with what defaults and its profile say.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::document::Node;
use super::environments::{self, Needs};
use super::forms::{self, PATH_PLACEHOLDER};
use super::instance::Hooks;
use super::keys::{environment, image, project as key, root, shared};
use super::policy;
use super::problem::{Place, quoted};
use super::reader::{Layers, Reader, all};
use super::table::Key;
use super::trust::Signers;
use crate::model::gitlab::{InstanceName, ProjectPath};
use crate::model::project::{Pattern, TagTemplate, WatchedImage, WatchedProject};
use crate::model::signer::TrustedSigner;
use crate::model::{Environment, EnvironmentName, Repository};
use crate::verdict::{Demand, Platforms, Policy};

/// A project to watch, and what is demanded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectConfig {
    pub watched: WatchedProject,
    pub policy: Policy,
    /// The environments with their rules, in the order of promotion; those of `watched`.
    pub environments: Vec<Environment>,
    /// Of the environments that demand more than the project does: the project as it is looked at for that, and what they demand.
    pub stricter: BTreeMap<EnvironmentName, (WatchedProject, Policy)>,
}

/// Reads the projects of a document one by one.
pub struct Projects<'a, 'r> {
    reader: &'r Reader<'a>,
    document: Node<'a>,
    gitlabs: Option<Node<'a>>,
    /// Server and path in lower case (GitLab's paths differ in more than case), and where each was first.
    seen: BTreeMap<(InstanceName, String), Place>,
    /// What promotions write to and sign with.
    needs: Needs,
    /// The environments of the projects: of all, and by the profile they take.
    environments: BTreeMap<Option<String>, BTreeSet<String>>,
}

/// A project while its images are read.
struct Of<'p, 'a> {
    node: &'p Node<'a>,
    path: Option<&'p str>,
    layers: &'p Layers<'a>,
    instance: Option<&'p InstanceName>,
    /// Whether policy demands a log.
    log: bool,
}

impl<'a, 'r> Projects<'a, 'r> {
    pub fn new(reader: &'r Reader<'a>, document: &Node<'a>) -> Self {
        let gitlabs = document.get(&root::GITLAB);
        Self { reader, document: document.clone(), gitlabs, seen: BTreeMap::new(), needs: Needs::default(), environments: BTreeMap::new() }
    }

    /// Reads every project; hook secrets and signers written there go to `hooks` and `signers`.
    pub fn read(mut self, hooks: &mut Hooks, signers: &mut Signers<'a>) -> (Option<Vec<ProjectConfig>>, Needs) {
        let nodes = self.document.get(&root::PROJECT).and_then(|projects| projects.list());
        let projects = nodes.and_then(|nodes| all(nodes.into_iter().map(|node| self.project(node, hooks, signers))));
        self.no_table_is_for_nothing();
        (projects, self.needs)
    }

    /// A table of `[defaults]` or of a profile must be for an environment of some project that it holds for.
    fn no_table_is_for_nothing(&self) {
        let none = BTreeSet::new();
        if let Some(defaults) = self.document.get(&root::DEFAULTS) {
            let known = self.environments.get(&None).unwrap_or(&none);
            environments::all_are_known(self.reader, &defaults, known, "the environments of any project");
        }
        for (name, profile) in self.document.get(&root::PROFILE).map(|profiles| profiles.entries()).unwrap_or_default() {
            // A profile that nobody takes holds for nothing as a whole.
            if let Some(known) = self.environments.get(&Some(name.to_owned())) {
                environments::all_are_known(self.reader, &profile, known, "the environments of any project with this profile");
            }
        }
    }

    /// Remembers the environments of a project, and holds its own tables against them.
    fn note_environments(&mut self, node: &Node<'a>, layers: &Layers<'a>) {
        let said = layers.get(&shared::ENVIRONMENTS).and_then(|node| node.list()).unwrap_or_default();
        let names: BTreeSet<String> = said.iter().filter_map(|node| node.text().map(str::to_owned)).collect();
        environments::all_are_known(self.reader, node, &names, "the project's environments");
        let profile = node.get(&key::PROFILE).and_then(|profile| profile.text()).map(str::to_owned);
        for place in [None, profile.map(Some)].into_iter().map(Option::flatten) {
            self.environments.entry(place).or_default().extend(names.iter().cloned());
        }
    }

    fn project(&mut self, node: Node<'a>, hooks: &mut Hooks, signers: &mut Signers<'a>) -> Option<ProjectConfig> {
        let named = node.get(&key::PROFILE);
        let profile =
            named.as_ref().and_then(|name| Some(self.reader.named(name, self.document.get(&root::PROFILE).as_ref(), "profile")?.1));
        let profile_is_missing = named.is_some() && profile.is_none();
        let layers = Layers([Some(node.clone()), profile, self.document.get(&root::DEFAULTS)].into_iter().flatten().collect());
        let instance = self.instance(&node.place, &layers);
        let path = node.get(&key::PATH).and_then(|path| path.text());
        if let (Some(instance), Some(path)) = (&instance, path) {
            self.once(instance, path, &node.place);
            hooks.read_project(self.reader, &node, (instance, &ProjectPath(path.into())));
        }
        // What an unknown profile would have said seems to be missing here: that is no second problem.
        if profile_is_missing {
            return None;
        }
        let policies: Vec<_> =
            self.document.get(&root::POLICY).into_iter().chain(layers.0.iter().filter_map(|l| l.get(&shared::POLICY))).collect();
        let policy = policy::read(&policies, &node.place, self.reader.sink);
        let stricter = policy.as_ref().and_then(|policy| self.stricter((&node, policy), &layers, &policies));
        let release_tags = layers.parsed(&shared::RELEASE_TAGS, |text| Pattern::parse(text).ok());
        let demands = || policy.iter().chain(stricter.iter().flat_map(BTreeMap::values));
        let of = Of { node: &node, path, layers: &layers, instance: instance.as_ref(), log: demands().any(|policy| policy.require_log) };
        let images = self.images(&of, signers);
        self.note_environments(&node, &layers);
        let of =
            environments::Of { place: &node.place, path, layers: &layers, images: images.as_deref(), release_tags: release_tags.as_ref() };
        let environments = environments::read(self.reader, &of, &mut self.needs)?;
        let whole = WatchedProject {
            instance: instance?,
            path: ProjectPath(path?.into()),
            release_tags: release_tags?,
            images: images?,
            environments: environments.iter().map(|environment| environment.name.clone()).collect(),
            deploy_jobs: environments::deploy_jobs(&environments),
        };
        let demanded = |policy: Policy| (looked_at(&whole, &policy), policy);
        let stricter = stricter?.into_iter().map(|(name, policy)| (name, demanded(policy))).collect();
        let (watched, policy) = demanded(policy?);
        Some(ProjectConfig { watched, policy, environments, stricter })
    }

    /// The policies of the environments that have one of their own, which comes on top of the project's.
    fn stricter(
        &self,
        (node, policy): (&Node<'a>, &Policy),
        layers: &Layers<'a>,
        policies: &[Node<'a>],
    ) -> Option<BTreeMap<EnvironmentName, Policy>> {
        let names = layers.get(&shared::ENVIRONMENTS).and_then(|node| node.list()).unwrap_or_default();
        let mut found = BTreeMap::new();
        for name in names.iter().filter_map(Node::text) {
            let own: Vec<_> = environments::tables(layers, name).0.iter().filter_map(|table| table.get(&environment::POLICY)).collect();
            if !own.is_empty() {
                let all: Vec<_> = policies.iter().cloned().chain(own).collect();
                found.insert(EnvironmentName(name.into()), policy::read_in(&all, policy, &node.place, self.reader.sink)?);
            }
        }
        Some(found)
    }

    /// The project's server: the one it names, else the only one.
    fn instance(&self, project: &Place, layers: &Layers<'a>) -> Option<InstanceName> {
        let names: Vec<&str> = self.gitlabs.as_ref().map(Node::entries).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        let name = match (layers.get(&shared::GITLAB), names.as_slice()) {
            (Some(node), _) => self.reader.named(&node, self.gitlabs.as_ref(), "gitlab")?.0,
            (None, [only]) => only,
            // No server at all is a problem of the whole file.
            (None, []) => return None,
            (None, several) => {
                let names = several.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" or ");
                self.reader.sink.add(project, format!("`gitlab` is missing: there are several servers; write gitlab = {names}"));
                return None;
            }
        };
        Some(InstanceName(name.into()))
    }

    /// A project may be there once: of two, which one counts would depend on their order.
    fn once(&mut self, instance: &InstanceName, path: &str, place: &Place) {
        match self.seen.entry((instance.clone(), path.to_ascii_lowercase())) {
            Entry::Occupied(first) => {
                let line = self.reader.sink.line(first.get().at);
                self.reader.sink.add(place, format!("the project {} is there already, at line {line}", quoted(path)));
            }
            Entry::Vacant(free) => {
                free.insert(place.clone());
            }
        }
    }

    /// The images, with everything that can be looked at.
    fn images(&self, of: &Of<'_, 'a>, signers: &mut Signers<'a>) -> Option<Vec<WatchedImage>> {
        let sink = self.reader.sink;
        let Some(said) = of.layers.get(&shared::IMAGE) else {
            sink.add(&of.node.place, "`image` is missing: the image repository that the project releases");
            return None;
        };
        let mut names = BTreeMap::new();
        let mut repositories = BTreeMap::new();
        all(said.one_or_many().into_iter().map(|node| {
            let image = self.image(of, &node, signers)?;
            let name = names.insert(image.name.clone(), node.place.at);
            let repository = repositories.insert(image.repository.clone(), node.place.at);
            if repository.is_some() {
                sink.add(&node.place, format!("the image {} is there twice in this project", image.repository));
            } else if name.is_some() {
                sink.add(
                    &node.place,
                    format!("a second image of this project goes by the name {}; give one of them a `name`", quoted(&image.name)),
                );
            }
            Some(image)
        }))
    }

    fn image(&self, of: &Of<'_, 'a>, node: &Node<'a>, signers: &mut Signers<'a>) -> Option<WatchedImage> {
        let layers = if node.is_table() { of.layers.below(node.clone()) } else { of.layers.clone() };
        let signers = self.signers(of, &layers, node, signers);
        self.log_can_be_looked_up(of, node, signers.as_deref());
        let repository = self.repository(of, node);
        let text = |key: &Key| layers.text(key).map(str::to_owned);
        let template = |key: &Key| layers.parsed(key, |text| TagTemplate::parse(text).ok());
        let (release_job, digest_file) = (text(&shared::RELEASE_JOB), text(&shared::DIGEST_FILE));
        let (version_tag, commit_tag) = (template(&shared::VERSION_TAG), template(&shared::COMMIT_TAG));
        let repository = repository?;
        let name = match node.get(&image::NAME) {
            Some(name) => name.text()?.to_owned(),
            None => repository.path.rsplit('/').next()?.to_owned(),
        };
        Some(WatchedImage {
            name,
            repository,
            version_tag: version_tag?,
            commit_tag: Some(commit_tag?),
            release_job: release_job?,
            digest_file: Some(digest_file?),
            signers: signers?,
            wants_provenance: true,
            platform_signatures: true,
        })
    }

    /// Without a trust root no log is trusted, so that demanding one would block everything.
    fn log_can_be_looked_up(&self, of: &Of<'_, 'a>, image: &Node<'a>, signers: Option<&[TrustedSigner]>) {
        let by_signer = signers.is_some_and(|signers| signers.iter().any(|signer| signer.require_log));
        if !by_signer && !of.log {
            return;
        }
        // A server that is missing or ambiguous is reported already.
        let Some(instance) = of.instance else { return };
        let server = self.gitlabs.as_ref().and_then(|gitlabs| gitlabs.get_named(&instance.0));
        if server.is_some_and(|server| !super::trust::is_rooted(&server)) {
            let says = format!(
                "`require_log` is demanded, but [gitlab.{instance}] has no trust root that names a log; give it `trusted_root` or `trust`"
            );
            self.reader.sink.add(if image.is_table() { &image.place } else { &of.node.place }, says);
        }
    }

    fn repository(&self, of: &Of<'_, 'a>, node: &Node<'a>) -> Option<Repository> {
        let said = node.text().or_else(|| node.get(&image::REPOSITORY)?.text())?;
        let filled =
            if said.contains(PATH_PLACEHOLDER) { said.replace(PATH_PLACEHOLDER, &of.path?.to_ascii_lowercase()) } else { said.into() };
        match filled.parse() {
            Ok(repository) => Some(repository),
            // Only a path can be wrong here that the form's check could not see.
            Err(why) if said.contains(PATH_PLACEHOLDER) && (forms::REPOSITORY.check)(said).is_ok() => {
                self.reader.sink.add(
                    &of.node.place,
                    format!("{} is no image repository: {why}; give the project an `image` of its own", quoted(&filled)),
                );
                None
            }
            Err(_) => None,
        }
    }

    /// At least one signer (SR-01): an image that nobody must sign would pass unsigned.
    fn signers(&self, of: &Of<'_, 'a>, layers: &Layers<'a>, image: &Node<'a>, signers: &mut Signers<'a>) -> Option<Vec<TrustedSigner>> {
        let Some(said) = layers.get(&shared::SIGNER) else {
            let place = if image.is_table() { &image.place } else { &of.node.place };
            self.reader.sink.add(place, "`signer` is missing: whose signature counts, such as signer = { key_file = \"release.pub\" }");
            return None;
        };
        let picked = all(said.one_or_many().iter().map(|node| {
            let signer = signers.pick(node)?;
            // Pipelines of one server cannot sign for a project on another: their certificates name projects of their own.
            if let (Some(theirs), Some(ours)) = (&signer.instance, of.instance)
                && theirs != ours
            {
                self.reader
                    .sink
                    .add(&node.place, format!("signs for projects on {theirs}, but the project {} is on {ours}", of.node.place.path));
                return None;
            }
            Some(signer.signer)
        }))?;
        Some(picked).filter(|picked| !picked.is_empty())
    }
}

/// A project without what a policy does not ask for: nobody looks at that.
fn looked_at(whole: &WatchedProject, policy: &Policy) -> WatchedProject {
    let mut watched = whole.clone();
    for image in &mut watched.images {
        image.commit_tag.take_if(|_| policy.commit_tag == Demand::Off);
        image.digest_file.take_if(|_| policy.digest_file == Demand::Off);
        image.wants_provenance = policy.provenance != Demand::Off;
        image.platform_signatures = policy.platforms == Platforms::AllSigned;
    }
    watched
}
