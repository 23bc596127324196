//! The append-only, chained record on top of a store.
