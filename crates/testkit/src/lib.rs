//! What tests of several crates need: an API server in the process, waiting for a condition, and the steady-state assertion.
//!
//! Nothing here is a mock: [`Cluster`] is the real server on a temporary directory. Everything panics where a test would
//! have to fail. Start reading at [`Cluster::start`].

mod cluster;
mod state;
mod wait;

pub use apiserver::{NodeApi, NodeService, ResponseBody};
pub use cluster::{Cluster, Settings, administrator};
pub use state::State;
pub use wait::eventually;

#[cfg(test)]
mod tests;
