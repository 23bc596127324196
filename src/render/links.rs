//! Addresses within a project, as GitLab makes them.

use url::Url;

use super::phrase::Phrase;
use crate::model::EnvironmentName;
use crate::model::gitlab::{CommitSha, DeploymentId, JobId, MergeRequestIid, PipelineId, Project};
use crate::model::promotion::Promotion;

/// Where the things of a project are found, if its own address is known; else they are named only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    project: Option<Url>,
    /// Where it is said. A link from a note to another merge request would leave "mentioned in" in its thread (SR-10).
    on: On,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum On {
    #[default]
    Anywhere,
    /// A note, on this merge request if on one.
    Note(Option<MergeRequestIid>),
}

impl Links {
    /// Of the project at this address.
    pub(super) fn to(project: Option<&str>) -> Self {
        Self { project: project.and_then(|url| Url::parse(url).ok()), on: On::Anywhere }
    }

    /// Of this project, for a note on this merge request.
    pub fn on(project: Option<&Project>, merge_request: MergeRequestIid) -> Self {
        Self::to(project.map(|project| project.web_url.as_str())).in_note(Some(merge_request))
    }

    /// The same for a note, on this merge request if on one.
    pub(super) fn in_note(self, merge_request: Option<MergeRequestIid>) -> Self {
        Self { on: On::Note(merge_request), ..self }
    }

    fn at(&self, segments: &[&str]) -> Option<Url> {
        let mut url = self.project.clone()?;
        url.path_segments_mut().ok()?.pop_if_empty().push("-").extend(segments);
        Some(url)
    }

    fn linked(&self, shown: Phrase, segments: &[&str]) -> Phrase {
        match self.at(segments) {
            Some(url) => shown.link(url.as_str()),
            None => shown,
        }
    }

    pub(super) fn release(&self, tag: &str) -> Phrase {
        self.linked(Phrase::name(tag), &["releases", tag])
    }

    pub(super) fn commit(&self, sha: &CommitSha) -> Phrase {
        self.linked(Phrase::commit(sha), &["commit", sha.as_str()])
    }

    /// `pipeline #88213`.
    pub(super) fn pipeline(&self, id: PipelineId) -> Phrase {
        Phrase::pipeline(id, self.project.as_ref().map(Url::as_str))
    }

    /// `job #501`.
    pub(super) fn job(&self, id: JobId) -> Phrase {
        Phrase::numbered("job", id.0, self.at(&["jobs", &id.to_string()]).as_ref().map(Url::as_str))
    }

    /// `deployment #31`. Its own page goes by a number of the environment that nobody told us: the environment leads to it.
    pub(super) fn deployment(&self, id: DeploymentId, environment: &EnvironmentName) -> Phrase {
        let url = self.at(&["environments"]).map(|mut url| {
            url.query_pairs_mut().append_pair("search", &environment.0);
            url
        });
        Phrase::numbered("deployment", id.0, url.as_ref().map(Url::as_str))
    }

    /// The note that asked for a promotion.
    pub(super) fn asked(&self, promotion: &Promotion) -> Option<Phrase> {
        let asked = &promotion.asked_in;
        match self.on {
            On::Note(here) if here != Some(asked.merge_request) => return None,
            On::Note(_) | On::Anywhere => {}
        }
        let mut url = self.at(&["merge_requests", &asked.merge_request.to_string()])?;
        url.set_fragment(Some(&format!("note_{}", asked.note)));
        Some(Phrase::own("asked here").link(url.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_leads_to_its_page() {
        let links = Links::to(Some("https://g.example/shop/api/"));
        assert_eq!(links.release("v1").markdown(), "[`v1`](https://g.example/shop/api/-/releases/v1)");
        assert_eq!(links.release("api/v1 x").markdown(), "[`api/v1 x`](https://g.example/shop/api/-/releases/api%2Fv1%20x)");
        assert_eq!(links.job(JobId(7)).markdown(), "[job #7](https://g.example/shop/api/-/jobs/7)");
        let environment = EnvironmentName("prod/eu & us".into());
        let deployment = links.deployment(DeploymentId(3), &environment);
        assert_eq!(deployment.markdown(), "[deployment #3](https://g.example/shop/api/-/environments?search=prod%2Feu+%26+us)");
        assert_eq!(Links::default().job(JobId(7)).markdown(), "job `#7`");
        assert_eq!(Links::to(Some("javascript:alert(1)")).release("v1").markdown(), "`v1`");
    }
}
