//! Webhooks and their deliveries.

use serde_json::{Map, Value, json};

use super::people::with;
use super::{maybe, time};
use crate::model::Timestamp;
use crate::sandbox::gitlab::state::{Hook, HookEvent};

/// A hook. Its tokens are never shown, only that they are there.
pub fn hook(held: &Hook, now: Timestamp) -> Value {
    let events: Map<String, Value> = held.events.iter().map(|(name, wanted)| ((*name).to_owned(), (*wanted).into())).collect();
    let more = json!({
        "id": held.id,
        "url": held.url,
        "name": held.name,
        "description": held.description,
        "created_at": time(held.created_at),
        "project_id": held.project.0,
        "enable_ssl_verification": held.verifies_tls,
        "repository_update_events": false,
        "alert_status": held.alert_status(now),
        "disabled_until": maybe(held.disabled_until),
        "url_variables": [],
        "push_events_branch_filter": held.branch_filter,
        "branch_filter_strategy": "wildcard",
        "custom_webhook_template": null,
        "custom_headers": [],
        "token_present": held.token.is_some(),
        "signing_token_present": held.signing_token.is_some(),
    });
    with(events.into(), more)
}

/// One delivery, as `GET hooks/:id/events` tells it.
pub fn hook_event(held: &HookEvent) -> Value {
    let headers =
        |pairs: &[(String, String)]| pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect::<Map<_, _>>();
    json!({
        "id": held.id,
        "url": held.url,
        "trigger": held.trigger.logged(),
        "request_headers": headers(&held.request_headers),
        "request_data": serde_json::from_str::<Value>(&held.request_data).unwrap_or_default(),
        "response_headers": headers(&held.response_headers),
        "response_body": held.response_body,
        "execution_duration": held.seconds,
        "response_status": held.response_status.map_or_else(|| "internal error".to_owned(), |status| status.to_string()),
    })
}
