//! The HTTP face: routes, limits, health.
