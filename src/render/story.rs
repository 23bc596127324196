//! The phrases that a verdict is told with: the image, who built it, who signed it, and how the checks went.

use serde::Serialize;

use super::explain::without_host;
use super::inert::is_shell_plain;
use super::phrase::Phrase;
use super::template::Values;
use super::{Audience, Explained, Links, Words, explain};
use crate::model::attestation::{AttestedAt, BaseSeen, BaseToldBy, ProvenanceSeen};
use crate::model::gitlab::{GitRef, MergeRequestIid};
use crate::model::signer::{KeylessIdentity, SignedBy, SignerName, TrustedSigner};
use crate::model::{PinnedImage, Timestamp};
use crate::verdict::facts::MergeRequestFacts;
use crate::verdict::{About, Check, CheckOutcome, Finding, Looked, Outcome, PlatformSigned, PlatformStanding, Verdict};

/// A row of a verdict's table.
#[derive(Serialize)]
pub(super) struct Row {
    label: Phrase,
    value: Phrase,
}

impl Row {
    pub(super) fn new(label: &'static str, value: Phrase) -> Self {
        Self { label: Phrase::own(label), value }
    }
}

/// A table of such rows.
#[derive(Serialize)]
pub(super) struct Table {
    pub rows: Vec<Row>,
}

/// A row of the table of checks.
#[derive(Serialize)]
pub(super) struct CheckRow {
    check: Phrase,
    result: Phrase,
    expected: Phrase,
    found: Phrase,
}

/// A row of the table of platforms.
#[derive(Serialize)]
pub(super) struct PlatformRow {
    name: Phrase,
    digest: Phrase,
    signed: Phrase,
}

/// The platforms of a multi-arch image.
pub(super) fn platform_rows(verdict: &Verdict) -> Vec<PlatformRow> {
    let row = |platform: &PlatformStanding| PlatformRow {
        name: Phrase::name(&platform.name),
        digest: Phrase::digest(&platform.digest),
        signed: Phrase::own(match platform.signed {
            PlatformSigned::ByIndex => "that of the index",
            PlatformSigned::Itself => "its own",
            PlatformSigned::No => "none of its own that counts",
            PlatformSigned::CouldNotCheck => "could not check",
        }),
    };
    verdict.subject.platforms.iter().map(row).collect()
}

/// What a check is called by people.
pub fn check_name(check: Check) -> &'static str {
    match check {
        Check::GitTag => "Git tag exists",
        Check::VersionTag => "Version tag names the image",
        Check::CommitTag => "Commit tag names the same image",
        Check::DigestFile => "Digest file agrees with the registry",
        Check::Signature => "Signed by a trusted signer",
        Check::Platforms => "Platforms of the image",
        Check::Identity => "Signer is this project's pipeline",
        Check::Commit => "Signature and tag name one commit",
        Check::Pipeline => "Pipeline ran this commit and succeeded",
        Check::ProtectedRef => "Built on a protected ref",
        Check::Source => "Pipeline source may release",
        Check::ReleaseJob => "Pipeline holds the release job",
        Check::BuiltOnce => "Built only once",
        Check::Provenance => "Provenance by the release pipeline",
        Check::BaseImage => "Base image on record",
        Check::Runner => "Built on a trusted runner",
    }
}

/// A check's outcome in words.
pub(super) fn outcome_word(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Warned => "warning",
        CheckOutcome::NotApplicable => "not applicable",
        CheckOutcome::Blocked => "blocked",
        CheckOutcome::CouldNotCheck => "could not check",
    }
}

/// A time as people read it, to the minute.
pub(super) fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

pub(super) fn time(time: Timestamp) -> Phrase {
    let text = utc(time);
    Phrase::new(text.clone(), text)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |count, _| count + 1)
}

impl Words {
    /// The image that a verdict is about, without its registry: `shop/api` `v1.8.2`.
    pub(super) fn what(&self, verdict: &Verdict) -> Phrase {
        let subject = &verdict.subject;
        let repository = &subject.question.image.repository;
        let image = ("image", Phrase::name(&repository.path));
        match &subject.question.about {
            About::Release { tag } => self.say("item/image-of-release", &Values::from([image, ("release", Phrase::name(tag))])),
            About::Pipeline { id } => {
                let pipeline = Phrase::pipeline(*id, subject.project_url.as_deref());
                self.say("item/image-of-pipeline", &Values::from([image, ("pipeline", pipeline)]))
            }
            About::Image { digest, tag } => {
                let pinned = Phrase::image(&PinnedImage { repository: repository.clone(), digest: *digest });
                match tag {
                    Some(tag) => self.say("item/image-of-release", &Values::from([("image", pinned), ("release", Phrase::name(tag))])),
                    None => pinned,
                }
            }
        }
    }

    /// The problem of a verdict that did not pass.
    pub(super) fn explained(&self, verdict: &Verdict) -> Option<Explained> {
        verdict.problem.as_ref().map(|problem| self.explain(problem, &verdict.subject))
    }

    /// How many checks passed, of those that say something about this question.
    pub(super) fn tally(&self, verdict: &Verdict) -> Phrase {
        let count = |keep: fn(CheckOutcome) -> bool| Phrase::number(count(verdict.findings.iter().filter(|finding| keep(finding.outcome))));
        let passed = ("passed", count(|outcome| outcome == CheckOutcome::Passed));
        let applicable = ("applicable", count(|outcome| outcome != CheckOutcome::NotApplicable));
        if verdict.findings.iter().any(|finding| finding.outcome == CheckOutcome::Warned) {
            let warned = ("warned", count(|outcome| outcome == CheckOutcome::Warned));
            return self.say("item/tally-warned", &Values::from([passed, applicable, warned]));
        }
        self.say("item/tally", &Values::from([passed, applicable]))
    }

    /// How several verdicts ended: `1 verified, 1 blocked`.
    pub(super) fn parts(&self, verdicts: &[Verdict]) -> Phrase {
        let part = |outcome: Outcome, template: &'static str| {
            let count = count(verdicts.iter().filter(|verdict| verdict.outcome == outcome));
            (count > 0).then(|| self.say(template, &Values::from([("count", Phrase::number(count))])))
        };
        let parts: Vec<_> = [
            part(Outcome::Passed, "item/passed-count"),
            part(Outcome::Blocked, "item/blocked-count"),
            part(Outcome::CouldNotCheck, "item/could-not-check-count"),
        ]
        .into_iter()
        .flatten()
        .collect();
        Phrase::list(&parts)
    }

    pub(super) fn pipeline(&self, verdict: &Verdict) -> Phrase {
        let subject = &verdict.subject;
        match &subject.pipeline {
            Some(pipeline) => Phrase::pipeline(pipeline.id, subject.project_url.as_deref()),
            None => Phrase::own("the release pipeline"),
        }
    }

    pub(super) fn signer(&self, verdict: &Verdict) -> Option<Phrase> {
        Some(match verdict.subject.signer.as_ref()? {
            SignedBy::Key(name) => self.key(name, &verdict.subject.question.image.signers),
            SignedBy::Keyless(identity) => self.keyless(identity),
        })
    }

    /// A key, and who answers for it.
    fn key(&self, name: &SignerName, trusted: &[TrustedSigner]) -> Phrase {
        let shown = ("name", Phrase::name(&name.0));
        match trusted.iter().find(|signer| signer.name == *name).and_then(|signer| signer.owner.as_deref()) {
            Some(owner) => self.say("item/signer-key-owned", &Values::from([shown, ("owner", Phrase::name(owner))])),
            None => self.say("item/signer-key", &Values::from([shown])),
        }
    }

    /// The signer in a few words: an identity is long, and has a row of its own.
    pub(super) fn signer_in_short(&self, verdict: &Verdict) -> Phrase {
        match &verdict.subject.signer {
            Some(SignedBy::Key(name)) => self.say("item/signer-key", &Values::from([("name", Phrase::name(&name.0))])),
            Some(SignedBy::Keyless(_)) => Phrase::own("this project's pipeline identity"),
            None => Phrase::own("a trusted signer"),
        }
    }

    fn keyless(&self, identity: &KeylessIdentity) -> Phrase {
        let san = identity.san_uri.as_deref().unwrap_or("a certificate without an address");
        let shown = ("identity", Phrase::address(san.strip_prefix("https://").unwrap_or(san)));
        match identity.log_index {
            Some(entry) => self.say("item/signer-keyless-logged", &Values::from([shown, ("entry", Phrase::number(entry))])),
            None => self.say("item/signer-keyless", &Values::from([shown])),
        }
    }

    /// What is known of the commit, the merge requests, the build, the signer, the base image, the provenance and the tests.
    pub(super) fn rows(&self, verdict: &Verdict, place: Place, audience: Audience) -> Vec<Row> {
        let subject = &verdict.subject;
        let row = Row::new;
        let mut rows = vec![];
        if let (Some(image), Place::Note(_)) = (&verdict.image, place) {
            rows.push(row("Digest", Phrase::digest(&image.digest)));
        }
        if let Some(commit) = &subject.commit {
            let sha = match place {
                Place::Note(_) => Phrase::commit(&commit.sha),
                Place::Release => Phrase::full_commit(&commit.sha),
            };
            let values = [("commit", sha.link(&commit.web_url)), ("title", Phrase::name(&commit.title))];
            rows.push(row("Commit", self.say("item/commit", &Values::from(values))));
        }
        if !subject.merge_requests.is_empty() {
            let brought: Vec<_> = subject.merge_requests.iter().map(|facts| self.merge_request(facts, place)).collect();
            rows.push(row("Merge request", Phrase::list(&brought)));
        }
        if let Some(built) = self.built_by(verdict, place) {
            rows.push(row("Built by", built));
        }
        if let Some(signer) = self.signer(verdict) {
            rows.push(row("Signed by", signer));
        }
        if let Some(base) = &subject.base_image {
            rows.push(row("Base image", self.base_image(base, audience)));
        }
        if let Some(provenance) = &subject.provenance {
            rows.push(row("Provenance", self.provenance(provenance)));
        }
        if let Some(tests) = subject.tests {
            let values = [("total", Phrase::number(tests.total)), ("failed", Phrase::number(tests.failed))];
            rows.push(row("Tests", self.say("item/tests", &Values::from(values))));
        }
        rows
    }

    pub(super) fn base_image(&self, seen: &BaseSeen, audience: Audience) -> Phrase {
        let base = &seen.base;
        let mut told = match &base.name {
            Some(name) => {
                // The host of a base image's registry may be an internal one, as our own registry's.
                let shown = match audience {
                    Audience::Members => name.as_str(),
                    Audience::Everyone => without_host(name),
                };
                self.say("item/base", &Values::from([("name", Phrase::name(shown)), ("digest", Phrase::digest(&base.digest))]))
            }
            None => Phrase::digest(&base.digest),
        };
        if let Some(previous) = &seen.previous {
            let release = ("release", Phrase::name(&previous.release));
            told = match seen.changed_since() {
                None => self.say("item/base-unchanged", &Values::from([("base", told), release])),
                Some(previous) => {
                    let old = ("old", Phrase::digests(&previous.base.digest, &base.digest).0);
                    self.say("item/base-changed", &Values::from([("base", told), old, release]))
                }
            };
        }
        match base.told_by {
            BaseToldBy::Provenance => told,
            BaseToldBy::Annotation => self.say("item/base-annotation", &Values::from([("base", told)])),
        }
    }

    fn provenance(&self, seen: &ProvenanceSeen) -> Phrase {
        let kind = ("type", Phrase::own(seen.predicate_type.name()));
        let place = match seen.at {
            AttestedAt::Registry(_) => ("place", Phrase::own("beside the image")),
            AttestedAt::Gitlab => ("place", Phrase::own("kept by GitLab")),
        };
        match &seen.signed_by {
            SignedBy::Key(name) => self.say("item/provenance-key", &Values::from([kind, place, ("name", Phrase::name(&name.0))])),
            SignedBy::Keyless(_) => self.say("item/provenance-keyless", &Values::from([kind, place])),
        }
    }

    fn merge_request(&self, facts: &MergeRequestFacts, place: Place) -> Phrase {
        let merge_request = &facts.merge_request;
        let shown = match place {
            Place::Note(Some(here)) if here == merge_request.iid => Phrase::own("this one"),
            // A link from a note would leave "mentioned in" in the other merge request's thread (SR-10).
            Place::Note(_) => Phrase::merge_request(merge_request.iid, None),
            Place::Release => Phrase::merge_request(merge_request.iid, Some(&merge_request.web_url)),
        };
        let approvals = match &facts.approved_by {
            Looked::Found(people) if people.is_empty() => Phrase::own("no approvals"),
            Looked::Found(people) => {
                let names: Vec<_> = people.iter().map(|user| Phrase::name(&user.username)).collect();
                self.say("item/approved-by", &Values::from([("names", Phrase::list(&names))]))
            }
            Looked::Absent | Looked::Unreachable(_) => return shown,
        };
        self.say("item/merge-request", &Values::from([("merge_request", shown), ("approvals", approvals)]))
    }

    fn built_by(&self, verdict: &Verdict, place: Place) -> Option<Phrase> {
        let subject = &verdict.subject;
        let pipeline = subject.pipeline.as_ref()?;
        let git_ref = [("kind", ref_kind(&pipeline.git_ref, subject.ref_protected)), ("name", Phrase::name(pipeline.git_ref.name()))];
        let git_ref = self.say("item/ref", &Values::from(git_ref));
        let mut parts = vec![self.say("item/built-on", &Values::from([("pipeline", self.pipeline(verdict)), ("ref", git_ref)]))];
        if let Some(job) = &subject.job {
            let name = Phrase::name(&job.name).link(&job.web_url);
            parts.push(self.say("item/job", &Values::from([("job", name)])));
            if let Some(runner) = &job.runner {
                parts.push(self.say("item/runner", &Values::from([("runner", Phrase::name(&runner.description))])));
            }
        }
        let ended = subject.job.as_ref().and_then(|job| job.finished_at).or(pipeline.finished_at);
        if let (Some(ended), Place::Release) = (ended, place) {
            parts.push(time(ended));
        }
        Some(Phrase::list(&parts))
    }

    /// The line that checks the signature without us. Only for a verdict whose signature passed, and only where every value
    /// may stand in a shell as it is.
    pub(super) fn check_it_yourself(&self, verdict: &Verdict, audience: Audience) -> Option<Phrase> {
        let passed = |finding: &&Finding| finding.check == Check::Signature && finding.outcome == CheckOutcome::Passed;
        verdict.findings.iter().find(passed)?;
        let image = ("image", Phrase::argument(&shell_image(verdict.image.as_ref()?, audience)));
        match verdict.subject.signer.as_ref()? {
            SignedBy::Key(name) if is_shell_plain(&name.0) && !name.0.contains('/') => {
                // A signer without a name of its own is called after its file.
                let file = Phrase::argument(&if name.0.ends_with(".pub") { name.0.clone() } else { format!("{name}.pub") });
                Some(self.say("note/verify-key", &Values::from([image, ("name", Phrase::name(&name.0)), ("file", file)])))
            }
            SignedBy::Key(_) => None,
            SignedBy::Keyless(identity) => {
                let san = identity.san_uri.as_deref().filter(|san| is_shell_plain(san))?;
                let issuer = identity.issuer.as_deref().filter(|issuer| is_shell_plain(issuer))?;
                // The GitLab servers whose tokens the public Fulcio takes; any other needs a Sigstore of its own.
                let public = ["https://gitlab.com", "https://dev.gitlab.org", "https://ops.gitlab.net", "https://gitlab.archlinux.org"];
                let template = if public.contains(&issuer) { "note/verify-keyless" } else { "note/verify-keyless-own-root" };
                let values = [image, ("identity", Phrase::argument(san)), ("issuer", Phrase::argument(issuer))];
                Some(self.say(template, &Values::from(values)))
            }
        }
    }
}

/// Where a verdict is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a note, on this merge request if on one.
    Note(Option<MergeRequestIid>),
    Release,
}

impl Place {
    /// Where the things of the verdict's project are found.
    pub(super) fn links(self, verdict: &Verdict) -> Links {
        let links = Links::to(verdict.subject.project_url.as_deref());
        match self {
            Self::Note(here) => links.in_note(here),
            Self::Release => links,
        }
    }
}

/// An image reference for a shell: what an audience may see of it.
pub(super) fn shell_image(image: &PinnedImage, audience: Audience) -> String {
    match audience {
        Audience::Members => image.to_string(),
        Audience::Everyone => format!("$REGISTRY/{}@{}", image.repository.path, image.digest),
    }
}

fn ref_kind(git_ref: &GitRef, protected: Option<bool>) -> Phrase {
    Phrase::own(match (git_ref, protected) {
        (GitRef::Tag(_), Some(true)) => "protected tag",
        (GitRef::Tag(_), Some(false)) => "unprotected tag",
        (GitRef::Tag(_), None) => "tag",
        (GitRef::Branch(_), Some(true)) => "protected branch",
        (GitRef::Branch(_), Some(false)) => "unprotected branch",
        (GitRef::Branch(_), None) => "branch",
    })
}

/// A check as a row of a table. For everyone's eyes the host name of the registry, and of a base
/// image's, is left out of its values.
pub(super) fn check_row(finding: &Finding, verdict: &Verdict, audience: Audience) -> CheckRow {
    let host = format!("{}/", verdict.subject.question.image.repository.registry);
    let shown = |value: &str| match audience {
        Audience::Members => value.to_owned(),
        Audience::Everyone if finding.check == Check::BaseImage => without_host(value).replace(&host, ""),
        Audience::Everyone => value.replace(&host, ""),
    };
    let (expected, found) = Phrase::values(&shown(&finding.expected), &shown(&finding.found));
    let word = Phrase::own(outcome_word(finding.outcome));
    let result = match &finding.problem {
        Some(problem) => Phrase::list(&[word, Phrase::term(problem.code())]),
        None => word,
    };
    CheckRow { check: Phrase::own(check_name(finding.check)), result, expected, found }
}

/// Whether only time is missing.
pub(super) fn waits(verdict: &Verdict) -> bool {
    verdict.problem.as_ref().is_some_and(explain::waits)
}
