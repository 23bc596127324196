//! The trust roots are kept fresh while the bot runs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::bot::Bot;
use crate::delivery::metrics::Metrics;
use crate::facts::trust_root::Standing;
use crate::model::Timestamp;

/// How often to ask: an authority that is taken out of the root is believed no longer than this.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// After a try that brought nothing.
const AGAIN: Duration = Duration::from_secs(5 * 60);

/// Refreshes the trust roots now and then on, until it is told to stop.
pub(super) async fn keep_fresh(bot: Arc<Bot>, metrics: Arc<Metrics>, stop: CancellationToken) {
    tell(&metrics, &bot.looks.roots().standings());
    loop {
        let standings = tokio::select! {
            () = stop.cancelled() => return,
            standings = bot.looks.roots().refresh(Timestamp::now()) => standings,
        };
        tell(&metrics, &standings);
        for standing in &standings {
            log(standing);
        }
        let failed = standings.iter().any(|standing| standing.fault.is_some());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if failed { AGAIN } else { EVERY }) => {}
        }
    }
}

fn tell(metrics: &Metrics, standings: &[Standing]) {
    for Standing { instance, refreshed, expires, .. } in standings {
        metrics.trust_root(&instance.0, *refreshed, *expires);
    }
}

fn log(standing: &Standing) {
    let said = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| time.to_string());
    let (refreshed, expires) = (said(standing.refreshed), said(standing.expires));
    let gitlab = &standing.instance;
    match &standing.fault {
        None => tracing::info!(%gitlab, refreshed, expires, "trust root refreshed"),
        Some(fault) => tracing::warn!(%gitlab, refreshed, expires, fault, "trust root not refreshed"),
    }
}
