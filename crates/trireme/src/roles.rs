//! What the binary runs for long, one file a role.

mod control;
pub(crate) mod data_directory;
mod http;
mod kubeconfig;
mod node;
pub(crate) mod server;
