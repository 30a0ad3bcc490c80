//! Reads the past out of the log, a bounded chunk at a time. Blocks; callers on a runtime go through `task::blocking`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use redb::ReadOnlyTable;

use super::{Disk, DiskError, LOG, META, Meta};
use crate::record::Record;
use crate::state::State;
use crate::{Entry, Event, Key, Revision};

/// A chunk ends after this many records, of whatever collection: about a millisecond of work.
const MAX_RECORDS: usize = 512;

/// A chunk ends once its events hold this many bytes of values, so that a watch that starts far back stays small.
const MAX_BYTES: usize = 1024 * 1024;

/// Which events to read: those of one collection, with names that start with `name_prefix`, after one revision and up
/// to another.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    pub(crate) collection: Arc<str>,
    pub(crate) name_prefix: Arc<str>,
    pub(crate) after: Revision,
    pub(crate) until: Revision,
}

/// The first events of a range.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) events: Vec<Event>,
    /// The chunk has all events of the range up to here.
    pub(crate) reached: Revision,
}

impl Disk {
    /// The first events of `range`, or none if some of them were compacted. Values that are current in `state` are
    /// shared with it.
    pub(crate) fn replay(&self, range: &Range, state: &State) -> Result<Option<Chunk>, DiskError> {
        let read = self.begin_read()?;
        if range.after < Meta::read(&read.open_table(META)?)?.compacted {
            return Ok(None);
        }
        let log = read.open_table(LOG)?;
        let mut chunk = Chunk { events: Vec::new(), reached: range.until };
        let mut bytes = 0;
        for (records, row) in log.range(range.revisions())?.enumerate() {
            let (number, row) = row?;
            let revision = Revision::new(number.value()).ok_or_else(|| DiskError::damaged("the log has revision 0"))?;
            let record = Record::parse(row.value())?;
            if record.collection == &*range.collection && record.name.starts_with(&*range.name_prefix) {
                let event = Reader { log: &log, state }.event(revision, &record)?;
                bytes += event.entry.value.len() + event.previous.as_ref().map_or(0, |entry| entry.value.len());
                chunk.events.push(event);
            }
            if records + 1 == MAX_RECORDS || bytes >= MAX_BYTES {
                chunk.reached = revision;
                break;
            }
        }
        Ok(Some(chunk))
    }
}

impl Range {
    fn revisions(&self) -> RangeInclusive<u64> {
        self.after.next().get()..=self.until.get()
    }
}

struct Reader<'a> {
    log: &'a ReadOnlyTable<u64, &'static [u8]>,
    state: &'a State,
}

impl Reader<'_> {
    fn event(&self, revision: Revision, record: &Record<'_>) -> Result<Event, DiskError> {
        let previous = match record.previous {
            Some(previous) => Some(self.previous(previous)?),
            None => None,
        };
        let entry = self.entry(revision, record)?;
        Ok(Event { revision, kind: record.kind, entry, previous })
    }

    fn previous(&self, revision: Revision) -> Result<Arc<Entry>, DiskError> {
        let row = self.log.get(revision.get())?;
        let row = row.ok_or_else(|| DiskError::damaged("a superseded value is missing from the log"))?;
        self.entry(revision, &Record::parse(row.value())?)
    }

    fn entry(&self, revision: Revision, record: &Record<'_>) -> Result<Arc<Entry>, DiskError> {
        let key = Key::new(record.collection, record.name);
        let current = key.ok().and_then(|key| self.state.get(&key)).filter(|entry| entry.revision == revision);
        match current {
            Some(entry) => Ok(entry.clone()),
            None => Ok(Arc::new(record.entry(revision)?)),
        }
    }
}
