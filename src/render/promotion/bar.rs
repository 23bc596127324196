//! A bar as one sentence that names it and one that says what to do.

use super::super::explain::{Explained, Sentence, sentence, service, unavailable_title};
use super::super::phrase::Phrase;
use super::super::story::time;
use super::super::{Words, codes};
use super::{command, recorded};
use crate::model::EnvironmentName;
use crate::model::promotion::COMMAND_AGE;
use crate::verdict::promotion::Bar;
use crate::verdict::{Problem, Verdict, Why, WhyKind};

/// What a drift found where a tag is gone, before its name.
const NO_TAG: &str = "no tag ";

impl Words {
    /// Explains why a promotion does not go on. A problem of an image is explained as anywhere else, by the verdict it is from.
    pub fn bar(&self, bar: &Bar, verdicts: &[Verdict]) -> Explained {
        let of = |problem: &Problem, verdict: Option<&Verdict>| match verdict {
            Some(verdict) => self.explain(problem, &verdict.subject),
            None => self.explain_alone(problem),
        };
        match bar {
            Bar::Image { image, problem } => of(problem, verdicts.iter().find(|verdict| verdict.image.as_ref() == Some(image))),
            Bar::NoImage { name, problem } => of(problem, verdicts.iter().find(|verdict| verdict.subject.question.image.name == *name)),
            Bar::Rights { user, environment, who, people } => self.rights(user, environment, (who, *people)),
            Bar::SecondPerson { environment, who } => {
                let approve = Phrase::typed("/countersign approve");
                let values = [("environment", Phrase::name(&environment.0)), ("who", self.who(who)), ("approve", approve)];
                self.own(bar, sentence("problem/CS-SECOND-PERSON", values))
            }
            Bar::Halted { reason } if reason.trim().is_empty() => self.own(bar, sentence("problem/CS-HALTED.silent", [])),
            Bar::Halted { reason } => self.own(bar, sentence("problem/CS-HALTED", [("reason", Phrase::name(reason))])),
            Bar::Frozen { environment, reason, until } => {
                let values = [("environment", Phrase::name(&environment.0)), ("reason", Phrase::name(reason)), ("until", time(*until))];
                self.own(bar, sentence("problem/CS-FROZEN", values))
            }
            Bar::Locked { environment, holder } => {
                let values = [
                    ("environment", Phrase::name(&environment.0)),
                    ("release", Phrase::name(&holder.release)),
                    ("by", Phrase::name(&holder.by.username)),
                    ("since", time(holder.since)),
                    ("cancel", Phrase::typed("/countersign cancel")),
                ];
                self.own(bar, sentence("problem/CS-LOCKED", values))
            }
            Bar::Expired { asked_at } => {
                let minutes = u64::try_from(COMMAND_AGE.as_mins()).unwrap_or_default();
                self.own(bar, sentence("problem/CS-EXPIRED", [("asked", time(*asked_at)), ("minutes", Phrase::number(minutes))]))
            }
            Bar::Changed { what } => self.own(bar, sentence("problem/CS-CHANGED", [("what", recorded(what))])),
            Bar::NotStaged { digest, environment, after, release } => {
                let what = release.clone().unwrap_or_else(|| digest.to_string());
                let values = [
                    ("digest", Phrase::digest(digest)),
                    ("environment", Phrase::name(&environment.0)),
                    ("after", Phrase::name(&after.0)),
                    ("command", command("promote", &[&after.0, &what])),
                ];
                self.own(bar, sentence("problem/CS-NOT-STAGED", values))
            }
            Bar::NoAction { environment } => {
                self.own(bar, sentence("problem/CS-NO-ACTION", [("environment", Phrase::name(&environment.0))]))
            }
            Bar::Step { action, environment, reason } => {
                let values =
                    [("action", Phrase::name(action)), ("environment", Phrase::name(&environment.0)), ("reason", recorded(reason))];
                self.own(bar, sentence("problem/CS-STEP", values))
            }
            Bar::Drift { environment, found, expected, at } => {
                let (template, found) = match found.strip_prefix(NO_TAG) {
                    Some(tag) => ("problem/CS-DRIFT.no-tag", tag),
                    None => ("problem/CS-DRIFT", found.as_str()),
                };
                let values = [
                    ("environment", Phrase::name(&environment.0)),
                    ("found", Phrase::value(found)),
                    ("expected", Phrase::digest(expected)),
                    ("at", time(*at)),
                    ("rollback", command("rollback", &[&environment.0])),
                ];
                self.own(bar, sentence(template, values))
            }
            Bar::Unavailable { what, why } => self.in_two(unavailable(what, why), bar.code(), unavailable_title(why)),
        }
    }

    /// Why it stopped, in one sentence for the record, from which [`recorded`] tells it again: no link, no registry host.
    pub fn promotion_reason(&self, bar: &Bar) -> String {
        let said = self.bar(bar, &[]).headline;
        said.markdown().trim_end_matches('.').to_owned()
    }

    fn own(&self, bar: &Bar, said: Sentence) -> Explained {
        self.in_two(said, bar.code(), codes::title(bar.code()))
    }

    fn rights(&self, user: &str, environment: &EnvironmentName, (who, people): (&str, Option<usize>)) -> Explained {
        let (user, environment) = (("user", Phrase::name(user)), ("environment", Phrase::name(&environment.0)));
        let who_may = || ("who", self.who(who));
        let said = match people {
            Some(0) | None if who == "nobody" => sentence("problem/CS-RIGHTS.nobody", [user, environment]),
            Some(0) => sentence("problem/CS-RIGHTS.vacant", [user, environment, who_may()]),
            Some(1) => sentence("problem/CS-RIGHTS.one", [user, environment, who_may()]),
            Some(people) => {
                let count = Phrase::number(u64::try_from(people).unwrap_or(u64::MAX));
                sentence("problem/CS-RIGHTS.counted", [user, environment, who_may(), ("people", count)])
            }
            None => sentence("problem/CS-RIGHTS", [user, environment, who_may()]),
        };
        self.in_two(said, "CS-RIGHTS", codes::title("CS-RIGHTS"))
    }
}

fn unavailable(what: &str, why: &Why) -> Sentence {
    let fault = Phrase::own(match why.kind {
        WhyKind::Down => "did not answer",
        WhyKind::Refused => "refused Countersign's login",
        WhyKind::Limited => "answered that Countersign asks too often",
        WhyKind::TooLarge => "gave an answer above Countersign's limits",
        WhyKind::Unreadable => "gave an answer that cannot be read",
        WhyKind::Stale => "is too old to be believed",
        WhyKind::Unread => "was not read",
    });
    let doctor = Phrase::typed("countersign doctor");
    let values = [("service", service(why.service)), ("fault", fault), ("what", recorded(what)), ("doctor", doctor)];
    // Waiting does not mend a login.
    let template = if why.kind == WhyKind::Refused { "problem/CS-UNAVAILABLE.not-shown" } else { "problem/CS-UNAVAILABLE.promotion" };
    sentence(template, values)
}
