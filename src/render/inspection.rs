//! What lies beside an image, or in a bundle, for the terminal and as JSON.

mod piece;

use serde_json::{Value, json};

use super::Words;
use super::inert::one_line;
use super::phrase::Phrase;
use super::story::{time, utc};
use super::template::Values;
use super::text::painted;
use crate::model::{Digest, Timestamp};
use crate::verdict::inspection::{Inspection, Refusal, Require, Window};
use crate::verdict::{CheckOutcome, Outcome, WhyKind};

/// What was inspected, and against which trust root.
#[derive(Debug, Clone)]
pub struct Told<'a> {
    pub inspection: &'a Inspection,
    pub subject: Subject<'a>,
    pub root: Option<Root>,
    /// Manifests that are listed for the image and point at something else.
    pub foreign: usize,
}

/// The thing inspected.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Image {
        /// `repository:tag` or `repository@sha256:…`, as it was given.
        asked: &'a str,
        repository: &'a str,
        tag: Option<&'a str>,
        /// `None` where the registry could not say which bytes the tag names.
        digest: Option<Digest>,
    },
    /// A file, or the digest of one.
    File { name: Option<&'a str>, digest: Digest },
}

/// The trust root that proofs were held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The file; `None` for the snapshot that is compiled in.
    pub file: Option<String>,
    pub digest: Digest,
    /// When its newest entry came into use.
    pub newest: Option<Timestamp>,
}

impl Subject<'_> {
    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Image { digest, .. } => *digest,
            Self::File { digest, .. } => Some(*digest),
        }
    }

    /// With the whole digest, to be copied.
    fn reference(&self) -> Option<String> {
        match self {
            Self::Image { repository, digest, .. } => digest.map(|digest| format!("{repository}@{digest}")),
            Self::File { name, digest } => Some(name.map_or_else(|| digest.to_string(), |name| format!("{} {digest}", one_line(name)))),
        }
    }

    /// For a sentence: the digest, or what was asked for while none is known.
    fn what(&self) -> Phrase {
        match self {
            Self::Image { asked, digest: None, .. } => Phrase::name(asked),
            Self::Image { digest: Some(digest), .. } | Self::File { digest, .. } => Phrase::full_digest(digest),
        }
    }
}

impl Words {
    /// One sentence, one next step, then one line for everything that was found. Colour is only ever added to words.
    pub fn inspection_text(&self, told: &Told<'_>, colour: bool) -> String {
        let inspection = told.inspection;
        let (headline, next_step) = self.inspected(told);
        let (word, painting) = match inspection.outcome {
            Outcome::Passed => ("passed", CheckOutcome::Passed),
            Outcome::Blocked => ("blocked", CheckOutcome::Blocked),
            Outcome::CouldNotCheck => ("could not check", CheckOutcome::CouldNotCheck),
        };
        let code = inspection.refusal.as_ref().and_then(Refusal::code).map_or(String::new(), |code| format!(" [{code}]"));
        let mut lines = vec![format!("{}: {headline}{code}", painted(painting, word, colour)), format!("Next: {next_step}")];
        lines.push(String::new());
        lines.extend(inspection.found.iter().map(|(piece, answer)| piece::line(piece, answer, colour)));
        if told.foreign > 0 {
            lines.push(format!("  {} manifests listed for the image point at something else and were left aside.", told.foreign));
        }
        if let Some(root) = &told.root {
            lines.push(self.root(root).plain().to_owned());
        }
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.join("\n") + "\n"
    }

    /// The same for programs. Every key is always there; what is not known is `null`.
    pub fn inspection_json(&self, told: &Told<'_>) -> Value {
        let inspection = told.inspection;
        let (headline, next_step) = self.inspected(told);
        let (image, tag, file) = match &told.subject {
            Subject::Image { tag, .. } => (told.subject.reference(), *tag, None),
            Subject::File { name, .. } => (None, None, *name),
        };
        json!({
            "outcome": inspection.outcome.word(),
            "code": inspection.refusal.as_ref().and_then(Refusal::code),
            "headline": headline,
            "next_step": next_step,
            "image": image,
            "file": file,
            "digest": told.subject.digest(),
            "tag": tag,
            "as_of": inspection.as_of,
            "policy": { "digest": inspection.policy },
            "trust_root": told.root.as_ref().map(|root| json!({ "digest": root.digest, "file": root.file, "newest_entry": root.newest })),
            "required": inspection.require.iter().map(kind_of).collect::<Vec<_>>(),
            "found": inspection.found.iter().map(|(piece, answer)| piece::found(piece, answer)).collect::<Vec<_>>(),
            "foreign": told.foreign,
        })
    }

    /// The sentence and the next step, plain.
    fn inspected(&self, told: &Told<'_>) -> (String, String) {
        let said = match &told.inspection.refusal {
            None => self.accepted(told),
            Some(refusal) => {
                let (template, values) = sentence(refusal, &told.subject);
                self.say(template, &values)
            }
        };
        let (headline, next) = said.plain().split_once('\n').unwrap_or((said.plain(), ""));
        (headline.to_owned(), next.to_owned())
    }

    fn accepted(&self, told: &Told<'_>) -> Phrase {
        let names = |texts: &[String]| Phrase::list(&texts.iter().map(|text| Phrase::name(text)).collect::<Vec<_>>());
        let next = match &told.subject {
            Subject::Image { .. } => self.say("text/deploy", &Values::new()),
            Subject::File { .. } => self.say("inspect/use-file", &Values::new()),
        };
        let values = [
            ("reference", Phrase::argument(&told.subject.reference().unwrap_or_default())),
            ("what", Phrase::list(&told.inspection.require.iter().map(kind).collect::<Vec<_>>())),
            ("who", names(&told.inspection.accepted)),
            ("time", time(told.inspection.as_of)),
            ("policy", Phrase::full_digest(&told.inspection.policy)),
            ("next", next),
        ];
        self.say("inspect/passed", &Values::from(values))
    }

    fn root(&self, root: &Root) -> Phrase {
        let newest = root.newest.map_or(Phrase::own("an unknown time"), time);
        let mut values = Values::from([("digest", Phrase::full_digest(&root.digest)), ("newest", newest)]);
        match &root.file {
            Some(file) => {
                values.insert("file", Phrase::name(file));
                self.say("inspect/root-file", &values)
            }
            None => {
                values.insert("option", Phrase::typed("--trusted-root FILE"));
                self.say("inspect/root-snapshot", &values)
            }
        }
    }
}

/// A refusal's template and what it is filled with.
fn sentence(refusal: &Refusal, subject: &Subject<'_>) -> (&'static str, Values) {
    let name = Phrase::name;
    let (template, more): (_, Vec<(&'static str, Phrase)>) = match refusal {
        Refusal::NoImage => ("inspect/no-image", vec![]),
        Refusal::Missing(Require::Signature) => ("inspect/unsigned", vec![]),
        Refusal::Missing(require) => ("inspect/no-attestation", vec![("kind", kind(require))]),
        Refusal::Invalid { signer: None, reason } => ("inspect/invalid", vec![("reason", Phrase::argument(reason))]),
        Refusal::Invalid { signer: Some(signer), reason } => {
            ("inspect/invalid-signer", vec![("signer", name(signer)), ("reason", Phrase::argument(reason))])
        }
        Refusal::Window { key, window, at: Some(at) } => {
            ("inspect/outside-window", vec![("key", name(key)), ("time", time(*at)), ("window", within(window))])
        }
        Refusal::Window { key, window, at: None } => ("inspect/window-unproven", vec![("key", name(key)), ("window", within(window))]),
        Refusal::Unlogged { key } => ("inspect/unlogged", vec![("key", name(key))]),
        Refusal::Annotation { key, expected, found: Some(found) } => {
            let (expected, found) = Phrase::values(expected, found);
            ("inspect/annotation", vec![("key", name(key)), ("expected", expected), ("found", found)])
        }
        Refusal::Annotation { key, expected, found: None } => {
            ("inspect/no-annotation", vec![("key", name(key)), ("expected", name(expected))])
        }
        Refusal::Repository { expected, found: Some(found) } => {
            ("inspect/repository", vec![("expected", name(expected)), ("found", name(found))])
        }
        Refusal::Repository { expected, found: None } => ("inspect/no-repository", vec![("expected", name(expected))]),
        Refusal::SaysNo { predicate_type, result } => ("inspect/says-no", vec![("kind", name(predicate_type)), ("result", name(result))]),
        Refusal::Other { found, expected } => {
            let (expected, found) = Phrase::values(expected, found);
            ("inspect/other", vec![("expected", expected), ("found", found)])
        }
        Refusal::OnOther { signed } => ("inspect/on-other", vec![("signed", Phrase::full_digest(signed))]),
        Refusal::Unreadable { reason } => ("inspect/unreadable", vec![("reason", Phrase::argument(reason))]),
        Refusal::Nobody => {
            let identity = Phrase::typed("--identity URI --issuer URL");
            ("inspect/nobody", vec![("key", Phrase::typed("--key FILE")), ("identity", identity)])
        }
        Refusal::Pipeline { signer } => {
            ("inspect/pipeline", vec![("signer", name(signer)), ("verify", Phrase::typed("countersign verify"))])
        }
        Refusal::NotSeen(why) if why.kind == WhyKind::Refused => {
            let (login, host) = (Phrase::typed("docker login"), Phrase::typed("--token-host HOST"));
            ("inspect/refused", vec![("reason", Phrase::argument(&why.detail)), ("login", login), ("host", host)])
        }
        Refusal::NotSeen(why) => ("inspect/not-seen", vec![("reason", Phrase::argument(&why.detail))]),
    };
    let what = match (refusal, subject) {
        // Here the whole reference is what matters.
        (Refusal::NoImage | Refusal::Missing(_) | Refusal::NotSeen(_), Subject::Image { asked, digest, repository, .. }) => {
            digest.map_or_else(|| name(asked), |digest| name(&format!("{repository}@{digest}")))
        }
        _ => subject.what(),
    };
    (template, more.into_iter().chain([("what", what)]).collect())
}

fn within(window: &Window) -> Phrase {
    let text = match (window.not_before, window.not_after) {
        (Some(first), Some(last)) => format!("from {} to {}", utc(first), utc(last)),
        (Some(first), None) => format!("from {} on", utc(first)),
        (None, Some(last)) => format!("up to {}", utc(last)),
        (None, None) => "at any time".into(),
    };
    Phrase::argument(&text)
}

fn kind(require: &Require) -> Phrase {
    match require {
        Require::Signature => Phrase::own("signature"),
        Require::Provenance => Phrase::own("provenance"),
        Require::Type(predicate_type) => Phrase::name(predicate_type),
    }
}

fn kind_of(require: &Require) -> String {
    match require {
        Require::Signature => "signature".into(),
        Require::Provenance => "provenance".into(),
        Require::Type(predicate_type) => predicate_type.clone(),
    }
}
