//! The core group, whose name is empty in manifests and paths.

pub mod v1;
