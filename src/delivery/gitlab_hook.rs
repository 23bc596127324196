//! From a GitLab delivery to hints: ids only.
