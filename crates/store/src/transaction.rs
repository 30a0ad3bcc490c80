//! What a writer asks for and what it is answered. Decides nothing itself; `plan.rs` does.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{DiskError, Entry, Key, Revision, Template};

/// One transaction takes at most this many writes, so that one caller cannot hold up all others for long.
const MAX_WRITES: usize = 1024;

/// Writes that happen all or not at all, and only if the preconditions hold. Without writes, it only asks whether they
/// hold.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// What must hold of the state before the writes.
    pub preconditions: Vec<(Key, Expect)>,
    /// At most 1,024, each to a key of its own. Each gets its own revision, in this order.
    pub writes: Vec<Write>,
}

impl Transaction {
    /// A transaction that asks for nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a precondition.
    #[must_use]
    pub fn require(mut self, key: Key, expect: Expect) -> Self {
        self.preconditions.push((key, expect));
        self
    }

    /// Adds a write that gives `key` a value, whether it has one or not.
    #[must_use]
    pub fn put(mut self, key: Key, template: Template) -> Self {
        self.writes.push(Write::Put { key, template });
        self
    }

    /// Adds a write that removes `key`, which must have a value.
    #[must_use]
    pub fn delete(mut self, key: Key, template: Template) -> Self {
        self.writes.push(Write::Delete { key, template });
        self
    }

    /// What can be refused without knowing the state.
    pub(crate) fn check(&self) -> Result<(), CommitError> {
        if self.writes.len() > MAX_WRITES {
            return Err(CommitError::TooManyWrites { writes: self.writes.len(), limit: MAX_WRITES });
        }
        let mut keys = HashSet::with_capacity(self.writes.len());
        match self.writes.iter().map(Write::key).find(|key| !keys.insert(*key)) {
            Some(key) => Err(CommitError::WrittenTwice { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// The bytes that the writes bring, for the limit of a group.
    pub(crate) fn value_bytes(&self) -> usize {
        self.writes.iter().map(|write| write.template().len()).sum()
    }
}

/// What must hold of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// It has no value.
    Absent,
    /// It has a value, whichever.
    Present,
    /// It has the value of this write.
    At(Revision),
}

/// One change of one key.
#[derive(Debug, Clone)]
pub enum Write {
    /// Gives the key a value.
    Put {
        /// Which key.
        key: Key,
        /// Its value, without the revision.
        template: Template,
    },
    /// Removes the key, which must have a value.
    Delete {
        /// Which key.
        key: Key,
        /// The final value, without the revision, for whoever watches.
        template: Template,
    },
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &Key {
        match self {
            Write::Put { key, .. } | Write::Delete { key, .. } => key,
        }
    }

    pub(crate) fn template(&self) -> &Template {
        match self {
            Write::Put { template, .. } | Write::Delete { template, .. } => template,
        }
    }
}

/// What a transaction has written, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// One for each write, in order; for a deletion, the final value with the deletion's revision.
    pub entries: Vec<Arc<Entry>>,
    /// The store's revision after the last write.
    pub revision: Revision,
}

/// Why a transaction was not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A precondition does not hold, or a key to be deleted is absent. Nothing was written. Read again, then retry.
    #[error("{key} is not in the expected state")]
    Conflict {
        /// The first key of which it does not hold.
        key: Key,
        /// What is there.
        current: Option<Arc<Entry>>,
    },
    /// Two writes of the transaction name one key. Nothing was written. Retrying does not help.
    #[error("{key} is written twice in one transaction")]
    WrittenTwice {
        /// The key.
        key: Key,
    },
    /// The transaction has too many writes. Nothing was written. Retrying does not help.
    #[error("a transaction of {writes} writes is larger than {limit}")]
    TooManyWrites {
        /// How many it has.
        writes: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The disk is full. Nothing was written. Reads go on, and writes succeed again once there is room.
    #[error("no room on the disk for the write")]
    StorageFull {
        /// What the disk said.
        #[source]
        source: DiskError,
    },
    /// The store was closed, or its committer ended.
    #[error("the store is closed")]
    Closed,
    /// The disk failed, so the write is not acknowledged. Almost always nothing was written; where the disk took all of
    /// it and failed only to confirm, it becomes visible as soon as the file could be read back. Retrying is useful
    /// with preconditions, which then tell.
    #[error("cannot write to the disk")]
    Failed {
        /// What the disk said.
        #[source]
        source: DiskError,
    },
}

#[cfg(test)]
mod tests;
