//! Sticky notes and replies.
