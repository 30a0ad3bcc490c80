//! Removes history that is over its limits, a bounded step with each group. Never removes a current value.
//!
//! The compacted revision walks along the log. When it passes a write, the value that this write superseded goes, and
//! if the write was a deletion, its own record too: what is left is what a watch that starts at the compacted revision
//! needs. So no list of superseded records is kept, and each record is looked at once.

use redb::{ReadableTable, Table};

use super::append::Batch;
use super::{DiskError, Meta};
use crate::record::Record;
use crate::{EventKind, History, Revision};

/// Revisions passed with a group, besides two for each of its writes: compaction is always faster than writing, so a
/// history that is over its limits (after the limits were lowered, say) shrinks, without holding up any one group.
const EXTRA_STEPS: usize = 32;

pub(super) struct Compaction<'a> {
    pub(super) history: History,
    pub(super) batch: Batch<'a>,
}

impl Compaction<'_> {
    /// Counts `meta` along with what it removes.
    pub(super) fn run(&self, log: &mut Table<'_, u64, &'static [u8]>, meta: &mut Meta) -> Result<(), DiskError> {
        if !self.is_due(meta) {
            return Ok(());
        }
        for write in self.next_writes(log, meta)? {
            if !self.is_due(meta) {
                break;
            }
            for superseded in write.superseded() {
                meta.superseded_bytes = meta.superseded_bytes.saturating_sub(remove(log, superseded)?);
            }
            meta.compacted = write.revision;
        }
        Ok(())
    }

    /// A write that readers have not seen stays, however small the limits: its group may yet fail.
    fn is_due(&self, meta: &Meta) -> bool {
        let too_many = meta.head.since(meta.compacted) > self.history.revisions;
        let too_large = meta.superseded_bytes > self.history.bytes;
        (too_many || too_large) && meta.compacted < self.batch.published
    }

    /// The writes that the compacted revision may pass with this group, read in one go.
    fn next_writes(&self, log: &Table<'_, u64, &'static [u8]>, meta: &Meta) -> Result<Vec<Passed>, DiskError> {
        let steps = self.batch.events.len() * 2 + EXTRA_STEPS;
        let mut writes = Vec::with_capacity(steps);
        for row in log.range(meta.compacted.next().get()..=self.batch.published.get())?.take(steps) {
            let (number, row) = row?;
            let revision = Revision::new(number.value()).ok_or_else(|| DiskError::damaged("the log has revision 0"))?;
            let record = Record::parse(row.value())?;
            writes.push(Passed { revision, previous: record.previous, kind: record.kind });
        }
        Ok(writes)
    }
}

/// A write that the compacted revision is about to pass.
struct Passed {
    revision: Revision,
    previous: Option<Revision>,
    kind: EventKind,
}

impl Passed {
    /// The records that only a watch from before this write needs.
    fn superseded(&self) -> impl Iterator<Item = Revision> {
        let own = (self.kind == EventKind::Deleted).then_some(self.revision);
        self.previous.into_iter().chain(own)
    }
}

/// The length of the value that was removed.
fn remove(log: &mut Table<'_, u64, &'static [u8]>, revision: Revision) -> Result<u64, DiskError> {
    match log.remove(revision.get())? {
        Some(row) => Ok(Record::parse(row.value())?.value.len() as u64),
        None => Err(DiskError::damaged("a superseded value is missing from the log")),
    }
}
