//! Our section of a release's description.

use serde::Serialize;

use super::note::explained_values;
use super::phrase::Phrase;
use super::story::{Place, Table, waits};
use super::template::Values;
use super::{Arrived, Audience, Words, safe};
use crate::verdict::{Outcome, Verdict};

#[derive(Serialize)]
struct Section {
    heading: Phrase,
    images: Vec<Phrase>,
}

impl Words {
    /// The section between its two markers, both included. The same verdicts give the same bytes: it names no time of looking.
    ///
    /// It shows whole references with their registry, whoever reads it: that is what a release publishes. `arrived` is what the record knows of
    /// the environments, in the order of promotion.
    pub fn release_section(&self, verdicts: &[Verdict], arrived: &[Arrived<'_>]) -> String {
        let heading = if verdicts.len() == 1 { "Shipped image" } else { "Shipped images" };
        let image = |verdict: &Verdict| {
            let told = self.shipped(verdict, arrived);
            if verdicts.len() == 1 {
                return told;
            }
            let name = Phrase::name(&verdict.subject.question.image.repository.path);
            let name = self.block("release/name", &Values::from([("image", name)]));
            let text = format!("{name}\n\n{}", told.markdown());
            Phrase::new(text.clone(), text)
        };
        let images = verdicts.iter().map(image).collect();
        safe(self.block("release/section", &Section { heading: Phrase::own(heading), images }))
    }

    fn shipped(&self, verdict: &Verdict, arrived: &[Arrived<'_>]) -> Phrase {
        let mut blocks = vec![];
        match (self.explained(verdict), &verdict.image) {
            (Some(explained), _) => {
                let template = match verdict.outcome {
                    Outcome::Blocked | Outcome::Passed if waits(verdict) => "release/waiting",
                    Outcome::Blocked | Outcome::Passed => "release/blocked",
                    Outcome::CouldNotCheck => "release/could-not-check",
                };
                blocks.push(self.block(template, &Values::from(explained_values(&explained))));
            }
            (None, Some(image)) => {
                blocks.push(self.block("release/passed", &Values::from([("reference", Phrase::reference(image))])));
                let rows = self.rows(verdict, Place::Release, Audience::Members).into_iter().chain(self.promoted_row(verdict, arrived));
                blocks.push(self.block("note/rows", &Table { rows: rows.collect() }));
                blocks.push(self.block("release/tally", &Values::from([("tally", self.tally(verdict))])));
                if let Some(block) = self.check_it_yourself(verdict, Audience::Members) {
                    blocks.push(self.block("release/folded", &Values::from([("block", block)])));
                }
            }
            (None, None) => {}
        }
        let text = blocks.join("\n\n");
        Phrase::new(text.clone(), text)
    }
}
