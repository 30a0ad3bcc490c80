//! A reader's view of the store. Never waits for a writer, and sees none of what is written after it was taken.

use std::sync::Arc;

use crate::state::State;
use crate::{Entry, Key, Revision};

/// All values as of one revision. Clones are cheap; one that is kept keeps the values that were superseded since.
#[derive(Debug, Clone)]
pub struct Snapshot {
    state: Arc<State>,
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// The last write that this snapshot contains.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The oldest revision after which a watch could start when the snapshot was taken.
    pub fn compacted(&self) -> Revision {
        self.state.compacted
    }

    /// The current value of a key.
    pub fn get(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.state.get(key)
    }

    /// The entries of a collection whose names start with `name_prefix` (all, if it is empty) and come after `after`,
    /// in the order of the bytes of their names. For the next page of a list, `after` is the last name of this one.
    pub fn scan<'a>(
        &'a self,
        collection: &str,
        name_prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        self.state.scan(collection, name_prefix, after)
    }

    /// How many entries [`Snapshot::scan`] yields without `after`. At once if the prefix is empty, else in the time of
    /// the scan.
    pub fn count(&self, collection: &str, name_prefix: &str) -> usize {
        self.state.count(collection, name_prefix)
    }
}
