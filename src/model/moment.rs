//! Moments that an operator writes: a date, or a time with its offset.

use std::fmt;

use jiff::civil;
use jiff::tz::Offset;

use super::Timestamp;

/// Which end of a day a bare date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Its first moment, in UTC.
    Start,
    /// Its last moment, in UTC: a key that is valid until a day is valid on that day.
    End,
}

/// The text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMoment;

impl std::error::Error for NoMoment {}

impl fmt::Display for NoMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is neither a date such as 2026-05-01 nor a time such as 2026-05-01T12:00:00Z")
    }
}

/// A length of time as people say it, in its largest unit: `1 minute`, `12 minutes`, `5 hours`, `9 days`.
pub fn span(length: jiff::SignedDuration) -> String {
    let minutes = length.as_mins().max(0);
    let (count, unit) = match minutes {
        0..120 if minutes == 60 => (1, "hour"),
        0..120 => (minutes, "minute"),
        120..2880 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// How long ago something was, as people say it: `just now`, `5 minutes ago`, `3 days ago`. A clock that is behind says `just now`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(then);
    if age < jiff::SignedDuration::from_mins(1) { "just now".into() } else { format!("{} ago", span(age)) }
}

/// Reads an [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6) `full-date` or `date-time`. A time without an offset is
/// refused: whose clock it means would be a guess.
pub fn moment(text: &str, edge: Edge) -> Result<Timestamp, NoMoment> {
    // The parser takes more than RFC 3339 does: basic forms, weeks, signs.
    let shape = text.char_indices().all(|(at, c)| match at {
        4 | 7 => c == '-',
        10 => c == 'T',
        13 | 16 => c == ':',
        0..=18 => c.is_ascii_digit(),
        _ => c.is_ascii_digit() || matches!(c, '.' | 'Z' | '+' | '-' | ':'),
    });
    match (shape, text.len()) {
        (true, 10) => {
            let date: civil::Date = text.parse().map_err(|_| NoMoment)?;
            let time = match edge {
                Edge::Start => civil::Time::midnight(),
                Edge::End => civil::Time::MAX,
            };
            Offset::UTC.to_timestamp(date.to_datetime(time)).map_err(|_| NoMoment)
        }
        (true, 20..=35) => text.parse().map_err(|_| NoMoment),
        _ => Err(NoMoment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_means_an_edge_of_its_day_and_a_time_means_itself() {
        let read = |text: &str, edge| moment(text, edge).unwrap().to_string();
        assert_eq!(read("2026-05-01", Edge::Start), "2026-05-01T00:00:00Z");
        assert_eq!(read("2026-05-01", Edge::End), "2026-05-01T23:59:59.999999999Z");
        for edge in [Edge::Start, Edge::End] {
            assert_eq!(read("2026-05-01T12:00:00Z", edge), "2026-05-01T12:00:00Z");
            assert_eq!(read("2026-05-01T12:00:00.5+02:00", edge), "2026-05-01T10:00:00.5Z");
        }
    }

    #[test]
    fn an_age_is_said_in_its_largest_unit() {
        let now: Timestamp = "2026-05-04T15:10:00Z".parse().unwrap();
        let said = |seconds: i64| ago(now - jiff::SignedDuration::from_secs(seconds), now);
        assert_eq!([-600, 0, 59].map(said), ["just now"; 3]);
        assert_eq!([60, 300, 3599].map(said), ["1 minute ago", "5 minutes ago", "59 minutes ago"]);
        assert_eq!([3600, 5400, 7200, 47 * 3600].map(said), ["1 hour ago", "90 minutes ago", "2 hours ago", "47 hours ago"]);
        assert_eq!([48 * 3600, 33 * 86400].map(said), ["2 days ago", "33 days ago"]);
    }

    #[test]
    fn what_leaves_a_guess_is_no_moment() {
        for text in [
            "",
            "today",
            "2026-5-1",
            "2026-02-30",
            "20260501",
            "2026-05-01 12:00:00Z",
            "2026-05-01T12:00:00",
            "2026-05-01T12:00Z",
            "2026-05-01T25:00:00Z",
            "2026-W18-5",
            "2026-05-01T12:00:00[Europe/Berlin]",
            "+002026-05-01",
            "２０２６-05-01",
        ] {
            assert_eq!(moment(text, Edge::Start), Err(NoMoment), "{text}");
        }
    }
}
