//! This machine as a `Node`: registration, what it has, how it is, and a sign of life.
//!
//! `plan` says what the node is to look like, purely; `machine` reads the kernel's own tables; `reconcile` writes. The sign of
//! life is a Lease in `kube-node-lease`, renewed far more often than the status (KEP-589).

pub(crate) mod machine;
pub(crate) mod plan;
pub(crate) mod reconcile;
