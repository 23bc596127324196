//! The catch-up poll: what no hook told.
