//! Our section of a release's description.
