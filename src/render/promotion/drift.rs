//! That an environment was found to run something else than was promoted there, and that this is over.

use super::super::phrase::Phrase;
use super::super::story::time;
use super::super::template::Values;
use super::super::{Explained, Words, safe};
use super::command;
use crate::model::Timestamp;
use crate::model::promotion::{Drift, Promotion, Running, Standing};
use crate::verdict::promotion::Bar;

impl Words {
    /// CS-DRIFT, in the thread of the promotion it contradicts.
    pub fn drift(&self, bar: &Bar, standing: &Standing) -> String {
        let Explained { title, headline, code, .. } = self.bar(bar, &[]);
        let Promotion { environment, release, .. } = &standing.promotion;
        let values = [
            ("environment", Phrase::name(&environment.name.0)),
            ("title", Phrase::own(title)),
            ("headline", headline),
            ("code", Phrase::term(code)),
            ("command", command("promote", &[&environment.name.0, release])),
            ("rollback", command("rollback", &[&environment.name.0])),
        ];
        safe(self.block("promotion/drift", &Values::from(values)) + "\n")
    }

    /// That it is over, in the same thread: by itself, or by a later promotion that arrived.
    pub fn drift_over(&self, standing: &Standing, by: Option<&Standing>) -> String {
        let told = by.unwrap_or(standing);
        let Promotion { environment, release, images, requested_by, .. } = &told.promotion;
        let at = match by {
            Some(by) => by.promoted_at(),
            None => standing.drift_over.as_ref().map(|(_, at)| *at),
        };
        let values = Values::from([
            ("environment", Phrase::name(&environment.name.0)),
            ("release", Phrase::name(release)),
            ("digests", self.digests(images)),
            ("by", Phrase::name(&requested_by.username)),
            ("at", at.map_or(Phrase::own("–"), time)),
        ]);
        let template = if by.is_some() { "promotion/drift-over-promoted" } else { "promotion/drift-over" };
        safe(self.block(template, &values) + "\n")
    }

    /// What an environment was found to run instead of this, and when that was seen first; `None` while nothing else was found.
    pub(super) fn found_instead(&self, standing: &Standing) -> Option<(Phrase, Timestamp)> {
        let seen = standing.drift.iter().map(|drift| drift.since).min()?;
        let mut found: Vec<Phrase> = vec![];
        for drift in &standing.drift {
            let phrase = self.found(drift, standing);
            // Several tags may name one and the same.
            if found.iter().all(|known| known.markdown() != phrase.markdown()) {
                found.push(phrase);
            }
        }
        Some((Phrase::list(&found), seen))
    }

    fn found(&self, drift: &Drift, standing: &Standing) -> Phrase {
        match &drift.found {
            Running::Image { image } => {
                let images = &standing.promotion.images;
                let name = images.iter().find(|(_, held)| Some(held.digest) == drift.instead_of).map_or("", |(name, _)| name.as_str());
                let named = [(name.to_owned(), image.clone())];
                if images.len() > 1 && !name.is_empty() { self.named_digests(&named) } else { self.digests(&named) }
            }
            Running::NoTag { tag } => self.say("promotion/found-no-tag", &Values::from([("tag", Phrase::name(tag))])),
            Running::Commit { git_ref, sha } => {
                let values = [("ref", Phrase::name(git_ref.name())), ("commit", Phrase::commit(sha))];
                self.say("promotion/found-commit", &Values::from(values))
            }
        }
    }
}
