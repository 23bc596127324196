//! The API: the bot's verdicts for deploy jobs and programs.
//!
//! `POST /api/v1/verify` asks about an image, `GET /api/v1/verdicts/{id}` reads what was recorded. Who asks proves itself
//! ([`caller`]) before a body is read, hears the same about a project it may not ask about and about one that does not exist, and
//! waits in a short line ([`line`]). The answer is made by an [`Answerer`]: the one flow of the bot.

mod answer;
mod caller;
mod id_token;
mod line;
mod question;
mod signing_keys;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};
use tower_http::catch_panic::CatchPanicLayer;
use url::Url;
use uuid::Uuid;

use super::http::drain;
use super::metrics::Metrics;
use crate::model::Secret;
use crate::model::gitlab::{InstanceName, ProjectId, ProjectPath};
use answer::Answer;
use caller::{Caller, Callers, Unproven};
use line::Line;

pub use question::Asking;

/// Who may ask, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The address that an ID token must be made for.
    pub public_url: Url,
    pub tokens: Vec<ApiToken>,
    /// The GitLab servers whose jobs may prove themselves with an ID token.
    pub issuers: Vec<Issuer>,
    /// Every watched project.
    pub projects: Vec<ProjectName>,
}

/// A project by its name on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName {
    pub instance: InstanceName,
    pub path: ProjectPath,
}

/// One secret of a named token. During a rotation a token has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub name: String,
    pub secret: Secret,
    pub scope: Scope,
}

/// What a token may ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    Only(Vec<ProjectName>),
}

/// A GitLab server as the issuer of ID tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub instance: InstanceName,
    /// To the byte what its tokens say as `iss`.
    pub issuer: String,
}

/// What answers. The bot is adapted to this by whoever starts both.
#[async_trait]
pub trait Answerer: Send + Sync + 'static {
    /// Asks the bot about an image of this project, and records the verdict. May be dropped at any await.
    async fn verify(&self, project: &ProjectName, asking: &Asking) -> Answered;

    /// A recorded verdict. The error is one line for the log.
    async fn verdict(&self, id: Uuid) -> Result<Option<Recorded>, String>;

    /// The public keys with which this server signs ID tokens, as it publishes them (JWKS, RFC 7517). The error is one line for the
    /// log.
    async fn signing_keys(&self, instance: &InstanceName) -> Result<Bytes, String>;
}

/// How a question ended.
#[derive(Debug, Clone)]
pub enum Answered {
    Verdict(Box<Recorded>),
    /// The question is wrong; the text says what would be right.
    Wrong(String),
    /// There is no verdict; one line for the log.
    Failed(String),
}

/// A recorded verdict, ready to be sent.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub id: Uuid,
    pub project: ProjectName,
    /// The project's number, if GitLab told it.
    pub project_id: Option<ProjectId>,
    /// `verdict::Outcome::word`.
    pub outcome: &'static str,
    pub json: Value,
}

/// Bytes of a question. Names have at most 255 characters each.
const LARGEST_BODY: usize = 16 * 1024;
/// How long a question may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long a verdict may take, waiting in the line included. One look at GitLab may take 45 s with all its tries.
const VERIFY_TIME: Duration = Duration::from_secs(90);
/// How long a recorded verdict may take.
const READ_TIME: Duration = Duration::from_secs(10);

/// Everything behind the routes.
pub struct Api {
    callers: Callers,
    projects: Vec<ProjectName>,
    line: Line,
    answerer: Arc<dyn Answerer>,
    metrics: Arc<Metrics>,
}

impl Api {
    pub fn new(settings: &Settings, answerer: Arc<dyn Answerer>, metrics: Arc<Metrics>) -> Arc<Self> {
        let callers = Callers::new(settings);
        Arc::new(Self { callers, projects: settings.projects.clone(), line: Line::default(), answerer, metrics })
    }
}

/// The routes of the API.
pub fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/api/v1/verify", post(verify))
        .route("/api/v1/verdicts/{id}", get(verdict))
        .layer(CatchPanicLayer::new())
        .with_state(api)
}

async fn verify(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    let (began, mut seen) = (Instant::now(), Seen::default());
    let answer = answer(&api, &headers, body, &mut seen).await.unwrap_or_else(|answer| answer);
    api.tell("verify", &answer, &seen, began);
    answer.into_response()
}

async fn verdict(State(api): State<Arc<Api>>, id: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    let (began, mut seen) = (Instant::now(), Seen::default());
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let answer = recorded(&api, id, &headers, &mut seen).await.unwrap_or_else(|answer| answer);
    api.tell("verdict", &answer, &seen, began);
    answer.into_response()
}

/// What the log says of a request, as far as it got.
#[derive(Default)]
struct Seen {
    caller: Option<Caller>,
    project: Option<ProjectName>,
}

/// One question, from its head to its answer. The error is an answer as well.
async fn answer(api: &Api, headers: &HeaderMap, body: Body, seen: &mut Seen) -> Result<Answer, Answer> {
    let caller = match api.caller(headers).await {
        Ok(caller) => seen.caller.insert(caller).clone(),
        Err(answer) => {
            drain(body).await;
            return Err(answer);
        }
    };
    let bytes = match timeout(BODY_TIME, axum::body::to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(Answer::Bad(format!("the body is larger than {LARGEST_BODY} bytes, or broke off"))),
        Err(_) => return Err(Answer::Slow),
    };
    let (place, asking) = question::read(&bytes, &caller).map_err(Answer::Bad)?;
    let project = seen.project.insert(api.project(&caller, &place)?).clone();
    let deadline = Instant::now() + VERIFY_TIME;
    let too_long = |_| Answer::Failed("there was no verdict in time; ask again later", format!("none in {} s", VERIFY_TIME.as_secs()));
    let _turn = timeout_at(deadline, api.line.join(caller.key())).await.map_err(too_long)?.map_err(Answer::Busy)?;
    match timeout_at(deadline, api.answerer.verify(&project, &asking)).await.map_err(too_long)? {
        Answered::Verdict(mut recorded) if caller.is_of(recorded.project_id) => {
            recorded.json["asked_by"] = caller.json();
            Ok(Answer::Verdict(recorded))
        }
        // The path belongs to another project by now.
        Answered::Verdict(_) => Err(Answer::Hidden),
        Answered::Wrong(sentence) => Err(Answer::Bad(sentence)),
        Answered::Failed(why) => Err(Answer::Failed("the verdict could not be recorded, so there is none", why)),
    }
}

/// A recorded verdict, for who may ask about its project.
async fn recorded(api: &Api, id: Option<Uuid>, headers: &HeaderMap, seen: &mut Seen) -> Result<Answer, Answer> {
    let caller = seen.caller.insert(api.caller(headers).await?).clone();
    let failed = |why| Answer::Failed("the record could not be read", why);
    let id = id.ok_or(Answer::Hidden)?;
    let found = timeout(READ_TIME, api.answerer.verdict(id)).await.map_err(|_| failed("no answer in time".into()))?.map_err(failed)?;
    let recorded = found.ok_or(Answer::Hidden)?;
    if !caller.covers(&recorded.project) || !caller.was_of(recorded.project_id) {
        return Err(Answer::Hidden);
    }
    seen.project = Some(recorded.project.clone());
    Ok(Answer::Verdict(Box::new(recorded)))
}

impl Api {
    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Answer> {
        match self.callers.prove(headers, &*self.answerer).await {
            Ok(caller) => Ok(caller),
            Err(Unproven::Refused(why)) => Err(Answer::Unproven(why)),
            Err(Unproven::NoKeys(why)) => {
                Err(Answer::Failed("GitLab's signing keys could not be read, so the ID token could not be checked; ask again later", why))
            }
        }
    }

    /// The watched project that is meant, if this caller may ask about it.
    fn project(&self, caller: &Caller, place: &question::Place) -> Result<ProjectName, Answer> {
        let meant = |project: &&ProjectName| {
            project.path.0 == place.project && place.gitlab.as_ref().is_none_or(|gitlab| project.instance.0 == *gitlab)
        };
        let mut found = self.projects.iter().filter(meant).filter(|project| caller.covers(project));
        match (found.next(), found.next()) {
            (Some(project), None) => Ok(project.clone()),
            (None, _) => Err(Answer::Hidden),
            (Some(_), Some(_)) => Err(Answer::Bad("several GitLab servers have a project of this path; say which, as `gitlab`".into())),
        }
    }

    /// One line and one count a request. Of a stranger nothing is told but why it is one.
    fn tell(&self, route: &'static str, answer: &Answer, Seen { caller, project }: &Seen, began: Instant) {
        self.metrics.api(route, caller.as_ref().map_or("nobody", Caller::kind), answer.word());
        let id = if let Answer::Verdict(recorded) = answer { recorded.id.to_string() } else { String::new() };
        let project = project.as_ref().map_or(String::new(), |project| format!("{}/{}", project.instance, project.path));
        let (who, milliseconds) = (caller.as_ref().map(ToString::to_string).unwrap_or_default(), began.elapsed().as_millis());
        let (result, why) = (answer.word(), answer.why());
        match answer {
            Answer::Failed(..) => tracing::error!(route, caller = who, project, result, why, milliseconds, "api request"),
            Answer::Busy(_) | Answer::Slow => tracing::warn!(route, caller = who, project, result, milliseconds, "api request"),
            Answer::Verdict(_) => tracing::info!(route, caller = who, project, verdict = id, result, milliseconds, "api request"),
            Answer::Bad(_) | Answer::Hidden => tracing::info!(route, caller = who, project, result, milliseconds, "api request"),
            Answer::Unproven(_) => tracing::info!(route, result, why, milliseconds, "api request"),
        }
    }
}
