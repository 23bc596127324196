//! Trust roots: whom we believe.
