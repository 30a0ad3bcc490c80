//! All current values, as a persistent map: a clone costs nothing and shares everything. Checks no preconditions
//! (`plan.rs` does) and knows no disk.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;

use crate::{Entry, Event, EventKind, Key, Revision};

type Collection = OrdMap<Arc<str>, Arc<Entry>>;

/// The values as of one revision.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The last write that is in this state.
    pub(crate) revision: Revision,
    /// Watches can start here or later.
    pub(crate) compacted: Revision,
    collections: OrdMap<Arc<str>, Collection>,
}

impl State {
    pub(crate) fn new(revision: Revision, compacted: Revision) -> Self {
        Self { revision, compacted, collections: OrdMap::new() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.collections.get(key.collection())?.get(key.name())
    }

    /// The entries whose names start with `prefix` and come after `after`, in order.
    pub(crate) fn scan<'a>(
        &'a self,
        collection: &str,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Entry>> + use<'a> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let names = self.collections.get(collection).map(|entries| entries.range::<_, str>((start, Bound::Unbounded)));
        names.into_iter().flatten().take_while(move |(name, _)| name.starts_with(prefix)).map(|(_, entry)| entry)
    }

    pub(crate) fn count(&self, collection: &str, prefix: &str) -> usize {
        if prefix.is_empty() {
            return self.collections.get(collection).map_or(0, OrdMap::len);
        }
        self.scan(collection, prefix, None).count()
    }

    /// The key with the text of its collection that the entries already there share.
    pub(crate) fn intern(&self, key: Key) -> Key {
        match self.collections.get_key_value(key.collection()) {
            Some((collection, _)) => key.with_collection(collection.clone()),
            None => key,
        }
    }

    /// Puts an entry that is already on disk.
    pub(crate) fn load(&mut self, entry: Arc<Entry>) {
        let collection = self.collections.entry(entry.key.shared_collection().clone()).or_default();
        collection.insert(entry.key.shared_name().clone(), entry);
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        self.revision = event.revision;
        match event.kind {
            EventKind::Created | EventKind::Updated => self.load(event.entry.clone()),
            EventKind::Deleted => self.remove(&event.entry.key),
        }
    }

    fn remove(&mut self, key: &Key) {
        let Some(collection) = self.collections.get_mut(key.collection()) else { return };
        collection.remove(key.name());
        if collection.is_empty() {
            self.collections.remove(key.collection());
        }
    }
}
