//! `countersign bundle verify`: one sigstore bundle for one file, offline.

use std::path::PathBuf;

use super::inspect::show;
use super::material::{Identity, KeyFile, Signers, public_key, read, trust_root};
use super::{Exit, Format, complain};
use crate::facts::sigstore::{Expected, File, MAX_BUNDLE, Refused, Verified, detached};
use crate::facts::trust_root::TrustRoot;
use crate::model::signer::{SignatureState, SignedBy, SignerName};
use crate::model::{Digest, Timestamp};
use crate::render::{InspectedSubject, InspectionTold, Words};
use crate::verdict::inspection::{Demand, Piece, Require, What, inspect};

/// Bytes of the file that was signed: it is read whole, because some keys sign the whole of it. Larger ones go by their digest.
const LARGEST_FILE: u64 = 1 << 30;

/// Works on sigstore bundles.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Verifies one bundle for one file, offline
    ///
    /// Exit codes: 0 verified; 1 it does not verify; 2 wrong arguments or a file that cannot be opened; 3 the bundle cannot be read.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The bundle (.sigstore.json)
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The file that was signed
    #[arg(long, value_name = "FILE", required_unless_present = "digest", conflicts_with = "digest")]
    artifact: Option<PathBuf>,
    /// Its SHA-256 instead; not enough for Ed25519 keys, nor for P-384 and P-521 with their own hash
    #[arg(long, value_name = "sha256:…")]
    digest: Option<Digest>,
    /// The public key that must have signed
    #[arg(long, value_name = "FILE[,not-before=TIME][,not-after=TIME]", required_unless_present = "identity", conflicts_with = "identity")]
    key: Option<KeyFile>,
    #[command(flatten)]
    identity: Identity,
    /// Whom to believe about certificates and logs; else the public-good sigstore instance as this version knows it
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Exit {
    let Command::Verify(verify) = &arguments.command;
    self::verify(verify).unwrap_or_else(|wrong| complain(&wrong, Exit::Usage))
}

fn verify(arguments: &Verify) -> Result<Exit, String> {
    let keys: Vec<KeyFile> = arguments.key.iter().cloned().collect();
    let signers = Signers::read(&keys, &arguments.identity)?;
    let (root, told_root) = trust_root(arguments.trusted_root.as_deref())?;
    let bundle = read(&arguments.bundle, MAX_BUNDLE as u64)?;
    let artifact = arguments
        .artifact
        .as_deref()
        .map(|path| read(path, LARGEST_FILE).map_err(|why| format!("{why}; a larger file can be given by --digest")));
    let artifact = artifact.transpose()?;
    let (file, digest) = match (&artifact, arguments.digest) {
        (Some(bytes), _) => (File::Bytes(bytes), Digest::of(bytes)),
        (None, Some(digest)) => (File::Digest(digest), digest),
        (None, None) => return Err("give --artifact or --digest".into()),
    };
    let (state, logged) = judge(arguments, &bundle, file, &root)?;
    let piece = Piece {
        layout: None,
        manifest: Digest::of(&bundle),
        what: What::Signature { repository: None, annotations: Default::default() },
        state,
        logged: logged.logged,
        unread: logged.unread,
        signed_at: logged.signed_at,
        latest: logged.latest,
        log_index: logged.log_index,
    };
    let demand = Demand {
        signers: signers.wanted,
        require: vec![Require::Signature],
        annotations: Default::default(),
        repository: None,
        require_log: false,
    };
    let inspection = inspect(vec![piece], &demand, Some(root.digest()), Timestamp::now());
    let name = arguments.artifact.as_ref().map(|path| path.display().to_string());
    let subject = InspectedSubject::File { name: name.as_deref(), digest };
    let words = Words::new().map_err(|fault| fault.to_string())?;
    let told = InspectionTold { inspection: &inspection, subject, root: Some(told_root), foreign: 0 };
    Ok(show(&words, &told, arguments.format))
}

type State = (SignatureState, crate::facts::sigstore::Logged);

fn judge(arguments: &Verify, bundle: &[u8], file: File<'_>, root: &TrustRoot) -> Result<State, String> {
    let (answer, name) = match (&arguments.key, arguments.identity.get()?) {
        (Some(key), _) => {
            let (_, public) = public_key(key.path())?;
            let expected = Expected::Key { key: &public, require_log: false };
            (detached(bundle, file, expected, Some(root)), SignerName(key.path().display().to_string()))
        }
        (None, Some((identity, issuer))) => {
            (detached(bundle, file, Expected::Identity { identity, issuer }, Some(root)), SignerName(identity.into()))
        }
        (None, None) => return Err("give --key, or --identity and --issuer".into()),
    };
    let state = |state| Ok((state, Default::default()));
    match answer {
        Ok(Verified::Key(logged)) => Ok((SignatureState::Verified(SignedBy::Key(name)), logged)),
        Ok(Verified::Identity(identity)) => {
            let logged = crate::facts::sigstore::Logged {
                unread: false,
                logged: true,
                signed_at: identity.signed_at,
                latest: identity.signed_at,
                log_index: identity.log_index,
            };
            Ok((SignatureState::Verified(SignedBy::Keyless(identity)), logged))
        }
        Err(Refused::Other(who)) => state(SignatureState::NotOurs { hint: Some(who) }),
        Err(Refused::Invalid(reason)) => state(SignatureState::Invalid { claims: None, reason }),
        Err(Refused::Unreadable(reason)) => state(SignatureState::Unreadable { reason }),
        Err(usage @ (Refused::NoTrustRoot | Refused::NobodyExpected)) => Err(usage.to_string()),
    }
}
