//! The field's words as plain data: no I/O, no policy, no clock.

pub mod attestation;
pub mod digest;
pub mod environment;
pub mod gitlab;
pub mod image;
pub mod moment;
pub mod project;
pub mod promotion;
pub mod secret;
pub mod signer;

pub use digest::Digest;
pub use environment::{Environment, EnvironmentName};
pub use image::{ImageReference, PinnedImage, Pointer, Repository};
pub use jiff::Timestamp;
pub use secret::Secret;
