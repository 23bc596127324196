//! Reactions on notes.
