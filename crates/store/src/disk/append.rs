//! Writes one group: records, index and counters in one durable transaction. Retries nothing.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use redb::{Database, Table};

use super::compact::Compaction;
use super::{Disk, DiskError, INDEX, LOG, META, Meta};
use crate::record::Record;
use crate::{Event, EventKind, Key, Revision};

/// The writes of one group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// In the order of their revisions, at least one.
    pub(crate) events: &'a [Event],
    /// The last revision that readers have seen. History is never compacted beyond it.
    pub(crate) published: Revision,
}

impl Disk {
    /// Makes the batch durable and returns the compacted revision after it. After an error the database must be
    /// reopened; only then it is known whether the batch is on disk.
    pub(crate) fn append(&self, batch: Batch<'_>) -> Result<Revision, DiskError> {
        let slot = self.database.read().unwrap_or_else(PoisonError::into_inner);
        self.append_to(slot.as_ref().ok_or_else(DiskError::not_open)?, batch)
    }

    fn append_to(&self, database: &Database, batch: Batch<'_>) -> Result<Revision, DiskError> {
        // redb's default is immediate durability: commit returns after the file was synced.
        let write = database.begin_write()?;
        let compacted = {
            let mut meta_table = write.open_table(META)?;
            let mut log = write.open_table(LOG)?;
            let mut meta = Meta::read(&meta_table)?;
            for event in batch.events {
                append_record(&mut log, event)?;
                meta.head = event.revision;
                meta.superseded_bytes += superseded_bytes(event);
            }
            update_index(&mut write.open_table(INDEX)?, batch.events)?;
            Compaction { history: self.options.history, batch }.run(&mut log, &mut meta)?;
            meta.write(&mut meta_table)?;
            meta.compacted
        };
        write.commit()?;
        Ok(compacted)
    }
}

fn append_record(log: &mut Table<'_, u64, &'static [u8]>, event: &Event) -> Result<(), DiskError> {
    let record = Record::of(event);
    let mut room = log.insert_reserve(event.revision.get(), record.len())?;
    record.write(room.as_mut());
    Ok(())
}

/// What an event adds to the history: the value that it supersedes, and for a deletion its own, which is never current.
fn superseded_bytes(event: &Event) -> u64 {
    let previous = event.previous.as_ref().map_or(0, |entry| entry.value.len());
    let own = if event.kind == EventKind::Deleted { event.entry.value.len() } else { 0 };
    (previous + own) as u64
}

/// Only the last write to each key matters, and in the order of keys neighbours share pages.
fn update_index(index: &mut Table<'_, (&'static str, &'static str), u64>, events: &[Event]) -> Result<(), DiskError> {
    let last: BTreeMap<&Key, &Event> = events.iter().map(|event| (&event.entry.key, event)).collect();
    for (key, event) in last {
        let key = (key.collection(), key.name());
        match event.kind {
            EventKind::Created | EventKind::Updated => index.insert(key, event.revision.get())?,
            EventKind::Deleted => index.remove(key)?,
        };
    }
    Ok(())
}
