//! What can go wrong, and with which container.
//!
//! [`Error`] is what the runtime's operations return; [`StartError`] crosses the shim's socket and the state file, so
//! it holds text instead of error values; [`SpecError`] is found before anything is done.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::{ContainerId, SandboxId};

/// A failed operation of the [`crate::Runtime`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification breaks a rule; repeating does not help.
    #[error("specification of container {id} is not valid")]
    Spec {
        /// The container.
        id: ContainerId,
        /// The rule.
        #[source]
        source: SpecError,
    },
    /// There is no such container.
    #[error("there is no container {id}")]
    NoContainer {
        /// The container.
        id: ContainerId,
    },
    /// There is no such sandbox.
    #[error("there is no sandbox {id}")]
    NoSandbox {
        /// The sandbox.
        id: SandboxId,
    },
    /// A container of this name exists with another specification. Remove it first.
    #[error("container {id} exists with another specification")]
    ContainerDiffers {
        /// The container.
        id: ContainerId,
    },
    /// A sandbox of this name exists with another specification. Remove it first.
    #[error("sandbox {id} exists with another specification")]
    SandboxDiffers {
        /// The sandbox.
        id: SandboxId,
    },
    /// The operation needs a container that does not run.
    #[error("container {id} is running")]
    Running {
        /// The container.
        id: ContainerId,
    },
    /// The operation needs a running container.
    #[error("container {id} is not running")]
    NotRunning {
        /// The container.
        id: ContainerId,
    },
    /// A container runs once. Remove it and create it again.
    #[error("container {id} has run and ended")]
    Ended {
        /// The container.
        id: ContainerId,
    },
    /// A sandbox cannot go before its containers.
    #[error("sandbox {id} still has container {container}")]
    SandboxInUse {
        /// The sandbox.
        id: SandboxId,
        /// One of its containers.
        container: ContainerId,
    },
    /// The runtime still has containers or sandboxes.
    #[error("the runtime still has containers or sandboxes")]
    InUse,
    /// The container did not start; nothing of it runs.
    #[error("cannot start container {id}")]
    Start {
        /// The container.
        id: ContainerId,
        /// Why.
        #[source]
        source: StartError,
    },
    /// An operation on a container failed in the operating system.
    #[error("cannot {action} container {id}")]
    Container {
        /// The container.
        id: ContainerId,
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// An operation on a sandbox failed in the operating system.
    #[error("cannot {action} sandbox {id}")]
    Sandbox {
        /// The sandbox.
        id: SandboxId,
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// An operation on a file of the runtime failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The processes of a container did not end in time after SIGKILL. A later attempt may succeed.
    #[error("processes of container {id} are still there {seconds} s after they were killed")]
    Unkillable {
        /// The container.
        id: ContainerId,
        /// How long they were waited for.
        seconds: u64,
    },
    /// Users of a user namespace could not reach their root file system.
    #[error("directory {} keeps others out, and the runtime directory must be reachable for them", path.display())]
    Unreachable {
        /// The directory, which is or is above the runtime directory.
        path: PathBuf,
    },
    /// The name of the control group is not usable.
    #[error("control group {name:?} is not made of names of a-z 0-9 . _ - separated by /")]
    CgroupParent {
        /// The name.
        name: String,
    },
    /// The process that forks shims is gone; running containers go on, no further one can start until the server does.
    #[error("cannot reach the process that forks shims")]
    Zygote(#[source] io::Error),
}

/// Why a container did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StartError {
    /// The command is not there.
    #[error("exec {command:?}: not found")]
    CommandNotFound {
        /// The command as given.
        command: String,
    },
    /// The command is there but the kernel does not run it.
    #[error("exec {path:?}: {cause}")]
    CommandNotExecutable {
        /// Its path in the container.
        path: String,
        /// The kernel's reason.
        cause: String,
    },
    /// A step before the command failed.
    #[error("{step}: {cause}")]
    Setup {
        /// What was being done.
        step: String,
        /// Why it failed.
        cause: String,
    },
    /// The preparation hung and was killed.
    #[error("not prepared within {seconds} s")]
    TimedOut {
        /// How long it was given.
        seconds: u64,
    },
    /// The container has a shim already, which was forked at the same time.
    #[error("another shim has the container")]
    AnotherShim,
    /// The shim went away before it reported.
    #[error("the shim ended before it reported")]
    ShimDied,
}

impl StartError {
    pub(crate) fn setup(step: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Setup { step: step.into(), cause: cause.to_string() }
    }
}

/// Names the step of a start that an operating system error belongs to.
pub(crate) trait Step<T> {
    /// The step is a text such as `mount the overlay`.
    fn step(self, step: impl Into<String>) -> Result<T, StartError>;
}

impl<T, E: std::fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, StartError> {
        self.map_err(|error| StartError::setup(step, error))
    }
}

/// A rule that a specification breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// See [`crate::ContainerId::new`].
    #[error("id {id:?} is not 1 to 64 characters of a-z 0-9 . _ - beginning with a letter or digit")]
    Id {
        /// The id.
        id: String,
    },
    /// The command is empty.
    #[error("there is no command")]
    NoCommand,
    /// The kernel takes no text with a NUL byte.
    #[error("{text:?} contains a NUL byte")]
    NulByte {
        /// The text, escaped.
        text: String,
    },
    /// The name of an environment variable is empty or contains `=`.
    #[error("{name:?} is no name of an environment variable")]
    VariableName {
        /// The name.
        name: String,
    },
    /// A path is relative or contains `..`.
    #[error("{what} {path:?} is not an absolute path without ..")]
    Path {
        /// Which path.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// A number is out of bounds.
    #[error("{what} {value} is not between {least} and {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: i64,
        /// Smallest allowed.
        least: i64,
        /// Largest allowed.
        most: i64,
    },
    /// There is no such signal.
    #[error("{number} is no signal that can be sent")]
    Signal {
        /// The number.
        number: i32,
    },
    /// A toolchain directory that would show more than a toolchain.
    #[error("{path:?} cannot be shown to containers: {reason}")]
    Toolchain {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}
