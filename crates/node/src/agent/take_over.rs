//! What is on the machine when the agent begins, from one before it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use container::{ContainerId, Error as RuntimeError};

use super::Inner;
use crate::pod::identity::{Attempt, Uid};
use crate::pod::record::Record;

/// The pods that have a directory.
pub(super) fn pods_on_disk(directory: &Path) -> io::Result<Vec<Uid>> {
    fs::create_dir_all(directory)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| Uid::new(name).ok()));
    }
    Ok(found)
}

impl Inner {
    /// Keeps new pods from getting the users of pods that are there already.
    pub(super) async fn mark_users(&self, pods: &[Uid]) {
        for uid in pods {
            let directory = self.directory(uid);
            let record = task::blocking(move || Record::load(&directory)).await;
            match record {
                Ok(record) => record.iter().for_each(|record| self.users.mark(record.first_user)),
                Err(error) => tracing::warn!(%uid, %error, "cannot read the record of a pod"),
            }
        }
    }

    /// The pods of which the runtime has something. What no pod owns is removed.
    pub(super) async fn on_machine(&self) -> Result<Vec<Uid>, RuntimeError> {
        let mut found = Vec::new();
        for listed in self.runtime.list().await? {
            match Attempt::parse(&listed.id) {
                Some((uid, _)) => found.push(uid),
                None => self.remove_stranger(&listed.id).await,
            }
        }
        for sandbox in self.runtime.sandboxes().await? {
            found.extend(Uid::new(sandbox.id.as_str()).ok());
        }
        Ok(found)
    }

    async fn remove_stranger(&self, id: &ContainerId) {
        let removed = match self.runtime.stop(id, Duration::ZERO).await {
            Ok(_) | Err(RuntimeError::NotRunning { .. }) => self.runtime.remove(id).await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => tracing::warn!(container = %id, "a container that belongs to no pod is removed"),
            Err(error) => {
                let error = stdx::error_chain(&error);
                tracing::warn!(container = %id, %error, "a container that belongs to no pod cannot be removed");
            }
        }
    }
}
