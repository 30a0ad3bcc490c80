//! What the owner of a store decides. Reads no configuration itself.

use std::path::PathBuf;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database file. Its folder must exist; the file is made if it does not, readable by its owner only.
    pub path: PathBuf,
    /// Memory for pages of the file, in bytes. Current values are in memory anyway, so pages only serve the committer
    /// and watches that start in the past.
    pub cache_bytes: usize,
    /// How much of the past is kept for watches.
    pub history: History,
    /// How many snapshots are kept for the later pages of lists.
    pub hold: HoldLimits,
    #[cfg(test)]
    pub(crate) faults: Option<std::sync::Arc<crate::disk::faults::Faults>>,
}

impl Options {
    /// The defaults, with the database in the file `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: 16 * 1024 * 1024,
            history: History::default(),
            hold: HoldLimits::default(),
            #[cfg(test)]
            faults: None,
        }
    }
}

/// Limits of the log; whichever is reached first starts compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// A watch can start at most this many writes back.
    pub revisions: u64,
    /// Superseded values may take this many bytes.
    pub bytes: u64,
}

impl Default for History {
    /// 10,000 writes: a client that was away for minutes on a busy machine resumes. 64 MiB: what that is at the size
    /// of a large pod.
    fn default() -> Self {
        Self { revisions: 10_000, bytes: 64 * 1024 * 1024 }
    }
}

/// Limits of the snapshots that [`Store::hold`](crate::Store::hold) keeps. Each keeps alive the values that have been
/// superseded since, which is why their age is counted in writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// At most this many; the one that was not used for the longest goes first.
    pub snapshots: usize,
    /// A snapshot that is more writes old than this is dropped.
    pub revisions: u64,
}

impl Default for HoldLimits {
    /// 32 lists read by pages at the same time; the age of the oldest watch.
    fn default() -> Self {
        Self { snapshots: 32, revisions: History::default().revisions }
    }
}
