//! The templates and how they are filled.

use std::collections::BTreeMap;

use handlebars::{Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError, RenderErrorReason};
use serde::Serialize;

use super::inert::{one_line, quoted};
use super::phrase::Phrase;

/// What a template without repetition is filled with.
pub(super) type Values = BTreeMap<&'static str, Phrase>;

/// Every template, by name, compiled into the program.
macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $name, ".hbs")))),*]
    };
}

pub(super) const TEMPLATES: &[(&str, &str)] = templates![
    "chat/help",
    "chat/not-found-digest",
    "chat/not-found-environment",
    "chat/not-found-name",
    "chat/not-found-pipeline",
    "chat/not-found-release",
    "chat/unknown",
    "chat/unknown-near",
    "chat/usage",
    "inspect/annotation",
    "inspect/invalid",
    "inspect/invalid-signer",
    "inspect/no-annotation",
    "inspect/no-attestation",
    "inspect/no-image",
    "inspect/no-repository",
    "inspect/nobody",
    "inspect/not-seen",
    "inspect/on-other",
    "inspect/other",
    "inspect/outside-window",
    "inspect/passed",
    "inspect/pipeline",
    "inspect/refused",
    "inspect/repository",
    "inspect/root-file",
    "inspect/root-snapshot",
    "inspect/says-no",
    "inspect/unlogged",
    "inspect/unreadable",
    "inspect/unsigned",
    "inspect/use-file",
    "inspect/window-unproven",
    "item/approved-by",
    "item/base",
    "item/base-annotation",
    "item/base-changed",
    "item/base-unchanged",
    "item/blocked-count",
    "item/built-on",
    "item/commit",
    "item/could-not-check-count",
    "item/finding",
    "item/image-of-pipeline",
    "item/image-of-release",
    "item/job",
    "item/merge-request",
    "item/passed-count",
    "item/provenance-key",
    "item/provenance-keyless",
    "item/ref",
    "item/runner",
    "item/signer-key",
    "item/signer-key-owned",
    "item/signer-keyless",
    "item/signer-keyless-logged",
    "item/tally",
    "item/tally-warned",
    "item/tests",
    "note/blocked",
    "note/checked-at",
    "note/checks",
    "note/could-not-check",
    "note/count",
    "note/failed-checks",
    "note/full-image",
    "note/marker",
    "note/passed",
    "note/platforms",
    "note/rows",
    "note/summary-blocked",
    "note/verify-key",
    "note/verify-keyless",
    "note/verify-keyless-own-root",
    "note/waiting",
    "note/warnings",
    "problem/CS-BASE-CHANGED",
    "problem/CS-BASE-UNKNOWN",
    "problem/CS-CHANGED",
    "problem/CS-COMMIT",
    "problem/CS-DIGEST-FILE",
    "problem/CS-DIGEST-FILE.illegible",
    "problem/CS-DRIFT",
    "problem/CS-DRIFT.no-tag",
    "problem/CS-EXPIRED",
    "problem/CS-FROZEN",
    "problem/CS-GIT-TAG-MISSING",
    "problem/CS-HALTED",
    "problem/CS-HALTED.silent",
    "problem/CS-KEY-EARLY",
    "problem/CS-KEY-RETIRED",
    "problem/CS-KEY-REVOKED",
    "problem/CS-KEY-REVOKED.unproven",
    "problem/CS-LATE-ATTEST.job",
    "problem/CS-LATE-ATTEST.time",
    "problem/CS-LATE-ATTEST.unproven",
    "problem/CS-LOCKED",
    "problem/CS-NO-ACTION",
    "problem/CS-NOT-STAGED",
    "problem/CS-PIPELINE.gone",
    "problem/CS-PIPELINE.jobs-failed",
    "problem/CS-PIPELINE.missing",
    "problem/CS-PIPELINE.no-release-job",
    "problem/CS-PIPELINE.not-asking",
    "problem/CS-PIPELINE.not-ended",
    "problem/CS-PIPELINE.other-commit",
    "problem/CS-PIPELINE.other-run",
    "problem/CS-PLATFORM.none",
    "problem/CS-PLATFORM.unsigned",
    "problem/CS-PROJECT",
    "problem/CS-PROV-DIGEST",
    "problem/CS-PROV-MISSING",
    "problem/CS-PROV-MISSING.none",
    "problem/CS-REBUILT",
    "problem/CS-REF-UNPROTECTED",
    "problem/CS-REG-AUTH",
    "problem/CS-RIGHTS",
    "problem/CS-RIGHTS.counted",
    "problem/CS-RIGHTS.nobody",
    "problem/CS-RIGHTS.one",
    "problem/CS-RIGHTS.vacant",
    "problem/CS-RUNNER",
    "problem/CS-SECOND-PERSON",
    "problem/CS-SIG-INVALID",
    "problem/CS-SIG-MISSING",
    "problem/CS-SIG-ON-TAG",
    "problem/CS-SIG-OTHER",
    "problem/CS-SIG-OTHER.provenance",
    "problem/CS-SIG-UNLOGGED",
    "problem/CS-SOURCE",
    "problem/CS-STEP",
    "problem/CS-TAG-MISSING",
    "problem/CS-TAG-MISSING.image",
    "problem/CS-TAG-MOVED",
    "problem/CS-TAG-OTHER",
    "problem/CS-TAG-SPLIT",
    "problem/CS-UNAVAILABLE.down",
    "problem/CS-UNAVAILABLE.limited",
    "problem/CS-UNAVAILABLE.not-shown",
    "problem/CS-UNAVAILABLE.promotion",
    "problem/CS-UNAVAILABLE.refused",
    "problem/CS-UNAVAILABLE.stale",
    "problem/CS-UNAVAILABLE.unread",
    "problem/CS-UNAVAILABLE.too-large",
    "problem/CS-UNAVAILABLE.unreadable",
    "promotion/age",
    "promotion/and-many-more",
    "promotion/and-more",
    "promotion/approval-refused",
    "promotion/approved",
    "promotion/asked-by",
    "promotion/attest",
    "promotion/begins",
    "promotion/begins-rollback",
    "promotion/by-approved",
    "promotion/cancel-refused",
    "promotion/cancelled",
    "promotion/cell-drifted",
    "promotion/copy",
    "promotion/copy-tagged",
    "promotion/could-not-check",
    "promotion/drift",
    "promotion/drift-over",
    "promotion/drift-over-promoted",
    "promotion/drifts",
    "promotion/folded",
    "promotion/folded-steps",
    "promotion/found-commit",
    "promotion/found-no-tag",
    "promotion/frozen",
    "promotion/further",
    "promotion/halt-unknown",
    "promotion/left-attested",
    "promotion/left-copied",
    "promotion/left-copied-one",
    "promotion/left-started",
    "promotion/left-tagged",
    "promotion/merge-request",
    "promotion/named-digest",
    "promotion/next",
    "promotion/no-environment",
    "promotion/no-environments",
    "promotion/no-environments-at-all",
    "promotion/not-converged",
    "promotion/nothing-open",
    "promotion/nothing-to-roll-back-to",
    "promotion/observed",
    "promotion/of-image",
    "promotion/on-tag",
    "promotion/only-observed",
    "promotion/open",
    "promotion/open-arrives",
    "promotion/open-goes-on",
    "promotion/open-waits",
    "promotion/planned",
    "promotion/play-job",
    "promotion/preview",
    "promotion/preview-could-not-check",
    "promotion/preview-refused",
    "promotion/preview-waits",
    "promotion/promoted",
    "promotion/ran",
    "promotion/ran-drifted",
    "promotion/ran-nothing",
    "promotion/reason",
    "promotion/refused",
    "promotion/release-line",
    "promotion/release-line-drifted",
    "promotion/release-row",
    "promotion/retag",
    "promotion/rolled-back",
    "promotion/rules-differ",
    "promotion/runs",
    "promotion/runs-drifted",
    "promotion/runs-none",
    "promotion/runs-nothing",
    "promotion/runs-other",
    "promotion/runs-the-same",
    "promotion/runs-this",
    "promotion/several-releases",
    "promotion/start-pipeline",
    "promotion/status",
    "promotion/status-drifted",
    "promotion/step-begun",
    "promotion/step-done",
    "promotion/step-not-done",
    "promotion/step-refused",
    "promotion/steps",
    "promotion/still-runs",
    "promotion/stopped",
    "promotion/stopped-midway",
    "promotion/summary",
    "promotion/summary-more",
    "promotion/summary-one-more",
    "promotion/the-promotion",
    "promotion/the-rollback",
    "promotion/too-late",
    "promotion/waits",
    "promotion/warned",
    "promotion/was-cancelled",
    "promotion/what",
    "promotion/what-rollback",
    "promotion/who-group",
    "promotion/who-in",
    "promotion/who-role",
    "promotion/would-run",
    "promotion/would-run-unknown",
    "release/blocked",
    "release/could-not-check",
    "release/folded",
    "release/name",
    "release/passed",
    "release/section",
    "release/tally",
    "release/waiting",
    "status/blocked",
    "status/could-not-check",
    "status/passed",
    "status/several",
    "status/several-passed",
    "text/deploy",
    "text/passed",
];

/// A template that does not compile: a fault of the program, seen at start.
#[derive(Debug, thiserror::Error)]
#[error("template {name}: {reason}")]
pub struct BadTemplate {
    name: &'static str,
    reason: String,
}

/// The templates in one form.
pub(super) struct Form(Handlebars<'static>);

impl Form {
    /// For GitLab: a value that is no [`Phrase`] becomes a code span, in which it does nothing.
    pub(super) fn markdown() -> Result<Self, BadTemplate> {
        Self::new(quoted, |phrase| &phrase.0)
    }

    /// For a terminal, JSON or a commit status.
    pub(super) fn plain() -> Result<Self, BadTemplate> {
        Self::new(one_line, |phrase| &phrase.1)
    }

    fn new(escape: fn(&str) -> String, form: fn(&Forms) -> &str) -> Result<Self, BadTemplate> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(escape);
        // Templates do not choose: in conditions a misspelt name passes silently even in strict mode.
        for choice in ["if", "unless", "with", "lookup", "log"] {
            registry.unregister_helper(choice);
        }
        registry.register_helper(
            "md",
            Box::new(move |helper: &Helper<'_>, _: &Handlebars<'_>, _: &Context, _: &mut RenderContext<'_, '_>, out: &mut dyn Output| {
                put(helper, form, out)
            }),
        );
        for (name, text) in TEMPLATES {
            registry.register_template_string(name, text).map_err(|error| BadTemplate { name, reason: error.to_string() })?;
        }
        Ok(Self(registry))
    }

    pub(super) fn fill(&self, template: &'static str, view: &impl Serialize) -> String {
        match self.0.render(template, view) {
            Ok(text) => text,
            Err(error) => {
                // Every template is filled in the tests, so this is a fault that they missed. It must not read as a verdict.
                tracing::error!(template, %error, "a message could not be put into words");
                format!("Countersign could not put its answer into words (template {template}). This says nothing about any image.")
            }
        }
    }
}

/// A phrase's two forms, as they lie in the template's data.
struct Forms(String, String);

/// `{{md phrase}}`: puts a phrase in as it is. Only a [`Phrase`] has this shape in the data; a text is refused.
fn put(helper: &Helper<'_>, form: fn(&Forms) -> &str, out: &mut dyn Output) -> HelperResult {
    let value = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("md", 0))?.value();
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let (Some(markdown), Some(plain)) = (text("markdown"), text("plain")) else {
        return Err(RenderError::from(RenderErrorReason::InvalidParamType("phrase")));
    };
    out.write(form(&Forms(markdown, plain)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path, found),
                false => found.push(path),
            }
        }
    }

    #[test]
    fn every_template_file_is_compiled_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut found = vec![];
        files(&root, &mut found);
        let mut names: Vec<_> = found
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "hbs"))
            .map(|path| path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().replace('\\', "/"))
            .collect();
        names.sort();
        let mut listed: Vec<_> = TEMPLATES.iter().map(|(name, _)| name.to_string()).collect();
        listed.sort();
        assert_eq!(names, listed);
    }

    #[test]
    fn every_template_is_used() {
        let mut found = vec![];
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/render"), &mut found);
        let code: String =
            found.iter().filter(|path| !path.ends_with("template.rs")).map(|path| std::fs::read_to_string(path).unwrap()).collect();
        for (name, _) in TEMPLATES {
            assert!(code.contains(&format!("\"{name}\"")), "{name} is filled nowhere");
        }
    }

    #[test]
    fn only_a_phrase_is_put_in_as_it_is() {
        let mut form = Form::markdown().unwrap();
        form.0.register_template_string("t", "{{md x}}").unwrap();
        form.0.register_template_string("u", "{{x}}").unwrap();
        let values = |x: serde_json::Value| serde_json::json!({ "x": x });
        assert!(form.0.render("t", &values("text".into())).is_err());
        assert!(form.0.render("t", &serde_json::json!({})).is_err());
        assert!(form.0.render("u", &serde_json::json!({})).is_err());
        assert_eq!(form.0.render("t", &Values::from([("x", Phrase::own("**us**"))])).unwrap(), "**us**");
        assert_eq!(form.0.render("u", &values("**them** `@all`".into())).unwrap(), "`**them** '＠all'`");
    }

    #[test]
    fn templates_cannot_choose() {
        let mut form = Form::markdown().unwrap();
        form.0.register_template_string("t", "{{#if x}}a{{/if}}").unwrap();
        assert!(form.0.render("t", &serde_json::json!({ "x": true })).is_err());
    }
}
