//! Version `v1` of `apps`, one file a kind.

pub mod deployment;
pub mod replica_set;
