//! Counters in Prometheus text ([OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/)).
//!
//! Every label value is a word of this program or a name out of `bot.toml`, never of a delivery, so that nobody outside can make series (SR-23).

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::event::What;
use crate::model::Timestamp;
use crate::store::Depth;

/// What `GET /metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// The counters of one process.
pub struct Metrics {
    registry: Registry,
    deliveries: Counters<2>,
    api_requests: Counters<3>,
    hints: Counters<2>,
    waiting: Gauge<u64, AtomicU64>,
    claimed: Gauge<u64, AtomicU64>,
    work: Counters<1>,
    verdicts: Counters<1>,
    effect_failures: Counters<1>,
    catch_up_finds: Counter,
    trust_root_refreshed: Family<Vec<(&'static str, String)>, Gauge>,
    trust_root_expires: Family<Vec<(&'static str, String)>, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let metrics = Self {
            deliveries: Family::default(),
            api_requests: Family::default(),
            hints: Family::default(),
            waiting: Gauge::default(),
            claimed: Gauge::default(),
            work: Family::default(),
            verdicts: Family::default(),
            effect_failures: Family::default(),
            catch_up_finds: Counter::default(),
            trust_root_refreshed: Family::default(),
            trust_root_expires: Family::default(),
            registry: Registry::default(),
        };
        registry.register("deliveries", "Webhook deliveries by kind and by how they were answered", metrics.deliveries.clone());
        let api_requests = metrics.api_requests.clone();
        registry.register(
            "api_requests",
            "Requests of the API by route, by what their caller proved, and by how they were answered",
            api_requests,
        );
        registry.register("hints", "Hints queued, by object and by origin", metrics.hints.clone());
        registry.register("queue_waiting", "Hints that wait", metrics.waiting.clone());
        registry.register("queue_claimed", "Hints that are being worked on", metrics.claimed.clone());
        registry.register("work", "Pieces of work by how they ended", metrics.work.clone());
        registry.register("verdicts", "Verdicts by outcome", metrics.verdicts.clone());
        registry.register("effect_failures", "Effects that did not happen, by effect", metrics.effect_failures.clone());
        registry.register("catch_up_finds", "Hints that only the catch-up poll found", metrics.catch_up_finds.clone());
        let (refreshed, expires) = (metrics.trust_root_refreshed.clone(), metrics.trust_root_expires.clone());
        // Moments rather than ages, so that a reader's own clock makes the age, also while nothing is refreshed.
        registry.register("trust_root_refreshed_timestamp_seconds", "When a trust root was last refreshed; 0 for never", refreshed);
        registry.register("trust_root_expires_timestamp_seconds", "When the metadata of a trust root expires; 0 for unknown", expires);
        Self { registry, ..metrics }
    }
}

impl Metrics {
    pub(super) fn delivery(&self, kind: &'static str, result: &'static str) {
        self.deliveries.get_or_create(&[("kind", kind), ("result", result)]).inc();
    }

    pub(super) fn api(&self, route: &'static str, caller: &'static str, result: &'static str) {
        self.api_requests.get_or_create(&[("route", route), ("caller", caller), ("result", result)]).inc();
    }

    pub(super) fn hint(&self, what: &What, origin: &'static str) {
        self.hints.get_or_create(&[("object", object(what)), ("origin", origin)]).inc();
    }

    pub(super) fn work(&self, outcome: &'static str) {
        self.work.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn catch_up(&self, finds: u64) {
        self.catch_up_finds.inc_by(finds);
    }

    /// A verdict was made; `outcome` is `verdict::Outcome::word`.
    pub fn verdict(&self, outcome: &'static str) {
        self.verdicts.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// An effect was given up; `effect` is the name of its kind.
    pub fn effect_failure(&self, effect: &'static str) {
        self.effect_failures.get_or_create(&[("effect", effect)]).inc();
    }

    /// A trust root's times. `gitlab` is the server's name in `bot.toml`.
    pub fn trust_root(&self, gitlab: &str, refreshed: Option<Timestamp>, expires: Option<Timestamp>) {
        for (gauge, time) in [(&self.trust_root_refreshed, refreshed), (&self.trust_root_expires, expires)] {
            gauge.get_or_create(&vec![("gitlab", gitlab.to_owned())]).set(time.map_or(0, Timestamp::as_second));
        }
    }

    /// All of it as text. `None` for the depth leaves the gauges as they were.
    pub fn text(&self, depth: Option<Depth>) -> String {
        if let Some(depth) = depth {
            self.waiting.set(depth.waiting);
            self.claimed.set(depth.claimed);
        }
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The kind of object a hint names, for a label or a log line.
pub(super) fn object(what: &What) -> &'static str {
    match what {
        What::Pipeline { .. } => "pipeline",
        What::Job { .. } => "job",
        What::Tag { .. } => "tag",
        What::Release { .. } => "release",
        What::Note { .. } => "note",
        What::MergeRequest { .. } => "merge_request",
        What::Environment { .. } => "environment",
        What::Promotion { .. } => "promotion",
        What::Deployment { .. } => "deployment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_every_counter_with_its_labels() {
        let metrics = Metrics::default();
        metrics.delivery("pipeline", "queued");
        metrics.api("verify", "job", "passed");
        metrics.hint(&What::Tag { name: "v1\n} evil".into() }, "hook");
        metrics.work("done");
        metrics.verdict("blocked");
        metrics.effect_failure("status");
        metrics.catch_up(3);
        let text = metrics.text(Some(Depth { waiting: 2, claimed: 1 }));
        for line in [
            r#"countersign_deliveries_total{kind="pipeline",result="queued"} 1"#,
            r#"countersign_api_requests_total{route="verify",caller="job",result="passed"} 1"#,
            r#"countersign_hints_total{object="tag",origin="hook"} 1"#,
            "countersign_queue_waiting 2",
            "countersign_queue_claimed 1",
            r#"countersign_work_total{outcome="done"} 1"#,
            r#"countersign_verdicts_total{outcome="blocked"} 1"#,
            r#"countersign_effect_failures_total{effect="status"} 1"#,
            "countersign_catch_up_finds_total 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("evil"), "names from outside are no labels");
    }
}
