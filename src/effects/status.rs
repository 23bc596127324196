//! Commit statuses on the exact pipeline.
