//! A verdict as JUnit XML, for GitLab's [test reports](https://docs.gitlab.com/ci/testing/unit_test_reports/): one test case a finding.

use super::Words;
use super::inert::one_line;
use super::story::check_name;
use crate::verdict::{CheckOutcome, Finding, Outcome, Verdict};

impl Words {
    /// What blocked is a failure, what could not be checked an error, and what did not apply is skipped.
    pub fn verdict_junit(&self, id: &str, verdict: &Verdict) -> String {
        let (headline, next_step) = self.lead(verdict);
        let mut cases: Vec<String> = verdict.findings.iter().map(|finding| self.case(verdict, finding)).collect();
        let of = |wanted: CheckOutcome| verdict.findings.iter().filter(|finding| finding.outcome == wanted).count();
        let (mut failures, mut errors) = (of(CheckOutcome::Blocked), of(CheckOutcome::CouldNotCheck));
        // A verdict that did not pass must show red, also where no single finding does.
        match verdict.outcome {
            Outcome::Blocked if failures == 0 => {
                failures = 1;
                cases.push(case("verdict", &ended("failure", &headline, &next_step)));
            }
            Outcome::CouldNotCheck if errors == 0 => {
                errors = 1;
                cases.push(case("verdict", &ended("error", &headline, &next_step)));
            }
            Outcome::Passed | Outcome::Blocked | Outcome::CouldNotCheck => {}
        }
        let name = verdict.image.as_ref().map_or_else(|| verdict.subject.question.image.repository.to_string(), ToString::to_string);
        let head = [
            ("name", format!("countersign {name}")),
            ("id", id.to_owned()),
            ("timestamp", verdict.as_of.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("tests", cases.len().to_string()),
            ("failures", failures.to_string()),
            ("errors", errors.to_string()),
            ("skipped", of(CheckOutcome::NotApplicable).to_string()),
        ];
        let head: Vec<_> = head.iter().map(|(key, value)| attribute(key, value)).collect();
        let properties = [
            ("outcome", verdict.outcome.word().to_owned()),
            ("code", verdict.code().unwrap_or_default().to_owned()),
            ("policy", verdict.policy.to_string()),
            ("headline", headline),
            ("next_step", next_step),
        ];
        let property = |(key, value): &(&str, String)| format!("<property {} {}/>", attribute("name", key), attribute("value", value));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite {}>\n<properties>\n{}\n</properties>\n{}\n</testsuite>\n</testsuites>\n",
            head.join(" "),
            properties.iter().map(property).collect::<Vec<_>>().join("\n"),
            cases.join("\n"),
        )
    }

    fn case(&self, verdict: &Verdict, finding: &Finding) -> String {
        let values = format!("expected: {}; found: {}", one_line(&finding.expected), one_line(&finding.found));
        let explained = finding.problem.as_ref().map(|problem| self.explain(problem, &verdict.subject));
        let message = match &explained {
            Some(said) => format!("{} [{}]", said.headline.plain(), said.code),
            None => values.clone(),
        };
        let details = match &explained {
            Some(said) => format!("{values}\n{}", said.next_step.plain()),
            None => values.clone(),
        };
        let body = match finding.outcome {
            CheckOutcome::Passed => format!("<system-out>{}</system-out>", escaped(&values)),
            CheckOutcome::Warned => format!("<system-out>{}</system-out>", escaped(&format!("warning: {message}\n{details}"))),
            CheckOutcome::NotApplicable => format!("<skipped {}/>", attribute("message", &finding.found)),
            CheckOutcome::Blocked => ended("failure", &message, &details),
            CheckOutcome::CouldNotCheck => ended("error", &message, &details),
        };
        case(check_name(finding.check), &body)
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
