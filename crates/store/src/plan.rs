//! What a group of transactions makes of a state. Pure: no disk, no clock, no thread.

use std::sync::Arc;

use crate::state::State;
use crate::{CommitError, Committed, Entry, Event, EventKind, Expect, Key, Transaction, Write};

/// The state and the events after all transactions that were accepted so far.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) state: State,
    /// One for each write, in the order of their revisions.
    pub(crate) events: Vec<Event>,
}

impl Plan {
    pub(crate) fn new(state: State) -> Self {
        Self { state, events: Vec::new() }
    }

    /// Adds a transaction that has passed [`Transaction::check`], or nothing of it.
    pub(crate) fn add(&mut self, transaction: Transaction) -> Result<Committed, CommitError> {
        for (key, expect) in &transaction.preconditions {
            self.require(key, *expect)?;
        }
        for write in &transaction.writes {
            if let Write::Delete { key, .. } = write {
                self.require(key, Expect::Present)?;
            }
        }
        let entries = transaction.writes.into_iter().map(|write| self.write(write)).collect();
        Ok(Committed { entries, revision: self.state.revision })
    }

    fn require(&self, key: &Key, expect: Expect) -> Result<(), CommitError> {
        let current = self.state.get(key);
        let holds = match (expect, current) {
            (Expect::Absent, found) => found.is_none(),
            (Expect::Present, found) => found.is_some(),
            (Expect::At(revision), found) => found.is_some_and(|entry| entry.revision == revision),
        };
        if holds { Ok(()) } else { Err(CommitError::Conflict { key: key.clone(), current: current.cloned() }) }
    }

    fn write(&mut self, write: Write) -> Arc<Entry> {
        let revision = self.state.revision.next();
        let previous = self.state.get(write.key()).cloned();
        let (key, template, kind) = match write {
            Write::Put { key, template } if previous.is_some() => (key, template, EventKind::Updated),
            Write::Put { key, template } => (key, template, EventKind::Created),
            Write::Delete { key, template } => (key, template, EventKind::Deleted),
        };
        // The texts of a key that is already there are shared with it.
        let key = previous.as_ref().map_or_else(|| self.state.intern(key), |entry| entry.key.clone());
        let created = previous.as_ref().map_or(revision, |entry| entry.created);
        let entry = Arc::new(Entry { key, created, revision, value: template.finish(revision) });
        let event = Event { revision, kind, entry: entry.clone(), previous };
        self.state.apply(&event);
        self.events.push(event);
        entry
    }
}

#[cfg(test)]
mod tests;
