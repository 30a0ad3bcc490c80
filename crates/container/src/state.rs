//! What is known about a container, and the file that keeps it.
//!
//! The shim writes the file, durably and before it tells anyone; the server only reads it, and writes it when no shim is
//! left. Start reading at [`Status`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::process::{Ending, Identity};

/// Where a container is in its life. It goes through these in order and never starts a second time after it has run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// It has been created and not started.
    Created,
    /// The last attempt to start it failed; another one may be made.
    StartFailed {
        /// Why.
        error: StartError,
        /// When.
        at: Timestamp,
    },
    /// Its first process is there.
    Running {
        /// The first process.
        init: Identity,
        /// When it was started, just before its command was executed.
        started_at: Timestamp,
    },
    /// It has run and ended.
    Exited {
        /// What its first process was.
        init: Identity,
        /// When it was started.
        started_at: Timestamp,
        /// How it ended.
        exit: Exit,
    },
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exit {
    /// How its first process ended.
    pub status: ExitStatus,
    /// When that was seen.
    pub at: Timestamp,
    /// Whether it failed and the memory limit had killed something in it.
    pub oom_killed: bool,
}

/// How the first process of a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExitStatus {
    /// It exited with this code.
    Code(u8),
    /// This signal killed it.
    Signal(u8),
    /// Nobody saw it, or the kernel cannot tell.
    Unknown {
        /// Why nobody saw it.
        reason: String,
    },
}

impl ExitStatus {
    /// The exit code as Kubernetes shows it: 128 + n for signal n, 255 for unknown.
    pub fn code(&self) -> i32 {
        match self {
            Self::Code(code) => i32::from(*code),
            Self::Signal(signal) => 128 + i32::from(*signal),
            Self::Unknown { .. } => 255,
        }
    }
}

impl From<Ending> for ExitStatus {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Code(code) => Self::Code(code),
            Ending::Signal(signal) => Self::Signal(signal),
        }
    }
}

/// The content of a container's state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Record {
    /// The boot of the machine in which this was written.
    pub boot_id: String,
    pub status: Status,
    /// What was asked for and could not be had in full, one sentence each.
    pub notes: Vec<String>,
}

impl Record {
    /// None if the container was never started.
    pub(crate) fn load(path: &Path) -> io::Result<Option<Self>> {
        read_json(path)
    }

    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        write_json(path, self)
    }
}

/// Reads a JSON file; none if there is no such file.
pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file so that after a crash it has the old content or the new one, and after this returns the new one.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
