//! What is stored under a key, and what happened to it.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Key, Revision};

/// A value as it stood after one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where the value is.
    pub key: Key,
    /// The write that brought the key into being; later updates keep it, a deletion ends it.
    pub created: Revision,
    /// The write that made this value.
    pub revision: Revision,
    /// The finished value, its revision inserted.
    pub value: Bytes,
}

/// What a write did to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The key had no value before.
    Created,
    /// The key had a value before.
    Updated,
    /// The key has no value after.
    Deleted,
}

/// One write, as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The write's number, the same as the entry's.
    pub revision: Revision,
    /// What it did.
    pub kind: EventKind,
    /// The value after the write; for a deletion, the final value that the writer gave.
    pub entry: Arc<Entry>,
    /// The value before the write; none for a creation.
    pub previous: Option<Arc<Entry>>,
}
