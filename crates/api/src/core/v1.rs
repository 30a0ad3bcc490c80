//! Version `v1` of the core group, one file a kind.

pub mod config_map;
pub mod event;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod secret;
pub mod service_account;
