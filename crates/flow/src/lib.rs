//! The contract between the control plane and the data plane: flow rules down, events up.
//!
//! [`wire`] holds the messages and the gRPC service; the types beside it are what the messages mean, checked once at the
//! edge. Nothing here opens a socket or matches a request. Start reading at [`Snapshot`], then [`Rule`]; what comes back is
//! in [`event`].

pub mod event;
mod invalid;
mod rule;
mod snapshot;
pub mod wire;

pub use invalid::{Invalid, Violation};
pub use rule::{
    Action, Backend, Forward, HeaderEdit, HostPattern, Match, NamedMatch, PathEdit, PathMatch, Pattern, Redirect,
    Rewrite, Rule, TextMatch, Timeout, Transport,
};
pub use snapshot::{Cluster, ClusterProtocol, Endpoint, Listener, ListenerProtocol, Purpose, Snapshot, Version};
