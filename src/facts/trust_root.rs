//! Trust roots: whom we believe.

use std::path::PathBuf;

/// Where a trust root comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A pinned `trusted_root.json`
    /// ([protobuf-specs](https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto)).
    pub path: PathBuf,
}
