//! The registry: tags, manifests, and the evidence beside an image.
