//! What is wrong with a `bot.toml`: every problem with its line and its key.

use std::cell::RefCell;
use std::fmt;

/// One thing to put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line in the file, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Column in characters, from 1; for TOML's own errors.
    pub column: Option<usize>,
    /// `project[0].image`; empty where the whole file is meant.
    pub path: String,
    /// What is wrong and what is accepted. Never a secret (SR-23).
    pub says: String,
}

/// Everything that is wrong with one file, in the order of its lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file as the operator named it.
    pub file: String,
    pub list: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            for position in [problem.line, problem.column].into_iter().flatten() {
                write!(f, ":{position}")?;
            }
            if !problem.path.is_empty() {
                write!(f, ": {}", problem.path)?;
            }
            write!(f, ": {}", problem.says)?;
        }
        Ok(())
    }
}

/// A place in the file: a key's path, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: String,
    /// Byte offset.
    pub at: usize,
}

/// Collects problems while the file is read.
#[derive(Debug)]
pub struct Sink<'a> {
    text: &'a str,
    /// Byte offset at which each line begins.
    lines: Vec<usize>,
    found: RefCell<Vec<Problem>>,
    /// What stops nothing.
    warned: RefCell<Vec<Problem>>,
}

impl<'a> Sink<'a> {
    pub fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines, found: RefCell::default(), warned: RefCell::default() }
    }

    /// The line, from 1, of a byte offset.
    pub fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    /// Something is wrong at a place.
    pub fn add(&self, place: &Place, says: impl Into<String>) {
        self.push(self.at(place, says.into()));
    }

    /// Something is likely not meant, and stops nothing.
    pub fn warn(&self, place: &Place, says: impl Into<String>) {
        let problem = self.at(place, says.into());
        self.warned.borrow_mut().push(problem);
    }

    fn at(&self, place: &Place, says: String) -> Problem {
        Problem { line: Some(self.line(place.at)), column: None, path: place.path.clone(), says }
    }

    /// Something is wrong with the TOML itself.
    pub fn syntax(&self, at: Option<usize>, path: &str, says: impl Into<String>) {
        let line = at.map(|at| self.line(at));
        let column = at.zip(line).map(|(at, line)| {
            let start = self.lines.get(line - 1).copied().unwrap_or(0);
            self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1
        });
        self.push(Problem { line, column, path: path.into(), says: says.into() });
    }

    fn push(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The warnings, in the order of the lines.
    pub fn warnings(&self) -> Vec<Problem> {
        in_order(self.warned.take())
    }

    /// Everything found, in the order of the lines. A default that serves many projects is wrong once.
    pub fn into_problems(self, file: &str) -> Problems {
        Problems { file: file.into(), list: in_order(self.found.into_inner()) }
    }
}

fn in_order(mut list: Vec<Problem>) -> Vec<Problem> {
    list.sort();
    list.dedup();
    list
}

/// The nearest of the known names, if one is near enough to be meant.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let far = 1.max(name.chars().count() / 3);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A foreign text inside a sentence: quoted, without control characters, and short.
pub fn quoted(text: &str) -> String {
    /// Longer than any name we accept; the line number leads to the rest.
    const SHOWN: usize = 80;
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// A key as TOML writes it: bare where it can be.
pub fn key_name(name: &str) -> String {
    let bare = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.into() } else { quoted(name) }
}
