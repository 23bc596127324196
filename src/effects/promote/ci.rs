//! What the actions on GitLab's side share.

mod tests;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Place;
use super::pulse::Pulse;
use crate::effects::NotDone;
use crate::effects::hands::Hand;
use crate::gitlab_client::endpoints;
use crate::model::Timestamp;
use crate::model::environment::Carrier;
use crate::verdict::Clearance;

/// How far GitLab's clock may be behind ours when we look for what an earlier run started.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);

/// How many rows of a listing are looked through for what an earlier run started.
pub const LOOK_BACK: usize = 20;

/// One step of a promotion on GitLab's side.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    pub hand: &'a Hand,
    pub place: Place<'a>,
    pub clearances: &'a [Clearance],
    /// When an earlier run was about to do just this and left no outcome.
    pub began_before: Option<Timestamp>,
    /// Asked just before whatever is started.
    pub pulse: &'a Pulse,
}

impl Step<'_> {
    /// Whether something of this time may have been made by that earlier run.
    pub fn since_begun(&self, at: Timestamp) -> bool {
        self.began_before.is_some_and(|then| at.duration_since(then) >= -CLOCK_SLACK)
    }

    /// Refuses what was not cleared: an image must go along, and none but those that were cleared.
    pub fn demand_clearance(&self, given: &Given<'_>) -> Result<(), NotDone> {
        let cleared: Vec<String> = self.clearances.iter().map(|clearance| clearance.image().to_string()).collect();
        let mut images = given.values.iter().map(|(_, value)| value).filter(|value| value.contains("@sha256:")).peekable();
        if images.peek().is_none() {
            return Err(NotDone::Never("no image goes along with this step; nothing was started".into()));
        }
        match images.find(|image| !cleared.contains(image)) {
            Some(image) => Err(NotDone::Never(format!("{image} was not cleared for this step; nothing was started"))),
            None => Ok(()),
        }
    }
}

/// The values that go along, and by what.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub carrier: Carrier,
    pub values: &'a [(String, String)],
}

impl Given<'_> {
    /// `{"NAME": "value"}`, as inputs are sent.
    pub fn inputs(&self) -> Value {
        self.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into()
    }

    /// `[{"key": "NAME", "value": "value"}]`, as variables are sent.
    pub fn variables(&self) -> Vec<Value> {
        self.values.iter().map(|(name, value)| json!({"key": name, "value": value})).collect()
    }
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// Refuses inputs on a GitLab that does not know them: it would leave them out in silence, and the job would run without the image.
pub async fn demand_inputs(hand: &Hand, since: (u64, u64), what: &str) -> Result<(), NotDone> {
    let Version { version } = hand.client.one(endpoints::version()).await?;
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= since => Ok(()),
        (Some(major), Some(minor)) => Err(NotDone::Never(format!(
            "{what} takes inputs since GitLab {}.{}, and this one is {major}.{minor}; nothing was started; let it take variables",
            since.0, since.1
        ))),
        _ => Err(NotDone::Later("GitLab does not say which version it is".into())),
    }
}
