//! Containers on one Linux machine, kept alive by small shims that survive the server.
//!
//! Knows sandboxes (shared network, host name and IPC) and containers in them, and nothing of Kubernetes: pods, probes,
//! restarts and images belong to others. All state is on disk or in the shims, so a [`Runtime`] can be thrown away and
//! opened again at any time, and every operation can be repeated.
//!
//! ```text
//! server ──SEQPACKET──▶ zygote ──fork, fork──▶ shim ──fork──▶ creating process (libcontainer)
//!    │                                          │ ▲                │
//!    └────────── unix socket, JSON lines ───────┘ └─ pidfd, FIFOs ─┴─▶ first process of the container
//! ```
//!
//! Start reading at [`Runtime`]; [`zygote::start`] has to come first in the process.

#![expect(unsafe_code, reason = "forking and new mount calls have no safe wrappers; each block says why it holds")]

mod cgroup;
mod error;
mod host;
mod layout;
pub mod memory;
mod mount;
mod process;
mod runtime;
mod shim;
mod spec;
mod state;
mod wire;
pub mod zygote;

pub use cgroup::Stats;
pub use error::{Error, SpecError, StartError};
pub use host::HostRootfs;
pub use process::Identity;
pub use runtime::{Adopted, Listed, Options, Runtime, leaks};
pub use spec::{
    Access, ContainerId, ContainerSpec, DEFAULT_CAPABILITIES, EtcFiles, LogOptions, MAX_ID_LENGTH, Mount, MountSource,
    Network, Process, Resources, Rootfs, SandboxId, SandboxSpec, Security, Users,
};
pub use state::{Exit, ExitStatus, Status};
pub use wire::Target;
pub use zygote::Zygote;
