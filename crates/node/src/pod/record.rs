//! What the agent has to remember about a pod and cannot see on the machine or in the API.
//!
//! One small file in the pod's directory, replaced as a whole. Without it a container would come out of its back-off when the
//! server is restarted, and two pods could get the same users.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::back_off::Delay;
use super::identity::Directory;

/// The memory of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Record {
    /// The machine's id of the root user of its containers.
    pub first_user: u32,
    /// Waits between restarts, by the slot of the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub delays: BTreeMap<String, Delay>,
}

impl Record {
    /// None if there is no such pod, or if its file cannot be read as one: after a crash of the machine it may be empty.
    pub(crate) fn load(directory: &Directory) -> io::Result<Option<Self>> {
        match fs::read(directory.record()) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn save(&self, directory: &Directory) -> io::Result<()> {
        fs::create_dir_all(directory.root())?;
        let temporary = directory.record().with_extension("tmp");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        // Not forced to disk: what a crash of the machine takes away matters to none of its containers, which end with it.
        fs::rename(temporary, directory.record())
    }
}
