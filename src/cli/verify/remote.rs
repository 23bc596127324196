//! `countersign verify --server`: the running bot is asked, and its answer held against the question.
//!
//! Nothing is decided here. Zero comes only for an answer that is a complete positive verdict about the image that was asked for
//! (SR-24); whatever else comes, and whatever keeps an answer from coming, could not check.

use std::str::FromStr;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, redirect};
use serde_json::{Value, json};
use url::Url;

use super::answer::Answer;
use super::token::Token;
use super::{Arguments, Failed, usage};
use crate::cli::{Exit, print};
use crate::gitlab_client::is_loopback;
use crate::render::one_line;

/// To get a connection: a live server accepts within a second or two.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// One try. The bot itself gives up a verdict after 90 s.
const TRY_TIME: Duration = Duration::from_secs(120);
/// All tries together: a deploy job should hear within minutes.
const WHOLE_TIME: Duration = Duration::from_secs(180);
/// Tries after the first, for a bot that restarts or is busy; the pauses double from one second.
const RETRIES: usize = 3;
/// The longest `Retry-After` that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of an answer: a verdict has some 10 KiB, and a few hundred with hundreds of platforms.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// The address of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(Url);

impl FromStr for Server {
    type Err = &'static str;

    /// The errors do not quote the address: it could hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "this is no address such as https://countersign.example.com")?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err("this is no https address");
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("an address holds no user name, no password, no '?' and no '#'");
        }
        Ok(Self(url))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Server {
    fn route(&self) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/api/v1/verify", self.0.path().trim_end_matches('/')));
        url
    }

    /// Whether requests leave unencrypted.
    fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

/// Asks, and prints the answer.
pub(super) async fn verify(server: &Server, arguments: &Arguments) -> Result<Exit, Failed> {
    if server.is_plain() && !is_loopback(&server.0) && !arguments.plain_http {
        return usage(
            "Over http:// the token could be read on the way, and the answer changed.\nNext: use https://, or add --plain-http if the \
             network itself is trusted.",
        );
    }
    let token = Token::find(arguments.token_file.as_deref())?;
    let client = client(server, &token)?;
    let question = question(arguments);
    let asked = || ask(&client, server, &question);
    let pauses = ExponentialBuilder::default().with_max_times(RETRIES).with_jitter();
    let tries = asked.retry(pauses).when(|no| no.again.is_some()).adjust(|no, pause| pause.map(|pause| pause.max(no.pause())));
    let answered = tokio::time::timeout(WHOLE_TIME, tries).await;
    let answered = answered.unwrap_or_else(|_| Err(NoAnswer::could_not(server, "it did not answer in time")));
    let value = answered.map_err(|no| (no.sentence, no.exit))?;
    let answer = Answer::read(value, arguments).map_err(|why| {
        let sentence = format!(
            "{server} did not answer this question: {why}. So nothing was checked.\nNext: check that this is the bot's address, and ask again."
        );
        (sentence, Exit::CouldNotCheck)
    })?;
    let record = format!("Recorded by {server} as verdict {}{}.", one_line(&answer.told.id), answer.asked_by());
    Ok(print(&arguments.shows(&answer.told, &answer.json, answer.waits_for_the_asker(), &record), answer.told.outcome.into()))
}

fn question(arguments: &Arguments) -> Value {
    let mut question = json!({ "image": arguments.image.to_string(), "project": arguments.project });
    let more = [
        ("environment", arguments.environment.clone().map(Value::from)),
        ("tag", arguments.tag.clone().map(Value::from)),
        ("gitlab", arguments.gitlab.clone().map(Value::from)),
        ("job", arguments.job.map(Value::from)),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            question[name] = value;
        }
    }
    question
}

/// TLS is verified, no redirect is followed: the token goes to the named address only (SR-19).
fn client(server: &Server, token: &Token) -> Result<reqwest::Client, Failed> {
    let mut headers = HeaderMap::new();
    headers.insert(reqwest::header::AUTHORIZATION, token.header()?);
    headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static("application/json"));
    let builder = reqwest::Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .referer(false)
        .https_only(!server.is_plain())
        .connect_timeout(CONNECT_TIME)
        .timeout(TRY_TIME);
    // A proxy that a variable names could answer in the bot's place.
    let builder = if server.is_plain() { builder.no_proxy() } else { builder };
    builder.build().map_err(|why| (format!("the TLS client cannot be set up: {}", why.without_url()), Exit::CouldNotCheck))
}

/// Why there is no answer.
#[derive(Debug)]
struct NoAnswer {
    sentence: String,
    exit: Exit,
    /// Whether another try may bring one, and after what time at the earliest.
    again: Option<Duration>,
}

impl NoAnswer {
    fn could_not(server: &Server, why: &str) -> Self {
        let sentence = format!("{server} could not be asked: {why}. So nothing was checked, and this says nothing about the image.");
        Self { sentence, exit: Exit::CouldNotCheck, again: None }
    }

    fn worth_another_try(mut self, after: Duration) -> Self {
        self.again = Some(after);
        self
    }

    fn pause(&self) -> Duration {
        self.again.unwrap_or_default().min(LONGEST_PAUSE)
    }
}

/// One try.
async fn ask(client: &reqwest::Client, server: &Server, question: &Value) -> Result<Value, NoAnswer> {
    let sent = client.post(server.route()).json(question).send().await;
    let response = sent.map_err(|why| {
        // The library's own words hold the address and little else.
        let reason = if why.is_timeout() {
            "it did not answer in time"
        } else if why.is_connect() {
            "there is no connection, or its certificate is not trusted"
        } else {
            "the connection broke"
        };
        NoAnswer::could_not(server, reason).worth_another_try(Duration::ZERO)
    })?;
    let (status, after) = (response.status(), retry_after(response.headers()));
    let body = read(response).await.map_err(|why| NoAnswer::could_not(server, why))?;
    let value: Option<Value> = serde_json::from_slice(&body).ok();
    match (status, value) {
        (StatusCode::OK, Some(value)) => Ok(value),
        (StatusCode::OK, None) => Err(NoAnswer::could_not(server, "its answer is no JSON")),
        (status, value) => Err(refused(server, (status, after), value.as_ref())),
    }
}

/// What another status means. `after`: how long a busy bot asks to be left alone.
fn refused(server: &Server, (status, after): (StatusCode, Duration), value: Option<&Value>) -> NoAnswer {
    let said = value.and_then(|value| value["error"].as_str()).map(|said| said.lines().map(one_line).collect::<Vec<_>>().join("\n"));
    let with = |what: &str| NoAnswer::could_not(server, what);
    match (status.as_u16(), said) {
        (400, Some(said)) => NoAnswer { sentence: said, exit: Exit::Usage, again: None },
        (401, _) => {
            let mut no = with("it does not accept this token (401)");
            no.sentence.push_str(
                "\nNext: give an ID token whose `aud` is the bot's public_url, made in the running job, or an API token of its bot.toml.",
            );
            no
        }
        (404, Some(_)) => NoAnswer {
            sentence: format!(
                "{server} has no such project, or this token may not ask about it.\nNext: correct --project, or use its token."
            ),
            exit: Exit::Usage,
            again: None,
        },
        (300..=399, _) => with("it points elsewhere, and the token is not sent there; give the address it points to"),
        (429 | 503, Some(said)) => with(&said).worth_another_try(after),
        (429 | 502..=504, _) => with(&format!("it answered {status}")).worth_another_try(after),
        (_, Some(said)) => with(&format!("it answered {status}, {said}")),
        (_, None) => with(&format!("it answered {status}")),
    }
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, &'static str> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off")? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err("its answer is too large");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
