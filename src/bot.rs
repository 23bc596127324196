//! The flow, on one screen.
