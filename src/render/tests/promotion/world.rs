//! Promotions made by hand.

use uuid::Uuid;

use super::super::world::*;
use crate::model::environment::*;
use crate::model::gitlab::*;
use crate::model::promotion::*;
use crate::model::{Digest, EnvironmentName, PinnedImage, Timestamp};
use crate::render::*;
use crate::verdict::promotion::*;
use crate::verdict::{Looked, Problem, Service, Verdict, Why, WhyKind};

/// The merge request that asks.
pub const MR: MergeRequestIid = MergeRequestIid(412);

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2026-05-04T15:10:00Z")
}

pub fn person(outside: &Outside, id: u64) -> Person {
    Person { id: UserId(id), username: outside.username.clone() }
}

/// Every action there is.
pub fn production(outside: &Outside) -> Environment {
    let values = |carrier, name: &str| Values { carrier, image: name.into() };
    Environment {
        after: Some(EnvironmentName("staging".into())),
        actions: vec![
            Action::Retag { tag: "production".into() },
            Action::Copy { to: CopyTarget("harbor.partner.example/production/{image}".into()), tag: Some("live".into()) },
            Action::PlayJob { job: outside.job.clone(), values: values(Carrier::Variables, "IMAGE") },
            Action::StartPipeline { branch: None, values: values(Carrier::Inputs, "image") },
            Action::Deployment,
            Action::Attest,
        ],
        allow: Allow { role: MAINTAINER, groups: vec!["shop/release-managers".into()] },
        ..Environment::named("production")
    }
}

pub fn staging() -> Environment {
    Environment { actions: vec![Action::Retag { tag: "staging".into() }], ..Environment::named("staging") }
}

pub fn promotion(outside: &Outside, environment: Environment, release: &str, digest: Digest) -> Promotion {
    let project = ProjectKey { instance: InstanceName("main".into()), id: ProjectId(7) };
    Promotion {
        id: PromotionId("8c166074508eefab".into()),
        direction: Direction::Promote,
        project,
        environment,
        release: release.into(),
        commit: sha(),
        pipeline: PipelineId(88_213),
        images: vec![("api".into(), PinnedImage { repository: image().repository, digest })],
        rule: Digest::of(b"rule"),
        requested_by: person(outside, 1),
        requested_at: at("2026-05-04T15:02:00Z"),
        asked_in: AskedIn {
            merge_request: MergeRequestIid(412),
            note: NoteId(77),
            discussion: DiscussionId("6a9c1750b37d513a43987b574953fceb50b03ce7".into()),
            place: 0,
            words: Digest::of(b"words"),
        },
    }
}

pub fn standing(promotion: Promotion, events: Vec<PromotionEvent>) -> Standing {
    let opened = PromotionEvent::Opened { promotion: Box::new(promotion) };
    let happened = std::iter::once(opened).chain(events).map(|event| Happened { at: now(), event });
    Standing::of(happened).unwrap()
}

/// One that arrived, at another time.
pub fn arrived(outside: &Outside, environment: Environment, release: &str, (digest, when): (Digest, &str)) -> Standing {
    let promotion = promotion(outside, environment, release, digest);
    let events = [PromotionEvent::Opened { promotion: Box::new(promotion) }, PromotionEvent::Ended { ending: Ending::Promoted }];
    Standing::of(events.into_iter().map(|event| Happened { at: at(when), event })).unwrap()
}

pub fn before(outside: &Outside) -> Standing {
    arrived(outside, production(outside), "v1.8.1", (Digest::of(b"1.8.1"), "2026-04-28T09:30:00Z"))
}

/// The plan of [`production`].
pub fn plan(outside: &Outside) -> Vec<Act> {
    let values = |name: &str| vec![(name.to_owned(), image().to_string())];
    let summary = Summary {
        verifier: "https://countersign.example.com/".into(),
        resource: format!("{PROJECT_URL}/-/environments?search=production"),
        policy: Digest::of(b"rule"),
        verified_at: now(),
        promotion: PromotionId("8c166074508eefab".into()),
        environment: EnvironmentName("production".into()),
        requested_by: person(outside, 1),
        approved_by: vec![],
    };
    let (pipeline, job) = (PipelineId(88_213), outside.job.clone());
    vec![
        Act::Retag { image: image(), tag: "production".into() },
        Act::Copy { image: image(), to: "harbor.partner.example/production/api".parse().unwrap(), tag: Some("live".into()) },
        Act::PlayJob { pipeline, job, carrier: Carrier::Variables, values: values("IMAGE") },
        Act::StartPipeline { git_ref: GitRef::Tag(outside.tag.clone()), sha: None, carrier: Carrier::Inputs, values: values("image") },
        Act::Deployment { environment: EnvironmentName("production".into()), sha: sha(), git_ref: GitRef::Tag(outside.tag.clone()) },
        Act::Attest { image: image(), summary },
    ]
}

pub fn lefts() -> Vec<Left> {
    vec![
        Left::Tagged { before: Some(Digest::of(b"1.8.1")) },
        Left::Copied { evidence: 4 },
        Left::Job { id: JobId(502) },
        Left::Pipeline { id: PipelineId(88_300) },
        Left::Deployment { id: DeploymentId(31) },
        Left::Attested { attestation: Digest::of(b"attestation") },
    ]
}

/// Cleared, and this many steps done.
pub fn done(outside: &Outside, steps: usize) -> Vec<PromotionEvent> {
    let cleared = PromotionEvent::Cleared { verdicts: vec![Uuid::nil()], plan: plan(outside) };
    let did = lefts().into_iter().take(steps).enumerate();
    let did = did.flat_map(|(step, left)| [PromotionEvent::Began { step }, PromotionEvent::Did { step, left }]);
    std::iter::once(cleared).chain(did).collect()
}

pub fn between(outside: &Outside, commits: usize) -> CommitsBetween {
    let commit = |number: usize| Commit {
        sha: format!("{number:040x}").parse().unwrap(),
        title: outside.title.clone(),
        web_url: format!("{PROJECT_URL}/-/commit/{number:040x}"),
    };
    let merge_request = |iid| MergeRequest {
        iid: MergeRequestIid(iid),
        title: outside.title.clone(),
        web_url: format!("{PROJECT_URL}/-/merge_requests/{iid}"),
        state: MergeRequestState::Merged,
        source_branch: "retry".into(),
        target_branch: "main".into(),
        source_project: ProjectId(7),
        target_project: ProjectId(7),
        head_pipeline: None,
        head_sha: None,
        merged_as: vec![],
    };
    CommitsBetween {
        commits: (1..=commits).map(commit).collect(),
        more: commits >= 20,
        merge_requests: vec![merge_request(412), merge_request(409)],
    }
}

/// One bar of every kind, with outside text where it can come from outside.
pub fn bars(outside: &Outside) -> Vec<Bar> {
    let environment = || EnvironmentName("production".into());
    let rights = |who: &str, people| Bar::Rights { user: outside.username.clone(), environment: environment(), who: who.into(), people };
    let holder = Holder {
        promotion: PromotionId("8c166074508eefab".into()),
        by: person(outside, 2),
        release: outside.tag.clone(),
        since: at("2026-05-04T14:58:00Z"),
    };
    let unavailable =
        |service, kind, what: &str| Bar::Unavailable { what: what.into(), why: Why::new(service, kind, "time-out after 10 s") };
    let moved = Problem::TagMoved { tag: outside.tag.clone(), old: digest(), new: other_digest() };
    let missing = Problem::SigMissing { image: image(), job: outside.job.clone(), pipeline: Some(PipelineId(88_213)) };
    vec![
        rights("the role Maintainer in group shop/release-managers", Some(4)),
        rights("the role Maintainer", Some(1)),
        rights("group shop/release-managers or Lee Park", None),
        rights("the role Developer and also group shop/release-managers or Lee Park", Some(12)),
        rights("the role Maintainer in group shop/release-managers", Some(0)),
        rights("nobody", None),
        Bar::SecondPerson { environment: environment(), who: "the role Maintainer".into() },
        Bar::Halted { reason: outside.title.clone() },
        Bar::Halted { reason: String::new() },
        Bar::Frozen { environment: environment(), reason: outside.title.clone(), until: at("2026-05-06T06:00:00Z") },
        Bar::Locked { environment: environment(), holder },
        Bar::Expired { asked_at: at("2026-05-04T14:40:00Z") },
        Bar::Changed { what: "the release tag names another commit".into() },
        Bar::NotStaged {
            digest: digest(),
            environment: environment(),
            after: EnvironmentName("staging".into()),
            release: Some(outside.tag.clone()),
        },
        Bar::NoAction { environment: environment() },
        Bar::Step {
            action: "copy".into(),
            environment: environment(),
            reason: format!("harbor.partner.example/production/api does not hold blob {} (404)", digest()),
        },
        Bar::Drift { environment: environment(), found: other_digest().to_string(), expected: digest(), at: now() },
        Bar::Drift { environment: environment(), found: format!("{} at commit ffeeddcc", outside.found), expected: digest(), at: now() },
        unavailable(Service::Gitlab, WhyKind::Down, "what the person who asked may do"),
        unavailable(Service::Gitlab, WhyKind::Refused, "what the person who asked may do"),
        unavailable(Service::Registry, WhyKind::Refused, "image api"),
        unavailable(Service::Store, WhyKind::Unreadable, "what was promoted to staging"),
        Bar::Image { image: PinnedImage { repository: image().repository, digest: other_digest() }, problem: Box::new(moved) },
        Bar::NoImage { name: "api".into(), problem: Box::new(missing) },
    ]
}

/// Where the things of the project are found, from a note on the merge request that asked.
pub fn links() -> Links {
    Links::to(Some(PROJECT_URL)).in_note(Some(MR))
}

pub fn weighed(bars: Vec<Bar>) -> Weighed {
    let waits_for_approval = matches!(bars.as_slice(), [Bar::SecondPerson { .. }]);
    Weighed { bars, observed: vec![], waits_for_approval }
}

/// What a preview is made of.
pub struct Scene {
    pub stage: Stage,
    pub direction: Direction,
    pub environment: Environment,
    pub before: Option<Environment>,
    pub release: String,
    pub images: Vec<(String, PinnedImage)>,
    pub verdicts: Vec<Verdict>,
    pub runs: Option<Standing>,
    pub between: Looked<CommitsBetween>,
    pub weighed: Weighed,
    pub last_there: Option<Timestamp>,
    pub audience: Audience,
}

impl Scene {
    pub fn of(outside: &Outside, stage: Stage, weighed: Weighed) -> Self {
        Self {
            stage,
            direction: Direction::Promote,
            environment: production(outside),
            before: Some(staging()),
            release: outside.tag.clone(),
            images: vec![("api".into(), image())],
            verdicts: vec![attested(outside)],
            runs: Some(before(outside)),
            between: Looked::Found(between(outside, 3)),
            weighed,
            last_there: None,
            audience: Audience::Members,
        }
    }

    pub fn say(&self, words: &Words) -> String {
        words.promotion_preview(&Preview {
            stage: self.stage,
            direction: self.direction,
            environment: &self.environment,
            before: self.before.as_ref(),
            release: &self.release,
            commit: self.verdicts.first().and_then(|verdict| verdict.subject.commit.as_ref()).map(|commit| &commit.sha),
            images: &self.images,
            verdicts: &self.verdicts,
            runs: self.runs.as_ref(),
            between: &self.between,
            weighed: &self.weighed,
            who: "the role Maintainer in group shop/release-managers",
            last_there: self.last_there,
            now: now(),
            audience: self.audience,
            links: &links(),
        })
    }
}
