//! The last good snapshot on disk, so that a restarted proxy serves before, and without, the control plane.
//!
//! The file is a SHA-256 digest of the rest and the snapshot's message. It is replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flow::{Invalid, Snapshot, wire};
use prost::Message;
use sha2::{Digest, Sha256};
use task::CancellationToken;
use tokio::sync::Notify;

const DIGEST_BYTES: usize = 32;

/// Why no snapshot could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("cannot read the file")]
    Read(#[source] io::Error),
    #[error("the file is damaged")]
    Damaged,
    #[error("the file is from another version")]
    Decode(#[source] prost::DecodeError),
    #[error("the file holds an invalid snapshot")]
    Invalid(#[source] Invalid),
}

/// Reads the snapshot that [`save`] wrote. None if there is no file.
///
/// # Errors
/// When there is a file that holds no valid snapshot. Trying again does not help; the next save replaces it.
pub(crate) fn load(path: &Path) -> Result<Option<Snapshot>, LoadError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LoadError::Read(error)),
    };
    let (digest, message) = bytes.split_at_checked(DIGEST_BYTES).ok_or(LoadError::Damaged)?;
    if Sha256::digest(message).as_slice() != digest {
        return Err(LoadError::Damaged);
    }
    let message = wire::Snapshot::decode(message).map_err(LoadError::Decode)?;
    Snapshot::try_from(message).map(Some).map_err(LoadError::Invalid)
}

/// Replaces the file. Returns when the snapshot is on disk.
///
/// # Errors
/// Those of the file system; the file is then the one before.
pub(crate) fn save(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let message = wire::Snapshot::from(snapshot).encode_to_vec();
    let beside = path.with_extension("tmp");
    // Rules may hold header values that are nobody else's business.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&Sha256::digest(&message))?;
    file.write_all(&message)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Saves the latest snapshot in the background, and only that: one that was replaced meanwhile is worth nothing.
#[derive(Debug, Default)]
pub(crate) struct Saver {
    wanted: Mutex<Option<Snapshot>>,
    changed: Notify,
}

impl Saver {
    /// Has this snapshot saved, unless another is wanted before its turn.
    pub(crate) fn want(&self, snapshot: Snapshot) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        self.changed.notify_one();
    }

    /// Saves until `stop`, and then what is still wanted.
    pub(crate) async fn run(&self, path: PathBuf, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.changed.notified() => {}
                () = stop.cancelled() => {}
            }
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(snapshot) = wanted else { continue };
            let (path, version) = (path.clone(), snapshot.version.clone());
            if let Err(error) = task::blocking(move || save(&path, &snapshot)).await {
                tracing::error!(%version, %error, "cannot save the snapshot; a restart would serve an older one");
            }
        }
    }
}

#[cfg(test)]
mod tests;
