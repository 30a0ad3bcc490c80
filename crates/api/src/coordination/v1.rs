//! Version `v1` of `coordination.k8s.io`, one file a kind.

pub mod lease;
