//! Counters in Prometheus text.
