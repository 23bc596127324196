//! A verdict as JUnit XML, for GitLab's [test reports](https://docs.gitlab.com/ci/testing/unit_test_reports/): one test case a finding.

use super::Words;
use super::inert::one_line;
use super::told::{Told, ToldCheck};
use crate::verdict::{CheckOutcome, Outcome, Verdict};

impl Words {
    /// A verdict for GitLab's test reports.
    pub fn verdict_junit(&self, id: &str, verdict: &Verdict) -> String {
        self.told(id, verdict).junit()
    }
}

impl Told {
    /// For GitLab's test reports. What blocked is a failure, what could not be checked an error, and what did not apply is skipped.
    pub fn junit(&self) -> String {
        let mut cases: Vec<String> = self.checks.iter().map(ToldCheck::case).collect();
        let of = |wanted: CheckOutcome| self.checks.iter().filter(|check| check.outcome == wanted).count();
        let (mut failures, mut errors) = (of(CheckOutcome::Blocked), of(CheckOutcome::CouldNotCheck));
        // A verdict that did not pass must show red, also where no single finding does.
        match self.outcome {
            Outcome::Blocked if failures == 0 => {
                failures = 1;
                cases.push(case("verdict", &ended("failure", &self.headline, &self.next_step)));
            }
            Outcome::CouldNotCheck if errors == 0 => {
                errors = 1;
                cases.push(case("verdict", &ended("error", &self.headline, &self.next_step)));
            }
            Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck => {}
        }
        let name = self.image.clone().unwrap_or_else(|| self.repository.to_string());
        let head = [
            ("name", format!("countersign {name}")),
            ("id", self.id.clone()),
            ("timestamp", self.as_of.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("tests", cases.len().to_string()),
            ("failures", failures.to_string()),
            ("errors", errors.to_string()),
            ("skipped", of(CheckOutcome::NotApplicable).to_string()),
        ];
        let head: Vec<_> = head.iter().map(|(key, value)| attribute(key, value)).collect();
        let properties = [
            ("outcome", self.outcome.word().to_owned()),
            ("code", self.code.clone().unwrap_or_default()),
            ("policy", self.policy.digest.to_string()),
            ("headline", self.headline.clone()),
            ("next_step", self.next_step.clone()),
        ];
        let property = |(key, value): &(&str, String)| format!("<property {} {}/>", attribute("name", key), attribute("value", value));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite {}>\n<properties>\n{}\n</properties>\n{}\n</testsuite>\n</testsuites>\n",
            head.join(" "),
            properties.iter().map(property).collect::<Vec<_>>().join("\n"),
            cases.join("\n"),
        )
    }
}

impl ToldCheck {
    fn case(&self) -> String {
        let values = format!("expected: {}; found: {}", one_line(&self.expected), one_line(&self.found));
        let message = match (&self.headline, &self.code) {
            (Some(headline), Some(code)) => format!("{headline} [{code}]"),
            (Some(headline), None) => headline.clone(),
            (None, _) => values.clone(),
        };
        let details = match &self.next_step {
            Some(next_step) => format!("{values}\n{next_step}"),
            None => values.clone(),
        };
        let body = match self.outcome {
            CheckOutcome::Passed => format!("<system-out>{}</system-out>", escaped(&values)),
            CheckOutcome::Warned => format!("<system-out>{}</system-out>", escaped(&format!("warning: {message}\n{details}"))),
            CheckOutcome::NotApplicable => format!("<skipped {}/>", attribute("message", &self.found)),
            CheckOutcome::Blocked => ended("failure", &message, &details),
            CheckOutcome::CouldNotCheck => ended("error", &message, &details),
        };
        case(&self.name(), &body)
    }
}

fn case(name: &str, body: &str) -> String {
    format!("<testcase {} {}>{body}</testcase>", attribute("classname", "countersign"), attribute("name", name))
}

fn ended(element: &str, message: &str, details: &str) -> String {
    format!("<{element} {}>{}</{element}>", attribute("message", message), escaped(details))
}

fn attribute(key: &str, value: &str) -> String {
    format!("{key}=\"{}\"", escaped(&one_line(value)))
}

/// Text that is text in XML, wherever it stands. Characters that [XML 1.0](https://www.w3.org/TR/xml/#charsets) does not have are
/// left out; the lines stay.
fn escaped(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| handlebars::html_escape(&one_line(line))).collect();
    lines.join("\n").chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}
