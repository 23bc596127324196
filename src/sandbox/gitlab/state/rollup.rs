//! How the statuses of jobs and external statuses become one word (GitLab's `Gitlab::Ci::Status::Composite`).

use std::collections::BTreeSet;

use crate::model::gitlab::CiStatus;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Manual and allowed to fail: nobody waits for it.
    Ignored,
    SuccessWithWarnings,
    Status(&'static str),
}

const DONE_WELL: [Part; 4] = [Part::Status("success"), Part::Status("skipped"), Part::SuccessWithWarnings, Part::Ignored];

/// The word for these parts, each with its `allow_failure`. `None` for no parts at all.
pub fn rollup(parts: impl Iterator<Item = (CiStatus, bool)>) -> Option<CiStatus> {
    let set: BTreeSet<Part> = parts
        .map(|(status, allow_failure)| match status {
            CiStatus::Manual if allow_failure => Part::Ignored,
            CiStatus::Failed | CiStatus::Canceled if allow_failure => Part::SuccessWithWarnings,
            other => Part::Status(other.word()),
        })
        .collect();
    let only = |allowed: &[Part], more: &[&'static str]| {
        set.iter().all(|part| allowed.contains(part) || matches!(part, Part::Status(word) if more.contains(word)))
    };
    let any = |words: &[&'static str]| set.iter().any(|part| matches!(part, Part::Status(word) if words.contains(word)));
    let calm = &DONE_WELL[2..];
    let word = if set.is_empty() {
        return None;
    } else if only(&DONE_WELL[3..], &["skipped"]) {
        CiStatus::Skipped
    } else if only(&DONE_WELL, &[]) {
        CiStatus::Success
    } else if only(calm, &["created"]) {
        CiStatus::Created
    } else if only(&DONE_WELL, &["canceled"]) {
        CiStatus::Canceled
    } else if only(calm, &["pending", "created", "skipped"]) {
        CiStatus::Pending
    } else if any(&["running", "pending"]) {
        CiStatus::Running
    } else if any(&["manual"]) {
        CiStatus::Manual
    } else if any(&["scheduled"]) {
        CiStatus::Scheduled
    } else if any(&["preparing"]) {
        CiStatus::Preparing
    } else if any(&["created"]) {
        CiStatus::Running
    } else {
        CiStatus::Failed
    };
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CiStatus::{Canceled, Created, Failed, Manual, Pending, Running, Skipped, Success};

    #[test]
    fn parts_become_one_word_as_in_gitlab() {
        let table: &[(&[(CiStatus, bool)], CiStatus)] = &[
            (&[(Success, false), (Success, false)], Success),
            (&[(Success, false), (Failed, true)], Success),
            (&[(Success, false), (Failed, false)], Failed),
            (&[(Success, false), (Manual, true)], Success),
            (&[(Success, false), (Manual, false)], Manual),
            (&[(Success, false), (Canceled, false)], Canceled),
            (&[(Success, false), (Created, false)], Running),
            (&[(Created, false)], Created),
            (&[(Pending, false), (Created, false)], Pending),
            (&[(Success, false), (Pending, false)], Running),
            (&[(Failed, false), (Running, false)], Running),
            (&[(Failed, false), (Skipped, false)], Failed),
            (&[(Skipped, false), (Manual, true)], Skipped),
        ];
        for (parts, word) in table {
            assert_eq!(rollup(parts.iter().copied()), Some(*word), "{parts:?}");
        }
        assert_eq!(rollup(std::iter::empty()), None);
    }
}
