//! Every word that is said to people: in notes, release notes, statuses, JSON and on the terminal.
//!
//! Rust picks the template by outcome; templates only fill in and repeat. What a template puts in as it is must be a
//! [`Phrase`], made here; outside text gets into one only as a code span it cannot leave ([`inert`]), because GitLab resolves no
//! mentions, references, links or entities in code. No line that is sent to GitLab begins with `/` ([`safe`]).
//!
//! | file | what it holds |
//! |---|---|
//! | `inert` | outside text that does nothing |
//! | `phrase` | markup of our own: code spans, links, lists |
//! | `links` | where the things of a project are found |
//! | `template` | the templates, compiled in |
//! | `story` | the phrases that a verdict is told with |
//! | `explain`, `codes` | a problem's sentence, next step and page |
//! | `note`, `release`, `chat` | Markdown for GitLab |
//! | `promotion` | previews, refusals, ends, what runs where |
//! | `told` | what is told of a verdict, here and by a server |
//! | `text`, `json`, `junit` | for terminals, statuses and programs |
//! | `inspection` | what lies beside an image, for the command line |

mod chat;
mod codes;
mod explain;
mod inert;
mod inspection;
mod json;
mod junit;
mod links;
mod note;
mod phrase;
mod promotion;
mod release;
mod story;
mod template;
mod text;
mod told;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Serialize;

pub use chat::NotFound;
pub use codes::{CODES, Code, codes_markdown};
pub use explain::Explained;
pub use inert::{MAX_INERT_CHARS, inert, one_line};
pub use inspection::{Root as InspectedRoot, Subject as InspectedSubject, Told as InspectionTold};
pub use links::Links;
pub use phrase::Phrase;
pub use promotion::{Arrived, EnvironmentStatus, Preview, PromotionAnswer, Stage};
pub use story::check_name;
pub use template::BadTemplate;
pub use text::MAX_STATUS_CHARS;
pub use told::{Told, ToldCheck, ToldName, ToldPolicy};

use crate::model::gitlab::Project;
use template::Form;

/// Who can read what we write. On a public project a registry's host name stays out of notes and replies, where it may be an
/// internal one; the release section always shows the whole reference, because that is what the release publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Members of a private or internal project.
    Members,
    Everyone,
}

impl Audience {
    /// Who sees a project's notes. A visibility we do not know counts as public, and so does a project we could not read.
    pub fn of(project: Option<&Project>) -> Self {
        match project.map(|project| project.visibility.as_str()) {
            Some("private" | "internal") => Self::Members,
            Some(_) | None => Self::Everyone,
        }
    }
}

/// All our words, made ready once.
pub struct Words {
    markdown: Form,
    plain: Form,
}

impl Words {
    /// # Errors
    /// If a template does not compile, which is a fault of the program.
    pub fn new() -> Result<Self, BadTemplate> {
        Ok(Self { markdown: Form::markdown()?, plain: Form::plain()? })
    }

    /// A filled template in both forms.
    fn say(&self, template: &'static str, view: &impl Serialize) -> Phrase {
        let fill = |form: &Form| form.fill(template, view).trim_end().to_owned();
        Phrase::new(fill(&self.markdown), fill(&self.plain))
    }

    /// A filled template for GitLab.
    fn block(&self, template: &'static str, view: &impl Serialize) -> String {
        self.markdown.fill(template, view).trim_end().to_owned()
    }
}

/// The last look at a text before GitLab gets it: a line that begins with `/` would be a quick action, run with our rights
/// (SR-10). No template and no inert text makes one; were one made, its slash would be a look-alike.
fn safe(markdown: String) -> String {
    let acts = |line: &str| line.trim_start().starts_with('/');
    let markdown = markdown.replace('\r', "");
    debug_assert!(!markdown.lines().any(acts), "a line begins with a slash: {markdown}");
    let lines: Vec<Cow<'_, str>> =
        markdown.split('\n').map(|line| if acts(line) { Cow::Owned(line.replacen('/', "／", 1)) } else { Cow::Borrowed(line) }).collect();
    lines.join("\n")
}
