//! The workers: one lane per project.
