//! GitLab, read.
