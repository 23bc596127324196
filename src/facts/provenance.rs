//! SLSA provenance, read strictly out of a statement (SR-15): exact types, at least one sha256 subject, no key twice, bounds.
//!
//! Only named fields are taken, each with its own form. CI variables stand in `externalParameters` (GitLab's L3 statements hold
//! their values, which may be job tokens); they are dropped where they are read. Addresses lose login, query and fragment.
//!
//! | what | [v1](https://slsa.dev/spec/v1.0/provenance) | [v0.2](https://slsa.dev/spec/v0.2/provenance) |
//! |---|---|---|
//! | builder | `runDetails.builder.id` | `builder.id` |
//! | build type | `buildDefinition.buildType` | `buildType` |
//! | run | `runDetails.metadata.invocationId` | `metadata.buildInvocationId` |
//! | repositories, images | `buildDefinition.resolvedDependencies`, `externalParameters.source`, `.configSource` | `materials`, `invocation.configSource` |
//! | job name | `externalParameters.entryPoint` | `invocation.configSource.entryPoint` |
//! | job, pipeline | `internalParameters.job`, `.pipeline` | – |
//!
//! A run is a job's number, as GitLab's runner writes it, or the address of a job or pipeline. GitLab's runner puts the Git commit
//! under the digest name `sha256`; GitLab's L3 statements under `gitCommit`; v0.2 under `sha1`.

mod forms;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use forms::{Run, address, is_kept, package, reference, runner};

use super::sigstore::{self, Content, Judged, json};
use crate::model::Digest;
use crate::model::attestation::{Attested, AttestedAt, ImageUsed, PredicateType, Provenance, Source};
use crate::model::gitlab::{CommitSha, JobId, PipelineId};
use crate::model::signer::{Proven, SignatureState};

/// Bytes of a statement: those of the largest evidence that is read at all.
const STATEMENT: usize = sigstore::MAX_BUNDLE;
/// Repositories and images of one build that are kept. A build of many stages uses a few dozen; what is kept is compared and shown.
const KEPT: usize = 64;
/// The types of an [in-toto statement](https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md). Cosign and GitLab's
/// runner write v0.1, GitLab itself v1.
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];

/// What a judged piece of evidence says as provenance; `None` if it is something else. What cannot be read may be provenance.
pub fn attested(judged: Judged, at: AttestedAt) -> Option<Attested> {
    let (predicate_type, statement) = match &judged.content {
        Content::Attestation { predicate_type, statement } => (predicate_type, statement),
        Content::Unknown => return Some(Attested { at, state: judged.state, proven: Proven::default(), says: None }),
        Content::ImageSignature { .. } => return None,
    };
    let kind = PredicateType::ALL.into_iter().find(|kind| kind.uri() == predicate_type)?;
    let proven = judged.logged.proven();
    Some(match read(kind, statement) {
        Ok(says) => Attested { at, state: judged.state, proven, says: Some(says) },
        Err(reason) => Attested { at, state: SignatureState::Unreadable { reason }, proven: Proven::default(), says: None },
    })
}

/// Reads the bytes that were signed.
pub fn read(kind: PredicateType, statement: &[u8]) -> Result<Provenance, String> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "_type")]
        kind: String,
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }
    let head: Head = json::read(statement, STATEMENT).map_err(|error| format!("the provenance: {error}"))?;
    if !STATEMENTS.contains(&head.kind.as_str()) || head.predicate_type != kind.uri() {
        return Err("it is not of the types that are read as provenance".into());
    }
    let broken = |error: serde_json::Error| format!("the provenance: {}", json::short(error));
    let (subject, found) = match kind {
        PredicateType::SlsaV1 => {
            let statement: Statement<V1> = serde_json::from_slice(statement).map_err(broken)?;
            (statement.subject, statement.predicate.found())
        }
        PredicateType::SlsaV02 => {
            let statement: Statement<V02> = serde_json::from_slice(statement).map_err(broken)?;
            (statement.subject, statement.predicate.found())
        }
    };
    let subjects: Vec<Digest> =
        subject.iter().filter_map(|subject| format!("sha256:{}", subject.digest.get("sha256")?).parse().ok()).collect();
    if subjects.is_empty() {
        return Err("the provenance has no sha256 subject".into());
    }
    found.provenance(kind, subjects)
}

#[derive(Deserialize)]
struct Statement<P> {
    subject: Vec<Subject>,
    predicate: P,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V1 {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    #[serde(default)]
    external_parameters: External,
    #[serde(default)]
    internal_parameters: Internal,
    #[serde(default)]
    resolved_dependencies: Option<Vec<Resource>>,
}

/// The parameters that GitLab defines, and BuildKit's. All others, variables among them, are dropped by not being named.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct External {
    #[serde(deserialize_with = "word")]
    source: Option<String>,
    #[serde(deserialize_with = "word")]
    entry_point: Option<String>,
    #[serde(deserialize_with = "resource")]
    config_source: Option<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Internal {
    #[serde(deserialize_with = "word")]
    job: Option<String>,
    #[serde(deserialize_with = "word")]
    pipeline: Option<String>,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: Builder,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Builder {
    id: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    /// v1
    #[serde(deserialize_with = "word")]
    invocation_id: Option<String>,
    /// v0.2
    #[serde(deserialize_with = "word")]
    build_invocation_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct V02 {
    builder: Builder,
    build_type: String,
    #[serde(default)]
    invocation: Option<Invocation>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    materials: Option<Vec<Resource>>,
}

/// `parameters` and `environment` hold variables and are not named.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Invocation {
    #[serde(deserialize_with = "resource")]
    config_source: Option<Resource>,
}

/// A repository, image or file that a build was made of.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resource {
    #[serde(deserialize_with = "word")]
    uri: Option<String>,
    #[serde(deserialize_with = "words")]
    digest: BTreeMap<String, String>,
    #[serde(deserialize_with = "word")]
    entry_point: Option<String>,
}

/// A text or a number; anything else is no word. Other builders give these names other shapes, which are not ours to judge.
fn word<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

fn words<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(all) = Value::deserialize(from)? else { return Ok(BTreeMap::new()) };
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect())
}

fn resource<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Resource>, D::Error> {
    Ok(Resource::deserialize(Value::deserialize(from)?).ok())
}

/// What either version says, before it is put into form.
struct Found {
    builder: String,
    build_type: String,
    run: Option<String>,
    job: Option<String>,
    pipeline: Option<String>,
    job_name: Option<String>,
    /// The configuration's repository first.
    resources: Vec<Resource>,
}

impl V1 {
    fn found(self) -> Found {
        let build = self.build_definition;
        let config = build.external_parameters.config_source;
        let source = build.external_parameters.source.map(|uri| Resource { uri: Some(uri), ..Resource::default() });
        Found {
            builder: self.run_details.builder.id,
            build_type: build.build_type,
            run: self.run_details.metadata.and_then(|metadata| metadata.invocation_id),
            job: build.internal_parameters.job,
            pipeline: build.internal_parameters.pipeline,
            job_name: build.external_parameters.entry_point,
            resources: source.into_iter().chain(config).chain(build.resolved_dependencies.unwrap_or_default()).collect(),
        }
    }
}

impl V02 {
    fn found(self) -> Found {
        let config = self.invocation.and_then(|invocation| invocation.config_source);
        Found {
            builder: self.builder.id,
            build_type: self.build_type,
            run: self.metadata.and_then(|metadata| metadata.build_invocation_id),
            job: None,
            pipeline: None,
            job_name: config.as_ref().and_then(|config| config.entry_point.clone()),
            resources: config.into_iter().chain(self.materials.unwrap_or_default()).collect(),
        }
    }
}

impl Found {
    fn provenance(self, predicate_type: PredicateType, subjects: Vec<Digest>) -> Result<Provenance, String> {
        let builder = address(&self.builder).ok_or("the provenance names no builder")?;
        let build_type = address(&self.build_type).ok_or("the provenance has no build type")?;
        let run = self.run.as_deref().and_then(Run::read);
        let (mut sources, mut images) = (vec![], vec![]);
        for resource in &self.resources {
            match resource.image() {
                Some(image) => images.extend(image),
                None => sources.extend(resource.source()),
            }
        }
        if sources.len() > KEPT || images.len() > KEPT {
            return Err(format!("the provenance names more than {KEPT} repositories or images"));
        }
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        let job = run.as_ref().and_then(|run| run.job).or(number(&self.job).map(JobId));
        if let (Some(one), Some(other)) = (job, number(&self.job))
            && one.0 != other
        {
            return Err("the provenance names two jobs".into());
        }
        let pipeline = run.as_ref().and_then(|run| run.pipeline).or(number(&self.pipeline).map(PipelineId));
        Ok(Provenance {
            predicate_type,
            subjects,
            runner: runner(&builder),
            builder,
            build_type,
            sources,
            job_name: self.job_name.filter(|name| is_kept(name)),
            job,
            run_in: run.and_then(|run| run.project),
            pipeline,
            images,
        })
    }
}

impl Resource {
    /// `None`: it is no image. `Some(None)`: one without a sha256, of which nothing can be said.
    fn image(&self) -> Option<Option<ImageUsed>> {
        let uri = self.uri.as_deref()?;
        let (name, own) = package(uri).or_else(|| reference(uri))?;
        let told = self.digest.get("sha256").and_then(|hex| format!("sha256:{hex}").parse().ok());
        Some(told.or(own).map(|digest| ImageUsed { name: Some(name).filter(|name| is_kept(name)), digest }))
    }

    fn source(&self) -> Option<Source> {
        let uri = self.uri.as_deref()?;
        let repository = uri.starts_with("git+") || uri.starts_with("https://") || uri.starts_with("http://");
        let commit = |name: &str| self.digest.get(name).and_then(|hex| hex.parse::<CommitSha>().ok());
        // Under `sha256` a commit is told from a file's hash by its length.
        let odd = || commit("sha256").filter(|commit| commit.as_str().len() == 40);
        let commit = commit("gitCommit").or_else(|| commit("sha1")).or_else(odd);
        // A file from the web is no repository.
        if !repository || commit.is_none() && !self.digest.is_empty() {
            return None;
        }
        Some(Source { uri: address(uri)?, commit })
    }
}

#[cfg(test)]
mod tests;
