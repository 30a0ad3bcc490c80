//! The data plane: a process that forwards traffic as flow rules say, and reports what happened.
//!
//! It knows no Kubernetes kind. It is fed over the contract of crate `flow`, serves listening sockets that the control plane
//! opened, and keeps going with its last good rules when the control plane is gone. TLS, UDP and mirroring are not here.
//!
//! Start reading at [`Service::run`]. The way of a request is `worker` → `server` → `server::exchange` →
//! `server::forward` → `upstream::pool`; the way of a rule is `link` → `table` → `matcher`. [`control`] is the other end of
//! both, for the process that feeds proxies.

mod backoff;
pub mod control;
mod handover;
mod link;
mod matcher;
mod options;
mod random;
mod report;
mod server;
mod service;
mod socket;
mod state;
mod stats;
mod table;
mod tcp;
mod upstream;
mod worker;

pub use options::Options;
pub use service::{Error, Service, run};

#[cfg(test)]
mod tests;
