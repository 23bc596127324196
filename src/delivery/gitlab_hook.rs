//! From a GitLab delivery to hints: ids and names only (SR-03). Pure; nothing in a body makes it fail but JSON that is none.
//!
//! [Webhook events](https://docs.gitlab.com/user/project/integrations/webhook_events/). Every field may be missing or of another
//! type: GitLab's versions differ, and custom templates reshape bodies. What cannot be read yields no hint, and the catch-up poll
//! finds the object later.

mod lenient;

use std::borrow::Cow;

use serde::Deserialize;

use crate::event::{Hint, Origin, What};
use crate::model::Timestamp;
use crate::model::gitlab::{DeploymentId, InstanceName, JobId, MergeRequestIid, NoteId, PipelineId, ProjectId, ProjectKey};
use lenient::{Id, Nested, Text};

/// What a body says, as far as we listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub kind: Kind,
    /// Whose event this claims to be: compared with a secret that is bound to one project.
    pub project_path: Option<String>,
    pub project: Option<ProjectId>,
    pub what: Option<What>,
}

/// The kinds of delivery, by `object_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Pipeline,
    Job,
    TagPush,
    Note,
    Release,
    Deployment,
    MergeRequest,
    /// A push of branches: nothing here hangs on one.
    Push,
    /// Everything else: issues, wikis, members, system hooks, and what GitLab will invent.
    Other,
}

/// The body is not a JSON object. Says nothing of its content, which may hold CI variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object, or names one key twice")]
pub struct Unreadable;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default, borrow)]
    object_kind: Text<'a>,
    #[serde(default, borrow)]
    event_name: Text<'a>,
    #[serde(default)]
    project_id: Id,
    #[serde(default, borrow)]
    project: Nested<Object<'a>>,
    #[serde(default, borrow)]
    object_attributes: Nested<Object<'a>>,
    #[serde(default, borrow)]
    merge_request: Nested<Object<'a>>,
    #[serde(default)]
    build_id: Id,
    #[serde(default)]
    pipeline_id: Id,
    #[serde(default)]
    deployment_id: Id,
    #[serde(default, borrow, rename = "ref")]
    git_ref: Text<'a>,
    #[serde(default, borrow)]
    tag: Text<'a>,
}

#[derive(Default, Deserialize)]
struct Object<'a> {
    #[serde(default)]
    id: Id,
    #[serde(default)]
    iid: Id,
    #[serde(default)]
    target_project_id: Id,
    #[serde(default, borrow)]
    noteable_type: Text<'a>,
    #[serde(default, borrow)]
    path_with_namespace: Text<'a>,
}

/// Reads one body.
pub fn read(body: &[u8]) -> Result<Delivery, Unreadable> {
    let body: Nested<Body<'_>> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    let body = body.0.ok_or(Unreadable)?;
    let project = body.project.0.as_ref();
    let kind = Kind::named(body.object_kind.0.as_deref().or(body.event_name.0.as_deref()).unwrap_or_default());
    Ok(Delivery {
        kind,
        project_path: project.and_then(|project| project.path_with_namespace.0.as_deref()).map(Into::into),
        project: body.project(),
        what: body.what(kind),
    })
}

impl Delivery {
    /// The hints of this delivery: at most one today.
    pub fn hints(self, instance: &InstanceName, delivery: Option<String>, now: Timestamp) -> Vec<Hint> {
        let (Some(id), Some(what)) = (self.project, self.what) else { return vec![] };
        let project = ProjectKey { instance: instance.clone(), id };
        vec![Hint { project, what, origin: Origin::Hook { delivery }, received_at: now }]
    }
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "pipeline" => Self::Pipeline,
            "build" => Self::Job,
            "tag_push" => Self::TagPush,
            "note" => Self::Note,
            "release" => Self::Release,
            "deployment" => Self::Deployment,
            "merge_request" => Self::MergeRequest,
            "push" => Self::Push,
            _ => Self::Other,
        }
    }

    /// For logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Job => "job",
            Self::TagPush => "tag_push",
            Self::Note => "note",
            Self::Release => "release",
            Self::Deployment => "deployment",
            Self::MergeRequest => "merge_request",
            Self::Push => "push",
            Self::Other => "other",
        }
    }
}

impl Body<'_> {
    /// The project's id. A body that names two is no hint: it could pass a check of one and work on the other.
    fn project(&self) -> Option<ProjectId> {
        let nested = self.project.0.as_ref().and_then(|project| project.id.0);
        let target = self.object_attributes.0.as_ref().and_then(|object| object.target_project_id.0);
        let mut named = [nested, self.project_id.0, target].into_iter().flatten();
        let first = named.next()?;
        named.all(|other| other == first).then_some(ProjectId(first))
    }

    fn what(&self, kind: Kind) -> Option<What> {
        let object = self.object_attributes.0.as_ref();
        match kind {
            Kind::Pipeline => Some(What::Pipeline { id: PipelineId(object?.id.0?) }),
            // A pipeline's jobs are one piece of work with their pipeline, which is read anyway.
            Kind::Job => match self.pipeline_id.0 {
                Some(pipeline) => Some(What::Pipeline { id: PipelineId(pipeline) }),
                None => Some(What::Job { id: JobId(self.build_id.0?) }),
            },
            // A deleted tag is a hint too: what it pointed to is looked up.
            Kind::TagPush => {
                let name = ref_name(&self.git_ref.0)?.strip_prefix("refs/tags/").filter(|name| !name.is_empty())?;
                Some(What::Tag { name: name.into() })
            }
            Kind::Note if object?.noteable_type.0.as_deref() == Some("MergeRequest") => {
                Some(What::Note { merge_request: MergeRequestIid(self.merge_request.0.as_ref()?.iid.0?), note: NoteId(object?.id.0?) })
            }
            Kind::Release => Some(What::Release { tag: ref_name(&self.tag.0)?.into() }),
            Kind::Deployment => Some(What::Deployment { id: DeploymentId(self.deployment_id.0?) }),
            Kind::MergeRequest => Some(What::MergeRequest { iid: MergeRequestIid(object?.iid.0?) }),
            Kind::Note | Kind::Push | Kind::Other => None,
        }
    }
}

/// A name that Git allows as far as we must care: not empty, no control characters or spaces
/// ([git-check-ref-format](https://git-scm.com/docs/git-check-ref-format)).
fn ref_name<'a>(name: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    let name = name.as_deref()?;
    let odd = |c: char| c.is_control() || c == ' ';
    (!name.is_empty() && !name.contains(odd)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body is read as: kind, project and object, or nothing.
    fn check(body: &str) -> (Kind, Option<String>) {
        let delivery = read(body.as_bytes()).unwrap();
        let kind = delivery.kind;
        let instance = InstanceName("main".into());
        (kind, delivery.hints(&instance, None, Timestamp::UNIX_EPOCH).pop().map(|hint| hint.key()))
    }

    fn key(text: &str) -> Option<String> {
        Some(text.into())
    }

    #[test]
    fn every_kind_yields_its_object() {
        for (body, kind, wanted) in [
            (r#"{"object_kind":"pipeline","object_attributes":{"id":31},"project":{"id":7}}"#, Kind::Pipeline, "main/7/pipeline/31"),
            (r#"{"object_kind":"build","build_id":5,"project_id":7}"#, Kind::Job, "main/7/job/5"),
            (r#"{"object_kind":"build","build_id":5,"pipeline_id":9,"project_id":7}"#, Kind::Job, "main/7/pipeline/9"),
            (r#"{"object_kind":"tag_push","ref":"refs/tags/v1/x","project_id":7}"#, Kind::TagPush, "main/7/tag/v1/x"),
            (r#"{"event_name":"tag_push","ref":"refs/tags/v1","project_id":7}"#, Kind::TagPush, "main/7/tag/v1"),
            (
                r#"{"object_kind":"note","object_attributes":{"id":9,"noteable_type":"MergeRequest"},"merge_request":{"iid":4},"project_id":7}"#,
                Kind::Note,
                "main/7/note/4/9",
            ),
            (r#"{"object_kind":"release","tag":"v1","project":{"id":7}}"#, Kind::Release, "main/7/release/v1"),
            (r#"{"object_kind":"deployment","deployment_id":3,"project":{"id":7}}"#, Kind::Deployment, "main/7/deployment/3"),
            (
                r#"{"object_kind":"merge_request","object_attributes":{"iid":4,"target_project_id":7}}"#,
                Kind::MergeRequest,
                "main/7/merge-request/4",
            ),
        ] {
            assert_eq!(check(body), (kind, key(wanted)), "{body}");
        }
    }

    #[test]
    fn odd_bodies_yield_no_hint_and_no_error() {
        for body in [
            "{}",
            r#"{"object_kind":"push","ref":"refs/heads/main","project_id":7}"#,
            r#"{"object_kind":"job","build_id":5,"project_id":7}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":31}}"#,
            r#"{"object_kind":"pipeline","object_attributes":[{"id":31}],"project":"7"}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":"31"},"project":{"id":7}}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":-1},"project":{"id":7}}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":1e3},"project":{"id":7}}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":0},"project":{"id":7}}"#,
            r#"{"object_kind":"pipeline","object_attributes":{"id":99999999999999999999},"project":{"id":7}}"#,
            r#"{"object_kind":["pipeline"],"object_attributes":null,"project":null}"#,
            r#"{"object_kind":"tag_push","ref":"refs/heads/v1","project_id":7}"#,
            r#"{"object_kind":"tag_push","ref":"refs/tags/","project_id":7}"#,
            r#"{"object_kind":"tag_push","ref":"refs/tags/a\nb","project_id":7}"#,
            r#"{"object_kind":"note","object_attributes":{"id":9,"noteable_type":"Issue"},"merge_request":{"iid":4},"project_id":7}"#,
            r#"{"object_kind":"build","build_id":5,"project_id":7,"project":{"id":8}}"#,
        ] {
            assert_eq!(check(body).1, None, "{body}");
        }
        let long = format!(r#"{{"object_kind":"release","tag":"{}","project":{{"id":7}}}}"#, "v".repeat(2_000));
        assert_eq!(check(&long).1, None, "a tag longer than any Git tag");
    }

    #[test]
    fn what_is_no_object_or_says_a_key_twice_is_unreadable() {
        for body in ["", "[]", "7", "\"x\"", "{\"object_kind\":", "null", r#"{"project_id":7,"project_id":8}"#, "{}{}"] {
            assert_eq!(read(body.as_bytes()), Err(Unreadable), "{body}");
        }
        assert_eq!(read(&[0xff, 0xfe]), Err(Unreadable));
    }

    #[test]
    fn depth_and_length_cost_no_stack_and_little_time() {
        let deep = format!(r#"{{"x":{}{},"object_kind":"pipeline"}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(matches!(read(deep.as_bytes()), Err(Unreadable) | Ok(Delivery { what: None, .. })));
        let deep = format!(r#"{{"object_attributes":{}"#, r#"{"id":"#.repeat(500_000));
        assert_eq!(read(deep.as_bytes()), Err(Unreadable));
        let long = format!(r#"{{"x":"{}","object_kind":"build","build_id":5,"project_id":7}}"#, "y".repeat(20_000_000));
        let started = std::time::Instant::now();
        assert_eq!(check(&long).1, key("main/7/job/5"));
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    #[test]
    fn all_captured_payloads_are_read() {
        let shared = std::env::var("COUNTERSIGN_SHARED").unwrap_or_else(|_| "../shared".into());
        let folder = std::path::Path::new(&shared).join("gitlab-contract/webhooks");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            let words = format!("NOT RUN: 132 webhook payloads, because {} is not there (set COUNTERSIGN_SHARED)", folder.display());
            assert!(std::env::var("CI").is_err(), "{words}");
            println!("{words}");
            return;
        };
        let mut count = std::collections::BTreeMap::new();
        let mut hints = std::collections::BTreeMap::new();
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "json") {
                let (kind, hint) = check(&std::fs::read_to_string(&path).unwrap());
                *count.entry(kind.word()).or_insert(0) += 1;
                *hints.entry(kind.word()).or_insert(0) += usize::from(hint.is_some());
            }
        }
        println!("read {count:?}, hints {hints:?}");
        assert_eq!(count.values().sum::<usize>(), 132);
        for (kind, at_least) in [("pipeline", 5), ("job", 2), ("tag_push", 8), ("note", 7), ("release", 2), ("deployment", 2)] {
            assert!(hints[kind] >= at_least, "{kind}: {hints:?}");
        }
        assert_eq!((hints["push"], hints["other"]), (0, 0));
    }
}
