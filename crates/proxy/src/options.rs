//! What can be set from outside.

use std::path::PathBuf;
use std::time::Duration;

/// Options of the data plane. [`Options::in_directory`] gives the defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// Unix socket on which the control plane serves `trireme.flow.v1.Flow`.
    pub flow_socket: PathBuf,
    /// Unix socket on which the control plane hands over listening sockets.
    pub listener_socket: PathBuf,
    /// Where the last good snapshot is kept, so that a restarted proxy does not depend on the control plane.
    pub state_file: PathBuf,
    /// Threads that forward traffic, at least 1. Default: one for each processor, at most 8.
    pub workers: usize,
    /// How long requests in flight may take to finish after the stop. Default: 8 s, because a server stops within 10.
    pub drain: Duration,
    /// How often counts are sent. Default: 250 ms; a verdict can wait that long, and it is four small messages a second.
    pub window: Duration,
    /// Limit of one connection attempt if the cluster sets none. Default: 1 s; a connection inside one network takes
    /// milliseconds, and a retransmitted SYN comes after a second.
    pub connect_timeout: Duration,
    /// Limit until the response begins, for requests without a body and rules without a timeout. Default: 60 s, what most
    /// proxies do.
    pub response_timeout: Duration,
    /// Limit until a request's head has arrived, also on a connection kept alive. Default: 60 s.
    pub head_timeout: Duration,
    /// The longest head of a request or response, in bytes, at least 8192. Default: 64 KiB.
    pub head_limit_bytes: usize,
    /// The most connections of one listener; further ones wait in its queue. Default: 10,000.
    pub connections_limit: usize,
    /// How long a TCP connection may be silent in both directions. Default: 1 h, as long as connection tracking in most
    /// networks.
    pub tcp_idle: Duration,
    /// Seed of the choices of backends and endpoints. None: different on every start.
    pub seed: Option<u64>,
}

impl Options {
    /// The defaults, with the sockets and the state in `directory`, as [`crate::control::Options::in_directory`] has them.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self {
            flow_socket: directory.join(FLOW_SOCKET),
            listener_socket: directory.join(LISTENER_SOCKET),
            state_file: directory.join("proxy.state"),
            workers: std::thread::available_parallelism().map_or(1, |count| count.get().min(8)),
            drain: Duration::from_secs(8),
            window: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(60),
            head_limit_bytes: 64 * 1024,
            connections_limit: 10_000,
            tcp_idle: Duration::from_hours(1),
            seed: None,
        }
    }
}

pub(crate) const FLOW_SOCKET: &str = "flow.sock";
pub(crate) const LISTENER_SOCKET: &str = "listeners.sock";
