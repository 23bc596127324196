//! Signatures: what cryptography says of the evidence.
