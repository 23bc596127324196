//! A signing authority: keys, a Fulcio-shaped CA, a log.
