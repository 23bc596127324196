//! `countersign inspect`: everything that lies beside an image, without GitLab and without a `bot.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::material::{Identity, KeyFile, Signers, trust_root};
use super::{Exit, Format, colour, complain, docker_login, print};
use crate::facts::pieces;
use crate::facts::registry::{Registry, Settings, on_this_machine};
use crate::facts::sigstore::Trust;
use crate::model::image::Pointer;
use crate::model::{Digest, ImageReference, PinnedImage, Repository, Timestamp};
use crate::render::{InspectedSubject, InspectionTold, Words};
use crate::verdict::Looked;
use crate::verdict::inspection::{Demand, Inspection, Refusal, Require, inspect, not_seen};

/// Lists every signature and attestation of an image, and verifies them.
///
/// Exit codes: 0 verified; 1 the image is unsigned, or nothing on it is accepted; 2 wrong arguments; 3 could not check: the registry
/// could not be read, or neither key nor identity was given, so that nothing was verified.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// repository:tag or repository@sha256:…, with its registry. A registry on this machine is spoken to in plain HTTP
    image: ImageReference,
    /// A public key that is accepted, as cosign writes it to cosign.pub; several may be given. With times, only what is proven to be signed then counts
    #[arg(long = "key", value_name = "FILE[,not-before=TIME][,not-after=TIME]")]
    keys: Vec<KeyFile>,
    #[command(flatten)]
    identity: Identity,
    /// Whom to believe about certificates and logs; else the public-good sigstore instance as this version knows it
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// What must be there: signature (the default), provenance, or an attestation's predicate type, whole or as cosign shortens it;
    /// all of several
    #[arg(long, value_name = "signature|provenance|TYPE", value_parser = require)]
    require: Vec<Require>,
    /// A pair that the signature must carry (cosign sign -a); all of several, on one signature
    #[arg(long = "annotation", value_name = "K=V", value_parser = pair)]
    annotations: Vec<(String, String)>,
    /// The repository that the signature must name; only cosign's legacy layout names one
    #[arg(long, value_name = "NAME")]
    repository: Option<Repository>,
    /// Accept a key's signature only if a log of the trust root holds it; an identity's always must be logged
    #[arg(long)]
    require_log: bool,
    /// A host that issues the registry's tokens and may receive the login that `docker login` left; several may be given
    #[arg(long = "token-host", value_name = "HOST")]
    token_hosts: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Predicate types by the names that cosign gives them
/// ([predicate types](https://github.com/sigstore/cosign/blob/main/doc/cosign_attest.md)).
const SHORT_NAMES: [(&str, &str); 11] = [
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("link", "https://in-toto.io/Link/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
];

/// Hosts that issue the tokens of public registries.
const TOKEN_HOSTS: [(&str, &str); 2] = [("docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

fn require(text: &str) -> Result<Require, String> {
    if let Some((_, whole)) = SHORT_NAMES.iter().find(|(short, _)| *short == text) {
        return Ok(Require::Type((*whole).into()));
    }
    match text {
        "signature" => Ok(Require::Signature),
        "provenance" => Ok(Require::Provenance),
        uri if uri.contains("://") => Ok(Require::Type(uri.into())),
        _ => {
            let names: Vec<_> = SHORT_NAMES.iter().map(|(short, _)| *short).collect();
            Err(format!("write signature, provenance, a predicate type as a URI, or one of {}", names.join(", ")))
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("an annotation is written key=value")?;
    Ok((key.into(), value.into()))
}

/// Everything but the look itself.
struct Prepared {
    registry: Registry,
    trust: Trust,
    demand: Demand,
    root: crate::render::InspectedRoot,
    words: Words,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Exit {
    let prepared = match prepare(&arguments) {
        Ok(prepared) => prepared,
        Err(wrong) => return complain(&wrong, Exit::Usage),
    };
    let (digest, inspection, foreign) = look(&arguments.image, &prepared).await;
    let (asked, repository) = (arguments.image.to_string(), arguments.image.repository.to_string());
    let tag = match &arguments.image.pointer {
        Pointer::Tag(tag) => Some(tag.as_str()),
        Pointer::Digest(_) => None,
    };
    let subject = InspectedSubject::Image { asked: &asked, repository: &repository, tag, digest };
    let told = InspectionTold { inspection: &inspection, subject, root: Some(prepared.root), foreign };
    show(&prepared.words, &told, arguments.format)
}

/// Prints an inspection; zero only after the whole of a positive one has arrived (SR-24).
pub fn show(words: &Words, told: &InspectionTold<'_>, format: Format) -> Exit {
    let text = match format {
        Format::Text => words.inspection_text(told, colour()),
        Format::Json => format!("{:#}\n", words.inspection_json(told)),
    };
    print(&text, told.inspection.outcome.into())
}

fn prepare(arguments: &Arguments) -> Result<Prepared, String> {
    let signers = Signers::read(&arguments.keys, &arguments.identity)?;
    let (root, told_root) = trust_root(arguments.trusted_root.as_deref())?;
    let mut annotations = BTreeMap::new();
    for (key, value) in &arguments.annotations {
        if annotations.insert(key.clone(), value.clone()).is_some_and(|other| other != *value) {
            return Err(format!("--annotation {key} has two values, and a signature has one"));
        }
    }
    let require = if arguments.require.is_empty() { vec![Require::Signature] } else { arguments.require.clone() };
    let about_signatures = !annotations.is_empty() || arguments.repository.is_some();
    if about_signatures && !require.contains(&Require::Signature) {
        return Err("--annotation and --repository are about signatures: add --require signature, or leave them out".into());
    }
    let demand = Demand {
        signers: signers.wanted.clone(),
        require,
        annotations,
        repository: arguments.repository.as_ref().map(ToString::to_string),
        require_log: arguments.require_log,
    };
    let registry = registry(&arguments.image.repository.registry, &arguments.token_hosts)?;
    let words = Words::new().map_err(|fault| fault.to_string())?;
    Ok(Prepared { registry, trust: signers.trust(&root, arguments.require_log)?, demand, root: told_root, words })
}

fn registry(host: &str, token_hosts: &[String]) -> Result<Registry, String> {
    let known = TOKEN_HOSTS.iter().filter(|(registry, _)| *registry == host).map(|(_, tokens)| (*tokens).to_owned());
    let settings = Settings {
        host: host.into(),
        login: docker_login::find(host)?,
        token_hosts: known.chain(token_hosts.iter().cloned()).collect(),
        plain_http: on_this_machine(host),
        ca_pem: None,
    };
    Registry::new(vec![settings]).map_err(|bad| bad.to_string())
}

/// Looks and judges. A tag is resolved once, and everything else is about the digest it named then.
async fn look(image: &ImageReference, prepared: &Prepared) -> (Option<Digest>, Inspection, usize) {
    let Prepared { registry, trust, demand, root, .. } = prepared;
    let root = Some(root.digest);
    let ended = |refusal| not_seen(refusal, demand, root, Timestamp::now());
    let (digest, is_there) = match &image.pointer {
        Pointer::Digest(digest) => (*digest, false),
        Pointer::Tag(tag) => match registry.resolve(&image.repository, tag).await {
            Looked::Found(digest) => (digest, true),
            Looked::Absent => return (None, ended(Refusal::NoImage), 0),
            Looked::Unreachable(why) => return (None, ended(Refusal::NotSeen(why)), 0),
        },
    };
    let pinned = PinnedImage { repository: image.repository.clone(), digest };
    let (inspection, foreign) = match registry.evidence(&pinned).await {
        Looked::Found(evidence) => (inspect(pieces(&evidence, &pinned, trust), demand, root, Timestamp::now()), evidence.foreign),
        Looked::Unreachable(why) => (ended(Refusal::NotSeen(why)), 0),
        Looked::Absent if is_there => (inspect(vec![], demand, root, Timestamp::now()), 0),
        // Only now the image itself is worth a request: unsigned, or not there at all.
        Looked::Absent => match registry.manifest(&pinned).await {
            Looked::Found(_) => (inspect(vec![], demand, root, Timestamp::now()), 0),
            Looked::Absent => (ended(Refusal::NoImage), 0),
            Looked::Unreachable(why) => (ended(Refusal::NotSeen(why)), 0),
        },
    };
    (Some(digest), inspection, foreign)
}
