//! A server's answer, held against the question.

use jiff::SignedDuration;
use serde::Deserialize as _;
use serde_json::Value;

use super::Arguments;
use crate::model::image::Pointer;
use crate::model::{ImageReference, Timestamp};
use crate::render::{Told, one_line};
use crate::verdict::{CheckOutcome, Outcome};

/// How far the time of an answer may lie from ours: an older one was kept by something on the way.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// An answer to the question that was asked.
#[derive(Debug)]
pub struct Answer {
    pub told: Told,
    pub json: Value,
}

impl Answer {
    /// Reads an answer. The error says what is wrong with it.
    pub fn read(json: Value, arguments: &Arguments) -> Result<Self, String> {
        let told = Told::deserialize(&json).map_err(|_| "the answer is no verdict")?;
        about(&told, arguments)?;
        whole(&told)?;
        let age = Timestamp::now().duration_since(told.as_of);
        if age.abs() > WINDOW {
            return Err(format!("the answer is of {}, by this machine's clock not of now", told.as_of));
        }
        Ok(Self { told, json })
    }

    /// Whether the verdict waits for the very job that may be asking. A job that an ID token names needs no hint.
    pub fn waits_for_the_asker(&self) -> bool {
        let ended = ["success", "failed", "canceled", "skipped"];
        let open = self.json["pipeline"]["status"].as_str().is_some_and(|status| !ended.contains(&status));
        self.told.code.as_deref() == Some("CS-PIPELINE") && open && self.json["asked_by"]["kind"] == "token"
    }

    /// As whom the server knew us: `, asked by job 7 on refs/tags/v1 (protected)`.
    pub fn asked_by(&self) -> String {
        let by = &self.json["asked_by"];
        match (by["kind"].as_str(), by["job"].as_u64(), by["ref"].as_str(), by["name"].as_str()) {
            (Some("job"), Some(job), Some(git_ref), _) => {
                let protected = match by["ref_protected"].as_bool() {
                    Some(true) => " (protected)",
                    Some(false) => " (not protected)",
                    None => "",
                };
                format!(", asked by job {job} on {}{protected}", one_line(git_ref))
            }
            (Some("token"), _, _, Some(name)) => format!(", asked with the token {}", one_line(name)),
            _ => String::new(),
        }
    }
}

/// It answers this question.
fn about(told: &Told, arguments: &Arguments) -> Result<(), String> {
    let asked = &arguments.image;
    if told.project != arguments.project {
        return Err("the answer is about another project".into());
    }
    if told.repository != asked.repository {
        return Err("the answer is about another image".into());
    }
    if told.environment != arguments.environment {
        return Err("the answer is about another environment".into());
    }
    if arguments.tag.is_some() && told.tag != arguments.tag {
        return Err("the answer is about another release".into());
    }
    let image = told.image.as_ref().map(|image| image.parse::<ImageReference>().map_err(|_| "the answer names no image"));
    match (image.transpose()?, &told.digest) {
        (None, None) => Ok(()),
        (Some(ImageReference { repository, pointer: Pointer::Digest(named) }), Some(digest))
            if repository == asked.repository && named == *digest =>
        {
            match asked.pointer {
                Pointer::Digest(asked) if asked != named => Err("the answer is about another digest".into()),
                Pointer::Digest(_) | Pointer::Tag(_) => Ok(()),
            }
        }
        (Some(_), _) | (None, Some(_)) => Err("the answer is about another image".into()),
    }
}

/// It is one verdict, and if it passed, a complete one: digest, policy and time are there, and nothing in it says no (SR-24).
fn whole(told: &Told) -> Result<(), String> {
    let of = |outcome: CheckOutcome| told.checks.iter().filter(|check| check.outcome == outcome).count();
    match (told.outcome, &told.code, &told.digest) {
        (Outcome::Passed, None, Some(_)) => {
            let open = of(CheckOutcome::Blocked) + of(CheckOutcome::CouldNotCheck);
            if open == 0 && of(CheckOutcome::Passed) > 0 { Ok(()) } else { Err("it passed without passing its checks".into()) }
        }
        (Outcome::Passed, ..) => Err("it passed without a digest, or with a reason why not".into()),
        (Outcome::Blocked | Outcome::CouldNotCheck, Some(_), _) => Ok(()),
        (Outcome::Blocked | Outcome::CouldNotCheck, None, _) => Err("it did not pass, and has no reason".into()),
    }
}
