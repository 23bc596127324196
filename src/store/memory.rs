//! The store of the tests.
