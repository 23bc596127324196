//! `countersign signer`: whom the configuration trusts, and who signed an image.

use std::path::PathBuf;

use super::inspect::show;
use super::{Exit, Format, complain, print};
use crate::config::{Config, ConfiguredSigner};
use crate::facts::pieces;
use crate::facts::registry::Registry;
use crate::facts::sigstore::{PublicKey, Trust};
use crate::facts::trust_root::{Source, TrustRoot};
use crate::model::image::Pointer;
use crate::model::signer::{KeyWindow, SignatureState, SignedBy, SignerKind, SignerName, TrustedSigner};
use crate::model::{ImageReference, PinnedImage, Timestamp};
use crate::render::{InspectedRoot, InspectedSubject, InspectionTold, Words};
use crate::verdict::Looked;
use crate::verdict::inspection::{Demand, Inspection, Piece, Refusal, Require, Wanted, Window, inspect, not_seen};

/// Shows trusted signers.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists the trusted signers with owner, kind and the images they sign
    List {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Says which trusted signer matches an image
    ///
    /// Exit codes: 0 a key that is trusted for the image signed it; 1 it is unsigned, or signed by nobody trusted for it; 2 wrong
    /// arguments; 3 could not check. A pipeline's certificate is shown and ends with 3: whether it is the right pipeline, only verify
    /// can say, with GitLab.
    Test {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// repository:tag or repository@sha256:…; an image of a project in the configuration
        image: ImageReference,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Exit {
    let ended = match arguments.command {
        Command::List { config } => list(&config),
        Command::Test { config, image, format } => test(&config, &image, format).await,
    };
    ended.unwrap_or_else(|wrong| complain(&wrong, Exit::Usage))
}

fn load(file: &std::path::Path) -> Result<Config, String> {
    Config::load(file).map_err(|problems| problems.to_string())
}

fn list(file: &std::path::Path) -> Result<Exit, String> {
    let config = load(file)?;
    let lines: Vec<String> = config.signers.iter().map(|signer| describe(signer, &config)).collect();
    let text = if lines.is_empty() { "No signer is configured.\n".to_owned() } else { lines.join("\n") + "\n" };
    Ok(print(&text, Exit::Done))
}

/// A signer, whole: name, kind, owner, and what it signs.
fn describe(configured: &ConfiguredSigner, config: &Config) -> String {
    let kind = match &configured.signer.kind {
        SignerKind::Key { pem } => match PublicKey::from_pem(pem) {
            Ok(key) => format!("key {}", key.fingerprint()),
            Err(bad) => format!("key that cannot be used: {bad}"),
        },
        SignerKind::GitlabOidc { issuer } => format!("pipelines of {issuer}"),
    };
    let (name, validity) = (&configured.signer.name, validity(&configured.signer));
    let images = config.projects.iter().flat_map(|project| &project.watched.images);
    let signs: Vec<String> =
        images.filter(|image| image.signers.iter().any(|signer| signer.name == *name)).map(|image| image.repository.to_string()).collect();
    let owner = configured.signer.owner.as_deref().unwrap_or("not named");
    let signs = if signs.is_empty() { "nothing".into() } else { signs.join(", ") };
    format!("{name}\n  is      {kind}\n  owner   {owner}\n  valid   {validity}\n  signs   {signs}")
}

/// When a signer's signatures count.
fn validity(signer: &TrustedSigner) -> String {
    let KeyWindow { not_before, not_after, retired, revoked } = signer.window;
    let moment = |word: &str, at: Option<Timestamp>| at.map(|at| format!("{word} {at}"));
    let log = match &signer.kind {
        // Certificates have windows of their own.
        SignerKind::GitlabOidc { .. } => return "as each certificate says, and only if a log holds the signature".into(),
        SignerKind::Key { .. } => signer.require_log.then(|| "only if a log holds the signature".to_owned()),
    };
    let bounds = [moment("from", not_before), moment("up to", not_after), moment("retired at", retired), moment("revoked as of", revoked)];
    let always = bounds.iter().all(Option::is_none).then(|| "at any time".to_owned());
    always.into_iter().chain(bounds.into_iter().flatten()).chain(log).collect::<Vec<_>>().join(", ")
}

/// What the configuration says of an image.
struct Tested {
    /// Every signer that is configured, so that a wrong one can be named.
    all: Vec<TrustedSigner>,
    demand: Demand,
    root: Option<TrustRoot>,
    told_root: Option<InspectedRoot>,
}

async fn test(file: &std::path::Path, image: &ImageReference, format: Format) -> Result<Exit, String> {
    let config = load(file)?;
    let tested = tested(&config, image)?;
    let trust = Trust::new(&tested.all, tested.root.clone(), false).map_err(|bad| bad.to_string())?;
    let registry = Registry::new(config.registries.clone()).map_err(|bad| bad.to_string())?;
    let root = tested.root.as_ref().map(TrustRoot::digest);
    let seen = pieces_of(&registry, image, &trust).await;
    let (digest, inspection) = match seen {
        Ok((pinned, mut pieces)) => {
            // Without a trust root at hand nobody can say whether a log holds anything.
            pieces.iter_mut().for_each(|piece| piece.unread |= tested.root.is_none());
            (Some(pinned.digest), by_pipeline(inspect(pieces, &tested.demand, root, Timestamp::now()), &tested))
        }
        Err(refusal) => (None, not_seen(refusal, &tested.demand, root, Timestamp::now())),
    };
    let (asked, repository) = (image.to_string(), image.repository.to_string());
    let tag = match &image.pointer {
        Pointer::Tag(tag) => Some(tag.as_str()),
        Pointer::Digest(_) => None,
    };
    let subject = InspectedSubject::Image { asked: &asked, repository: &repository, tag, digest };
    let words = Words::new().map_err(|fault| fault.to_string())?;
    Ok(show(&words, &InspectionTold { inspection: &inspection, subject, root: tested.told_root, foreign: 0 }, format))
}

fn tested(config: &Config, image: &ImageReference) -> Result<Tested, String> {
    let watched = config.projects.iter().find_map(|project| {
        let watched = project.watched.images.iter().find(|watched| watched.repository == image.repository)?;
        Some((&project.watched.instance, watched, project.policy.require_log))
    });
    let (instance, watched, log_for_all) = watched.ok_or_else(|| {
        format!(
            "{} is no image of a project in this configuration.\nNext: correct the image, or look at it with countersign inspect.",
            image.repository
        )
    })?;
    let root = match config.trust_roots.get(instance) {
        Some(Source::Pinned(settings)) => {
            let root = TrustRoot::load(settings).map_err(|bad| bad.to_string())?;
            Some((root, settings.path.display().to_string()))
        }
        // It is the service that keeps it fresh; a certificate then reads as not verified, and `verify` is the command that asks.
        Some(Source::Tuf(_)) | None => None,
    };
    let told_root =
        root.as_ref().map(|(root, file)| InspectedRoot { file: Some(file.clone()), digest: root.digest(), newest: root.newest() });
    let wanted = |signer: &TrustedSigner| match &signer.kind {
        SignerKind::Key { pem } => PublicKey::from_pem(pem)
            .map(|key| Wanted::Key {
                name: signer.name.clone(),
                fingerprint: key.fingerprint(),
                window: window(&signer.window),
                require_log: signer.require_log,
            })
            .map_err(|bad| bad.to_string()),
        // What the certificate must say is derived from GitLab, which is not asked here: this accepts nothing.
        SignerKind::GitlabOidc { issuer } => Ok(Wanted::Identity { identity: String::new(), issuer: issuer.clone() }),
    };
    let signers = watched.signers.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let demand =
        Demand { signers, require: vec![Require::Signature], annotations: Default::default(), repository: None, require_log: log_for_all };
    // Two configured names may stand for one key; the image's own goes first.
    let mut all: Vec<TrustedSigner> = watched.signers.clone();
    for other in config.signers.iter().map(|configured| &configured.signer) {
        if !all.iter().any(|known| known.name == other.name || same_key(&known.kind, &other.kind)) {
            all.push(other.clone());
        }
    }
    Ok(Tested { all, demand, root: root.map(|(root, _)| root), told_root })
}

fn same_key(one: &SignerKind, other: &SignerKind) -> bool {
    match (one, other) {
        (SignerKind::Key { pem: one }, SignerKind::Key { pem: other }) => match (PublicKey::from_pem(one), PublicKey::from_pem(other)) {
            (Ok(one), Ok(other)) => one == other,
            (Ok(_) | Err(_), _) => false,
        },
        (SignerKind::Key { .. } | SignerKind::GitlabOidc { .. }, _) => false,
    }
}

async fn pieces_of(registry: &Registry, image: &ImageReference, trust: &Trust) -> Result<(PinnedImage, Vec<Piece>), Refusal> {
    fn seen<T>(looked: Looked<T>) -> Result<Option<T>, Refusal> {
        match looked {
            Looked::Found(found) => Ok(Some(found)),
            Looked::Absent => Ok(None),
            Looked::Unreachable(why) => Err(Refusal::NotSeen(why)),
        }
    }
    let digest = match &image.pointer {
        Pointer::Digest(digest) => *digest,
        Pointer::Tag(tag) => seen(registry.resolve(&image.repository, tag).await)?.ok_or(Refusal::NoImage)?,
    };
    let pinned = PinnedImage { repository: image.repository.clone(), digest };
    let evidence = seen(registry.evidence(&pinned).await)?;
    let pieces = evidence.map(|evidence| pieces(&evidence, &pinned, trust)).unwrap_or_default();
    Ok((pinned, pieces))
}

/// Where nothing was accepted, but a certificate of a trusted issuer verifies: that is no answer yet.
fn by_pipeline(inspection: Inspection, tested: &Tested) -> Inspection {
    let signer = inspection.found.iter().find_map(|(piece, _)| match &piece.state {
        SignatureState::Verified(SignedBy::Keyless(identity)) => {
            let issuer = identity.issuer.as_deref();
            let signer =
                tested.all.iter().find(|signer| matches!(&signer.kind, SignerKind::GitlabOidc { issuer: own } if issuer == Some(own)));
            signer.map(|signer| signer.name.clone())
        }
        SignatureState::Verified(SignedBy::Key(_))
        | SignatureState::NotOurs { .. }
        | SignatureState::OtherSubject { .. }
        | SignatureState::Invalid { .. }
        | SignatureState::Unreadable { .. } => None,
    });
    match (&inspection.refusal, signer) {
        (Some(Refusal::Other { .. }), Some(SignerName(signer))) => inspection.undecided(Refusal::Pipeline { signer }),
        _ => inspection,
    }
}

/// A key's window as an inspection knows it: retirement ends it, and revocation does too.
fn window(of: &KeyWindow) -> Window {
    // The moment itself is past the end for a verdict, and is the last one of an inspection's window: one nanosecond makes them alike.
    let last = [of.end(), of.revoked].into_iter().flatten().min();
    let last = last.map(|end| end.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(end));
    Window { not_before: of.not_before, not_after: last }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-05-04T{time}Z").parse().unwrap()
    }

    #[test]
    fn the_very_moment_of_retirement_or_revocation_is_past_the_end() {
        let last = |change: fn(&mut KeyWindow)| {
            let mut of = KeyWindow::default();
            change(&mut of);
            window(&of).not_after.unwrap()
        };
        for last in [last(|w| w.retired = Some(at("12:00:00"))), last(|w| w.revoked = Some(at("12:00:00")))] {
            assert!(last < at("12:00:00") && last > at("11:59:59"), "{last}");
        }
        assert_eq!(last(|w| w.not_after = Some(at("12:00:00"))), at("12:00:00"), "the end of a window belongs to it");
    }

    #[test]
    fn the_validity_of_a_signer_is_told_whole() {
        let mut signer = TrustedSigner::new(SignerName("k".into()), SignerKind::Key { pem: String::new() });
        assert_eq!(validity(&signer), "at any time");
        signer.require_log = true;
        signer.window = KeyWindow { not_before: Some(at("10:00:00")), not_after: None, retired: Some(at("12:00:00")), revoked: None };
        let told = "from 2026-05-04T10:00:00Z, retired at 2026-05-04T12:00:00Z, only if a log holds the signature";
        assert_eq!(validity(&signer), told);
    }
}
